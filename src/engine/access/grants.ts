import { ByteReader, ByteWriter, compareBytes, equalBytes, utf8Bytes } from '../../encoding/index.ts'
import type { Permission } from '../../encoding/index.ts'
import { ROOT_CALLER } from '../../model/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { Changes } from '../changes.ts'
import { GRANTS_PREFIX, grantsKey } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'

/** A permission as it is stored: by ids, so that a renamed scope keeps it and a scope created anew under the name does not have it. */
export interface Grant {
  readonly type: ServedPermission['type']
  /** 0 = everything. */
  readonly projectId: number
  /** 0 = the whole project. */
  readonly scopeId: number
  readonly prefix: Uint8Array
}

const TYPES: readonly ServedPermission['type'][] = ['admin', 'impersonate', 'kvRead', 'kvWrite']
const NO_PREFIX = new Uint8Array(0)
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** What one caller may do. */
export class CallerAccess {
  readonly grants: readonly Grant[]
  readonly isAdmin: boolean
  readonly mayImpersonate: boolean

  constructor(grants: readonly Grant[], isRoot: boolean) {
    this.grants = grants
    this.isAdmin = isRoot || grants.some(grant => grant.type === 'admin')
    this.mayImpersonate = this.isAdmin || grants.some(grant => grant.type === 'impersonate')
  }

  /** hot path (bench/apply): whether the caller may read or write the user's key `bytes[start, end)`. */
  mayUseKey(
    type: 'kvRead' | 'kvWrite',
    projectId: number,
    scopeId: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    if (this.isAdmin) return true
    for (const grant of this.grants) {
      if (grant.type !== type || !reaches(grant, projectId, scopeId)) continue
      if (startsWith(bytes, start, end, grant.prefix)) return true
    }
    return false
  }

  /** Whether every key of [start, end) may be read; `end` undefined = to the last key of the scope. */
  mayReadRange(projectId: number, scopeId: number, start: Uint8Array, end: Uint8Array | undefined): boolean {
    if (this.isAdmin) return true
    return this.grants.some(grant => {
      if (grant.type !== 'kvRead' || !reaches(grant, projectId, scopeId)) return false
      if (grant.prefix.length === 0) return true
      return startsWith(start, 0, start.length, grant.prefix) && end !== undefined && endsWithin(end, grant.prefix)
    })
  }
}

function reaches(grant: Grant, projectId: number, scopeId: number): boolean {
  return grant.projectId === 0 || (grant.projectId === projectId && (grant.scopeId === 0 || grant.scopeId === scopeId))
}

function startsWith(bytes: Uint8Array, start: number, end: number, prefix: Uint8Array): boolean {
  if (end - start < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false
  return true
}

/** Whether all keys below `end` that start at the prefix or later start with it. */
function endsWithin(end: Uint8Array, prefix: Uint8Array): boolean {
  let last = prefix.length
  while (last > 0 && prefix[last - 1] === 0xff) last--
  if (last === 0) return true
  const after = Uint8Array.from(prefix.subarray(0, last))
  after[last - 1]!++
  return compareBytes(end, after) <= 0
}

const ROOT_ACCESS = new CallerAccess([], true)
const NO_ACCESS = new CallerAccess([], false)

/** The grants of all callers: the layer in memory. Never changed once published; see `Catalog`. */
export class Access {
  readonly #callers: ReadonlyMap<string, CallerAccess>

  private constructor(callers: ReadonlyMap<string, CallerAccess>) {
    this.#callers = callers
  }

  static empty(): Access {
    return new Access(new Map())
  }

  /** Throws `ColdPages`. */
  static load(reader: RecordReader): Access {
    const callers = new Map<string, CallerAccess>()
    reader.walk(GRANTS_PREFIX, prefixEnd(GRANTS_PREFIX), false, (key, _, value) => {
      const caller = utf8.decode(key.subarray(GRANTS_PREFIX.length))
      callers.set(caller, new CallerAccess(decodeGrants(value()), caller === ROOT_CALLER))
      return true
    })
    return new Access(callers)
  }

  of(caller: string): CallerAccess {
    if (caller === ROOT_CALLER) return ROOT_ACCESS
    return this.#callers.get(caller) ?? NO_ACCESS
  }

  /** All grants, or one caller's, by caller. Grants whose project or scope is gone are left out. */
  list(catalog: Catalog, only: string | undefined): { caller: string; permission: Permission }[] {
    const rows: { caller: string; permission: Permission }[] = []
    for (const caller of [...this.#callers.keys()].sort()) {
      if (only !== undefined && caller !== only) continue
      for (const grant of this.of(caller).grants) {
        const permission = permissionOf(catalog, grant)
        if (permission !== undefined) rows.push({ caller, permission })
      }
    }
    return rows
  }

  /** The access after `caller` is given `grants` in place of what it had. */
  withGrants(changes: Changes, caller: string, grants: readonly Grant[]): Access {
    const callers = new Map(this.#callers)
    const key = grantsKey(utf8Bytes(caller))
    if (grants.length === 0) {
      callers.delete(caller)
      changes.delete(key)
    } else {
      callers.set(caller, new CallerAccess(grants, false))
      changes.put(key, encodeGrants(grants), changes.metadata(key)?.createdSeq)
    }
    return new Access(callers)
  }
}

/** Permissions that this version keeps and judges by. */
export type ServedPermission = Extract<Permission, { type: 'admin' | 'impersonate' | 'kvRead' | 'kvWrite' }>

export function isServedPermission(permission: Permission): permission is ServedPermission {
  return TYPES.includes(permission.type as ServedPermission['type'])
}

/** The grant of a permission by names; undefined if the project or scope does not exist. */
export function grantOf(catalog: Catalog, permission: ServedPermission): Grant | undefined {
  if (permission.type === 'admin' || permission.type === 'impersonate' || permission.project === undefined) {
    return { type: permission.type, projectId: 0, scopeId: 0, prefix: NO_PREFIX }
  }
  const project = catalog.project(permission.project)
  if (project === undefined) return undefined
  if (permission.scope === undefined) {
    return { type: permission.type, projectId: project.id, scopeId: 0, prefix: NO_PREFIX }
  }
  const scope = project.scopes.get(permission.scope)
  if (scope === undefined) return undefined
  return {
    type: permission.type,
    projectId: project.id,
    scopeId: scope.id,
    prefix: permission.prefix ?? NO_PREFIX,
  }
}

function permissionOf(catalog: Catalog, grant: Grant): Permission | undefined {
  if (grant.type === 'admin' || grant.type === 'impersonate') return { type: grant.type }
  if (grant.projectId === 0) return { type: grant.type }
  const project = catalog.projectById(grant.projectId)
  if (project === undefined) return undefined
  if (grant.scopeId === 0) return { type: grant.type, project: project.name }
  const scope = catalog.scopeById(grant.scopeId)
  if (scope === undefined) return undefined
  const reach = { type: grant.type, project: project.name, scope: scope.name }
  return grant.prefix.length === 0 ? reach : { ...reach, prefix: grant.prefix }
}

export function equalGrants(a: Grant, b: Grant): boolean {
  return a.type === b.type && a.projectId === b.projectId && a.scopeId === b.scopeId && equalBytes(a.prefix, b.prefix)
}

function encodeGrants(grants: readonly Grant[]): Uint8Array {
  const writer = new ByteWriter(64)
  writer.u8(1)
  writer.u16(grants.length)
  for (const grant of grants) {
    writer.u8(TYPES.indexOf(grant.type))
    writer.u32(grant.projectId)
    writer.u32(grant.scopeId)
    writer.bytes16(grant.prefix)
  }
  return writer.finish()
}

function decodeGrants(bytes: Uint8Array): Grant[] {
  const reader = new ByteReader(bytes)
  reader.u8()
  return Array.from({ length: reader.u16() }, () => ({
    type: TYPES[reader.u8()]!,
    projectId: reader.u32(),
    scopeId: reader.u32(),
    prefix: reader.bytes16().slice(),
  }))
}
