import type { Files } from '../platform/index.ts'
import type { Seal } from '../sealing/index.ts'
import { ChecksumSeeds } from './checksum-seed.ts'
import { logDirectory, segmentName, VOTES_NAME } from './file-names.ts'
import { FRAME_HEADER_BYTES, FrameFlag, checkFrame } from './frame.ts'
import { damageOfClosedEnd } from './closed-end.ts'
import type { LogEnd } from './closed-end.ts'
import { damageBehindState, isEndKnown } from './continuation.ts'
import type { DurableState } from './continuation.ts'
import type { FrameCheck } from './frame.ts'
import { LogSeal } from './log-seal.ts'
import type { ChainPoint, HardState, LogIdentity } from './positions.ts'
import { LOG_BEGINNING } from './positions.ts'
import { listSegments, readWhole, scanLog } from './scan.ts'
import type { LogScan } from './scan.ts'
import type { DamageReport } from './errors.ts'
import { SEGMENT_HEADER_BYTES, checkSegmentHeader } from './segment-header.ts'
import type { SuperblockProof } from './superblock-proof.ts'
import { readSuspects } from './suspects.ts'
import { resolveVotes } from './vote-resolution.ts'
import { isBehindFrames, readVote, VOTE_RECORD_BYTES, VOTE_SLOT_BYTES } from './votes.ts'
import { readVoteSlots } from './votes-file.ts'
import { isFrameAt, lastWrittenEnd } from './walk.ts'

/** What is missing where a log ends too early is not known; it is this much at the least. */
const LEAST_FRAME_BYTES = FRAME_HEADER_BYTES + 8

/** One frame, or one stretch of bytes that is none. */
export interface InspectedFrame {
  readonly file: string
  readonly offset: number
  /** Bytes; of a bad stretch up to the next frame or the end of what was written. */
  readonly length: number
  /** The entries in it; undefined if it has none. */
  readonly seqs?: { readonly first: number; readonly last: number }
  /**
   * `valid`: part of the log. `void`: passes, but the log began anew behind it. `torn`, `suspect`, `damaged`: the recovery
   * class of the place. `behind_damage`: passes its checksums and stands behind a bad place.
   */
  readonly state: 'valid' | 'void' | 'torn' | 'suspect' | 'damaged' | 'behind_damage'
  readonly isMark: boolean
  readonly truncateFrom?: number
}

/** All that `quorate check data` tells about a log. */
export interface LogInspection {
  readonly verdict: 'clean' | 'torn' | 'suspect' | 'damaged'
  readonly base: ChainPoint
  readonly last: ChainPoint
  readonly hardState: HardState
  readonly isVoteCertain: boolean
  readonly damage: readonly DamageReport[]
  /** Ends of the log that were set aside as suspect, now or earlier. */
  readonly keptAside: readonly { readonly file: string; readonly isResolved: boolean }[]
  /** What the log says of the superblocks in the page file. */
  readonly superblock: SuperblockProof
  /** See `Recovered`. */
  readonly damageBehind: (state: DurableState) => DamageReport | undefined
  /** Header of each segment and slot of the votes. */
  readonly fixed: readonly FixedRegion[]
}

/** A part of the log that always lies at the same place. */
export interface FixedRegion {
  readonly file: string
  readonly offset: number
  readonly length: number
  readonly kind: 'segment_header' | 'vote' | 'end'
  /** What is wrong with it. */
  readonly fault?: string
  /** What is wrong is what a loss of power leaves: the other slot counts, nothing is lost. */
  readonly isTorn?: boolean
}

export interface InspectOptions extends Omit<LogIdentity, 'seal'> {
  /** Of an encrypted or signed directory. */
  readonly seal?: Seal | undefined
  readonly files: Files
  /** The data directory. */
  readonly directory: string
  /** The log was closed in order: it ends there still, and no vote is missing from the slots. */
  readonly closedAt?: LogEnd
}

/**
 * Reads the whole log of a directory that nobody has open, changes nothing, and calls `onFrame` for every frame of every
 * segment in order. Throws `LogError` (`log_missing`, `version_unsupported`) and `FileError`.
 */
export async function inspectLog(
  options: InspectOptions,
  onFrame: (frame: InspectedFrame) => void,
): Promise<LogInspection> {
  const { files, directory, directoryId, groupId } = options
  const seal = options.seal && new LogSeal(options.seal, directoryId)
  const identity: LogIdentity = { directoryId, groupId, seal }
  const scan = await scanLog(files, directory, identity)
  const logPath = logDirectory(directory)
  const fixed: FixedRegion[] = []
  for (const segment of await listSegments(files, logPath)) {
    const path = `${logPath}/${segmentName(segment)}`
    const bytes = await readWhole(files, path)
    const { state } = checkSegmentHeader(bytes, identity, new ChecksumSeeds(directoryId), segment)
    const header = { file: path, offset: 0, length: SEGMENT_HEADER_BYTES, kind: 'segment_header' as const }
    if (state === 'valid') fixed.push(header)
    else if (state !== 'empty') fixed.push({ ...header, fault: 'the header of the segment does not hold' })
    new SegmentLister(identity, scan, segment, path, bytes, onFrame).run()
  }
  const slots = await readVoteSlots(files, logPath, identity)
  const votes = resolveVotes(scan, slots, logPath)
  const file = `${logPath}/${VOTES_NAME}`
  if (slots !== undefined)
    fixed.push(...inspectVotes(identity, options.closedAt, file, await readWhole(files, file), scan))
  const closed = damageOfClosedEnd(scan, options.closedAt, directory)
  for (const { kind, file, offset, what } of closed) {
    if (kind === 'frames_lost') fixed.push({ file, offset, length: LEAST_FRAME_BYTES, kind: 'end', fault: what })
  }
  const damage = [...scan.damage, ...closed, ...votes.damage]
  const kept = await readSuspects(files, logPath)
  const unresolved = new Set(kept.unresolved.map(({ keptAs }) => keptAs))
  const isWhole = isEndKnown(scan, damage, unresolved.size)
  return {
    verdict: damage.length > 0 ? 'damaged' : unresolved.size > 0 ? 'suspect' : scan.verdict.kind,
    base: scan.live[0]?.header.base ?? LOG_BEGINNING,
    last: scan.index.lastPoint,
    hardState: votes.hardState,
    isVoteCertain: votes.isCertain,
    damage,
    keptAside: kept.paths.map(file => ({ file, isResolved: !unresolved.has(file) })),
    superblock: { ...scan.superblock, isCertain: isWhole },
    damageBehind: state => damageBehindState(scan, directory, state, isWhole),
    fixed,
  }
}

/**
 * The slots of the votes. Both are always written, in turn, so that their generations follow each other. A slot is written when the frame
 * with the vote is synced, and nothing else before it is synced too: so only the vote of the log's last frame can be torn or missing in
 * its slot, and only while the other slot has the vote before (docs/adr/0003-torn-or-damaged.md).
 */
function inspectVotes(
  identity: LogIdentity,
  closedAt: LogEnd | undefined,
  file: string,
  bytes: Uint8Array,
  scan: LogScan,
): FixedRegion[] {
  const seeds = new ChecksumSeeds(identity.directoryId)
  const slots = [0, VOTE_SLOT_BYTES].map(offset => {
    const place = { file, offset, length: VOTE_RECORD_BYTES, kind: 'vote' as const }
    return { place, vote: readVote(bytes, offset, identity, seeds) }
  })
  const votes = slots.flatMap(({ vote }) => (vote === undefined || vote === 'forged' ? [] : [vote]))
  const newest = votes.toSorted((a, b) => b.generation - a.generation)[0]
  const isBehind = newest !== undefined && isBehindFrames(newest, scan.hardState)
  const isUnderWay = scan.verdict.kind === 'clean' && scan.endsWithVote && closedAt === undefined && isBehind
  return slots.map(({ place, vote }) => {
    if (vote === 'forged') return { ...place, fault: "the vote is not sealed with this directory's keys" }
    if (vote === undefined) return { ...place, fault: 'the vote does not hold', isTorn: isUnderWay }
    // The slot that should have the newest vote is the one that was not written last.
    const isMissed = isBehind && !isUnderWay && votes.length === 2 && vote !== newest
    const isStale = isMissed || (vote !== newest && vote.generation !== newest!.generation - 1)
    return isStale ? { ...place, fault: 'the vote is older than the one that was written last' } : place
  })
}

/** Lists one segment's frames, going on behind whatever is bad. */
class SegmentLister {
  readonly #seeds: ChecksumSeeds
  readonly #scan: LogScan
  readonly #segment: number
  readonly #path: string
  readonly #bytes: Uint8Array
  readonly #onFrame: (frame: InspectedFrame) => void
  readonly #isVoid: boolean
  #previousFrame: number | undefined
  #isBehindDamage: boolean

  constructor(
    identity: LogIdentity,
    scan: LogScan,
    segment: number,
    path: string,
    bytes: Uint8Array,
    onFrame: (frame: InspectedFrame) => void,
  ) {
    this.#seeds = new ChecksumSeeds(identity.directoryId)
    this.#scan = scan
    this.#segment = segment
    this.#path = path
    this.#bytes = bytes
    this.#onFrame = onFrame
    this.#isVoid = scan.void.includes(segment)
    this.#isBehindDamage = segment > scan.end.segment && !this.#isVoid
    const check = checkSegmentHeader(bytes, identity, this.#seeds, segment)
    this.#previousFrame = check.state === 'valid' ? check.crc : undefined
  }

  run(): void {
    const writtenEnd = lastWrittenEnd(this.#bytes, 0)
    let offset = SEGMENT_HEADER_BYTES
    if (this.#previousFrame === undefined && writtenEnd > 0) this.#bad(0, Math.min(writtenEnd, SEGMENT_HEADER_BYTES))
    while (offset < writtenEnd) {
      const check = checkFrame(this.#bytes, offset, this.#seeds.at(this.#segment, offset))
      const isNext = check.state === 'valid' && this.#follows(check)
      const end = isNext ? offset + check.header.length : this.#nextFrame(offset, writtenEnd)
      if (isNext) this.#good(offset, check)
      else this.#bad(offset, end)
      offset = end
    }
  }

  /** Behind something bad any frame that passes is listed; otherwise it must follow the one before. */
  #follows(check: FrameCheck & { state: 'valid' }): boolean {
    const expected = this.#previousFrame
    return expected === undefined || check.header.previousFrame === expected
  }

  #nextFrame(offset: number, writtenEnd: number): number {
    for (let at = (offset + 8) & ~7; at < writtenEnd; at += 8) {
      if (isFrameAt(this.#bytes, at, this.#seeds, this.#segment)) return at
    }
    return writtenEnd
  }

  #good(offset: number, check: FrameCheck & { state: 'valid' }): void {
    const { header } = check
    this.#previousFrame = header.headerCrc
    const state = this.#isVoid ? 'void' : this.#isBehindDamage ? 'behind_damage' : 'valid'
    this.#onFrame({
      file: this.#path,
      offset,
      length: header.length,
      state,
      isMark: (header.flags & FrameFlag.mark) !== 0,
      ...((header.flags & FrameFlag.entries) === 0 ? {} : { seqs: { first: header.firstSeq, last: header.lastSeq } }),
      ...((header.flags & FrameFlag.truncate) === 0 ? {} : { truncateFrom: header.truncateFrom }),
    })
  }

  #bad(offset: number, end: number): void {
    const { verdict } = this.#scan
    const at = verdict.kind === 'torn' || verdict.kind === 'suspect' ? verdict.at : undefined
    const isAtEnd =
      at !== undefined && (at.segment < this.#segment || (at.segment === this.#segment && at.offset <= offset))
    const state = isAtEnd && verdict.kind !== 'clean' ? verdict.kind : 'damaged'
    this.#previousFrame = undefined
    this.#isBehindDamage = true
    this.#onFrame({ file: this.#path, offset, length: end - offset, state, isMark: false })
  }
}
