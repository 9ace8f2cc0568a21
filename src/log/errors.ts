import type { LogPosition } from './positions.ts'

/** What was found wrong in a file of the log. */
export type DamageKind =
  | 'identity'
  | 'segment_missing'
  | 'segment_header'
  | 'foreign_segment'
  | 'frame'
  | 'frames_lost'
  | 'stale_frame'
  | 'votes_missing'
  | 'vote_slot'
  | 'votes_conflict'

/** One damaged place. Nothing is ever thrown away because of it: the caller decides (DESIGN 6). */
export interface DamageReport {
  readonly kind: DamageKind
  /** Path of the file. */
  readonly file: string
  /** Byte in the file where the damaged thing begins. */
  readonly offset: number
  /** What was expected and what was found, for people. */
  readonly what: string
  /** The last entry before the damage that is known to be intact. */
  readonly intactEnd: { readonly seq: number; readonly term: number }
  /** A valid frame behind the damage that proves it (rule W2), if that is how it was recognised. */
  readonly provenBy?: { readonly file: string; readonly offset: number }
}

export type LogErrorCode =
  /** The log holds damage and takes nothing before it is repaired (`damage` says where). */
  | 'damaged'
  /** The end of the log is undecidable (rule W3); `setSuspectAside` first. */
  | 'suspect'
  /** A write or a sync failed earlier; this log object does nothing any more (rule D9). */
  | 'latched'
  /** The log was closed. */
  | 'closed'
  /** A log is already there. */
  | 'log_exists'
  /** No log is there. */
  | 'log_missing'
  /** The entries asked for are not in the log any more, or not yet. */
  | 'seq_unavailable'
  /** A file was written by a later version of Quorate. */
  | 'version_unsupported'
  /** The durability or call does not fit the lane that was chosen. */
  | 'lane_unsuitable'

/** An expected failure of the log; `code` is stable. */
export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: LogErrorCode
  readonly damage: readonly DamageReport[]

  constructor(code: LogErrorCode, message: string, detail: { damage?: readonly DamageReport[]; cause?: unknown } = {}) {
    super(message, { cause: detail.cause })
    this.code = code
    this.damage = detail.damage ?? []
  }
}

/** A broken invariant of the log or a caller's mistake: always on, never expected. */
export function assertLog(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`log invariant broken: ${message}`)
}

export function describePosition(position: LogPosition): string {
  return `segment ${position.segment} offset ${position.offset}`
}
