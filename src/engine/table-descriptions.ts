import { DEFAULT_SCOPE } from '../encoding/index.ts'
import type { ColumnDefinition, ForeignKeyDefinition, IndexDefinition, TableDefinitionData } from '../encoding/index.ts'
import type { TableDescription } from '../model/index.ts'
import type { Catalog } from './catalog/index.ts'
import type { Column, ForeignKey, Table, TableIndex } from './tables/index.ts'

/** A table as `tables` answers it; `rows` is how many it has, undefined for who may not see all of them. */
export function describeTable(catalog: Catalog, table: Table, rows: number | undefined): TableDescription {
  const { parts } = table
  return {
    name: parts.name,
    id: parts.id,
    owner: parts.owner,
    definition: definitionOf(catalog, table),
    ...(parts.readPolicy !== undefined && { readPolicy: parts.readPolicy }),
    ...(rows !== undefined && { rows }),
    indexes: parts.indexes.map(({ name, isReady }) => ({ name, isReady })),
    failures: rows === undefined ? [] : parts.failures.map(({ name, message, seq }) => ({ name, message, seq })),
  }
}

/** The table as `createTable` would take it now. Indexes that foreign keys have made for themselves are not part of it. */
function definitionOf(catalog: Catalog, table: Table): TableDefinitionData {
  const { indexes, checks, foreignKeys, primaryKey } = table.parts
  const own = new Set(foreignKeys.filter(({ ownsIndex }) => ownsIndex).map(({ lookupIndexId }) => lookupIndexId))
  const listed = indexes.filter(({ id }) => !own.has(id))
  return {
    columns: table.columns.map(columnDefinition),
    primaryKey: namesOf(table, primaryKey),
    ...(listed.length > 0 && { indexes: listed.map(index => indexDefinition(table, index)) }),
    ...(checks.length > 0 && { checks: checks.map(({ name, check }) => ({ name, check })) }),
    ...(foreignKeys.length > 0 && { foreignKeys: foreignKeys.map(key => foreignKeyDefinition(catalog, table, key)) }),
  }
}

function namesOf(table: Table, ids: readonly number[]): string[] {
  return ids.map(id => table.columns[table.positionOfId(id)!]!.name)
}

function columnDefinition(column: Column): ColumnDefinition {
  return {
    name: column.name,
    type: column.type,
    ...(column.isNullable && { nullable: true }),
    ...(column.default !== null && { default: column.default }),
    ...(column.isDefaultNow && { defaultNow: true }),
  }
}

function indexDefinition(table: Table, { name, columns, kind, isUnique, where }: TableIndex): IndexDefinition {
  return {
    name,
    columns: namesOf(table, columns),
    ...(kind === 'hash' && { kind }),
    ...(isUnique && { unique: true }),
    ...(where !== undefined && { where }),
  }
}

function foreignKeyDefinition(catalog: Catalog, table: Table, key: ForeignKey): ForeignKeyDefinition {
  const referenced = catalog.tableById(key.tableId)!
  const { projectId, scopeId } = referenced.parts
  const isElsewhere = scopeId !== table.parts.scopeId
  const scope = catalog.scopeById(scopeId)?.name ?? DEFAULT_SCOPE
  return {
    name: key.name,
    columns: namesOf(table, key.columns),
    ...(isElsewhere && { project: catalog.projectById(projectId)!.name, scope }),
    table: referenced.name,
    references: namesOf(referenced, key.references),
    onDelete: key.onDelete,
    onUpdate: key.onUpdate,
  }
}
