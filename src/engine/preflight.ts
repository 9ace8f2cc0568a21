import {
  bytesToHex,
  checkEnvelope,
  encodeOutcome,
  EnvelopeCursor,
  MalformedBytes,
  type PointRead,
} from '../encoding/index.ts'
import { InvariantError, QuorateError } from '../model/index.ts'
import type { ReadRequest, ReadResult } from '../model/index.ts'
import type { TableUse } from './access/index.ts'
import { Changes } from './changes.ts'
import type { EntryWork } from './entry-work.ts'
import { decodeEffects, EffectLog, RowSight } from './events/index.ts'
import type { KeyEffect } from './events/index.ts'
import { SYSTEM_SCOPE_ID } from './layers.ts'
import { isExpired } from './kv/index.ts'
import { kvKey } from './layers.ts'
import type { RecordReader, RecordStore } from './record-store.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'
import { checkLimits } from './request-check.ts'
import type { TableReadContext } from './table-reads.ts'
import { ROW_PREFIX_BYTES, rowsPrefix } from './tables/index.ts'
import { Quotas, TransactionApplier } from './transaction/index.ts'

type PreflightRequest = Extract<ReadRequest, { type: 'preflight' }>
type Preflight = Extract<ReadResult, { type: 'preflight' }>

/**
 * What the transaction would do to this state if it were applied now, in the name of the caller: nothing is changed, nothing audited.
 * The same code decides as when it is applied. Throws `ColdPages`; begun anew it costs the work again.
 * @throws QuorateError `malformed_request`, `transaction_too_large`; `unavailable` where the catalog has changed since the view
 */
export function preflight(context: TableReadContext, { envelope }: PreflightRequest): Preflight {
  const { state, access, caller, seq } = context
  // Permissions and policies are never those of the past, and names and rules here are those of the view.
  if (context.newestCatalog() !== state.catalog) {
    throw new QuorateError('unavailable', 'the catalog has changed meanwhile', { retryable: true })
  }
  const cursor = checkedEnvelope(context, envelope)
  const work = workOn(context)
  cursor.open(envelope, 0, envelope.length)
  const transaction = new TransactionApplier()
  const refusal =
    transaction.apply(work, cursor, caller, access) ??
    (work.state.catalog.hasQuotas ? new Quotas().check(work) : undefined)
  if (refusal !== undefined) return refused(seq, refusal)
  const outcome = encodeOutcome({ status: 'committed', seq, results: transaction.results })
  if (outcome.length > state.settings.outcomeBytesMax) {
    return refused(seq, refuse('transaction_too_large', 'the results have too many bytes'))
  }
  return { type: 'preflight', outcome, ...changesOf(context, work) }
}

function refused(seq: number, { code, message, detail }: Refusal): Preflight {
  const why = { code, message, ...(detail !== undefined && { detail }) }
  return { type: 'preflight', outcome: encodeOutcome({ status: 'refused', seq, ...why }), rows: 0, keys: 0, events: 0 }
}

function checkedEnvelope({ state }: TableReadContext, envelope: Uint8Array): EnvelopeCursor {
  const { settings } = state
  if (envelope.length > settings.transactionBytesMax) {
    throw new QuorateError('transaction_too_large', `a transaction has at most ${settings.transactionBytesMax} bytes`)
  }
  const cursor = new EnvelopeCursor()
  try {
    checkEnvelope(cursor, envelope, 0, envelope.length)
  } catch (cause) {
    if (!(cause instanceof MalformedBytes)) throw cause
    throw new QuorateError('malformed_request', cause.message, { cause })
  }
  const tooMany = checkLimits(cursor, settings)
  if (tooMany !== undefined) throw new QuorateError(tooMany.code, tooMany.message)
  return cursor
}

function workOn({ reader, state, seq, timeMicros }: TableReadContext): EntryWork {
  const effects = new EffectLog()
  effects.beginEpoch(0)
  effects.beginEntry(seq + 1)
  const changes = new Changes(unwritten(reader))
  changes.begin(seq + 1)
  return { seq: seq + 1, timeMicros, changes, state, ownCatalog: undefined, effects, earliestExpiryMicros: Infinity }
}

/** A state to collect changes over that nobody writes. */
function unwritten(reader: RecordReader): RecordStore {
  const never = (): never => {
    throw new InvariantError('a preflight writes nothing')
  }
  return {
    get: key => reader.get(key),
    metadata: key => reader.metadata(key),
    walk: (start, end, reverse, visit) => reader.walk(start, end, reverse, visit),
    usage: space => reader.usage?.(space) ?? never(),
    valueBytes: key => reader.get(key)?.value.length,
    prepare: never,
    put: never,
    delete: never,
    patch: never,
    sum: never,
  }
}

/** How many keys, rows and events would change, as far as the caller may hear of them, and the versions that are there now. */
function changesOf(context: TableReadContext, work: EntryWork): Omit<Preflight, 'type' | 'outcome'> {
  work.effects.endEntry()
  const effects = decodeEffects(work.effects.bytes).flatMap(entry => entry.effects)
  const sights = new Map<number, RowSight | undefined>()
  const points = new Map<string, PointRead>()
  const changed = { rows: new Set<string>(), keys: new Set<string>(), events: 0 }
  for (const effect of effects) {
    const id = `${effect.tableId} ${effect.scopeId} ${bytesToHex(effect.key)}`
    if (effect.isEvent) changed.events += effect.scopeId === SYSTEM_SCOPE_ID ? 0 : 1
    else if (effect.tableId === 0) {
      const point = pointOfKey(context, effect)
      if (point === undefined) continue
      changed.keys.add(id)
      points.set(id, point)
    } else {
      const sight = sightOf(context, work, effect.tableId, sights)
      if (sight === undefined || sight.changeOf(effect) === 'nothing') continue
      changed.rows.add(id)
      const point = pointOfRow(context, sight, effect)
      if (point !== undefined) points.set(id, point)
    }
  }
  const fits = points.size <= context.state.settings.readSetMax
  return {
    rows: changed.rows.size,
    keys: changed.keys.size,
    events: changed.events,
    ...(fits && { readSet: { points: [...points.values()] } }),
  }
}

/** Undefined for a key that the caller may not read. */
function pointOfKey(context: TableReadContext, { scopeId, key }: KeyEffect): PointRead | undefined {
  const { state, access, reader } = context
  const scope = state.catalog.scopeById(scopeId)
  if (scope === undefined || !access.mayUseKey('kvRead', scope.projectId, scope.id, key, 0, key.length))
    return undefined
  const found = reader.metadata(kvKey(scope.id, key, 0, key.length))
  const seq = found === undefined || isExpired(found, context.timeMicros) ? 0 : found.versionSeq
  return { project: state.catalog.projectById(scope.projectId)!.name, scope: scope.name, key: key.slice(), seq }
}

/** How the caller sees the rows of a table, as the transaction leaves it; undefined where it may not read them. */
function sightOf(
  { access, caller }: TableReadContext,
  { state }: EntryWork,
  tableId: number,
  sights: Map<number, RowSight | undefined>,
): RowSight | undefined {
  if (sights.has(tableId)) return sights.get(tableId)
  const table = state.catalog.tableById(tableId)
  const use = (type: TableUse): boolean =>
    table !== undefined && access.mayUseTable(type, table.parts.projectId, table.parts.scopeId, tableId)
  const sight = use('tableRead') ? new RowSight(table!, caller, use('policyBypass')) : undefined
  sights.set(tableId, sight)
  return sight
}

/** Undefined for a row of a table that the transaction itself creates. */
function pointOfRow(context: TableReadContext, sight: RowSight, { tableId, key }: KeyEffect): PointRead | undefined {
  const { state, reader, timeMicros } = context
  const table = state.catalog.tableById(tableId)
  if (table === undefined) return undefined
  const found = reader.get(rowKeyOf(tableId, key))
  const isThere = found !== undefined && !isExpired(found, timeMicros) && sight.sees(key, found.value)
  return {
    project: state.catalog.projectById(table.parts.projectId)!.name,
    scope: state.catalog.scopeById(table.parts.scopeId)!.name,
    table: table.name,
    key: key.slice(),
    seq: isThere ? found.versionSeq : 0,
  }
}

function rowKeyOf(tableId: number, key: Uint8Array): Uint8Array {
  const whole = new Uint8Array(ROW_PREFIX_BYTES + key.length)
  whole.set(rowsPrefix(tableId))
  whole.set(key, ROW_PREFIX_BYTES)
  return whole
}
