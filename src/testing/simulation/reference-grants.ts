import { bytesToHex, compareBytes, DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { Ddl, Permission } from '../../encoding/index.ts'
import { ROOT_CALLER } from '../../model/index.ts'

type KeyUse = 'kvRead' | 'kvWrite'
type TableUse = 'tableRead' | 'tableWrite' | 'policyBypass'
type GrantDdl = Extract<Ddl, { type: 'grant' | 'revoke' }>

/** A permission of one caller: what it reaches is narrowed by each part that is given. */
interface Grant {
  readonly type: Permission['type']
  /** 0 = all scopes. A scope that is made again under an old name is another one. */
  readonly scopeId: number
  readonly table: string | undefined
  readonly prefix: Uint8Array
}

type Callers = ReadonlyMap<string, ReadonlyMap<string, Grant>>

/** What the permission names, as far as it is there: ids of scopes, names of tables. */
export interface GrantPlaces {
  scopeId(name: { readonly project: string; readonly scope?: string }): number | undefined
  hasTable(name: string): boolean
}

/**
 * Who may do what, for the kinds of permissions that the simulated clients give and take, now and after any entry: a node may judge a
 * request by any state that it has had since the request was made.
 */
export class ReferenceGrants {
  #callers: Callers = new Map()
  #saved: Callers = new Map()
  readonly #history: { readonly seq: number; readonly callers: Callers }[] = []

  begin(): void {
    this.#saved = this.#callers
  }

  rollBack(): void {
    this.#callers = this.#saved
  }

  /** What the transaction that `begin` has begun leaves holds from `seq` on. */
  commit(seq: number): void {
    if (this.#callers !== this.#saved) this.#history.push({ seq, callers: this.#callers })
  }

  /** Whether it changes anything; undefined if what it names is not there. */
  change({ type, caller, permission }: GrantDdl, places: GrantPlaces): boolean | undefined {
    const grant = grantOf(permission, places)
    if (grant === undefined) return undefined
    const name = nameOf(permission, grant)
    const own = new Map(this.#callers.get(caller))
    if (own.has(name) === (type === 'grant')) return false
    if (type === 'grant') own.set(name, grant)
    else own.delete(name)
    this.#callers = new Map(this.#callers).set(caller, own)
    return true
  }

  mayUseKey(caller: string, use: KeyUse, scopeId: number, key: Uint8Array, seq?: number): boolean {
    return this.#may(caller, use, scopeId, seq, ({ prefix }) => startsWith(key, prefix))
  }

  /** Whether every key of [start, end) may be read. */
  mayReadRange(
    caller: string,
    scopeId: number,
    { start, end }: { start?: Uint8Array; end?: Uint8Array },
    seq?: number,
  ): boolean {
    return this.#may(caller, 'kvRead', scopeId, seq, ({ prefix }) => {
      if (prefix.length === 0) return true
      return start !== undefined && end !== undefined && startsWith(start, prefix) && isWithin(end, prefix)
    })
  }

  mayUseTable(caller: string, use: TableUse, scopeId: number, table: string, seq?: number): boolean {
    return this.#may(caller, use, scopeId, seq, grant => grant.table === undefined || grant.table === table)
  }

  mayChangeTables(caller: string, scopeId: number, seq?: number): boolean {
    return this.#may(caller, 'tableDdl', scopeId, seq, () => true)
  }

  #may(
    caller: string,
    use: Grant['type'],
    scopeId: number,
    seq: number | undefined,
    reaches: (grant: Grant) => boolean,
  ): boolean {
    if (caller === ROOT_CALLER) return true
    const grants = [...(this.#at(seq).get(caller)?.values() ?? [])]
    return grants.some(
      grant => grant.type === use && (grant.scopeId === 0 || grant.scopeId === scopeId) && reaches(grant),
    )
  }

  #at(seq: number | undefined): Callers {
    if (seq === undefined) return this.#callers
    return this.#history.findLast(change => change.seq <= seq)?.callers ?? new Map()
  }
}

function grantOf(permission: Permission, places: GrantPlaces): Grant | undefined {
  const { type } = permission
  const everything = { type, scopeId: 0, table: undefined, prefix: new Uint8Array(0) }
  if (!('project' in permission) || permission.project === undefined) return everything
  if (places.scopeId({ project: permission.project, scope: DEFAULT_SCOPE }) === undefined) return undefined
  if (!('scope' in permission) || permission.scope === undefined) return everything
  const scopeId = places.scopeId({ project: permission.project, scope: permission.scope })
  if (scopeId === undefined) return undefined
  const grant = { ...everything, scopeId }
  if ('prefix' in permission && permission.prefix !== undefined) return { ...grant, prefix: permission.prefix }
  if (!('table' in permission) || permission.table === undefined) return grant
  return places.hasTable(permission.table) ? { ...grant, table: permission.table } : undefined
}

/** Tells permissions apart: one for everything is another one than one for all of a project. */
function nameOf(permission: Permission, { type, scopeId, table, prefix }: Grant): string {
  const project = 'project' in permission ? permission.project : undefined
  return [type, project, scopeId, table, bytesToHex(prefix)].join(' ')
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && prefix.every((byte, index) => key[index] === byte)
}

/** Whether no key below `end`, from the prefix on, lacks the prefix; the prefixes of clients end in a letter. */
function isWithin(end: Uint8Array, prefix: Uint8Array): boolean {
  const after = prefix.slice()
  after[after.length - 1]!++
  return compareBytes(end, after) <= 0
}
