import type { Ddl } from '../encoding/index.ts'
import type { RequestOptions } from './consistency.ts'

/** The kinds of rows, in the order of their numbers on the wire. */
export const AUDIT_KINDS = [
  'impersonated',
  'denied',
  'granted',
  'revoked',
  'policySet',
  'policyCleared',
  'ownerChanged',
  'settingChanged',
  'assertionFailed',
] as const

/** Rows that one read answers at most, but never fewer than those of one entry. */
export const AUDIT_PAGE_ROWS_MAX = 1_000

/**
 * What was done in another's name, was refused, or has changed who may do what; kept on all members alike, a bounded number of
 * rows (`auditRowsMax`). Each row holds the hash of the one before: none can be changed, left out or put in between unnoticed.
 */
export interface AuditRow {
  /** Of the entry that it is about; one entry may have several rows. */
  readonly seq: number
  readonly timeMicros: number
  /**
   * `impersonated`: `actor` acted as `caller`. `denied`: `actor` lacked a permission (kept if `auditRefusals` is 1). `assertionFailed`:
   * a precondition did not hold (kept if `auditAssertions` is 1). `settingChanged`: of what is audited. The others say what changed.
   */
  readonly kind: (typeof AUDIT_KINDS)[number]
  readonly actor: string
  readonly caller: string
  /** Why it was refused; empty if it was committed. */
  readonly code: string
  /** The change as it was asked for. */
  readonly operation?: Ddl
  /** Which assertion of the transaction, counted from 0, and the version found in place of the one expected (0 = absent). */
  readonly assertion?: { readonly index: number; readonly actualSeq: number }
  /** SHA-256 of this row and of the one before it, 64 hexadecimal digits; rows of earlier versions have none. */
  readonly hash?: string
  readonly previousHash?: string
}

export interface AuditPage {
  /** Newest first. */
  readonly rows: readonly AuditRow[]
  /** Every row is the one that the row after it holds the hash of, and the newest of all the one that the head names. */
  readonly isIntact: boolean
  /** Rows that are kept. */
  readonly count: number
  /** Of the newest row that there ever was: note it elsewhere to find out later whether the past was written anew. */
  readonly headHash: string
}

export interface ReadAuditOptions extends RequestOptions {
  /** Rows at most, unless one entry has more: 1 to 1,000; default 100. */
  limit?: number
  /** Only rows of entries before this seq. */
  before?: number
}

export interface VerifyAuditOptions extends RequestOptions {
  /** A `headHash` that was noted elsewhere: whether a row with it is there still. */
  knownHash?: string
}

export interface AuditVerification {
  /** Every row holds the hash of the row before, the head that of the newest, and as many rows are there as were counted. */
  readonly isIntact: boolean
  /** Rows that were looked at. */
  readonly checked: number
  /** The newest entry whose rows do not fit to what stands above them; absent if all do. */
  readonly brokenAtSeq?: number
  readonly headHash: string
  readonly oldestSeq?: number
  readonly newestSeq?: number
  /** Only if a `knownHash` was given. Where it is not found its row is older than the oldest that is kept, or the past was written anew. */
  readonly isKnownHashFound?: boolean
  /** Of the state that was looked at. */
  readonly seq: number
}
