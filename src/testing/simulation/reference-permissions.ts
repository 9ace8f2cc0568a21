import { isKeyAssertion, isKvMutation } from '../../encoding/index.ts'
import type { Mutation, RangeRead, TransactionEnvelope, Value } from '../../encoding/index.ts'
import { ROOT_CALLER } from '../../model/index.ts'
import type { ReferenceGrants } from './reference-grants.ts'
import type { ReferenceKeys } from './reference-keys.ts'
import { PROJECT } from './names.ts'
import { evaluate } from './reference-conditions.ts'
import { missing } from './reference-ddl.ts'
import { isTableMutation } from './reference-tables.ts'
import type { ReferenceTable } from './reference-tables.ts'

interface NamedKey {
  readonly project: string
  readonly scope?: string
  readonly key: Uint8Array
}

const DENIED = 'permission_denied'
const NO_KEY = new Uint8Array(0)

/** What takes the permission to change tables; all else is for administrators. */
const TABLE_DDL: ReadonlySet<string> = new Set([
  'createIndex',
  'dropIndex',
  'alterTable',
  'setReadPolicy',
  'clearReadPolicy',
])

/** What a caller may do with an envelope, in the newest state or in an earlier one: the rules in the order in which they are asked. */
export class ReferencePermissions {
  readonly #grants: ReferenceGrants
  readonly #keys: ReferenceKeys

  constructor(grants: ReferenceGrants, keys: ReferenceKeys) {
    this.#grants = grants
    this.#keys = keys
  }

  /** Without `seq`: as of the transaction under way. */
  #scopeId(name: { readonly project: string; readonly scope?: string }, seq: number | undefined): number | undefined {
    return seq === undefined ? this.#keys.scopeId(name) : this.#keys.scopeIdAt(name, seq)
  }

  mayRead(caller: string, name: NamedKey, seq?: number): boolean {
    const scopeId = this.#scopeId(name, seq)
    return scopeId !== undefined && this.#grants.mayUseKey(caller, 'kvRead', scopeId, name.key, seq)
  }

  mayReadRange(caller: string, range: Pick<RangeRead, 'project' | 'scope' | 'start' | 'end'>, seq?: number): boolean {
    const scopeId = this.#scopeId(range, seq)
    return scopeId !== undefined && this.#grants.mayReadRange(caller, scopeId, range, seq)
  }

  /** Whether the caller may read rows of the table, as far as its policy lets it see them. */
  mayReadRows(caller: string, table: string, seq?: number): boolean {
    const scopeId = this.#scopeId({ project: PROJECT }, seq)
    return scopeId !== undefined && this.#grants.mayUseTable(caller, 'tableRead', scopeId, table, seq)
  }

  /** Whether the policy of `table` shows the caller such a row. */
  seesRow(
    caller: string,
    { name, policy }: Pick<ReferenceTable, 'name' | 'policy'>,
    cells: Readonly<Record<string, Value>>,
    seq?: number,
  ): boolean {
    if (policy === undefined) return true
    const scopeId = this.#scopeId({ project: PROJECT }, seq)
    const isAbove = scopeId !== undefined && this.#grants.mayUseTable(caller, 'policyBypass', scopeId, name, seq)
    return isAbove || evaluate(policy, cells, caller) === true
  }

  /** Why the caller may not make the change, if it may not; before any change of its transaction. */
  deniedMutation(caller: string, mutation: Mutation, seq?: number): string | undefined {
    if (caller === ROOT_CALLER) return undefined
    if (mutation.type === 'ddl') {
      const { operation } = mutation
      if (!TABLE_DDL.has(operation.type)) return DENIED
      const scopeId = this.#scopeId({ project: PROJECT }, seq)
      return scopeId !== undefined && this.#grants.mayChangeTables(caller, scopeId, seq) ? undefined : DENIED
    }
    const isEvent = mutation.type === 'emitEvent'
    if (!isEvent && !isKvMutation(mutation) && !isTableMutation(mutation)) return undefined
    const scopeId = this.#scopeId(mutation, seq)
    if (scopeId === undefined) return missing(this.#keys.hasProject(mutation.project))
    if (isEvent) return this.#grants.mayUseKey(caller, 'kvWrite', scopeId, NO_KEY, seq) ? undefined : DENIED
    const mayUse = isKvMutation(mutation)
      ? this.#mayChangeKey(caller, mutation, scopeId, seq)
      : this.#mayChangeRows(caller, mutation, scopeId, seq)
    return mayUse ? undefined : DENIED
  }

  #mayChangeKey(
    caller: string,
    { type, key }: { readonly type: string; readonly key: Uint8Array },
    scopeId: number,
    seq: number | undefined,
  ): boolean {
    if (!this.#grants.mayUseKey(caller, 'kvWrite', scopeId, key, seq)) return false
    // What computes with a value tells of it.
    const isBlind = type === 'kvSet' || type === 'kvDelete'
    return isBlind || this.#grants.mayUseKey(caller, 'kvRead', scopeId, key, seq)
  }

  #mayChangeRows(
    caller: string,
    { type, table }: { readonly type: string; readonly table: string },
    scopeId: number,
    seq: number | undefined,
  ): boolean {
    if (!this.#grants.mayUseTable(caller, 'tableWrite', scopeId, table, seq)) return false
    const hasCondition = type === 'updateWhere' || type === 'deleteWhere'
    return !hasCondition || this.#grants.mayUseTable(caller, 'tableRead', scopeId, table, seq)
  }

  /** Whether something of the envelope is beyond what the caller may do, after the entry `seq`. */
  isDenied(caller: string, { assertions = [], readSet, mutations }: TransactionEnvelope, seq: number): boolean {
    if (caller === ROOT_CALLER) return false
    const points = [...assertions.filter(assertion => isKeyAssertion(assertion)), ...(readSet?.points ?? [])]
    return (
      points.some(point => !this.mayRead(caller, point, seq)) ||
      (readSet?.ranges ?? []).some(range => !this.mayReadRange(caller, range, seq)) ||
      mutations.some(mutation => this.deniedMutation(caller, mutation, seq) !== undefined)
    )
  }
}
