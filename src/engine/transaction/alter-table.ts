import type { CheckDefinition, ColumnDefinition, TableAlteration } from '../../encoding/index.ts'
import { renameColumn } from '../conditions/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { NO_PROGRESS } from '../jobs.ts'
import { ownCatalog } from '../own-catalog.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { hasRows } from '../rows/index.ts'
import { addJob, dropForeignKey, endJobs } from '../table-steps.ts'
import type { Column, LayoutRecord, Table, TableParts } from '../tables/index.ts'
import {
  badColumnName,
  badCondition,
  badTableName,
  defaultOf,
  defineColumn,
  isRefusal,
  layoutColumns,
  noColumn,
  TABLE_LIMITS,
  userOf,
} from './table-columns.ts'
import { addForeignKey } from './table-foreign-keys.ts'

/** Changes a table. Returns whether anything changed, or why it is refused. */
export function alterTable(work: EntryWork, table: Table, alteration: TableAlteration): boolean | Refusal {
  switch (alteration.type) {
    case 'addColumn':
      return addColumn(work, table, alteration.column) ?? true
    case 'dropColumn':
      return withColumn(table, alteration.column, column => dropColumn(work, table, column))
    case 'renameColumn':
      return withColumn(table, alteration.column, column => rename(work, table, column, alteration.to))
    case 'setNullable':
      return withColumn(table, alteration.column, column => setNullable(work, table, column, alteration.nullable))
    case 'setDefault':
      return withColumn(table, alteration.column, ({ id, name, type }) => {
        const found = defaultOf({ ...alteration, name, type })
        return isRefusal(found) ? found : changeColumn(work, table, id, found)
      })
    case 'addCheck':
      return addCheck(work, table.id, alteration.check) ?? true
    case 'dropCheck':
      return dropCheck(work, table, alteration.name)
    case 'addForeignKey':
      return addForeignKey(work, table.id, alteration.foreignKey) ?? true
    case 'dropForeignKey':
      if (table.parts.foreignKeys.every(({ name }) => name !== alteration.name)) {
        return refuse('not_found', `${table.name} has no foreign key ${alteration.name.slice(0, 140)}`)
      }
      dropForeignKey(work, table.id, alteration.name)
      return true
    default:
      throw new RangeError(`alteration ${String(alteration satisfies never)}`)
  }
}

function put(work: EntryWork, parts: TableParts): boolean {
  ownCatalog(work).putTable(work.changes, parts)
  return true
}

function withColumn(table: Table, name: string, change: (column: Column) => boolean | Refusal): boolean | Refusal {
  const position = table.position(name)
  return position === undefined ? noColumn(name) : change(table.columns[position]!)
}

function changeColumn(work: EntryWork, table: Table, id: number, changed: Partial<Column>): boolean {
  const columns = table.columns.map(column => (column.id === id ? { ...column, ...changed } : column))
  return put(work, { ...table.parts, columns })
}

/** Rows that are there have the default in it, which the catalog keeps for them: none is written. */
function addColumn(work: EntryWork, table: Table, definition: ColumnDefinition): Refusal | undefined {
  const { parts } = table
  if (table.columns.length >= TABLE_LIMITS.columns) {
    return refuse('invalid_argument', `a table has at most ${TABLE_LIMITS.columns} columns`)
  }
  const isTaken = table.position(definition.name) !== undefined
  const column = defineColumn(definition, parts.nextColumnId, isTaken, value =>
    definition.defaultNow === true ? work.timeMicros : value,
  )
  if (isRefusal(column)) return column
  if (!column.isNullable && column.missing === null && hasRows(work, table.id)) {
    return refuse(
      'not_null_violation',
      `column ${column.name} may not be null and has no default for the rows there are`,
    )
  }
  const columns = [...table.columns, column]
  const layouts = nextLayouts(parts, columns)
  if (isRefusal(layouts)) return layouts
  put(work, { ...parts, columns, layouts, nextColumnId: parts.nextColumnId + 1 })
  return undefined
}

function dropColumn(work: EntryWork, table: Table, column: Column): boolean | Refusal {
  const { parts } = table
  const user = userOf(table, column.name)
  if (user !== undefined) return refuse('invalid_argument', `${user} needs column ${column.name}`)
  const columns = parts.columns.filter(({ id }) => id !== column.id)
  const layouts = nextLayouts(parts, columns)
  if (isRefusal(layouts)) return layouts
  endNotNull(work, table, column.id)
  return put(work, {
    ...parts,
    columns,
    layouts,
    pendingNotNull: parts.pendingNotNull.filter(id => id !== column.id),
  })
}

function nextLayouts(parts: TableParts, columns: readonly Column[]): LayoutRecord[] | Refusal {
  if (parts.layouts.length >= TABLE_LIMITS.layouts) {
    return refuse('catalog_limit', `columns are added and dropped at most ${TABLE_LIMITS.layouts} times`)
  }
  const version = parts.layouts.at(-1)!.version + 1
  return [...parts.layouts, { version, columns: layoutColumns(columns, parts.primaryKey) }]
}

/** Conditions name their columns, and follow. */
function rename(work: EntryWork, table: Table, { id, name }: Column, to: string): boolean | Refusal {
  if (name === to) return false
  const bad = badColumnName(to, table.position(to) !== undefined)
  if (bad !== undefined) return bad
  const { parts } = table
  return put(work, {
    ...parts,
    columns: parts.columns.map(column => (column.id === id ? { ...column, name: to } : column)),
    indexes: parts.indexes.map(index =>
      index.where === undefined ? index : { ...index, where: renameColumn(index.where, name, to) },
    ),
    checks: parts.checks.map(check => ({ ...check, check: renameColumn(check.check, name, to) })),
    readPolicy: parts.readPolicy === undefined ? undefined : renameColumn(parts.readPolicy, name, to),
  })
}

function setNullable(work: EntryWork, table: Table, column: Column, isNullable: boolean): boolean | Refusal {
  const { parts } = table
  const { id } = column
  const position = table.positionOfId(id)!
  if (table.mayBeNull(position) === isNullable) return false
  if (isNullable) {
    if (parts.primaryKey.includes(id)) return refuse('invalid_argument', 'a primary key has no nullable columns')
    endNotNull(work, table, id)
    const columns = parts.columns.map(other => (other.id === id ? { ...other, isNullable } : other))
    return put(work, { ...parts, columns, pendingNotNull: parts.pendingNotNull.filter(pending => pending !== id) })
  }
  if (!hasRows(work, table.id)) return changeColumn(work, table, id, { isNullable })
  put(work, { ...parts, pendingNotNull: [...parts.pendingNotNull, id] })
  addJob(work, { kind: 'validate', tableId: table.id, what: 'notNull', name: String(id), ...NO_PROGRESS })
  return true
}

function endNotNull(work: EntryWork, table: Table, columnId: number): void {
  endJobs(
    work,
    task =>
      task.kind === 'validate' &&
      task.what === 'notNull' &&
      task.tableId === table.id &&
      task.name === String(columnId),
  )
}

/** Writers are held to a check from now on; where there are rows, a job looks at them. */
export function addCheck(work: EntryWork, tableId: number, { name, check }: CheckDefinition): Refusal | undefined {
  const table = work.state.catalog.tableById(tableId)!
  const { parts } = table
  const bad =
    badTableName(
      'check',
      name,
      parts.checks.some(other => other.name === name),
    ) ?? badCondition(table, check, false)
  if (bad !== undefined) return bad
  if (parts.checks.length >= TABLE_LIMITS.checks) {
    return refuse('invalid_argument', `a table has at most ${TABLE_LIMITS.checks} checks`)
  }
  const isValid = !hasRows(work, tableId)
  put(work, { ...parts, checks: [...parts.checks, { name, check, isValid }] })
  if (!isValid) addJob(work, { kind: 'validate', tableId, what: 'check', name, ...NO_PROGRESS })
  return undefined
}

function dropCheck(work: EntryWork, table: Table, name: string): boolean | Refusal {
  const checks = table.parts.checks.filter(check => check.name !== name)
  if (checks.length === table.parts.checks.length) {
    return refuse('not_found', `${table.name} has no check ${name.slice(0, 140)}`)
  }
  endJobs(
    work,
    task => task.kind === 'validate' && task.what === 'check' && task.tableId === table.id && task.name === name,
  )
  return put(work, { ...table.parts, checks })
}
