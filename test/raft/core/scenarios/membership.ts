import assert from 'node:assert/strict'
import { configurationOf, historyOf, leaderRig, Rig } from '../rig.ts'
import type { Scenario } from './scenario.ts'

function learnersReady(): Rig {
  const rig = new Rig({ entries: historyOf([1], configurationOf([1, 2, 3], [4, 5])) })
  rig.elect(2)
  rig.acceptAll(2, 3, 4, 5)
  rig.clear()
  return rig
}

const target = (voters: readonly number[], learners: readonly number[] = []) => {
  const { members } = configurationOf(voters, learners)
  return { type: 'proposeConfiguration', target: { members, voters, learners } } as const
}

const refusals = (rig: Rig): unknown[] => rig.all('configurationChange').map(effect => effect.refusal)

export const membership: readonly Scenario[] = [
  {
    rule: 'M1',
    name: 'one change at a time',
    mutant: 'second change while one is pending',
    run() {
      const rig = learnersReady()
      rig.turn(target([1, 2, 3, 4], [5]))
      rig.turn(target([1, 2, 3], [4, 5]))
      assert.deepEqual(refusals(rig), ['changePending'])
    },
  },
  {
    rule: 'M2',
    name: 'no change before an entry of the own term is committed',
    mutant: 'config before own-term commit',
    run() {
      const rig = new Rig({ entries: historyOf([1], configurationOf([1, 2, 3], [4])) })
      rig.elect(2)
      rig.turn(target([1, 2, 3]))
      assert.deepEqual(refusals(rig), ['termNotCommitted'])
    },
  },
  {
    rule: 'M4',
    name: 'a configuration goes with its entry',
    mutant: 'no rollback of configuration',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1], undefined, { 3: configurationOf([1, 2]) }) })
      rig.receive(rig.appendRequest(2, 2, historyOf([1, 1, 2]), { prevSeq: 2, lastSeq: 3 }))
      assert.deepEqual(rig.state.configurations.at(-1)?.configuration.voters, [1, 2, 3])
    },
  },
  {
    rule: 'M4',
    name: 'a joint configuration is left only once it is committed',
    mutant: 'leave joint uncommitted',
    run() {
      const rig = learnersReady()
      rig.propose()
      rig.turn(target([1, 2, 3, 4], [5]))
      rig.receive(rig.accept(2, 3), rig.accept(3, 3))
      assert.equal(rig.state.commit, 3)
      assert.deepEqual(rig.state.configurations.at(-1)?.configuration.outgoing, [1, 2, 3])
      rig.acceptAll(2, 3)
      assert.deepEqual(rig.state.configurations.at(-1)?.configuration.outgoing, [])
      rig.acceptAll(2, 3)
      assert.deepEqual(refusals(rig), [null])
    },
  },
  {
    rule: 'M5',
    name: 'a joint configuration needs both majorities',
    mutant: 'joint needs one majority',
    run() {
      const rig = learnersReady()
      rig.turn(target([1, 4, 5]))
      rig.acceptAll(4, 5)
      assert.equal(rig.state.commit, 2)
      rig.acceptAll(2)
      assert.equal(rig.state.commit, 3)
    },
  },
  {
    rule: 'M6',
    name: 'a leader that is no voter any more hands over',
    run() {
      const rig = learnersReady()
      rig.turn(target([2, 3, 4]))
      for (let i = 0; i < 3; i++) rig.acceptAll(2, 3, 4)
      assert.equal(rig.sent('timeoutNow').length, 1)
    },
  },
  {
    rule: 'M7',
    name: 'a new peer counts as recently active',
    run() {
      const rig = learnersReady()
      rig.nowMs += 5_000
      rig.receive(...[2, 3, 4, 5].map(id => rig.heartbeatAnswer(id)))
      rig.turn(target([1, 2, 3], [4, 5, 6]))
      assert.equal(rig.progress(6).lastActiveMs, rig.nowMs)
    },
  },
  {
    rule: 'M9',
    name: 'only a member with the whole log becomes a voter',
    run() {
      const rig = leaderRig()
      rig.turn(target([1, 2, 3, 4]))
      assert.deepEqual(refusals(rig), ['notCaughtUp'])
    },
  },
  {
    rule: 'M1',
    name: 'a follower does not change members',
    run() {
      const rig = new Rig()
      rig.turn(target([1, 2]))
      assert.deepEqual(refusals(rig), ['notLeader'])
    },
  },
]
