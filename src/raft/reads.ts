import type { EntryBatch as EncodedBatch } from '../encoding/index.ts'
import { LogError } from '../log/index.ts'
import type { Log } from '../log/index.ts'
import { formatToken, QuorateError, seqOfToken } from '../model/index.ts'
import type { Consistency, LeaderHint, StateMachine, ViewHandler } from '../model/index.ts'
import type { Clock } from '../platform/index.ts'
import type { Refusal } from './core/index.ts'
import { joinEntries, sliceEntries } from './entries.ts'
import { isMutant } from './mutants.ts'
import { SharedView } from './shared-view.ts'

export interface ReadsOptions {
  machine: StateMachine
  log: Log
  clock: Clock
  /** Asks the core for a read index in this turn: `ready` or `failed` is called with the same group. */
  ask: (group: ReadGroup, mode: 'index' | 'lease') => void
  leaderHint: () => LeaderHint | undefined
  /** Somebody reads here: what may have been put off is to be applied. */
  onAsked: () => void
  /** A replica that has no group, or whose state differs from its peers', answers nothing of its own. */
  refusal: () => QuorateError | undefined
}

interface Waiting {
  deadlineMs: number
  onView: ViewHandler
}

/** Reads asked for since the start, by what they may see. */
export interface ReadCounts {
  linearizable: number
  lease: number
  maxStale: number
  minSeq: number
  atSeq: number
  checkpoint: number
  local: number
}

/** Reads that share one round. */
export interface ReadGroup {
  readonly mode: 'index' | 'lease'
  readonly askedAtMs: number
  readonly waiting: Waiting[]
  /** What must be applied before they are answered; set by the core's answer. */
  seq: number
}

const READ_BYTES = 1 << 20
const ROUND_LIMIT_MS = 5_000
/** After a read more of them are likely for so long. */
const READ_AGAIN_MS = 1_000

/** Finds the state that each read may see (DESIGN 4, 8; rules R1-R8). Reads that arrive in one turn share one round and one root. */
export class Reads {
  readonly #options: ReadsOptions
  readonly counts: ReadCounts = {
    linearizable: 0,
    lease: 0,
    maxStale: 0,
    minSeq: 0,
    atSeq: 0,
    checkpoint: 0,
    local: 0,
  }
  /** The groups that this turn's reads join. */
  #collecting: { index: ReadGroup | undefined; lease: ReadGroup | undefined } = { index: undefined, lease: undefined }
  /** Given to the core, which has not answered yet. */
  readonly #asked: ReadGroup[] = []
  /** Rounds are confirmed, their seq is not applied yet. */
  #confirmed: ReadGroup[] = []
  /** Waiting for a given seq, by any way. */
  #forSeq: { seq: number; waiting: Waiting }[] = []
  /** Monotonic time at which the newest finished round began: everything acknowledged before it is applied here. */
  #freshAsOfMs = Number.NEGATIVE_INFINITY
  #askedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: ReadsOptions) {
    this.#options = options
  }

  whenReadable(consistency: Consistency, deadlineMs: number, onView: ViewHandler): void {
    this.counts[kindOf(consistency)]++
    this.#askedAtMs = this.#options.clock.monotonicMs()
    this.#options.onAsked()
    const refusal = this.#options.refusal()
    if (refusal !== undefined) return onView(undefined, refusal)
    const waiting = { deadlineMs, onView }
    if (consistency === 'linearizable') return this.#join('index', waiting)
    if (consistency === 'lease')
      return this.#join(this.#options.machine.settings.leaseReads === 1 ? 'lease' : 'index', waiting)
    if (consistency === 'local') return this.#serveNow(waiting)
    if (consistency === 'checkpoint') return this.#serveAt(this.#options.machine.newestCheckpointSeq, waiting)
    try {
      if ('maxStaleMs' in consistency) this.#bounded(consistency.maxStaleMs, waiting)
      else if ('minSeq' in consistency) this.#waitFor(seqOfToken(consistency.minSeq, this.#history()), waiting)
      else this.#serveAt(seqOfToken(consistency.atSeq, this.#history()), waiting)
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      onView(undefined, error)
    }
  }

  /** Whether a read waits, or one was asked for lately. */
  get areLikely(): boolean {
    if (this.#confirmed.length + this.#forSeq.length + this.#asked.length > 0) return true
    return this.#options.clock.monotonicMs() - this.#askedAtMs < READ_AGAIN_MS
  }

  #history(): string {
    return this.#options.machine.historyId
  }

  /** What was read in a round that began at most so long ago is fresh enough; the bound is exact, whatever the clocks say. */
  #bounded(maxStaleMs: number, waiting: Waiting): void {
    const isFresh = this.#options.clock.monotonicMs() - this.#freshAsOfMs <= maxStaleMs
    if (isFresh || isMutant('stale_bound_ignored')) this.#serveNow(waiting)
    else this.#join('index', waiting)
  }

  #join(mode: 'index' | 'lease', waiting: Waiting): void {
    const present = this.#collecting[mode]
    if (present !== undefined) {
      present.waiting.push(waiting)
      return
    }
    const group: ReadGroup = { mode, askedAtMs: this.#options.clock.monotonicMs(), waiting: [waiting], seq: 0 }
    this.#collecting[mode] = group
    this.#asked.push(group)
    this.#options.ask(group, mode)
  }

  /** Calls back once a leader-made round has confirmed this node's place and everything through `seq` is applied, or when that failed. */
  afterRound(seq: number, then: (isConfirmed: boolean) => void): void {
    const deadlineMs = this.#options.clock.monotonicMs() + ROUND_LIMIT_MS
    this.#join('index', {
      deadlineMs,
      onView: (view, error) => {
        view?.release()
        if (error !== undefined) return then(false)
        this.#waitFor(seq, {
          deadlineMs,
          onView: (applied, late) => {
            applied?.release()
            then(late === undefined)
          },
        })
      },
    })
  }

  /** The turn in which a group was asked for has ended: later reads begin another one (R3). */
  turnEnded(): void {
    this.#collecting.index = undefined
    this.#collecting.lease = undefined
  }

  ready(group: ReadGroup, seq: number): void {
    this.#answered(group)
    group.seq = seq
    this.#confirmed.push(group)
    this.applied()
  }

  /** The core answers about in order: the group is near the front. */
  #answered(group: ReadGroup): void {
    const at = this.#asked.indexOf(group)
    if (at >= 0) this.#asked.splice(at, 1)
  }

  failed(group: ReadGroup, reason: Refusal): void {
    this.#answered(group)
    const isBusy = reason === 'busy'
    const error = new QuorateError(
      isBusy ? 'busy' : 'unavailable',
      READ_FAILED[reason] ?? 'the read was not confirmed',
      {
        retryable: true,
        ...this.#elsewhere(),
      },
    )
    for (const { onView } of group.waiting) onView(undefined, error)
  }

  /** Something was applied: answers what waited for it. */
  applied(): void {
    const { machine } = this.#options
    if (this.#confirmed.length > 0) {
      const reached = isMutant('read_before_applied') ? Number.POSITIVE_INFINITY : machine.appliedSeq
      const ready = this.#confirmed.filter(group => group.seq <= reached)
      if (ready.length > 0) {
        this.#confirmed = this.#confirmed.filter(group => group.seq > reached)
        for (const group of ready) this.#freshAsOfMs = Math.max(this.#freshAsOfMs, group.askedAtMs)
        this.#serveAll(ready.flatMap(group => group.waiting))
      }
    }
    if (this.#forSeq.length > 0) {
      const ready = this.#forSeq.filter(({ seq }) => seq <= machine.appliedSeq)
      this.#forSeq = this.#forSeq.filter(({ seq }) => seq > machine.appliedSeq)
      this.#serveAll(ready.map(({ waiting }) => waiting))
    }
  }

  #serveAll(readers: readonly Waiting[]): void {
    if (readers.length === 0) return
    const shared = new SharedView(this.#options.machine.view(), this.#guard)
    for (const { onView } of readers) onView(shared.handle(), undefined)
    shared.release()
  }

  #serveNow(waiting: Waiting): void {
    this.#serveAll([waiting])
  }

  /** Views may be held for long, and the state be found wrong meanwhile. */
  readonly #guard = (): void => {
    const refusal = this.#options.refusal()
    if (refusal !== undefined) throw refusal
  }

  #waitFor(seq: number, waiting: Waiting): void {
    if (seq <= this.#options.machine.appliedSeq || isMutant('min_seq_ignored')) this.#serveNow(waiting)
    else this.#forSeq.push({ seq, waiting })
  }

  #serveAt(seq: number, { onView }: Waiting): void {
    this.#options.machine.viewAt(seq, this.entries).then(
      view => {
        const refusal = this.#options.refusal()
        if (refusal !== undefined) {
          view.release()
          return onView(undefined, refusal)
        }
        const shared = new SharedView(view, this.#guard)
        onView(shared.handle(), undefined)
        shared.release()
      },
      (error: unknown) => onView(undefined, asQuorateError(error)),
    )
  }

  /** Reads committed entries from the log, for views of older seqs and for changes that were lost. */
  readonly entries = async (fromSeq: number, throughSeq: number): Promise<EncodedBatch> => {
    const parts: EncodedBatch[] = []
    for (let next = fromSeq; next <= throughSeq;) {
      const part = await this.#entriesFrom(next)
      parts.push(part.lastSeq <= throughSeq ? part : sliceEntries(part.bytes, next, throughSeq))
      next = part.lastSeq + 1
    }
    return joinEntries(parts)
  }

  async #entriesFrom(seq: number): Promise<EncodedBatch> {
    const { log, machine } = this.#options
    try {
      return await log.read(seq, READ_BYTES)
    } catch (cause) {
      if (seq > log.base.seq) throw cause
      // The root is older than the log, which may have been cut while it was read.
      const detail = { oldestSeq: Math.max(machine.oldestViewSeq, log.base.seq), newestSeq: machine.appliedSeq }
      throw new QuorateError('seq_unavailable', `the log begins after seq ${log.base.seq}`, { detail, cause })
    }
  }

  /** Ends what has waited too long, with an error, never with an answer (R4). */
  expire(nowMs: number): void {
    const isLate = (waiting: Waiting): boolean => {
      if (waiting.deadlineMs > nowMs) return false
      const error = new QuorateError('timeout', 'the read could not be served in its time', {
        retryable: true,
        ...this.#elsewhere(),
      })
      waiting.onView(undefined, error)
      return true
    }
    for (const group of this.#asked) removeWhere(group.waiting, isLate)
    for (const group of this.#confirmed) removeWhere(group.waiting, isLate)
    this.#forSeq = this.#forSeq.filter(({ seq, waiting }) => {
      if (waiting.deadlineMs > nowMs) return true
      const newest = this.#options.machine.appliedSeq
      const token = formatToken(this.#history(), newest)
      const detail = { oldestSeq: this.#options.machine.oldestViewSeq, newestSeq: newest }
      const message = `seq ${seq} has not reached this node, which is at ${token}`
      waiting.onView(
        undefined,
        new QuorateError('seq_unavailable', message, { retryable: true, detail, ...this.#elsewhere() }),
      )
      return false
    })
  }

  failAll(error: QuorateError): void {
    const waiting = [...this.#asked, ...this.#confirmed].flatMap(group => group.waiting.splice(0))
    for (const { waiting: late } of this.#forSeq) waiting.push(late)
    this.#asked.length = 0
    this.#confirmed = []
    this.#forSeq = []
    this.turnEnded()
    for (const { onView } of waiting) onView(undefined, error)
  }

  #elsewhere(): { leader?: LeaderHint } {
    const leader = this.#options.leaderHint()
    return leader === undefined ? {} : { leader }
  }
}

function kindOf(consistency: Consistency): keyof ReadCounts {
  if (typeof consistency === 'string') return consistency
  if ('maxStaleMs' in consistency) return 'maxStale'
  return 'minSeq' in consistency ? 'minSeq' : 'atSeq'
}

const READ_FAILED: Partial<Record<Refusal, string>> = {
  noLeader: 'no leader is known here',
  leaderChanged: 'the leader changed while the read was confirmed',
  transferring: 'the leader is handing over',
  busy: 'too many reads wait here',
  timedOut: 'the leader did not confirm the read',
  stopped: 'this node has stopped',
}

function removeWhere<T>(items: T[], isRemoved: (item: T) => boolean): void {
  let kept = 0
  for (const item of items) if (!isRemoved(item)) items[kept++] = item
  items.length = kept
}

function asQuorateError(error: unknown): QuorateError {
  if (error instanceof QuorateError) return error
  // The log let go of the entries while the view was made.
  if (error instanceof LogError && error.code === 'seq_unavailable') {
    return new QuorateError('seq_unavailable', error.message, { cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new QuorateError('internal', message, { cause: error })
}
