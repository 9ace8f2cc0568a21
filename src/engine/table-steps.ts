import { changedState } from './cluster-state.ts'
import type { EntryWork } from './entry-work.ts'
import { jobKindOf, withJob, withoutJobs } from './jobs.ts'
import type { JobTask } from './jobs.ts'
import { noteTable } from './outbox/index.ts'
import { ownCatalog } from './own-catalog.ts'
import { buildIndexStep, checkStep, foreignKeyStep, notNullStep } from './rows/index.ts'
import type { RowStep } from './rows/index.ts'
import { FAILURES_MAX } from './tables/index.ts'
import type { Table, TableParts } from './tables/index.ts'

/** What steps over the rows of a table are for. */
type TableTask = Extract<JobTask, { tableId: number; cursor: Uint8Array }>

/** Does a part of a build or a validation: how far it came, or undefined if what it is for is no longer there. */
export function stepTable(work: EntryWork, task: TableTask, rowsMax: number): RowStep | undefined {
  const table = work.state.catalog.tableById(task.tableId)
  if (table === undefined) return undefined
  if (task.kind === 'buildIndex') {
    const index = table.indexOfId(task.indexId)
    return index === undefined ? undefined : buildIndexStep(work, table, index, task.cursor, rowsMax)
  }
  if (task.what === 'notNull') {
    const position = table.positionOfId(Number(task.name))
    return position === undefined ? undefined : notNullStep(work, table, position, task.cursor, rowsMax)
  }
  if (task.what === 'check') {
    const check = table.parts.checks.find(({ name }) => name === task.name)
    return check === undefined ? undefined : checkStep(work, table, check, task.cursor, rowsMax)
  }
  const foreignKey = table.parts.foreignKeys.find(({ name }) => name === task.name)
  return foreignKey === undefined ? undefined : foreignKeyStep(work, table, foreignKey, task.cursor, rowsMax)
}

/** All rows fit: the index serves queries from now on, or the rule is in force. */
export function completeTable(work: EntryWork, task: TableTask): void {
  const { parts } = work.state.catalog.tableById(task.tableId)!
  ownCatalog(work).putTable(work.changes, completed(parts, task))
  noteTable(work, 'tableAltered', task.tableId, { change: `${jobKindOf(task)}Completed` })
}

function completed(parts: TableParts, task: TableTask): TableParts {
  if (task.kind === 'buildIndex') {
    const indexes = parts.indexes.map(index => (index.id === task.indexId ? { ...index, isReady: true } : index))
    return { ...parts, indexes }
  }
  const validated = <T extends { name: string; isValid: boolean }>(rule: T): T =>
    rule.name === task.name ? { ...rule, isValid: true } : rule
  switch (task.what) {
    case 'notNull': {
      const id = Number(task.name)
      return {
        ...parts,
        columns: parts.columns.map(column => (column.id === id ? { ...column, isNullable: false } : column)),
        pendingNotNull: parts.pendingNotNull.filter(pending => pending !== id),
      }
    }
    case 'check':
      return { ...parts, checks: parts.checks.map(validated) }
    case 'foreignKey':
      return { ...parts, foreignKeys: parts.foreignKeys.map(validated) }
    default:
      throw new RangeError(`validation ${String(task.what satisfies never)}`)
  }
}

/** A row does not fit: what was begun goes, and the table keeps the reason. */
export function failTable(work: EntryWork, task: TableTask, message: string): void {
  const table = work.state.catalog.tableById(task.tableId)!
  noteTable(work, 'tableAltered', task.tableId, { change: `${jobKindOf(task)}Failed` })
  const names = [nameOf(table, task), ...dependents(table, task)]
  const failures = names.map(name => ({ name, message, seq: work.seq }))
  const catalog = ownCatalog(work)
  catalog.putTable(work.changes, {
    ...table.parts,
    failures: [...table.parts.failures, ...failures].slice(-FAILURES_MAX),
  })
  if (task.kind === 'buildIndex') {
    for (const name of dependents(table, task)) dropForeignKey(work, task.tableId, name)
    // The last foreign key has taken along an index that was made for it.
    if (catalog.tableById(task.tableId)!.indexOfId(task.indexId) !== undefined) {
      dropIndex(work, task.tableId, task.indexId)
    }
  } else if (task.what === 'foreignKey') dropForeignKey(work, task.tableId, task.name)
  else {
    const { parts } = catalog.tableById(task.tableId)!
    const without =
      task.what === 'check'
        ? { checks: parts.checks.filter(({ name }) => name !== task.name) }
        : { pendingNotNull: parts.pendingNotNull.filter(id => id !== Number(task.name)) }
    catalog.putTable(work.changes, { ...parts, ...without })
  }
}

/** The foreign keys whose rows cannot be found without the index that is being built. */
function dependents(table: Table, task: TableTask): string[] {
  if (task.kind !== 'buildIndex') return []
  const { foreignKeys } = table.parts
  return foreignKeys.filter(({ lookupIndexId }) => lookupIndexId === task.indexId).map(({ name }) => name)
}

function nameOf(table: Table, task: TableTask): string {
  if (task.kind === 'buildIndex') return table.indexOfId(task.indexId)!.name
  return task.what === 'notNull' ? table.columns[table.positionOfId(Number(task.name))!]!.name : task.name
}

/** Drops an index that no foreign key needs; its entries are removed by a job, and its build ends. */
export function dropIndex(work: EntryWork, tableId: number, indexId: number): void {
  const catalog = ownCatalog(work)
  const { parts } = catalog.tableById(tableId)!
  catalog.putTable(work.changes, { ...parts, indexes: parts.indexes.filter(({ id }) => id !== indexId) })
  endJobs(work, task => task.kind === 'buildIndex' && task.indexId === indexId)
  addJob(work, { kind: 'removeIndex', indexId })
}

/** Drops a foreign key, with the index that was made for it unless another foreign key uses it; its validation ends. */
export function dropForeignKey(work: EntryWork, tableId: number, name: string): void {
  const catalog = ownCatalog(work)
  const { parts } = catalog.tableById(tableId)!
  const dropped = parts.foreignKeys.find(foreignKey => foreignKey.name === name)!
  const heir = parts.foreignKeys.find(
    foreignKey => foreignKey !== dropped && foreignKey.lookupIndexId === dropped.lookupIndexId,
  )
  const foreignKeys = parts.foreignKeys
    .filter(foreignKey => foreignKey !== dropped)
    .map(foreignKey => (foreignKey === heir && dropped.ownsIndex ? { ...foreignKey, ownsIndex: true } : foreignKey))
  catalog.putTable(work.changes, { ...parts, foreignKeys })
  endJobs(
    work,
    task => task.kind === 'validate' && task.what === 'foreignKey' && task.tableId === tableId && task.name === name,
  )
  if (dropped.ownsIndex && heir === undefined) dropIndex(work, tableId, dropped.lookupIndexId)
}

export function addJob(work: EntryWork, task: JobTask): void {
  work.state = changedState(work.state, { jobs: withJob(work.changes, work.state.jobs, work.seq, task) })
}

/** Ends jobs whose purpose is gone. */
export function endJobs(work: EntryWork, isGone: (task: JobTask) => boolean): void {
  work.state = changedState(work.state, { jobs: withoutJobs(work.changes, work.state.jobs, isGone) })
}
