import { isName, QuorateError, SYSTEM_PLACE } from '../../model/index.ts'
import type { CallerAccess } from '../access/index.ts'
import type { Catalog, Scope } from '../catalog/index.ts'
import { requireScope } from '../kv/index.ts'
import type { ReadContext } from '../kv/index.ts'
import { SYSTEM_SCOPE_ID } from '../layers.ts'
import { EventSource } from './event-source.ts'
import type { EventsRequest } from './event-source.ts'

const NO_KEY = new Uint8Array(0)

/**
 * The scopes that a request is about: one, or those of a project, or all, as far as the caller may read their events. Anyone may read those of
 * the database itself, but hears only of what the catalog shows.
 * @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied` where there is none, `scan_bound_exceeded` for more
 * than `scopesMax`, `invalid_argument`, `invalid_name`
 */
export function eventSources(
  { catalog, access }: ReadContext,
  request: EventsRequest,
  scopesMax: number,
): EventSource[] {
  const { project, scope, topic, limit } = request
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw new QuorateError('invalid_argument', 'the limit of a page of events is at least 1')
  }
  if (topic !== undefined && !isName(topic)) throw new QuorateError('invalid_name', 'no topic has such a name')
  if (project === undefined && scope !== undefined) {
    throw new QuorateError('invalid_argument', 'a scope is named with its project')
  }
  if (isSystem(project, scope)) return [new EventSource(SYSTEM_SCOPE_ID, SYSTEM_PLACE, request)]
  if (project === undefined || scope === undefined) return sourcesOfMany(catalog, access, request, scopesMax)
  return [new EventSource(readableScope(catalog, access, project, scope).id, { project, scope }, request)]
}

/** Whether the events are those of the database itself. @throws QuorateError `scope_not_found` for another scope of its project */
function isSystem(project: string | undefined, scope: string | undefined): boolean {
  if (project !== SYSTEM_PLACE.project) return false
  if (scope === undefined || scope === SYSTEM_PLACE.scope) return true
  throw new QuorateError('scope_not_found', `${project} has no scope ${scope}`)
}

/** The scope whose events are to be counted. @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied` */
export function countedScope(catalog: Catalog, access: CallerAccess, project: string, scope: string): number {
  if (!isSystem(project, scope)) return readableScope(catalog, access, project, scope).id
  if (!access.isAdmin) throw denied('how many events the database has is told to its administrators')
  return SYSTEM_SCOPE_ID
}

/** @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied` */
function readableScope(catalog: Catalog, access: CallerAccess, project: string, scope: string): Scope {
  const found = requireScope(catalog, project, scope)
  if (!mayRead(access, found)) throw denied('events are read by who may read all keys of their scope')
  return found
}

function sourcesOfMany(
  catalog: Catalog,
  access: CallerAccess,
  request: EventsRequest,
  scopesMax: number,
): EventSource[] {
  const { project } = request
  if (project !== undefined && catalog.project(project) === undefined) {
    throw new QuorateError('project_not_found', `there is no project ${project}`)
  }
  const names = project === undefined ? catalog.projects().map(({ name }) => name) : [project]
  const sources: EventSource[] = []
  for (const name of names) {
    const found = catalog.project(name)!
    for (const { name: scope } of catalog.scopes(found)) {
      const { id } = found.scopes.get(scope)!
      if (!mayRead(access, found.scopes.get(scope)!)) continue
      sources.push(new EventSource(id, { project: name, scope }, request))
    }
    if (sources.length > scopesMax) {
      throw new QuorateError('scan_bound_exceeded', `events of more than ${scopesMax} scopes are not read at once`)
    }
  }
  if (sources.length === 0 && !access.isAdmin) throw denied('there is no scope whose events the caller may read')
  return project === undefined ? [new EventSource(SYSTEM_SCOPE_ID, SYSTEM_PLACE, request), ...sources] : sources
}

function mayRead(access: CallerAccess, { projectId, id }: Scope): boolean {
  return access.mayReadRange(projectId, id, NO_KEY, undefined)
}

function denied(message: string): QuorateError {
  return new QuorateError('permission_denied', message)
}
