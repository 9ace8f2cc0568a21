import assert from 'node:assert/strict'
import { configurationOf, historyOf, leaderRig, Rig } from '../rig.ts'
import type { Scenario } from './scenario.ts'

export const replication: readonly Scenario[] = [
  {
    rule: 'L1',
    name: 'a late short append deletes nothing that agrees',
    mutant: 'truncate on any append',
    run() {
      const history = historyOf([1, 1, 1, 1])
      const rig = new Rig()
      rig.receive(rig.appendRequest(2, 1, history, { prevSeq: 1, lastSeq: 4 }))
      rig.receive(rig.appendRequest(2, 1, history, { prevSeq: 1, lastSeq: 2 }))
      assert.equal(rig.state.log.lastSeq, 4)
    },
  },
  {
    rule: 'L1',
    name: 'what conflicts is replaced from the first conflict on',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 2, 2]) })
      rig.receive(rig.appendRequest(2, 3, historyOf([1, 1, 3]), { prevSeq: 1, lastSeq: 3 }))
      assert.equal(rig.state.log.lastSeq, 3)
      assert.equal(rig.all('persist').find(frame => frame.append.length > 0)?.truncateFrom, 3)
      assert.equal(rig.lastSent('appendResponse').matchSeq, 3)
    },
  },
  {
    rule: 'L1',
    name: 'what one turn appends and cuts was never in the log, and is not truncated there',
    mutant: 'truncation of what was never written',
    run() {
      const rig = new Rig()
      rig.receive(
        rig.appendRequest(2, 1, historyOf([1, 1, 1, 1]), { prevSeq: 1, lastSeq: 4 }),
        rig.appendRequest(3, 2, historyOf([1, 1, 1, 2]), { prevSeq: 3, lastSeq: 4 }),
      )
      const frame = rig.all('persist').find(one => one.append.length > 0)
      assert.equal(frame?.truncateFrom, null)
      assert.deepEqual(
        frame.append.map(slice => [slice.firstSeq, slice.lastSeq]),
        [
          [2, 3],
          [4, 4],
        ],
      )
    },
  },
  {
    rule: 'L1',
    name: 'of what one turn cuts, only what was written is truncated, from the lowest place on',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]) })
      rig.receive(
        rig.appendRequest(2, 2, historyOf([1, 1, 2, 2]), { prevSeq: 2, lastSeq: 4 }),
        rig.appendRequest(3, 3, historyOf([1, 1, 2, 3]), { prevSeq: 3, lastSeq: 4 }),
      )
      assert.equal(rig.all('persist').find(one => one.append.length > 0)?.truncateFrom, 3)
    },
  },
  {
    rule: 'L2',
    name: 'a conflict at a committed seq stops the node',
    mutant: 'conflict below commit repaired',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]), commit: 3 })
      rig.receive(rig.appendRequest(2, 3, historyOf([1, 2, 2]), { prevSeq: 3 }))
      assert.equal(rig.all('fatal')[0]?.code, 'conflictBelowCommit')
    },
  },
  {
    rule: 'L3',
    name: 'commit follows no further than the append has verified',
    mutant: 'commit uncapped',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]) })
      rig.receive(rig.appendRequest(2, 2, historyOf([1, 2, 2]), { prevSeq: 1, commit: 3 }))
      assert.equal(rig.state.commit, 1)
    },
  },
  {
    rule: 'L4',
    name: 'a heartbeat carries no commit beyond what the peer has matched',
    mutant: 'heartbeat commit uncapped',
    run() {
      const rig = new Rig()
      rig.elect(2)
      rig.acceptAll(2)
      rig.wait(50)
      assert.equal(rig.lastSent('heartbeatRequest', 2).commit, 2)
      assert.equal(rig.lastSent('heartbeatRequest', 3).commit, 0)
    },
  },
  {
    rule: 'L5',
    name: 'an append from before the own log is no conflict',
    mutant: 'prev below commit is a conflict',
    run() {
      const history = historyOf([1, 1, 1, 1, 1, 1, 1, 1])
      const base = { seq: 5, term: 1, chain: history[4]!.chain }
      const baseConfiguration = { seq: 1, configuration: configurationOf([1, 2, 3]) }
      const rig = new Rig({ entries: history.slice(0, 6), base, baseConfiguration, commit: 6 })
      rig.receive(rig.appendRequest(2, 1, history, { prevSeq: 3, lastSeq: 8, commit: 8 }))
      assert.equal(rig.lastSent('appendResponse').matchSeq, 8)
      assert.equal(rig.state.commit, 8)
    },
  },
  {
    rule: 'L6',
    name: 'one refusal skips a whole term',
    mutant: 'hint ignored',
    run() {
      const rig = new Rig({ entries: historyOf([1, 4, 4, 4, 4, 4, 4]) })
      rig.elect(2)
      const follower = new Rig({ id: 3, entries: historyOf([1, 2, 2, 2, 2, 2, 2, 2]) })
      let probes = 0
      while (rig.progress(3).state === 'probe' && probes < 20) {
        probes++
        const probe = rig.lastSent('appendRequest', 3)
        const history = historyOf([1, 4, 4, 4, 4, 4, 4, 5])
        follower.receive(
          follower.appendRequest(1, 5, history, { prevSeq: probe.prevSeq }, { streamId: probe.streamId }),
        )
        rig.receive(follower.lastSent('appendResponse', 1))
      }
      assert.equal(probes, 2)
    },
  },
  {
    rule: 'L7',
    name: 'a refusal of what is matched already is old news',
    mutant: 'stale rejection accepted',
    run() {
      const rig = leaderRig()
      rig.propose()
      const before = { state: rig.progress(3).state, next: rig.progress(3).next }
      rig.receive(rig.refuse(3, 1, { term: 1, seq: 1 }))
      assert.deepEqual({ state: rig.progress(3).state, next: rig.progress(3).next }, before)
    },
  },
  {
    rule: 'L8',
    name: 'an answer to a window that was given up does not count',
    mutant: 'stale stream ack accepted',
    run() {
      const rig = leaderRig()
      rig.propose()
      const old = rig.accept(3, 3)
      rig.turn({ type: 'unreachable', peer: 3 })
      rig.receive(old)
      assert.equal(rig.progress(3).state, 'probe')
      rig.receive(rig.heartbeatAnswer(3))
      rig.receive(rig.accept(3, 3))
      assert.equal(rig.progress(3).state, 'replicate')
    },
  },
  {
    rule: 'L9',
    name: 'entries of earlier terms commit only with one of the own (figure 8)',
    mutant: 'commit old term by count',
    run() {
      const rig = new Rig({ entries: historyOf([1, 2]) })
      rig.elect(2)
      rig.receive(rig.accept(2, 2))
      assert.equal(rig.state.commit, 0)
      rig.receive(rig.accept(2, 3))
      assert.equal(rig.state.commit, 3)
    },
  },
  {
    rule: 'L10',
    name: 'a leader counts itself only when it has synced',
    mutant: 'leader counts itself unsynced',
    run() {
      const rig = leaderRig()
      rig.isAutoSync = false
      rig.propose()
      rig.receive(rig.accept(2, 3))
      assert.equal(rig.state.commit, 2)
      rig.sync()
      assert.equal(rig.state.commit, 3)
    },
  },
  {
    rule: 'L10',
    name: 'a leader of one commits by its own sync',
    run() {
      const rig = new Rig({ entries: historyOf([1], configurationOf([1])) })
      rig.timeOut()
      assert.equal(rig.state.role, 'leader')
      assert.equal(rig.state.commit, 2)
      rig.isAutoSync = false
      rig.propose()
      assert.equal(rig.state.commit, 2)
      rig.sync()
      assert.deepEqual(rig.all('commit').at(-1), { type: 'commit', seq: 3 })
    },
  },
  {
    rule: 'L11',
    name: 'a quorum is found in any order of the voters',
    mutant: 'unsorted quorum array',
    run() {
      const rig = new Rig({ entries: historyOf([1], configurationOf([1, 2, 3, 4, 5])) })
      rig.elect(2, 3)
      rig.acceptAll(4, 5)
      assert.equal(rig.state.commit, 2)
    },
  },
  {
    rule: 'L12',
    name: 'a full window still sends an empty append after a heartbeat answer',
    mutant: 'full window sends nothing',
    run() {
      const rig = leaderRig({ settings: { maxInflightMessages: 1 } })
      rig.propose()
      rig.propose()
      rig.clear()
      rig.receive(rig.heartbeatAnswer(3))
      assert.equal(rig.lastSent('appendRequest', 3).entries, null)
    },
  },
  {
    rule: 'L13',
    name: 'an acknowledgement means synced',
    mutant: 'ack before sync',
    run() {
      const rig = new Rig()
      rig.isAutoSync = false
      rig.receive(rig.appendRequest(2, 1, historyOf([1, 1, 1]), { prevSeq: 1, lastSeq: 3 }))
      // What was synced before is said at once: it ends the leader's probe.
      assert.equal(rig.lastSent('appendResponse').matchSeq, 1)
      rig.sync()
      assert.equal(rig.lastSent('appendResponse').matchSeq, 3)
    },
  },
  {
    rule: 'L13',
    name: 'a burst of appends is answered once',
    run() {
      const rig = new Rig()
      const history = historyOf([1, 1, 1, 1])
      rig.receive(rig.appendRequest(2, 1, history, { prevSeq: 1 }))
      rig.clear()
      rig.receive(
        rig.appendRequest(2, 1, history, { prevSeq: 1, lastSeq: 2 }),
        rig.appendRequest(2, 1, history, { prevSeq: 2, lastSeq: 3 }),
        rig.appendRequest(2, 1, history, { prevSeq: 3, lastSeq: 4 }),
      )
      assert.equal(rig.sent('appendResponse').length, 1)
      assert.equal(rig.all('persist').filter(frame => frame.append.length > 0).length, 1)
      assert.equal(rig.lastSent('appendResponse').matchSeq, 4)
    },
  },
  {
    rule: 'L15',
    name: 'a peer that agrees only below a compacted log gets a snapshot, as does one that fell silent',
    run() {
      for (const hint of [
        { term: 0, seq: 0 },
        { term: 1, seq: 3 },
      ]) {
        const rig = leaderRig({ entries: historyOf([1, 1, 2, 2, 2]) })
        rig.turn({ type: 'compacted', seq: 3 })
        rig.turn({ type: 'unreachable', peer: 3 })
        rig.state.leadership!.progress.get(3)!.match = 0
        rig.state.leadership!.progress.get(3)!.next = 4
        rig.receive(rig.refuse(3, 3, hint))
        assert.deepEqual(rig.all('sendSnapshot')[0], { type: 'sendSnapshot', to: 3, minSeq: 3, term: 3 })
      }
      const silent = leaderRig({ settings: { maxInflightMessages: 1 } })
      for (let i = 0; i < 3; i++) silent.propose()
      silent.receive(silent.accept(2, 3), silent.accept(2, 4), silent.accept(2, 5))
      silent.turn({ type: 'compacted', seq: 5 })
      silent.receive(silent.accept(3, 3))
      assert.equal(silent.all('sendSnapshot').length, 1)
    },
  },
  {
    rule: 'entry chain',
    name: 'equal seq and term with another chain is damage, not a conflict to repair',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]) })
      rig.receive(rig.appendRequest(2, 1, historyOf([1, 1, 1]), { prevSeq: 3 }, { prevChain: 12345 }))
      assert.equal(rig.all('fatal')[0]?.code, 'chainMismatch')
      assert.equal(rig.all('fatal')[0]?.seq, 3)
      rig.clear()
      rig.timeOut()
      assert.equal(rig.effects.length, 0, 'a stopped core does nothing')
    },
  },
  {
    rule: 'pipelining',
    name: 'a leader sends without waiting for its own sync or for answers, within its window',
    run() {
      const rig = leaderRig({ settings: { maxInflightMessages: 3 } })
      rig.isAutoSync = false
      for (let i = 0; i < 5; i++) rig.propose()
      assert.equal(rig.sent('appendRequest', 2).filter(message => message.entries !== null).length, 3)
      rig.clear()
      rig.receive(rig.accept(2, 4))
      const range = rig.lastSent('appendRequest', 2).entries
      assert.equal(range?.lastSeq, 7)
    },
  },
  {
    rule: 'backpressure',
    name: 'too many uncommitted bytes are answered busy, until they commit',
    run() {
      const rig = leaderRig({ settings: { maxUncommittedBytes: 300 } })
      assert.equal(rig.propose(), true)
      const admission = rig.core.admit(400)
      assert.equal(admission.isAdmitted ? null : admission.refusal, 'busy')
      rig.acceptAll(2)
      assert.equal(rig.propose(), true)
    },
  },
  {
    rule: 'backpressure',
    name: 'what is committed and not applied counts like what is not committed',
    mutant: 'apply backlog unbounded',
    run() {
      const rig = leaderRig({ settings: { maxUncommittedBytes: 300 } })
      assert.equal(rig.propose(), true)
      rig.acceptAll(2)
      const { lastSeq } = rig.state.log
      assert.equal(rig.state.commit, lastSeq)
      const admission = rig.core.admit(400, lastSeq - 1)
      assert.equal(admission.isAdmitted ? null : admission.refusal, 'busy')
      assert.equal(rig.core.admit(400, lastSeq).isAdmitted, true)
    },
  },
  {
    rule: 'commit on appends',
    name: 'a commit index rides on the next append and costs no message of its own',
    run() {
      const rig = busyRig()
      rig.acceptAll(2)
      assert.equal(rig.state.commit, 4)
      assert.deepEqual(rig.sent('appendRequest'), [])
      rig.nowMs += 1
      rig.propose()
      for (const peer of [2, 3]) {
        const [only, ...others] = rig.sent('appendRequest', peer)
        assert.deepEqual([only?.commit, only?.entries?.lastSeq, others.length], [4, 5, 0])
      }
    },
  },
  {
    rule: 'commit on appends',
    name: 'a commit index that no append carries in time is told by itself, once',
    run() {
      const rig = busyRig()
      rig.acceptAll(2)
      assert.equal(rig.core.nextDeadlineMs, rig.nowMs + 3)
      rig.timeOut()
      assert.equal(rig.lastSent('appendRequest', 2).commit, 4)
      assert.equal(rig.lastSent('appendRequest', 2).entries, null)
      rig.wait(3)
      assert.equal(rig.sent('appendRequest', 2).length, 1)
    },
  },
  {
    rule: 'commit on appends',
    name: 'a peer that is lost is owed no commit index: its deadline does not stand still in the past',
    run() {
      const rig = busyRig()
      rig.acceptAll(2)
      rig.turn({ type: 'unreachable', peer: 3 })
      rig.timeOut()
      assert.deepEqual(rig.sent('appendRequest', 3), [])
      assert.ok(rig.core.nextDeadlineMs > rig.nowMs)
    },
  },
  {
    rule: 'commit on appends',
    name: 'whoever forwarded a request is told at once, the others are not',
    run() {
      const rig = busyRig()
      rig.turn({ type: 'commitAwaited', peer: 3 })
      rig.acceptAll(2)
      assert.equal(rig.lastSent('appendRequest', 3).commit, 4)
      assert.deepEqual(rig.sent('appendRequest', 2), [])
    },
  },
  {
    rule: 'commit on appends',
    name: 'the answer to a read tells a follower what is committed, as far as it is known to have it',
    run() {
      const rig = new Rig({ entries: historyOf([1, 1, 1]) })
      rig.receive(rig.appendRequest(2, 1, historyOf([1, 1, 1]), { prevSeq: 2, commit: 1 }))
      rig.turn({ type: 'read', ctx: 'a', mode: 'index' })
      const { reqId } = rig.lastSent('readIndexRequest', 2)
      rig.receive({ type: 'readIndexResponse', from: 2, to: 1, term: 1, reqId, readSeq: 3 })
      assert.equal(rig.state.commit, 2, 'entry 3 was not yet shown to be the leader’s')
      assert.equal(rig.all('readReady')[0]?.seq, 3)
    },
  },
]

/** A leader with entries 3 and 4 appended one after the other, 1 ms apart, and synced by nobody else. */
function busyRig(): Rig {
  const rig = leaderRig()
  rig.propose()
  rig.nowMs += 1
  rig.propose()
  rig.clear()
  return rig
}
