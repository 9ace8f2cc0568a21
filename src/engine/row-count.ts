import { InvariantError } from '../model/index.ts'
import type { QueryData, QueryDiagnostics, QueryPlan, QueryResult } from '../model/index.ts'
import { prefixEnd } from './record-store.ts'
import type { RecordReader } from './record-store.ts'
import { readU32BE, readU64BE, ROW_EXPIRY_PREFIX, rowKeyOfExpiry } from './layers.ts'
import { describePlan } from './query/index.ts'
import type { Plan, QueryContext } from './query/index.ts'
import { rowsPrefix } from './tables/index.ts'

/** Rows whose time is over and that no tick has removed yet: with more of them counting one by one is as good. */
const DUE_MAX = 10_000

/**
 * The answer of a query that asks for nothing but how many rows a table has, out of the count that the keyspace keeps, whatever their number;
 * undefined for any other query, and where a policy hides rows. Throws `ColdPages`.
 */
export function countedRows(plan: Plan, context: QueryContext): QueryResult | undefined {
  const records = keptCount(plan, context)
  if (records === undefined) return undefined
  const { tables, outputs } = plan
  const due = dueRows(context.reader, tables[0]!.table.id, context.timeMicros)
  if (due === undefined) return undefined
  const row = outputs.names.map(() => records - due)
  return { columns: outputs.names, types: outputs.types, rows: [row], examined: 0, seq: context.seq }
}

/** How such a query is run; undefined for any other. */
export function describeCount(plan: Plan, context: QueryContext): QueryPlan | undefined {
  if (keptCount(plan, context) === undefined) return undefined
  const text = `count of ${plan.tables[0]!.table.name}, which is kept`
  const stages: QueryPlan['stages'] = [{ kind: 'count', text, estimatedRows: 1, maxRows: 1 }]
  return { ...describePlan(plan, context), path: 'rowCount', stages, isBounded: true }
}

export function diagnoseCount(plan: Plan, context: QueryContext, result: QueryResult): QueryDiagnostics {
  const described = describeCount(plan, context)
  if (described === undefined) throw new InvariantError('a count that is not kept')
  const pageBytes = result.rows.reduce((sum, row) => sum + 8 * row.length, 0)
  return { plan: described, stages: [{ read: 0, rows: 1, heldBytes: 0 }], pageBytes }
}

function keptCount({ query, tables: [bound] }: Plan, { reader }: QueryContext): number | undefined {
  if (bound === undefined || !isCountOfRows(query) || bound.policy !== undefined) return undefined
  return reader.usage?.(rowsPrefix(bound.table.id)).records
}

function isCountOfRows(query: QueryData): boolean {
  const { aggregates = [], joins = [], groupBy = [], select = [], orderBy = [] } = query
  const asksMore = joins.length + groupBy.length + select.length + orderBy.length > 0
  if (asksMore || query.where !== undefined || query.having !== undefined || query.distinct === true) return false
  if (query.cursor !== undefined || (query.offset ?? 0) > 0 || query.useIndex !== undefined) return false
  return aggregates.length > 0 && aggregates.every(({ function: fn, column }) => fn === 'count' && column === undefined)
}

/** How many rows of the table are gone by their time and still have a record; undefined if there are too many to look at. */
function dueRows(reader: RecordReader, tableId: number, timeMicros: number): number | undefined {
  let seen = 0
  let due = 0
  reader.walk(ROW_EXPIRY_PREFIX, prefixEnd(ROW_EXPIRY_PREFIX), false, key => {
    if (readU64BE(key, 2) > timeMicros || ++seen > DUE_MAX) return false
    if (readU32BE(rowKeyOfExpiry(key), 1) === tableId) due++
    return true
  })
  return seen > DUE_MAX ? undefined : due
}
