import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { connect } from '../../src/entry/client.ts'
import { checkConfiguration, nodePlatform, startNode } from '../../src/node/index.ts'
import type { RunningNode } from '../../src/node/index.ts'

const TOKEN = 'the-right-token-of-root'

describe('a client port', { timeout: 120_000 }, () => {
  let directory: string
  let node: RunningNode
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quorate-strangers-'))
    const tokensFile = join(directory, 'tokens.yaml')
    await writeFile(tokensFile, `tokens: [{ token: ${TOKEN}, caller: root }]\n`)
    const any = { port: 0 }
    const settings = { dataDirectory: join(directory, 'data'), client: any, peer: any, admin: any, tokensFile }
    node = await startNode(checkConfiguration({ ...settings, log: { level: 'silent' } }, 'test'), nodePlatform)
  })
  after(async () => {
    await node.stop('end of the test')
    await rm(directory, { recursive: true })
  })

  it('keeps little of what comes before a good hello: a frame that is announced as a large one ends the connection', async () => {
    const { port } = node.clientAddress
    const socket = connectSocket(port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `GET /v1/connect HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: quorate.v1+msgpack\r\n\r\n',
    )
    await once(socket, 'data')
    // A binary message of 8 MiB, masked with zeros.
    socket.write(Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0]))
    let sentBytes = 0
    const ended = new Promise(resolve => socket.on('close', resolve))
    const more = (): void => {
      if (socket.destroyed || sentBytes >= 7 << 20) return
      sentBytes += 1 << 16
      socket.write(new Uint8Array(1 << 16), more)
    }
    more()
    await ended
    assert.ok(sentBytes < 7 << 20, `${sentBytes} bytes were taken`)
  })

  it('takes large frames of whoever has said hello', async () => {
    const url = `ws://127.0.0.1:${node.clientAddress.port}`
    await using client = await connect(url, { token: TOKEN })
    await client.ddl({ type: 'createProject', project: 'p' })
    const value = new Uint8Array(3 << 20).fill(7)
    await client.kv('p').set('large', value)
    assert.deepEqual(await client.kv('p').get('large'), value)
  })
})
