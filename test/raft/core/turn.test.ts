import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  DEFAULT_SETTINGS,
  findSettingsError,
  InvariantViolation,
  RaftCore,
  type Effect,
  type Input,
  type Message,
} from '../../../src/raft/core/index.ts'
import { configurationOf, historyOf, leaderRig, Rig } from './rig.ts'
import { toBatch } from './sim/entries.ts'

function newCore(): RaftCore {
  return new RaftCore({
    id: 1,
    directoryId: 'disk-1',
    seed: 1,
    hardState: { term: 1, vote: 0, commit: 0 },
    base: { seq: 0, term: 0, chain: 0 },
    baseConfiguration: null,
    log: [toBatch(historyOf([1], configurationOf([1])))],
    appliedSeq: 0,
    recovery: { kind: 'clean' },
  })
}

describe('a turn', () => {
  it('begins with the clock, which never goes back', () => {
    const core = newCore()
    assert.throws(() => core.step({ type: 'tick' }), InvariantViolation)
    core.step({ type: 'clock', nowMs: 10, wallMicros: 0 })
    assert.throws(() => core.step({ type: 'clock', nowMs: 9, wallMicros: 0 }), InvariantViolation)
  })

  it('must append what the core wants before its effects are taken', () => {
    const core = newCore()
    const turnAt = (nowMs: number): void => {
      core.step({ type: 'clock', nowMs, wallMicros: 0 })
      core.step({ type: 'tick' })
    }
    turnAt(0)
    turnAt(1_000)
    const frame = core.takeEffects().find(effect => effect.type === 'persist')
    core.step({ type: 'persisted', ioSeq: frame?.ioSeq ?? 0 })
    assert.equal(core.wantedEntry()?.kind, 'noop')
    assert.equal(core.admit(1).isAdmitted, false, 'the no-op comes first')
    assert.throws(() => core.takeEffects(), InvariantViolation)
  })

  it('accepts entries only in the slot it gave', () => {
    const rig = leaderRig()
    const stray = toBatch(historyOf([1, 1, 1, 1, 2]).slice(4))
    assert.throws(() => rig.core.step({ type: 'append', batch: stray }), InvariantViolation)
  })

  it('refuses completions of frames that were never issued', () => {
    const rig = new Rig()
    assert.throws(() => rig.core.step({ type: 'persisted', ioSeq: 99 }), InvariantViolation)
  })

  it('is a pure function of the options and inputs', () => {
    const run = (): Effect[] => {
      const rig = leaderRig()
      for (let i = 0; i < 5; i++) rig.propose(3)
      rig.acceptAll(2)
      rig.wait(1_000)
      return rig.effects
    }
    assert.deepEqual(run(), run())
  })

  it('hands out effects that later turns do not change (invariant 18)', () => {
    const rig = leaderRig()
    rig.isAutoSync = false
    rig.propose(2)
    const before = structuredClone(rig.effects)
    const held = rig.effects
    rig.effects = []
    for (let i = 0; i < 5; i++) rig.propose(2)
    rig.receive(rig.heartbeat(2, 9), rig.appendRequest(2, 9, historyOf([1, 9]), { prevSeq: 1, lastSeq: 2 }))
    assert.deepEqual(held, before)
  })

  it('of a broken core ends in an error with the state as JSON', () => {
    const rig = leaderRig()
    try {
      rig.receive(rig.heartbeat(2, 2))
      assert.fail('two leaders of one term went unnoticed')
    } catch (error) {
      assert.ok(error instanceof InvariantViolation)
      assert.match(error.message, /leads the same term/)
      assert.equal((JSON.parse(error.dump) as { term: number }).term, 2)
    }
  })
})

/** Steps `input` as a driver does outside a turn, and answers whether a turn is due then. */
function count(rig: Rig, input: Input): boolean {
  assert.ok(rig.core.isCountedOnly(input))
  rig.core.step({ type: 'clock', nowMs: rig.nowMs, wallMicros: 0 })
  rig.core.step(input)
  return rig.core.isTurnDue
}

function recv(message: Message): Input {
  return { type: 'recv', message }
}

describe('an answer that a leader counts outside a turn', () => {
  function proposingRig(): Rig {
    const rig = leaderRig()
    rig.isAutoSync = false
    rig.propose(2)
    rig.clear()
    return rig
  }

  it('makes a turn due if it decides, and not before or after that', () => {
    const rig = proposingRig()
    const { lastSeq } = rig.state.log
    assert.equal(count(rig, { type: 'persisted', ioSeq: rig.ioSeq }), false)
    assert.equal(count(rig, recv(rig.accept(2, lastSeq))), true)
    rig.turn()
    assert.deepEqual(rig.all('commit'), [{ type: 'commit', seq: lastSeq }])
    assert.equal(count(rig, recv(rig.accept(3, lastSeq))), false)
    assert.equal(rig.progress(3).match, lastSeq)
  })

  it('makes one due if it ends a read, a probe or a window that was full, or is owed something', () => {
    const rig = proposingRig()
    const { lastSeq } = rig.state.log
    rig.sync()
    rig.acceptAll(2, 3)
    rig.turn({ type: 'read', ctx: 'read', mode: 'index' })
    const { readSeq } = rig.lastSent('heartbeatRequest')
    assert.equal(count(rig, recv(rig.heartbeatAnswer(2, { readSeq, syncedSeq: lastSeq }))), true)
    rig.turn()
    assert.equal(rig.all('readReady').length, 1)
    rig.turn({ type: 'unreachable', peer: 3 })
    assert.equal(count(rig, recv(rig.heartbeatAnswer(3, { syncedSeq: lastSeq }))), true)
    rig.turn()
    rig.propose()
    rig.sync()
    rig.acceptAll(2)
    assert.equal(count(rig, recv(rig.accept(3, lastSeq))), true, 'it lacks an entry, and a commit index')
    rig.turn()
    assert.equal(count(rig, recv(rig.accept(3, rig.state.log.lastSeq))), false)
  })

  it('makes one due if it refuses, or if entries wait for its window', () => {
    const rig = leaderRig({ settings: { maxInflightMessages: 1 } })
    rig.propose()
    rig.clear()
    rig.propose()
    assert.deepEqual(rig.sent('appendRequest'), [])
    assert.equal(count(rig, recv(rig.accept(2, rig.state.log.lastSeq - 1))), true)
    rig.turn()
    assert.equal(rig.sent('appendRequest', 2).length, 1)
    assert.equal(count(rig, recv(rig.refuse(2, rig.state.log.lastSeq, { seq: 1, term: 1 }))), true)
  })

  it('is for leaders alone, and nothing else is counted so', () => {
    const rig = leaderRig()
    assert.equal(rig.core.isCountedOnly(recv(rig.heartbeat(2, 9))), false)
    assert.equal(rig.core.isCountedOnly({ type: 'unreachable', peer: 2 }), false)
    assert.equal(new Rig().core.isCountedOnly({ type: 'persisted', ioSeq: 0 }), false)
    // A higher term ends the leadership while it is counted.
    assert.equal(count(rig, recv(rig.accept(2, 1, { term: 9 }))), true)
    assert.equal(rig.state.role, 'follower')
  })
})

describe('its own sync', () => {
  const isAwaited = (rig: Rig): boolean => rig.core.isOwnSyncAwaited

  it('need not be told to a leader before an answer has come, nor once a majority has decided without it', () => {
    const rig = leaderRig()
    rig.isAutoSync = false
    rig.propose(2)
    const { lastSeq } = rig.state.log
    assert.equal(isAwaited(rig), false)
    count(rig, recv(rig.accept(2, lastSeq - 1)))
    assert.equal(isAwaited(rig), true, 'it is what the majority lacks for the entry before')
    count(rig, recv(rig.accept(3, lastSeq)))
    rig.turn()
    assert.deepEqual([rig.state.commit, isAwaited(rig)], [lastSeq - 1, true])
    count(rig, recv(rig.accept(2, lastSeq)))
    rig.turn()
    assert.deepEqual([rig.state.commit, isAwaited(rig)], [lastSeq, false])
    rig.sync()
    rig.propose()
    assert.equal(isAwaited(rig), false)
  })

  it('is what a leader waits for where it is alone', () => {
    const rig = new Rig({ entries: historyOf([1], configurationOf([1])) })
    rig.timeOut()
    assert.equal(rig.state.role, 'leader')
    rig.isAutoSync = false
    rig.propose()
    assert.equal(isAwaited(rig), true)
    rig.sync()
    assert.equal(isAwaited(rig), false)
  })

  it('is waited for by whoever does not lead, since others wait for the answer', () => {
    const rig = new Rig()
    assert.equal(isAwaited(rig), true)
    rig.isAutoSync = false
    rig.timeOut()
    assert.equal(isAwaited(rig), true)
  })
})

describe('the settings', () => {
  it('have working defaults, and unusable ones are named', () => {
    assert.equal(findSettingsError(DEFAULT_SETTINGS), undefined)
    assert.match(findSettingsError({ ...DEFAULT_SETTINGS, electionMinMs: 60 }) ?? '', /electionMinMs/)
    assert.throws(() => new Rig({ settings: { maxInflightMessages: 0 } }), RangeError)
  })
})

describe('peers', () => {
  it('are told clocks and digests by heartbeats, both ways', () => {
    const rig = leaderRig()
    const digest = { seq: 4_096, chain: 1, s: 'x' }
    rig.turn({ type: 'agreedDigest', digest })
    rig.wait(50)
    assert.deepEqual(rig.lastSent('heartbeatRequest').digest, digest)
    assert.equal(rig.lastSent('heartbeatRequest').wallMicros, rig.nowMs * 1000)
    rig.nowMs += 8
    rig.receive(rig.heartbeatAnswer(2, { sentAtMs: rig.nowMs - 8, wallMicros: 77, digest }))
    const report = rig.all('peerReport').at(-1)
    assert.deepEqual([report?.from, report?.wallMicros, report?.roundTripMs, report?.digest], [2, 77, 8, digest])
  })
})
