import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { seed } from '../../engine/seed.ts'
import { configuration, empty, filled, Pair, type Fate } from './pair.ts'

/** Runs a transfer once for each of its messages, which meets `fate`; then the same once more, undisturbed. */
async function atEveryMessage(
  fate: Fate,
  check: (pair: Pair) => void,
  isMeant: (type: string) => boolean = () => true,
): Promise<void> {
  let sender = await filled(200)
  const undisturbed = new Pair(seed, sender, await empty())
  await undisturbed.shipUntilInstalled()
  assert.ok(undisturbed.messages > 10)
  for (let at = 0; at < undisturbed.messages; at++) {
    const pair = new Pair(seed, sender, await empty())
    pair.fate = (number, type) => (number === at && isMeant(type) ? fate : 'arrive')
    await pair.shipUntilInstalled()
    await pair.world.runFor(1_000)
    await pair.assertEqual()
    check(pair)
    sender = pair.sender.harness
  }
}

describe('a snapshot transfer', () => {
  it('goes on where it was when the link is lost at any message', async () => {
    await atEveryMessage('cut', pair => {
      assert.equal(pair.receiver.failed.length, 0)
      assert.equal(pair.receiver.calls.filter(call => call === 'begin').length, 1)
      assert.ok(pair.receiver.written <= pair.arrived.get('snapshotChunk')!)
      assert.equal(pair.sender.sent.length, 1)
    })
  })

  it('goes on as soon as the channel of the receiver is back, if only that was lost', async () => {
    await atEveryMessage('cut control', pair => {
      assert.equal(pair.receiver.failed.length, 0)
      assert.ok(pair.doneMs < 500, `took ${pair.doneMs} ms: lost words were repeated only after a silence`)
      assert.equal(pair.sender.sent.length, 1)
    })
  })

  it('goes on when a chunk or a manifest arrives damaged, which ends its link', async () => {
    const isMeant = (type: string): boolean => type === 'snapshotChunk' || type === 'snapshotManifest'
    await atEveryMessage('damage', pair => assert.equal(pair.receiver.failed.length, 0), isMeant)
  })

  it('begins again when the receiver crashes at any message', async () => {
    await atEveryMessage('crash receiver', pair => assert.deepEqual(pair.receiver.failed, []))
  })

  it('is replaced when the sender crashes at any message, by its next offer once it is back', async () => {
    await atEveryMessage('crash sender', pair => {
      assert.ok(pair.receiver.failed.length <= 1)
      assert.ok(pair.doneMs < 4_000, `took ${pair.doneMs} ms: the receiver waited for a transfer of the life before`)
    })
  })
})

describe('a snapshot transfer among many faults', () => {
  it('arrives, whatever breaks and however often', async () => {
    let sender = await filled(200)
    for (let round = 0; round < 12; round++) {
      const pair = new Pair(seed * 1_000 + round, sender, await empty())
      const random = new SeededRandom(pair.world.seed).split('faults')
      pair.downMs = random.u32() % 400
      pair.bytesPerMs = 64 << (random.u32() % 8)
      let faults = 0
      pair.fate = (_number, type) => {
        const draw = random.float()
        if (faults >= 12 || draw > 0.2) return 'arrive'
        faults++
        if (draw < 0.02) return 'crash sender'
        if (draw < 0.04) return 'crash receiver'
        return draw < 0.08 && type === 'snapshotChunk' ? 'damage' : 'cut'
      }
      await pair.shipUntilInstalled(600_000)
      await pair.world.runFor(1_000)
      await pair.assertEqual()
      sender = pair.sender.harness
    }
  })
})

describe('a snapshot transfer that cannot go on', () => {
  it('fails on both sides when the sender is gone for long; the receiver is what it was, and takes the next one', async () => {
    const pair = new Pair(seed, await filled(400), await empty())
    pair.downMs = 60_000
    pair.ship()
    await pair.world.runWhileNot(() => pair.receiver.written >= 2, 10_000)
    pair.cut()
    await pair.world.runFor(45_000)
    assert.deepEqual(
      pair.receiver.failed.map(({ mustReopen }) => mustReopen),
      [false],
    )
    assert.equal(pair.sender.sent[0]?.isOk, false)
    assert.equal(pair.sender.sources, 0)
    assert.equal(pair.receiver.lives, 1)
    await pair.receiver.harness.applyAll()
    await pair.world.runFor(30_000)
    await pair.shipUntilInstalled()
    assert.equal(pair.receiver.lives, 1)
    await pair.assertEqual()
  })

  it('ends when the state of the sender is not trusted any more', async () => {
    const pair = new Pair(seed, await filled(400), await empty())
    pair.ship()
    await pair.world.runWhileNot(() => pair.receiver.written >= 2, 10_000)
    pair.sender.shipping.distrustState()
    await pair.world.runFor(1_000)
    assert.deepEqual(
      [pair.sender.sent.map(({ isOk }) => isOk), pair.receiver.failed.length, pair.receiver.installed.length],
      [[false], 1, 0],
    )
    const { sent, sendFailed } = pair.sender.shipping.progress.ended
    const { installed, installFailed } = pair.receiver.shipping.progress.ended
    const seen = pair.sender.sent.filter(({ isOk }) => isOk).length
    assert.deepEqual([sent, sendFailed], [seen, pair.sender.sent.length - seen])
    assert.deepEqual([installed, installFailed], [pair.receiver.installed.length, pair.receiver.failed.length])
    assert.equal(pair.sender.sources, 0)
  })

  for (const isGone of [false, true]) {
    it(`is given up for the snapshot of another node if its sender is ${isGone ? 'gone' : 'silent'}, and only then`, async () => {
      const pair = new Pair(seed, await filled(400), await empty())
      pair.ship()
      await pair.world.runWhileNot(() => pair.receiver.written >= 2, 10_000)
      pair.receiver.shipping.offerRefused(3)
      assert.equal(pair.receiver.failed.length, 0)
      if (isGone) {
        pair.downMs = 60_000
        pair.cut()
        await pair.world.runFor(100)
      } else {
        pair.fate = () => 'lost'
        await pair.world.runFor(1_000)
        pair.receiver.shipping.offerRefused(3)
        await pair.world.runFor(1_500)
      }
      pair.receiver.shipping.offerRefused(1)
      assert.equal(pair.receiver.failed.length, 0)
      pair.receiver.shipping.offerRefused(3)
      await pair.world.runFor(100)
      assert.deepEqual(
        pair.receiver.failed.map(({ mustReopen }) => mustReopen),
        [false],
      )
    })
  }

  it('fails when an offer finds nobody who asks', async () => {
    const pair = new Pair(seed, await filled(50), await empty())
    pair.receiver.pending = { seq: 1, term: 1, chain: 0, configuration: { ...configuration, members: [] } }
    pair.ship()
    await pair.world.runFor(15_000)
    assert.deepEqual(
      pair.sender.sent.map(({ isOk }) => isOk),
      [false],
    )
    assert.equal(pair.sender.sources, 0)
  })

  const forgeries = {
    'of another history': { historyId: 'f'.repeat(32) },
    'older than the offer': { seq: 10 },
    'of another entry': { chain: 1 },
    'without a configuration': { configuration: new Uint8Array(0) },
    'incremental, unasked': { sinceSeq: 5 },
  }
  for (const [what, part] of Object.entries(forgeries)) {
    it(`refuses a manifest ${what}, with nothing changed`, async () => {
      const pair = new Pair(seed, await filled(50), await empty())
      pair.ship()
      await pair.world.runWhileNot(() => pair.receiver.pending !== undefined, 1_000)
      const { shipping } = pair.receiver
      const deliver = shipping.onMessage.bind(shipping)
      shipping.onMessage = message =>
        deliver(
          message.type === 'snapshotManifest' ? { ...message, manifest: { ...message.manifest, ...part } } : message,
        )
      await pair.world.runWhileNot(() => pair.receiver.failed.length > 0, 1_000)
      assert.equal(pair.receiver.failed[0]?.mustReopen, false)
      assert.ok(!pair.receiver.calls.includes('begin'))
      await pair.world.runWhileNot(() => pair.sender.sent.length > 0, 1_000)
      assert.equal(pair.sender.sent[0]?.isOk, false)
      assert.equal(pair.sender.sources, 0)
    })
  }

  it('commits nothing when the records are not what the manifest says, and the sender hears that', async () => {
    const pair = new Pair(seed, await filled(50), await empty())
    pair.sender.forge = source => {
      Object.assign(source, { manifest: { ...source.manifest, sum: { lo: 1, hi: 2 } } })
    }
    pair.ship()
    await pair.world.runWhileNot(() => pair.receiver.failed.length > 0, 10_000)
    assert.match(pair.receiver.failed[0]!.reason, /SnapshotMismatch/)
    assert.equal(pair.receiver.failed[0]?.mustReopen, false)
    await pair.world.runFor(1_000)
    assert.equal(pair.receiver.harness.core.appliedSeq, 0)
    assert.equal(pair.receiver.installed.length, 0)
    assert.equal(pair.sender.misfits, 1)
    assert.equal(pair.receiver.misfits, 0)
  })

  it('is not tried again at once where it did not fit, and less and less often', async () => {
    const pair = new Pair(seed, await filled(50), await empty())
    pair.sender.forge = source => {
      Object.assign(source, { manifest: { ...source.manifest, sum: { lo: 1, hi: 2 } } })
    }
    const attempts: number[] = []
    // As the core does: at the pace of heartbeats.
    const ask = (): void => {
      const { misfits } = pair.sender
      if (misfits > attempts.length) attempts.push(pair.world.nowMs)
      if (pair.sender.shipping.progress.outgoing.length === 0) pair.ship()
      if (attempts.length < 4) pair.world.schedule(50, ask)
    }
    ask()
    await pair.world.runWhileNot(() => attempts.length === 4, 30_000)
    const gaps = attempts.slice(1).map((atMs, i) => atMs - attempts[i]!)
    for (const [i, gapMs] of gaps.entries()) assert.ok(gapMs >= 1_000 * 2 ** i, `attempts after ${gaps.join(', ')} ms`)
    assert.ok(pair.sender.sent.some(({ seq, isOk }) => seq === 0 && !isOk))
    pair.sender.forge = () => {}
    await pair.world.runFor(10_000)
    await pair.shipUntilInstalled()
    await pair.assertEqual()
  })

  it('stops on both sides without reports when it is closed', async () => {
    const pair = new Pair(seed, await filled(400), await empty())
    pair.ship()
    await pair.world.runWhileNot(() => pair.receiver.written >= 2, 10_000)
    await pair.world.runToCompletion(Promise.all(pair.nodes.map(({ shipping }) => shipping.close())), 10_000)
    const { written } = pair.receiver
    await pair.world.runFor(60_000)
    assert.equal(pair.receiver.written, written)
    assert.ok(pair.receiver.calls.includes('abort'))
    assert.equal(pair.sender.sent.length + pair.receiver.failed.length + pair.receiver.installed.length, 0)
    assert.equal(pair.sender.sources, 0)
  })

  it('ends on a change of leadership while it is only offered, and goes on once it is under way', async () => {
    const pair = new Pair(seed, await filled(400), await empty())
    pair.ship()
    await pair.world.runWhileNot(() => pair.sender.shipping.progress.outgoing[0]?.stage === 'offered', 10)
    pair.sender.shipping.abandon()
    pair.receiver.shipping.abandon()
    await pair.world.runFor(0)
    assert.deepEqual(pair.sender.sent, [{ to: 2, seq: 402, isOk: false }])
    await pair.world.runFor(1_000)
    pair.ship()
    await pair.world.runWhileNot(() => pair.receiver.written >= 2, 20_000)
    for (const { shipping } of pair.nodes) shipping.abandon()
    await pair.shipUntilInstalled()
    await pair.assertEqual()
  })
})
