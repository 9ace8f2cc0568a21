import { ByteReader } from '../../encoding/index.ts'
import type { JobTask } from '../jobs.ts'
import { SCOPES_PREFIX, SYSTEM_SCOPE_ID, TABLES_PREFIX, PROJECTS_PREFIX, readU64BE } from '../layers.ts'
import { decodeTable, Table } from '../tables/index.ts'
import type { ForeignKey } from '../tables/index.ts'
import type { Place } from './findings.ts'
import { valueOf, walkRecords } from './walk.ts'
import type { Inspected } from './walk.ts'

/**
 * Names are unique, ids are below their counters, and what is referred to is there. Returns the tables whose own references hold; the rows
 * of the others cannot be judged.
 */
export async function checkCatalog(inspected: Inspected): Promise<Table[]> {
  await checkPlaces(inspected)
  const tables = await checkTables(inspected)
  checkJobs(inspected)
  return tables
}

async function checkPlaces({ reader, state, findings }: Inspected): Promise<void> {
  const { counters, catalog } = state
  await walkRecords(reader, PROJECTS_PREFIX, key => {
    const id = readU64BE(key, 2)
    if (id >= counters.nextProjectId) findings.add('catalog', `the project id ${id} was never given`, {}, key)
    const project = catalog.projectById(id)
    if (project === undefined) return
    if (catalog.project(project.name)?.id === id) return
    findings.add('catalog', 'two projects have this name', { project: project.name }, key)
  })
  await walkRecords(reader, SCOPES_PREFIX, (key, record) => {
    const id = readU64BE(key, 2)
    if (id >= counters.nextScopeId) findings.add('catalog', `the scope id ${id} was never given`, {}, key)
    const fields = new ByteReader(valueOf(record))
    fields.u8()
    const project = catalog.projectById(fields.u32())
    const scope = fields.text16()
    if (project === undefined) findings.add('catalog', 'there is no project of this scope', { scope }, key)
    else if (project.scopes.get(scope)?.id !== id) {
      findings.add('catalog', 'two scopes have this name', { project: project.name, scope }, key)
    }
  })
}

async function checkTables(inspected: Inspected): Promise<Table[]> {
  const { reader, state, findings } = inspected
  const { counters, catalog } = state
  const indexes = new Set<number>()
  const sound: Table[] = []
  await walkRecords(reader, TABLES_PREFIX, (key, record) => {
    const table = new Table(decodeTable(readU64BE(key, 2), valueOf(record)))
    const place = placeOfTable(inspected, table)
    const before = findings.count
    const wrong = (reason: string): void => findings.add('catalog', reason, place, key)
    if (table.id >= counters.nextTableId) wrong(`the table id ${table.id} was never given`)
    const scope = catalog.scopeById(table.parts.scopeId)
    if (scope === undefined) wrong('there is no scope of this table')
    else if (scope.projectId !== table.parts.projectId) wrong('the scope of this table is of another project')
    if (catalog.table(table.parts.scopeId, table.name)?.id !== table.id) wrong('two tables have this name')
    for (const index of table.parts.indexes) {
      if (index.id >= counters.nextIndexId) wrong(`the index id ${index.id} was never given`)
      if (indexes.has(index.id)) wrong(`two indexes have the id ${index.id}`)
      indexes.add(index.id)
    }
    for (const reason of brokenParts(inspected, table)) wrong(reason)
    if (findings.count === before) sound.push(table)
  })
  return sound
}

function* brokenParts(inspected: Inspected, table: Table): Generator<string> {
  const { parts } = table
  const { jobs } = inspected.state
  const lacks = (ids: readonly number[]): boolean => ids.some(id => table.positionOfId(id) === undefined)
  if (lacks(parts.primaryKey)) yield 'the primary key has a column that is not there'
  if (parts.columns.some(({ id }) => id >= parts.nextColumnId)) yield 'a column has an id that was never given'
  if (lacks(parts.pendingNotNull)) yield 'a column that is being looked at for Null is not there'
  if (parts.layouts.length === 0) yield 'the table has no layout'
  const validated = (what: string, name: string): boolean =>
    jobs.some(
      ({ task }) => task.kind === 'validate' && task.tableId === table.id && task.what === what && task.name === name,
    )
  for (const { id, name, columns, isReady } of parts.indexes) {
    if (lacks(columns)) yield `index ${name} has a column that is not there`
    const isBuilt = jobs.some(({ task }) => task.kind === 'buildIndex' && task.indexId === id)
    if (!isReady && !isBuilt) yield `index ${name} is not ready, and nothing builds it`
  }
  for (const { name, isValid } of parts.checks) {
    if (!isValid && !validated('check', name)) yield `nothing looks at the rows for check ${name}`
  }
  for (const foreignKey of parts.foreignKeys) {
    const { name, isValid } = foreignKey
    yield* brokenForeignKey(inspected, table, foreignKey)
    if (!isValid && !validated('foreignKey', name)) yield `nothing looks at the rows for foreign key ${name}`
  }
}

function* brokenForeignKey({ state }: Inspected, table: Table, foreignKey: ForeignKey): Generator<string> {
  const { name, columns, references, tableId, indexId, lookupIndexId } = foreignKey
  const target = state.catalog.tableById(tableId)
  if (target === undefined) {
    yield `foreign key ${name} refers to a table that is not there`
    return
  }
  if (columns.some(id => table.positionOfId(id) === undefined))
    yield `foreign key ${name} has a column that is not there`
  if (references.some(id => target.positionOfId(id) === undefined)) {
    yield `foreign key ${name} refers to a column that is not there`
  }
  if (indexId !== undefined && target.indexOfId(indexId)?.isUnique !== true) {
    yield `foreign key ${name} refers to an index that is not there`
  }
  if (table.indexOfId(lookupIndexId) === undefined) yield `foreign key ${name} has lost the index that it needs`
}

function checkJobs({ state, findings }: Inspected): void {
  for (const { key, task } of state.jobs) {
    const reason = wrongInJob(state.catalog, task)
    if (reason !== undefined) findings.add('job', `${task.kind}: ${reason}`, {}, key)
  }
}

function wrongInJob(catalog: Inspected['state']['catalog'], task: JobTask): string | undefined {
  switch (task.kind) {
    case 'removeScope':
    case 'removeEvents':
      return catalog.scopeById(task.scopeId) === undefined ? undefined : 'the scope is still there'
    case 'removeRows':
      return catalog.tableById(task.tableId) === undefined ? undefined : 'the table is still there'
    case 'removeIndex':
      return undefined
    case 'compactEvents':
      if (task.scopeId === SYSTEM_SCOPE_ID) return undefined
      return catalog.scopeById(task.scopeId) === undefined ? 'there is no such scope' : undefined
    case 'buildIndex':
    case 'validate':
      return catalog.tableById(task.tableId) === undefined ? 'there is no such table' : undefined
    default:
      throw new RangeError(`job ${String(task satisfies never)}`)
  }
}

/** The names of a table and of where it is. */
export function placeOfTable({ state }: Inspected, table: Table): Place {
  const project = state.catalog.projectById(table.parts.projectId)?.name
  const scope = state.catalog.scopeById(table.parts.scopeId)?.name
  return { ...(project !== undefined && { project }), ...(scope !== undefined && { scope }), table: table.name }
}
