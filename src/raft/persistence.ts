import type { EntryBatch } from '../encoding/index.ts'
import type { Log, LogFrame } from '../log/index.ts'
import { invariant } from '../model/index.ts'
import type { Clock } from '../platform/index.ts'
import type { Effect } from './core/index.ts'
import { joinEntries, sliceEntries } from './entries.ts'

type Persist = Extract<Effect, { type: 'persist' }>
type Writable<T> = { -readonly [K in keyof T]: T[K] }

export interface PersistenceOptions {
  log: Log
  clock: Clock
  onPersisted: (ioSeq: number) => void
  /** Told of every frame's size, for checkpoints. */
  onAppended: (bytes: number) => void
  /** The log has begun anew behind a snapshot and holds what waited for that. */
  onReset: () => void
  onFailed: (error: Error) => void
}

/**
 * The core's storage lane on the log: one frame per persist effect, in their order, completed cumulatively (D2-D4). A `resetTo` (the log
 * begins anew after an installed snapshot) takes time; effects behind it wait.
 */
export class Persistence {
  readonly #options: PersistenceOptions
  /** Frames not yet reported: the log's numbers and the core's, and when they were written. */
  readonly #pending: { logIo: number; coreIo: number; sinceMs: number }[] = []
  readonly #waiting: Persist[] = []
  #resettingSinceMs = 0
  #isResetting = false
  #doneCoreIo = 0

  constructor(options: PersistenceOptions) {
    this.#options = options
  }

  persist(effect: Persist): void {
    this.#waiting.push(effect)
    if (!this.#isResetting) this.#write()
  }

  /** The log has synced everything up to `logIo`. */
  synced(logIo: number): void {
    let done = this.#doneCoreIo
    while (this.#pending.length > 0 && this.#pending[0]!.logIo <= logIo) done = this.#pending.shift()!.coreIo
    if (done === this.#doneCoreIo) return
    this.#doneCoreIo = done
    this.#options.onPersisted(done)
  }

  /** Whether the log has synced a frame that it has not told of yet. */
  get hasUnreportedSync(): boolean {
    const oldest = this.#pending[0]
    return oldest !== undefined && oldest.logIo <= this.#options.log.syncedIoSeq
  }

  /** True while frames are under way. */
  get isPending(): boolean {
    return this.#pending.length + this.#waiting.length > 0
  }

  /** How long the oldest frame under way has taken so far, ms; 0 = none is. */
  get oldestPendingMs(): number {
    const sinceMs = this.#pending[0]?.sinceMs ?? (this.#isResetting ? this.#resettingSinceMs : undefined)
    return sinceMs === undefined ? 0 : this.#options.clock.monotonicMs() - sinceMs
  }

  #write(): void {
    for (let effect = this.#waiting[0]; effect !== undefined; effect = this.#waiting[0]) {
      if (effect.resetTo !== null) {
        this.#reset(effect, effect.resetTo)
        return
      }
      this.#waiting.shift()
      this.#append(effect)
    }
  }

  #append(effect: Persist): void {
    const { hardState, truncateFrom, append, ioSeq } = effect
    const parts = append.map(entriesOf)
    const frame: Writable<LogFrame> = {}
    if (hardState !== null) {
      frame.hardState = { term: hardState.term, votedFor: hardState.vote, commitSeq: hardState.commit }
    }
    if (truncateFrom !== null) frame.truncateFrom = truncateFrom
    if (parts.length > 0) {
      frame.entries = joinEntries(parts)
      frame.chains = joinChains(append)
    }
    const logIo = this.#options.log.add(frame)
    this.#pending.push({ logIo, coreIo: ioSeq, sinceMs: this.#options.clock.monotonicMs() })
    this.#options.onAppended(frame.entries?.bytes.length ?? 0)
  }

  #reset(effect: Persist, base: NonNullable<Persist['resetTo']>): void {
    this.#isResetting = true
    this.#resettingSinceMs = this.#options.clock.monotonicMs()
    invariant(effect.truncateFrom === null, 'a frame resets the log and truncates it')
    this.#options.log.startAfter(base).then(
      () => {
        this.#isResetting = false
        this.#waiting[0] = { ...effect, resetTo: null }
        this.#write()
        this.#options.log.wake()
        this.#options.onReset()
      },
      (error: unknown) => this.#options.onFailed(error as Error),
    )
  }
}

/** A slice that was not cut has chain values up to the last entry of its batch, and no more. */
function entriesOf({ firstSeq, lastSeq, chains, ref }: Persist['append'][number]): EntryBatch {
  return sliceEntries(ref as Uint8Array, firstSeq, lastSeq, chains.length === lastSeq - firstSeq + 1)
}

/** The chain values of consecutive slices, one for each entry. */
function joinChains(slices: Persist['append']): Uint32Array {
  const parts = slices.map(({ firstSeq, lastSeq, chains }) => {
    const count = lastSeq - firstSeq + 1
    return chains.length === count ? chains : chains.subarray(0, count)
  })
  if (parts.length === 1) return parts[0]!
  const chains = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    chains.set(part, at)
    at += part.length
  }
  return chains
}
