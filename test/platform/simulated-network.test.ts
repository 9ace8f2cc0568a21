import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FrameLink } from '../../src/platform/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedNetwork, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import type { NetworkProfile, SimulatedProcess } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const DIAL = { timeoutMs: 1000, subprotocol: 'test', maxFrameBytes: 1000 }

interface Net {
  world: SimulatedWorld
  network: SimulatedNetwork
  machines: SimulatedMachine[]
  processes: SimulatedProcess[]
  /** What the listener on n2 received, and how its links ended. */
  received: string[]
  accepted: FrameLink[]
  dial: () => Promise<FrameLink>
}

function newNet(options: { offset?: number; profile?: Partial<NetworkProfile> } = {}): Net {
  const world = new SimulatedWorld({ seed: seed + (options.offset ?? 0), drainMicrotasks })
  const network = new SimulatedNetwork(world, options.profile)
  const machines = ['n1', 'n2', 'n3'].map(name => new SimulatedMachine(world, { name }))
  const processes = machines.map(machine => machine.start())
  const received: string[] = []
  const accepted: FrameLink[] = []
  network.listen(processes[1] as SimulatedProcess, { port: 7410, maxFrameBytes: 2000 }, link => {
    accepted.push(link)
    link.onFrame = frame => received.push(Buffer.from(frame).toString())
    link.onClose = code => received.push(`closed ${code}`)
  })
  const dialer = network.dialer(processes[0] as SimulatedProcess)
  return { world, network, machines, processes, received, accepted, dial: () => dialer.dial('ws://n2:7410/raft', DIAL) }
}

async function connected(net: Net): Promise<{ link: FrameLink; events: string[] }> {
  const link = await net.world.runToCompletion(net.dial())
  const events: string[] = []
  link.onFrame = frame => events.push(Buffer.from(frame).toString())
  link.onClose = code => events.push(`closed ${code}`)
  return { link, events }
}

function frame(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text))
}

describe('a link of the simulated network', () => {
  it('carries frames in order both ways, and the close after them', async () => {
    for (let offset = 0; offset < 20; offset++) {
      const net = newNet({ offset, profile: { meanDelayMs: 20, linkSpread: 5 } })
      const { link, events } = await connected(net)
      const texts = Array.from({ length: 30 }, (_, n) => `f${n}`)
      for (const text of texts) link.send(frame(text))
      net.accepted[0]?.send(frame('back'))
      await net.world.runFor(5000)
      assert.deepEqual(net.received, texts)
      assert.deepEqual(events, ['back'])
      link.send(frame('last'))
      link.close(4000, 'done')
      link.send(frame('too late'))
      await net.world.runFor(5000)
      assert.deepEqual(net.received.slice(30), ['last', 'closed 4000'])
      assert.deepEqual(events, ['back', 'closed 4000'])
      assert.equal(net.network.openEndCount, 0)
    }
  })

  it('holds frames while the path is blocked one way, and delivers them when it heals', async () => {
    const net = newNet()
    const { link, events } = await connected(net)
    net.network.block('n1', 'n2')
    link.send(frame('a'))
    link.send(frame('b'))
    net.accepted[0]?.send(frame('other way'))
    await net.world.runFor(1000)
    assert.deepEqual(net.received, [])
    assert.deepEqual(events, ['other way'])
    net.network.heal()
    link.send(frame('c'))
    await net.world.runFor(1000)
    assert.deepEqual(net.received, ['a', 'b', 'c'])
  })

  it('keeps its order when the path heals while later frames are on their way', async () => {
    for (let offset = 0; offset < 40; offset++) {
      const net = newNet({ offset, profile: { meanDelayMs: 10 } })
      const { link } = await connected(net)
      net.network.block('n1', 'n2')
      link.send(frame('held'))
      await net.world.runFor(50)
      link.send(frame('under way'))
      net.network.unblock('n1', 'n2')
      await net.world.runFor(1000)
      assert.deepEqual(net.received, ['held', 'under way'])
    }
  })

  it('breaks when the path stays blocked: the sender first, the other end later', async () => {
    const net = newNet({ profile: { giveUpMs: [2000, 3000] } })
    const { link, events } = await connected(net)
    net.network.partition([['n1'], ['n2', 'n3']])
    link.send(frame('a'))
    await net.world.runFor(1900)
    assert.deepEqual(events, [])
    await net.world.runFor(1200)
    assert.deepEqual(events, ['closed 1006'])
    assert.deepEqual(net.received, [], 'half open')
    await net.world.runFor(3000)
    net.network.heal()
    await net.world.runFor(3000)
    assert.deepEqual(net.received, ['closed 1006'])
  })

  it('is reset by the death of a process, and falls silent with the power', async () => {
    for (const kind of ['process', 'power'] as const) {
      const net = newNet({ profile: { giveUpMs: [2000, 3000] } })
      const { link } = await connected(net)
      link.send(frame('a'))
      net.machines[0]?.crash(kind)
      link.send(frame('of the dead'))
      await net.world.runFor(1000)
      assert.deepEqual(net.received, kind === 'process' ? ['a', 'closed 1006'] : ['a'])
      await net.world.runFor(3000)
      assert.deepEqual(net.received, ['a', 'closed 1006'])
      assert.equal(net.network.openEndCount, 0)
    }
  })

  it('waits with its frames for a paused process, in order', async () => {
    const net = newNet()
    const { link } = await connected(net)
    net.processes[1]?.pause()
    for (const text of ['a', 'b', 'c']) link.send(frame(text))
    await net.world.runFor(1000)
    assert.deepEqual(net.received, [])
    link.send(frame('d'))
    net.processes[1]?.resume()
    await net.world.runFor(1000)
    assert.deepEqual(net.received, ['a', 'b', 'c', 'd'])
  })

  it('is delayed by a clog, for as long whatever link it is, and by bandwidth, and shows what is buffered', async () => {
    const net = newNet({ profile: { bytesPerMs: 10, minDelayMs: 0, meanDelayMs: 0, linkSpread: 5 } })
    const { link } = await connected(net)
    link.send(new Uint8Array(1000))
    await net.world.runFor(99)
    assert.equal(net.received.length, 0)
    await net.world.runFor(2)
    assert.equal(net.received.length, 1)
    for (let n = 0; n < 300; n++) link.send(new Uint8Array(1000))
    assert.equal(link.bufferedBytes, 300_000 - 262_144)
    net.network.setProfile({ bytesPerMs: 1e9 })
    await net.world.runFor(40_000)
    assert.equal(link.bufferedBytes, 0)
    net.network.clog('n1', 'n2', 500)
    link.send(frame('x'))
    await net.world.runFor(499)
    assert.notEqual(net.received.at(-1), 'x')
    await net.world.runFor(2)
    assert.equal(net.received.at(-1), 'x')
  })

  it('delivers what was sent before a close, though the path was blocked then', async () => {
    const net = newNet()
    const { link } = await connected(net)
    net.network.block('n1', 'n2')
    link.send(frame('a'))
    link.close(4001, 'bye')
    await net.world.runFor(1000)
    assert.deepEqual(net.received, [])
    net.network.heal()
    await net.world.runFor(1000)
    assert.deepEqual(net.received, ['a', 'closed 4001'])
    assert.equal(net.network.openEndCount, 0)
  })

  it('breaks on a frame above the limit of the receiving end', async () => {
    const net = newNet()
    const { link, events } = await connected(net)
    link.send(new Uint8Array(2001))
    await net.world.runFor(1000)
    assert.deepEqual([net.received, events], [['closed 1009'], ['closed 1009']])
  })

  it('breaks by chance, in the middle of a stream: what arrived is a prefix', async () => {
    let broken = 0
    for (let offset = 0; offset < 20; offset++) {
      const net = newNet({ offset, profile: { breakChance: 0.1 } })
      const { link } = await connected(net)
      for (let n = 0; n < 20; n++) link.send(frame(`${n}`))
      await net.world.runFor(1000)
      const frames = net.received.filter(text => !text.startsWith('closed'))
      assert.deepEqual(
        frames,
        frames.map((_, n) => `${n}`),
      )
      if (net.received.at(-1) === 'closed 1006') broken++
    }
    assert.ok(broken > 10)
  })
})

describe('dialing in the simulated network', () => {
  it('is refused where nobody listens, and times out on a blocked path', async () => {
    const net = newNet()
    const dialer = net.network.dialer(net.processes[0] as SimulatedProcess)
    await assert.rejects(net.world.runToCompletion(dialer.dial('ws://n3:7410/', DIAL)), /refused/)
    for (const [from, to] of [
      ['n1', 'n2'],
      ['n2', 'n1'],
    ] as const) {
      net.network.block(from, to)
      await assert.rejects(net.world.runToCompletion(net.dial()), /not within 1000 ms/)
      net.network.heal()
    }
    await net.world.runFor(20_000)
    assert.equal(net.network.openEndCount, 0)
  })

  it('lets the accepting side speak first', async () => {
    for (let offset = 0; offset < 20; offset++) {
      const net = newNet({ offset, profile: { meanDelayMs: 50 } })
      const [n1, , n3] = net.processes as [SimulatedProcess, SimulatedProcess, SimulatedProcess]
      net.network.listen(n3, { port: 1 }, link => {
        for (const text of ['hello', 'again']) link.send(frame(text))
      })
      const link = await net.world.runToCompletion(net.network.dialer(n1).dial('ws://n3:1/', DIAL))
      const seen: string[] = []
      link.onFrame = bytes => seen.push(Buffer.from(bytes).toString())
      await net.world.runFor(5000)
      assert.deepEqual(seen, ['hello', 'again'])
    }
  })

  it('leaves nothing open when the dialing process dies meanwhile', async () => {
    for (let offset = 0; offset < 20; offset++) {
      const net = newNet({ offset, profile: { meanDelayMs: 10 } })
      void net.dial()
      await net.world.runFor(offset)
      net.machines[0]?.crash(offset % 2 === 0 ? 'power' : 'process')
      await net.world.runFor(30_000)
      assert.equal(net.network.openEndCount, 0)
    }
  })

  it('can be aborted', async () => {
    const net = newNet()
    const dialer = net.network.dialer(net.processes[0] as SimulatedProcess)
    const abort = new AbortController()
    const dialed = dialer.dial('ws://n2:7410/', { ...DIAL, signal: abort.signal })
    abort.abort()
    await assert.rejects(net.world.runToCompletion(dialed), /aborted/)
    await net.world.runFor(20_000)
    assert.equal(net.network.openEndCount, 0)
  })

  it('does the same twice for one seed', async () => {
    const runs: string[] = []
    for (let run = 0; run < 2; run++) {
      const net = newNet({ profile: { breakChance: 0.02, linkSpread: 4 } })
      const trace: string[] = []
      for (let round = 0; round < 10; round++) {
        const { link, events } = await connected(net)
        for (let n = 0; n < 10; n++) link.send(frame(`${round}.${n}`))
        await net.world.runFor(50)
        trace.push(...events, `${net.world.eventCount}`)
      }
      runs.push(JSON.stringify([trace, net.received]))
    }
    assert.equal(runs[0], runs[1])
  })
})
