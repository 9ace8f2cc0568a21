import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CHANNELS, openChannels, PeerWorld, text, type SimulatedPeer } from './simulated-peers.ts'

async function trio(offset = 0): Promise<{ net: PeerWorld; peers: SimulatedPeer[] }> {
  const net = new PeerWorld(offset)
  const peers = await net.startAll()
  await net.untilLinked(peers)
  return { net, peers }
}

describe('the links between replicas', () => {
  it('open on all channels between all members, and tell who is there', async () => {
    const { peers } = await trio()
    for (const peer of peers) {
      for (const other of peers) {
        if (other !== peer) assert.deepEqual(peer.transport.identityOf(other.name), other.identity)
      }
      assert.deepEqual(peer.refusals, [])
      assert.equal(peer.transport.identityOf('nobody'), undefined)
    }
  })

  it('carry each channel in order, both ways', async () => {
    for (let offset = 0; offset < 5; offset++) {
      const { net, peers } = await trio(offset)
      const [first, second] = [peers[0]!, peers[1]!]
      for (let n = 0; n < 50; n++) {
        for (const channel of CHANNELS) {
          assert.ok(first.transport.send('n2', channel, text(`a${n}`)))
          assert.ok(second.transport.send('n1', channel, text(`b${n}`)))
        }
      }
      await net.world.runFor(1000)
      for (const channel of CHANNELS) {
        const ofChannel = (peer: SimulatedPeer): string[] => peer.frames.filter(frame => frame.includes(` ${channel}:`))
        assert.deepEqual(
          ofChannel(second),
          Array.from({ length: 50 }, (_, n) => `n1 ${channel}: a${n}`),
        )
        assert.deepEqual(
          ofChannel(first),
          Array.from({ length: 50 }, (_, n) => `n2 ${channel}: b${n}`),
        )
      }
    }
  })

  it('are closed with the process at the other end and open again when it is back', async () => {
    const { net, peers } = await trio()
    const [first, second, third] = [peers[0]!, peers[1]!, peers[2]!]
    net.machines.get('n2')!.crash('process')
    await net.world.runWhileNot(() => openChannels(first).length === 3 && openChannels(third).length === 3, 1000)
    assert.deepEqual(openChannels(first), ['n3 control', 'n3 log', 'n3 snapshot'])
    assert.equal(first.transport.send('n2', 'log', text('nobody hears this')), false)
    await net.world.runFor(20_000)
    const back = await net.start('n2', { identity: { directoryId: 'd-n2', nodeId: 7 } })
    await net.untilLinked([first, back, third], 2_000)
    assert.equal(first.transport.identityOf('n2')?.nodeId, 7)
    assert.deepEqual(second.frames, [])
  })

  it('notice within seconds that the other end is gone without a word, and not sooner', async () => {
    const { net, peers } = await trio()
    const [first] = [peers[0]!]
    net.network.setProfile({ giveUpMs: [1e6, 1e6] })
    net.network.block('n1', 'n2')
    net.network.block('n2', 'n1')
    await net.world.runFor(2_900)
    assert.equal(openChannels(first).length, 6)
    await net.world.runFor(3_000)
    assert.deepEqual(openChannels(first), ['n3 control', 'n3 log', 'n3 snapshot'])
    assert.deepEqual(openChannels(peers[1]!), ['n3 control', 'n3 log', 'n3 snapshot'])
    net.network.heal()
    await net.untilLinked(peers, 5_000)
  })

  it('stay open while nobody has anything to say', async () => {
    const { net, peers } = await trio()
    const before = peers.map(peer => peer.events.length)
    await net.world.runFor(60_000)
    assert.deepEqual(
      peers.map(peer => peer.events.length),
      before,
    )
    assert.deepEqual(
      peers.flatMap(peer => peer.frames),
      [],
    )
  })

  it('outlive a process that stood still for longer than silence is borne, if only the others bear it', async () => {
    const net = new PeerWorld()
    const patient = { silenceMs: { control: 30_000, log: 30_000, snapshot: 30_000 } }
    const first = await net.start('n1', { limits: patient })
    const second = await net.start('n2')
    await net.untilLinked([first, second])
    const count = second.events.length
    second.process.pause()
    await net.world.runFor(10_000)
    second.process.resume()
    await net.world.runFor(10_000)
    assert.equal(second.events.length, count)
  })

  it('open again with the new identity when it has changed', async () => {
    const { net, peers } = await trio()
    const [first, second, third] = [peers[0]!, peers[1]!, peers[2]!]
    Object.assign(first.identity, { nodeId: 1, historyId: 'h1' })
    first.transport.identityChanged()
    assert.deepEqual(openChannels(first), [])
    await net.world.runWhileNot(() => second.transport.identityOf('n1')?.historyId === 'h1', 1_000)
    await net.untilLinked(peers, 2_000)
    for (const peer of [second, third]) assert.equal(peer.transport.identityOf('n1')?.historyId, 'h1')
  })

  it('take a frame only while their queue has room, and one that is larger than the queue when it is empty', async () => {
    const net = new PeerWorld(0, { bytesPerMs: 1000 })
    const queueBytes = { control: 100_000, log: 1_000_000, snapshot: 1_000_000 }
    const first = await net.start('n1', { limits: { queueBytes } })
    const second = await net.start('n2')
    await net.untilLinked([first, second])
    let taken = 0
    while (first.transport.send('n2', 'control', new Uint8Array(10_000).fill(65))) taken++
    assert.ok(first.transport.bufferedBytes('n2', 'control') <= 100_000)
    assert.ok(taken >= 10 && taken < 50)
    assert.ok(first.transport.send('n2', 'log', new Uint8Array(2_000_000).fill(66)))
    assert.equal(first.transport.send('n2', 'log', new Uint8Array(1).fill(66)), false)
    await net.world.runWhileNot(() => second.frames.length === taken + 1, 60_000)
    assert.equal(second.frames.length, taken + 1)
    assert.ok(first.transport.send('n2', 'control', text('room again')))
    assert.throws(() => first.transport.send('n2', 'log', new Uint8Array((64 << 20) + 1)), RangeError)
  })

  it('survive links that break at random: what arrives of each connection is in order', async () => {
    for (let offset = 0; offset < 5; offset++) {
      const net = new PeerWorld(offset, { breakChance: 0.01, meanDelayMs: 3, linkSpread: 4 })
      const peers = await net.startAll()
      const [first, second] = [peers[0]!, peers[1]!]
      let sent = 0
      for (let round = 0; round < 2_000; round++) {
        if (first.transport.send('n2', 'log', text(String(sent)))) sent++
        await net.world.runFor(5)
      }
      const numbers = second.frames
        .filter(frame => frame.startsWith('n1 log'))
        .map(frame => Number(frame.split(': ')[1]))
      assert.ok(numbers.length > 500, `${numbers.length} of ${sent}`)
      for (let n = 1; n < numbers.length; n++) assert.ok(numbers[n]! > numbers[n - 1]!, 'frames overtook each other')
      assert.ok(second.events.filter(event => event === 'n1 log closed').length > 3)
    }
  })

  it('are counted', async () => {
    const net = new PeerWorld()
    const first = await net.start('n1')
    const second = await net.start('n2')
    await net.untilLinked([first, second])
    for (let n = 0; n < 4; n++) first.transport.send('n2', 'log', new Uint8Array(100).fill(1))
    await net.world.runFor(5_000)
    const [sender, absent] = first.transport.status()
    assert.deepEqual(sender?.openChannels, ['control', 'log', 'snapshot'])
    assert.deepEqual(absent?.openChannels, [])
    assert.deepEqual([sender.counters.sentFrames, sender.counters.sentBytes, sender.counters.opened], [4, 400, 5])
    const receiver = second.transport.status().find(({ name }) => name === 'n1')!
    assert.deepEqual([receiver.counters.receivedFrames, receiver.counters.receivedBytes], [4, 400])
    assert.equal(receiver.queuedBytes, 0)
  })

  it('end with the transport, which dials no more', async () => {
    const { net, peers } = await trio()
    for (const peer of peers) await peer.transport.close()
    await net.world.runFor(30_000)
    assert.equal(net.network.openEndCount, 0)
    for (const peer of peers) assert.deepEqual(openChannels(peer), [])
    assert.equal(peers[0]!.transport.send('n2', 'control', text('x')), false)
  })
})
