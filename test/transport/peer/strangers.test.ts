import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { QuorateError } from '../../../src/model/index.ts'
import type { FrameLink } from '../../../src/platform/index.ts'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { createPeerTransport } from '../../../src/transport/peer/index.ts'
import { encodeHandshakeFrame, membersHash } from '../../../src/transport/peer/handshake-frames.ts'
import { Handshake } from '../../../src/transport/peer/handshake.ts'
import { seed } from './seed.ts'
import { MEMBERS, openChannels, PeerWorld, SECRET, text, type SimulatedPeer } from './simulated-peers.ts'

const WRONG = new TextEncoder().encode('another secret altogether')

async function dialAs(net: PeerWorld, to: string): Promise<{ link: FrameLink; closed: () => number | undefined }> {
  const dialer = net.network.dialer(net.process('stranger'))
  const options = { timeoutMs: 1_000, subprotocol: 'quorate.peer.v1', maxFrameBytes: 1 << 20 }
  const link = await net.world.runToCompletion(dialer.dial(`ws://${to}:7410/v1/peer`, options))
  let code: number | undefined
  link.onFrame = () => {}
  link.onClose = closeCode => (code = closeCode)
  return { link, closed: () => code }
}

/** Somebody with the secret: opens a link as n2 and gives it, or its close code. */
async function openAs(
  net: PeerWorld,
  name: string,
  channel: 'control' | 'log',
): Promise<{ link: FrameLink; closed: () => number | undefined }> {
  const dialled = await dialAs(net, 'n1')
  const identity = { name, nodeId: 0, directoryId: `d-${name}`, historyId: undefined }
  const nonce = new Uint8Array(32).fill(net.world.eventCount % 251)
  const names = MEMBERS.map(member => member.name)
  const self = {
    identity,
    names,
    membersHash: membersHash(MEMBERS),
    secret: SECRET,
    nonce,
    directoryOf: () => undefined,
  }
  const handshake = Handshake.dial(self, 'n1', channel)
  let isOpen = false
  dialled.link.onFrame = frame => {
    if (isOpen) return
    const step = handshake.receive(frame)
    for (const next of step.send) dialled.link.send(next)
    isOpen = step.opened !== undefined
  }
  dialled.link.send(handshake.start())
  await net.world.runWhileNot(() => isOpen, 5_000)
  return dialled
}

describe('peers that do not go together', () => {
  const refusalsOf = async (
    first: Parameters<PeerWorld['start']>[1],
    second: Parameters<PeerWorld['start']>[1],
  ): Promise<{ peers: SimulatedPeer[]; dials: number }> => {
    const net = new PeerWorld()
    const peers = [await net.start('n1', first), await net.start('n2', second)]
    const before = net.world.nowMs
    await net.world.runFor(10_000)
    for (const peer of peers) assert.deepEqual(openChannels(peer), [])
    // One report a second at most for each side, reason and peer.
    const most = Math.ceil((net.world.nowMs - before) / 1000) + 1
    for (const peer of peers) assert.ok(peer.refusals.length <= most, `${peer.refusals.length} reports in 10 s`)
    return { peers, dials: most }
  }

  it('with different secrets report it, at most once a second, and open nothing', async () => {
    const { peers } = await refusalsOf({}, { secret: WRONG })
    assert.deepEqual(new Set(peers[0]!.refusals), new Set(['n2 secret']))
    assert.deepEqual(new Set(peers[1]!.refusals), new Set(['n1 secret']))
    assert.ok(peers[0]!.refusals.length >= 5, 'they go on trying')
  })

  it('with different lists, histories or directories likewise', async () => {
    const members = MEMBERS.toReversed()
    assert.ok((await refusalsOf({}, { members })).peers[0]!.refusals.includes('n2 configuration'))
    const histories = await refusalsOf({ identity: { historyId: 'a' } }, { identity: { historyId: 'b' } })
    assert.ok(histories.peers[1]!.refusals.includes('n1 history'))
    const directories = await refusalsOf({ directoryOf: () => 'known' }, {})
    assert.ok(directories.peers[0]!.refusals.includes('n2 directory'))
  })

  it('dial no more often than once a second for each link after a refusal', async () => {
    const net = new PeerWorld()
    const accepted: number[] = []
    const process = net.process('n1')
    net.network.listen(process, { port: 7410 }, link => {
      accepted.push(net.world.nowMs)
      link.onFrame = () => link.send(encodeHandshakeFrame({ kind: 'refusal', reason: 'configuration', detail: 'no' }))
    })
    const second = await net.start('n2')
    await net.world.runFor(20_000)
    // n2 dials control, log and snapshot to n1.
    assert.ok(accepted.length <= 3 * 21, `${accepted.length} dials in 20 s`)
    assert.ok(accepted.length >= 3 * 10)
    assert.ok(second.refusals.every(refusal => refusal === 'n1 configuration'))
  })

  it('open as soon as what kept them apart is gone', async () => {
    const net = new PeerWorld()
    const first = await net.start('n1', { identity: { historyId: 'a' } })
    const second = await net.start('n2', { identity: { historyId: 'b' } })
    await net.world.runFor(5_000)
    Object.assign(second.identity, { historyId: 'a' })
    second.transport.identityChanged()
    await net.untilLinked([first, second], 3_000)
  })
})

describe('a node that strangers call', () => {
  it('takes no frame before the proof, whatever the first frames are', async () => {
    const net = new PeerWorld()
    const first = await net.start('n1')
    const random = new SeededRandom(seed)
    for (let n = 0; n < 200; n++) {
      const { link, closed } = await dialAs(net, 'n1')
      for (let frames = random.below(3) + 1; frames > 0; frames--) {
        const frame = random.bytes(random.below(random.chance(0.1) ? 5_000 : 200))
        if (random.chance(0.5)) frame.set([0x51, 0x50, 1, random.below(6)].slice(0, frame.length))
        link.send(frame)
      }
      await net.world.runFor(10)
      assert.equal(closed(), 1002)
    }
    assert.deepEqual([first.frames, first.events, first.refusals], [[], [], []])
  })

  it('hangs up on one who says nothing, after two seconds', async () => {
    const net = new PeerWorld()
    await net.start('n1')
    const { closed } = await dialAs(net, 'n1')
    await net.world.runFor(1_900)
    assert.equal(closed(), undefined)
    await net.world.runFor(200)
    assert.equal(closed(), 1002)
  })

  it('keeps a bounded number of them, and members still get in', async () => {
    const net = new PeerWorld()
    const first = await net.start('n1', { limits: { strangersMax: 8 } })
    const closings: (() => number | undefined)[] = []
    for (let n = 0; n < 30; n++) closings.push((await dialAs(net, 'n1')).closed)
    await net.world.runFor(20)
    assert.equal(closings.filter(closed => closed() === undefined).length, 8)
    const second = await net.start('n2')
    await net.untilLinked([first, second], 1_000)
  })

  it('lets nobody take a link away without the secret', async () => {
    const net = new PeerWorld()
    const peers = await net.startAll()
    await net.untilLinked(peers)
    const before = peers[0]!.events.length
    const names = MEMBERS.map(member => member.name)
    const identity = { name: 'n2', nodeId: 0, directoryId: 'x', historyId: undefined }
    const self = {
      identity,
      names,
      membersHash: membersHash(MEMBERS),
      secret: WRONG,
      nonce: new Uint8Array(32),
      directoryOf: () => undefined,
    }
    const handshake = Handshake.dial(self, 'n1', 'control')
    const { link, closed } = await dialAs(net, 'n1')
    link.onFrame = frame => {
      for (const next of handshake.receive(frame).send) link.send(next)
    }
    link.send(handshake.start())
    await net.world.runFor(1_000)
    assert.equal(closed(), 4001)
    assert.equal(peers[0]!.events.length, before)
    assert.equal(peers[0]!.transport.identityOf('n2')?.directoryId, 'd-n2')
  })
})

describe('a newer link of the same peer and channel', () => {
  it('takes the place of the older one, whose frames no longer count', async () => {
    const net = new PeerWorld()
    const first = await net.start('n1')
    const older = await openAs(net, 'n2', 'control')
    older.link.send(text('older'))
    await net.world.runFor(100)
    const newer = await openAs(net, 'n2', 'control')
    older.link.send(text('too late'))
    newer.link.send(text('newer'))
    await net.world.runFor(1_000)
    assert.equal(older.closed(), 4004)
    assert.equal(newer.closed(), undefined)
    assert.deepEqual(first.frames, ['n2 control: older', 'n2 control: newer'])
    assert.deepEqual(first.events, ['n2 control open', 'n2 control closed', 'n2 control open'])
  })

  it('is closed if it carries bulk the wrong way', async () => {
    const net = new PeerWorld()
    const first = await net.start('n1')
    const { link, closed } = await openAs(net, 'n2', 'log')
    link.send(text('entries'))
    await net.world.runFor(100)
    assert.equal(closed(), 1002)
    assert.deepEqual(first.frames, [])
  })
})

describe('the configuration of a peer transport', () => {
  const create = (change: Partial<Parameters<typeof createPeerTransport>[0]>): unknown => {
    const net = new PeerWorld()
    const process = net.process('n1')
    return createPeerTransport({
      self: 'n1',
      members: MEMBERS,
      secret: SECRET,
      identity: () => ({ name: 'n1', nodeId: 0, directoryId: 'd', historyId: undefined }),
      dialer: net.network.dialer(process),
      listen: () => Promise.reject(new Error('not started')),
      clock: process.clock,
      timers: process.timers,
      random: process.random,
      ...change,
    })
  }
  const invalid = (error: unknown): boolean => error instanceof QuorateError && error.code === 'configuration_invalid'

  it('names each member once and the own node, and has a secret unless all are on this machine', () => {
    assert.throws(() => create({ self: 'n9' }), invalid)
    assert.throws(() => create({ members: [...MEMBERS, MEMBERS[0]!] }), invalid)
    assert.throws(() => create({ secret: new Uint8Array(0) }), invalid)
    const local = ['n1', 'n2'].map((name, n) => ({ name, address: n === 0 ? '127.0.0.1:7410' : '[::1]:7411' }))
    create({ secret: new Uint8Array(0), members: local })
  })

  it('without a secret takes calls from this machine only', async () => {
    const net = new PeerWorld()
    const process = net.process('n1')
    const members = [
      { name: 'n1', address: '127.0.0.1:7410' },
      { name: 'n2', address: '127.0.0.1:7411' },
    ]
    const transport = createPeerTransport({
      self: 'n1',
      members,
      secret: new Uint8Array(0),
      identity: () => ({ name: 'n1', nodeId: 0, directoryId: 'd', historyId: undefined }),
      dialer: net.network.dialer(process),
      listen: accept =>
        Promise.resolve(net.network.listen(process, { port: 7410 }, link => accept({ link, isLoopback: false }))),
      clock: process.clock,
      timers: process.timers,
      random: process.random,
    })
    await transport.start()
    const { closed } = await dialAs(net, 'n1')
    await net.world.runFor(100)
    assert.equal(closed(), 1008)
    await transport.close()
  })
})
