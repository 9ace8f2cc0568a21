import assert from 'node:assert/strict'
import { configurationOf, historyOf, leaderRig, Rig } from '../rig.ts'
import type { Scenario } from './scenario.ts'

const later = { term: 9, seq: 9 }

export const durability: readonly Scenario[] = [
  {
    rule: 'D1',
    name: 'a refusal, too, waits for the state it rests on',
    run() {
      const rig = new Rig()
      rig.isAutoSync = false
      rig.receive(rig.appendRequest(2, 5, historyOf([1, 1, 1]), { prevSeq: 3 }))
      assert.equal(rig.sent('appendResponse').length, 0)
      rig.sync()
      assert.equal(rig.lastSent('appendResponse').isAccepted, false)
    },
  },
  {
    rule: 'D2',
    name: 'the term travels in the frame of its first entries',
    run() {
      const rig = new Rig()
      rig.receive(rig.appendRequest(2, 5, historyOf([1, 5]), { prevSeq: 1, lastSeq: 2 }))
      const frames = rig.all('persist')
      assert.equal(frames.length, 1)
      assert.equal(frames[0]?.hardState?.term, 5)
      assert.equal(frames[0]?.append[0]?.lastSeq, 2)
    },
  },
  {
    rule: 'D3',
    name: 'one completion covers all frames before it',
    run() {
      const rig = new Rig()
      rig.isAutoSync = false
      const history = historyOf([1, 1, 1])
      rig.receive(rig.appendRequest(2, 1, history, { prevSeq: 1, lastSeq: 2 }))
      rig.receive(rig.appendRequest(2, 1, history, { prevSeq: 2, lastSeq: 3 }))
      rig.turn({ type: 'persisted', ioSeq: 2 })
      assert.equal(rig.state.storage.durableSeq, 3)
    },
  },
  {
    rule: 'D4',
    name: 'the completion of overwritten entries proves nothing about their successors',
    mutant: 'completion of overwritten entries counted',
    run() {
      const rig = new Rig()
      rig.isAutoSync = false
      rig.receive(rig.appendRequest(2, 2, historyOf([1, 2, 2]), { prevSeq: 1, lastSeq: 3 }))
      rig.receive(rig.appendRequest(3, 3, historyOf([1, 3, 3]), { prevSeq: 1, lastSeq: 3 }))
      rig.turn({ type: 'persisted', ioSeq: 1 })
      assert.equal(rig.state.storage.durableSeq, 1)
      rig.turn({ type: 'persisted', ioSeq: 2 })
      assert.equal(rig.lastSent('appendResponse').matchSeq, 3)
    },
  },
  {
    rule: 'D5',
    name: 'a new commit index alone is not written',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1]) })
      rig.receive(rig.appendRequest(2, 1, historyOf([1, 1]), { prevSeq: 2, commit: 2 }))
      assert.equal(rig.state.commit, 2)
      assert.equal(rig.all('persist').length, 0)
    },
  },
  {
    rule: 'D6',
    name: 'a restart knows what was committed',
    mutant: 'restart forgets commit',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]), commit: 2, appliedSeq: 3 })
      assert.deepEqual(rig.all('commit'), [{ type: 'commit', seq: 3 }])
    },
  },
  {
    rule: 'D6',
    name: 'committed entries that are missing stop the node',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1]), commit: 3 })
      assert.equal(rig.all('fatal')[0]?.code, 'commitBeyondLog')
    },
  },
  {
    rule: 'D9',
    name: 'the first failed write is final, and a caught-up voter takes over at once (T7)',
    run() {
      const rig = leaderRig()
      rig.turn({ type: 'ioFailed', error: 'EIO' })
      assert.equal(rig.all('fatal')[0]?.code, 'ioFailed')
      assert.equal(rig.sent('timeoutNow').length, 1)
      rig.clear()
      rig.wait(10_000)
      assert.deepEqual(rig.effects, [])
      assert.equal(rig.core.admit(1).isAdmitted, false)
    },
  },
  {
    rule: 'W6',
    name: 'a suspect voter refuses a candidate that has not heard from everybody',
    mutant: 'vote while suspect',
    run() {
      const rig = new Rig({ recovery: { kind: 'suspect' } })
      rig.receive(rig.voteRequest(2, 2, later))
      assert.equal(rig.lastSent('voteResponse').reason, 'recovering')
    },
  },
  {
    rule: 'W6',
    name: 'a suspect voter grants to one with answers from all, given after its recovery began, none longer',
    run() {
      const rig = new Rig({ recovery: { kind: 'suspect' } })
      const ends = (
        recoveryId: number,
        seq: number,
      ): { voter: number; end: { term: number; seq: number }; recoveryId: number }[] => [
        { voter: 1, end: { term: 1, seq: 1 }, recoveryId },
        { voter: 2, end: { term: 1, seq: 5 }, recoveryId: 0 },
        { voter: 3, end: { term: 1, seq }, recoveryId: 0 },
      ]
      const known = rig.state.recoveryId
      rig.receive(rig.voteRequest(2, 2, { term: 1, seq: 5 }, { answers: ends(known + 1, 4) }))
      assert.equal(rig.lastSent('voteResponse').reason, 'recovering', 'answers from before this recovery')
      rig.receive(rig.voteRequest(2, 3, { term: 1, seq: 5 }, { answers: ends(known, 6) }))
      assert.equal(rig.lastSent('voteResponse').reason, 'recovering', 'somebody has a longer log')
      rig.receive(rig.voteRequest(2, 4, { term: 1, seq: 5 }, { answers: ends(known, 4) }))
      assert.equal(rig.lastSent('voteResponse').reason, 'granted')
    },
  },
  {
    rule: 'W10',
    name: 'a group whose members are all suspect elects the longest log',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]), recovery: { kind: 'suspect' } })
      const answer = { recoveryId: 5, intactEnd: { term: 1, seq: 2 } }
      rig.timeOut()
      rig.receive(rig.preVoteGrant(2, 1, answer), rig.preVoteGrant(3, 1, answer))
      assert.equal(rig.state.role, 'preCandidate', 'their recoveries were unknown when the round began')
      rig.timeOut()
      rig.receive(rig.preVoteGrant(2, 1, answer))
      assert.equal(rig.state.role, 'preCandidate', 'one answer is missing')
      rig.receive(rig.preVoteGrant(3, 1, answer))
      assert.equal(rig.state.role, 'candidate')
      assert.equal(rig.lastSent('voteRequest').answers.length, 3)
      rig.receive(rig.voteGrant(2))
      assert.equal(rig.state.role, 'leader')
      assert.equal(rig.all('recoveryEnded').length, 1)
    },
  },
  {
    rule: 'W6',
    name: 'a suspect voter is whole again once it has what the leader had after learning of the recovery',
    run() {
      const rig = new Rig({ recovery: { kind: 'suspect' } })
      const history = historyOf([1, 1, 2, 2])
      rig.receive(rig.appendRequest(2, 2, history, { prevSeq: 1, lastSeq: 3 }))
      assert.notEqual(rig.lastSent('appendResponse').recoveryId, 0)
      assert.equal(rig.all('recoveryEnded').length, 0, 'an entry of the term alone proves nothing')
      const recovery = { recoveryId: rig.state.recoveryId, throughSeq: 4 }
      rig.receive(rig.appendRequest(2, 2, history, { prevSeq: 3, lastSeq: 4 }, { recovery }))
      assert.equal(rig.all('recoveryEnded').length, 1)
      rig.receive(rig.voteRequest(3, 3, later, { isTransfer: true }))
      assert.equal(rig.lastSent('voteResponse').isGranted, true)
    },
  },
  {
    rule: 'W6',
    name: 'a leader lowers its match for a follower that says it lost its end, and re-supplies it',
    run() {
      const rig = leaderRig()
      rig.propose()
      rig.acceptAll(2, 3)
      rig.propose()
      rig.clear()
      rig.receive(rig.refuse(3, 3, { term: 1, seq: 1 }, { recoveryId: 77 }))
      assert.equal(rig.progress(3).match, 1)
      const again = rig.lastSent('appendRequest', 3)
      assert.equal(again.prevSeq, 1)
      assert.deepEqual(again.recovery, { recoveryId: 77, throughSeq: 4 })
      assert.equal(rig.state.commit, 3)
    },
  },
  {
    rule: 'W6',
    name: 'a recovery ends in an idle group, too: the heartbeat answer of an ill peer is reason to ask it',
    run() {
      const rig = leaderRig()
      rig.receive(rig.heartbeatAnswer(3, { isUnfitToLead: true, syncedSeq: 1 }))
      const probe = rig.lastSent('appendRequest', 3)
      assert.deepEqual([probe.prevSeq, probe.entries, probe.recovery], [2, null, null])
      rig.receive(rig.refuse(3, 2, { term: 1, seq: 1 }, { recoveryId: 9 }))
      assert.deepEqual(rig.lastSent('appendRequest', 3).recovery, { recoveryId: 9, throughSeq: 2 })
    },
  },
  {
    rule: 'W2',
    name: 'a damaged voter never votes and never campaigns until it is re-supplied past the damage',
    run() {
      const rig = new Rig({ recovery: { kind: 'damaged', throughSeq: 3 } })
      rig.receive(rig.voteRequest(2, 2, later))
      assert.equal(rig.lastSent('voteResponse').reason, 'recovering')
      rig.receive(rig.preVoteRequest(2, 2, later))
      assert.equal(rig.lastSent('preVoteResponse').intactEnd, null)
      rig.wait(3_000)
      assert.equal(rig.state.role, 'follower')
      const recovery = { recoveryId: rig.state.recoveryId, throughSeq: 2 }
      const history = historyOf([1, 2, 2, 2])
      rig.receive(rig.appendRequest(3, 2, history, { prevSeq: 1, lastSeq: 2 }, { recovery }))
      assert.equal(rig.all('recoveryEnded').length, 0)
      rig.receive(rig.appendRequest(3, 2, history, { prevSeq: 2, lastSeq: 4 }, { recovery }))
      assert.equal(rig.all('recoveryEnded').length, 1)
    },
  },
  {
    rule: 'S1',
    name: 'a snapshot of another history replaces the whole log',
    mutant: 'keep log on conflicting snapshot',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1, 1]), term: 3 })
      const meta = { seq: 3, term: 2, chain: 99, configuration: configurationOf([1, 2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 3, meta })
      rig.turn({ type: 'snapshotInstalled', meta })
      assert.equal(rig.state.log.lastSeq, 3)
      assert.deepEqual(rig.all('persist')[0]?.resetTo, { seq: 3, term: 2, chain: 99 })
      assert.equal(rig.lastSent('appendResponse').matchSeq, 3)
    },
  },
  {
    rule: 'S1',
    name: 'a snapshot of an entry that is in the log keeps what follows it',
    run() {
      const history = historyOf([1, 1, 1, 1])
      const rig = new Rig({ entries: history })
      const meta = { seq: 3, term: 1, chain: history[2]!.chain, configuration: configurationOf([1, 2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 1, meta })
      rig.turn({ type: 'snapshotInstalled', meta })
      assert.equal(rig.state.log.lastSeq, 4)
      assert.equal(rig.state.commit, 3)
      assert.equal(rig.all('persist').length, 0)
    },
  },
  {
    rule: 'S2',
    name: 'a snapshot that contradicts a committed entry, or brings nothing, is refused',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]), commit: 3 })
      const meta = { seq: 2, term: 9, chain: 1, configuration: configurationOf([1, 2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 9, meta })
      assert.equal(rig.all('installSnapshot').length, 0)
      const refused = rig
        .all('event')
        .map(effect => effect.event)
        .find(event => event.name === 'snapshotRefused')
      assert.match(refused?.reason ?? '', /another entry/)
    },
  },
  {
    rule: 'S3',
    name: 'nothing is applied from the old log while an install is pending',
    mutant: 'apply during install',
    run() {
      const history = historyOf([1, 1, 1])
      const rig = new Rig({ entries: history })
      const meta = { seq: 9, term: 1, chain: 4, configuration: configurationOf([1, 2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 1, meta })
      rig.receive(rig.appendRequest(2, 1, history, { prevSeq: 3, commit: 3 }))
      assert.equal(rig.all('commit').length, 0)
      rig.turn({ type: 'snapshotInstalled', meta })
      assert.deepEqual(rig.all('commit'), [{ type: 'commit', seq: 9 }])
    },
  },
  {
    rule: 'S4',
    name: 'a second offer during an install is refused, after it accepted',
    run() {
      const rig = new Rig()
      const meta = { seq: 9, term: 1, chain: 4, configuration: configurationOf([1, 2, 3]) }
      const offer = { type: 'snapshotOffer', from: 2, to: 1, term: 1, meta } as const
      rig.receive(offer, offer)
      assert.equal(rig.all('installSnapshot').length, 1)
      rig.turn({ type: 'snapshotFailed' })
      rig.receive(offer)
      assert.equal(rig.all('installSnapshot').length, 2)
    },
  },
  {
    rule: 'S6',
    name: 'a leader leaves the snapshot state by report or by acknowledgement, whichever comes',
    mutant: 'snapshot ends without ack',
    run() {
      for (const end of ['report', 'ack'] as const) {
        const rig = leaderRig({ entries: historyOf([1, 1, 1]) })
        rig.turn({ type: 'compacted', seq: 3 })
        rig.turn({ type: 'unreachable', peer: 3 })
        rig.state.leadership!.progress.get(3)!.match = 0
        rig.receive(rig.refuse(3, 4, { term: 0, seq: 0 }))
        assert.equal(rig.progress(3).state, 'snapshot')
        if (end === 'report') rig.turn({ type: 'snapshotSent', to: 3, seq: 4, isOk: true })
        else rig.receive(rig.accept(3, 4, { streamId: 0 }))
        assert.equal(rig.progress(3).state, 'probe')
        assert.equal(rig.progress(3).next, 5)
      }
    },
  },
  {
    rule: 'S6',
    name: 'a member that has come on below the base of the log is sent a newer snapshot',
    mutant: 'snapshot ends without ack',
    run() {
      const rig = leaderRig({ entries: historyOf([1, 1, 1]) })
      rig.turn({ type: 'compacted', seq: 3 })
      rig.turn({ type: 'unreachable', peer: 3 })
      rig.state.leadership!.progress.get(3)!.match = 0
      rig.receive(rig.refuse(3, 4, { term: 0, seq: 0 }))
      const before = rig.all('sendSnapshot').length
      // It has what an earlier snapshot brought, and went down before it could say so.
      rig.receive(rig.accept(3, 2, { streamId: 0 }))
      rig.turn({ type: 'tick' })
      assert.equal(rig.progress(3).match, 2)
      assert.equal(rig.all('sendSnapshot').length, before + 1)
      // It says no more than that: what is under way goes on.
      rig.receive(rig.accept(3, 2, { streamId: 0 }))
      assert.equal(rig.all('sendSnapshot').length, before + 1)
      rig.turn({ type: 'snapshotSent', to: 3, seq: 4, isOk: true })
      assert.equal(rig.progress(3).next, 5)
    },
  },
  {
    rule: 'S5',
    name: 'a snapshot that is newer than its offer brings its term, which is synced with the log that it begins',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1]), term: 2, vote: 1 })
      const meta = { seq: 9, term: 2, chain: 4, configuration: configurationOf([1, 2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 2, meta })
      rig.turn({ type: 'snapshotInstalled', meta: { ...meta, seq: 12, term: 5 } })
      assert.equal(rig.state.term, 5)
      assert.equal(rig.state.log.lastSeq, 12)
      const [frame] = rig.all('persist')
      assert.deepEqual(frame?.resetTo, { seq: 12, term: 5, chain: 4 })
      assert.deepEqual(frame?.hardState, { term: 5, vote: 0, commit: 12 })
    },
  },
  {
    rule: 'S6',
    name: 'a leader that offers what a node has committed already hears so, whatever became of the first word',
    mutant: 'offer of what is committed not answered',
    run() {
      const configuration = configurationOf([1, 2, 3])
      const meta = { seq: 9, term: 1, chain: 4, configuration }
      const offer = { type: 'snapshotOffer', from: 2, to: 1, term: 2, meta } as const
      // Installed and acknowledged, and the acknowledgement was lost; or installed by a process that then ended.
      const installer = new Rig({ entries: historyOf([1, 1, 1]), term: 2 })
      installer.receive(offer)
      installer.turn({ type: 'snapshotInstalled', meta })
      const base = { seq: 9, term: 1, chain: 4 }
      const baseConfiguration = { seq: 9, configuration }
      const restarted = new Rig({ entries: [], base, baseConfiguration, term: 2, commit: 9, appliedSeq: 9 })
      for (const rig of [installer, restarted]) {
        rig.clear()
        rig.receive({ ...offer, meta: { ...meta, seq: 9 } })
        assert.equal(rig.all('installSnapshot').length, 0)
        const { isAccepted, matchSeq } = rig.lastSent('appendResponse', 2)
        assert.ok(isAccepted)
        assert.equal(matchSeq, 9)
      }
    },
  },
  {
    rule: 'S5',
    name: 'a replica to be rebuilt takes a snapshot of what it has committed, and keeps its log',
    run() {
      const history = historyOf([1, 1, 1, 1])
      const rig = new Rig({ entries: history, commit: 4, appliedSeq: 3 })
      const configuration = configurationOf([1, 2, 3])
      const offerAt = (seq: number) => {
        const meta = { seq, term: 1, chain: history[seq - 1]!.chain, configuration }
        return { type: 'snapshotOffer', from: 2, to: 1, term: 1, meta } as const
      }
      rig.receive(offerAt(3))
      assert.equal(rig.all('installSnapshot').length, 0)
      rig.turn({ type: 'rebuild', fromSeq: 3 })
      rig.receive(offerAt(2))
      assert.equal(rig.all('installSnapshot').length, 0, 'older than what is applied')
      rig.clear()
      rig.receive(offerAt(3))
      assert.equal(rig.all('installSnapshot').length, 1)
      rig.turn({ type: 'snapshotInstalled', meta: offerAt(3).meta })
      assert.deepEqual([rig.state.commit, rig.state.log.lastSeq, rig.all('persist').length], [4, 4, 0])
      rig.receive(offerAt(4))
      assert.equal(rig.all('installSnapshot').length, 1, 'once')
    },
  },
  {
    rule: 'S7',
    name: 'a snapshot brings its configuration and drops what it covers',
    mutant: 'config kept after snapshot',
    run() {
      const other = configurationOf([1, 2])
      const rig = new Rig({ entries: historyOf([1, 1], undefined, { 2: other }) })
      assert.deepEqual(rig.state.configurations.at(-1)?.configuration.voters, [1, 2])
      const meta = { seq: 9, term: 1, chain: 4, configuration: configurationOf([1, 2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 1, meta })
      rig.turn({ type: 'snapshotInstalled', meta })
      assert.deepEqual(
        rig.state.configurations.map(entry => entry.seq),
        [9],
      )
      assert.deepEqual(rig.state.configurations.at(-1)?.configuration.voters, [1, 2, 3])
    },
  },
  {
    rule: 'S11',
    name: 'a snapshot that does not know this node is ignored',
    run() {
      const rig = new Rig()
      const meta = { seq: 9, term: 1, chain: 4, configuration: configurationOf([2, 3]) }
      rig.receive({ type: 'snapshotOffer', from: 2, to: 1, term: 1, meta })
      assert.equal(rig.all('installSnapshot').length, 0)
    },
  },
]
