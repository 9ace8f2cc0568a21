import assert from 'node:assert/strict'
import { configurationOf, historyOf, leaderRig, Rig } from '../rig.ts'
import { toBatch as batchOf } from '../sim/entries.ts'
import type { Scenario } from './scenario.ts'

const later = { term: 9, seq: 9 }

export const elections: readonly Scenario[] = [
  {
    rule: 'E1',
    name: 'a vote leaves only after it is synced',
    mutant: 'skip vote sync',
    run() {
      const rig = new Rig()
      rig.isAutoSync = false
      rig.receive(rig.voteRequest(2, 2, later))
      assert.equal(rig.sent('voteResponse').length, 0)
      rig.sync()
      assert.equal(rig.lastSent('voteResponse').isGranted, true)
    },
  },
  {
    rule: 'E1',
    name: 'a node votes once in a term, also after a restart',
    run() {
      const rig = new Rig()
      rig.receive(rig.voteRequest(2, 2, later))
      const again = new Rig({ term: 2, vote: 2 })
      again.receive(again.voteRequest(3, 2, later))
      assert.equal(again.lastSent('voteResponse').isGranted, false)
      again.receive(again.voteRequest(2, 2, later))
      assert.equal(again.lastSent('voteResponse').isGranted, true)
      assert.equal(rig.state.vote, 2)
    },
  },
  {
    rule: 'E2',
    name: 'a longer log of an older term is not more up to date',
    mutant: 'compare last seq before last term',
    run() {
      const rig = new Rig({ entries: historyOf([1, 3]) })
      rig.receive(rig.voteRequest(2, 4, { term: 2, seq: 50 }))
      assert.equal(rig.lastSent('voteResponse').reason, 'log')
    },
  },
  {
    rule: 'E3',
    name: 'the own vote counts only once it is synced',
    mutant: 'own vote counted before sync',
    run() {
      const rig = new Rig()
      rig.timeOut()
      rig.isAutoSync = false
      rig.receive(rig.preVoteGrant(2, 1))
      rig.receive(rig.voteGrant(2))
      assert.equal(rig.state.role, 'candidate')
      rig.sync()
      assert.equal(rig.state.role, 'leader')
    },
  },
  {
    rule: 'E3',
    name: 'a repeated grant is one vote',
    mutant: 'duplicate vote counted',
    run() {
      const rig = new Rig({ entries: historyOf([1], configurationOf([1, 2, 3, 4, 5])) })
      rig.timeOut()
      for (const voter of [2, 3]) rig.receive(rig.preVoteGrant(voter, 1))
      for (let i = 0; i < 4; i++) rig.receive(rig.voteGrant(2))
      assert.equal(rig.state.role, 'candidate')
      rig.receive(rig.voteGrant(3))
      assert.equal(rig.state.role, 'leader')
    },
  },
  {
    rule: 'E4',
    name: 'an answer to an earlier candidacy does not count',
    mutant: 'answer to another candidacy counted',
    run() {
      const rig = new Rig()
      rig.timeOut()
      const late = rig.preVoteGrant(2, 1)
      rig.timeOut()
      rig.receive(late)
      assert.equal(rig.state.role, 'preCandidate')
      rig.receive(rig.preVoteGrant(2, 1))
      assert.equal(rig.state.role, 'candidate')
    },
  },
  {
    rule: 'E4',
    name: 'a late pre-vote answer does not disturb a leader',
    run() {
      const rig = new Rig()
      rig.timeOut()
      const late = rig.preVoteGrant(3, 1)
      rig.receive(rig.preVoteGrant(2, 1))
      rig.receive(rig.voteGrant(2))
      rig.receive(late)
      assert.equal(rig.state.role, 'leader')
    },
  },
  {
    rule: 'E5',
    name: 'a pre-vote changes nothing at the voter',
    run() {
      const rig = new Rig()
      const before = { term: rig.state.term, vote: rig.state.vote, deadline: rig.state.electionDeadlineMs }
      rig.receive(rig.preVoteRequest(2, 7, later))
      assert.equal(rig.lastSent('preVoteResponse').isGranted, true)
      assert.equal(rig.all('persist').length, 0)
      const after = { term: rig.state.term, vote: rig.state.vote, deadline: rig.state.electionDeadlineMs }
      assert.deepEqual(after, before)
    },
  },
  {
    rule: 'E5',
    name: 'a pre-candidate adopts the higher term of a refusal',
    mutant: 'higher term of a pre-vote refusal ignored',
    run() {
      const rig = new Rig()
      rig.timeOut()
      rig.receive(rig.preVoteGrant(2, 5, { isGranted: false, reason: 'term' }))
      assert.equal(rig.state.term, 5)
    },
  },
  {
    rule: 'E6',
    name: 'a pre-candidate does not refuse others because of the leader it gave up',
    run() {
      const rig = new Rig()
      rig.receive(rig.heartbeat(3, 1))
      rig.timeOut()
      rig.receive(rig.preVoteRequest(2, 1, later))
      assert.equal(rig.lastSent('preVoteResponse').isGranted, true)
    },
  },
  {
    rule: 'E7',
    name: 'a deposed leader is told of the newer term',
    mutant: 'stale term not answered',
    run() {
      const rig = new Rig({ term: 5 })
      rig.receive(rig.heartbeat(2, 3))
      assert.equal(rig.lastSent('heartbeatResponse').term, 5)
      rig.receive(rig.appendRequest(2, 3, historyOf([1]), { prevSeq: 1 }))
      assert.equal(rig.lastSent('appendResponse').term, 5)
    },
  },
  {
    rule: 'E7',
    name: 'a voter with a fresh leader refuses to depose it and keeps its term',
    run() {
      const rig = new Rig()
      rig.receive(rig.heartbeat(3, 2))
      rig.receive(rig.voteRequest(2, 9, later))
      assert.equal(rig.lastSent('voteResponse').reason, 'lease')
      assert.equal(rig.state.term, 2)
      rig.receive(rig.preVoteRequest(2, 8, later))
      assert.equal(rig.lastSent('preVoteResponse').reason, 'lease')
    },
  },
  {
    rule: 'E8',
    name: 'a learner answers vote requests',
    mutant: 'learner refuses to vote',
    run() {
      const rig = new Rig({ id: 4, entries: historyOf([1], configurationOf([1, 2, 3], [4])) })
      rig.receive(rig.voteRequest(2, 2, later))
      assert.equal(rig.lastSent('voteResponse').isGranted, true)
      rig.wait(5_000)
      assert.equal(rig.sent('preVoteRequest').length, 0, 'a learner does not campaign')
    },
  },
  {
    rule: 'E9',
    name: 'nobody campaigns with an install pending',
    mutant: 'campaign during install',
    run() {
      const rig = new Rig()
      const meta = { seq: 50, term: 1, chain: 5, configuration: configurationOf([1, 2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 1, meta })
      assert.equal(rig.all('installSnapshot').length, 1)
      rig.timeOut()
      assert.equal(rig.state.role, 'follower')
      rig.turn({ type: 'snapshotFailed' })
      rig.timeOut()
      assert.equal(rig.state.role, 'preCandidate')
    },
  },
  {
    rule: 'E10',
    name: 'a campaign request to a leader does nothing',
    run() {
      const rig = leaderRig()
      rig.turn({ type: 'campaign' })
      assert.equal(rig.state.role, 'leader')
      assert.equal(rig.sent('preVoteRequest').length, 0)
    },
  },
  {
    rule: 'E11',
    name: 'a restarted node follows for a full election timeout',
    run() {
      const rig = new Rig({ term: 4, vote: 1 })
      rig.wait(299)
      assert.equal(rig.state.role, 'follower')
    },
  },
  {
    rule: 'E12',
    name: 'a leader without a quorum steps down and falls silent',
    mutant: 'quorum-loss leader keeps sending',
    run() {
      const rig = new Rig({ entries: historyOf([1], configurationOf([1, 2, 3, 4, 5])) })
      rig.elect(2, 3)
      for (let i = 0; i < 20; i++) {
        rig.wait(50)
        if (rig.state.role === 'leader') rig.receive(rig.heartbeatAnswer(2)) // the bridge
      }
      assert.notEqual(rig.state.role, 'leader')
      rig.clear()
      rig.wait(20)
      assert.equal(rig.sent('heartbeatRequest').length, 0)
    },
  },
  {
    rule: 'E12',
    name: 'a leader whose loop stood still steps down in the turn in which it wakes, unless it hears a quorum there (ADR 0012)',
    run() {
      for (const isHeard of [false, true]) {
        const rig = leaderRig()
        rig.clear()
        rig.nowMs += 2_000
        const heard = isHeard ? [{ type: 'recv', message: rig.heartbeatAnswer(2) } as const] : []
        rig.turn(...heard, { type: 'read', ctx: 'r', mode: 'index' })
        assert.equal(rig.state.role, isHeard ? 'leader' : 'follower')
        assert.equal(rig.all('readReady').length, 0)
      }
    },
  },
  {
    rule: 'E13',
    name: 'a refused candidate does not postpone the own campaign',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1]) })
      const deadline = rig.state.electionDeadlineMs
      rig.nowMs += 100
      rig.receive(rig.voteRequest(2, 2, { term: 1, seq: 1 }))
      assert.equal(rig.state.term, 2)
      assert.equal(rig.state.electionDeadlineMs, deadline)
    },
  },
  {
    rule: 'E14',
    name: 'a refused append of the leader still proves that it lives',
    run() {
      const rig = new Rig()
      rig.nowMs += 250
      rig.receive(rig.appendRequest(2, 1, historyOf([1, 1, 1]), { prevSeq: 3 }))
      assert.equal(rig.lastSent('appendResponse').isAccepted, false)
      assert.ok(rig.state.electionDeadlineMs >= rig.nowMs + 300)
    },
  },
  {
    rule: 'bootstrap',
    name: 'a node without entry 1 neither votes nor campaigns, and votes only once it is synced',
    run() {
      const rig = new Rig({ entries: [], term: 0 })
      rig.wait(5_000)
      rig.receive(rig.voteRequest(2, 1, later))
      assert.equal(rig.lastSent('voteResponse').reason, 'unconfigured')
      rig.isAutoSync = false
      const [first] = historyOf([1])
      rig.turn({ type: 'bootstrap', batch: batchOf([first!]) })
      rig.clear()
      rig.receive(rig.voteRequest(2, 2, later))
      rig.sync()
      assert.equal(rig.lastSent('voteResponse').reason, 'unconfigured')
      rig.receive(rig.voteRequest(2, 3, later))
      rig.sync()
      assert.equal(rig.lastSent('voteResponse').reason, 'granted')
    },
  },
  {
    rule: 'fence',
    name: 'a fenced replica votes and never campaigns; a fenced leader hands over',
    run() {
      const rig = leaderRig()
      rig.turn({ type: 'fence', isFenced: true })
      assert.ok(rig.lastSent('timeoutNow'))
      for (let i = 0; i < 13; i++) {
        rig.nowMs += 50
        rig.receive(rig.heartbeatAnswer(2), rig.heartbeatAnswer(3))
      }
      assert.equal(rig.state.role, 'follower', 'nobody took over, and still it must not lead')
      const other = new Rig()
      other.turn({ type: 'fence', isFenced: true })
      other.wait(3_000)
      assert.equal(other.state.role, 'follower')
      other.receive(other.voteRequest(2, 2, later))
      assert.equal(other.lastSent('voteResponse').isGranted, true)
    },
  },
]
