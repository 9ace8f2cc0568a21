import { MalformedBytes } from '../encoding/index.ts'
import { QuorateError } from '../model/index.ts'
import { FileError } from '../platform/index.ts'
import type { Files } from '../platform/index.ts'
import { ChecksumSeeds } from './checksum-seed.ts'
import { EntryIndex } from './entry-index.ts'
import { LogError, assertLog } from './errors.ts'
import type { DamageKind, DamageReport } from './errors.ts'
import { logDirectory, segmentName, segmentOfName } from './file-names.ts'
import { FRAME_HEADER_BYTES, FrameFlag } from './frame.ts'
import type { FrameHeader } from './frame.ts'
import type { Opened } from './log-seal.ts'
import { isMutant } from './mutants.ts'
import type { HardState, LogIdentity, LogPosition } from './positions.ts'
import { LOG_BEGINNING, NO_HARD_STATE } from './positions.ts'
import { SEGMENT_HEADER_BYTES, checkSegmentHeader } from './segment-header.ts'
import type { SegmentHeader, SegmentHeaderCheck } from './segment-header.ts'
import { findProof, isTorn, lastWrittenEnd, walkFrames } from './walk.ts'
import { decodeSuperblockProof } from './superblock-proof.ts'
import type { SuperblockProof } from './superblock-proof.ts'
import type { SegmentBytes, WalkEnd, WalkRange } from './walk.ts'

/** A segment that belongs to the log as it stands. */
export interface LiveSegment {
  readonly segment: number
  readonly header: SegmentHeader
  readonly headerCrc: number
}

/** How the log ends (DESIGN 6, recovery classes). */
export type LogVerdict =
  | { readonly kind: 'clean' }
  /** A crash cut what was never acknowledged: cut it off, zero the rest, go on. */
  | { readonly kind: 'torn'; readonly at: LogPosition }
  /** Complete but wrong: it may have been acknowledged (rule W3). */
  | { readonly kind: 'suspect'; readonly at: LogPosition }
  /** Acknowledged bytes are wrong. */
  | { readonly kind: 'damaged' }

/** What the files of a log say, without changing anything. */
export interface LogScan {
  readonly verdict: LogVerdict
  readonly damage: readonly DamageReport[]
  /** In order; the first one's header is the base. */
  readonly live: readonly LiveSegment[]
  /** Numbers of segments before `live`, void since the log began anew. */
  readonly void: readonly number[]
  /** Numbers of segment files behind the last live one: prepared and empty, or torn. */
  readonly ahead: readonly number[]
  readonly index: EntryIndex
  /** For each walked segment with a truncation the lowest seq truncated from. */
  readonly lowestTruncations: ReadonlyMap<number, number>
  /** As the frames and headers give it; votes are apart. */
  readonly hardState: HardState
  /** Behind the last valid frame. */
  readonly end: LogPosition
  readonly previousFrame: number
  /** True if the last frame is a mark. */
  readonly isMarked: boolean
  /** Everything before this place was synced, as a frame says that was made later. */
  readonly synced: LogPosition
  /** The last frame gives a vote: its slot may have been under way when the log ended. */
  readonly endsWithVote: boolean
  /** As the last valid frame or header has it. */
  readonly superblock: SuperblockProof
}

const NOT_SEALED = "not sealed with this directory's keys"

interface NumberedCheck {
  readonly segment: number
  readonly check: SegmentHeaderCheck
}

/** Reads a whole log and classifies its end. Throws `LogError` only if there is none or its version is unknown. */
export async function scanLog(files: Files, dataDirectory: string, identity: LogIdentity): Promise<LogScan> {
  return new Scanner(files, logDirectory(dataDirectory), identity).run()
}

/** The segment numbers in a log directory, rising. */
export async function listSegments(files: Files, directory: string): Promise<number[]> {
  try {
    const names = await files.list(directory)
    return names.map(segmentOfName).filter(segment => segment !== undefined)
  } catch (error) {
    if (error instanceof FileError && error.code === 'not_found') {
      throw new LogError('log_missing', `no log in ${directory}`, { cause: error })
    }
    throw error
  }
}

/** Reads a file into memory as it is now. */
export async function readWhole(files: Files, path: string): Promise<Uint8Array> {
  const file = await files.open(path, 'read')
  try {
    const bytes = new Uint8Array(file.sizeSync())
    let done = 0
    while (done < bytes.length) {
      const count = await file.read(bytes.subarray(done, Math.min(bytes.length, done + 4_194_304)), done)
      assertLog(count > 0, `${path} ended at ${done} while being read`)
      done += count
    }
    return bytes
  } finally {
    await file.close()
  }
}

/** Older segments are left over from dropping that a crash cut short: the log begins with a later one. */
interface BeginsLater {
  readonly kind: 'begins_later'
}

/**
 * A frame truncates the log's base or what is before it. Dropping never leaves such a frame behind the first segment that it
 * keeps, so the segment itself was to be dropped.
 */
class TruncatesBase extends Error {
  override readonly name = 'TruncatesBase'
}

/** Undefined for a sealed frame, for which there is no key. */
function plainFrame(frame: Uint8Array, header: FrameHeader): Opened | undefined {
  if (header.isSealed) return undefined
  const entries = frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.entriesBytes)
  return { entries, chain: header.lastChain }
}

class Scanner {
  readonly #files: Files
  readonly #directory: string
  readonly #identity: LogIdentity
  readonly #seeds: ChecksumSeeds
  readonly #damage: DamageReport[] = []
  readonly #lowestTruncations = new Map<number, number>()
  #index = new EntryIndex(LOG_BEGINNING)
  #hardState: HardState = NO_HARD_STATE
  #end: LogPosition = { segment: 0, offset: 0 }
  #previousFrame = 0
  #isMarked = false
  #synced: LogPosition = { segment: 0, offset: 0 }
  #endsWithVote = false
  #superblock = 0

  constructor(files: Files, directory: string, identity: LogIdentity) {
    this.#files = files
    this.#directory = directory
    this.#identity = identity
    this.#seeds = new ChecksumSeeds(identity.directoryId)
  }

  async run(): Promise<LogScan> {
    const numbers = await listSegments(this.#files, this.#directory)
    if (numbers.length === 0) throw new LogError('log_missing', `no segment in ${this.#directory}`)
    const checks: NumberedCheck[] = []
    for (const segment of numbers) checks.push({ segment, check: await this.#readHeader(segment) })
    const forged = checks.find(({ check }) => check.state === 'unsealed')
    const last = checks.findLastIndex(({ check }) => check.state === 'valid')
    const ahead = numbers.slice(last + 1)
    const { live, before } = this.#chooseLive(checks.slice(0, last + 1))
    if (live.length === 0) {
      this.#report('segment_header', { segment: numbers[0]!, offset: 0 }, 'no segment has a valid header')
    }
    if (forged !== undefined && !this.#damage.some(({ offset }) => offset === 0)) {
      this.#report('segment_header', { segment: forged.segment, offset: 0 }, NOT_SEALED)
    }
    this.#beginWith(live[0])
    if (this.#damage.length > 0) return this.#result({ kind: 'damaged' }, live, before, ahead)
    for (let i = 0; i < live.length; i++) {
      const verdict = await this.#walk(live[i]!, live[i + 1], ahead)
      if (verdict.kind === 'begins_later') {
        before.push(...live.splice(0, i + 1).map(({ segment }) => segment))
        this.#beginWith(live[0])
        i = -1
      } else if (verdict.kind !== 'clean') return this.#result(verdict, live, before, ahead)
    }
    return this.#result(await this.#lookAhead(ahead), live, before, ahead)
  }

  #beginWith(first: LiveSegment | undefined): void {
    this.#index = new EntryIndex(first?.header.base ?? LOG_BEGINNING)
    this.#hardState = first?.header.hardState ?? NO_HARD_STATE
    this.#superblock = first?.header.superblock ?? 0
    this.#end = { segment: 0, offset: 0 }
  }

  #result(verdict: LogVerdict, live: LiveSegment[], before: number[], ahead: number[]): LogScan {
    return {
      verdict,
      damage: this.#damage,
      live,
      void: before,
      ahead,
      index: this.#index,
      lowestTruncations: this.#lowestTruncations,
      hardState: this.#hardState,
      end: this.#end,
      previousFrame: this.#previousFrame,
      isMarked: this.#isMarked,
      synced: this.#synced,
      endsWithVote: this.#endsWithVote,
      superblock: decodeSuperblockProof(this.#superblock),
    }
  }

  #path(segment: number): string {
    return `${this.#directory}/${segmentName(segment)}`
  }

  #report(kind: DamageKind, at: LogPosition, what: string, provenBy?: LogPosition): void {
    this.#damage.push({
      kind,
      file: this.#path(at.segment),
      offset: at.offset,
      what,
      intactEnd: { seq: this.#index.lastSeq, term: this.#index.lastTerm },
      ...(provenBy === undefined ? {} : { provenBy: { file: this.#path(provenBy.segment), offset: provenBy.offset } }),
    })
  }

  async #readHeader(segment: number): Promise<SegmentHeaderCheck> {
    const file = await this.#files.open(this.#path(segment), 'read')
    try {
      const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
      await file.read(bytes, 0)
      const check = checkSegmentHeader(bytes, this.#identity, this.#seeds, segment)
      if (check.state === 'unknown_version') {
        throw new LogError('version_unsupported', `${this.#path(segment)} has version ${check.version}`)
      }
      if (check.state === 'sealed')
        throw new QuorateError('seal_key_missing', `${this.#path(segment)} is sealed: it needs its keys`)
      return check
    } finally {
      await file.close()
    }
  }

  /** Splits the segments up to the last valid one at the place where the log last began anew, and reports holes. */
  #chooseLive(checks: NumberedCheck[]): { live: LiveSegment[]; before: number[] } {
    const live: LiveSegment[] = []
    for (let i = checks.length - 1; i >= 0; i--) {
      const { segment, check } = checks[i]!
      const next = live[0]
      if (next?.header.isAnew === true) return { live, before: checks.slice(0, i + 1).map(each => each.segment) }
      if (next !== undefined && next.segment !== segment + 1) {
        this.#report('segment_missing', { segment: next.segment - 1, offset: 0 }, 'a segment between others is missing')
        return { live, before: checks.slice(0, i + 1).map(each => each.segment) }
      }
      if (check.state !== 'valid') {
        const kind = check.state === 'foreign' ? 'foreign_segment' : 'segment_header'
        this.#report(kind, { segment, offset: 0 }, `the header of a finished segment is ${check.state}`)
        return { live, before: checks.slice(0, i + 1).map(each => each.segment) }
      }
      live.unshift({ segment, header: check.header, headerCrc: check.crc })
    }
    return { live, before: [] }
  }

  async #walk(live: LiveSegment, next: LiveSegment | undefined, ahead: number[]): Promise<LogVerdict | BeginsLater> {
    const content = { segment: live.segment, bytes: await readWhole(this.#files, this.#path(live.segment)) }
    if (this.#end.segment !== 0 && !this.#isContinuedBy(live.header)) {
      this.#report(
        'segment_header',
        { segment: live.segment, offset: 0 },
        'the header does not continue the segment before',
      )
      return { kind: 'damaged' }
    }
    this.#end = { segment: live.segment, offset: SEGMENT_HEADER_BYTES }
    this.#previousFrame = live.headerCrc
    this.#isMarked = false
    this.#endsWithVote = false
    this.#superblock = live.header.superblock
    const range = { start: SEGMENT_HEADER_BYTES, previousFrame: live.headerCrc }
    const end = this.#walkFrames(content, next === undefined ? range : { ...range, end: next.header.previousEnd })
    if (end === 'truncates_base' && next !== undefined) return { kind: 'begins_later' }
    if (end === 'truncates_base') this.#report('frame', this.#end, 'a truncation reaches the base of the log')
    if (end === 'truncates_base' || end === 'contradiction') return { kind: 'damaged' }
    this.#end = { segment: live.segment, offset: end.offset }
    this.#previousFrame = end.previousFrame
    if (next !== undefined) return this.#endFinished(next, end)
    return end.state === 'clean' ? { kind: 'clean' } : this.#classify(content, end, ahead)
  }

  #isContinuedBy(header: SegmentHeader): boolean {
    const { seq, term, chain } = header.base
    const { lastSeq, lastTerm, lastChain } = this.#index
    return header.previousFrame === this.#previousFrame && seq === lastSeq && term === lastTerm && chain === lastChain
  }

  /** Walks and takes over what the frames say; a word if a frame passes its checksums but does not fit. */
  #walkFrames(content: SegmentBytes, range: WalkRange): WalkEnd | 'truncates_base' | 'contradiction' {
    try {
      return walkFrames(content, this.#seeds, this.#identity.groupId, range, (offset, header) => {
        this.#end = { segment: content.segment, offset }
        this.#take(content, offset, header)
      })
    } catch (error) {
      if (error instanceof TruncatesBase) return 'truncates_base'
      if (!(error instanceof MalformedBytes)) throw error
      this.#report('frame', this.#end, error.message)
      return 'contradiction'
    }
  }

  #take(content: SegmentBytes, offset: number, header: FrameHeader): void {
    const { term, votedFor } = this.#hardState
    this.#endsWithVote =
      (header.flags & FrameFlag.hardState) !== 0 && (header.term !== term || header.votedFor !== votedFor)
    this.#superblock = header.superblock
    if ((header.flags & FrameFlag.hardState) !== 0) {
      this.#hardState = { term: header.term, votedFor: header.votedFor, commitSeq: header.commitSeq }
    }
    const { entries, chain } = this.#opened(content, offset, header)
    this.#isMarked = (header.flags & FrameFlag.mark) !== 0
    this.#synced = { segment: header.syncedSegment, offset: header.syncedOffset }
    if ((header.flags & FrameFlag.truncate) !== 0) {
      if (header.truncateFrom <= this.#index.base.seq) throw new TruncatesBase()
      this.#index.truncateFrom(header.truncateFrom)
      const lowest = this.#lowestTruncations.get(content.segment) ?? Infinity
      this.#lowestTruncations.set(content.segment, Math.min(lowest, header.truncateFrom))
    }
    if ((header.flags & FrameFlag.entries) === 0) return
    this.#index.append({ firstSeq: header.firstSeq, lastSeq: header.lastSeq, bytes: entries })
    this.#index.noteFrame(header.firstSeq, content.segment, offset)
    if (this.#index.lastChain !== chain) throw new MalformedBytes('the entry chain differs from the header')
  }

  #opened(content: SegmentBytes, offset: number, header: FrameHeader): Opened {
    const { seal } = this.#identity
    const frame = content.bytes.subarray(offset, offset + header.length)
    const opened =
      seal === undefined
        ? plainFrame(frame, header)
        : seal.openFrame(frame, header.entriesBytes, content.segment, offset)
    if (opened === undefined) throw new MalformedBytes(NOT_SEALED)
    return opened
  }

  /** A finished segment was synced before its successor was begun: whatever is wrong in it is damage. */
  #endFinished(next: LiveSegment, end: WalkEnd): LogVerdict {
    if (end.state === 'clean' && end.offset === next.header.previousEnd) return { kind: 'clean' }
    const kind = end.state === 'clean' ? 'frames_lost' : end.isStale ? 'stale_frame' : 'frame'
    const what = `a finished segment should hold frames up to ${next.header.previousEnd}`
    this.#report(kind, this.#end, what, { segment: next.segment, offset: 0 })
    return { kind: 'damaged' }
  }

  /** Files are prepared one after the other, each when the one before is durable: whatever is not there was there, and may have been used. */
  #hasHole(ahead: number[]): boolean {
    const missing = ahead.findIndex((segment, i) => segment !== this.#end.segment + 1 + i)
    if (missing === -1) return false
    const at = { segment: this.#end.segment + 1 + missing, offset: 0 }
    this.#report('segment_missing', at, 'a segment between others is missing')
    return true
  }

  /** The bad frame at the end of the last segment: damage, torn or suspect. */
  async #classify(content: SegmentBytes, end: WalkEnd & { state: 'bad' }, ahead: number[]): Promise<LogVerdict> {
    if (this.#hasHole(ahead)) return { kind: 'damaged' }
    const at = { segment: content.segment, offset: end.offset }
    const proof = findProof(content, this.#seeds, end.offset + 8, at) ?? (await this.#findProofAhead(ahead, at))
    if (proof !== undefined && !isMutant('truncate_at_damage')) {
      this.#report(
        end.isStale ? 'stale_frame' : 'frame',
        at,
        'a frame written after a later sync stands behind it',
        proof,
      )
      return { kind: 'damaged' }
    }
    const isCut = isTorn(content, end) || isMutant('truncate_at_damage')
    return isCut ? { kind: 'torn', at } : { kind: 'suspect', at }
  }

  /** A segment is begun only after the one before is synced: anything in a later file proves that `bad` was. */
  async #findProofAhead(ahead: number[], bad: LogPosition): Promise<LogPosition | undefined> {
    for (const segment of ahead) {
      const bytes = await readWhole(this.#files, this.#path(segment))
      if (segment > bad.segment) {
        if (lastWrittenEnd(bytes, 0) > 0) return { segment, offset: 0 }
        continue
      }
      const proof = findProof({ segment, bytes }, this.#seeds, SEGMENT_HEADER_BYTES, bad)
      if (proof !== undefined) return proof
    }
    return undefined
  }

  /** The last live segment ended cleanly: files behind it are empty, or a segment whose beginning was cut. */
  async #lookAhead(ahead: number[]): Promise<LogVerdict> {
    if (this.#hasHole(ahead)) return { kind: 'damaged' }
    for (const segment of ahead) {
      const bytes = await readWhole(this.#files, this.#path(segment))
      if (lastWrittenEnd(bytes, 0) === 0) continue
      const at = { segment, offset: 0 }
      if (segment !== ahead[0]) {
        const before = { segment: segment - 1, offset: 0 }
        this.#report('frames_lost', before, 'a segment behind it was begun, so this one was full', at)
        return { kind: 'damaged' }
      }
      const proof = await this.#findProofAhead(ahead, at)
      if (proof !== undefined) {
        this.#report('segment_header', at, 'frames were synced behind a header that is not valid', proof)
        return { kind: 'damaged' }
      }
      const isHeaderUnwritten = lastWrittenEnd(bytes.subarray(0, SEGMENT_HEADER_BYTES), 0) === 0
      return isHeaderUnwritten ? { kind: 'torn', at } : { kind: 'suspect', at }
    }
    return { kind: 'clean' }
  }
}
