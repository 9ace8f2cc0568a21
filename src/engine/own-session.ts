import { decodeOutcome, ENTRY_HEADER_BYTES, EntryKind, encodeRequest, encodeSessionOpening } from '../encoding/index.ts'
import { QuorateError, refusalCode, refusalError, requestContent, ROOT_CALLER, SlowRequests } from '../model/index.ts'
import type { OutcomeHandler, RequestReference } from '../model/index.ts'
import type { Clock, Random } from '../platform/index.ts'
import type { LocalSequencer } from './local-sequencer.ts'
import type { EngineStateMachine } from './state-machine.ts'

/** How many serials that nobody heard of stay known for `outcome`. */
const ABANDONED_MAX = 1_024
const NONCE_BYTES = 16
/** Where an outcome says whether it is a refusal (encoding/outcome.ts). */
const STATUS_OFFSET = 1
const REFUSED = 1

/** A transaction on its way. */
export interface Submission {
  readonly caller: string
  readonly envelope: Uint8Array
  /** Leader time in us; 0 = none. */
  readonly notAfterMicros: number
  /** Synced before it is applied, whatever the durability. */
  readonly isEconomic: boolean
  /** Under what it was sent last; zeros before. */
  reference: RequestReference
  /** Nobody waits any more. */
  isAbandoned: boolean
  /** Called once, unless it is abandoned. */
  settle(outcome: Uint8Array | undefined, error: QuorateError | undefined): void
}

/**
 * The session of an embedded process: numbers its requests, and acknowledges their outcomes. A session that was not used for its
 * lifetime ends (an idle process, a machine asleep). What is then refused was not applied, for each request is sent once: it is
 * sent again under a new session, in the order in which it was issued.
 */
export class OwnSession {
  /** What took long; off until it is given a threshold. */
  readonly slow: SlowRequests = new SlowRequests(Number.POSITIVE_INFINITY)
  readonly #machine: EngineStateMachine
  readonly #sequencer: LocalSequencer
  readonly #random: Random
  readonly #clock: Clock
  #id = 0
  #serial = 0
  #answered = 0
  /** Serials whose callers gave up waiting, ascending; their outcomes are kept. */
  #abandoned: number[] = []
  /** What waits for the next session; undefined while there is one. `issued` orders what the last one refused. */
  #waiting: { issued: number; submission: Submission }[] | undefined

  constructor(machine: EngineStateMachine, sequencer: LocalSequencer, random: Random, clock: Clock) {
    this.#machine = machine
    this.#sequencer = sequencer
    this.#random = random
    this.#clock = clock
  }

  /** Opens a session in the log. @throws QuorateError `session_limit`, `storage_failed`, `closed` */
  async open(): Promise<void> {
    const opening = {
      caller: ROOT_CALLER,
      kind: 'node',
      nonce: this.#random.bytes(NONCE_BYTES),
      notAfterMicros: 0,
    } as const
    const bytes = await new Promise<Uint8Array>((resolve, reject) =>
      this.#sequencer.propose(EntryKind.openSession, encodeSessionOpening(opening), (outcome, error) =>
        outcome === undefined ? reject(error!) : resolve(outcome),
      ),
    )
    const outcome = decodeOutcome(bytes)
    if (outcome.status === 'refused') throw refusalError(outcome)
    this.#id = outcome.seq
    this.#serial = 0
    this.#answered = 0
    this.#abandoned = []
  }

  /** hot path (bench/embedded) */
  submit(submission: Submission): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push({ issued: Number.MAX_SAFE_INTEGER, submission })
      return
    }
    const session = this.#id
    const serial = this.#serial + 1
    const request = encodeRequest(
      {
        caller: submission.caller,
        session,
        serial,
        acknowledgedThrough: Math.min(this.#answered, (this.#abandoned[0] ?? Infinity) - 1),
        notAfterMicros: submission.notAfterMicros,
        copy: 0,
      },
      submission.envelope,
      ENTRY_HEADER_BYTES,
    )
    const refusal = this.#machine.checkRequest(request, ENTRY_HEADER_BYTES)
    if (refusal !== undefined) {
      submission.settle(undefined, new QuorateError(refusal.code, refusal.message))
      return
    }
    this.#serial = serial
    submission.reference = { session, serial }
    const { metrics } = this.#sequencer
    const startMs = this.#clock.monotonicMs()
    metrics.inFlight++
    const onOutcome: OutcomeHandler = (outcome, error) => {
      const durationMs = this.#sequencer.appliedMs - startMs
      metrics.onAnswer(outcome, durationMs)
      if (durationMs >= this.slow.thresholdMs && outcome !== undefined) this.#noteSlow(request, outcome, durationMs)
      if (session === this.#id) this.#answered = serial
      if (outcome !== undefined && isSessionEnded(outcome)) this.#submitAgain(submission)
      else submission.settle(outcome, error)
    }
    this.#sequencer.proposeEntry(EntryKind.transaction, request, onOutcome, submission.isEconomic)
  }

  /** `request` has room in front. In a group of one a commit is given to the log at once: it waits for the log, and for what is applied before it. */
  #noteSlow(request: Uint8Array, outcome: Uint8Array, totalMs: number): void {
    const code = refusalCode(outcome)
    const applyMs = Math.min(totalMs, this.#sequencer.lastApplyMs)
    this.slow.add({
      timeMicros: this.#machine.leaderTimeMicros,
      kind: 'commit',
      ...requestContent(request.subarray(ENTRY_HEADER_BYTES)),
      totalMs,
      phases: { queueMs: 0, commitMs: totalMs - applyMs, applyMs, replyMs: 0 },
      ...(code !== undefined && { code }),
    })
  }

  /** The caller of `submission` waits no longer, but may ask for its outcome later. */
  abandon(submission: Submission): void {
    submission.isAbandoned = true
    if (submission.reference.session !== this.#id) return
    this.#abandoned.push(submission.reference.serial)
    if (this.#abandoned.length > ABANDONED_MAX) this.#abandoned.shift()
  }

  #submitAgain(submission: Submission): void {
    const isFirst = this.#waiting === undefined
    this.#waiting ??= []
    this.#waiting.push({ issued: submission.reference.serial, submission })
    if (!isFirst) return
    // All that the old session was asked is proposed before this: its refusals are here when the opening is applied.
    this.open().then(
      () => {
        for (const { submission: next } of this.#takeWaiting()) if (!next.isAbandoned) this.submit(next)
      },
      (cause: unknown) => {
        const error = cause instanceof QuorateError ? cause : new QuorateError('internal', 'no session', { cause })
        for (const { submission: next } of this.#takeWaiting()) next.settle(undefined, error)
      },
    )
  }

  #takeWaiting(): { submission: Submission }[] {
    const waiting = this.#waiting!
    this.#waiting = undefined
    return waiting.sort((a, b) => a.issued - b.issued)
  }
}

function isSessionEnded(outcome: Uint8Array): boolean {
  if (outcome[STATUS_OFFSET] !== REFUSED) return false
  const decoded = decodeOutcome(outcome)
  return decoded.status === 'refused' && decoded.code === 'session_ended'
}
