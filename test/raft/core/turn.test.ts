import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  DEFAULT_SETTINGS,
  findSettingsError,
  InvariantViolation,
  RaftCore,
  type Effect,
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
