import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { groupMetrics } from '../../src/admin/index.ts'
import type { GroupReadings } from '../../src/admin/index.ts'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { groupReadings, healthReadings } from '../../src/node/readings.ts'
import { StartProgress } from '../../src/node/start-progress.ts'
import { NAMES, Trio } from '../raft/replica/trio.ts'

const KEY = new Uint8Array([1])

/** What a node's metrics are told of the group. */
function readingsOf(trio: Trio, name: string): GroupReadings {
  return groupReadings(trio.node(name), [], trio.machines.get(name)!.process!.clock)
}

describe('what metrics are told of the group', () => {
  it('counts as committed what the leader has called so, also where the node lacks it', async () => {
    const trio = new Trio(4)
    await trio.start()
    const leader = await trio.untilLed()
    const follower = NAMES.find(name => name !== leader)!
    const core: { commit: number; heardCommit: number } = trio.node(follower).replica.inspect().core
    const before = readingsOf(trio, follower)
    assert.equal(before.commitSeq, core.commit)
    // As when the leader has told of entries that are still on their way.
    core.heardCommit = core.commit + 500
    assert.equal(readingsOf(trio, follower).commitSeq, core.commit + 500)
    core.heardCommit = 0
    assert.equal(readingsOf(trio, follower).commitSeq, core.commit)
  })

  it('says for how long the leader has been silent: nothing at the leader, and nothing known before the first word', async () => {
    const trio = new Trio(5)
    await trio.start('n1')
    assert.equal(readingsOf(trio, 'n1').leaderSilentMs, undefined)
    await trio.start('n2', 'n3')
    const leader = await trio.untilLed()
    const follower = NAMES.find(name => name !== leader)!
    assert.equal(readingsOf(trio, leader).leaderSilentMs, 0)
    assert.ok(readingsOf(trio, follower).leaderSilentMs! < 100)
    trio.wire.cutOff.add(leader)
    await trio.until('the leader to be missed', () => trio.node(follower).replica.topology.leaderId === 0)
    assert.ok(readingsOf(trio, follower).leaderSilentMs! >= 300)
  })

  it('counts reads by what they may see, and requests that come again', async () => {
    const trio = new Trio(6)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    const operation = { type: 'createProject', project: 'p' } as const
    const envelope = { mutations: [{ type: 'ddl', operation }] } as const
    await trio.commit(leader, session, envelope)
    assert.equal(readingsOf(trio, leader).resent, 0)
    await trio.world.runToCompletion(trio.submit(leader, trio.request(session, envelope, 1, 1)))
    assert.equal(readingsOf(trio, leader).resent, 1)
    const token = `${trio.node(leader).replica.historyId}:1`
    for (const consistency of ['linearizable', 'local', 'local', { maxStaleMs: 5_000 }, { minSeq: token }] as const) {
      await trio.read(leader, KEY, consistency)
    }
    const counts = Object.fromEntries(readingsOf(trio, leader).reads)
    assert.deepEqual([counts['linearizable'], counts['local'], counts['max_stale'], counts['at_seq']], [1, 2, 1, 0])
    assert.equal(counts['min_seq'], 1)
  })
})

describe('what metrics are told of a leader', () => {
  it('is for how long it certainly leads, which ends without a majority, and nothing anywhere else', async () => {
    const trio = new Trio(8)
    await trio.start()
    const leader = await trio.untilLed()
    const follower = NAMES.find(name => name !== leader)!
    await trio.until('a lease', () => (readingsOf(trio, leader).leaseMs ?? 0) > 0)
    assert.ok(readingsOf(trio, leader).leaseMs! <= 600)
    assert.equal(readingsOf(trio, follower).leaseMs, undefined)
    trio.wire.cutOff.add(leader)
    await trio.until('the lease to end', () => readingsOf(trio, leader).leaseMs === 0)
    await trio.until('it to step down', () => readingsOf(trio, leader).leaseMs === undefined)
  })

  it('is how many entries go together, and how long a majority takes', async () => {
    const trio = new Trio(9)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    const before = readingsOf(trio, leader).groups
    const [count, waits] = [before.sizes.count, before.durableWaits.count]
    const envelope = { mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] } as const
    // Asked for in one turn: one group.
    const asked = Array.from({ length: 5 }, () => trio.submit(leader, trio.request(session, envelope)))
    await trio.world.runToCompletion(Promise.all(asked))
    const { groups, epochs } = readingsOf(trio, leader)
    assert.deepEqual([groups.sizes.count - count, groups.sizes.maxMs], [1, 5])
    assert.equal(groups.held, 0)
    assert.ok(groups.drained >= 1 && epochs.maxMs >= 5)
    await trio.until('the group to be settled', () => readingsOf(trio, leader).groups.durableWaits.count > waits)
    // A majority is a millisecond away, and a millisecond back.
    assert.ok(readingsOf(trio, leader).groups.durableWaits.maxMs >= 2)
  })

  it('is how far the clocks of its peers are ahead, as far as they were heard of lately', async () => {
    const trio = new Trio(10)
    await trio.start()
    const leader = await trio.untilLed()
    const { replica } = trio.node(leader)
    const [ahead, gone] = NAMES.filter(name => name !== leader) as [string, string]
    const offsetOf = (name: string): number | undefined =>
      replica.inspect().peerClockOffsetMicros(replica.topology.members.find(member => member.name === name)!.nodeId)
    await trio.until('both to be heard of', () => offsetOf(ahead) !== undefined && offsetOf(gone) !== undefined)
    assert.ok(Math.abs(offsetOf(ahead)!) < 5_000, `${offsetOf(ahead)}`)
    trio.machines.get(ahead)!.process!.clock.jumpWall(300_000)
    await trio.until('the jump to be heard of', () => Math.abs(offsetOf(ahead)! - 300_000) < 5_000)
    assert.ok(Math.abs(offsetOf(gone)!) < 5_000)
    trio.crash(gone)
    await trio.until('it to be forgotten', () => offsetOf(gone) === undefined, 30_000)
    assert.notEqual(offsetOf(ahead), undefined)
  })

  it('is what came again, which sessions came and went, and how long the replay took', async () => {
    const trio = new Trio(11)
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    const operation = { type: 'createProject', project: 'p' } as const
    const envelope = { mutations: [{ type: 'ddl', operation }] } as const
    await trio.commit(leader, session, envelope)
    const keyed = {
      ...envelope,
      mutations: [{ type: 'ddl', operation: { ...operation, project: 'q' } }],
      idempotencyKey: 'k',
    } as const
    await trio.commit(leader, session, keyed)
    await trio.world.runToCompletion(trio.submit(leader, trio.request(session, envelope, 1, 1)))
    await trio.commit(leader, session, keyed)
    const { counters } = trio.node(leader).machine
    assert.deepEqual(counters.repeated, { session: 1, idempotencyKey: 1 })
    const opened = readingsOf(trio, leader).sessionsOpened
    assert.ok(opened >= 1)
    await trio.until('sessions to end', () => readingsOf(trio, leader).sessionsExpired >= 1, 300_000)
    const follower = NAMES.find(name => name !== leader)!
    trio.crash(follower)
    await trio.start(follower)
    await trio.until('the replay', () => trio.node(follower).replica.inspect().replayMs !== undefined)
    assert.ok(trio.node(follower).machine.appliedSeq > 0)
  })
})

describe('what metrics are told of a voter with another state', () => {
  it('is where it differs, at the leader, as long as nobody can decide that', async () => {
    const trio = new Trio(12)
    let ill = ''
    const bad = utf8Bytes('!written')
    const isBad = (name: string, value: Uint8Array): boolean => name === ill && Buffer.compare(value, bad) === 0
    trio.tuning = name => ({
      digestInterval: 16,
      alterValue: (_, value) => (isBad(name, value) ? utf8Bytes('?written') : value),
    })
    await trio.start()
    const leader = await trio.untilLed()
    const session = await trio.openSession(leader)
    const operation = { type: 'createProject', project: 'p' } as const
    await trio.commit(leader, session, { mutations: [{ type: 'ddl', operation }] })
    const [follower, third] = NAMES.filter(name => name !== leader) as [string, string]
    const figures = async (name: string): Promise<unknown[]> =>
      (await groupMetrics(() => readingsOf(trio, name)).collect())
        .filter(family => family.name.includes('_disputed'))
        .map(family => [family.name, ...family.samples.map(({ value }) => value)])
    const none = [['quorate_raft_is_disputed', 0], ['quorate_raft_disputed_seq']]
    trio.crash(third)
    ill = follower
    assert.deepEqual(await figures(leader), none)
    for (let i = 0; i < 17; i++)
      await trio.commit(leader, session, { mutations: [{ type: 'kvSet', project: 'p', key: KEY, value: bad }] })
    await trio.until('they are compared', () => readingsOf(trio, leader).disputedSeq !== undefined)
    const seq = trio.node(leader).machine.digests.at(-1)!.seq
    assert.deepEqual(await figures(leader), [
      ['quorate_raft_is_disputed', 1],
      ['quorate_raft_disputed_seq', seq],
    ])
    assert.deepEqual(await figures(follower), none)
    await trio.start(third)
    await trio.until('it is decided', () => readingsOf(trio, follower).isFenced)
    assert.deepEqual(await figures(leader), none)
  })
})

describe('what probes are told of a node', () => {
  it('is that it knows what is committed once a leader has said so, or it leads and has committed in its term', async () => {
    const trio = new Trio(7)
    const knows = (name: string): boolean => healthReadings(trio.node(name), new StartProgress()).knowsCommit
    await trio.start('n1', 'n2', 'n3')
    assert.equal(knows('n1'), false)
    const first = await trio.untilLed()
    assert.deepEqual(
      NAMES.map(name => knows(name)),
      [true, true, true],
    )
    const follower = NAMES.find(name => name !== first)!
    trio.crash(follower)
    trio.crash(first)
    await trio.start(follower)
    // It has a log, which says nothing of what the others have committed since.
    assert.ok(trio.node(follower).log.lastSeq > 0)
    assert.equal(knows(follower), false)
    await trio.untilLed()
    assert.equal(knows(follower), true)
  })
})
