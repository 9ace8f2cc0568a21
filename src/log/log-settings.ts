import type { EntryBatch } from '../encoding/index.ts'
import type { Clock, Files, Threads } from '../platform/index.ts'
import type { EntryIndex } from './entry-index.ts'
import type { LogError } from './errors.ts'
import type { SuperblockProof } from './superblock-proof.ts'
import type { ChainPoint, HardState, LogIdentity, LogPosition } from './positions.ts'

/** Offsets are 32-bit fields. */
export const MAX_SEGMENT_BYTES = 0xffffffff
/** More entries than this must come in several frames. */
export const MAX_ENTRIES_BYTES = 268_435_456

/** One atomic batch: after a crash either all of it is there or nothing. */
export interface LogFrame {
  readonly hardState?: HardState
  /** All entries from this seq on are dropped before `entries` are taken. Above the base, at most lastSeq + 1. */
  readonly truncateFrom?: number
  /** Follow the last entry (after the truncation). The log keeps `bytes`: they must not change any more. */
  readonly entries?: EntryBatch
  /** Entry chain of each of `entries`, if whoever appends has computed it: the log then checks its first link only. */
  readonly chains?: Uint32Array
}

/** What the log is now; only an `open` one takes appends. */
export type LogState = 'open' | 'suspect' | 'damaged' | 'latched' | 'closed'

export interface LogSettings {
  readonly files: Files
  readonly threads: Threads
  /** The log's own directory, `DATA/log`. */
  readonly directory: string
  readonly identity: LogIdentity
  readonly lane: 'inline' | 'worker'
  /** Of a segment, but the first ones are smaller (`segmentBytesAt`). */
  readonly segmentBytes: number
  readonly tailCacheBytes: number
  readonly ringBytes: number
  /** Only for figures. */
  readonly clock: Clock | undefined
  readonly onSynced: (ioSeq: number) => void
  readonly onFailed: (error: LogError) => void
}

const FIRST_SEGMENT_BYTES = 1_048_576

/**
 * Bytes that a segment is given: the first one 1 MiB, each twice what the one before has, up to `segmentBytes`. Zeros are written and synced for
 * all of it beforehand, so that a log with little in it opens soon and takes little of the disk.
 */
export function segmentBytesAt({ segmentBytes }: Pick<LogSettings, 'segmentBytes'>, segment: number): number {
  return Math.min(segmentBytes, FIRST_SEGMENT_BYTES * 2 ** Math.min(segment - 1, 10))
}

/** A segment of the log in memory. */
export interface HeldSegment {
  readonly segment: number
  readonly base: ChainPoint
  /** Where its frames end; rises while it is the last. */
  end: number
  /** The lowest seq that a frame of it truncates from; infinite if none does. The entry before it must stay known. */
  lowestTruncation: number
}

/** Where a log stands when it is taken over from recovery. */
export interface LogStart {
  readonly state: 'open' | 'suspect' | 'damaged'
  readonly index: EntryIndex
  readonly hardState: HardState
  /** Generation of the newest vote in a slot. */
  readonly voteGeneration: number
  readonly isVoteCertain: boolean
  readonly segments: readonly HeldSegment[]
  readonly voidSegments: readonly number[]
  /** The highest number that any segment file has. */
  readonly highestSegment: number
  readonly end: LogPosition
  readonly previousFrame: number
  readonly isMarked: boolean
  readonly superblock: SuperblockProof
  readonly suspectAt?: LogPosition
}
