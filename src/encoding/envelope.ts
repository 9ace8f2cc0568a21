import type { ComparisonOperator } from './comparison.ts'
import type { TableDdl } from './table-definition.ts'
import type { TableAssertion, TableMutation } from './table-mutation.ts'

/**
 * A transaction as data: preconditions and changes that hold together or not at all (DESIGN 7). These types are public
 * (they are the JSON of POST /v1/commit too, with bytes as {"$b": base64}); envelope-binary.ts has their binary form.
 */

/** Where a key lies. `scope` defaults to `app`. */
export interface KeyTarget {
  project: string
  scope?: string
  key: Uint8Array
}

/** A precondition checked when the transaction is applied; a failed one gives `assertion_failed` with its index and the actual state. */
export type Assertion =
  /** The key's last change has this seq; 0 = the key is absent. */
  | ({ type: 'keyVersion'; seq: number } & KeyTarget)
  | ({ type: 'keyExists'; expected: boolean } & KeyTarget)
  /** The key exists and its value has exactly these bytes. */
  | ({ type: 'keyEquals'; value: Uint8Array } & KeyTarget)
  /** The key exists and its value compares so with `threshold`: as unsigned integers if both have 8 or both 32 bytes, else bytewise. */
  | ({ type: 'keyCompare'; op: ComparisonOperator; threshold: Uint8Array } & KeyTarget)
  | TableAssertion
  /** `all` of none holds, `any` of none does not. At most 16 levels. */
  | { type: 'all' | 'any'; assertions: readonly Assertion[] }
  | { type: 'not'; assertion: Assertion }

/** What the transaction has read: still the same when it is applied, or `conflict`. */
export interface ReadSet {
  points?: readonly PointRead[]
  ranges?: readonly RangeRead[]
}

/** A key, or with `table` a row, whose key then is its primary key as an ordered key (docs/formats/ordered-keys.md). */
export interface PointRead extends KeyTarget {
  table?: string
  /** The version that was read; 0 = absent. */
  seq: number
}

/** Keys, or with `table` rows in the order of the primary key or of an index; keys then are ordered keys, of an index its entries'. */
export interface RangeRead {
  project: string
  scope?: string
  table?: string
  /** Needs `table`. */
  index?: string
  /** Inclusive; absent = from the first key. */
  start?: Uint8Array
  /** Exclusive; absent = to the last key. */
  end?: Uint8Array
  reverse?: boolean
  /** How many records the reader took at most; 0 = all. */
  limit: number
  /** `rangeDigest` over what was read, 16 hexadecimal digits. */
  digest: string
}

export type Mutation =
  /** `ttlMs`: the key expires that long after this transaction's leader time; absent = never (an earlier expiry is removed). */
  | ({ type: 'kvSet'; value: Uint8Array; ttlMs?: number } & KeyTarget)
  /** Deleting a missing key is a success. */
  | ({ type: 'kvDelete' } & KeyTarget)
  /** Adds to an unsigned big-endian integer of 8 or 32 bytes. Keeps the key's expiry. Result: the new number. */
  | ({
      type: 'kvIncrement'
      by: bigint
      width: 64 | 256
      onMissing?: 'zero' | 'reject'
      onOverflow?: 'reject' | 'saturate'
    } & KeyTarget)
  /** Subtracts; `ignore` leaves the key untouched (not created) when the result would be negative. Result: the number afterwards. */
  | ({
      type: 'kvDecrement'
      by: bigint
      width: 64 | 256
      onMissing?: 'zero' | 'reject'
      onUnderflow?: 'reject' | 'saturate' | 'ignore'
    } & KeyTarget)
  /**
   * The larger or smaller of the number and `value`, an unsigned integer as of `kvIncrement`. A missing key counts as smaller, or larger,
   * than any (`set`, the default), or as 0. Result: the number afterwards.
   */
  | ({
      type: 'kvMax' | 'kvMin'
      value: bigint
      width: 64 | 256
      onMissing?: 'set' | 'zero' | 'reject'
    } & KeyTarget)
  /** Computes an unsigned integer as of `kvIncrement`; a missing key is 0. With another version than `expectedSeq` (0 = absent): `assertion_failed`. */
  | ({
      type: 'kvMutate'
      op: 'set' | 'add' | 'subtract'
      operand: bigint
      width: 64 | 256
      expectedSeq?: number
    } & KeyTarget)
  /** Adds to a signed big-endian integer of 8 bytes; beyond them or a bound: `overflow` or `underflow`. Result: the new number. */
  | ({ type: 'kvAddSigned'; by: bigint; min?: bigint; max?: bigint; onMissing?: 'zero' | 'reject' } & KeyTarget)
  /**
   * Adds to one of the numbers that a counter is divided into (`counterShardKey`), so that many writers do not meet. 1 to 4,096 shards,
   * `shard` is below them. The counter is the sum of all its shards.
   */
  | ({ type: 'counterAdd'; by: bigint; shards: number; shard: number } & KeyTarget)
  /** Appends to the scope's events, in the order of commits. `payload` is JSON text. */
  | { type: 'emitEvent'; project: string; scope?: string; topic: string; key: string; payload: string }
  | TableMutation
  /** Assertions on the state that the mutations before have made; a failed one refuses the transaction. */
  | { type: 'postflight'; assertions: readonly Assertion[] }
  | { type: 'ddl'; operation: Ddl }

/** Changes of the catalog, of permissions and of cluster settings. */
export type Ddl =
  /** `owner`: the caller who may give permissions within the project, and hand it on. */
  | { type: 'createProject'; project: string; ifNotExists?: boolean; owner?: string }
  | { type: 'renameProject'; project: string; to: string }
  /** Drops the project with all its scopes and keys; the space is reclaimed in the background. */
  | { type: 'dropProject'; project: string; ifExists?: boolean }
  | { type: 'createScope'; project: string; scope: string; ifNotExists?: boolean }
  | { type: 'renameScope'; project: string; scope: string; to: string }
  | { type: 'dropScope'; project: string; scope: string; ifExists?: boolean }
  /** `delegable`: the caller may grant the same permission to others. */
  | { type: 'grant'; caller: string; permission: Permission; delegable?: boolean }
  | { type: 'revoke'; caller: string; permission: Permission }
  /** Gives a project, a scope or a table (scope default `app`) another owner; '' = nobody. By its owner, or that of what it lies in. */
  | { type: 'transferOwnership'; project: string; scope?: string; table?: string; to: string }
  /** What the project may hold from now on: a transaction that would make it hold more is refused (`quota_exceeded`). Absent = any number. */
  | { type: 'setQuota'; project: string; bytes?: number; records?: number }
  /** Changes a replicated cluster setting (model/settings.ts has names, units and bounds). */
  | { type: 'setSetting'; name: string; value: number }
  /**
   * Removes a scope's oldest events in the background: those that every given bound allows to go, older than `maxAgeMs` and not among the
   * last `keepLast`. Without one of these nothing is removed. Of those at most `maxEvents` go, but never fewer than those of one commit.
   * Events of one commit stay or go together.
   */
  | {
      type: 'compactEvents'
      project: string
      scope?: string
      maxAgeMs?: number
      keepLast?: number
      maxEvents?: number
    }
  | TableDdl

/**
 * What a caller may do. `kvRead`/`kvWrite` reach as far as the narrowest given of project, scope and key prefix, those of tables as far
 * as that of project, scope and table; without a project they reach everything. `admin` includes all permissions, `projectAdmin` and
 * `scopeAdmin` all within theirs. Conditions on keys need `kvRead`, mutations that compute with what is there both.
 */
export type Permission =
  | { type: 'admin' }
  /** May act as another caller (`as`); audited. */
  | { type: 'impersonate' }
  | { type: 'kvRead' | 'kvWrite'; project?: string; scope?: string; prefix?: Uint8Array }
  | { type: 'projectAdmin'; project: string }
  | { type: 'scopeAdmin'; project: string; scope: string }
  /** `policyBypass`: read policies do not apply. */
  | { type: 'tableRead' | 'tableWrite' | 'policyBypass'; project?: string; scope?: string; table?: string }
  /** Creates, alters and drops tables and indexes. */
  | { type: 'tableDdl'; project?: string; scope?: string }

export interface TransactionEnvelope {
  /** Makes the transaction apply once across processes and sessions, within the cluster's idempotency window. 1..128 bytes of UTF-8. */
  idempotencyKey?: string
  assertions?: readonly Assertion[]
  readSet?: ReadSet
  mutations: readonly Mutation[]
}

export const DEFAULT_SCOPE = 'app'
