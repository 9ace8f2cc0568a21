import { changedState } from '../cluster-state.ts'
import { DEFAULT_SCOPE, utf8Bytes } from '../../encoding/index.ts'
import type { Ddl } from '../../encoding/index.ts'
import { isName, RESERVED_PROJECTS, SYSTEM_PLACE } from '../../model/index.ts'
import { equalGrants, grantOf, isInForce } from '../access/index.ts'
import { changedCounters, changeSetting, isRefusal, putCounters } from '../catalog/index.ts'
import type { Catalog, Project } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { SYSTEM_SCOPE_ID } from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { ownCatalog } from '../own-catalog.ts'
import { hasEvents, noteProject, noteScope, planCompaction, putCompaction } from '../outbox/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { addJob, endJobs } from '../table-steps.ts'
import { catalogLimit } from './catalog-limits.ts'
import { isOwnerName, transferOwnership } from './ownership.ts'
import { applyTableDdl, dropTables } from './table-ddl.ts'

const DEFAULT_SCOPE_NAME = 'app'
const CALLER_BYTES_MAX = 128
const GRANTS_PER_CALLER_MAX = 1_000

/** Applies one operation to the entry's own copy of the state. Returns whether it changed anything, or why it is refused. */
export function applyDdl(work: EntryWork, operation: Ddl): boolean | Refusal {
  switch (operation.type) {
    case 'createProject':
      return createProject(work, operation)
    case 'transferOwnership':
      return transferOwnership(work, operation)
    case 'renameProject':
      return renameProject(work, operation.project, operation.to)
    case 'dropProject':
      return dropProject(work, operation.project, operation.ifExists === true)
    case 'createScope':
      return createScope(work, operation.project, operation.scope, operation.ifNotExists === true)
    case 'renameScope':
      return renameScope(work, operation.project, operation.scope, operation.to)
    case 'dropScope':
      return dropScope(work, operation.project, operation.scope, operation.ifExists === true)
    case 'grant':
    case 'revoke':
      return changeGrant(work, operation)
    case 'compactEvents':
      return compactEvents(work, operation)
    case 'setQuota':
      return setQuota(work, operation)
    case 'setSetting':
      return setSetting(work, operation.name, operation.value)
    default:
      return applyTableDdl(work, operation)
  }
}

function badName(what: string, name: string): Refusal | undefined {
  if (!isName(name)) return refuse('invalid_name', `a ${what} name has 1 to 128 of A-Z a-z 0-9 _ -`)
  if (what === 'project' && RESERVED_PROJECTS.includes(name)) return refuse('invalid_name', `${name} is reserved`)
  return undefined
}

function noProject(name: string): Refusal {
  return refuse('project_not_found', `there is no project ${name.slice(0, 140)}`)
}

function createProject(
  work: EntryWork,
  { project: name, ifNotExists, owner = '' }: Extract<Ddl, { type: 'createProject' }>,
): boolean | Refusal {
  const bad = badName('project', name)
  if (bad !== undefined) return bad
  if (!isOwnerName(owner)) return refuse('invalid_argument', 'an owner has at most 128 bytes')
  if (work.state.catalog.project(name) !== undefined) {
    return ifNotExists === true ? false : refuse('already_exists', `project ${name} exists`)
  }
  const full = catalogLimit(work, 'projects', 'projectsMax') ?? catalogLimit(work, 'scopes', 'scopesMax')
  if (full !== undefined) return full
  const catalog = ownCatalog(work)
  const { nextProjectId, nextScopeId } = work.state.counters
  const project = catalog.addProject(work.changes, nextProjectId, name, owner, work.timeMicros)
  catalog.addScope(work.changes, project, nextScopeId, DEFAULT_SCOPE_NAME, work.timeMicros)
  takeIds(work, 1, 1)
  noteProject(work, 'projectCreated', project.id)
  noteScope(work, 'scopeCreated', nextScopeId)
  return true
}

function takeIds(work: EntryWork, projects: number, scopes: number): void {
  const { counters } = work.state
  const next = changedCounters(counters, {
    nextProjectId: counters.nextProjectId + projects,
    nextScopeId: counters.nextScopeId + scopes,
  })
  putCounters(work.changes, next)
  work.state = changedState(work.state, { counters: next })
}

function renameProject(work: EntryWork, from: string, to: string): boolean | Refusal {
  const bad = badName('project', to)
  if (bad !== undefined) return bad
  if (work.state.catalog.project(from) === undefined || RESERVED_PROJECTS.includes(from)) return noProject(from)
  if (from === to) return false
  if (work.state.catalog.project(to) !== undefined) return refuse('already_exists', `project ${to} exists`)
  const catalog = ownCatalog(work)
  const { id } = catalog.project(from)!
  catalog.renameProject(work.changes, catalog.project(from)!, to)
  noteProject(work, 'projectRenamed', id, { from })
  return true
}

function dropProject(work: EntryWork, name: string, ifExists: boolean): boolean | Refusal {
  if (work.state.catalog.project(name) === undefined || RESERVED_PROJECTS.includes(name)) {
    return ifExists ? false : noProject(name)
  }
  const catalog = ownCatalog(work)
  const project = catalog.project(name)!
  const scopes = catalog.scopes(project)
  const refusal = dropTables(
    work,
    scopes.flatMap(({ id }) => catalog.tables(id)),
  )
  if (refusal !== undefined) return refusal
  for (const { name: scope } of scopes) removeScope(work, catalog, project, scope)
  noteProject(work, 'projectDropped', project.id)
  catalog.removeProject(work.changes, project)
  return true
}

function createScope(work: EntryWork, project: string, name: string, ifNotExists: boolean): boolean | Refusal {
  const bad = badName('scope', name)
  if (bad !== undefined) return bad
  const found = work.state.catalog.project(project)
  if (found === undefined) return noProject(project)
  if (found.scopes.has(name)) return ifNotExists ? false : refuse('already_exists', `scope ${name} exists`)
  const full = catalogLimit(work, 'scopes', 'scopesMax')
  if (full !== undefined) return full
  const catalog = ownCatalog(work)
  catalog.addScope(work.changes, catalog.project(project)!, work.state.counters.nextScopeId, name, work.timeMicros)
  takeIds(work, 0, 1)
  noteScope(work, 'scopeCreated', work.state.counters.nextScopeId - 1)
  return true
}

function renameScope(work: EntryWork, project: string, from: string, to: string): boolean | Refusal {
  const bad = badName('scope', to)
  if (bad !== undefined) return bad
  const found = work.state.catalog.project(project)
  if (found === undefined) return noProject(project)
  if (!found.scopes.has(from)) return refuse('scope_not_found', `project ${project} has no scope ${from.slice(0, 140)}`)
  if (from === to) return false
  if (found.scopes.has(to)) return refuse('already_exists', `scope ${to} exists`)
  const catalog = ownCatalog(work)
  const own = catalog.project(project)!
  const { id } = own.scopes.get(from)!
  catalog.renameScope(work.changes, own, own.scopes.get(from)!, to)
  noteScope(work, 'scopeRenamed', id, { from })
  return true
}

function dropScope(work: EntryWork, project: string, name: string, ifExists: boolean): boolean | Refusal {
  const found = work.state.catalog.project(project)
  if (found === undefined) return ifExists ? false : noProject(project)
  if (!found.scopes.has(name)) {
    return ifExists ? false : refuse('scope_not_found', `project ${project} has no scope ${name.slice(0, 140)}`)
  }
  const catalog = ownCatalog(work)
  const refusal = dropTables(work, catalog.tables(found.scopes.get(name)!.id))
  if (refusal !== undefined) return refusal
  removeScope(work, catalog, catalog.project(project)!, name)
  return true
}

/** Its tables are gone. The names go at once; the keys are removed by a job. */
function removeScope(work: EntryWork, catalog: Catalog, project: Project, name: string): void {
  const scope = project.scopes.get(name)!
  noteScope(work, 'scopeDropped', scope.id)
  catalog.removeScope(work.changes, project, scope)
  addJob(work, { kind: 'removeScope', scopeId: scope.id })
  endJobs(work, task => task.kind === 'compactEvents' && task.scopeId === scope.id)
  if (hasEvents(work.changes, scope.id)) addJob(work, { kind: 'removeEvents', scopeId: scope.id })
}

function changeGrant(work: EntryWork, operation: Extract<Ddl, { type: 'grant' | 'revoke' }>): boolean | Refusal {
  const { caller, permission } = operation
  const callerBytes = utf8Bytes(caller).length
  if (callerBytes < 1 || callerBytes > CALLER_BYTES_MAX)
    return refuse('invalid_argument', 'a caller has 1 to 128 bytes')
  const { catalog, access } = work.state
  const grant = grantOf(catalog, permission, operation.type === 'grant' && operation.delegable === true)
  if (grant === undefined) return refuse('not_found', 'the project, scope or table of the permission does not exist')
  const { keyBytesMax } = work.state.settings
  if (grant.prefix.length > keyBytesMax) return refuse('key_too_large', `a key has at most ${keyBytesMax} bytes`)
  // What was granted on a dropped project or scope goes with the next change: nobody could take it back by name.
  const grants = access.of(caller).grants.filter(other => isInForce(catalog, other))
  const others = grants.filter(other => !equalGrants(other, grant))
  const found = grants.find(other => equalGrants(other, grant))
  if (operation.type === 'revoke') {
    if (found === undefined) return false
  } else {
    if (found?.isDelegable === grant.isDelegable) return false
    if (found === undefined && grants.length >= GRANTS_PER_CALLER_MAX) {
      return refuse('transaction_too_large', 'too many permissions')
    }
  }
  const next = operation.type === 'revoke' ? others : [...others, grant]
  const changed = access.withGrants(work.changes, caller, next)
  const isRemembered = operation.type === 'revoke' && isMutant('permissions_remembered')
  work.state = changedState(work.state, { access: isRemembered ? access : changed })
  return true
}

function compactEvents(work: EntryWork, operation: Extract<Ddl, { type: 'compactEvents' }>): boolean | Refusal {
  const { project, scope = DEFAULT_SCOPE, type: _, ...bounds } = operation
  const scopeId = scopeOfEvents(work, project, scope)
  if (typeof scopeId !== 'number') return scopeId
  if (Object.values(bounds).some(bound => !Number.isSafeInteger(bound))) {
    return refuse('invalid_argument', 'the bounds are whole numbers')
  }
  const plan = planCompaction(work, scopeId, bounds)
  if (plan === undefined) return false
  // One that has begun goes on in this one, which reaches further.
  endJobs(work, task => task.kind === 'compactEvents' && task.scopeId === scopeId)
  addJob(work, plan.task)
  putCompaction(work.changes, scopeId, plan.compaction)
  return true
}

function scopeOfEvents({ state }: EntryWork, project: string, scope: string): number | Refusal {
  const isSystem = project === SYSTEM_PLACE.project
  if (!isSystem && state.catalog.project(project) === undefined) return noProject(project)
  if (isSystem && scope === SYSTEM_PLACE.scope) return SYSTEM_SCOPE_ID
  const found = state.catalog.scope(project, scope)
  return found?.id ?? refuse('scope_not_found', `project ${project} has no scope ${scope.slice(0, 140)}`)
}

function setQuota(
  work: EntryWork,
  { project: name, bytes, records }: Extract<Ddl, { type: 'setQuota' }>,
): boolean | Refusal {
  const project = work.state.catalog.project(name)
  if (project === undefined) return noProject(name)
  const isBound = (bound: number | undefined): boolean => bound === undefined || Number.isSafeInteger(bound)
  if (!isBound(bytes) || !isBound(records)) return refuse('invalid_argument', 'a quota is a whole number')
  if (project.quota.bytes === bytes && project.quota.records === records) return false
  ownCatalog(work).setQuota(work.changes, project.id, {
    ...(bytes !== undefined && { bytes }),
    ...(records !== undefined && { records }),
  })
  return true
}

function setSetting(work: EntryWork, name: string, value: number): boolean | Refusal {
  const changed = changeSetting(work.changes, work.state.settings, name, value)
  if (isRefusal(changed)) return changed
  work.state = changedState(work.state, { settings: changed })
  return true
}
