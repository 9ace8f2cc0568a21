import { changedState } from '../cluster-state.ts'
import type { TableDdl, TableTarget } from '../../encoding/index.ts'
import { changedCounters, putCounters } from '../catalog/index.ts'
import type { Reference, Scope } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { ownCatalog } from '../own-catalog.ts'
import { noteTable } from '../outbox/index.ts'
import { refuse } from '../refusal.ts'
import { catalogLimit } from './catalog-limits.ts'
import type { Refusal } from '../refusal.ts'
import { hasRows } from '../rows/index.ts'
import { addJob, dropForeignKey, endJobs } from '../table-steps.ts'
import type { Table } from '../tables/index.ts'
import { addCheck, alterTable } from './alter-table.ts'
import { badCondition, badTableName, defineColumns, isRefusal } from './table-columns.ts'
import { addForeignKey } from './table-foreign-keys.ts'
import { addIndex, removeIndex } from './table-indexes.ts'

const DEFAULT_SCOPE = 'app'
/** Kept for a table of its own that a scope's keys may be mirrored in. */
const RESERVED_TABLE = '__kv_index'

type Operation<T extends TableDdl['type']> = Extract<TableDdl, { type: T }>

/** Applies one operation on tables to the entry's own state. Returns whether it changed anything, or why it is refused. */
export function applyTableDdl(work: EntryWork, operation: TableDdl): boolean | Refusal {
  const scope = findScope(work, operation)
  if (isRefusal(scope)) return mayBeAbsent(operation) ? false : scope
  if (operation.type === 'createTable') return createTable(work, scope, operation)
  const table = work.state.catalog.table(scope.id, operation.table)
  if (table === undefined) {
    if (mayBeAbsent(operation)) return false
    return refuse('table_not_found', `there is no table ${operation.table.slice(0, 140)}`)
  }
  if (operation.type === 'renameTable') return renameTable(work, table, operation.to)
  if (operation.type === 'dropTable') return dropTables(work, [table]) ?? true
  const changed = changeTable(work, table, operation)
  const change = operation.type === 'alterTable' ? operation.alteration.type : operation.type
  if (changed === true) noteTable(work, 'tableAltered', table.id, { change })
  return changed
}

function changeTable(
  work: EntryWork,
  table: Table,
  operation: Exclude<TableDdl, { type: 'createTable' | 'renameTable' | 'dropTable' }>,
): boolean | Refusal {
  switch (operation.type) {
    case 'alterTable':
      return alterTable(work, table, operation.alteration)
    case 'createIndex':
      return createIndex(work, table, operation)
    case 'dropIndex':
      return dropIndex(work, table, operation)
    case 'setReadPolicy':
      return setReadPolicy(work, table, operation)
    case 'clearReadPolicy':
      if (table.parts.readPolicy === undefined) return false
      ownCatalog(work).putTable(work.changes, { ...table.parts, readPolicy: undefined })
      return true
    default:
      throw new RangeError(`operation ${String(operation satisfies never)}`)
  }
}

function mayBeAbsent(operation: TableDdl): boolean {
  return (operation.type === 'dropTable' || operation.type === 'dropIndex') && operation.ifExists === true
}

function findScope(work: EntryWork, { project, scope = DEFAULT_SCOPE }: TableTarget): Scope | Refusal {
  const found = work.state.catalog.project(project)
  if (found === undefined) return refuse('project_not_found', `there is no project ${project.slice(0, 140)}`)
  return found.scopes.get(scope) ?? refuse('scope_not_found', `project ${project} has no scope ${scope.slice(0, 140)}`)
}

function createTable(work: EntryWork, scope: Scope, operation: Operation<'createTable'>): boolean | Refusal {
  const isTaken = work.state.catalog.table(scope.id, operation.table) !== undefined
  if (isTaken && operation.ifNotExists === true) return false
  const bad = badTableName('table', operation.table, isTaken)
  if (bad !== undefined) return bad
  if (operation.table === RESERVED_TABLE) return refuse('invalid_name', `${RESERVED_TABLE} is reserved`)
  const columns = defineColumns(operation)
  if (isRefusal(columns)) return columns
  const full = catalogLimit(work, 'tables', 'tablesMax')
  if (full !== undefined) return full
  const id = takeTableId(work)
  ownCatalog(work).putTable(work.changes, {
    id,
    projectId: scope.projectId,
    scopeId: scope.id,
    name: operation.table,
    owner: operation.owner ?? '',
    ...columns,
    indexes: [],
    checks: [],
    foreignKeys: [],
    readPolicy: undefined,
    pendingNotNull: [],
    failures: [],
  })
  for (const index of operation.indexes ?? []) {
    const added = addIndex(work, id, index)
    if (isRefusal(added)) return added
  }
  for (const check of operation.checks ?? []) {
    const refusal = addCheck(work, id, check)
    if (refusal !== undefined) return refusal
  }
  for (const foreignKey of operation.foreignKeys ?? []) {
    const refusal = addForeignKey(work, id, foreignKey)
    if (refusal !== undefined) return refusal
  }
  noteTable(work, 'tableCreated', id)
  return true
}

function takeTableId(work: EntryWork): number {
  const { counters } = work.state
  const next = changedCounters(counters, { nextTableId: counters.nextTableId + 1 })
  putCounters(work.changes, next)
  work.state = changedState(work.state, { counters: next })
  return counters.nextTableId
}

function renameTable(work: EntryWork, table: Table, to: string): boolean | Refusal {
  if (table.name === to) return false
  const bad = badTableName('table', to, work.state.catalog.table(table.parts.scopeId, to) !== undefined)
  if (bad !== undefined) return bad
  if (to === RESERVED_TABLE) return refuse('invalid_name', `${RESERVED_TABLE} is reserved`)
  ownCatalog(work).putTable(work.changes, { ...table.parts, name: to })
  noteTable(work, 'tableRenamed', table.id, { from: table.name })
  return true
}

/**
 * Drops tables together with all that belongs to them; their records are removed by jobs. Refused while another table has rows and a
 * foreign key to one of them; the foreign keys of those that have none are dropped.
 */
export function dropTables(work: EntryWork, tables: readonly Table[]): Refusal | undefined {
  const ids = new Set(tables.map(({ id }) => id))
  const others: Reference[] = []
  for (const table of tables) {
    for (const reference of work.state.catalog.references(table.id)) {
      if (ids.has(reference.table.id)) continue
      if (hasRows(work, reference.table.id)) {
        const { name } = reference.foreignKey
        return refuse(
          'foreign_key_violation',
          `${reference.table.name} has rows and refers to it (foreign key ${name})`,
        )
      }
      others.push(reference)
    }
  }
  for (const { table, foreignKey } of others) {
    dropForeignKey(work, table.id, foreignKey.name)
    noteTable(work, 'tableAltered', table.id, { change: 'dropForeignKey' })
  }
  for (const { id } of tables) dropTable(work, id)
  return undefined
}

function dropTable(work: EntryWork, id: number): void {
  noteTable(work, 'tableDropped', id)
  const catalog = ownCatalog(work)
  const table = catalog.tableById(id)!
  endJobs(work, task => (task.kind === 'buildIndex' || task.kind === 'validate') && task.tableId === id)
  catalog.removeTable(work.changes, table)
  work.state = changedState(work.state, { access: work.state.access.withoutTable(work.changes, id) })
  addJob(work, { kind: 'removeRows', tableId: id })
  for (const index of table.parts.indexes) addJob(work, { kind: 'removeIndex', indexId: index.id })
}

function createIndex(work: EntryWork, table: Table, operation: Operation<'createIndex'>): boolean | Refusal {
  if (operation.ifNotExists === true && table.index(operation.index.name) !== undefined) return false
  const added = addIndex(work, table.id, operation.index)
  return isRefusal(added) ? added : true
}

function dropIndex(work: EntryWork, table: Table, operation: Operation<'dropIndex'>): boolean | Refusal {
  const index = table.index(operation.name)
  if (index !== undefined) return removeIndex(work, table, index) ?? true
  if (operation.ifExists === true) return false
  return refuse('index_not_found', `${table.name} has no index ${operation.name.slice(0, 140)}`)
}

function setReadPolicy(work: EntryWork, table: Table, { policy }: Operation<'setReadPolicy'>): boolean | Refusal {
  const bad = badCondition(table, policy, true)
  if (bad !== undefined) return bad
  ownCatalog(work).putTable(work.changes, { ...table.parts, readPolicy: policy })
  return true
}
