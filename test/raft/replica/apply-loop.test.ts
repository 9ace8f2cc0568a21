import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind } from '../../../src/encoding/index.ts'
import type { EntryBatch } from '../../../src/encoding/index.ts'
import type { Log } from '../../../src/log/index.ts'
import type { ApplyResult, StateMachine } from '../../../src/model/index.ts'
import type { Timers } from '../../../src/platform/index.ts'
import { ApplyLoop } from '../../../src/raft/apply-loop.ts'
import { Deferral, DEFERRED_ENTRIES, DEFERRED_MS } from '../../../src/raft/deferral.ts'
import { encodeDrafts } from '../../../src/raft/entries.ts'

/** A log whose entries are all in files, or all in memory, and a machine that takes one entry at a time. */
class Rig {
  reads = 0
  /** Up to where entries out of memory were asked for. */
  readonly asked: (number | undefined)[] = []
  readonly applied: number[] = []
  /** Last seq and chain of the batches that the machine was given. */
  readonly given = new Map<number, number | undefined>()
  term = 1
  appliedSeq = 0
  cold: Promise<void> | undefined
  readonly loop: ApplyLoop
  readonly deferral: Deferral
  /** All of a batch is taken at once. */
  readonly #isGreedy: boolean

  nowMs = 0
  isAwaited = true
  rank = 0
  /** Of the timer that is armed. */
  timer: { atMs: number; task: () => void } | undefined

  constructor(lastSeq: number, { isCached = false, isGreedy = false } = {}) {
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
    this.#isGreedy = isGreedy
    const clock = { monotonicMs: () => this.nowMs, wallMicros: () => 0 }
    const timers: Timers = {
      endOfTurn: task => setImmediate(task),
      after: (delayMs, task) => {
        this.timer = { atMs: this.nowMs + delayMs, task }
        return { cancel: () => (this.timer = undefined) }
      },
    }
    this.deferral = new Deferral({
      clock,
      timers,
      isAwaited: () => this.isAwaited,
      place: () => ({ rank: this.rank, count: 2 }),
      onDue: () => this.loop.run(),
    })
    this.loop = new ApplyLoop({
      machine: machine as unknown as StateMachine,
      log: { lastSeq, readCached, read, chainAt: (seq: number) => 1_000 + seq } as unknown as Log,
      clock,
      timers,
      deferral: this.deferral,
      isPressed: () => false,
      onOutcomes: () => undefined,
      onApplied: () => undefined,
      onFailed: error => assert.fail(error),
    })
  }

  fire(): void {
    const { atMs, task } = this.timer!
    this.timer = undefined
    this.nowMs = Math.max(this.nowMs, atMs)
    task()
  }

  #apply({ bytes, lastSeq, lastChain }: EntryBatch): ApplyResult {
    this.given.set(lastSeq, lastChain)
    this.appliedSeq = this.#isGreedy ? lastSeq : this.appliedSeq + 1
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

  it('gives the machine the chain of the last committed entry, wherever entries come from', async () => {
    for (const isCached of [true, false]) {
      const rig = new Rig(100, { isCached })
      rig.loop.committed(40)
      await settled()
      rig.loop.committed(100)
      await settled()
      assert.deepEqual(
        [...rig.given],
        [
          [40, 1_040],
          [100, 1_100],
        ],
      )
    }
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

describe('a follower that nobody waits for', () => {
  function quietRig(rank = 0): Rig {
    const rig = new Rig(1_000, { isCached: true, isGreedy: true })
    rig.isAwaited = false
    rig.rank = rank
    return rig
  }

  it('applies what many rounds have committed at once, each of two at another place', () => {
    const [one, other] = [quietRig(0), quietRig(1)]
    const seen: number[][] = []
    for (let seq = 64; seq <= 512; seq += 64) {
      one.loop.committed(seq)
      other.loop.committed(seq)
      seen.push([one.appliedSeq, other.appliedSeq])
    }
    const halfway = DEFERRED_ENTRIES / 2
    assert.deepEqual(
      seen.map(pair => pair.join(' ')),
      ['0 0', `0 ${halfway}`, '0 128', '256 128', '256 128', '256 384', '256 384', '512 384'],
    )
  })

  it('does so after a while at the latest, counted from what waits longest', () => {
    const rig = quietRig()
    rig.loop.committed(10)
    rig.nowMs = DEFERRED_MS - 1
    rig.loop.committed(20)
    assert.equal(rig.appliedSeq, 0)
    rig.fire()
    assert.deepEqual([rig.nowMs, rig.appliedSeq, rig.timer], [DEFERRED_MS, 20, undefined])
    rig.loop.committed(30)
    rig.nowMs += 4
    rig.loop.committed(300)
    rig.nowMs += 4
    rig.loop.committed(310)
    rig.fire()
    assert.equal(rig.appliedSeq, 300, 'the timer was armed for what is applied already')
    rig.fire()
    assert.deepEqual([rig.nowMs, rig.appliedSeq], [DEFERRED_MS + 8 + DEFERRED_MS, 310])
  })

  it('does so at once when somebody comes, while somebody waits, and when much has been written', () => {
    const rig = quietRig()
    rig.loop.catchUp()
    rig.loop.committed(10)
    assert.equal(rig.appliedSeq, 0)
    rig.loop.catchUp()
    assert.equal(rig.appliedSeq, 10)
    rig.isAwaited = true
    rig.loop.committed(20)
    assert.equal(rig.appliedSeq, 20)
    rig.isAwaited = false
    rig.deferral.appended(300_000)
    rig.loop.committed(30)
    assert.equal(rig.appliedSeq, 30)
    rig.loop.committed(40)
    assert.equal(rig.appliedSeq, 30, 'what was written is counted anew')
  })

  it('leaves no timer behind', () => {
    const rig = quietRig()
    rig.loop.committed(10)
    rig.loop.stop()
    assert.equal(rig.timer, undefined)
  })
})
