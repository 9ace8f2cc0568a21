import { readU32 } from '../encoding/index.ts'
import type { ChecksumSeeds } from './checksum-seed.ts'
import { FRAME_MAGIC, checkFrame, hasUnwrittenSector, isFrameHeaderIntact, isZero, readFrameHeader } from './frame.ts'
import type { FrameCheck, FrameHeader } from './frame.ts'
import { LogError } from './errors.ts'
import { isAfter } from './positions.ts'
import type { LogPosition } from './positions.ts'

/** A segment's content in memory and what its checksums rest on. */
export interface SegmentBytes {
  readonly segment: number
  /** The whole file. */
  readonly bytes: Uint8Array
}

/** Where a walk over the frames of one segment ended. */
export type WalkEnd =
  /** At the end of the log or at the wanted end: nothing but zeros follows, or nothing was looked at. */
  | { readonly state: 'clean'; readonly offset: number; readonly previousFrame: number }
  /** At something that is not the next frame. `isStale`: a frame that passes, but does not follow the one before. */
  | {
      readonly state: 'bad'
      readonly offset: number
      readonly previousFrame: number
      readonly check: FrameCheck
      readonly isStale: boolean
    }

export type FrameVisitor = (offset: number, header: FrameHeader) => void

export interface WalkRange {
  readonly start: number
  /** `headerCrc` of the frame before, or the checksum of the segment's header. */
  readonly previousFrame: number
  /** Where a finished segment's frames must end. */
  readonly end?: number
}

/** Walks the frames of a segment from `start` and calls `visit` for each valid one, in order. */
export function walkFrames(
  content: SegmentBytes,
  seeds: ChecksumSeeds,
  groupId: number,
  range: WalkRange,
  visit: FrameVisitor,
): WalkEnd {
  const { bytes, segment } = content
  let offset = range.start
  let previousFrame = range.previousFrame
  for (;;) {
    if (offset === range.end) return { state: 'clean', offset, previousFrame }
    const check = checkFrame(bytes, offset, seeds.at(segment, offset))
    if (check.state === 'unknown_version') {
      throw new LogError('version_unsupported', `frame version ${check.version} in segment ${segment} at ${offset}`)
    }
    if (check.state !== 'valid') {
      if (lastWrittenEnd(bytes, offset) === offset) return { state: 'clean', offset, previousFrame }
      return { state: 'bad', offset, previousFrame, check, isStale: false }
    }
    if (check.header.previousFrame !== previousFrame || check.header.groupId !== groupId) {
      return { state: 'bad', offset, previousFrame, check, isStale: true }
    }
    visit(offset, check.header)
    previousFrame = check.header.headerCrc
    offset += check.header.length
  }
}

const ZEROS = Buffer.alloc(1 << 16)

/** The end of what is not zero at or behind `from`; `from` itself if all is zero. */
export function lastWrittenEnd(bytes: Uint8Array, from: number): number {
  let end = bytes.length
  // A prepared segment is mostly zeros: whole blocks of them are compared at once.
  while (end - ZEROS.length >= from && ZEROS.equals(bytes.subarray(end - ZEROS.length, end))) end -= ZEROS.length
  while (end > from && (end & 7) !== 0 && bytes[end - 1] === 0) end--
  const words = (bytes.byteOffset & 3) === 0 ? new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2) : []
  while (end - 8 >= from && (end & 7) === 0 && words[(end >>> 2) - 1] === 0 && words[(end >>> 2) - 2] === 0) end -= 8
  while (end > from && bytes[end - 1] === 0) end--
  return end
}

/**
 * The first place behind `from` where a frame stands that was made after everything up to `bad` had been synced: the proof
 * that `bad` is damage of acknowledged bytes and not a tear (rule W2). Looks at every place where a frame can begin, since
 * the length of the bad one may be what is damaged.
 */
export function findProof(
  content: SegmentBytes,
  seeds: ChecksumSeeds,
  from: number,
  bad: LogPosition,
): LogPosition | undefined {
  const { bytes, segment } = content
  const end = lastWrittenEnd(bytes, from)
  for (let at = (from + 7) & ~7; at < end; at += 8) {
    if (!isFrameAt(bytes, at, seeds, segment)) continue
    const header = readFrameHeader(bytes, at)
    if (isAfter({ segment: header.syncedSegment, offset: header.syncedOffset }, bad)) return { segment, offset: at }
  }
  return undefined
}

/** True if a frame's header that passes stands at `at`; its body is not looked at. */
export function isFrameAt(bytes: Uint8Array, at: number, seeds: ChecksumSeeds, segment: number): boolean {
  if (readU32(bytes, at) !== FRAME_MAGIC) return false
  return isFrameHeaderIntact(bytes, at, seeds.at(segment, at))
}

/** True if the bad frame at the end of a walk shows that it was cut by a crash (rule W1). */
export function isTorn(content: SegmentBytes, end: WalkEnd & { state: 'bad' }): boolean {
  return !end.isStale && hasUnwrittenSector(content.bytes, end.offset, end.check)
}

export { isZero }
