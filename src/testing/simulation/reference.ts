import {
  bytesToHex,
  decodeEnvelope,
  decodeRequestHeader,
  decodeSessionOpening,
  decodeTick,
  EntryKind,
  isKeyAssertion,
  isKvMutation,
  rangeDigest,
} from '../../encoding/index.ts'
import type {
  Assertion,
  KeyTarget,
  Mutation,
  MutationResult,
  TableAssertion,
  TransactionEnvelope,
} from '../../encoding/index.ts'
import { DEFAULT_SETTINGS, ROOT_CALLER } from '../../model/index.ts'
import { missing, ReferenceDdl } from './reference-ddl.ts'
import type { ReferenceSettings } from './reference-ddl.ts'
import { ReferenceEvents } from './reference-events.ts'
import { ReferenceHistory } from './reference-history.ts'
import { ReferenceGrants } from './reference-grants.ts'
import { ReferenceKeys } from './reference-keys.ts'
import type { Effect } from './reference-keys.ts'
import { ReferencePermissions } from './reference-permissions.ts'
import { ReferenceRows } from './reference-rows.ts'
import type { RowFinding } from './reference-rows.ts'
import { isTableMutation, ReferenceTables } from './reference-tables.ts'
import type { ReferenceTable, Sight } from './reference-tables.ts'

/** An entry as the oracle has decoded it. */
export interface ReferenceEntry {
  readonly seq: number
  readonly kind: EntryKind
  readonly leaderTimeMicros: number
  readonly payload: Uint8Array
}

/** `either`: true or false, which depends on what was done in the background. */
export type ExpectedResult = MutationResult | 'either'

/** What an outcome says, without its wording. */
export type ExpectedOutcome =
  | { readonly status: 'committed'; readonly seq: number; readonly results: readonly ExpectedResult[] }
  | { readonly status: 'refused'; readonly code: string; readonly actualSeq: number | undefined }

export interface Expected {
  readonly outcome: ExpectedOutcome
  /** Seq of the entry that this one repeats: its outcome must come back byte for byte, but for the flag that tells a repetition. */
  readonly repeats: number | undefined
  /** The engine may also say that it has forgotten this serial. */
  readonly mayBeForgotten: boolean
  /** Its client has issued it before what it follows: it is not applied. */
  readonly isOvertaken?: true
}

interface Session {
  readonly id: number
  readonly nonce: string
  readonly kind: 'client' | 'node'
  /** The largest that was answered. */
  lastSerial: number
  lastUseMicros: number
  acknowledgedThrough: number
  /** When a tick looks at it, us. */
  dueMicros: number
  /** A tick has removed it: no later no-op brings it back. */
  isRemoved: boolean
  /** Seq of the entry that answered a serial. */
  readonly answers: Map<number, { seq: number; outcome: ExpectedOutcome }>
}

type RefusedOutcome = Extract<ExpectedOutcome, { status: 'refused' }>

const refused = (code: string, actualSeq?: number): RefusedOutcome => ({ status: 'refused', code, actualSeq })
const SLOTS_PER_CHUNK = 32
const SESSIONS_PER_TICK = 16

/**
 * What the replicated state must do, said in the plainest way, for all that the simulated clients ask. It is fed every committed entry
 * once, in order, and keeps the history of every key, so that a read at any seq can be judged.
 */
export class Reference {
  readonly keys: ReferenceKeys = new ReferenceKeys()
  /** As of the last entry. */
  readonly tables: ReferenceTables = new ReferenceTables()
  readonly grants: ReferenceGrants = new ReferenceGrants()
  readonly permissions: ReferencePermissions = new ReferencePermissions(this.grants, this.keys)
  readonly events: ReferenceEvents = new ReferenceEvents()
  readonly #rows = new ReferenceRows(this.tables)
  readonly #history = new ReferenceHistory()
  readonly #settings: ReferenceSettings = {
    sessionLifetimeMicros: DEFAULT_SETTINGS.sessionLifetimeMs * 1000,
    tickKeysMax: DEFAULT_SETTINGS.tickKeysMax,
  }
  readonly #catalog: ReferenceDdl
  readonly #sessions = new Map<number, Session>()
  readonly #byNonce = new Map<string, number>()
  readonly #idempotent = new Map<string, { envelope: string; seq: number; outcome: ExpectedOutcome }>()
  /** Leader time of each entry, us; index = seq. */
  readonly #times: number[] = [0]
  #sessionFloorMicros = 0

  constructor() {
    const { keys, tables, grants, events } = this
    this.#catalog = new ReferenceDdl({ keys, tables, grants, events, settings: this.#settings })
  }

  get lastSeq(): number {
    return this.#times.length - 1
  }

  timeAt(seq: number): number {
    return this.#times[seq] ?? 0
  }

  /** How often (session, serial) was applied: once, or not at all. */
  answerOf(session: number, serial: number): { seq: number; outcome: ExpectedOutcome } | undefined {
    return this.#sessions.get(session)?.answers.get(serial)
  }

  /** The tables after the entry `seq`, with their rows and policies; undefined = that is forgotten. */
  tablesAt(seq: number): readonly ReferenceTable[] | undefined {
    return this.#history.at(seq, this.tables.tables)
  }

  /** Keys and rows of the project, as they are stored: what has expired counts until a tick has removed it. */
  get storedRecords(): number {
    return this.keys.storedRecords + this.tables.tables.reduce((sum, { rows }) => sum + rows.length, 0)
  }

  /** Records that the project may have; undefined = any number. */
  get quota(): number | undefined {
    return this.#catalog.quota
  }

  /** Whether the caller had no permission for all of the envelope after some entry of [fromSeq, throughSeq]. */
  wasDenied(caller: string, envelope: TransactionEnvelope, fromSeq: number, throughSeq: number): boolean {
    for (let seq = fromSeq; seq <= throughSeq; seq++) if (this.permissions.isDenied(caller, envelope, seq)) return true
    return false
  }

  /** Applies the next entry; what its outcome must be, if it has one. */
  apply(entry: ReferenceEntry): Expected | undefined {
    this.#times.push(entry.leaderTimeMicros)
    switch (entry.kind) {
      case EntryKind.noop:
        this.#sessionFloorMicros = entry.leaderTimeMicros + this.#settings.sessionLifetimeMicros
        return undefined
      case EntryKind.configuration:
        return undefined
      case EntryKind.tick:
        this.#tick(entry.seq, entry.leaderTimeMicros, Math.min(decodeTick(entry.payload), this.#settings.tickKeysMax))
        return undefined
      case EntryKind.openSession:
        return { outcome: this.#open(entry), repeats: undefined, mayBeForgotten: false }
      case EntryKind.transaction:
        return this.#transaction(entry)
      default:
        throw new RangeError(`entry of the unknown kind ${String(entry.kind satisfies never)}`)
    }
  }

  #remove(session: Session): void {
    session.isRemoved = true
    this.#byNonce.delete(session.nonce)
  }

  #tick(seq: number, timeMicros: number, keysMax: number): void {
    const keys = this.keys.expire(seq, timeMicros, keysMax)
    this.tables.begin(seq, timeMicros)
    this.tables.tick(timeMicros, keysMax - keys)
    this.#endHistory(seq)
    this.#endSessions(timeMicros, Math.min(SESSIONS_PER_TICK, keysMax))
  }

  #endHistory(seq: number): void {
    const { before } = this.tables
    if (before !== undefined) this.#history.push(seq, before)
  }

  #open(entry: ReferenceEntry): ExpectedOutcome {
    const opening = decodeSessionOpening(entry.payload)
    const nonce = bytesToHex(opening.nonce)
    const known = this.#byNonce.get(nonce)
    if (known !== undefined) {
      const isLive = this.#live(known, entry.leaderTimeMicros) !== undefined
      return isLive ? { status: 'committed', seq: known, results: [] } : refused('session_ended')
    }
    if (opening.notAfterMicros !== 0 && entry.leaderTimeMicros > opening.notAfterMicros) return refused('expired')
    this.#byNonce.set(nonce, entry.seq)
    this.#sessions.set(entry.seq, {
      id: entry.seq,
      nonce,
      kind: opening.kind,
      lastSerial: 0,
      lastUseMicros: entry.leaderTimeMicros,
      acknowledgedThrough: 0,
      dueMicros: Math.max(entry.leaderTimeMicros + this.#settings.sessionLifetimeMicros, this.#sessionFloorMicros) + 1,
      isRemoved: false,
      answers: new Map(),
    })
    return { status: 'committed', seq: entry.seq, results: [] }
  }

  #live(id: number, timeMicros: number): Session | undefined {
    const session = this.#sessions.get(id)
    return session === undefined || session.isRemoved || timeMicros > this.#endOf(session) ? undefined : session
  }

  #endOf(session: Session): number {
    return Math.max(session.lastUseMicros + this.#settings.sessionLifetimeMicros, this.#sessionFloorMicros)
  }

  /** What a tick does: looks at the sessions that are due, a few at a time, and ends those that were not used since. */
  #endSessions(timeMicros: number, most: number): void {
    const due = [...this.#sessions.values()].filter(session => !session.isRemoved && session.dueMicros <= timeMicros)
    due.sort((a, b) => a.dueMicros - b.dueMicros || a.id - b.id)
    for (const session of due.slice(0, most)) {
      const endMicros = this.#endOf(session)
      if (timeMicros > endMicros) this.#remove(session)
      else session.dueMicros = endMicros + 1
    }
  }

  #transaction({ seq, leaderTimeMicros, payload }: ReferenceEntry): Expected {
    const request = decodeRequestHeader(payload)
    const { serial } = request
    const session = request.session === 0 ? undefined : this.#live(request.session, leaderTimeMicros)
    const once = (outcome: ExpectedOutcome): Expected => ({ outcome, repeats: undefined, mayBeForgotten: false })
    if (request.session !== 0 && session === undefined) return once(refused('session_ended'))
    const before = session?.answers.get(serial)
    if (session !== undefined && before !== undefined) {
      return { outcome: before.outcome, repeats: before.seq, mayBeForgotten: isForgettable(session, serial) }
    }
    const found = this.#findIdempotent(request.caller, request.envelope)
    const record = (outcome: ExpectedOutcome, answeredBy = seq): void => {
      if (session === undefined) return
      session.answers.set(serial, { seq: answeredBy, outcome })
      session.lastSerial = Math.max(session.lastSerial, serial)
      session.lastUseMicros = leaderTimeMicros
      session.acknowledgedThrough = Math.max(session.acknowledgedThrough, request.acknowledgedThrough)
    }
    if (found?.outcome !== undefined) {
      record(found.outcome, found.seq)
      return { outcome: found.outcome, repeats: found.seq, mayBeForgotten: false }
    }
    const isOvertaken = session?.kind === 'client' && serial < session.lastSerial
    const isLate = isOvertaken || (request.notAfterMicros !== 0 && leaderTimeMicros > request.notAfterMicros)
    const outcome =
      found?.isMismatch === true
        ? refused('idempotency_mismatch')
        : isLate
          ? refused('expired')
          : this.#envelope(seq, leaderTimeMicros, request.caller, decodeEnvelope(request.envelope))
    record(outcome)
    if (found !== undefined && !found.isMismatch && outcome.status === 'committed') {
      this.#idempotent.set(found.key, { envelope: bytesToHex(request.envelope), seq, outcome })
    }
    const mayBeForgotten = session !== undefined && isForgettable(session, serial)
    return { outcome, repeats: undefined, mayBeForgotten, ...(isOvertaken && { isOvertaken }) }
  }

  #findIdempotent(
    caller: string,
    bytes: Uint8Array,
  ): { key: string; seq: number; outcome: ExpectedOutcome | undefined; isMismatch: boolean } | undefined {
    const { idempotencyKey } = decodeEnvelope(bytes)
    if (idempotencyKey === undefined) return undefined
    const key = `${caller}\n${idempotencyKey}`
    const known = this.#idempotent.get(key)
    if (known === undefined) return { key, seq: 0, outcome: undefined, isMismatch: false }
    const isSame = known.envelope === bytesToHex(bytes)
    return { key, seq: known.seq, outcome: isSame ? known.outcome : undefined, isMismatch: !isSame }
  }

  #envelope(seq: number, timeMicros: number, caller: string, envelope: TransactionEnvelope): ExpectedOutcome {
    const failed = this.#preconditions(timeMicros, caller, envelope) ?? this.#denied(caller, envelope)
    return failed ?? this.#mutations(seq, timeMicros, caller, envelope)
  }

  #preconditions(timeMicros: number, caller: string, envelope: TransactionEnvelope): ExpectedOutcome | undefined {
    const { keys, permissions } = this
    this.tables.passTo(timeMicros)
    for (const point of envelope.readSet?.points ?? []) {
      if (point.table !== undefined) {
        const failure = this.#rowRead(caller, this.#rows.point(point))
        if (failure !== undefined) return failure
        continue
      }
      const actualSeq = keys.versionOf(point, timeMicros)
      if (actualSeq === undefined) return refused('scope_not_found')
      if (!permissions.mayRead(caller, point)) return refused('permission_denied')
      if (actualSeq !== point.seq) return refused('conflict', actualSeq)
    }
    for (const range of envelope.readSet?.ranges ?? []) {
      if (range.table !== undefined) {
        const failure = this.#rowRead(caller, this.#rows.range(range))
        if (failure !== undefined) return failure
        continue
      }
      if (!permissions.mayReadRange(caller, range)) return refused('permission_denied')
      const records = keys.scan(range, Number.MAX_SAFE_INTEGER, timeMicros)
      if (rangeDigest(records) !== range.digest) return refused('conflict', 0)
    }
    for (const assertion of envelope.assertions ?? []) {
      const failure = this.#assert(assertion, caller, timeMicros)
      if (failure !== undefined) return failure
    }
    return undefined
  }

  /** Of the read set. */
  #rowRead(caller: string, found: RowFinding): ExpectedOutcome | undefined {
    if (caller !== ROOT_CALLER) throw new RangeError('rows of read sets are read by root alone')
    if (typeof found === 'string') return refused(found)
    return found.holds ? undefined : refused('conflict', found.actualSeq)
  }

  #denied(caller: string, { mutations }: TransactionEnvelope): ExpectedOutcome | undefined {
    for (const mutation of mutations) {
      const code = this.permissions.deniedMutation(caller, mutation)
      if (code !== undefined) return refused(code)
    }
    return undefined
  }

  #mutations(seq: number, timeMicros: number, caller: string, envelope: TransactionEnvelope): ExpectedOutcome {
    const { keys, tables, grants, events } = this
    const parts = [grants, events, this.#catalog]
    const results: ExpectedResult[] = []
    keys.begin(seq)
    tables.begin(seq, timeMicros)
    for (const part of parts) part.begin()
    const recordsBefore = this.storedRecords
    const undo = (refusal: ExpectedOutcome): ExpectedOutcome => {
      keys.rollBack()
      tables.rollBack()
      for (const part of parts) part.rollBack()
      return refusal
    }
    for (const mutation of envelope.mutations) {
      const result = this.#mutate(mutation, seq, timeMicros, caller)
      if (typeof result === 'object') return undo(result)
      results.push(result)
    }
    if (this.#isOverQuota(recordsBefore)) return undo(refused('quota_exceeded'))
    keys.commit()
    grants.commit(seq)
    this.#endHistory(seq)
    return { status: 'committed', seq, results: results.some(result => result !== undefined) ? results : [] }
  }

  /** What makes the project no larger is never refused. */
  #isOverQuota(before: number): boolean {
    const { quota } = this.#catalog
    if (quota === undefined) return false
    const after = this.storedRecords
    return after > before && after > quota
  }

  #assert(assertion: Assertion, caller: string, timeMicros: number): ExpectedOutcome | undefined {
    if (!isKeyAssertion(assertion)) return this.#assertRow(assertion, caller)
    const actualSeq = this.keys.versionOf(assertion, timeMicros)
    if (actualSeq === undefined) return refused('scope_not_found')
    if (!this.permissions.mayRead(caller, assertion)) return refused('permission_denied')
    if (assertion.type === 'keyVersion' && actualSeq === assertion.seq) return undefined
    if (assertion.type === 'keyExists' && actualSeq > 0 === assertion.expected) return undefined
    return refused('assertion_failed', actualSeq)
  }

  #assertRow(assertion: Assertion, caller: string): ExpectedOutcome | undefined {
    if (caller !== ROOT_CALLER) throw new RangeError('assertions on rows are made by root alone')
    const found = this.#rows.judge(assertion as TableAssertion)
    if (typeof found === 'string') return refused(found)
    return found.holds ? undefined : refused('assertion_failed', found.actualSeq)
  }

  #mutate(mutation: Mutation, seq: number, timeMicros: number, caller: string): ExpectedResult | RefusedOutcome {
    const { keys } = this
    if (mutation.type === 'ddl') {
      const found = this.#catalog.apply(mutation.operation, seq, timeMicros)
      return typeof found === 'string' ? refused(found) : found.result
    }
    if (isTableMutation(mutation)) {
      const found = this.tables.mutate(mutation, this.#sightOf(caller))
      return typeof found === 'string' ? refused(found) : found.result
    }
    if (mutation.type === 'emitEvent') {
      const { topic, key, payload } = mutation
      this.events.emit({ seq, timeMicros, topic, key, payload })
      return undefined
    }
    if (!isKvMutation(mutation)) throw new RangeError(`the reference does not know ${mutation.type}`)
    if (!keys.hasScope(mutation)) return refused(missing(keys.hasProject(mutation.project)))
    switch (mutation.type) {
      case 'kvSet': {
        const expiresAtMicros = mutation.ttlMs === undefined ? 0 : timeMicros + mutation.ttlMs * 1000
        keys.put(mutation, mutation.value, expiresAtMicros, timeMicros)
        return undefined
      }
      case 'kvDelete':
        keys.delete(mutation, timeMicros)
        return undefined
      case 'kvIncrement':
        return this.#add(mutation, mutation.by, timeMicros)
      case 'kvDecrement':
        return this.#add(mutation, -mutation.by, timeMicros)
      default:
        throw new RangeError(`the reference does not know ${mutation.type}`)
    }
  }

  #sightOf(caller: string): Sight {
    return (table, cells) => this.permissions.seesRow(caller, table, cells)
  }

  #add(target: KeyTarget, by: bigint, timeMicros: number): MutationResult | RefusedOutcome {
    const { keys } = this
    const old = keys.live(target, timeMicros)
    if (old !== undefined && old.value.length !== 8) return refused('not_a_number')
    const view = old === undefined ? undefined : new DataView(old.value.buffer, old.value.byteOffset, 8)
    const next = (view?.getBigUint64(0) ?? 0n) + by
    if (next < 0n) return refused('underflow')
    const value = new Uint8Array(8)
    new DataView(value.buffer).setBigUint64(0, next)
    keys.put(target, value, old?.expiresAtMicros ?? 0, timeMicros)
    return next
  }

  /** A key or row that should have been removed a second ago. */
  findOverdue(): string | undefined {
    const timeMicros = this.timeAt(this.lastSeq) - 1_000_000
    return this.keys.findDue(timeMicros) ?? this.tables.findDue(timeMicros)
  }

  /** The selected effects after `seq`, the next entry that has some; undefined if there is none up to the last entry. */
  nextEffects(scope: KeyTarget, afterSeq: number): { seq: number; effects: Effect[] } | undefined {
    return this.keys.nextEffects(scope, afterSeq)
  }
}

/** Whether the serial's chunk of outcomes may have been dropped. */
function isForgettable(session: Session, serial: number): boolean {
  return Math.floor(serial / SLOTS_PER_CHUNK) < Math.floor((session.acknowledgedThrough + 1) / SLOTS_PER_CHUNK)
}
