import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Digest64 } from '../../../src/encoding/index.ts'
import type { RecomputedDigest, StateMachine } from '../../../src/model/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import type { Input, RaftCore } from '../../../src/raft/core/index.ts'
import type { FenceFile } from '../../../src/raft/fence-file.ts'
import { Fence } from '../../../src/raft/fence.ts'

const sum = (lo: number): Digest64 => ({ hi: 0, lo })

/** A fence over a state machine whose recomputations end when the test says so. */
class Rig {
  readonly inputs: Input[] = []
  readonly failures: Error[] = []
  readonly written: unknown[] = []
  readonly disputes: number[] = []
  readonly fences: (number | undefined)[] = []
  readonly fence: Fence
  readonly #recomputations: ((digest: RecomputedDigest) => void)[] = []

  constructor() {
    const machine = {
      digests: [16, 32].map(seq => ({ seq, effectChain: 5, sum: sum(1) })),
      appliedSeq: 40,
      recomputeDigest: () => new Promise<RecomputedDigest>(resolve => this.#recomputations.push(resolve)),
    }
    const record = { drift: null, rebuiltAtMicros: 0 }
    const file = {
      record,
      write: (next: typeof record) => {
        this.written.push(next)
        Object.assign(record, next)
        return Promise.resolve()
      },
    }
    this.fence = new Fence({
      core: { state: { id: 1, configurations: [{ configuration: { voters: [1, 2, 3] } }] } } as unknown as RaftCore,
      machine: machine as unknown as StateMachine,
      clock: { monotonicMs: () => 0, wallMicros: () => 0 },
      timers: { after: () => assert.fail('no timer'), endOfTurn: task => task() },
      file: file as unknown as FenceFile,
      input: input => this.inputs.push(input),
      leaderTimeMicros: () => 0,
      leaderHint: () => undefined,
      onFenced: () => undefined,
      report: drift => this.fences.push(drift?.seq),
      onDispute: ({ seq }) => this.disputes.push(seq),
      hold: () => Promise.resolve(),
      release: () => undefined,
      send: () => undefined,
      onFailed: error => this.failures.push(error),
    })
  }

  driftSeq(): number | undefined {
    return this.fence.drift?.seq
  }

  get examinations(): number {
    return this.#recomputations.length
  }

  /** The recomputation that began as number `index` ends: S is 1, the pages hold `found`. */
  async end(index: number, found: number): Promise<void> {
    this.#recomputations[index]!({ carried: { seq: 9, effectChain: 5, sum: sum(1) }, found: sum(found) })
    await drainMicrotasks()
  }
}

describe('a replica whose state a peer doubts', () => {
  it('is fenced if its own pages say something else than its S, and not otherwise', async () => {
    const rig = new Rig()
    rig.fence.doubt()
    await rig.end(0, 1)
    assert.equal(rig.driftSeq(), undefined)
    rig.fence.doubt()
    await rig.end(1, 2)
    assert.equal(rig.driftSeq(), 9)
    assert.deepEqual(rig.inputs, [{ type: 'fence', isFenced: true }])
    assert.equal(rig.written.length, 1)
    await rig.fence.installed()
    assert.deepEqual(rig.fences, [9, undefined])
  })

  it('is examined once at a time', async () => {
    const rig = new Rig()
    rig.fence.doubt()
    rig.fence.doubt()
    assert.equal(rig.examinations, 1)
    await rig.end(0, 1)
    rig.fence.doubt()
    assert.equal(rig.examinations, 2)
  })

  it('is not judged by a state that an install has replaced meanwhile', async () => {
    const rig = new Rig()
    rig.fence.doubt()
    await rig.fence.installed()
    await rig.end(0, 2)
    assert.equal(rig.driftSeq(), undefined)
    assert.deepEqual(rig.inputs, [])
    assert.deepEqual(rig.written, [])
  })

  it('is examined anew when the state that was installed is doubted, whatever the examination before it finds later', async () => {
    const rig = new Rig()
    rig.fence.doubt()
    await rig.fence.installed()
    rig.fence.doubt()
    assert.equal(rig.examinations, 2)
    await rig.end(0, 2)
    assert.equal(rig.driftSeq(), undefined, 'that was the state before')
    rig.fence.doubt()
    assert.equal(rig.examinations, 2, 'the second one still runs')
    await rig.end(1, 2)
    assert.equal(rig.driftSeq(), 9)
    assert.deepEqual(rig.failures, [])
  })
})

describe('a leader that differs from a voter', () => {
  const other = (seq: number) => ({ seq, chain: 6, s: '0000000000000001' })

  it('says so once, and not after it was found to have drifted itself: that is decided', async () => {
    const rig = new Rig()
    rig.fence.compare(2, other(16), false)
    rig.fence.compare(2, other(16), false)
    assert.equal(rig.fence.dispute?.seq, 16)
    assert.deepEqual(rig.disputes, [16])
    rig.fence.doubt()
    await rig.end(0, 2)
    assert.equal(rig.driftSeq(), 9)
    assert.equal(rig.fence.dispute, undefined)
    rig.fence.compare(3, other(32), false)
    assert.equal(rig.fence.dispute, undefined)
    assert.deepEqual(rig.disputes, [16])
  })
})
