import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ExitCode } from '../../src/cli/exit-codes.ts'
import { connect } from '../../src/entry/client.ts'
import { Engine, restoreBackup, rotateKeys } from '../../src/entry/engine.ts'
import { QuorateError } from '../../src/model/index.ts'
import {
  checkConfiguration,
  checkDataDirectory,
  loadConfiguration,
  nodePlatform,
  startNode,
} from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'
import { run } from '../cli/run.ts'

const MARKER = 'a text of a user of the node'
const [A, B, C] = ['aa', 'bb', 'cc'].map(byte => byte.repeat(32)) as [string, string, string]

let directory: string
let data: string

function keyFile(name: string): string {
  return join(directory, name)
}

function start(keys: { encryption?: string; integrity?: string }, dataDirectory: string = data): Promise<RunningNode> {
  const any = { port: 0 }
  const files = Object.fromEntries(Object.entries(keys).map(([purpose, name]) => [purpose, { keyFile: keyFile(name) }]))
  const settings = { dataDirectory, client: any, peer: any, admin: any, log: { level: 'silent' }, ...files }
  return startNode(checkConfiguration(settings, 'test'), nodePlatform)
}

async function filesWith(text: string, root: string): Promise<string[]> {
  const found: string[] = []
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && (await readFile(path)).includes(text)) found.push(path)
  }
  return found
}

function hasCode(code: string): (error: unknown) => boolean {
  return error => error instanceof QuorateError && error.code === code
}

describe('a node with keys', { timeout: 60_000 }, () => {
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-sealed-'))
    data = join(directory, 'data')
    for (const [name, text] of Object.entries({
      a: A,
      b: `${B}\n`,
      'b-then-a': `# new\n${B}\n${A}\n`,
      c: C,
      bad: 'abc',
    })) {
      await writeFile(keyFile(name), text)
    }
    const node = await start({ encryption: 'a', integrity: 'c' })
    const client = await connect(`ws://127.0.0.1:${node.clientAddress.port}`)
    await client.ddl({ type: 'createProject', project: 'p' })
    const kv = client.kv('p')
    for (let i = 0; i < 50; i++)
      await kv.set(`${MARKER} ${i}`, new TextEncoder().encode(MARKER.repeat(1 + 100 * (i % 3))))
    assert.deepEqual(await filesWith(MARKER, data), [], 'while it runs')
    await client.close()
    await node.stop('end')
  })
  after(() => rm(directory, { recursive: true }))

  it('keeps nothing of its users in plain text, and serves it again', async () => {
    assert.deepEqual(await filesWith(MARKER, data), [])
    const node = await start({ encryption: 'a', integrity: 'c' })
    const client = await connect(`ws://127.0.0.1:${node.clientAddress.port}`)
    assert.equal(new TextDecoder().decode(await client.kv('p').get(`${MARKER} 3`)), MARKER)
    await client.close()
    await node.stop('end')
  })

  it('keeps no backups in its directory, which would be in plain text', async () => {
    const node = await start({ encryption: 'a', integrity: 'c' })
    const answer = await fetch(`http://127.0.0.1:${node.adminAddress.port}/admin/v1/backups`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    assert.equal(answer.status, 400)
    assert.match(await answer.text(), /invalid_argument.*backupDirectory/)
    await node.stop('end')
  })

  it('does not start without its keys, with others, or with a file that holds none', async () => {
    await assert.rejects(start({}), hasCode('seal_key_missing'))
    await assert.rejects(start({ encryption: 'a' }), hasCode('seal_key_missing'))
    await assert.rejects(start({ encryption: 'b', integrity: 'c' }), hasCode('seal_key_wrong'))
    await assert.rejects(start({ encryption: 'bad', integrity: 'c' }), hasCode('configuration_invalid'))
    await assert.rejects(start({ encryption: 'none', integrity: 'c' }), hasCode('configuration_invalid'))
    const plain = join(directory, 'plain')
    await (await start({}, plain)).stop('end')
    await assert.rejects(start({ encryption: 'a' }, plain), hasCode('not_sealed'))
  })

  it('is checked with its keys only, and a changed byte is damage with them', async () => {
    const { files, random, ciphers } = nodePlatform()
    await assert.rejects(checkDataDirectory(files, data), hasCode('seal_key_missing'))
    const options = ['--encryption-key-file', keyFile('a'), '--integrity-key-file', keyFile('c')]
    const sound = await run('check', 'data', data, '--output', 'json', ...options)
    assert.equal(sound.code, ExitCode.fine, sound.error)
    assert.ok((JSON.parse(sound.text) as { regions: { kind: string }[] }).regions.some(({ kind }) => kind === 'keys'))
    const missing = await run('check', 'data', data)
    assert.deepEqual([missing.code, /seal_key_missing/.test(missing.error)], [ExitCode.failed, true])
    const copy = join(directory, 'copy')
    await cp(data, copy, { recursive: true, filter: path => !/LOCK|\.sock$/.test(path) })
    const keys = await readFile(join(copy, 'keys.json'), 'utf8')
    await writeFile(join(copy, 'keys.json'), keys.replace('"isCurrent": true', '"isCurrent": false'))
    const sealing = {
      random,
      ciphers,
      keys: { encryption: [Buffer.from(A, 'hex')], integrity: [Buffer.from(C, 'hex')] },
    }
    const { verdict, damage } = await checkDataDirectory(files, copy, { sealing })
    assert.deepEqual([verdict, damage.map(({ kind }) => kind)], ['damaged', ['keys']])
  })

  it('goes on under a new key of the operator, and under a new data key', async () => {
    const shown = async (): Promise<string> => (await run('keys', 'show', data)).text
    const before = await shown()
    await (await start({ encryption: 'b-then-a', integrity: 'c' })).stop('end')
    assert.notEqual(await shown(), before)
    await assert.rejects(start({ encryption: 'a', integrity: 'c' }), hasCode('seal_key_wrong'))
    const options = ['--encryption-key-file', keyFile('b'), '--integrity-key-file', keyFile('c')]
    const rotated = await run('keys', 'rotate', data, '--output', 'json', ...options)
    assert.deepEqual(JSON.parse(rotated.text), { directory: data, number: 2 }, rotated.error)
    assert.match(await shown(), /encryption 1 \(former\)[^]*encryption 2 \(current\)/)
    const node = await start({ encryption: 'b', integrity: 'c' })
    const client = await connect(`ws://127.0.0.1:${node.clientAddress.port}`)
    await client.kv('p').set('later', new TextEncoder().encode(MARKER))
    assert.equal(new TextDecoder().decode(await client.kv('p').get(`${MARKER} 3`)), MARKER)
    await client.close()
    await node.stop('end')
    assert.deepEqual(await filesWith(MARKER, data), [])
    const none = await run('keys', 'rotate', join(directory, 'nothing'), ...options)
    assert.match(none.error, /not_found/)
    const nothing = await run('keys', 'show', join(directory, 'nothing'))
    assert.deepEqual([nothing.text, nothing.error.includes('not_found')], ['', true], 'no directory is not a plain one')
  })

  it('paths of key files are meant from the directory of the configuration', async () => {
    const file = join(directory, 'node.yaml')
    await writeFile(file, 'encryption: { keyFile: a }\nintegrity: { keyFile: /k }\n')
    const { files } = nodePlatform()
    const found = await loadConfiguration({ files, file, variables: {}, flags: {} })
    assert.deepEqual([found.encryption.keyFile, found.integrity.keyFile], [keyFile('a'), '/k'])
    const variables = { QUORATE_ENCRYPTION_KEY_FILE: '/e' }
    assert.equal((await loadConfiguration({ files, file, variables, flags: {} })).encryption.keyFile, '/e')
  })
})

describe('an embedded database with keys', () => {
  it('is backed up, and restored into a directory with other keys, and rotates its data key', async () => {
    const root = await mkdtemp(join(tmpdir(), 'quorate-sealed-engine-'))
    try {
      const keys = { encryption: [Buffer.from(A, 'hex')] }
      const other = { encryption: [Buffer.from(B, 'hex')], integrity: [Buffer.from(C, 'hex')] }
      const engine = await Engine.open(join(root, 'one'), { keys })
      await engine.ddl({ type: 'createProject', project: 'p' })
      await engine.kv('p').set('k', new TextEncoder().encode(MARKER))
      await engine.backup(join(root, 'backup'))
      await engine.close()
      assert.deepEqual(await filesWith(MARKER, join(root, 'one')), [])
      assert.equal(await rotateKeys(join(root, 'one'), keys), 2)
      await restoreBackup([join(root, 'backup')], join(root, 'two'), { keys: other })
      assert.deepEqual(await filesWith(MARKER, join(root, 'two')), [])
      await assert.rejects(Engine.open(join(root, 'two'), { keys }), hasCode('seal_key_missing'))
      for (const [name, own] of [
        ['one', keys],
        ['two', other],
      ] as const) {
        const again = await Engine.open(join(root, name), { keys: own })
        assert.equal(new TextDecoder().decode(await again.kv('p').get('k')), MARKER)
        await again.close()
      }
    } finally {
      await rm(root, { recursive: true })
    }
  })
})
