import assert from 'node:assert/strict'
import { configurationOf, historyOf, leaderRig, Rig } from '../rig.ts'
import type { Scenario } from './scenario.ts'

const ends = (rig: Rig): unknown[] => rig.all('transferEnded').map(effect => effect.refusal)

export const transfer: readonly Scenario[] = [
  {
    rule: 'T1',
    name: 'a leader on its way out takes no proposals',
    mutant: 'proposals accepted during transfer',
    run() {
      const rig = leaderRig()
      rig.turn({ type: 'transfer', to: 3 })
      assert.equal(rig.propose(), false)
    },
  },
  {
    rule: 'T2',
    name: 'TimeoutNow waits until the target has everything synced',
    mutant: 'timeout-now before match',
    run() {
      const rig = leaderRig()
      rig.propose()
      rig.turn({ type: 'transfer', to: 3 })
      assert.equal(rig.sent('timeoutNow').length, 0)
      rig.acceptAll(3)
      assert.deepEqual(rig.lastSent('timeoutNow', 3).last, { term: 2, seq: 3 })
    },
  },
  {
    rule: 'T2',
    name: 'the target checks again that its synced log is the one meant',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1]) })
      rig.receive({ type: 'timeoutNow', from: 2, to: 1, term: 1, last: { term: 1, seq: 3 } })
      assert.equal(rig.state.role, 'follower')
      rig.receive({ type: 'timeoutNow', from: 2, to: 1, term: 1, last: { term: 1, seq: 2 } })
      assert.equal(rig.state.role, 'candidate')
    },
  },
  {
    rule: 'T3',
    name: 'a transfer ends with the leadership',
    mutant: 'transfer flag survives term',
    run() {
      const rig = leaderRig()
      rig.turn({ type: 'transfer', to: 3 })
      rig.receive(rig.heartbeat(3, 3))
      assert.deepEqual(ends(rig), [null])
      rig.elect(2)
      assert.equal(rig.propose(), true)
    },
  },
  {
    rule: 'T3',
    name: 'a transfer that nobody takes up is given up after an election timeout',
    run() {
      const rig = leaderRig()
      rig.turn({ type: 'transfer', to: 3 })
      for (let i = 0; i < 12; i++) {
        rig.nowMs += 50
        rig.receive(rig.heartbeatAnswer(2), rig.heartbeatAnswer(3))
      }
      assert.deepEqual(ends(rig), ['timedOut'])
      assert.equal(rig.propose(), true)
    },
  },
  {
    rule: 'T4',
    name: 'strangers, learners and the leader itself are refused',
    run() {
      const rig = new Rig({ entries: historyOf([1], configurationOf([1, 2, 3], [4])) })
      rig.elect(2)
      for (const to of [9, 4, 1]) rig.turn({ type: 'transfer', to })
      assert.deepEqual(ends(rig), ['unknownMember', 'notVoter', 'unknownMember'])
    },
  },
  {
    rule: 'T4',
    name: 'a leader that may choose chooses nobody who has been silent for an election timeout',
    run() {
      const rig = leaderRig()
      for (let i = 0; i < 7; i++) {
        rig.nowMs += 50
        rig.receive(rig.heartbeatAnswer(3))
      }
      assert.equal(rig.progress(2).match, rig.progress(3).match)
      rig.turn({ type: 'transfer', to: 0 })
      assert.equal(rig.state.transfer?.to, 3)
    },
  },
  {
    rule: 'T4',
    name: 'a leader that may choose chooses nobody who says that it could not lead',
    run() {
      const rig = leaderRig()
      rig.receive(rig.heartbeatAnswer(2, { isUnfitToLead: true }), rig.heartbeatAnswer(3))
      rig.turn({ type: 'transfer', to: 0 })
      assert.equal(rig.state.transfer?.to, 3)
      const other = leaderRig()
      for (const id of [2, 3]) other.receive(other.heartbeatAnswer(id, { isUnfitToLead: true }))
      other.turn({ type: 'transfer', to: 0 })
      assert.deepEqual(ends(other), ['unknownMember'])
    },
  },
  {
    rule: 'T5',
    name: 'a transfer campaign skips the pre-vote and overrides leases',
    mutant: 'transfer campaign respects leases',
    run() {
      const rig = new Rig()
      rig.receive({ type: 'timeoutNow', from: 2, to: 1, term: 1, last: { term: 1, seq: 1 } })
      const request = rig.lastSent('voteRequest', 3)
      const voter = new Rig({ id: 3 })
      voter.receive(voter.heartbeat(2, 1))
      voter.receive(request)
      assert.equal(voter.lastSent('voteResponse').isGranted, true)
    },
  },
  {
    rule: 'T6',
    name: 'a leader whose disk hangs hands over, then steps down and falls silent',
    mutant: 'heartbeats during disk stall',
    run() {
      const rig = leaderRig()
      rig.turn({ type: 'diskHealth', oldestPendingMs: 601 })
      assert.equal(rig.state.transfer?.to, 2)
      rig.turn({ type: 'diskHealth', oldestPendingMs: 1_201 })
      assert.equal(rig.state.role, 'follower')
      rig.clear()
      rig.wait(250)
      assert.equal(rig.sent('heartbeatRequest').length, 0)
      rig.turn({ type: 'diskHealth', oldestPendingMs: 1_451 })
      rig.timeOut()
      assert.equal(rig.state.role, 'follower', 'it could not sync its own vote')
    },
  },
  {
    rule: 'T8',
    name: 'heartbeats keep their schedule after a late turn, and missed ones are not made up for',
    mutant: 'timers re-anchored',
    run() {
      const rig = leaderRig()
      const origin = rig.state.leadership!.heartbeatOriginMs
      rig.nowMs = origin + 50 * 7 + 30
      rig.turn()
      assert.equal(rig.sent('heartbeatRequest', 2).length, 1)
      assert.equal(rig.core.nextDeadlineMs, origin + 50 * 8)
    },
  },
  {
    rule: 'T9',
    name: 'messages that waited through a stall are heard before the election check',
    mutant: 'election check before drained messages',
    run() {
      const rig = new Rig()
      rig.nowMs += 5_000
      rig.receive(rig.heartbeat(2, 1))
      assert.equal(rig.state.role, 'follower')
      assert.equal(rig.state.leader, 2)
      assert.equal(rig.sent('preVoteRequest').length, 0)
    },
  },
]
