import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeEnvelope, encodeRequest, EntryKind } from '../../../src/encoding/index.ts'
import type { RequestRefusal, StateMachine } from '../../../src/model/index.ts'
import type { RaftCore } from '../../../src/raft/core/index.ts'
import { Proposer } from '../../../src/raft/proposer.ts'

const envelope = encodeEnvelope({ mutations: [] })
const request = (serial: number, copy = 0): Uint8Array =>
  encodeRequest({ caller: 'root', session: 7, serial, acknowledgedThrough: 0, notAfterMicros: 0, copy }, envelope)

/** A proposer over a state that a test decides for it, with what it has said. */
class Rig {
  nowMs = 0
  isBusy = false
  refusal: RequestRefusal | undefined
  readonly said: string[] = []
  appended = 0
  readonly rounds: { confirm: () => void; failed: () => void }[] = []
  admission: 'taken' | 'busy' = 'taken'
  readonly proposer: Proposer

  constructor() {
    const machine = Object.defineProperties({} as StateMachine, {
      isBusy: { get: () => this.isBusy },
      preflight: { value: () => this.refusal },
    })
    this.proposer = new Proposer({
      machine,
      clock: { monotonicMs: () => this.nowMs, wallMicros: () => 0 },
      afterRound: (then, failed) => this.rounds.push({ confirm: then, failed }),
    })
  }

  offer(serial: number, copy = 0): void {
    this.proposer.offer({
      kind: EntryKind.transaction,
      payload: request(serial, copy),
      refused: ({ code, applied }) => this.said.push(`${serial} ${code} ${applied}`),
    })
  }

  /** The end of a turn. Answers how many entries it made. */
  turn(): number {
    const before = this.appended
    const core = {
      state: { commit: 0 },
      admit: () =>
        this.admission === 'busy'
          ? { isAdmitted: false, refusal: 'busy', leader: 1 }
          : { isAdmitted: true, slot: { firstSeq: this.appended + 1, term: 1, prevChain: 0 } },
      step: ({ batch }: { batch: { lastSeq: number } }) => (this.appended = batch.lastSeq),
    } as unknown as RaftCore
    this.proposer.appendTo(core, () => 0)
    this.proposer.askRounds()
    return this.appended - before
  }
}

describe('proposals at the leader', () => {
  it('refuses later serials of a session as busy until the refused one comes back', () => {
    const rig = new Rig()
    rig.isBusy = true
    rig.offer(1)
    rig.isBusy = false
    rig.offer(2)
    rig.offer(3, 1)
    assert.deepEqual(rig.said, ['1 busy no', '2 busy no', '3 busy unknown'])
    rig.offer(1)
    rig.offer(2)
    assert.equal(rig.turn(), 2)
  })

  it('does not wait for ever for a serial that was refused as busy: its maker may have given up', () => {
    const rig = new Rig()
    rig.isBusy = true
    rig.offer(1)
    rig.isBusy = false
    rig.nowMs = 900
    rig.offer(2)
    rig.nowMs = 1_000
    rig.offer(3)
    assert.deepEqual(rig.said, ['1 busy no', '2 busy no', '3 busy no'], '2 is still to come again')
    rig.offer(2)
    rig.offer(3)
    assert.equal(rig.turn(), 2)
  })

  it('lets nothing of a session overtake a request that waits for its round', () => {
    const rig = new Rig()
    rig.refusal = { code: 'project_not_found', message: '' }
    rig.offer(1)
    rig.turn()
    rig.refusal = undefined
    rig.offer(2)
    assert.equal(rig.turn(), 0)
    rig.rounds[0]!.confirm()
    assert.equal(rig.turn(), 2)
    assert.deepEqual(rig.said, [])
  })

  it('begins the round of a doubted request only after what was asked before it is appended', () => {
    const rig = new Rig()
    rig.offer(1)
    rig.refusal = { code: 'project_not_found', message: '' }
    rig.offer(2)
    assert.equal(rig.rounds.length, 0)
    assert.equal(rig.turn(), 1)
    assert.equal(rig.rounds.length, 1)
    rig.rounds[0]!.confirm()
    assert.deepEqual(rig.said, ['2 project_not_found no'])
  })

  it('refuses a doubted request as busy if one before it is', () => {
    const rig = new Rig()
    rig.admission = 'busy'
    rig.offer(1)
    rig.refusal = { code: 'project_not_found', message: '' }
    rig.offer(2)
    rig.turn()
    assert.deepEqual(rig.said, ['1 busy no', '2 busy no'])
    assert.equal(rig.rounds.length, 0)
  })

  it('leaves a doubted request to the log if its round fails while it leads, and forgets it if it does not', () => {
    const rig = new Rig()
    rig.refusal = { code: 'project_not_found', message: '' }
    rig.offer(1)
    rig.turn()
    rig.rounds[0]!.failed()
    assert.equal(rig.turn(), 1)
    rig.offer(2)
    rig.turn()
    rig.proposer.clear()
    rig.rounds[1]!.failed()
    assert.equal(rig.turn(), 0)
    assert.deepEqual(rig.said, [])
  })
})
