import assert from 'node:assert/strict'
import { DEFAULT_SETTINGS } from '../../../../src/raft/core/index.ts'
import { leaderRig, Rig } from '../rig.ts'
import type { Scenario } from './scenario.ts'

const read = (ctx: string, mode: 'index' | 'lease' = 'index') => ({ type: 'read', ctx, mode }) as const
const ready = (rig: Rig): unknown[] => rig.all('readReady').map(effect => effect.ctx)
const failed = (rig: Rig): unknown[] => rig.all('readFailed').map(effect => `${String(effect.ctx)} ${effect.reason}`)
const asked = (rig: Rig): number[] => rig.sent('heartbeatRequest').map(message => message.to)
const leases = { settings: { isLeaseAllowed: true } }

export const reads: readonly Scenario[] = [
  {
    rule: 'R1',
    name: 'no read before an entry of the own term is committed',
    mutant: 'read before own-term commit',
    run() {
      const rig = new Rig()
      rig.elect(2)
      rig.turn(read('a'))
      rig.receive(rig.heartbeatAnswer(2, { readSeq: 1 }))
      assert.deepEqual(ready(rig), [])
      rig.acceptAll(2)
      rig.receive(rig.heartbeatAnswer(2, { readSeq: 1 }))
      assert.deepEqual(rig.all('readReady'), [{ type: 'readReady', ctx: 'a', seq: 2 }])
    },
  },
  {
    rule: 'R2',
    name: 'a late answer to an earlier round confirms nothing',
    mutant: 'client id as read context',
    run() {
      const rig = leaderRig()
      rig.turn(read('a'))
      const first = rig.heartbeatAnswer(2, { readSeq: rig.lastSent('heartbeatRequest').readSeq })
      rig.receive(first)
      rig.turn(read('a'))
      rig.receive(first)
      assert.equal(ready(rig).length, 1)
    },
  },
  {
    rule: 'R2',
    name: "a follower's attempts have names of their own",
    run() {
      const rig = new Rig()
      rig.receive(rig.heartbeat(2, 1))
      rig.turn(read('a'), read('b'))
      const first = rig.lastSent('readIndexRequest', 2)
      rig.nowMs += 350
      rig.receive(rig.heartbeat(2, 1))
      const second = rig.lastSent('readIndexRequest', 2)
      assert.notEqual(first.reqId, second.reqId)
      rig.receive({ type: 'readIndexResponse', from: 2, to: 1, term: 1, reqId: first.reqId, readSeq: 1 })
      assert.deepEqual(ready(rig), [])
      rig.receive({ type: 'readIndexResponse', from: 2, to: 1, term: 1, reqId: second.reqId, readSeq: 1 })
      assert.deepEqual(ready(rig), ['a', 'b'])
    },
  },
  {
    rule: 'narrow rounds',
    name: 'a round asks those who confirmed the one before, and everybody if they do not confirm in time',
    run() {
      const rig = leaderRig()
      rig.turn(read('a'))
      assert.deepEqual(asked(rig), [2, 3])
      rig.receive(rig.heartbeatAnswer(3, { readSeq: 1 }))
      rig.clear()
      rig.turn(read('b'))
      assert.deepEqual(asked(rig), [3])
      rig.clear()
      assert.ok(rig.core.nextDeadlineMs <= rig.nowMs + 4)
      rig.wait(4)
      assert.deepEqual(asked(rig), [2, 3])
      rig.receive(rig.heartbeatAnswer(2, { readSeq: 2 }))
      assert.deepEqual(ready(rig), ['b'])
      rig.clear()
      rig.turn(read('c'))
      assert.deepEqual(asked(rig), [2], 'who answered is asked from now on')
    },
  },
  {
    rule: 'narrow rounds',
    name: 'a peer whose link broke is not the one that is asked',
    run() {
      const rig = leaderRig()
      rig.turn(read('a'))
      rig.receive(rig.heartbeatAnswer(3, { readSeq: 1 }))
      rig.turn({ type: 'unreachable', peer: 3 })
      rig.clear()
      rig.turn(read('b'))
      assert.deepEqual(asked(rig), [2, 3])
    },
  },
  {
    rule: 'narrow rounds',
    name: 'heartbeats that are due go to everybody, whatever a round asks',
    run() {
      const rig = leaderRig()
      rig.turn(read('a'))
      rig.receive(rig.heartbeatAnswer(3, { readSeq: 1 }))
      rig.nowMs += 60
      rig.clear()
      rig.turn(read('b'))
      assert.deepEqual(asked(rig), [2, 3])
    },
  },
  {
    rule: 'R3',
    name: 'a read that arrives during a round waits for the next',
    mutant: 'read joins the running round',
    run() {
      const rig = leaderRig()
      rig.turn(read('a'))
      rig.turn(read('b'))
      const rounds = rig.sent('heartbeatRequest', 2).map(message => message.readSeq)
      assert.deepEqual(rounds, [1])
      rig.receive(rig.heartbeatAnswer(2, { readSeq: 1 }))
      assert.deepEqual(ready(rig), ['a'])
      rig.receive(rig.heartbeatAnswer(2, { readSeq: 2 }))
      assert.deepEqual(ready(rig), ['a', 'b'])
    },
  },
  {
    rule: 'R3',
    name: 'reads die with the leadership, and their callers hear of it',
    mutant: 'read queue survives the term',
    run() {
      const rig = leaderRig()
      rig.turn(read('a'))
      rig.turn(read('b'))
      rig.receive(rig.heartbeat(2, 5))
      assert.deepEqual(failed(rig), ['a leaderChanged', 'b leaderChanged'])
    },
  },
  {
    rule: 'R4',
    name: 'a read that nobody answers ends with an error',
    run() {
      const rig = new Rig()
      rig.receive(rig.heartbeat(2, 1))
      rig.turn(read('a'))
      for (let i = 0; i < 8; i++) {
        rig.nowMs += 200
        rig.receive(rig.heartbeat(2, 1))
      }
      assert.deepEqual(failed(rig), ['a timedOut'])
      rig.turn(read('b'))
      rig.wait(3_000)
      assert.deepEqual(failed(rig).slice(1), ['b leaderChanged'])
    },
  },
  {
    rule: 'R5',
    name: 'reads obey the transfer gate',
    run() {
      const rig = leaderRig()
      rig.turn(read('a'))
      rig.turn({ type: 'transfer', to: 3 })
      rig.turn(read('b'), read('c', 'lease'))
      assert.deepEqual(failed(rig), ['a transferring', 'b transferring', 'c transferring'])
    },
  },
  {
    rule: 'R6',
    name: 'no lease read for the rest of a term in which TimeoutNow was sent',
    mutant: 'lease through transfer',
    run() {
      const rig = leaderRig(leases)
      rig.receive(rig.heartbeatAnswer(2))
      rig.turn(read('a', 'lease'))
      assert.deepEqual(ready(rig), ['a'])
      rig.turn({ type: 'transfer', to: 3 })
      rig.receive(rig.heartbeatAnswer(2))
      for (let i = 0; i < 13; i++) {
        rig.nowMs += 50
        rig.receive(rig.heartbeatAnswer(2))
      }
      assert.equal(rig.state.transfer, null)
      rig.turn(read('b', 'lease'))
      assert.deepEqual(ready(rig), ['a'])
    },
  },
  {
    rule: 'R7',
    name: 'a lease runs from the send time, whenever the answer was read',
    mutant: 'tick-based lease',
    run() {
      const rig = leaderRig(leases)
      const old = [rig.heartbeatAnswer(2), rig.heartbeatAnswer(3)]
      rig.nowMs += 400 // a pause: the answers waited in the socket
      rig.receive(...old)
      rig.turn(read('a', 'lease'))
      assert.deepEqual(ready(rig), [])
    },
  },
  {
    rule: 'R7',
    name: 'a lease is no longer where election timeouts are: members learn of them one after the other',
    run() {
      const rig = leaderRig({ settings: { isLeaseAllowed: true, electionMinMs: 3_000, electionMaxMs: 6_000 } })
      const sentAtMs = rig.nowMs
      rig.receive(rig.heartbeatAnswer(2))
      rig.nowMs = sentAtMs + DEFAULT_SETTINGS.leaseMs * (1 - DEFAULT_SETTINGS.clockDriftBound) - 1
      rig.turn(read('a', 'lease'))
      assert.deepEqual(ready(rig), ['a'])
      rig.nowMs += 2
      rig.turn(read('b', 'lease'))
      assert.deepEqual(ready(rig), ['a'])
    },
  },
  {
    rule: 'R7',
    name: 'a lease is a setting, and otherwise costs a round',
    run() {
      const rig = leaderRig()
      rig.receive(rig.heartbeatAnswer(2))
      rig.turn(read('a', 'lease'))
      assert.deepEqual(ready(rig), [])
    },
  },
  {
    rule: 'R8',
    name: 'a restarted voter keeps the lease it may have promised',
    mutant: 'no vote embargo after restart',
    run() {
      // Not where leases are allowed as far as it knows: they may have been since its newest checkpoint.
      const rig = new Rig({ hasJustStarted: true })
      rig.nowMs += DEFAULT_SETTINGS.leaseMs - 1
      rig.receive(rig.voteRequest(2, 2, { term: 9, seq: 9 }))
      assert.equal(rig.lastSent('voteResponse').isGranted, false)
      rig.nowMs += 1
      rig.receive(rig.voteRequest(2, 3, { term: 9, seq: 9 }))
      assert.equal(rig.lastSent('voteResponse').isGranted, true)
    },
  },
  {
    rule: 'R2',
    name: 'heartbeat answers wait for the sync of the term, not of entries',
    run() {
      const rig = new Rig()
      rig.isAutoSync = false
      rig.receive(rig.heartbeat(2, 5, { readSeq: 3 }))
      assert.equal(rig.sent('heartbeatResponse').length, 0)
      rig.sync()
      assert.equal(rig.lastSent('heartbeatResponse').readSeq, 3)
      rig.turn({ type: 'recv', message: rig.appendRequest(2, 5, [], { prevSeq: 0 }) })
      rig.clear()
      rig.receive(rig.heartbeat(2, 5, { readSeq: 4 }))
      assert.equal(rig.lastSent('heartbeatResponse').readSeq, 4)
    },
  },
]
