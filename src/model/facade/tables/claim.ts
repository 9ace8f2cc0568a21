import type { Row, Value } from '../../../encoding/index.ts'
import type { QueryData } from '../../query.ts'
import type { ClaimOptions, UpdatedRow, UpdateSet } from '../../database-table-writes.ts'
import { invalid } from '../arguments.ts'
import type { Connection } from '../connection.ts'
import { runAttempts } from '../transaction.ts'
import type { TransactionAttempt } from '../transaction-attempt.ts'
import { updatedRow } from '../../tables/index.ts'
import type { Condition, TableShape } from '../../tables/index.ts'
import { queryResult } from './core-query.ts'
import type { TableAccess } from './table-access.ts'
import { rowsResult, TableReads } from './table-reads.ts'

/** Rows among which an attempt after the first chooses: who lost a race does not meet the same rivals at the next row again. */
const CHOICES_MAX = 16

interface Claimed {
  readonly columns: readonly string[]
  readonly before: readonly Value[]
  readonly after: Row
}

/**
 * Updates one row for which `where` is true. Only that row must still be as it was found when the update is applied: the query that
 * found it is no part of what the commit checks, so other rows may come and go.
 */
export async function claimRow<S extends TableShape>(
  connection: Connection,
  access: TableAccess,
  where: Condition<S['row']>,
  set: UpdateSet<S>,
  options: ClaimOptions<S> = {},
): Promise<UpdatedRow<S['row']> | undefined> {
  const { orderBy, ...requestOptions } = options
  const condition = access.condition(where)
  const { value, commit } = await runAttempts(
    connection,
    async (tx: TransactionAttempt): Promise<Claimed | undefined> => {
      const keyColumns = access.keyColumns ?? (await new TableReads(access, tx.source).describe()).definition.primaryKey
      const { project, scope, table } = access.target
      const choices = Math.min(tx.attempt, CHOICES_MAX)
      const query: QueryData = {
        project,
        scope,
        from: table,
        where: condition,
        select: keyColumns,
        orderBy: orderBy ?? keyColumns.map(column => ({ column })),
        limit: choices,
        allowFullScan: true,
      }
      const { result } = queryResult(await tx.readUnnoted({ type: 'query', query }))
      if (result.rows.length === 0) return undefined
      const chosen = result.rows[Math.floor(connection.core.time.random() * result.rows.length)]!
      const key = Object.fromEntries(keyColumns.map((column, i) => [column, chosen[i]!]))
      return claim(tx, access, key, set)
    },
    requestOptions,
  )
  if (value === undefined || commit === undefined) return undefined
  return {
    before: access.decodeRow(value.columns, value.before),
    after: access.decodeCells(value.after),
    commit,
  }
}

/** Reads the row, so that the commit needs it as it is, and updates it. */
async function claim(tx: TransactionAttempt, access: TableAccess, key: Row, set: object): Promise<Claimed | undefined> {
  const { columns, rows } = rowsResult(await tx.read({ type: 'rows', ...access.target, keys: [key] }, undefined))
  const found = rows[0]
  if (found === undefined) return undefined
  const updates = access.encodeUpdates(set)
  const before: Row = Object.fromEntries(columns.map((name, i) => [name, found.cells[i]!]))
  const after = updatedRow(before, updates)
  if (after === undefined) throw invalid('proposed and addProposed belong to onConflict')
  tx.writeTable(access, { type: 'update', ...access.target, key, set: updates })
  return { columns, before: found.cells, after }
}
