import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, describe, it } from 'node:test'
import type { PeerChannel, PeerTransport } from '../../../src/model/index.ts'
import type { Dialer, FrameLink, FrameListener } from '../../../src/platform/index.ts'
import { listenHttp, nodePlatform } from '../../../src/platform/node/index.ts'
import { createPeerTransport, webSocketPeerListener, type ListenForPeers } from '../../../src/transport/peer/index.ts'
import { acceptWebSocket, webSocketDialer } from '../../../src/transport/websocket/index.ts'
import { CHANNELS, MEMBERS, SECRET } from './simulated-peers.ts'

const platform = nodePlatform()
const ports = new Map<string, number>()

/** Addresses stand for hosts that listen on ports of the system's choosing. */
const dialer: Dialer = {
  dial(url, options) {
    const { hostname, pathname } = new URL(url)
    const port = ports.get(hostname)
    if (port === undefined) return Promise.reject(new Error('nobody listens'))
    return webSocketDialer().dial(`ws://127.0.0.1:${port}${pathname}`, options)
  },
}

let impostor: (link: FrameLink) => void = () => {}

interface RealPeer {
  transport: PeerTransport
  taken: { from: string; channel: PeerChannel; frame: Uint8Array }[]
  open: Set<string>
  changed: (() => void) | undefined
}

const running: PeerTransport[] = []
after(async () => {
  for (const transport of running) await transport.close()
})

async function start(name: string): Promise<RealPeer> {
  const listenReally = webSocketPeerListener({ listenHttp, host: '127.0.0.1', port: 0 })
  const listen: ListenForPeers = async accept => {
    const listener: FrameListener = await listenReally(accept)
    ports.set(name, listener.port)
    return listener
  }
  const transport = createPeerTransport({
    ...platform,
    self: name,
    members: MEMBERS,
    secret: SECRET,
    identity: () => ({ name, nodeId: 1, directoryId: `d-${name}`, historyId: 'h' }),
    dialer,
    listen,
  })
  running.push(transport)
  const peer: RealPeer = { transport, taken: [], open: new Set(), changed: undefined }
  transport.onFrame = (from, channel, frame) => {
    peer.taken.push({ from, channel, frame })
    peer.changed?.()
  }
  transport.onLink = (from, channel, isOpen) => {
    if (isOpen) peer.open.add(`${from} ${channel}`)
    else peer.open.delete(`${from} ${channel}`)
    peer.changed?.()
  }
  await transport.start()
  return peer
}

async function until(peers: readonly RealPeer[], condition: () => boolean): Promise<void> {
  await new Promise<void>(resolve => {
    const look = (): void => {
      if (condition()) resolve()
    }
    for (const peer of peers) peer.changed = look
    look()
  })
}

describe('links between replicas over real sockets', () => {
  it('open, carry large and small frames on each channel, and come back after a restart', async () => {
    const peers = [await start('n1'), await start('n2'), await start('n3')]
    const [first, second, third] = [peers[0]!, peers[1]!, peers[2]!]
    await until(peers, () => peers.every(peer => peer.open.size === 6))
    const sizes = [1, 300, 65_536, 3_000_000, 12]
    for (const channel of CHANNELS) {
      for (const size of sizes) {
        assert.ok(first.transport.send('n2', channel, new Uint8Array(size).fill(size % 251)))
        assert.ok(second.transport.send('n1', channel, new Uint8Array(size).fill(size % 241)))
      }
    }
    await until(peers, () => first.taken.length === 15 && second.taken.length === 15)
    for (const channel of CHANNELS) {
      const frames = second.taken.filter(taken => taken.channel === channel).map(({ frame }) => frame)
      assert.deepEqual(
        frames.map(frame => frame.length),
        sizes,
      )
      for (const frame of frames) assert.ok(frame.every(byte => byte === frame.length % 251))
    }
    await second.transport.close()
    await until([first, third], () => first.open.size === 3 && third.open.size === 3)
    const back = await start('n2')
    const all = [first, back, third]
    await until(all, () => all.every(peer => peer.open.size === 6))
    assert.ok(back.transport.send('n3', 'log', new Uint8Array([1])))
    await until(all, () => third.taken.length === 1)
  })

  it('cut off a stranger who sends more than a handshake', async () => {
    await start('n1')
    const link = await dialer.dial('ws://n1/v1/peer', {
      timeoutMs: 2_000,
      subprotocol: 'quorate.peer.v1',
      maxFrameBytes: 1_000_000,
    })
    const closed = new Promise<number>(resolve => {
      link.onClose = resolve
    })
    // One large frame that never ends: nothing of it may be kept until it is complete.
    link.send(new Uint8Array(30 << 20))
    assert.equal(await closed, 1006)
  })

  it('cut off an impostor at the address of a peer who sends more than a handshake', async () => {
    const acceptor = acceptWebSocket({
      path: '/v1/peer',
      subprotocols: ['quorate.peer.v1'],
      maxFrameBytes: 64 << 20,
      onLink: ({ link }) => impostor(link),
    })
    const server = await listenHttp({
      host: '127.0.0.1',
      port: 0,
      onUpgrade: (...upgrade) => acceptor.handleUpgrade(...upgrade),
    })
    ports.set('n1', server.port)
    const code = new Promise<number>(resolve => {
      impostor = link => {
        link.onFrame = () => {}
        link.onClose = resolve
        link.send(new Uint8Array(30 << 20))
      }
    })
    const second = await start('n2')
    assert.equal(await code, 1006)
    assert.deepEqual(second.taken, [])
    await second.transport.close()
    acceptor.close()
    await server.close()
  })

  it('answer what is no peer at all', async () => {
    await start('n1')
    const answer = await new Promise<string>(resolve => {
      const socket = connect(ports.get('n1')!, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: n1\r\n\r\n'))
      let text = ''
      socket.on('data', data => (text += String(data)))
      socket.on('close', () => resolve(text))
    })
    assert.match(answer, /^HTTP\/1\.1 404/)
  })
})
