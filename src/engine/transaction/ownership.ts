import { DEFAULT_SCOPE, utf8Bytes } from '../../encoding/index.ts'
import type { Ddl } from '../../encoding/index.ts'
import type { Grant } from '../access/index.ts'
import type { Catalog, Project, Scope } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { ownCatalog } from '../own-catalog.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import type { Table } from '../tables/index.ts'

const OWNER_BYTES_MAX = 128

type Transfer = Extract<Ddl, { type: 'transferOwnership' }>

/** A thing that has an owner, with all that contains it. */
interface Owned {
  readonly project: Project
  readonly scope: Scope | undefined
  readonly table: Table | undefined
}

export function isOwnerName(owner: string): boolean {
  return utf8Bytes(owner).length <= OWNER_BYTES_MAX
}

/** Applies it to the entry's own state. Returns whether it changed anything, or why it is refused. */
export function transferOwnership(work: EntryWork, operation: Transfer): boolean | Refusal {
  const { to } = operation
  if (!isOwnerName(to)) return refuse('invalid_argument', `an owner has at most ${OWNER_BYTES_MAX} bytes`)
  const found = findOwned(work.state.catalog, operation)
  if ('code' in found) return found
  const { project, scope, table } = found
  const owner = table === undefined ? (scope ?? project).owner : table.parts.owner
  if (owner === to) return false
  const catalog = ownCatalog(work)
  if (table !== undefined) catalog.putTable(work.changes, { ...table.parts, owner: to })
  else if (scope !== undefined) catalog.setScopeOwner(work.changes, scope.id, to)
  else catalog.setProjectOwner(work.changes, project.id, to)
  return true
}

/** Whether `caller` owns what the operation is about, or what contains that. */
export function ownsTarget(catalog: Catalog, operation: Transfer, caller: string): boolean {
  const found = findOwned(catalog, operation)
  return !('code' in found) && isOwnedBy(found, caller)
}

/** Whether `caller` owns all that the permission reaches. */
export function ownsReach(catalog: Catalog, { projectId, scopeId, tableId }: Grant, caller: string): boolean {
  const project = catalog.projectById(projectId)
  if (project === undefined) return false
  const scope = scopeId === 0 ? undefined : catalog.scopeById(scopeId)
  const table = tableId === 0 ? undefined : catalog.tableById(tableId)
  return isOwnedBy({ project, scope, table }, caller)
}

function isOwnedBy({ project, scope, table }: Owned, caller: string): boolean {
  return project.owner === caller || scope?.owner === caller || table?.parts.owner === caller
}

function findOwned(catalog: Catalog, { project: name, scope, table }: Transfer): Owned | Refusal {
  const project = catalog.project(name)
  if (project === undefined) return refuse('project_not_found', `there is no project ${name.slice(0, 140)}`)
  if (scope === undefined && table === undefined) return { project, scope: undefined, table: undefined }
  const scopeName = scope ?? DEFAULT_SCOPE
  const foundScope = project.scopes.get(scopeName)
  if (foundScope === undefined) return refuse('scope_not_found', `${name} has no scope ${scopeName.slice(0, 140)}`)
  if (table === undefined) return { project, scope: foundScope, table }
  const foundTable = catalog.table(foundScope.id, table)
  if (foundTable === undefined) return refuse('table_not_found', `there is no table ${table.slice(0, 140)}`)
  return { project, scope: foundScope, table: foundTable }
}
