import {
  decodeConfiguration,
  decodeOutcome,
  decodeSessionOpening,
  decodeTick,
  encodeOutcome,
  encodePlainCommit,
  ENTRY_HEADER_BYTES,
  EntryKind,
  entryKind,
  entryTimeMicros,
  EnvelopeCursor,
  MalformedBytes,
  repeatedOutcome,
  REQUEST_HEADER_BYTES,
  requestAcknowledgedThrough,
  requestEnvelopeStart,
  requestNotAfterMicros,
  requestSerial,
  requestSession,
} from '../encoding/index.ts'
import type { Configuration, MutationResult } from '../encoding/index.ts'
import { InvariantError } from '../model/index.ts'
import type { EntryOutcome } from '../model/index.ts'
import type { ApplyCounters } from './apply-counters.ts'
import { AppliedEntry } from './applied-entry.ts'
import { assertionDetail, recordAudit } from './audit.ts'
import type { AuditEvent } from './audit.ts'
import { Changes } from './changes.ts'
import { changedState, putSessionFloor } from './cluster-state.ts'
import type { ClusterState } from './cluster-state.ts'
import type { EntryWork } from './entry-work.ts'
import type { EffectLog } from './events/index.ts'
import { stepJobs } from './job-steps.ts'
import { expireKeys } from './kv/index.ts'
import { idempotencyKey, outcomeKey } from './layers.ts'
import { isMutant } from './mutants.ts'
import type { RecordStore } from './record-store.ts'
import { expireRows } from './rows/index.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import {
  expireIdempotent,
  findIdempotent,
  fingerprint,
  fitsSlot,
  rememberIdempotent,
  Sessions,
  SlotKind,
} from './sessions/index.ts'
import type { Fingerprint, Session } from './sessions/index.ts'
import { Callers, Quotas, TransactionApplier } from './transaction/index.ts'

export interface ApplierOptions {
  gathersSlots?: boolean
  counters?: ApplyCounters
  /** How much copies of sessions may take in memory; default: any. */
  sessionBytesMax?: number
}

/** Sessions that one tick may end. */
const SESSIONS_PER_TICK_MAX = 16
/** A caller is part of keys: whoever names a longer one is refused. */
const CALLER_BYTES_MAX = 128
const NEVER = Number.POSITIVE_INFINITY

/**
 * Applies entries, one at a time, to a store (DESIGN 7.6). A pure function of (state, entry): it has no clock and no
 * configuration. An entry either has all its effect or, when `ColdPages` is thrown, none; any other throw leaves the store to be
 * thrown away.
 */
export class EntryApplier {
  /** As of the last applied entry. */
  state: ClusterState
  leaderTimeMicros: number
  configuration: Configuration | undefined
  /** The configuration's own bytes. */
  membership: Uint8Array = new Uint8Array(0)
  /** The earliest time at which something expires, or earlier; Infinity = never. */
  earliestExpiryMicros: number = NEVER
  readonly sessions: Sessions
  /** The entry in the making; for a mutant only. */
  #coldSeq = 0
  readonly #changes: Changes
  readonly #work: EntryWork
  readonly #cursor = new EnvelopeCursor()
  readonly #transaction = new TransactionApplier()
  readonly #callers = new Callers()
  readonly #quotas = new Quotas()
  readonly #counters: ApplyCounters | undefined
  /** Of the present transaction: in whose name it acts, and who really does if that is another. */
  #caller = ''
  #actor: string | undefined

  /** With `gathersSlots` session slots wait for `sessions.writeSlots`, which is called before S is looked at and before a publication. */
  constructor(
    store: RecordStore,
    effects: EffectLog,
    state: ClusterState,
    leaderTimeMicros: number,
    { gathersSlots = false, counters, sessionBytesMax }: ApplierOptions = {},
  ) {
    this.#counters = counters
    this.state = state
    this.sessions = new Sessions(gathersSlots ? store : undefined, sessionBytesMax)
    this.leaderTimeMicros = leaderTimeMicros
    this.#changes = new Changes(store)
    this.#work = {
      seq: 0,
      timeMicros: 0,
      changes: this.#changes,
      state,
      ownCatalog: undefined,
      effects,
      earliestExpiryMicros: NEVER,
    }
  }

  /** Goes on from a stored state: its configuration, and when something expires first. */
  restore(membership: Uint8Array, earliestExpiryMicros: number): void {
    this.membership = membership
    this.configuration = membership.length === 0 ? undefined : decodeConfiguration(membership)
    this.earliestExpiryMicros = earliestExpiryMicros
  }

  /** Goes on from another state, which was installed. */
  adopt(state: ClusterState, leaderTimeMicros: number, membership: Uint8Array, earliestExpiryMicros: number): void {
    this.state = state
    this.leaderTimeMicros = leaderTimeMicros
    if (!isMutant('session_cache_survives_install')) this.sessions.clear()
    this.restore(membership, earliestExpiryMicros)
  }

  /** hot path (bench/apply): applies the entry `bytes[at, end)`, which `checkEntry` has passed. See `apply`. */
  applyEntry(seq: number, bytes: Uint8Array, at: number, end: number): EntryOutcome | undefined {
    return this.apply(entryKind(bytes, at), seq, entryTimeMicros(bytes, at), bytes, at + ENTRY_HEADER_BYTES, end)
  }

  /** Applies the entry whose payload is `bytes[start, end)`. Returns what somebody may be waiting for. */
  apply(
    kind: EntryKind,
    seq: number,
    timeMicros: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): EntryOutcome | undefined {
    if (timeMicros < this.leaderTimeMicros) throw new InvariantError(`entry ${seq}: leader time went back`)
    this.#work.seq = seq
    this.#work.timeMicros = timeMicros
    if (this.#coldSeq !== seq || !isMutant('cold_entry_keeps_changes')) this.#restart()
    this.#coldSeq = seq
    this.#work.effects.beginEntry(seq)
    const outcome = this.#applyKind(kind, seq, bytes, start, end)
    this.leaderTimeMicros = timeMicros
    return outcome
  }

  #applyKind(kind: EntryKind, seq: number, bytes: Uint8Array, start: number, end: number): EntryOutcome | undefined {
    switch (kind) {
      case EntryKind.transaction:
        return this.#applyTransaction(seq, bytes, start, end)
      case EntryKind.openSession:
        return this.#openSession(seq, bytes.subarray(start, end))
      case EntryKind.tick:
        this.#tick(decodeTick(bytes.subarray(start, end)))
        return undefined
      case EntryKind.noop:
        this.#beginTerm()
        return undefined
      case EntryKind.configuration:
        this.membership = bytes.slice(start, end)
        this.configuration = decodeConfiguration(this.membership)
        return undefined
      default:
        throw new RangeError(`entry ${seq} has the unknown kind ${String(kind satisfies never)}`)
    }
  }

  /** Drops what the entry has done so far. */
  #restart(): void {
    const work = this.#work
    work.changes.begin(work.seq)
    work.state = this.state
    work.ownCatalog = undefined
    work.earliestExpiryMicros = NEVER
    this.sessions.begin()
  }

  /** Writes what the entry has changed. Throws `ColdPages` before the first write. */
  #commit(): void {
    const work = this.#work
    work.changes.commit()
    this.sessions.settle()
    this.state = work.state
    work.effects.endEntry()
    if (work.earliestExpiryMicros < this.earliestExpiryMicros) this.earliestExpiryMicros = work.earliestExpiryMicros
  }

  /** hot path (bench/apply) */
  #applyTransaction(seq: number, bytes: Uint8Array, start: number, end: number): EntryOutcome {
    const work = this.#work
    let envelopeStart: number
    let caller: string
    try {
      envelopeStart = requestEnvelopeStart(bytes, start, end)
      caller = this.#callers.at(bytes, start + REQUEST_HEADER_BYTES, envelopeStart)
    } catch (error) {
      if (!isMalformed(error)) throw error
      return this.#unrecorded(seq, 0, 0, MALFORMED)
    }
    const callerBytes = envelopeStart - start - REQUEST_HEADER_BYTES
    if (callerBytes < 1 || callerBytes > CALLER_BYTES_MAX) return this.#unrecorded(seq, 0, 0, MALFORMED)
    this.#caller = caller
    this.#actor = undefined
    const id = requestSession(bytes, start)
    const serial = requestSerial(bytes, start)
    const session = id === 0 ? undefined : this.sessions.find(this.#changes, this.state, id, work.timeMicros)
    const notAfter = requestNotAfterMicros(bytes, start)
    let late = notAfter !== 0 && work.timeMicros > notAfter ? LATE : undefined
    if (late !== undefined && isMutant('not_after_before_session')) return this.#unrecorded(seq, id, serial, late)
    if (id !== 0) {
      const early = this.#fromSession(seq, id, serial, session, caller)
      if (early !== undefined) return early
      if (session !== undefined && this.sessions.isOvertaken(session, serial)) late = OVERTAKEN
    }
    const acknowledged = requestAcknowledgedThrough(bytes, start)
    try {
      return this.#applyEnvelope(seq, session, serial, acknowledged, caller, late, bytes, envelopeStart, end)
    } catch (error) {
      if (!isMalformed(error)) throw error
      return this.#finishRefused(seq, session, serial, acknowledged, MALFORMED)
    }
  }

  /** What the session alone decides: that there is none, that it is another's, or that the serial was answered before. */
  #fromSession(
    seq: number,
    id: number,
    serial: number,
    session: Session | undefined,
    caller: string,
  ): EntryOutcome | undefined {
    if (session === undefined)
      return this.#unrecorded(seq, id, serial, refuse('session_ended', 'there is no such session'))
    if (session.kind === 'client' && session.caller !== caller) {
      this.#actor = session.caller
      if (!this.state.access.of(session.caller).mayImpersonate) return this.#notImpersonated(seq, id, serial)
    }
    const slot = this.sessions.lookUp(this.#changes, session, serial)
    if (slot.state === 'recorded') {
      if (this.#counters !== undefined) this.#counters.repeated.session++
      return new AppliedEntry(seq, id, serial, repeatedOutcome(slot.outcome), true)
    }
    return slot.state === 'refused' ? this.#unrecorded(seq, id, serial, slot.refusal) : undefined
  }

  #notImpersonated(seq: number, id: number, serial: number): EntryOutcome {
    if (this.state.settings.auditRefusals === 1) {
      this.#audit(NOT_OWN)
      this.#commit()
    }
    return this.#unrecorded(seq, id, serial, NOT_OWN)
  }

  /** Adds the audit rows that are due for what is refused, or committed. Part of the entry. */
  #audit(refusal: Refusal | undefined): void {
    const { audited } = this.#transaction
    if (this.#actor === undefined && refusal === undefined && audited.length === 0) return
    const { auditRefusals, auditAssertions } = this.state.settings
    const who = { actor: this.#actor ?? this.#caller, caller: this.#caller, code: refusal?.code ?? '' }
    const isDenied = refusal?.code === 'permission_denied' && auditRefusals === 1
    const events: AuditEvent[] = []
    if (this.#actor !== undefined || isDenied) events.push({ kind: isDenied ? 'denied' : 'impersonated', ...who })
    if (refusal === undefined) for (const change of audited) events.push({ ...who, ...change })
    else if (refusal.code === 'assertion_failed' && auditAssertions === 1) {
      const { index = 0, actualSeq = 0 } = refusal.detail ?? {}
      events.push({ kind: 'assertionFailed', ...who, detail: assertionDetail(index, actualSeq) })
    }
    if (events.length > 0) recordAudit(this.#work, events)
  }

  #applyEnvelope(
    seq: number,
    session: Session | undefined,
    serial: number,
    acknowledged: number,
    caller: string,
    late: Refusal | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): EntryOutcome {
    const work = this.#work
    const cursor = this.#cursor
    cursor.open(bytes, start, end)
    let key: Uint8Array | undefined
    let print: Fingerprint | undefined
    if (cursor.idempotencyEnd !== 0) {
      key = idempotencyKey(utf8.encode(caller), bytes.subarray(cursor.idempotencyStart, cursor.idempotencyEnd))
      print = fingerprint(bytes, start, end)
      const found = findIdempotent(work, key, print)
      if (found instanceof Uint8Array) return this.#finishKnown(seq, session, serial, acknowledged, found)
      if (found !== undefined) return this.#finishRefused(seq, session, serial, acknowledged, found)
    }
    if (late !== undefined) return this.#finishRefused(seq, session, serial, acknowledged, late)
    if (end - start > this.state.settings.transactionBytesMax) {
      return this.#finishRefused(seq, session, serial, acknowledged, refuse('transaction_too_large', 'too many bytes'))
    }
    const refusal = this.#transaction.apply(work, cursor, caller, this.state.access.of(caller))
    if (refusal !== undefined) return this.#finishRefused(seq, session, serial, acknowledged, refusal, key, print)
    const overQuota = work.state.catalog.hasQuotas ? this.#quotas.check(work) : undefined
    if (overQuota !== undefined) return this.#finishRefused(seq, session, serial, acknowledged, overQuota, key, print)
    const { results } = this.#transaction
    if (results.length === 0 && key === undefined) return this.#finishPlain(seq, session, serial, acknowledged)
    const outcome = encodeOutcome({ status: 'committed', seq, results })
    const limit = this.state.settings.outcomeBytesMax
    if (outcome.length > limit) {
      const tooLarge = refuse('transaction_too_large', `the results have more than ${limit} bytes`)
      return this.#finishRefused(seq, session, serial, acknowledged, tooLarge)
    }
    if (key !== undefined) rememberIdempotent(work, key, print!, outcome)
    if (session !== undefined) this.#recordCommitted(session, serial, acknowledged, seq, outcome, results)
    this.#audit(undefined)
    this.#commitTransaction()
    return new AppliedEntry(seq, session?.id ?? 0, serial, outcome, false)
  }

  #commitTransaction(): void {
    this.#commit()
    this.#counters?.onCommitted(this.#transaction.projectId)
    if (this.state.catalog.hasQuotas) this.#quotas.settle(this.#work)
  }

  /** hot path (bench/apply): committed, and no mutation answers anything. */
  #finishPlain(seq: number, session: Session | undefined, serial: number, acknowledged: number): EntryOutcome {
    if (session !== undefined) {
      this.sessions.record(this.#work, session, serial, acknowledged, SlotKind.committed, seq, 0n)
    }
    this.#audit(undefined)
    this.#commitTransaction()
    return new AppliedEntry(seq, session?.id ?? 0, serial, undefined, false)
  }

  #recordCommitted(
    session: Session,
    serial: number,
    acknowledged: number,
    seq: number,
    outcome: Uint8Array,
    results: readonly MutationResult[],
  ): void {
    const work = this.#work
    if (results.length === 0) this.sessions.record(work, session, serial, acknowledged, SlotKind.committed, seq, 0n)
    else if (fitsSlot(results)) {
      this.sessions.record(work, session, serial, acknowledged, SlotKind.number, seq, results[0] as bigint)
    } else this.#recordWhole(session, serial, acknowledged, seq, outcome)
  }

  #recordWhole(session: Session, serial: number, acknowledged: number, seq: number, outcome: Uint8Array): void {
    this.#changes.put(outcomeKey(session.id, serial), outcome)
    this.sessions.record(this.#work, session, serial, acknowledged, SlotKind.record, seq, 0n)
  }

  /** A refusal changes nothing but its session slot, and the audit rows where they are kept. */
  #finishRefused(
    seq: number,
    session: Session | undefined,
    serial: number,
    acknowledged: number,
    refusal: Refusal,
    key?: Uint8Array,
    print?: Fingerprint,
  ): EntryOutcome {
    if (!isMutant('refusal_keeps_changes')) {
      this.#restart()
      this.#work.effects.drop()
    }
    const outcome = encodeRefusal(seq, refusal)
    if (key !== undefined && isMutant('idempotency_keeps_refusals'))
      rememberIdempotent(this.#work, key, print!, outcome)
    if (session !== undefined) this.#recordWhole(session, serial, acknowledged, seq, outcome)
    this.#audit(refusal)
    this.#commit()
    this.#counters?.onRefused(this.#transaction.projectId, refusal.code)
    return new AppliedEntry(seq, session?.id ?? 0, serial, outcome, false)
  }

  /** The transaction was applied before, under the same idempotency key. */
  #finishKnown(
    seq: number,
    session: Session | undefined,
    serial: number,
    acknowledged: number,
    outcome: Uint8Array,
  ): EntryOutcome {
    if (session !== undefined) {
      const known = decodeOutcome(outcome)
      const results = known.status === 'committed' ? known.results : []
      this.#recordCommitted(session, serial, acknowledged, known.seq, outcome, results)
      this.#commit()
    }
    if (this.#counters !== undefined) this.#counters.repeated.idempotencyKey++
    return new AppliedEntry(seq, session?.id ?? 0, serial, repeatedOutcome(outcome), true)
  }

  #unrecorded(seq: number, session: number, serial: number, refusal: Refusal): EntryOutcome {
    return new AppliedEntry(seq, session, serial, encodeRefusal(seq, refusal), false)
  }

  #openSession(seq: number, payload: Uint8Array): EntryOutcome {
    let opened: number | Refusal
    try {
      opened = this.sessions.open(this.#work, decodeSessionOpening(payload))
    } catch (error) {
      if (!isMalformed(error)) throw error
      return this.#unrecorded(seq, 0, 0, MALFORMED)
    }
    if (typeof opened !== 'number') return this.#unrecorded(seq, 0, 0, opened)
    this.#commit()
    if (this.#counters !== undefined && opened === seq) this.#counters.sessions.opened++
    return new AppliedEntry(seq, opened, 0, encodePlainCommit(opened), opened !== seq)
  }

  /** A term's first entry keeps all sessions alive for one more lifetime: their clients could not reach a leader. */
  #beginTerm(): void {
    const work = this.#work
    const lifetimeMs = isMutant('session_floor_ignored') ? 0 : this.state.settings.sessionLifetimeMs
    const sessionFloorMicros = work.timeMicros + lifetimeMs * 1000
    putSessionFloor(work.changes, sessionFloorMicros)
    work.state = changedState(work.state, { sessionFloorMicros })
    this.#commit()
  }

  #tick(keysMax: number): void {
    const work = this.#work
    const limit = Math.min(keysMax, this.state.settings.tickKeysMax)
    const keys = expireKeys(work, limit)
    const rows = expireRows(work, limit - keys.removed)
    const sessions = this.sessions.expire(work, Math.min(SESSIONS_PER_TICK_MAX, limit))
    const left = limit - keys.removed - rows.removed
    const idempotent = expireIdempotent(work, left)
    stepJobs(work, left - idempotent.removed)
    this.#commit()
    if (this.#counters !== undefined) this.#counters.sessions.expired += sessions.ended
    const { nextMicros } = keys
    this.earliestExpiryMicros = Math.min(nextMicros, rows.nextMicros, sessions.nextMicros, idempotent.nextMicros)
  }
}

const utf8 = new TextEncoder()
const LATE: Refusal = refuse('expired', 'the request came too late to be applied')
const OVERTAKEN: Refusal = refuse('expired', 'a request that its client issued later was decided before it')

const NOT_OWN: Refusal = refuse('permission_denied', 'the session belongs to another caller')

const MALFORMED: Refusal = refuse('malformed_request', 'the bytes are no request')

function encodeRefusal(seq: number, refusal: Refusal): Uint8Array {
  return encodeOutcome({ status: 'refused', seq, ...refusal })
}

/** Bytes that are no request are refused, the same on all replicas; any other error stops this one. */
function isMalformed(error: unknown): boolean {
  return error instanceof MalformedBytes
}
