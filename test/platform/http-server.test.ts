import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, it } from 'node:test'
import { listenHttp } from '../../src/platform/node/index.ts'
import type { HttpListenOptions, HttpServer } from '../../src/platform/node/index.ts'

async function withServer(
  options: Partial<HttpListenOptions>,
  body: (server: HttpServer) => Promise<void>,
): Promise<void> {
  const server = await listenHttp({ host: '127.0.0.1', port: 0, ...options })
  try {
    await body(server)
  } finally {
    await server.close()
  }
}

/** All that comes until the server ends the connection. */
async function exchange(port: number, ...parts: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', chunk => (text += chunk.toString('latin1')))
  for (const part of parts) socket.write(part)
  await once(socket, 'end')
  socket.destroy()
  return text
}

const H2C =
  'Host: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'

describe('an HTTP server', () => {
  it('counts a connection once, whatever its requests offer', async () => {
    const onRequest: HttpListenOptions['onRequest'] = (_request, response) => response.end('fine')
    await withServer({ limits: { maxConnections: 3 }, onRequest }, async ({ port }) => {
      const offers = Array.from({ length: 9 }, () => `GET / HTTP/1.1\r\n${H2C}\r\n`)
      const answer = await exchange(port, ...offers, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
      assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, 10, answer)
    })
  })

  it('answers requests on more connections than it takes with what it is told, drops what is beyond, and goes on', async () => {
    const limits = { maxConnections: 2, maxExcess: 1 }
    const onRequest: HttpListenOptions['onRequest'] = (_request, response) => response.end('fine')
    await withServer({ limits, onRequest, onUnreadable: status => `told ${status}` }, async ({ port }) => {
      const request = 'GET / HTTP/1.1\r\nHost: h\r\n'
      const kept = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
      for (const socket of kept) {
        socket.write(`${request}\r\n`)
        const [chunk] = (await once(socket, 'data')) as [Buffer]
        assert.match(chunk.toString(), /^HTTP\/1\.1 200 OK/)
      }
      const third = connect(port, '127.0.0.1')
      await once(third, 'connect')
      const fourth = connect(port, '127.0.0.1')
      await once(fourth, 'close')
      third.write(`${request}\r\n`)
      const [told] = (await once(third, 'data')) as [Buffer]
      assert.match(told.toString(), /^HTTP\/1\.1 429 Too Many Requests\r\n(?:.+\r\n)*connection: close/i)
      assert.match(told.toString(), /told 429/)
      await once(third, 'close')
      kept[0]!.end()
      await once(kept[0]!, 'close')
      // The server hears of the close a moment later.
      let answer = ''
      while (!answer.startsWith('HTTP/1.1 200 OK')) answer = await exchange(port, `${request}Connection: close\r\n\r\n`)
      kept[1]!.destroy()
    })
  })

  it('answers requests that offer another protocol as if they did not, their bodies and the next ones too', async () => {
    const seen: string[] = []
    const onRequest: HttpListenOptions['onRequest'] = (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const { upgrade = 'none', connection = '', 'x-a': own = '' } = request.headers
        seen.push(`${request.method} ${request.url} ${upgrade} ${connection} ${String(own)} ${body}`)
        response.end('fine')
      })
    }
    await withServer({ onRequest, onUpgrade: () => assert.fail('an upgrade') }, async ({ port }) => {
      const answer = await exchange(
        port,
        `POST /one HTTP/1.1\r\n${H2C}X-A: caf\xe9\r\nContent-Length: 5\r\n\r\nhello`,
        `PUT /two HTTP/1.1\r\n${H2C}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
        'GET /three HTTP/1.1\r\nHost: h\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n',
      )
      assert.equal(answer.match(/HTTP\/1\.1 200 OK/g)?.length, 3, answer)
      assert.deepEqual(seen, [
        'POST /one none keep-alive caf\u00c3\u00a9 hello',
        'PUT /two none keep-alive  abc',
        'GET /three none close  ',
      ])
    })
  })

  it('takes WebSockets for what they are, in whatever case', async () => {
    const upgrades: (string | undefined)[] = []
    const onUpgrade = (request: IncomingMessage, socket: Duplex): void => {
      upgrades.push(request.headers.upgrade)
      socket.end('HTTP/1.1 101 Fine\r\n\r\n')
    }
    await withServer({ onUpgrade }, async ({ port }) => {
      for (const upgrade of ['websocket', 'WebSocket', 'h2c, websocket']) {
        const request = `GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`
        assert.match(await exchange(port, request), /^HTTP\/1\.1 101 /)
      }
      assert.deepEqual(upgrades, ['websocket', 'WebSocket', 'h2c, websocket'])
    })
  })
})
