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
/** Frames are cut out of blocks of about as many bytes as are asked for, within these bounds: few writers make frames of few entries. */
const BLOCK_BYTES_MIN = 65_536
const BLOCK_BYTES_MAX = 262_144

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
    const block = new Block(maxBytes)
    while (at !== undefined && wanted <= lastSeq) {
      const frame = this.#frameIn(block, at) ?? (await this.#readFrame(block, at))
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

  /** Reads the frame at `at`, and into `block` what comes behind it; undefined where its segment ends. */
  async #readFrame(block: Block, at: LogPosition): Promise<Frame | undefined> {
    const end = this.#segmentEnd(at.segment)
    if (end === undefined || at.offset >= end) return undefined
    const segment = this.#segment(at.segment)
    segment.users++
    try {
      const file = await segment.file
      await block.read(file, at, end, FRAME_HEADER_BYTES)
      const frame = this.#frameIn(block, at)
      if (frame !== undefined) return frame
      if (block.has(at, FRAME_HEADER_BYTES)) {
        // It is longer than a block.
        await block.read(file, at, end, this.#neededBytes(this.#headerIn(block, at)))
        const long = this.#frameIn(block, at)
        if (long !== undefined) return long
      }
      throw this.#damaged(at, 'a frame of the log reaches beyond the end of its segment')
    } finally {
      segment.users--
      if (segment.isForgotten) closeUnused(segment)
    }
  }

  /** The frame at `at`; undefined if `block` does not have all of it. */
  #frameIn(block: Block, at: LogPosition): Frame | undefined {
    if (!block.has(at, FRAME_HEADER_BYTES)) return undefined
    const header = this.#headerIn(block, at)
    const needed = this.#neededBytes(header)
    if (!block.has(at, needed)) return undefined
    const frame = block.at(at, needed)
    const entries = frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.entriesBytes)
    return { header, bytes: this.#seal === undefined ? entries : this.#unseal(this.#seal, frame, at, header) }
  }

  #headerIn(block: Block, at: LogPosition): FrameHeader {
    const head = block.at(at, FRAME_HEADER_BYTES)
    if (!isFrameHeaderIntact(head, 0, this.#seeds.at(at.segment, at.offset)))
      throw this.#damaged(at, 'a frame header of the log no longer passes its checksum')
    return readFrameHeader(head, 0)
  }

  #neededBytes({ length, entriesBytes }: FrameHeader): number {
    return this.#seal?.needsWholeFrames === true ? length : FRAME_HEADER_BYTES + entriesBytes
  }

  #unseal(seal: LogSeal, frame: Uint8Array, at: LogPosition, header: FrameHeader): Uint8Array {
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

interface Frame {
  readonly header: FrameHeader
  readonly bytes: Uint8Array
}

/** What was read last of a segment. Its memory is never written to again: entries are cut out of it, not copied. */
class Block {
  readonly #wantedBytes: number
  #bytes = new Uint8Array(0)
  #segment = 0
  #start = 0

  constructor(wantedBytes: number) {
    this.#wantedBytes = Math.min(Math.max(wantedBytes, BLOCK_BYTES_MIN), BLOCK_BYTES_MAX)
  }

  has({ segment, offset }: LogPosition, length: number): boolean {
    const at = offset - this.#start
    return segment === this.#segment && at >= 0 && at + length <= this.#bytes.length
  }

  /** `length` bytes, which it has. */
  at({ offset }: LogPosition, length: number): Uint8Array {
    return this.#bytes.subarray(offset - this.#start, offset - this.#start + length)
  }

  /** Reads on from `at`, at least `length` bytes, except where the frames of the segment end before. */
  async read(file: File, { segment, offset }: LogPosition, end: number, length: number): Promise<void> {
    const bytes = new Uint8Array(Math.min(Math.max(this.#wantedBytes, length), end - offset))
    await file.read(bytes, offset)
    this.#bytes = bytes
    this.#segment = segment
    this.#start = offset
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
