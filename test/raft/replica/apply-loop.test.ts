import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind } from '../../../src/encoding/index.ts'
import type { EntryBatch } from '../../../src/encoding/index.ts'
import type { Log } from '../../../src/log/index.ts'
import type { ApplyResult, StateMachine } from '../../../src/model/index.ts'
import type { Timers } from '../../../src/platform/index.ts'
import { ApplyLoop } from '../../../src/raft/apply-loop.ts'
import { encodeDrafts } from '../../../src/raft/entries.ts'

/** A log whose entries are all in files, or all in memory, and a machine that takes one entry at a time. */
class Rig {
  reads = 0
  /** Up to where entries out of memory were asked for. */
  readonly asked: (number | undefined)[] = []
  readonly applied: number[] = []
  term = 1
  appliedSeq = 0
  cold: Promise<void> | undefined
  readonly loop: ApplyLoop

  constructor(lastSeq: number, { isCached = false } = {}) {
    const entries = (fromSeq: number): EntryBatch => {
      this.reads++
      const drafts = Array.from({ length: lastSeq - fromSeq + 1 }, () => ({
        kind: EntryKind.noop,
        payload: new Uint8Array([this.term]),
      }))
      const slot = { firstSeq: fromSeq, term: this.term, prevChain: 0 }
      return { firstSeq: fromSeq, lastSeq, bytes: encodeDrafts(drafts, slot, 0).ref as Uint8Array }
    }
    const read = (fromSeq: number): Promise<EntryBatch> => Promise.resolve(entries(fromSeq))
    const readCached: Log['readCached'] = (fromSeq, _maxBytes, throughSeq) => {
      if (!isCached) return undefined
      this.asked.push(throughSeq)
      return entries(fromSeq)
    }
    const machine = Object.defineProperty({ apply: (batch: EntryBatch) => this.#apply(batch) }, 'appliedSeq', {
      get: () => this.appliedSeq,
    })
    this.loop = new ApplyLoop({
      machine: machine as unknown as StateMachine,
      log: { lastSeq, readCached, read } as unknown as Log,
      clock: { monotonicMs: () => 0, wallMicros: () => 0 },
      timers: { endOfTurn: task => setImmediate(task) } as Partial<Timers> as Timers,
      isPressed: () => false,
      onOutcomes: () => undefined,
      onApplied: () => undefined,
      onFailed: error => assert.fail(error),
    })
  }

  #apply({ bytes }: EntryBatch): ApplyResult {
    this.appliedSeq++
    this.applied.push(bytes.at(-1)!)
    return { appliedThrough: this.appliedSeq, outcomes: [], cold: this.cold }
  }
}

const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('applying what is committed', () => {
  it('reads entries out of the files once, however few of them a slice takes', async () => {
    const rig = new Rig(100)
    rig.loop.committed(100)
    await settled()
    assert.equal(rig.appliedSeq, 100)
    assert.equal(rig.reads, 1)
  })

  it('asks memory for what is committed, once, however few of them a slice takes', async () => {
    const rig = new Rig(100, { isCached: true })
    rig.loop.committed(40)
    await settled()
    assert.equal(rig.appliedSeq, 40)
    rig.term = 2
    rig.loop.committed(100)
    await settled()
    assert.deepEqual(rig.asked, [40, 100])
    assert.deepEqual([rig.applied[39], rig.applied[40], rig.applied.length], [1, 2, 100])
  })

  it('keeps nothing that was read before it was committed: another leader may have overwritten it', async () => {
    const rig = new Rig(10)
    rig.loop.committed(4)
    await settled()
    assert.deepEqual(rig.applied, [1, 1, 1, 1])
    rig.term = 2
    rig.loop.committed(10)
    await settled()
    assert.deepEqual(rig.applied, [1, 1, 1, 1, 2, 2, 2, 2, 2, 2])
  })

  it('does not wait for what will never end once it has stopped', async () => {
    const rig = new Rig(10)
    rig.cold = new Promise(() => undefined)
    rig.loop.committed(10)
    await settled()
    rig.loop.stop()
    await rig.loop.hold()
    assert.equal(rig.appliedSeq, 1)
  })
})
