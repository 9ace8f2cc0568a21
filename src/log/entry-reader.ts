import { chainEntry, readU32, readU64 } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import type { File, Files } from '../platform/index.ts'
import type { ChecksumSeeds } from './checksum-seed.ts'
import type { EntryIndex } from './entry-index.ts'
import { LogError } from './errors.ts'
import { segmentName } from './file-names.ts'
import { FRAME_HEADER_BYTES, FrameFlag, isFrameHeaderIntact, readFrameHeader } from './frame.ts'
import type { FrameHeader } from './frame.ts'
import type { LogSeal } from './log-seal.ts'
import type { LogPosition } from './positions.ts'
import { SEGMENT_HEADER_BYTES } from './segment-header.ts'

const OPEN_FILES = 4

/** Where the frames of a segment end now; undefined if the segment is not part of the log. */
export type SegmentEnd = (segment: number) => number | undefined

/**
 * Reads entries back from segment files. Each entry is checked against its chain value in the index: damage and entries
 * that were overwritten later are both recognised by it.
 */
export class EntryReader {
  readonly #files: Files
  readonly #directory: string
  readonly #seeds: ChecksumSeeds
  readonly #segmentEnd: SegmentEnd
  readonly #seal: LogSeal | undefined
  readonly #open = new Map<number, OpenSegment>()

  constructor(
    files: Files,
    directory: string,
    seeds: ChecksumSeeds,
    segmentEnd: SegmentEnd,
    seal: LogSeal | undefined,
  ) {
    this.#seal = seal
    this.#files = files
    this.#directory = directory
    this.#seeds = seeds
    this.#segmentEnd = segmentEnd
  }

  /**
   * Entries from `fromSeq` (retained) on, at least one, otherwise at most `maxBytes` and up to `lastSeq`.
   * Rejects with `damaged`, naming file and offset, if they cannot be found where they must be.
   */
  async read(index: EntryIndex, fromSeq: number, lastSeq: number, maxBytes: number): Promise<EntryBatch> {
    const parts: Uint8Array[] = []
    let wanted = fromSeq
    let total = 0
    let at = index.locate(fromSeq)
    while (at !== undefined && wanted <= lastSeq) {
      const frame = await this.#readFrame(at)
      if (frame === undefined) {
        at = this.#nextSegment(at.segment)
        continue
      }
      const { header, bytes } = frame
      at = { segment: at.segment, offset: at.offset + header.length }
      if ((header.flags & FrameFlag.entries) === 0 || header.firstSeq > wanted || header.lastSeq < wanted) continue
      const taken = takeMatching(
        index,
        bytes,
        header.firstSeq,
        wanted,
        lastSeq,
        total === 0 ? 0 : maxBytes - total,
        maxBytes,
      )
      if (taken.bytes.length > 0) parts.push(taken.bytes)
      total += taken.bytes.length
      wanted = taken.nextSeq
      if (taken.isFull || total >= maxBytes) break
    }
    if (total === 0) throw this.#lost(index, fromSeq)
    return { firstSeq: fromSeq, lastSeq: wanted - 1, bytes: parts.length === 1 ? parts[0]! : concatenate(parts, total) }
  }

  #nextSegment(segment: number): LogPosition | undefined {
    const next = segment + 1
    return this.#segmentEnd(next) === undefined ? undefined : { segment: next, offset: SEGMENT_HEADER_BYTES }
  }

  async #readFrame(at: LogPosition): Promise<{ header: FrameHeader; bytes: Uint8Array } | undefined> {
    const end = this.#segmentEnd(at.segment)
    if (end === undefined || at.offset >= end) return undefined
    const segment = this.#segment(at.segment)
    segment.users++
    try {
      return await this.#readFrom(await segment.file, at, end)
    } finally {
      segment.users--
      if (segment.isForgotten) closeUnused(segment)
    }
  }

  async #readFrom(file: File, at: LogPosition, end: number): Promise<{ header: FrameHeader; bytes: Uint8Array }> {
    const head = new Uint8Array(Math.min(FRAME_HEADER_BYTES, end - at.offset))
    await file.read(head, at.offset)
    const isIntact =
      head.length === FRAME_HEADER_BYTES && isFrameHeaderIntact(head, 0, this.#seeds.at(at.segment, at.offset))
    if (!isIntact) throw this.#damaged(at, 'a frame header of the log no longer passes its checksum')
    const header = readFrameHeader(head, 0)
    if (this.#seal !== undefined) return { header, bytes: await this.#unseal(this.#seal, file, at, header, end) }
    const bytes = new Uint8Array(header.entriesBytes)
    if (bytes.length > 0) await file.read(bytes, at.offset + FRAME_HEADER_BYTES)
    return { header, bytes }
  }

  async #unseal(seal: LogSeal, file: File, at: LogPosition, header: FrameHeader, end: number): Promise<Uint8Array> {
    const length = seal.needsWholeFrames ? header.length : FRAME_HEADER_BYTES + header.entriesBytes
    const frame = new Uint8Array(Math.min(length, end - at.offset))
    await file.read(frame, at.offset)
    const opened = seal.openFrame(frame, header.entriesBytes, at.segment, at.offset)
    if (opened === undefined) throw this.#damaged(at, "a frame of the log is not sealed with this directory's keys")
    return opened.entries
  }

  #segment(segment: number): OpenSegment {
    let open = this.#open.get(segment)
    if (open !== undefined) return open
    const file = this.#files.open(`${this.#directory}/${segmentName(segment)}`, 'read')
    open = { file, users: 0, isForgotten: false }
    this.#open.set(segment, open)
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= OPEN_FILES) break
      this.forget(oldest)
    }
    return open
  }

  /** Closes the file of a segment, if it is open, once nobody reads from it. */
  forget(segment: number): void {
    const open = this.#open.get(segment)
    if (open === undefined) return
    this.#open.delete(segment)
    open.isForgotten = true
    closeUnused(open)
  }

  close(): void {
    for (const segment of this.#open.keys()) this.forget(segment)
  }

  #damaged(at: LogPosition, what: string): LogError {
    const file = `${this.#directory}/${segmentName(at.segment)}`
    const report = { kind: 'frame' as const, file, offset: at.offset, what, intactEnd: { seq: 0, term: 0 } }
    return new LogError('damaged', `${what}: ${file} at ${at.offset}`, { damage: [report] })
  }

  #lost(index: EntryIndex, seq: number): LogError {
    return this.#damaged(index.locate(seq) ?? { segment: 0, offset: 0 }, `entry ${seq} is not where it was written`)
  }
}

/** An open file and how many reads are under way in it: it is not closed under them. */
interface OpenSegment {
  readonly file: Promise<File>
  users: number
  isForgotten: boolean
}

/** A reader's handle that cannot be closed costs a descriptor and no byte. */
function closeUnused({ file, users }: OpenSegment): void {
  if (users === 0) file.then(each => each.close()).catch(() => undefined)
}

interface Taken {
  readonly bytes: Uint8Array
  readonly nextSeq: number
  /** True if the budget of bytes ended it. */
  readonly isFull: boolean
}

/** The entries of a frame from `wanted` on that are the log's present ones. `budget` 0 = take at least one. */
function takeMatching(
  index: EntryIndex,
  bytes: Uint8Array,
  firstSeq: number,
  wanted: number,
  lastSeq: number,
  budget: number,
  firstBudget: number,
): Taken {
  let at = 0
  for (let seq = firstSeq; seq < wanted; seq++) at += readU32(bytes, at)
  const start = at
  const limit = budget === 0 ? firstBudget : budget
  let seq = wanted
  while (at < bytes.length && seq <= lastSeq) {
    const length = readU32(bytes, at)
    const end = at + length
    const isFirst = budget === 0 && seq === wanted
    if (end - start > limit && !isFirst) return { bytes: bytes.subarray(start, at), nextSeq: seq, isFull: true }
    if (length < 32 || end > bytes.length || readU64(bytes, at + 8) !== seq) break
    if (chainEntry(index.chainAt(seq - 1) ?? -1, bytes, at, end) !== index.chainAt(seq)) break
    at = end
    seq++
  }
  return { bytes: bytes.subarray(start, at), nextSeq: seq, isFull: false }
}

function concatenate(parts: readonly Uint8Array[], total: number): Uint8Array {
  const bytes = new Uint8Array(total)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
