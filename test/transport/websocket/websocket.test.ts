import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import type { FrameLink } from '../../../src/platform/index.ts'
import { listenHttp, type HttpServer } from '../../../src/platform/node/index.ts'
import {
  acceptWebSocket,
  isLoopbackAddress,
  refuse,
  webSocketDialer,
  type AcceptedLink,
  type AcceptOptions,
} from '../../../src/transport/websocket/index.ts'

const BINARY = 'test.v1'
const TEXT = 'test.v1+json'

interface Served {
  url: string
  server: HttpServer
  accepted: AcceptedLink[]
  linkCount: () => number
}

async function withServer(options: Partial<AcceptOptions>, body: (served: Served) => Promise<void>): Promise<void> {
  const accepted: AcceptedLink[] = []
  const acceptor = acceptWebSocket({
    path: '/link',
    subprotocols: [BINARY, TEXT],
    maxFrameBytes: 1_000_000,
    onLink: link => accepted.push(link),
    ...options,
  })
  const server = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    onUpgrade: (request, socket, head) => {
      if (!acceptor.handleUpgrade(request, socket, head)) refuse(socket, '404 Not Found')
    },
  })
  try {
    const url = `ws://127.0.0.1:${server.port}/link`
    await body({ url, server, accepted, linkCount: () => acceptor.linkCount })
  } finally {
    acceptor.close()
    await server.close()
  }
}

function dial(
  url: string,
  options: { subprotocol?: string; headers?: Record<string, string> } = {},
): Promise<FrameLink> {
  return webSocketDialer().dial(url, {
    timeoutMs: 2_000,
    subprotocol: options.subprotocol ?? BINARY,
    headers: options.headers ?? {},
    maxFrameBytes: 1_000_000,
  })
}

function frames(link: FrameLink, count: number): Promise<Uint8Array[]> {
  const taken: Uint8Array[] = []
  return new Promise((resolve, reject) => {
    link.onFrame = frame => {
      taken.push(frame)
      if (taken.length === count) resolve(taken)
    }
    link.onClose = (code, reason) => reject(new Error(`closed: ${code} ${reason}`))
  })
}

function closeOf(link: FrameLink): Promise<{ code: number; reason: string }> {
  return new Promise(resolve => {
    link.onClose = (code, reason) => resolve({ code, reason })
  })
}

describe('a WebSocket link', () => {
  it('carries frames both ways, whole and in order, and says who called', async () => {
    await withServer({}, async ({ url, accepted }) => {
      const near = await dial(url, { headers: { 'x-name': 'n1' } })
      const far = accepted[0]!
      assert.equal(far.subprotocol, BINARY)
      assert.equal(far.path, '/link')
      assert.equal(far.headers['x-name'], 'n1')
      assert.equal(far.isLoopback, true)
      assert.match(far.remoteAddress, /^127\.0\.0\.1:\d+$/)
      const sizes = [0, 1, 125, 126, 65_535, 65_536, 700_000, 3]
      const there = frames(far.link, sizes.length)
      const back = frames(near, sizes.length)
      for (const size of sizes) {
        near.send(new Uint8Array(size).fill(size % 251))
        far.link.send(new Uint8Array(size).fill(size % 13))
      }
      assert.deepEqual(
        (await there).map(frame => frame.length),
        sizes,
      )
      for (const frame of await there) assert.ok(frame.every(byte => byte === frame.length % 251))
      assert.deepEqual(
        (await back).map(frame => frame.length),
        sizes,
      )
      for (const frame of await back) assert.ok(frame.every(byte => byte === frame.length % 13))
    })
  })

  it('leaves the bytes of the sender unchanged although a client masks what it sends', async () => {
    await withServer({}, async ({ url, accepted }) => {
      const near = await dial(url)
      const there = frames(accepted[0]!.link, 1)
      const frame = Uint8Array.from({ length: 300 }, (_, n) => n)
      near.send(frame)
      assert.deepEqual([...(await there)[0]!], [...frame])
      assert.deepEqual(
        [...frame],
        Array.from({ length: 300 }, (_, n) => n % 256),
      )
    })
  })

  it('keeps frames that come before anybody listens', async () => {
    const greet = (accepted: AcceptedLink): void => {
      for (let n = 0; n < 5; n++) accepted.link.send(new Uint8Array([n]))
    }
    await withServer({ onLink: greet }, async ({ url }) => {
      const near = await dial(url)
      await new Promise(resolve => {
        setImmediate(resolve)
      })
      assert.deepEqual(
        (await frames(near, 5)).map(frame => frame[0]),
        [0, 1, 2, 3, 4],
      )
    })
  })

  it('has text messages when its subprotocol is a JSON one', async () => {
    await withServer({}, async ({ url, accepted }) => {
      const near = await dial(url, { subprotocol: TEXT })
      const there = frames(accepted[0]!.link, 1)
      near.send(new TextEncoder().encode('["zwölf"]'))
      assert.equal(new TextDecoder().decode((await there)[0]), '["zwölf"]')
      const browser = new (await import('ws')).WebSocket(url, TEXT)
      await new Promise(resolve => {
        browser.once('open', resolve)
      })
      const text = new Promise(resolve => {
        browser.once('message', (data, isBinary) => resolve({ data: (data as Buffer).toString(), isBinary }))
      })
      accepted[1]!.link.send(new TextEncoder().encode('[1]'))
      assert.deepEqual(await text, { data: '[1]', isBinary: false })
      const closed = closeOf(accepted[1]!.link)
      browser.send(new Uint8Array(3))
      assert.equal((await closed).code, 1003)
    })
  })

  it('is closed with 1009 by a frame above the limit', async () => {
    await withServer({ maxFrameBytes: 1000 }, async ({ url, accepted }) => {
      const near = await dial(url)
      const closed = closeOf(accepted[0]!.link)
      const seen = closeOf(near)
      near.send(new Uint8Array(1001))
      assert.equal((await closed).code, 1009)
      assert.equal((await seen).code, 1009)
    })
  })

  it('tells the other side why it was closed, reports its own close once, and is forgotten', async () => {
    await withServer({}, async ({ url, accepted, linkCount }) => {
      const near = await dial(url)
      assert.equal(linkCount(), 1)
      const closed = closeOf(near)
      let reports = 0
      accepted[0]!.link.onClose = () => reports++
      accepted[0]!.link.close(4001, 'enough')
      accepted[0]!.link.close(4002, 'again')
      assert.deepEqual(await closed, { code: 4001, reason: 'enough' })
      while (linkCount() > 0) {
        await new Promise(resolve => {
          setImmediate(resolve)
        })
      }
      assert.equal(reports, 1)
      near.send(new Uint8Array(1)) // on a closed link: nothing happens
    })
  })
})

describe('a WebSocket link whose reader pauses', () => {
  it('holds the sender back, loses nothing, and goes on when the reader does', async () => {
    await withServer({}, async ({ url, accepted }) => {
      const near = await dial(url)
      const far = accepted[0]!.link
      let bytes = 0
      const count = 64
      const all = new Promise<void>(resolve => {
        far.onFrame = frame => {
          bytes += frame.length
          if (bytes === count << 19) resolve()
        }
      })
      far.pause?.()
      for (let n = 0; n < count; n++) near.send(new Uint8Array(1 << 19))
      for (let turn = 0; turn < 200; turn++) {
        await new Promise(resolve => {
          setImmediate(resolve)
        })
      }
      assert.ok(near.bufferedBytes > 1 << 20, `${near.bufferedBytes} queued`)
      assert.ok(bytes < count << 18)
      far.resume?.()
      await all
      assert.equal(near.bufferedBytes, 0)
    })
  })

  it('can be closed while it is paused', async () => {
    await withServer({}, async ({ url, accepted }) => {
      const near = await dial(url)
      accepted[0]!.link.pause?.()
      const closed = closeOf(near)
      accepted[0]!.link.close(4000, 'over')
      assert.equal((await closed).code, 4000)
    })
  })
})

describe('an acceptor of WebSockets', () => {
  const refused = async (url: string, options: Parameters<typeof dial>[1], status: RegExp): Promise<void> => {
    await assert.rejects(dial(url, options), status)
  }

  it('takes only its path and its subprotocols', async () => {
    await withServer({}, async ({ url }) => {
      await refused(`${url}x`, {}, /404/)
      await refused(url, { subprotocol: 'other.v1' }, /400/)
      ;(await dial(`${url}?a=b`)).close()
    })
  })

  it('refuses pages of other origins and takes its own and the listed ones', async () => {
    await withServer({ origins: ['https://console.example'] }, async ({ url, server }) => {
      await refused(url, { headers: { origin: 'http://evil.example' } }, /403/)
      await refused(url, { headers: { origin: 'null' } }, /403/)
      // A name of the attacker's that resolves to 127.0.0.1: origin and host agree, yet the page is not ours.
      const rebound = { origin: `http://evil.example:${server.port}`, host: `evil.example:${server.port}` }
      await refused(url, { headers: rebound }, /403/)
      ;(await dial(url, { headers: { origin: `http://127.0.0.1:${server.port}` } })).close()
      ;(await dial(url, { headers: { origin: 'https://console.example' } })).close()
    })
  })

  it('refuses links beyond its limit', async () => {
    await withServer({ maxLinks: 1 }, async ({ url }) => {
      const first = await dial(url)
      await refused(url, {}, /503/)
      first.close()
    })
  })

  it('survives upgrades that are no WebSockets', async () => {
    await withServer({}, async ({ url, server }) => {
      for (const extra of [
        '',
        'Sec-WebSocket-Key: x\r\n',
        'Sec-WebSocket-Protocol: test.v1\r\n',
        'Sec-WebSocket-Version: 99\r\n',
      ]) {
        const answer = await new Promise<string>(resolve => {
          const socket = connect(server.port, '127.0.0.1')
          let text = ''
          socket.on('data', data => (text += String(data)))
          socket.on('error', () => {})
          socket.on('close', () => resolve(text))
          socket.write(`GET /link HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${extra}\r\n`)
        })
        assert.match(answer, /^HTTP\/1\.1 4\d\d/, extra)
      }
      ;(await dial(url)).close()
    })
  })

  it('keeps no socket of an upgrade that it refuses, whatever its caller still sends and although it does not end', async () => {
    const acceptor = acceptWebSocket({ path: '/link', subprotocols: [BINARY], maxFrameBytes: 1_000, onLink: () => {} })
    const ended: Promise<unknown>[] = []
    const server = await listenHttp({
      host: '127.0.0.1',
      port: 0,
      onUpgrade: (request, socket, head) => {
        ended.push(once(socket, 'close'))
        if (!acceptor.handleUpgrade(request, socket, head)) refuse(socket, '404 Not Found')
      },
    })
    const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    const sockets = [
      `GET /other HTTP/1.1\r\nHost: a\r\n${key}`,
      `GET /link HTTP/1.1\r\nHost: a\r\n${key}`,
      `GET /link HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: ${BINARY}\r\n`,
      `POST /link HTTP/1.1\r\nHost: a\r\n${key}Sec-WebSocket-Protocol: ${BINARY}\r\n`,
    ].map(head => {
      const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
      socket.on('error', () => {})
      socket.write(`${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n${'z'.repeat(100_000)}`)
      return socket
    })
    while (ended.length < sockets.length) {
      await new Promise(resolve => {
        setImmediate(resolve)
      })
    }
    await Promise.all(ended)
    for (const socket of sockets) socket.destroy()
    await server.close()
  })

  it('rejects a dial that is aborted or that nobody answers', async () => {
    const abort = new AbortController()
    const options = { timeoutMs: 100, subprotocol: BINARY, maxFrameBytes: 10 }
    const server = await listenHttp({ host: '127.0.0.1', port: 0, onUpgrade: () => {} })
    const url = `ws://127.0.0.1:${server.port}/`
    const aborted = webSocketDialer().dial(url, { ...options, timeoutMs: 60_000, signal: abort.signal })
    abort.abort()
    await assert.rejects(aborted, /aborted/)
    await assert.rejects(webSocketDialer().dial(url, options), /cannot open/)
    await server.close()
    await assert.rejects(webSocketDialer().dial(url, options), /ECONNREFUSED/)
  })
})

describe('a loopback address', () => {
  it('is one of 127.0.0.0/8 or ::1', () => {
    for (const address of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1']) assert.ok(isLoopbackAddress(address))
    for (const address of ['128.0.0.1', '0.0.0.0', '::', '', '127.0.0.1.evil.example', 'fe80::1']) {
      assert.ok(!isLoopbackAddress(address))
    }
  })
})
