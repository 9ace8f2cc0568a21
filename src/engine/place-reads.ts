import { QuorateError } from '../model/index.ts'
import type { NamedPlace } from '../model/index.ts'
import type { CallerAccess } from './access/index.ts'
import type { Catalog, Project, Scope } from './catalog/index.ts'

/** The projects in which the caller may do something, or owns something. */
export function visibleProjects(catalog: Catalog, access: CallerAccess, caller: string): NamedPlace[] {
  return catalog.projects().filter(({ name }) => seesProject(catalog, access, caller, catalog.project(name)!))
}

/**
 * The scopes of a project in which the caller may do something, or owns something.
 * @throws QuorateError `project_not_found`, `permission_denied` where there is none
 */
export function visibleScopes(catalog: Catalog, access: CallerAccess, caller: string, name: string): NamedPlace[] {
  const project = catalog.project(name)
  if (project === undefined) throw new QuorateError('project_not_found', `there is no project ${name}`)
  if (!seesProject(catalog, access, caller, project)) {
    throw new QuorateError('permission_denied', `no permission in project ${name}`)
  }
  return catalog
    .scopes(project)
    .filter(scope => seesScope(catalog, access, caller, project, project.scopes.get(scope.name)!))
}

export function seesProject(catalog: Catalog, access: CallerAccess, caller: string, project: Project): boolean {
  if (project.owner === caller || access.touchesProject(project.id)) return true
  for (const scope of project.scopes.values()) if (ownsWithin(catalog, caller, scope)) return true
  return false
}

export function seesScope(
  catalog: Catalog,
  access: CallerAccess,
  caller: string,
  project: Project,
  scope: Scope,
): boolean {
  return project.owner === caller || access.touchesScope(project.id, scope.id) || ownsWithin(catalog, caller, scope)
}

function ownsWithin(catalog: Catalog, caller: string, { owner, id }: Scope): boolean {
  return owner === caller || catalog.tables(id).some(({ parts }) => parts.owner === caller)
}
