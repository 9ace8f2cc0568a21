import { bytesToJson, JSON_DATA, readRowData } from '../../encoding/index.ts'
import type { Expr, Row, Value } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { UpdateSet } from '../database-table-writes.ts'
import type { Database } from '../database.ts'
import { jsonCodec } from '../facade/codecs.ts'
import { requireName } from '../names.ts'
import { and, from, or, type TableDefinition, type TableShape } from '../tables/index.ts'

export interface BackfillOptions extends RequestOptions {
  /** Names the work: a run of that name goes on where the last one stopped. */
  name: string
  /** Rows of one transaction; default 100. */
  batchRows?: number
}

export interface BackfillReport {
  /** Rows that this run has looked at and changed. */
  seen: number
  changed: number
}

const PREFIX = '__backfills/'

interface Progress {
  /** Cells of the key of the last row that was looked at; null = all are done. */
  last: unknown
}

/**
 * Calls `change` for every row in the order of the primary key and applies the updates that it gives, batch by batch; each batch is a
 * transaction that also notes how far it came, so that any number of runs, at the same time or after a crash, change no row twice.
 * Rows that are inserted behind the place where it is are not seen.
 * @throws QuorateError as transactions and updates do
 */
export async function backfillTable<S extends TableShape>(
  database: Database,
  definition: TableDefinition<S>,
  change: (row: S['row']) => UpdateSet<S> | undefined,
  { name, batchRows = 100, ...options }: BackfillOptions,
): Promise<BackfillReport> {
  requireName('backfill', name)
  const report = { seen: 0, changed: 0 }
  for (;;) {
    const batch = await database.transaction(async tx => {
      const progress = tx.kv<string, Progress>(definition.project, {
        scope: definition.scope,
        value: jsonCodec<Progress>(),
      })
      const before = await progress.get(PREFIX + name)
      if (before?.last === null) return undefined
      const rows = await tx.query(rowsAfter(definition, keyOf(before?.last), batchRows)).all()
      const table = tx.table(definition)
      let changed = 0
      for (const row of rows as S['row'][]) {
        const set = change(row)
        if (set === undefined) continue
        table.update(keyCells(definition, row), set)
        changed++
      }
      const isLast = rows.length < batchRows
      const last = isLast ? null : bytesToJson(encodedKey(definition, rows.at(-1)! as S['row']))
      progress.set(PREFIX + name, { last })
      return { seen: rows.length, changed, isLast }
    }, options)
    if (batch === undefined) return report
    report.seen += batch.seen
    report.changed += batch.changed
    if (batch.isLast) return report
  }
}

function keyOf(last: unknown): Row | undefined {
  return last === undefined ? undefined : readRowData(last, 'progress', JSON_DATA)
}

function keyCells<S extends TableShape>(definition: TableDefinition<S>, row: S['row']): S['key'] {
  const cells = row as Readonly<Record<string, unknown>>
  return Object.fromEntries(definition.data.primaryKey.map(name => [name, cells[name]]))
}

function encodedKey<S extends TableShape>(definition: TableDefinition<S>, row: S['row']): Row {
  const cells = row as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    definition.data.primaryKey.map(name => [name, definition.columns[name]!.codec.encode(cells[name])]),
  )
}

function rowsAfter<S extends TableShape>(definition: TableDefinition<S>, last: Row | undefined, limit: number) {
  const { primaryKey } = definition.data
  let query = from(definition as TableDefinition).limit(limit)
  for (const column of primaryKey) query = query.orderBy(column as never)
  return last === undefined ? query : query.where(behind(primaryKey, last))
}

/** Keys behind `last` in the order of the columns: the first greater, or equal and the next greater, and so on. */
function behind(columns: readonly string[], last: Row): Expr {
  const [column = '', ...rest] = columns
  const value: Value = last[column] ?? null
  const greater: Expr = { op: 'gt', column, value }
  return rest.length === 0 ? greater : or(greater, and({ op: 'eq', column, value }, behind(rest, last)))
}
