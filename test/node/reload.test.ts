import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'
import { makeCertificates } from '../transport/certificates.ts'
import type { Certificates } from '../transport/certificates.ts'
import { shownName } from '../transport/shown-name.ts'

const OLD = 'the-old-token-of-root'
const NEW = 'the-new-token-of-root'
const OTHER = 'a-token-for-the-others'

describe('a node that reads its files again', { timeout: 120_000 }, () => {
  let directory: string
  let tokensFile: string
  let certificates: Certificates
  let node: RunningNode
  const clients: Client[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-reload-'))
    tokensFile = join(directory, 'tokens.yaml')
    certificates = makeCertificates(directory, 'n0', 'renewed')
    await tokens(OLD, OTHER)
    const any = { port: 0 }
    const tls = { certFile: certificates.path('n0', 'pem'), keyFile: certificates.path('n0', 'key') }
    const settings = {
      dataDirectory: join(directory, 'data'),
      client: { port: 0, tls },
      peer: any,
      admin: any,
      tokensFile,
    }
    node = await startNode(checkConfiguration({ ...settings, log: { level: 'silent' } }, 'test'), nodePlatform)
  })
  after(async () => {
    for (const client of clients) await client.close()
    await node.stop('end of the test')
    await rm(directory, { recursive: true })
  })

  const tokens = (...known: string[]): Promise<void> =>
    writeFile(tokensFile, `tokens: [${known.map(token => `{ token: ${token}, caller: root }`).join(', ')}]\n`)

  async function come(token: string): Promise<Client> {
    const url = `wss://127.0.0.1:${node.clientAddress.port}`
    const client = await connect(url, { token, timeoutMs: 20_000, tls: { authority: certificates.authority } })
    clients.push(client)
    return client
  }

  it('sends away who came with a token that is gone, and nobody else', async () => {
    const [old, other] = [await come(OLD), await come(OTHER)]
    await old.ddl({ type: 'createProject', project: 'p' })
    const news = other.statusEvents()[Symbol.asyncIterator]()
    await tokens(OLD, OTHER, NEW)
    await node.reload()
    assert.equal((await old.projects()).length > 0, true, 'both are good for a while')
    await tokens(OTHER, NEW)
    await node.reload()
    await assert.rejects(old.kv('p').get('a'), { code: 'unauthenticated' })
    await assert.rejects(old.kv('p').set('a', Uint8Array.of(1)), { code: 'unauthenticated' })
    await (await come(NEW)).kv('p').set('a', Uint8Array.of(2))
    assert.deepEqual(await other.kv('p').get('a'), Uint8Array.of(2))
    await other.close()
    const heard: string[] = []
    for (let step = await news.next(); step.done !== true; step = await news.next()) heard.push(step.value.type)
    assert.deepEqual(
      heard.filter(type => type === 'reconnecting'),
      [],
      'its connection was never lost',
    )
  })

  it('takes what is sound, whatever is wrong with the rest', async () => {
    const known = await come(NEW)
    const { port } = node.clientAddress
    const ca = certificates.authority
    assert.equal(await shownName(port, { ca }), 'n0')
    await writeFile(tokensFile, 'tokens: 5\n')
    for (const suffix of ['pem', 'key'] as const) {
      await copyFile(certificates.path('renewed', suffix), certificates.path('n0', suffix))
    }
    await node.reload()
    assert.equal(await shownName(port, { ca }), 'renewed')
    assert.deepEqual(await known.kv('p').get('a'), Uint8Array.of(2), 'the tokens of before are those that count')
    await come(NEW)
  })
})
