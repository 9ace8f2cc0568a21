import type { Clock, Files, Threads } from '../platform/index.ts'
import type { Seal } from '../sealing/index.ts'
import { ChecksumSeeds } from './checksum-seed.ts'
import { damageOfClosedEnd } from './closed-end.ts'
import { damageBehindState, isEndKnown } from './continuation.ts'
import type { DurableState } from './continuation.ts'
import type { LogEnd } from './closed-end.ts'
import { LogError } from './errors.ts'
import type { DamageReport } from './errors.ts'
import { VOTES_NAME, logDirectory, segmentName } from './file-names.ts'
import { LogSeal } from './log-seal.ts'
import { Log } from './log.ts'
import { segmentBytesAt } from './log-settings.ts'
import type { LogSettings, LogStart } from './log-settings.ts'
import type { ChainPoint, HardState } from './positions.ts'
import { LOG_BEGINNING, NO_HARD_STATE } from './positions.ts'
import { listSegments, readWhole, scanLog } from './scan.ts'
import type { LogScan, LogVerdict } from './scan.ts'
import { SEGMENT_HEADER_BYTES, encodeSegmentHeader } from './segment-header.ts'
import { createSegmentFile, syncDirectory, zeroRange } from './segment-files.ts'
import type { SuperblockProof } from './superblock-proof.ts'
import { readSuspects } from './suspects.ts'
import type { KeptSuspects, SuspectReport } from './suspects.ts'
import { resolveVotes } from './vote-resolution.ts'
import type { ResolvedVotes } from './vote-resolution.ts'
import { readVoteSlots, repairVotes } from './votes-file.ts'
import { VOTES_FILE_BYTES, encodeVote, readVotes, voteOffset } from './votes.ts'
import { isFrameAt, lastWrittenEnd } from './walk.ts'

export interface LogOptions {
  readonly files: Files
  /** Used by the worker lane only. */
  readonly threads: Threads
  /** The data directory; the log lies in `log/` below. Its `LOCK` is the caller's matter. */
  readonly directory: string
  /** 16 bytes, minted with the data directory. */
  readonly directoryId: Uint8Array
  readonly groupId: number
  /** Of an encrypted or signed directory (`DataDirectory.seal`). */
  readonly seal?: Seal | undefined
  /** `inline`: write and sync on the calling thread. `worker`: in a thread, fed by a shared ring. */
  readonly lane: 'inline' | 'worker'
  /** Size of a segment's file; a frame that is larger makes its segment larger. Default 64 MiB. */
  readonly segmentBytes?: number
  /** Budget of the newest entries in memory. Default 16 MiB. */
  readonly tailCacheBytes?: number
  /** Worker lane: bytes of the shared ring. Default 8 MiB. */
  readonly ringBytes?: number
  /** Where the log ended when it was closed in order, if it was not used since: any other end is damage. */
  readonly closedAt?: LogEnd
  /** Nothing is written, whatever is found; the log can be read and takes no appends. */
  readonly isReadOnly?: boolean
  /** How long syncs take is counted by it (`Log.stats`). */
  readonly clock?: Clock
  /** Cumulative and in order: everything up to `ioSeq` is durable. */
  readonly onSynced?: (ioSeq: number) => void
  /** The first failed write or sync, once: the log is latched (rule D9). */
  readonly onFailed?: (error: LogError) => void
}

/** What was found in the files. */
export interface Recovered {
  readonly hardState: HardState
  /** The entry before the first one. */
  readonly base: ChainPoint
  readonly lastSeq: number
  readonly lastTerm: number
  readonly lastChain: number
  /** Acknowledged bytes that are wrong; not empty = the log is `damaged`. */
  readonly damage: readonly DamageReport[]
  /** An undecidable end, found now or in an earlier life and not resolved yet: this voter's log may be too short (W6). */
  readonly suspect?: SuspectReport
  /** What a crash had cut and recovery removed; never acknowledged. */
  readonly tornTruncated?: { readonly file: string; readonly offset: number }
  /** False if a vote may have been lost: the directory needs a new id (W8, D11). */
  readonly isVoteCertain: boolean
  /** Offsets of vote slots that were bad or behind the frames and were written again. */
  readonly repairedVoteSlots: readonly number[]
  /** What the log says of the superblocks in the page file. */
  readonly superblock: SuperblockProof
  /** What is wrong with the log, as it was found, as the one that a state goes on from. */
  readonly damageBehind: (state: DurableState) => DamageReport | undefined
  /** Paths of everything ever kept aside. */
  readonly keptAside: readonly string[]
}

const DEFAULT_SEGMENT_BYTES = 67_108_864
const DEFAULT_TAIL_CACHE_BYTES = 16_777_216
const DEFAULT_RING_BYTES = 8_388_608

function settingsOf(options: LogOptions): LogSettings {
  const { directoryId, groupId } = options
  const seal = options.seal && new LogSeal(options.seal, directoryId)
  const segmentBytes = options.segmentBytes ?? DEFAULT_SEGMENT_BYTES
  if (segmentBytes < 4096 || segmentBytes > 1_073_741_824) throw new RangeError(`segments of ${segmentBytes} bytes`)
  return {
    files: options.files,
    threads: options.threads,
    directory: logDirectory(options.directory),
    identity: { directoryId, groupId, seal },
    lane: options.lane,
    segmentBytes,
    tailCacheBytes: options.tailCacheBytes ?? DEFAULT_TAIL_CACHE_BYTES,
    ringBytes: options.ringBytes ?? DEFAULT_RING_BYTES,
    clock: options.clock,
    onSynced: options.onSynced ?? ((): void => undefined),
    onFailed: options.onFailed ?? ((): void => undefined),
  }
}

/**
 * Makes the log of a new data directory, empty behind `base` (default: the very beginning). Durable when it resolves.
 * What an interrupted creation left is replaced; a log that was used is refused with `log_exists`.
 */
export async function createLog(
  options: LogOptions & { readonly base?: ChainPoint; readonly hardState?: HardState },
): Promise<{ log: Log; recovered: Recovered }> {
  const settings = settingsOf(options)
  const { files, directory, identity } = settings
  const seeds = new ChecksumSeeds(identity.directoryId)
  await files.makeDirectory(directory)
  await removeUnusedLog(settings, seeds)
  const hardState = options.hardState ?? NO_HARD_STATE
  const base = options.base ?? LOG_BEGINNING
  const header = { segment: 1, isAnew: true, base, hardState, previousEnd: 0, previousFrame: 0, superblock: 0 }
  const segment = await createSegmentFile(files, directory, 1, segmentBytesAt(settings, 1))
  try {
    await segment.write(encodeSegmentHeader(identity, seeds, header), 0)
    await segment.sync()
  } finally {
    await segment.close()
  }
  const votes = await files.open(`${directory}/${VOTES_NAME}`, 'create')
  try {
    await votes.preallocate(VOTES_FILE_BYTES)
    const { term, votedFor } = hardState
    for (const generation of [0, 1]) {
      await votes.write(encodeVote(identity, seeds, { generation, term, votedFor }), voteOffset(generation))
    }
    await votes.sync()
  } finally {
    await votes.close()
  }
  await syncDirectory(files, directory)
  return openLog(options)
}

/** Removes what an interrupted creation left: files without any frame and without `votes` being whole. */
async function removeUnusedLog(settings: LogSettings, seeds: ChecksumSeeds): Promise<void> {
  const { files, directory, identity } = settings
  const names = await files.list(directory)
  if (names.includes(VOTES_NAME)) {
    const slots = readVotes(await readWhole(files, `${directory}/${VOTES_NAME}`), identity, seeds)
    if (slots.badSlots.length === 0) throw new LogError('log_exists', `there is a log in ${directory}`)
  }
  for (const segment of await listSegments(files, directory)) {
    const bytes = await readWhole(files, `${directory}/${segmentName(segment)}`)
    if (segment !== 1 || isFrameAt(bytes, SEGMENT_HEADER_BYTES, seeds, segment)) {
      throw new LogError('log_exists', `there are frames in ${directory}/${segmentName(segment)}`)
    }
  }
  for (const name of names) await files.remove(`${directory}/${name}`)
  await syncDirectory(files, directory)
}

/**
 * Opens the log of a data directory: reads it whole, cuts off what a crash had torn, and classifies everything else.
 * Never throws bytes away for damage or suspicion: the log then is in state `damaged` or `suspect`, can be read up to its
 * intact end, and takes no appends before `startAfter` or `setSuspectAside`. A log that does not end at `closedAt` is damaged. When an open log is returned, all it
 * holds is synced. Throws `LogError` (`log_missing`, `version_unsupported`) and `FileError`.
 */
export async function openLog(options: LogOptions): Promise<{ log: Log; recovered: Recovered }> {
  const settings = settingsOf(options)
  const { files, directory, identity } = settings
  const scan = await scanLog(files, options.directory, identity)
  const slots = await readVoteSlots(files, directory, identity)
  const kept = await readSuspects(files, directory)
  const votes = resolveVotes(scan, slots, directory)
  const damage = [...scan.damage, ...damageOfClosedEnd(scan, options.closedAt, options.directory), ...votes.damage]
  const verdict: LogVerdict = damage.length > 0 || options.isReadOnly === true ? { kind: 'damaged' } : scan.verdict
  let repairedVoteSlots: readonly number[] = []
  const isWhole = isEndKnown(scan, damage, kept.unresolved.length)
  if (verdict.kind !== 'damaged') await removeBeyondNext(settings, scan.ahead)
  if (verdict.kind === 'clean' || verdict.kind === 'torn') {
    await repair(settings, verdict)
    repairedVoteSlots = await repairVotes(files, directory, identity, slots, votes.hardState)
    await syncRecovered(settings, scan)
  }
  const voteGeneration = (slots?.latest?.generation ?? 1) + repairedVoteSlots.length
  const log = new Log(settings, startOf(scan, verdict, votes, voteGeneration))
  if (log.state === 'open') await log.start()
  const recovered: Recovered = {
    hardState: votes.hardState,
    base: log.base,
    lastSeq: log.lastSeq,
    lastTerm: log.lastTerm,
    lastChain: log.lastChain,
    damage,
    isVoteCertain: votes.isCertain,
    repairedVoteSlots,
    superblock: { ...scan.superblock, isCertain: isWhole },
    damageBehind: state => damageBehindState(scan, options.directory, state, isWhole),
    keptAside: kept.paths,
    ...suspectOf(verdict, scan, kept, directory),
    ...(verdict.kind === 'torn'
      ? { tornTruncated: { file: `${directory}/${segmentName(verdict.at.segment)}`, offset: verdict.at.offset } }
      : {}),
  }
  return { log, recovered }
}

/** Cuts off a torn end (W1, W4). */
async function repair(settings: LogSettings, verdict: LogVerdict): Promise<void> {
  const { files, directory } = settings
  if (verdict.kind !== 'torn') return
  const path = `${directory}/${segmentName(verdict.at.segment)}`
  const bytes = await readWhole(files, path)
  const file = await files.open(path, 'readWrite')
  try {
    await zeroRange(file, verdict.at.offset, lastWrittenEnd(bytes, verdict.at.offset))
  } finally {
    await file.close()
  }
}

/**
 * A life that ended while a segment was begun leaves two that hold nothing. Only the next one is used again: were it removed, as on a full disk,
 * the other would make it look lost. Highest first, so that no crash leaves a hole either.
 */
async function removeBeyondNext({ files, directory }: LogSettings, ahead: readonly number[]): Promise<void> {
  for (const segment of ahead.slice(1).toReversed()) {
    await files.remove(`${directory}/${segmentName(segment)}`)
    await syncDirectory(files, directory)
  }
}

/**
 * What was read may still be in the page cache only: a process that died had written it, nobody had synced it. And a sync that failed
 * leaves pages in the cache that count as clean and never reached the medium: what no later frame proves to be synced is written again.
 */
async function syncRecovered(settings: LogSettings, scan: LogScan): Promise<void> {
  const { files, directory } = settings
  for (const { segment } of scan.live) {
    if (segment < scan.synced.segment || segment > scan.end.segment) continue
    await rewrite(
      files,
      `${directory}/${segmentName(segment)}`,
      segment === scan.end.segment ? scan.end.offset : Infinity,
    )
  }
  await rewrite(files, `${directory}/${VOTES_NAME}`, VOTES_FILE_BYTES)
  await syncDirectory(files, directory)
}

/** Writes the first bytes of a file over themselves, and syncs it. */
async function rewrite(files: Files, path: string, throughOffset: number): Promise<void> {
  const bytes = await readWhole(files, path)
  const file = await files.open(path, 'readWrite')
  try {
    await file.write(bytes.subarray(0, Math.min(bytes.length, throughOffset)), 0)
    await file.sync()
  } finally {
    await file.close()
  }
}

function startOf(scan: LogScan, verdict: LogVerdict, votes: ResolvedVotes, voteGeneration: number): LogStart {
  const segments = scan.live
    .filter(({ segment }) => segment <= scan.end.segment)
    .map(({ segment, header }, i) => {
      const next = scan.live[i + 1]
      const isLast = segment === scan.end.segment
      return {
        segment,
        base: header.base,
        end: isLast || next === undefined ? scan.end.offset : next.header.previousEnd,
        lowestTruncation: scan.lowestTruncations.get(segment) ?? Infinity,
      }
    })
  const skipped = scan.live.filter(({ segment }) => segment > scan.end.segment).map(({ segment }) => segment)
  const all = [...scan.void, ...scan.live.map(({ segment }) => segment), ...scan.ahead]
  const isOpen = verdict.kind === 'clean' || verdict.kind === 'torn'
  return {
    state: isOpen ? 'open' : verdict.kind,
    index: scan.index,
    hardState: votes.hardState,
    voteGeneration,
    isVoteCertain: votes.isCertain,
    segments,
    voidSegments: [...scan.void, ...skipped],
    highestSegment: isOpen ? scan.end.segment : Math.max(...all),
    end: scan.end,
    previousFrame: scan.previousFrame,
    isMarked: scan.isMarked && verdict.kind === 'clean',
    superblock: scan.superblock,
    ...(verdict.kind === 'suspect' ? { suspectAt: verdict.at } : {}),
  }
}

function suspectOf(
  verdict: LogVerdict,
  scan: LogScan,
  kept: KeptSuspects,
  directory: string,
): { suspect?: SuspectReport } {
  if (verdict.kind === 'suspect') {
    const { segment, offset } = verdict.at
    const intactEnd = { seq: scan.index.lastSeq, term: scan.index.lastTerm }
    return { suspect: { file: `${directory}/${segmentName(segment)}`, offset, intactEnd } }
  }
  const last = kept.unresolved.at(-1)
  if (last === undefined) return {}
  return { suspect: { file: last.file, offset: last.offset, intactEnd: last.intactEnd, keptAs: last.keptAs } }
}
