import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'

const RIGHT = 'the-right-token-of-ann'

describe('wrong tokens', { timeout: 120_000 }, () => {
  let directory: string
  let node: RunningNode
  let kept: Client | undefined

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-tokens-'))
    const tokensFile = join(directory, 'tokens.yaml')
    await writeFile(tokensFile, `tokens: [{ token: ${RIGHT}, caller: ann, roles: [client, admin] }]\n`)
    const any = { port: 0 }
    const settings = { dataDirectory: join(directory, 'data'), client: any, peer: any, admin: any, tokensFile }
    node = await startNode(checkConfiguration({ ...settings, log: { level: 'silent' } }, 'test'), nodePlatform)
  })
  after(async () => {
    await kept?.close()
    await node.stop('end of the test')
    await rm(directory, { recursive: true })
  })

  const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })
  const codeOf = async (answer: Response): Promise<string> => ((await answer.json()) as { code: string }).code

  it('are refused, and after too many of them everything of that address on all ports, for a while', async () => {
    const url = `http://127.0.0.1:${node.clientAddress.port}/v1/status`
    const adminUrl = `http://127.0.0.1:${node.adminAddress.port}`
    kept = await connect(`ws://127.0.0.1:${node.clientAddress.port}`, { token: RIGHT })
    assert.equal((await fetch(url, bearer(RIGHT))).status, 200)
    for (let i = 0; i < 40; i++)
      assert.equal(await codeOf(await fetch(url)), 'unauthenticated', 'no token is no attempt')
    // Faster than tokens are allowed again, however slow the machine is.
    const refusedUnseen = async (): Promise<boolean> => {
      for (let i = 0; i < 25; i++) await (await fetch(url, bearer(`wrong-token-number-${i}`))).text()
      const [client, admin] = [await fetch(url, bearer(RIGHT)), await fetch(`${adminUrl}/metrics`, bearer(RIGHT))]
      return client.status !== 200 && (await codeOf(client)) === 'busy' && admin.status !== 200
    }
    assert.equal(await codeOf(await fetch(url, bearer('the-first-wrong-token'))), 'unauthenticated')
    for (let tries = 0; !(await refusedUnseen()); tries++) assert.ok(tries < 50, 'the right token is still looked at')
    assert.equal((await fetch(`${adminUrl}/livez`)).status, 200, 'probes show no token')
    assert.equal((await kept.status()).members.length, 1, 'who was let in stays')
  })
})
