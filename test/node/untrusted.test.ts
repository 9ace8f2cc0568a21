import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { Engine } from '../../src/entry/engine.ts'
import { QuorateError } from '../../src/model/index.ts'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import { run } from '../cli/run.ts'

const isUntrusted = (error: unknown): boolean => error instanceof QuorateError && error.code === 'untrusted_directory'

it('a node never serves from a directory that was opened permissively, nor does an engine, before an operator has decided', async () => {
  const root = await mkdtemp(join(tmpdir(), 'quorate-untrusted-'))
  const data = join(root, 'data')
  try {
    const engine = await Engine.open(data, { budgetBytes: 1 << 20 })
    await engine.ddl({ type: 'createProject', project: 'p' })
    await engine.close()
    await (await Engine.openPermissively(data)).close()
    const any = { port: 0 }
    const settings = { dataDirectory: data, client: any, peer: any, admin: any, log: { level: 'silent' } }
    await assert.rejects(startNode(checkConfiguration(settings, 'test'), nodePlatform), isUntrusted)
    await assert.rejects(Engine.open(data), isUntrusted)
    const looked = await run('check', 'data', data)
    assert.match(looked.text, /opened permissively: --accept/)
    await assert.rejects(Engine.open(data), isUntrusted, 'looking decides nothing')
    const accepted = await run('check', 'data', data, '--accept', 'the disk was exchanged', '--output', 'json')
    assert.equal(accepted.code, ExitCode.fine, accepted.error)
    const { trust } = JSON.parse(accepted.text) as { trust: unknown }
    assert.deepEqual(trust, { openings: 1, decision: { note: 'the disk was exchanged', verdict: 'clean' } })
    await (await Engine.open(data, { budgetBytes: 1 << 20 })).close()
  } finally {
    await rm(root, { recursive: true })
  }
})
