import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { GroupReadings } from '../../src/admin/index.ts'
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
