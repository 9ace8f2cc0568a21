import { mapColumns } from '../../encoding/index.ts'
import type { ColumnDefinition, Expr, TableAlteration, Value } from '../../encoding/index.ts'
import type { ReferenceTable } from './reference-tables.ts'

/** Rows that are there have the default in it. */
export function addColumn(table: ReferenceTable, column: ColumnDefinition): void {
  table.columns = [...table.columns, column]
  for (const row of table.rows) row.cells = { ...row.cells, [column.name]: column.default ?? null }
}

export function dropColumn(table: ReferenceTable, name: string): void {
  table.columns = table.columns.filter(column => column.name !== name)
  for (const row of table.rows) row.cells = renamed(row.cells, name, undefined)
}

/** Conditions name their columns, and follow. */
export function renameColumn(table: ReferenceTable, name: string, to: string): void {
  const rename = (column: string): string => (column === name ? to : column)
  const follow = (expr: Expr): Expr => mapColumns(expr, rename)
  table.columns = table.columns.map(column => (column.name === name ? { ...column, name: to } : column))
  table.indexes = table.indexes.map(index => ({
    ...index,
    columns: index.columns.map(rename),
    ...(index.where !== undefined && { where: follow(index.where) }),
  }))
  table.checks = table.checks.map(check => ({ ...check, check: follow(check.check) }))
  if (table.policy !== undefined) table.policy = follow(table.policy)
  for (const row of table.rows) row.cells = renamed(row.cells, name, to)
}

/** The cells with one under another name, or without it. */
function renamed(cells: Record<string, Value>, from: string, to: string | undefined): Record<string, Value> {
  return Object.fromEntries(
    Object.entries(cells).flatMap(([name, cell]) => {
      if (name !== from) return [[name, cell] as const]
      return to === undefined ? [] : [[to, cell] as const]
    }),
  )
}

/** Alters columns that nothing else of the table rests on. True, or the code of the refusal. */
export function alterColumns(table: ReferenceTable, alteration: TableAlteration): boolean | string {
  const has = (name: string): boolean => table.columns.some(column => column.name === name)
  switch (alteration.type) {
    case 'addColumn': {
      const { column } = alteration
      if (has(column.name)) return 'already_exists'
      addColumn(table, column)
      return true
    }
    case 'dropColumn':
      if (!has(alteration.column)) return 'column_not_found'
      if (isUsed(table, alteration.column)) return 'invalid_argument'
      dropColumn(table, alteration.column)
      return true
    case 'renameColumn':
      if (!has(alteration.column)) return 'column_not_found'
      if (alteration.column === alteration.to) return false
      if (has(alteration.to)) return 'already_exists'
      renameColumn(table, alteration.column, alteration.to)
      return true
    default:
      throw new RangeError(`the reference does not know ${alteration.type}`)
  }
}

function isUsed({ primaryKey, indexes, foreignKeys, checks, policy }: ReferenceTable, name: string): boolean {
  const conditions = [...checks.map(({ check }) => check), ...(policy === undefined ? [] : [policy])]
  for (const { where } of indexes) if (where !== undefined) conditions.push(where)
  return (
    primaryKey.includes(name) ||
    indexes.some(({ columns }) => columns.includes(name)) ||
    foreignKeys.some(({ columns }) => columns.includes(name)) ||
    conditions.some(condition => names(condition, name))
  )
}

function names(expr: Expr, name: string): boolean {
  let isNamed = false
  mapColumns(expr, column => {
    isNamed ||= column === name
    return column
  })
  return isNamed
}
