import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../../src/encoding/index.ts'
import type { QuorateError, StateDigest, StateMachine } from '../../../src/model/index.ts'
import { DriftWatch } from '../../../src/raft/drift.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const VOTERS = [1, 2, 3]
const record = (seq: number, effectChain: number): StateDigest => ({ seq, effectChain, sum: { hi: 0, lo: 0 } })

/** As if the state machine had recorded a digest. */
const tamper = (machine: StateMachine, seq: number, effectChain: number): void =>
  void (machine.digests as StateDigest[]).push({ seq, effectChain, sum: machine.digests[0]?.sum ?? record(0, 0).sum })

describe(`replicas that drift (seed ${seed})`, () => {
  const watchOf = (...own: StateDigest[]): DriftWatch => new DriftWatch({ digests: own } as unknown as StateMachine)
  const said = (seq: number, effectChain: number) => watchOf(record(seq, effectChain)).newest()!

  it('are told by the leader what a majority has, and nothing that only it has itself', () => {
    const leader = watchOf(record(4_096, 7))
    assert.equal(leader.note(2, said(4_096, 8), VOTERS), false)
    assert.equal(leader.agreed(1, VOTERS), undefined)
    assert.equal(leader.note(3, said(4_096, 7), VOTERS), false)
    assert.equal(leader.agreed(1, VOTERS)?.chain, 7)
    assert.equal(leader.agreed(1, VOTERS), undefined, 'once')
  })

  it('are found by themselves: a follower by what the leader says, a leader by a majority of others', () => {
    const follower = watchOf(record(4_096, 8))
    assert.equal(follower.noteAgreed(said(8_192, 7)), false, 'not there yet')
    assert.equal(follower.noteAgreed(said(4_096, 8)), false)
    assert.equal(follower.noteAgreed(said(4_096, 7)), true)
    assert.equal(follower.noteAgreed(said(4_096, 7)), false, 'found once')
    const leader = watchOf(record(4_096, 8))
    assert.equal(leader.note(2, said(4_096, 7), VOTERS), false)
    assert.equal(leader.note(4, said(4_096, 7), VOTERS), false, 'a learner does not count')
    assert.equal(leader.note(3, said(4_096, 7), VOTERS), true)
    assert.equal(leader.agreed(1, VOTERS), undefined)
  })

  for (const drifted of ['leader', 'follower'] as const) {
    it(`are fenced, answer nothing and send their clients elsewhere: a ${drifted}`, async () => {
      const trio = new Trio(seed)
      await trio.start()
      const leader = await trio.untilLed()
      const session = await trio.openSession(leader)
      const ill = drifted === 'leader' ? leader : NAMES.find(name => name !== leader)!
      for (const name of NAMES) tamper(trio.node(name).machine, 4_096, name === ill ? 8 : 7)
      await trio.world.runFor(120)
      await trio.until('it is fenced', () => trio.node(ill).replica.inspect().drift !== undefined)
      for (const name of NAMES)
        assert.equal(trio.node(name).replica.inspect().core.isFenced, name === ill, `${name} is fenced or not`)
      await trio.until('another one leads', () => trio.leader !== undefined && trio.leader !== ill)
      const isCode = (error: QuorateError): boolean =>
        error.code === 'fenced' && error.retryable && error.applied === 'no'
      const answered = trio.submit(ill, trio.request(session, { mutations: [] }))
      await assert.rejects(trio.world.runToCompletion(answered), isCode)
      await assert.rejects(trio.read(ill, utf8Bytes('k'), 'local'), isCode)
    })
  }
})
