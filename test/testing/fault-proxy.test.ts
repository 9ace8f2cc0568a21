import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { FaultProxy } from '../../src/testing/index.ts'

/** What a socket has received, for conditions instead of waits. */
class Received {
  readonly #pieces: Buffer[] = []
  length = 0
  #waiting: (() => void) | undefined
  hasEnded = false
  isReset = false

  constructor(socket: Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.#pieces.push(bytes)
      this.length += bytes.length
      this.#waiting?.()
    })
    socket.on('end', () => {
      this.hasEnded = true
      this.#waiting?.()
    })
    socket.on('error', () => (this.isReset = true))
    socket.on('close', () => this.#waiting?.())
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString()
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>(resolve => (this.#waiting = resolve))
  }

  reads(text: string): Promise<void> {
    return this.until(() => this.text === text)
  }
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
  readonly nearSees: Received
  readonly farSees: Received
}

describe('the fault proxy', { timeout: 120_000 }, () => {
  let server: Server
  let proxy: FaultProxy
  let port: number

  before(async () => {
    server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  after(() => server.close())
  beforeEach(async () => {
    proxy = new FaultProxy({ random: new SeededRandom(1) })
    port = await proxy.open({ from: 'a', to: 'b', host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  })
  afterEach(() => proxy.close())

  async function open(): Promise<Pair> {
    const accepted = once(server, 'connection')
    const near = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    const nearSees = new Received(near)
    const [far] = (await accepted) as [Socket]
    return { near, far, nearSees, farSees: new Received(far) }
  }

  it('passes bytes and ends on, both ways, while nothing is wrong', async () => {
    const { near, far, nearSees, farSees } = await open()
    near.end('hello')
    await farSees.reads('hello')
    await farSees.until(() => farSees.hasEnded)
    far.end('and back')
    await nearSees.reads('and back')
    await nearSees.until(() => nearSees.hasEnded)
    assert.deepEqual(proxy.counts, { connections: 1, bytes: 13, resets: 0, torn: 0 })
  })

  it('withholds one direction and leaves the other alone; when that is lifted everything arrives in order', async () => {
    const { near, far, nearSees, farSees } = await open()
    proxy.setFaults('a', 'b', { isWithheld: true })
    near.write('one ')
    near.write('two ')
    far.write('back')
    await nearSees.reads('back')
    far.write(' again')
    await nearSees.reads('back again')
    assert.equal(farSees.text, '')
    proxy.setFaults('a', 'b', undefined)
    await farSees.reads('one two ')
  })

  it('withholds both directions of connections whoever opened them, new ones too', async () => {
    proxy.setFaultsBetween('b', 'a', { isWithheld: true })
    const { near, far, nearSees, farSees } = await open()
    near.write('there')
    far.write('back')
    const { near: other } = await open()
    other.write('unseen')
    assert.equal(farSees.text + nearSees.text, '')
    proxy.heal()
    await Promise.all([farSees.reads('there'), nearSees.reads('back')])
  })

  it('holds a sender back instead of keeping whatever it sends', async () => {
    const { near, farSees } = await open()
    proxy.setFaults('a', 'b', { isWithheld: true })
    const megabytes = 48
    for (let i = 0; i < megabytes; i++) near.write(Buffer.alloc(1 << 20, i))
    const { near: second, far: secondFar } = await open()
    const echoed = new Received(second)
    secondFar.write('x')
    await echoed.reads('x')
    assert.ok(near.writableLength > 24 << 20, 'the sender was not held back')
    proxy.heal()
    await farSees.until(() => farSees.length === megabytes << 20)
  })

  it('delays and loses pieces without changing their order', async () => {
    const { near, farSees } = await open()
    proxy.setFaults('a', 'b', { delayMs: 5, jitterMs: 10, loss: 0.3, resendMs: 20 })
    const startedMs = performance.now()
    let sent = ''
    for (let i = 0; i < 30; i++) {
      sent += `${i};`
      await new Promise<void>(resolve => near.write(`${i};`, () => setImmediate(resolve)))
    }
    await farSees.reads(sent)
    assert.ok(performance.now() - startedMs >= 5, 'nothing was delayed')
  })

  it('resets connections of two parties so that both sides see it, and nobody else', async () => {
    const [first, second] = [await open(), await open()]
    assert.equal(proxy.reset('a', 'c'), 0)
    assert.equal(proxy.reset('b', 'a'), 2)
    for (const { nearSees, farSees } of [first, second]) {
      await nearSees.until(() => nearSees.isReset)
      await farSees.until(() => farSees.isReset)
    }
    const { near, farSees } = await open()
    near.write('a new one works')
    await farSees.reads('a new one works')
    assert.equal(proxy.counts.resets, 2)
  })

  it('resets also a connection whose receiver reads nothing', async () => {
    const { near, far, farSees } = await open()
    far.pause()
    near.write(Buffer.alloc(32 << 20))
    await proxyHasPassed(1 << 20)
    assert.equal(proxy.reset(), 1)
    far.resume()
    await farSees.until(() => farSees.isReset || farSees.hasEnded)
    assert.ok(farSees.length < 32 << 20, 'everything arrived')
    far.destroy()
  })

  /** Something moves all the time until then. */
  async function proxyHasPassed(bytes: number): Promise<void> {
    while (proxy.counts.bytes < bytes) await new Promise(resolve => setImmediate(resolve))
  }

  it('tears: half of what is sent next arrives, then nothing', async () => {
    const { near, far, nearSees, farSees } = await open()
    near.write('whole')
    await farSees.reads('whole')
    assert.equal(proxy.tear('a', 'b'), 1)
    near.write('12345678')
    await farSees.until(() => farSees.hasEnded)
    assert.equal(farSees.text, 'whole1234')
    await nearSees.until(() => nearSees.isReset)
    far.end()
    assert.equal(proxy.counts.torn, 1)
  })

  it('closes the dialer when the server is not there', async () => {
    const [nobody] = [createServer()]
    nobody.listen(0, '127.0.0.1')
    await once(nobody, 'listening')
    const { port: dead } = nobody.address() as AddressInfo
    await new Promise(resolve => nobody.close(resolve))
    const socket = connect({ host: '127.0.0.1', port: await proxy.open({ to: 'c', host: '127.0.0.1', port: dead }) })
    const sees = new Received(socket)
    await sees.until(() => socket.closed || sees.isReset)
  })
})

describe('the fault proxy between nodes', { timeout: 120_000 }, () => {
  /** The dialer's hello of docs/formats/peer-handshake.md, without ids. */
  function hello(name: string): Buffer {
    const text = Buffer.from(name)
    const head = Buffer.alloc(78)
    head.set([0x51, 0x50, 1, 1, 1, 1])
    head.writeUInt16LE(text.length, 76)
    return Buffer.concat([head, text, Buffer.alloc(4)])
  }

  it('knows who dials by the hello, so that faults of one pair are not those of another', async () => {
    await using proxy = new FaultProxy()
    const peers = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    await once(peers, 'listening')
    const port = await proxy.open({ to: 'n0', host: '127.0.0.1', port: (peers.address() as AddressInfo).port })
    proxy.setFaults('n1', 'n0', { isWithheld: true })
    const heard: string[] = []
    let onHeard: () => void = () => undefined
    peers.on('connection', peer =>
      peer.on('message', message => {
        heard.push((message as Buffer).subarray(78, 80).toString())
        onHeard()
      }),
    )
    const dial = async (name: string): Promise<WebSocket> => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/peer`)
      await once(socket, 'open')
      socket.send(hello(name))
      return socket
    }
    const until = async (count: number): Promise<void> => {
      while (heard.length < count) await new Promise<void>(resolve => (onHeard = resolve))
    }
    const sockets = [await dial('n1'), await dial('n2')]
    await until(1)
    assert.deepEqual(heard, ['n2'])
    proxy.heal()
    await until(2)
    assert.deepEqual(heard, ['n2', 'n1'])
    for (const socket of sockets) socket.terminate()
    await new Promise(resolve => peers.close(resolve))
  })
})
