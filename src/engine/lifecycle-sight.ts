import { ByteWriter, utf8Bytes } from '../encoding/index.ts'
import type { LifecycleType } from '../model/index.ts'
import type { CallerAccess } from './access/index.ts'
import type { Catalog } from './catalog/index.ts'
import { readU32BE } from './layers.ts'
import { seesProject, seesScope } from './place-reads.ts'

const IDS_BYTES = 13

/** What a lifecycle event is about, by ids: names may be another's later. 0 = nothing narrower. */
export interface LifecyclePlace {
  readonly projectId: number
  readonly scopeId: number
  readonly tableId: number
}

/**
 * Whether a caller hears of what has happened to a place: by the rules by which the catalog shows it. What is dropped has no owner any
 * more; who still has a permission there hears of it.
 */
export function hearsOf(
  { projectId, scopeId, tableId }: LifecyclePlace,
  catalog: Catalog,
  access: CallerAccess,
  caller: string,
): boolean {
  if (access.isAdmin) return true
  if (tableId !== 0) {
    return (
      access.mayChangeTables(projectId, scopeId) ||
      access.mayUseTable('tableRead', projectId, scopeId, tableId) ||
      access.mayUseTable('tableWrite', projectId, scopeId, tableId)
    )
  }
  const project = catalog.projectById(projectId)
  if (scopeId !== 0) {
    const scope = catalog.scopeById(scopeId)
    if (project !== undefined && scope !== undefined) return seesScope(catalog, access, caller, project, scope)
    return access.touchesScope(projectId, scopeId)
  }
  return project === undefined ? access.touchesProject(projectId) : seesProject(catalog, access, caller, project)
}

/** What watches hear: the type, a byte 0, and the ids of the place. */
export function lifecycleEffect(type: LifecycleType, { projectId, scopeId, tableId }: LifecyclePlace): Uint8Array {
  const writer = new ByteWriter(48)
  writer.raw(utf8Bytes(type))
  writer.u8(0)
  for (const id of [projectId, scopeId, tableId]) for (const shift of [24, 16, 8, 0]) writer.u8((id >>> shift) & 255)
  return writer.finish()
}

/** The parts of what `lifecycleEffect` gives. */
export function placeOfEffect(key: Uint8Array): { topic: Uint8Array; place: LifecyclePlace } {
  const at = key.length - IDS_BYTES + 1
  return {
    topic: key.subarray(0, at - 1),
    place: { projectId: readU32BE(key, at), scopeId: readU32BE(key, at + 4), tableId: readU32BE(key, at + 8) },
  }
}
