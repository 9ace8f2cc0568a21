import type { EntryBatch as EncodedBatch } from '../encoding/index.ts'
import type { Log } from '../log/index.ts'
import { DurationHistogram } from '../model/index.ts'
import type { EntryOutcome, StateMachine } from '../model/index.ts'
import type { Clock, Timers } from '../platform/index.ts'
import type { Deferral } from './deferral.ts'
import { sliceEntries } from './entries.ts'
import { isMutant } from './mutants.ts'
import { APPLY_SLICE_MS } from './options.ts'
import type { ApplyTiming } from './requests.ts'

export interface ApplyLoopOptions {
  machine: StateMachine
  log: Log
  clock: Clock
  timers: Timers
  /** Whether what is committed may wait for more of it. */
  deferral: Deferral
  onOutcomes: (outcomes: readonly EntryOutcome[], timing: ApplyTiming) => void
  /** Something waits that others wait for, such as a sync to be acknowledged: a slice ends early. */
  isPressed: () => boolean
  /** After each publication. */
  onApplied: (seq: number) => void
  onFailed: (error: Error) => void
}

const READ_BYTES = 1 << 20

/**
 * Hands committed entries to the state machine, in slices that leave the loop to heartbeats (DESIGN 7). A cold page or entries that
 * left memory suspend it; nothing else applies meanwhile.
 */
export class ApplyLoop {
  readonly #options: ApplyLoopOptions
  /** How long each batch took. */
  readonly duration: DurationHistogram = new DurationHistogram()
  /** Entries that were applied and published together, as if each were a millisecond. */
  readonly epochs: DurationHistogram = new DurationHistogram()
  /** How long the entries took that were known to be committed when the replica was opened, ms; undefined while they are not applied. */
  replayMs: number | undefined
  #replay: { readonly sinceMs: number; readonly throughSeq: number } | undefined
  /** Of the present batch. One object: what is told of it is over before the next one. */
  readonly #timing = { fromMs: 0, toMs: 0 }
  #commit = 0
  #isSuspended = false
  #isScheduled = false
  #isStopped = false
  #isHeld = false
  /** Committed entries, kept until all of them are applied: a slice may take few of them. */
  #read: EncodedBatch | undefined

  constructor(options: ApplyLoopOptions) {
    this.#options = options
  }

  /** Entries through `seq` are committed. Applies what one slice can take at once, unless it may wait. */
  committed(seq: number): void {
    const { deferral, machine } = this.#options
    this.#commit = Math.max(this.#commit, seq)
    this.#replay ??= { sinceMs: this.#options.clock.monotonicMs(), throughSeq: this.#commit }
    if (!deferral.mayWait(machine.appliedSeq, this.#commit)) this.run()
    this.#noteReplay()
  }

  /** Applies what was put off: somebody wants to see it. */
  catchUp(): void {
    if (this.#options.deferral.isUnderWay) this.run()
  }

  get isIdle(): boolean {
    return !this.#isSuspended && this.#options.machine.appliedSeq >= this.#commit
  }

  /**
   * Goes on, for example when the log has begun anew behind an installed snapshot: until then it takes no entries, and what is committed
   * may not be in it yet.
   */
  run(): void {
    this.#options.deferral.ended()
    if (this.#isSuspended || this.#isStopped || this.#isHeld) return
    try {
      this.#slice()
    } catch (error) {
      this.#isStopped = true
      this.#options.onFailed(error as Error)
    }
  }

  #noteReplay(): void {
    if (this.replayMs !== undefined || this.#replay === undefined) return
    const { sinceMs, throughSeq } = this.#replay
    if (this.#options.machine.appliedSeq >= throughSeq) this.replayMs = this.#options.clock.monotonicMs() - sinceMs
  }

  #slice(): void {
    const { machine, clock, isPressed } = this.#options
    const timing = this.#timing
    const until = clock.monotonicMs() + APPLY_SLICE_MS
    const shouldYield = (): boolean => (isPressed() || clock.monotonicMs() >= until) && !isMutant('apply_never_yields')
    while (machine.appliedSeq < Math.min(this.#commit, this.#options.log.lastSeq)) {
      const batch = this.#next()
      if (batch === undefined) return this.#suspend(this.#readFiles())
      timing.fromMs = clock.monotonicMs()
      const { appliedSeq } = machine
      const { appliedThrough, outcomes, cold } = machine.apply(batch, shouldYield)
      timing.toMs = clock.monotonicMs()
      this.duration.record(timing.toMs - timing.fromMs)
      if (appliedThrough > appliedSeq) this.epochs.record(appliedThrough - appliedSeq)
      this.#noteReplay()
      this.#options.onApplied(appliedThrough)
      if (outcomes.length > 0) this.#options.onOutcomes(outcomes, timing)
      if (cold !== undefined) return this.#suspend(cold)
      if (appliedThrough < this.#commit && shouldYield()) return this.#schedule()
    }
  }

  /** The next committed entries out of memory. */
  #next(): EncodedBatch | undefined {
    const { machine, log } = this.#options
    const from = machine.appliedSeq + 1
    const kept = this.#read
    if (kept !== undefined && kept.firstSeq <= from && kept.lastSeq >= from) return kept
    const batch = log.readCached(from, READ_BYTES, this.#commit)
    this.#read = batch === undefined ? undefined : upTo(this.#commit, batch, from, log)
    return this.#read
  }

  async #readFiles(): Promise<void> {
    const { machine, log } = this.#options
    const from = machine.appliedSeq + 1
    const commit = this.#commit
    const batch = await log.read(from, READ_BYTES)
    this.#read = upTo(commit, batch, from, log)
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#options.timers.endOfTurn(() => {
      this.#isScheduled = false
      this.run()
    })
  }

  #suspend(until: Promise<void>): void {
    this.#isSuspended = true
    until.then(
      () => {
        this.#isSuspended = false
        this.run()
      },
      (error: unknown) => {
        this.#isStopped = true
        this.#options.onFailed(error as Error)
      },
    )
  }

  /** Applies nothing until `release`: a snapshot is about to replace the state. Resolves when nothing is under way. */
  async hold(): Promise<void> {
    this.#isHeld = true
    while (this.#isSuspended && !this.#isStopped)
      await new Promise<void>(resolve => this.#options.timers.after(1, resolve))
  }

  release(): void {
    this.#isHeld = false
    this.#read = undefined
    this.run()
  }

  stop(): void {
    this.#isStopped = true
    this.#options.deferral.stop()
  }
}

/**
 * What was not committed when it was read may be overwritten before it is: it is neither applied nor kept. The log knows the chain of the
 * rest, so that the state machine need not go through its bytes for it.
 */
function upTo(commit: number, batch: EncodedBatch, from: number, log: Log): EncodedBatch {
  const { firstSeq, lastSeq, bytes } = batch.lastSeq <= commit ? batch : sliceEntries(batch.bytes, from, commit)
  return { firstSeq, lastSeq, bytes, lastChain: log.chainAt(lastSeq) }
}
