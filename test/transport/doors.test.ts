import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { it } from 'node:test'
import { CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON } from '../../src/model/index.ts'
import { listenHttp, nodeClock, nodeRandom, nodeTimers } from '../../src/platform/node/index.ts'
import { ReplicaCore } from '../../src/raft/index.ts'
import { createGateway } from '../../src/transport/gateway/index.ts'
import { createHttpApp, httpListener, unreadableBody } from '../../src/transport/http/index.ts'
import { acceptWebSocket, webSocketDialer } from '../../src/transport/websocket/index.ts'
import { Trio } from '../raft/replica/trio.ts'
import { get, hello, TestClient } from './gateway/client.ts'

it('both doors share one port of real sockets: WebSocket in binary and JSON, and HTTP', async () => {
  const trio = new Trio(5)
  await trio.start()
  const service = trio.node(await trio.untilLed()).replica
  const ports = { clock: nodeClock(), timers: nodeTimers(), random: nodeRandom() }
  const authenticate = (token: string | undefined, isLoopback: boolean): string | undefined =>
    token ?? (isLoopback ? 'root' : undefined)
  const common = { service, ...ports, authenticate, serverVersion: '0.1.0' }
  const gateway = createGateway(common)
  const acceptor = acceptWebSocket({
    path: '/v1/connect',
    subprotocols: [CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON],
    maxFrameBytes: 1 << 24,
    onLink: ({ link, subprotocol, isLoopback }) => gateway.accept(link, { subprotocol, isLoopback }),
  })
  const app = createHttpApp({ ...common, core: new ReplicaCore({ service, ...ports }) })
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    onRequest: httpListener(app),
    onUnreadable: unreadableBody,
    onUpgrade: (request, socket, head) => void acceptor.handleUpgrade(request, socket, head),
  })
  try {
    for (const subprotocol of [CLIENT_SUBPROTOCOL_BINARY, CLIENT_SUBPROTOCOL_JSON]) {
      const client = new TestClient(subprotocol)
      const url = `ws://127.0.0.1:${server.port}/v1/connect`
      const link = await webSocketDialer().dial(url, { timeoutMs: 2_000, subprotocol, maxFrameBytes: 1 << 24 })
      const answered = new Promise<void>(resolve => {
        link.onFrame = frame => {
          client.link.sent.push(Uint8Array.from(frame))
          if (client.find('readResult', 2) ?? client.find('error', 2)) resolve()
        }
      })
      link.send(client.frame(hello(), get(2, 'a', { consistency: 'local', request: { type: 'projects' } })))
      await answered
      assert.equal(client.find('welcome')?.caller, 'root')
      assert.equal(client.find('readResult', 2)?.result.type, 'projects')
      link.close()
    }
    const origin = `http://127.0.0.1:${server.port}`
    const status = (await (await fetch(`${origin}/v1/status`)).json()) as { role: string }
    assert.equal(status.role, 'leader')
    const missing = await fetch(`${origin}/v1/kv/p/app/a?consistency=local`)
    assert.deepEqual([missing.status, ((await missing.json()) as { code: string }).code], [404, 'project_not_found'])
    for (const line of ['GET /v1/kv/p/app/a/../b HTTP/1.1', 'GET http:// HTTP/1.1', 'GET /v1/kv/p/app/%zz HTTP/1.1']) {
      assert.match(
        await raw(server.port, `${line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`),
        /^HTTP\/1\.1 400 /,
        line,
      )
    }
    for (const [request, status, code] of [
      ['NOTHING\r\n\r\n', 400, 'malformed_request'],
      ['GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', 400, 'malformed_request'],
      ['POST /v1/query HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400, 'malformed_request'],
      [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'frame_too_large'],
    ] as const) {
      const [head = '', body = ''] = (await raw(server.port, request)).split('\r\n\r\n')
      const { code: found, applied } = JSON.parse(body) as { code: string; applied: string }
      assert.deepEqual([Number(head.slice(9, 12)), found, applied], [status, code, 'no'])
    }
  } finally {
    gateway.close()
    acceptor.close()
    await server.close()
  }
})

/** What a server answers to bytes that no HTTP client would send. */
async function raw(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', data => (text += data.toString()))
  socket.write(request)
  await once(socket, 'close')
  return text
}
