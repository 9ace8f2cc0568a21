import { mapColumns } from '../../encoding/index.ts'
import type {
  ColumnDefinition,
  IndexDefinition,
  TableAlteration,
  TableDdl,
  TableDefinitionData,
  TableTarget,
  Value,
} from '../../encoding/index.ts'
import { toJson } from '../client-wire/index.ts'
import { invalid } from '../facade/arguments.ts'

export interface DifferenceOptions {
  /** Columns that only have another name: old to new. Without it they are dropped and added. */
  renamed?: Readonly<Record<string, string>>
}

/**
 * What makes a table of the definition `from` one of the definition `to`, in an order that works: what goes leaves what it depends on last,
 * what comes finds what it depends on. Empty if they mean the same.
 * @throws QuorateError `invalid_argument` for what no alteration can do: another primary key, another type of a column
 */
export function tableDifference(
  target: TableTarget,
  from: TableDefinitionData,
  to: TableDefinitionData,
  { renamed = {} }: DifferenceOptions = {},
): TableDdl[] {
  const old = withRenamedColumns(from, renamed)
  requireAlterable(target.table, old, to)
  const alter = (alteration: TableAlteration): TableDdl => ({ type: 'alterTable', ...target, alteration })
  const checks = changes(old.checks, to.checks)
  const foreignKeys = changes(old.foreignKeys, to.foreignKeys)
  const indexes = changes(old.indexes, to.indexes)
  const columns = columnChanges(old.columns, to.columns)
  return [
    ...foreignKeys.gone.map(({ name }) => alter({ type: 'dropForeignKey', name })),
    ...checks.gone.map(({ name }) => alter({ type: 'dropCheck', name })),
    ...indexes.gone.map(({ name }): TableDdl => ({ type: 'dropIndex', ...target, name })),
    ...Object.entries(renamed).map(([column, name]) => alter({ type: 'renameColumn', column, to: name })),
    ...columns.gone.map(({ name }) => alter({ type: 'dropColumn', column: name })),
    ...columns.come.map(column => alter({ type: 'addColumn', column })),
    ...columns.altered.map(alter),
    ...checks.come.map(check => alter({ type: 'addCheck', check })),
    ...indexes.come.map((index): TableDdl => ({ type: 'createIndex', ...target, index })),
    ...foreignKeys.come.map(foreignKey => alter({ type: 'addForeignKey', foreignKey })),
  ]
}

/** Items by name: those that are no more or are others now, and those that are new or others. */
function changes<T extends { name: string }>(
  from: readonly T[] = [],
  to: readonly T[] = [],
): { gone: readonly T[]; come: readonly T[] } {
  const before = new Map(from.map(item => [item.name, meaning(item)]))
  const after = new Map(to.map(item => [item.name, meaning(item)]))
  return {
    gone: from.filter(item => after.get(item.name) !== before.get(item.name)),
    come: to.filter(item => after.get(item.name) !== before.get(item.name)),
  }
}

/** What an item says, however it says it: without what is said by leaving it out, and its fields in one order. */
export function meaning(item: unknown): string {
  return toJson(ordered(item))
}

/** Values that mean the same as the field left out. */
const SAYS_NOTHING: Readonly<Record<string, readonly unknown[]>> = {
  kind: ['ordered'],
  unique: [false],
  nullable: [false],
  defaultNow: [false],
  default: [null],
  onDelete: ['restrict', 'noAction'],
  onUpdate: ['restrict', 'noAction'],
}

function ordered(item: unknown): unknown {
  if (Array.isArray(item)) return item.map(ordered)
  if (typeof item !== 'object' || item === null || item instanceof Uint8Array) return item
  return Object.fromEntries(
    Object.entries(item)
      .filter(([name, value]) => value !== undefined && SAYS_NOTHING[name]?.includes(value) !== true)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, value]) => [name, ordered(value)]),
  )
}

function columnChanges(
  from: readonly ColumnDefinition[],
  to: readonly ColumnDefinition[],
): { gone: readonly ColumnDefinition[]; come: readonly ColumnDefinition[]; altered: readonly TableAlteration[] } {
  const before = new Map(from.map(column => [column.name, column]))
  const after = new Set(to.map(({ name }) => name))
  return {
    gone: from.filter(({ name }) => !after.has(name)),
    come: to.filter(({ name }) => !before.has(name)),
    altered: to.flatMap(column => {
      const old = before.get(column.name)
      return old === undefined ? [] : alterationsOf(old, column)
    }),
  }
}

function alterationsOf(from: ColumnDefinition, to: ColumnDefinition): TableAlteration[] {
  const { name: column, nullable = false, default: value, defaultNow = false } = to
  const alterations: TableAlteration[] = []
  const defaultOf = (of: ColumnDefinition): string => meaning({ default: of.default, defaultNow: of.defaultNow })
  if (defaultOf(from) !== defaultOf(to)) {
    const next: { default?: Value; defaultNow?: boolean } = {
      ...(value !== undefined && { default: value }),
      ...(defaultNow && { defaultNow }),
    }
    alterations.push({ type: 'setDefault', column, ...next })
  }
  if ((from.nullable ?? false) !== nullable) alterations.push({ type: 'setNullable', column, nullable })
  return alterations
}

function requireAlterable(table: string, from: TableDefinitionData, to: TableDefinitionData): void {
  if (meaning(from.primaryKey) !== meaning(to.primaryKey)) {
    throw invalid(`the primary key of ${table} cannot change: copy its rows to another table`)
  }
  const types = new Map(from.columns.map(({ name, type }) => [name, type]))
  for (const { name, type } of to.columns) {
    const old = types.get(name)
    if (old !== undefined && old !== type) {
      throw invalid(`column ${name} of ${table} cannot change from ${old} to ${type}: add another column`)
    }
  }
}

/** The definition after its columns were renamed, which renames them in its rules too. */
function withRenamedColumns(
  definition: TableDefinitionData,
  renamed: Readonly<Record<string, string>>,
): TableDefinitionData {
  const known = new Set(definition.columns.map(({ name }) => name))
  for (const name of Object.keys(renamed)) if (!known.has(name)) throw invalid(`there is no column ${name} to rename`)
  if (Object.keys(renamed).length === 0) return definition
  const nameOf = (name: string): string => (Object.hasOwn(renamed, name) ? renamed[name]! : name)
  const { columns, primaryKey, indexes, checks, foreignKeys } = definition
  return {
    columns: columns.map(column => ({ ...column, name: nameOf(column.name) })),
    primaryKey: primaryKey.map(nameOf),
    ...(indexes !== undefined && { indexes: indexes.map(index => renamedIndex(index, nameOf)) }),
    ...(checks !== undefined && {
      checks: checks.map(({ name, check }) => ({ name, check: mapColumns(check, nameOf) })),
    }),
    ...(foreignKeys !== undefined && {
      foreignKeys: foreignKeys.map(key => ({ ...key, columns: key.columns.map(nameOf) })),
    }),
  }
}

function renamedIndex(index: IndexDefinition, nameOf: (name: string) => string): IndexDefinition {
  const { where, ...rest } = index
  return {
    ...rest,
    columns: index.columns.map(nameOf),
    ...(where !== undefined && { where: mapColumns(where, nameOf) }),
  }
}
