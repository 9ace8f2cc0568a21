import type { ForeignKeyDefinition, ReferentialAction } from '../../encoding/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { NO_PROGRESS } from '../jobs.ts'
import { ownCatalog } from '../own-catalog.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { hasRows } from '../rows/index.ts'
import { addJob } from '../table-steps.ts'
import type { ForeignKey, Table, TableIndex } from '../tables/index.ts'
import { badTableName, columnIds, isRefusal, TABLE_LIMITS } from './table-columns.ts'
import { addIndex } from './table-indexes.ts'

const GLOBAL_PROJECT = '_global'
const DEFAULT_SCOPE = 'app'

/**
 * Adds a foreign key to a table. Writers are held to it from now on; where there are rows, it is in force once they have been looked at.
 * Referring rows are found by an index, which is made if there is none that serves.
 */
export function addForeignKey(work: EntryWork, tableId: number, definition: ForeignKeyDefinition): Refusal | undefined {
  const { catalog } = work.state
  const table = catalog.tableById(tableId)!
  const { foreignKeys } = table.parts
  const { name, onDelete = 'restrict', onUpdate = 'restrict' } = definition
  const bad = badTableName(
    'foreign key',
    name,
    foreignKeys.some(other => other.name === name),
  )
  if (bad !== undefined) return bad
  if (foreignKeys.length >= TABLE_LIMITS.foreignKeys) {
    return refuse('invalid_argument', `a table has at most ${TABLE_LIMITS.foreignKeys} foreign keys`)
  }
  const columns = columnIds(definition.columns, column => idOf(table, column))
  if (!Array.isArray(columns)) return columns
  const target = findTarget(catalog, table, definition)
  if (isRefusal(target)) return target
  const { references, indexId } = target
  const refused =
    badTypes(table, columns, target) ??
    badCycle(catalog, table, target.table) ??
    badActions(table, columns, target, onDelete, onUpdate)
  if (refused !== undefined) return refused
  const isEmpty = !hasRows(work, tableId)
  const lookup = findLookup(table, columns) ?? makeLookup(work, table, definition)
  if (isRefusal(lookup)) return lookup
  const foreignKey: ForeignKey = {
    name,
    columns,
    tableId: target.table.id,
    references,
    indexId,
    lookupIndexId: lookup.id,
    ownsIndex: !table.parts.indexes.includes(lookup),
    onDelete,
    onUpdate,
    isValid: isEmpty,
  }
  const own = ownCatalog(work)
  const { parts } = own.tableById(tableId)!
  own.putTable(work.changes, { ...parts, foreignKeys: [...parts.foreignKeys, foreignKey] })
  if (!isEmpty) addJob(work, { kind: 'validate', tableId, what: 'foreignKey', name, ...NO_PROGRESS })
  return undefined
}

interface Target {
  readonly table: Table
  readonly references: readonly number[]
  readonly indexId: number | undefined
  readonly isGlobal: boolean
}

function idOf(table: Table, name: string): number | undefined {
  const position = table.position(name)
  return position === undefined ? undefined : table.columns[position]!.id
}

function findTarget(catalog: Catalog, from: Table, definition: ForeignKeyDefinition): Target | Refusal {
  const own = catalog.projectById(from.parts.projectId)!
  const { project: projectName = own.name, table: tableName } = definition
  if (projectName !== own.name && projectName !== GLOBAL_PROJECT) {
    return refuse('invalid_argument', 'a foreign key refers to a table of its own project or of the project _global')
  }
  const project = catalog.project(projectName)
  if (project === undefined) return refuse('project_not_found', `there is no project ${projectName}`)
  const ownScope = catalog.scopeById(from.parts.scopeId)!.name
  const scopeName = definition.scope ?? (project.id === own.id ? ownScope : DEFAULT_SCOPE)
  const scope = project.scopes.get(scopeName)
  if (scope === undefined) return refuse('scope_not_found', `project ${projectName} has no scope ${scopeName}`)
  const table = catalog.table(scope.id, tableName)
  if (table === undefined) return refuse('table_not_found', `there is no table ${tableName.slice(0, 140)}`)
  const isGlobal = project.id !== own.id
  if (definition.references === undefined) {
    return { table, references: table.parts.primaryKey, indexId: undefined, isGlobal }
  }
  const references = columnIds(definition.references, name => idOf(table, name))
  if (!Array.isArray(references)) return references
  if (isSameSet(references, table.parts.primaryKey)) return { table, references, indexId: undefined, isGlobal }
  const index = table.parts.indexes.find(
    ({ isUnique, isReady, where, columns }) =>
      isUnique && isReady && where === undefined && isSameSet(references, columns),
  )
  if (index !== undefined) return { table, references, indexId: index.id, isGlobal }
  return refuse('invalid_argument', 'a foreign key refers to the primary key or to the columns of a unique index')
}

function isSameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}

function badTypes(table: Table, columns: readonly number[], target: Target): Refusal | undefined {
  if (columns.length !== target.references.length) {
    return refuse('invalid_argument', 'a foreign key has as many columns as it refers to')
  }
  for (const [i, id] of columns.entries()) {
    const own = table.columns[table.positionOfId(id)!]!
    const other = target.table.columns[target.table.positionOfId(target.references[i]!)!]!
    if (own.type !== other.type) {
      return refuse('type_mismatch', `column ${own.name} is ${own.type}, what it refers to is ${other.type}`)
    }
  }
  return undefined
}

/** A table may refer to itself; otherwise tables never refer to each other in a circle. */
function badCycle(catalog: Catalog, table: Table, target: Table): Refusal | undefined {
  if (table.id === target.id) return undefined
  const reached = new Set([target.id])
  for (const id of reached) {
    for (const { tableId } of catalog.tableById(id)!.parts.foreignKeys) reached.add(tableId)
  }
  return reached.has(table.id) ? refuse('invalid_argument', 'foreign keys would go in a circle') : undefined
}

function badActions(
  table: Table,
  columns: readonly number[],
  { indexId, isGlobal }: Target,
  onDelete: ReferentialAction,
  onUpdate: ReferentialAction,
): Refusal | undefined {
  if (isGlobal && onDelete === 'cascade') {
    return refuse('invalid_argument', 'rows of a project do not go with rows of _global')
  }
  // A primary key never changes, so that nothing follows its update.
  const actions = indexId === undefined ? [onDelete] : [onDelete, onUpdate]
  if (actions.includes('setNull')) {
    const isNullable = columns.every(id => table.mayBeNull(table.positionOfId(id)!))
    if (!isNullable) return refuse('invalid_argument', 'an action sets columns null that may not be')
  }
  const changesCells =
    onDelete === 'setNull' ||
    onDelete === 'setDefault' ||
    (indexId !== undefined && (onUpdate === 'cascade' || onUpdate === 'setNull' || onUpdate === 'setDefault'))
  if (changesCells && columns.some(id => table.parts.primaryKey.includes(id))) {
    return refuse('invalid_argument', 'an action would change a primary key')
  }
  return undefined
}

/** An index that finds the rows with given cells in `columns`, and will go on to. */
function findLookup(table: Table, columns: readonly number[]): TableIndex | undefined {
  return table.parts.indexes.find(
    index =>
      index.where === undefined &&
      (index.isReady || !index.isUnique) &&
      isSameSet(index.columns.slice(0, columns.length), columns),
  )
}

function makeLookup(work: EntryWork, table: Table, { name, columns }: ForeignKeyDefinition): TableIndex | Refusal {
  return addIndex(work, table.id, { name, columns })
}
