import { changedState } from '../cluster-state.ts'
import type { IndexDefinition } from '../../encoding/index.ts'
import { changedCounters, putCounters } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { NO_PROGRESS } from '../jobs.ts'
import { ownCatalog } from '../own-catalog.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { hasRows } from '../rows/index.ts'
import { addJob, dropIndex } from '../table-steps.ts'
import type { Table, TableIndex } from '../tables/index.ts'
import { badCondition, badTableName, columnIds, TABLE_LIMITS } from './table-columns.ts'

/** Adds an index to a table. Where there are rows, a job builds it; writers keep it from now on. */
export function addIndex(work: EntryWork, tableId: number, definition: IndexDefinition): TableIndex | Refusal {
  const table = work.state.catalog.tableById(tableId)!
  const { name, kind = 'ordered', unique = false, where } = definition
  const bad = badTableName('index', name, table.index(name) !== undefined)
  if (bad !== undefined) return bad
  if (table.parts.indexes.length >= TABLE_LIMITS.indexes) {
    return refuse('invalid_argument', `a table has at most ${TABLE_LIMITS.indexes} indexes`)
  }
  const columns = columnIds(definition.columns, column => {
    const position = table.position(column)
    return position === undefined ? undefined : table.columns[position]!.id
  })
  if (!Array.isArray(columns)) return columns
  const badWhere = where === undefined ? undefined : badCondition(table, where, false)
  if (badWhere !== undefined) return badWhere
  const isReady = !hasRows(work, tableId)
  const index: TableIndex = { id: takeIndexId(work), name, columns, kind, isUnique: unique, where, isReady }
  ownCatalog(work).putTable(work.changes, { ...table.parts, indexes: [...table.parts.indexes, index] })
  if (!isReady) addJob(work, { kind: 'buildIndex', tableId, indexId: index.id, ...NO_PROGRESS })
  return index
}

function takeIndexId(work: EntryWork): number {
  const { counters } = work.state
  const next = changedCounters(counters, { nextIndexId: counters.nextIndexId + 1 })
  putCounters(work.changes, next)
  work.state = changedState(work.state, { counters: next })
  return counters.nextIndexId
}

/** Drops an index that no foreign key needs. */
export function removeIndex(work: EntryWork, table: Table, index: TableIndex): Refusal | undefined {
  const { catalog } = work.state
  const own = table.parts.foreignKeys.find(({ lookupIndexId }) => lookupIndexId === index.id)
  const other = catalog.references(table.id).find(({ foreignKey }) => foreignKey.indexId === index.id)?.foreignKey
  const user = own ?? other
  if (user !== undefined) return refuse('invalid_argument', `foreign key ${user.name} needs index ${index.name}`)
  dropIndex(work, table.id, index.id)
  return undefined
}
