import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'

const ROOT = 'the-token-of-the-first-administrator'
const ANN = 'the-token-of-ann-who-has-no-grants'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => void server.close(resolve))
  return port
}

describe('a new node with a file of tokens', { timeout: 120_000 }, () => {
  let directory: string
  let node: RunningNode | undefined
  /** What callers without a token were told from before the node was started until it served. */
  const anonymous: number[] = []
  let url: string
  let socketUrl: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-first-'))
    const tokensFile = join(directory, 'tokens.yaml')
    await writeFile(
      tokensFile,
      `tokens: [{ token: ${ROOT}, caller: root, roles: [client, admin] }, { token: ${ANN}, caller: ann, roles: [client] }]\n`,
    )
    const client = { port: await freePort() }
    url = `http://127.0.0.1:${client.port}`
    socketUrl = `ws://127.0.0.1:${client.port}`
    const any = { port: 0 }
    const settings = { dataDirectory: join(directory, 'data'), client, peer: any, admin: any, tokensFile }
    const start = { isOver: false }
    const knocking = (async () => {
      do {
        const answer = await ddl(undefined, { type: 'createProject', project: 'taken' }).catch(() => undefined)
        if (answer !== undefined) anonymous.push(answer.status)
        await new Promise(setImmediate)
      } while (!start.isOver)
    })()
    try {
      node = await startNode(checkConfiguration({ ...settings, log: { level: 'silent' } }, 'test'), nodePlatform)
    } finally {
      start.isOver = true
      await knocking
    }
  })
  after(async () => {
    await node?.stop('end of the test')
    await rm(directory, { recursive: true })
  })

  const headers = (token: string | undefined): Record<string, string> =>
    token === undefined ? {} : { authorization: `Bearer ${token}` }
  const ddl = (token: string | undefined, operation: object): Promise<Response> =>
    fetch(`${url}/v1/ddl`, {
      method: 'POST',
      headers: { ...headers(token), 'content-type': 'application/json' },
      body: JSON.stringify(operation),
    })
  const put = (token: string | undefined, value: string): Promise<Response> =>
    fetch(`${url}/v1/kv/shop/app/k`, { method: 'PUT', headers: headers(token), body: value })
  const codeOf = async (answer: Response): Promise<string> => ((await answer.json()) as { code: string }).code

  it('lets nobody in without a token, not even while it starts', async () => {
    anonymous.push((await ddl(undefined, { type: 'createProject', project: 'taken' })).status)
    for (const status of anonymous) assert.equal(status, 401)
    assert.equal(await codeOf(await put(undefined, '1')), 'unauthenticated')
    await assert.rejects(
      (async () => {
        await using db = await connect(socketUrl, { timeoutMs: 5_000 })
        await db.ddl({ type: 'createProject', project: 'taken' })
      })(),
      { code: 'unauthenticated' },
    )
  })

  it('gives everything to the token of root, to others nothing until they are granted it', async () => {
    const grant = { type: 'grant', caller: 'ann', permission: { type: 'kvWrite', project: 'shop', scope: 'app' } }
    for (const operation of [
      { type: 'createProject', project: 'shop' },
      grant,
      { type: 'grant', caller: 'ann', permission: { type: 'admin' } },
    ]) {
      assert.equal(await codeOf(await ddl(ANN, operation)), 'permission_denied')
    }
    await using root = await connect(socketUrl, { token: ROOT })
    assert.deepEqual(await root.projects(), [], 'nobody has made anything before')
    await root.ddl({ type: 'createProject', project: 'shop' })
    assert.equal(await codeOf(await put(ANN, '1')), 'permission_denied')
    assert.equal(await root.kv('shop').get('k'), undefined)
    await root.ddl({
      type: 'grant',
      caller: 'ann',
      permission: { type: 'kvWrite', project: 'shop', scope: 'app' },
    })
    assert.ok((await put(ANN, '2')).ok)
    assert.equal(new TextDecoder().decode(await root.kv('shop').get('k')), '2')
    assert.equal(await codeOf(await fetch(`${url}/v1/kv/shop/app/k`, { headers: headers(ANN) })), 'permission_denied')
  })
})
