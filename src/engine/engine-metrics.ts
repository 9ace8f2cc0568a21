import { decodeOutcome, isCommittedOutcome } from '../encoding/index.ts'
import type { ApplyCounters } from './apply-counters.ts'
import { CONFLICT_CODES, DurationHistogram } from '../model/index.ts'
import type { DurationSummary, Head, ProjectFigures } from '../model/index.ts'
import type { KeyspaceStats } from './keyspace/index.ts'

/** What an embedded database has done since it was opened, and what it holds now. Times are ms, sizes bytes. */
export interface EngineMetrics {
  readonly commits: {
    /** Transactions that were answered, refused ones included. */
    readonly answered: number
    readonly refused: number
    /** Of the refused: something read had changed, or an assertion did not hold. */
    readonly conflicts: number
    /** Not taken at all: `busy`, and what waited when the storage failed. */
    readonly failed: number
    /** Submitted and not answered yet. */
    readonly inFlight: number
    /** Conflicts among the answered, 0 to 1. */
    readonly conflictRate: number
    /** From the submission to the answer. */
    readonly latency: DurationSummary
  }
  /** Transactions that were refused when they were applied, by code: a group of one applies what it logs. */
  readonly refusals: Readonly<Record<string, number>>
  /** Queries, from the call to the answer; those of a `LocalView` are not counted. */
  readonly queries: DurationSummary
  /** How far reads see, how far a loss of power would leave, and how many entries lie between. */
  readonly head: Head & { readonly lagEntries: number }
  /** How long opening took, and the seq that it recovered to. */
  readonly opening: { readonly ms: number; readonly seq: number }
  /** The projects that hold most bytes, at most 20, with what was done to them. */
  readonly projects: readonly ProjectFigures[]
  /** Groups of entries that were applied and published together. */
  readonly epochs: {
    readonly count: number
    readonly entries: number
    readonly apply: DurationSummary
    /** Entries of an epoch. */
    readonly sizes: CountSummary
  }
  /** Transactions that had been applied before, by how that was found. */
  readonly repeated: { readonly session: number; readonly idempotencyKey: number }
  /** Preflights, by what they have found. */
  readonly preflights: { readonly valid: number; readonly refused: number }
  /** Waits for a sync: of `waitForDurable`, and of commits with finality `durable`. */
  readonly durableWaits: DurationSummary
  readonly log: {
    /** Frames, their entries' bytes, and how long each took until it was handed to the disk (`full`: laid down, not written yet). */
    readonly appends: number
    readonly appendBytes: number
    readonly append: DurationSummary
    /** Syncs on the caller's side, with the writing in front of them where that was put off. */
    readonly sync: DurationSummary
    /** Entries of a frame. */
    readonly sizes: CountSummary
    /** Why what was written was synced: every frame (`full`), so many bytes or so long ago (`batch`), or because somebody asked. */
    readonly syncs: SyncReasons
  }
  readonly memory: MemoryUse
  readonly values: {
    /** Bytes of the page file that hold what is not in memory as a page: large values, and pages that left it. */
    readonly storeBytes: number
    /** Large values in memory (the hot cache), how much they may take, and reads that found theirs there or not. */
    readonly hotCacheBytes: number
    readonly hotCacheBytesMax: number
    readonly hits: number
    readonly misses: number
  }
  readonly pages: {
    readonly bytes: number
    readonly resident: number
    readonly dirty: number
    readonly file: number
    readonly used: number
    readonly evicted: number
    readonly loaded: number
    readonly retainedRoots: number
    /** Of them, those that views hold, and how long ago the oldest of those was the newest state, ms. */
    readonly heldRoots: number
    readonly oldestHeldMs: number
  }
  /** Views that are open, and how long the oldest has been, ms. */
  readonly views: { readonly open: number; readonly oldestMs: number }
  readonly checkpoints: { readonly count: number; readonly lastMs: number; readonly seq: number }
  readonly records: number
  readonly sessions: number
}

/** How often the log was synced, by why. */
export interface SyncReasons {
  frame: number
  bytes: number
  interval: number
  /** An economic commit, a wait for what is durable, a checkpoint, `flush`, the end. */
  asked: number
}

/** Numbers as they were recorded; zeros where there were none. */
export interface CountSummary {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly p999: number
  readonly max: number
}

/** Of numbers that were recorded as milliseconds. */
function countSummary(histogram: DurationHistogram): CountSummary {
  const { count, meanMs: mean, p50Ms: p50, p90Ms: p90, p99Ms: p99, p999Ms: p999, maxMs: max } = histogram.summary()
  return { count, mean, p50, p90, p99, p999, max }
}

/** Memory as it is counted: real bytes, nothing modelled. */
export interface MemoryUse {
  /** What the budget bounds: pages, large values, the newest entries of the log, the catalog and copies of sessions. */
  readonly bytes: number
  readonly budgetBytes: number
  /** Pages: all data and indexes, what the catalog and the windows of sessions are kept in among them. */
  readonly pageBytes: number
  readonly largeValueBytes: number
  readonly logTailBytes: number
  /** Projects, scopes, tables and permissions as they are used, by what their kinds of objects were measured to take. */
  readonly catalogBytes: number
  /** Copies of sessions and of their windows. */
  readonly sessionBytes: number
  /** Not in `bytes`: the index of the entries that the log has, four bytes an entry. It shrinks with the log. */
  readonly logIndexBytes: number
}

/** Counted by the sequencer. */
export class SequencerMetrics {
  answered = 0
  refused = 0
  conflicts = 0
  failed = 0
  inFlight = 0
  readonly latency: DurationHistogram = new DurationHistogram()
  epochs = 0
  entries = 0
  readonly apply: DurationHistogram = new DurationHistogram()
  appends = 0
  appendBytes = 0
  readonly append: DurationHistogram = new DurationHistogram()
  readonly sync: DurationHistogram = new DurationHistogram()
  readonly durableWaits: DurationHistogram = new DurationHistogram()
  /** Entries of frames and of epochs, as if each were a millisecond. */
  readonly frameSizes: DurationHistogram = new DurationHistogram()
  readonly epochSizes: DurationHistogram = new DurationHistogram()
  readonly syncs: SyncReasons = { frame: 0, bytes: 0, interval: 0, asked: 0 }

  /** hot path (bench/embedded) */
  onAnswer(outcome: Uint8Array | undefined, durationMs: number): void {
    this.inFlight--
    if (outcome === undefined) {
      this.failed++
      return
    }
    this.answered++
    this.latency.record(durationMs)
    if (!isCommittedOutcome(outcome)) this.#onRefusal(outcome)
  }

  #onRefusal(outcome: Uint8Array): void {
    this.refused++
    const decoded = decodeOutcome(outcome)
    if (decoded.status === 'refused' && CONFLICT_CODES.has(decoded.code)) this.conflicts++
  }
}

/** Everything that the figures are made of. */
export interface MeasuredParts {
  readonly sequencer: SequencerMetrics
  readonly keyspace: KeyspaceStats
  readonly budgetBytes: number
  readonly logTailBytes: number
  readonly logIndexBytes: number
  readonly inUse: { readonly catalogBytes: number; readonly sessionBytes: number }
  readonly checkpoints: EngineMetrics['checkpoints']
  readonly sessions: number
  readonly counters: ApplyCounters
  readonly queries: DurationHistogram
  readonly views: EngineMetrics['views']
  readonly head: Head
  readonly opening: EngineMetrics['opening']
  readonly projects: readonly ProjectFigures[]
}

/** Projects in the figures. */
const PROJECTS_MAX = 20

export function engineMetrics(parts: MeasuredParts): EngineMetrics {
  const { sequencer: own, keyspace: pages, budgetBytes, logTailBytes, logIndexBytes, checkpoints, sessions } = parts
  const pageBytes = pages.residentPages * pages.pageBytes
  const largeValueBytes = pages.cachedValueBytes
  const { catalogBytes, sessionBytes } = parts.inUse
  return {
    commits: {
      answered: own.answered,
      refused: own.refused,
      conflicts: own.conflicts,
      failed: own.failed,
      inFlight: own.inFlight,
      conflictRate: own.answered === 0 ? 0 : own.conflicts / own.answered,
      latency: own.latency.summary(),
    },
    refusals: Object.fromEntries(parts.counters.refusals),
    queries: parts.queries.summary(),
    views: parts.views,
    head: { ...parts.head, lagEntries: parts.head.visibleSeq - parts.head.durableSeq },
    opening: parts.opening,
    projects: parts.projects.toSorted((a, b) => b.bytes - a.bytes).slice(0, PROJECTS_MAX),
    epochs: {
      count: own.epochs,
      entries: own.entries,
      apply: own.apply.summary(),
      sizes: countSummary(own.epochSizes),
    },
    repeated: { ...parts.counters.repeated },
    preflights: { ...parts.counters.preflights },
    durableWaits: own.durableWaits.summary(),
    log: {
      appends: own.appends,
      appendBytes: own.appendBytes,
      append: own.append.summary(),
      sync: own.sync.summary(),
      sizes: countSummary(own.frameSizes),
      syncs: { ...own.syncs },
    },
    memory: {
      bytes: pageBytes + largeValueBytes + logTailBytes + catalogBytes + sessionBytes,
      budgetBytes,
      pageBytes,
      largeValueBytes,
      logTailBytes,
      catalogBytes,
      sessionBytes,
      logIndexBytes,
    },
    values: {
      storeBytes: Math.max(0, pages.usedPages - pages.residentPages) * pages.pageBytes,
      hotCacheBytes: largeValueBytes,
      hotCacheBytesMax: pages.cachedValueBytesMax,
      hits: Math.max(0, pages.valueReads - pages.valueLoads),
      misses: pages.valueLoads,
    },
    pages: {
      bytes: pages.pageBytes,
      resident: pages.residentPages,
      dirty: pages.dirtyPages,
      file: pages.filePages,
      used: pages.usedPages,
      evicted: pages.evictedPages,
      loaded: pages.loadedPages,
      retainedRoots: pages.retainedRoots,
      heldRoots: pages.heldRoots,
      oldestHeldMs: pages.oldestHeldMs,
    },
    checkpoints,
    records: pages.records,
    sessions,
  }
}
