import { ROOT_CALLER, type NamedPlace, type ReadRequest, type ReadResult } from '../../src/model/index.ts'
import { Refusal } from './reference-refusal.ts'
import type { ReferenceState } from './reference-state.ts'

type PlaceRead = Extract<ReadRequest, { type: 'projects' | 'scopes' }>

/** Projects or scopes, as far as the caller may do something in them; `newest` has the permissions. */
export function answerPlaceRead(
  state: ReferenceState,
  newest: ReferenceState,
  request: PlaceRead,
  caller: string,
): ReadResult {
  const sees = (project: string, scope?: string): boolean => touches(newest, caller, project, scope)
  if (request.type === 'projects') {
    const names = [...state.projects.keys()].filter(name => sees(name))
    return { type: 'projects', projects: names.sort().map((name, i) => place(state, name, name, i)) }
  }
  const scopes = state.projects.get(request.project)
  if (scopes === undefined) throw new Refusal('project_not_found', request.project)
  if (!sees(request.project)) throw new Refusal('permission_denied', request.project)
  const names = [...scopes.keys()].filter(name => sees(request.project, name))
  return { type: 'scopes', scopes: names.sort().map((name, i) => place(state, `${request.project}/${name}`, name, i)) }
}

function touches(state: ReferenceState, caller: string, project: string, scope: string | undefined): boolean {
  if (caller === ROOT_CALLER || state.owners.get(project) === caller) return true
  for (const [owned, owner] of state.owners) {
    const [ownedProject, ownedScope] = owned.split('/')
    if (owner === caller && ownedProject === project && (scope === undefined || ownedScope === scope)) return true
  }
  return state.grants.some(({ caller: granted, permission }) => {
    if (granted !== caller || permission.type === 'impersonate') return false
    const reach = permission as { project?: string; scope?: string }
    if (reach.project !== undefined && reach.project !== project) return false
    return scope === undefined || reach.scope === undefined || reach.scope === scope
  })
}

function place(state: ReferenceState, path: string, name: string, index: number): NamedPlace {
  return { name, id: index + 1, createdAtMicros: state.created.get(path)! }
}
