import { ByteReader, ByteWriter, compareBytes, equalBytes, PERMISSIONS, utf8Bytes } from '../../encoding/index.ts'
import type { Permission } from '../../encoding/index.ts'
import { ROOT_CALLER } from '../../model/index.ts'
import type { CallerGrant } from '../../model/index.ts'
import type { Catalog } from '../catalog/index.ts'
import type { Changes } from '../changes.ts'
import { GRANTS_PREFIX, grantsKey } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import type { RecordReader } from '../record-store.ts'

/** A permission as it is stored: by ids, so that a renamed scope keeps it and a scope created anew under the name does not have it. */
export interface Grant {
  readonly type: Permission['type']
  /** 0 = everything. */
  readonly projectId: number
  /** 0 = the whole project. */
  readonly scopeId: number
  /** 0 = the whole scope. */
  readonly tableId: number
  readonly prefix: Uint8Array
  /** The caller may give the same to others. */
  readonly isDelegable: boolean
}

/** What a table may be used for. */
export type TableUse = 'tableRead' | 'tableWrite' | 'policyBypass'

const FORMAT = 2
/** Of records without tables and delegation. */
const FORMAT_OF_KEYS = 1
/** As measured on a heap of 64 bits. */
const CALLER_BYTES = 240
const GRANT_BYTES = 200
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
      if ((grant.type !== type && !isOverseer(grant)) || !reaches(grant, projectId, scopeId)) continue
      if (startsWith(bytes, start, end, grant.prefix)) return true
    }
    return false
  }

  /** Whether every key of [start, end) may be read; `end` undefined = to the last key of the scope. */
  mayReadRange(projectId: number, scopeId: number, start: Uint8Array, end: Uint8Array | undefined): boolean {
    if (this.isAdmin) return true
    return this.grants.some(grant => {
      if ((grant.type !== 'kvRead' && !isOverseer(grant)) || !reaches(grant, projectId, scopeId)) return false
      if (grant.prefix.length === 0) return true
      return startsWith(start, 0, start.length, grant.prefix) && end !== undefined && endsWithin(end, grant.prefix)
    })
  }

  /** `tableId` 0 = one that is not there yet: only what reaches its whole scope counts. hot path (bench/apply) */
  mayUseTable(use: TableUse, projectId: number, scopeId: number, tableId: number): boolean {
    if (this.isAdmin) return true
    for (const grant of this.grants) {
      if ((grant.type !== use && !isOverseer(grant)) || !reaches(grant, projectId, scopeId)) continue
      if (grant.tableId === 0 || grant.tableId === tableId) return true
    }
    return false
  }

  /** Whether the caller may create, alter and drop tables there. `scopeId` -1 = a scope that is not there yet. */
  mayChangeTables(projectId: number, scopeId: number): boolean {
    if (this.isAdmin) return true
    return this.grants.some(
      grant => (grant.type === 'tableDdl' || isOverseer(grant)) && reaches(grant, projectId, scopeId),
    )
  }

  /** Whether any permission reaches something in the project: its name is no secret then. */
  touchesProject(projectId: number): boolean {
    if (this.isAdmin) return true
    return this.grants.some(
      grant => grant.type !== 'impersonate' && (grant.projectId === 0 || grant.projectId === projectId),
    )
  }

  touchesScope(projectId: number, scopeId: number): boolean {
    return this.isAdmin || this.grants.some(grant => grant.type !== 'impersonate' && reaches(grant, projectId, scopeId))
  }

  administersProject(projectId: number): boolean {
    return this.isAdmin || this.grants.some(grant => grant.type === 'projectAdmin' && grant.projectId === projectId)
  }

  administersScope(projectId: number, scopeId: number): boolean {
    return this.isAdmin || this.grants.some(grant => isOverseer(grant) && reaches(grant, projectId, scopeId))
  }

  /** Whether the caller may give or take a permission: within what it administers, or one that it may delegate. */
  mayGrant(grant: Grant): boolean {
    if (this.isAdmin) return true
    return this.grants.some(own => {
      const isOwn = own.isDelegable && own.type === grant.type
      const oversees = isOverseer(own) && !(grant.type === 'projectAdmin' && own.type === 'scopeAdmin')
      if (grant.projectId === 0) return isOwn && own.projectId === 0
      return (isOwn || oversees) && covers(own, grant)
    })
  }
}

/** All within a project or a scope. */
function isOverseer({ type }: Grant): boolean {
  return type === 'projectAdmin' || type === 'scopeAdmin'
}

/** Whether everything that `inner` reaches is reached by `outer`. */
function covers(outer: Grant, inner: Grant): boolean {
  return (
    (outer.projectId === 0 || outer.projectId === inner.projectId) &&
    (outer.scopeId === 0 || outer.scopeId === inner.scopeId) &&
    (outer.tableId === 0 || outer.tableId === inner.tableId) &&
    startsWith(inner.prefix, 0, inner.prefix.length, outer.prefix)
  )
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

  /** What all of it takes in memory, by what its kinds of objects were measured to take. */
  get memoryBytes(): number {
    let bytes = 0
    for (const [caller, { grants }] of this.#callers) {
      bytes += CALLER_BYTES + caller.length
      for (const { prefix } of grants) bytes += GRANT_BYTES + prefix.length
    }
    return bytes
  }

  of(caller: string): CallerAccess {
    if (caller === ROOT_CALLER) return ROOT_ACCESS
    return this.#callers.get(caller) ?? NO_ACCESS
  }

  /** All grants, or one caller's, by caller. Grants whose project, scope or table is gone are left out. */
  list(catalog: Catalog, only: string | undefined): CallerGrant[] {
    const rows: CallerGrant[] = []
    for (const caller of [...this.#callers.keys()].sort()) {
      if (only !== undefined && caller !== only) continue
      for (const grant of this.of(caller).grants) {
        const permission = permissionOf(catalog, grant)
        if (permission !== undefined) rows.push({ caller, permission, ...(grant.isDelegable && { delegable: true }) })
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

  /** The access without the permissions on a table that is dropped. */
  withoutTable(changes: Changes, tableId: number): Access {
    return [...this.#callers.keys()].sort().reduce((access: Access, caller) => {
      const { grants } = access.of(caller)
      const others = grants.filter(grant => grant.tableId !== tableId)
      return others.length < grants.length ? access.withGrants(changes, caller, others) : access
    }, this)
  }
}

const EVERYTHING = { projectId: 0, scopeId: 0, tableId: 0, prefix: NO_PREFIX }

/** The grant of a permission by names; undefined if the project, scope or table does not exist. */
export function grantOf(catalog: Catalog, permission: Permission, isDelegable: boolean): Grant | undefined {
  const { type } = permission
  if (type === 'admin' || type === 'impersonate' || permission.project === undefined) {
    return { type, ...EVERYTHING, isDelegable }
  }
  const project = catalog.project(permission.project)
  if (project === undefined) return undefined
  if (type === 'projectAdmin' || permission.scope === undefined) {
    return { type, ...EVERYTHING, projectId: project.id, isDelegable }
  }
  const scope = project.scopes.get(permission.scope)
  if (scope === undefined) return undefined
  const grant = { type, ...EVERYTHING, projectId: project.id, scopeId: scope.id, isDelegable }
  if ('prefix' in permission && permission.prefix !== undefined) return { ...grant, prefix: permission.prefix }
  if (!('table' in permission) || permission.table === undefined) return grant
  const table = catalog.table(scope.id, permission.table)
  return table === undefined ? undefined : { ...grant, tableId: table.id }
}

/** Whether what the grant reaches is there: the ids of what was dropped are never used again. */
export function isInForce(catalog: Catalog, grant: Grant): boolean {
  return permissionOf(catalog, grant) !== undefined
}

function permissionOf(catalog: Catalog, grant: Grant): Permission | undefined {
  const { type } = grant
  if (type === 'admin' || type === 'impersonate') return { type }
  const project = grant.projectId === 0 ? undefined : catalog.projectById(grant.projectId)
  const scope = grant.scopeId === 0 ? undefined : catalog.scopeById(grant.scopeId)
  const table = grant.tableId === 0 ? undefined : catalog.tableById(grant.tableId)
  if (grant.projectId !== 0 && project === undefined) return undefined
  if (grant.scopeId !== 0 && scope === undefined) return undefined
  if (grant.tableId !== 0 && table === undefined) return undefined
  const reach = {
    ...(project !== undefined && { project: project.name }),
    ...(scope !== undefined && { scope: scope.name }),
    ...(table !== undefined && { table: table.name }),
    ...(grant.prefix.length > 0 && { prefix: grant.prefix }),
  }
  return { type, ...reach } as Permission
}

/** The same permission, delegable or not. */
export function equalGrants(a: Grant, b: Grant): boolean {
  return (
    a.type === b.type &&
    a.projectId === b.projectId &&
    a.scopeId === b.scopeId &&
    a.tableId === b.tableId &&
    equalBytes(a.prefix, b.prefix)
  )
}

function encodeGrants(grants: readonly Grant[]): Uint8Array {
  const writer = new ByteWriter(64)
  writer.u8(FORMAT)
  writer.u16(grants.length)
  for (const grant of grants) {
    writer.u8(PERMISSIONS.indexOf(grant.type))
    writer.u8(grant.isDelegable ? 1 : 0)
    writer.u32(grant.projectId)
    writer.u32(grant.scopeId)
    writer.u32(grant.tableId)
    writer.bytes16(grant.prefix)
  }
  return writer.finish()
}

function decodeGrants(bytes: Uint8Array): Grant[] {
  const reader = new ByteReader(bytes)
  const hasTables = reader.u8() !== FORMAT_OF_KEYS
  return Array.from({ length: reader.u16() }, () => ({
    type: PERMISSIONS[reader.u8()]!,
    isDelegable: hasTables && reader.u8() === 1,
    projectId: reader.u32(),
    scopeId: reader.u32(),
    tableId: hasTables ? reader.u32() : 0,
    prefix: reader.bytes16().slice(),
  }))
}
