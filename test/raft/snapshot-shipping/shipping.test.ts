import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DIGEST_INTERVAL } from '../../../src/engine/index.ts'
import { SeededRandom } from '../../../src/platform/simulated/index.ts'
import { set } from '../../engine/harness.ts'
import { seed } from '../../engine/seed.ts'
import { empty, filled, LIMITS, Pair, write } from './pair.ts'

describe('shipping a snapshot', () => {
  it('makes an empty receiver equal, in bounded pieces', async () => {
    const pair = new Pair(seed, await filled(600), await empty())
    await pair.shipUntilInstalled()
    await pair.assertEqual()
    assert.deepEqual(pair.receiver.calls, ['beforeInstall', 'begin', 'beforeCommit', 'commit'])
    assert.deepEqual(pair.sender.sent, [{ to: 2, seq: 602, isOk: true }])
    assert.ok(pair.arrived.get('snapshotChunk')! > 5)
    assert.equal(pair.arrived.get('snapshotChunkAck'), pair.arrived.get('snapshotChunk'))
    const { seq, configuration } = pair.receiver.installed[0]!
    assert.equal(seq, 602)
    assert.deepEqual(
      configuration.members.map(member => member.id),
      [1, 2],
    )
  })

  it('takes several chunks for each acknowledgement where the window has many', async () => {
    const pair = new Pair(seed, await filled(600), await empty(), { ...LIMITS, windowBytes: 512 << 10 })
    await pair.shipUntilInstalled()
    await pair.assertEqual()
    const chunks = pair.arrived.get('snapshotChunk')!
    const acknowledgements = pair.arrived.get('snapshotChunkAck')!
    assert.ok(acknowledgements * 4 <= chunks, `${acknowledgements} for ${chunks} chunks`)
    assert.equal(pair.sender.sent[0]?.isOk, true)
  })

  it('carries only what changed to a receiver that has a point in common with the sender', async () => {
    const sender = await filled(DIGEST_INTERVAL + 10, 2_000)
    const receiver = await empty()
    receiver.entries.push(...sender.entries)
    await receiver.applyAll()
    await sender.commit({ mutations: [set('k1', 'new')] })
    const whole = new Pair(seed, sender, await empty())
    await whole.shipUntilInstalled()
    const pair = new Pair(seed, sender, receiver)
    await pair.shipUntilInstalled()
    await pair.assertEqual()
    assert.ok(pair.receiver.written * 4 < whole.receiver.written, `${pair.receiver.written}, ${whole.receiver.written}`)
  })

  it('is full when the receiver has another record of the common point, and makes it equal', async () => {
    const sender = await filled(DIGEST_INTERVAL + 10, 200)
    const receiver = await empty()
    receiver.entries.push(...sender.entries.slice(0, 100))
    await receiver.applyAll()
    await receiver.commit({ mutations: [set('k7', 'astray')] })
    receiver.entries.push(...sender.entries.slice(101))
    await receiver.applyAll()
    await sender.commit({ mutations: [set('k1', 'new')] })
    assert.notEqual(receiver.digest(), sender.digest())
    const pair = new Pair(seed, sender, receiver)
    await pair.shipUntilInstalled()
    await pair.assertEqual()
  })

  it('is full after an incremental one that did not fit, at once, and nothing is held against the sender', async () => {
    const sender = await filled(DIGEST_INTERVAL + 10, 2_000)
    const receiver = await empty()
    receiver.entries.push(...sender.entries)
    await receiver.applyAll()
    await receiver.commit({ mutations: [set('k7', 'astray, after the common point')] })
    for (const key of ['k1', 'k2']) await sender.commit({ mutations: [set(key, 'new')] })
    const pair = new Pair(seed, sender, receiver)
    await pair.shipUntilInstalled()
    await pair.assertEqual()
    assert.equal(pair.receiver.failed.length, 1)
    assert.match(pair.receiver.failed[0]!.reason, /SnapshotMismatch/)
    assert.equal(pair.sender.misfits, 0)
    assert.ok(pair.doneMs < 1_000, `after ${pair.doneMs} ms`)
  })

  it('ships the pinned state while the sender goes on writing', async () => {
    const pair = new Pair(seed, await filled(400), await empty())
    const random = new SeededRandom(seed).split('writes')
    let writes = 0
    pair.fate = () => {
      writes++
      void pair.sender.harness.commit({ mutations: [set(`k${random.u32() % 400}`, `later ${writes}`)] })
      return 'arrive'
    }
    await pair.shipUntilInstalled()
    assert.ok(writes > 8)
    assert.equal(pair.receiver.installed[0]!.seq, 402)
    await pair.assertEqual()
  })

  it('holds no more than its window while the receiver is slow, and waits as long as it goes on', async () => {
    const pair = new Pair(seed, await filled(600), await empty())
    let writing = 0
    pair.receiver.beforeWrite = async () => {
      writing++
      await pair.world.delay(4_000)
    }
    pair.ship()
    let chunksAhead = 0
    await pair.world.runWhileNot(() => {
      chunksAhead = Math.max(chunksAhead, (pair.arrived.get('snapshotChunk') ?? 0) - writing)
      return pair.receiver.installed.length > 0
    }, 600_000)
    assert.ok(chunksAhead >= 2 && chunksAhead <= 6, `${chunksAhead} chunks ahead`)
    await pair.world.runFor(100)
    await pair.assertEqual()
    assert.equal(pair.sender.sent.length, 1)
  })

  it('does not outrun a slow link', async () => {
    const pair = new Pair(seed, await filled(600), await empty(), { ...pairLimits, windowBytes: 1 << 20 })
    pair.bytesPerMs = 4
    await pair.shipUntilInstalled(600_000)
    assert.ok(pair.queuedBytesMax < 48 << 10, `${pair.queuedBytesMax} bytes queued`)
    await pair.assertEqual()
  })

  it('waits for a commit that takes long', async () => {
    const pair = new Pair(seed, await filled(50), await empty())
    const { receiver } = pair
    const { core } = receiver.harness
    const begin = core.beginInstall.bind(core)
    core.beginInstall = async manifest => {
      const sink = await begin(manifest)
      const commit = sink.commit.bind(sink)
      sink.commit = async () => {
        await pair.world.delay(45_000)
        return commit()
      }
      return sink
    }
    await pair.shipUntilInstalled()
    assert.equal(pair.sender.sent.length, 1)
    assert.ok(pair.world.nowMs > 45_000)
    await pair.assertEqual()
  })

  it('agrees with checkpoints of the receiver, under way when it begins and asked for while it goes on', async () => {
    const receiver = await filled(300)
    const pair = new Pair(seed, await filled(600), receiver)
    const checkpoints: Promise<unknown>[] = []
    pair.receiver.beforeInstall = () => checkpoints.push(receiver.checkpoint())
    pair.receiver.beforeWrite = () => {
      checkpoints.push(receiver.checkpoint())
      return Promise.resolve()
    }
    await pair.shipUntilInstalled()
    await pair.world.runToCompletion(Promise.all(checkpoints))
    assert.ok(checkpoints.length > 5)
    await pair.assertEqual()
    await receiver.checkpoint()
    const digest = receiver.digest()
    assert.equal((await receiver.reopen()).digest(), digest)
  })

  it('says how far it is on both sides', async () => {
    const pair = new Pair(seed, await filled(600), await empty())
    pair.ship()
    await pair.world.runWhileNot(() => pair.receiver.written >= 3, 10_000)
    const [outgoing] = pair.sender.shipping.progress.outgoing
    const { incoming } = pair.receiver.shipping.progress
    assert.equal(outgoing?.stage, 'shipping')
    assert.equal(outgoing.seq, 602)
    assert.equal(incoming?.stage, 'shipping')
    assert.equal(incoming.peer, 1)
    assert.ok(incoming.chunks >= outgoing.chunks && incoming.bytes >= 3 * 8_192)
    await pair.shipUntilInstalled()
    const none = { sent: 0, sendFailed: 0, installed: 0, installFailed: 0 }
    assert.deepEqual(pair.sender.shipping.progress, { outgoing: [], incoming: undefined, ended: { ...none, sent: 1 } })
    const { incoming: last, ended } = pair.receiver.shipping.progress
    assert.deepEqual([last, ended], [undefined, { ...none, installed: 1 }])
  })

  it('ships to one peer once at a time: a second call goes on with the first', async () => {
    const pair = new Pair(seed, await filled(300), await empty())
    pair.ship()
    await pair.world.runWhileNot(() => pair.receiver.written >= 2, 10_000)
    await write(pair.sender.harness, 10, 10)
    pair.ship()
    await pair.world.runWhileNot(() => pair.sender.sent.length > 0, 10_000)
    assert.deepEqual(pair.sender.sent, [{ to: 2, seq: 302, isOk: true }])
    assert.equal(pair.arrived.get('snapshotManifest'), 1)
    await pair.assertEqual()
  })
})

const pairLimits = { chunkBytes: 8 << 10, bufferedBytesMax: 24 << 10 }
