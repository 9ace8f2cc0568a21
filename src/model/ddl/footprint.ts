import { DEFAULT_SCOPE, mapColumns } from '../../encoding/index.ts'
import type { Ddl, Expr, ForeignKeyDefinition, Permission, TableDdl, TableTarget } from '../../encoding/index.ts'

/**
 * What an operation of the catalog has to do with names, by which a batch is ordered. A name is a path: `project`, `project/scope`,
 * `project/scope/table`, and within a table `…#column`, `…@index`, `…!check`, `…>foreign key` and `…=columns of a unique index`.
 */
export interface Footprint {
  readonly creates: readonly string[]
  readonly drops: readonly string[]
  /** Has to be there, as far as the batch has a say in it. */
  readonly needs: readonly string[]
  /** Operations with the same slot change the same thing: they keep the order they were given in. */
  readonly slot?: string
}

type AlterTable = Extract<TableDdl, { type: 'alterTable' }>

export function footprintOf(operation: Ddl): Footprint {
  switch (operation.type) {
    case 'createProject':
      return { creates: [operation.project, scopePath(operation.project, DEFAULT_SCOPE)], drops: [], needs: [] }
    case 'renameProject':
      return { creates: [operation.to], drops: [operation.project], needs: [operation.project] }
    case 'dropProject':
      return { creates: [], drops: [operation.project], needs: [] }
    case 'createScope':
      return { creates: [scopePath(operation.project, operation.scope)], drops: [], needs: [operation.project] }
    case 'renameScope': {
      const from = scopePath(operation.project, operation.scope)
      return { creates: [scopePath(operation.project, operation.to)], drops: [from], needs: within(from) }
    }
    case 'dropScope':
      return { creates: [], drops: [scopePath(operation.project, operation.scope)], needs: [] }
    case 'grant':
    case 'revoke':
      return { creates: [], drops: [], needs: placeOf(operation.permission), slot: `grants of ${operation.caller}` }
    case 'transferOwnership':
      return { creates: [], drops: [], needs: placeOf(operation), slot: `owner of ${placeOf(operation).join(' ')}` }
    case 'setSetting':
      return { creates: [], drops: [], needs: [], slot: `setting ${operation.name}` }
    case 'setQuota':
      return { creates: [], drops: [], needs: [operation.project], slot: `quota of ${operation.project}` }
    case 'compactEvents':
      return { creates: [], drops: [], needs: within(scopePath(operation.project, operation.scope)) }
    default:
      return footprintOfTable(operation)
  }
}

function footprintOfTable(operation: TableDdl): Footprint {
  const table = tablePath(operation)
  const needs = within(table)
  switch (operation.type) {
    case 'createTable': {
      const { indexes = [], foreignKeys = [] } = operation
      const keys = indexes.filter(({ unique }) => unique === true).map(({ columns }) => uniquePath(table, columns))
      const others = foreignKeys.flatMap(key => referencesOf(operation, key)).filter(name => name !== table)
      return { creates: [table, ...keys], drops: [], needs: [...containers(table), ...others] }
    }
    case 'renameTable':
      return { creates: [tablePath({ ...operation, table: operation.to })], drops: [table], needs }
    case 'dropTable':
      return { creates: [], drops: [table], needs: [] }
    case 'createIndex': {
      const { name, columns, unique, where } = operation.index
      const creates = [`${table}@${name}`, ...(unique === true ? [uniquePath(table, columns)] : [])]
      const used = [...columns, ...(where === undefined ? [] : columnsOf(where))]
      return { creates, drops: [], needs: [...needs, ...used.map(column => `${table}#${column}`)] }
    }
    case 'dropIndex':
      return { creates: [], drops: [`${table}@${operation.name}`], needs }
    case 'setReadPolicy': {
      const columns = columnsOf(operation.policy).map(column => `${table}#${column}`)
      return { creates: [], drops: [], needs: [...needs, ...columns], slot: `policy of ${table}` }
    }
    case 'clearReadPolicy':
      return { creates: [], drops: [], needs, slot: `policy of ${table}` }
    case 'alterTable':
      return footprintOfAlteration(operation, table)
    default:
      throw new RangeError(`operation ${String(operation satisfies never)}`)
  }
}

function footprintOfAlteration(operation: AlterTable, table: string): Footprint {
  const { alteration } = operation
  const needs = within(table)
  const column = (name: string): string => `${table}#${name}`
  switch (alteration.type) {
    case 'addColumn':
      return { creates: [column(alteration.column.name)], drops: [], needs }
    case 'dropColumn':
      return { creates: [], drops: [column(alteration.column)], needs }
    case 'renameColumn': {
      const from = column(alteration.column)
      return { creates: [column(alteration.to)], drops: [from], needs: [...needs, from] }
    }
    case 'setNullable':
    case 'setDefault':
      return { creates: [], drops: [], needs: [...needs, column(alteration.column)], slot: column(alteration.column) }
    case 'addCheck': {
      const { name, check } = alteration.check
      return { creates: [`${table}!${name}`], drops: [], needs: [...needs, ...columnsOf(check).map(column)] }
    }
    case 'dropCheck':
      return { creates: [], drops: [`${table}!${alteration.name}`], needs }
    case 'addForeignKey': {
      const { foreignKey } = alteration
      const used = [...foreignKey.columns.map(column), ...referencesOf(operation, foreignKey)]
      return { creates: [`${table}>${foreignKey.name}`], drops: [], needs: [...needs, ...used] }
    }
    case 'dropForeignKey':
      return { creates: [], drops: [`${table}>${alteration.name}`], needs }
    default:
      throw new RangeError(`alteration ${String(alteration satisfies never)}`)
  }
}

/** The table that a foreign key refers to, its columns, and the unique index over them. */
export function referencesOf(from: TableTarget, key: ForeignKeyDefinition): string[] {
  const { project = from.project, table, references } = key
  const scope = key.scope ?? (project === from.project ? from.scope : DEFAULT_SCOPE)
  const path = tablePath({ project, table, ...(scope !== undefined && { scope }) })
  if (references === undefined) return [path]
  return [path, uniquePath(path, references), ...references.map(column => `${path}#${column}`)]
}

export function tablePath({ project, scope, table }: TableTarget): string {
  return `${scopePath(project, scope)}/${table}`
}

/** What a path lies in, from the outside. */
export function containers(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join('/'))
}

function within(path: string): string[] {
  return [...containers(path), path]
}

function scopePath(project: string, scope: string = DEFAULT_SCOPE): string {
  return `${project}/${scope}`
}

function uniquePath(table: string, columns: readonly string[]): string {
  return `${table}=${[...columns].sort().join(',')}`
}

function placeOf(reach: Permission | { project: string; scope?: string; table?: string }): string[] {
  const { project, scope, table } = reach as { project?: string; scope?: string; table?: string }
  if (project === undefined) return []
  if (table !== undefined) return within(tablePath({ project, table, ...(scope !== undefined && { scope }) }))
  return scope === undefined ? [project] : within(scopePath(project, scope))
}

function columnsOf(condition: Expr): string[] {
  const columns: string[] = []
  mapColumns(condition, name => {
    columns.push(name)
    return name
  })
  return columns
}
