import type { LatencyHistogram } from '../model/index.ts'
import { counter, gauge, histogram, labelled } from './metrics.ts'
import type { MetricFamily, MetricsSource } from './metrics.ts'

/** What the log says of itself. */
export interface LogReadings {
  readonly frames: number
  readonly frameBytes: number
  readonly syncLatency: LatencyHistogram
  readonly segments: number
  readonly memoryBytes: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** Newest entry that a loss of power leaves here. */
  readonly syncedSeq: number
  /** Its end is suspect, and no leader has supplied the place again yet. */
  readonly isSuspect: boolean
  readonly isLatched: boolean
}

/** What the pages say of themselves. */
export interface PageReadings {
  readonly pageBytes: number
  readonly residentPages: number
  readonly dirtyPages: number
  readonly pagesMax: number
  readonly usedPages: number
  readonly filePages: number
  readonly evictedPages: number
  readonly loadedPages: number
  readonly extentBytes: number
  /** Large values in memory, how much of them may be, reads of such since the start, and how many went to the file. */
  readonly cachedValueBytes: number
  readonly cachedValueBytesMax: number
  readonly valueReads: number
  readonly valueLoads: number
  readonly retainedRoots: number
  readonly heldRoots: number
  readonly oldestHeldMs: number
  readonly records: number
  readonly isBusy: boolean
  /** Beside the pages, and out of the same budget: projects, scopes, tables and permissions as they are used; copies of sessions. */
  readonly catalogBytes: number
  readonly sessionBytes: number
}

export interface CheckpointReadings {
  readonly count: number
  readonly ageMs: number
  readonly lastDurationMs: number
  readonly seq: number
}

/** How the node was opened. */
export interface OpeningReading {
  /** From the start until log and pages were open. */
  readonly ms: number
  /** Of the state that the pages held. */
  readonly seq: number
  /** What was known to be committed then: through it the log is applied before the node has started. */
  readonly committedSeq: number
  /** How long it took to apply that; undefined while it is not. */
  readonly replayMs: number | undefined
}

export interface DiskReadings {
  /** Bytes of the files, by directory. */
  readonly fileBytes: readonly (readonly [area: string, bytes: number])[]
  readonly freeBytes: number
}

export interface StorageReadings {
  log(): LogReadings
  pages(): PageReadings
  checkpoints(): CheckpointReadings
  opening(): OpeningReading
  /** Asks the file system. */
  disk(): Promise<DiskReadings>
}

/** Log, pages, checkpoints and the disk below them. */
export function storageMetrics(readings: StorageReadings): MetricsSource {
  return {
    collect: async () => [
      ...logFamilies(readings.log()),
      ...pageFamilies(readings.pages()),
      ...checkpointFamilies(readings.checkpoints()),
      ...openingFamilies(readings.opening()),
      ...diskFamilies(await readings.disk()),
    ],
  }
}

function logFamilies(log: LogReadings): MetricFamily[] {
  return [
    counter('quorate_log_frames_total', 'Frames written', log.frames),
    counter('quorate_log_written_bytes_total', 'Bytes of frames written', log.frameBytes),
    histogram('quorate_log_sync_seconds', 'From the append of a frame to its being synced', [[{}, log.syncLatency]]),
    gauge('quorate_log_segments', 'Files of the log', log.segments),
    gauge('quorate_log_memory_bytes', 'Memory of the index and of the newest entries', log.memoryBytes),
    gauge('quorate_log_first_seq', 'Oldest entry that the log has', log.firstSeq),
    gauge('quorate_log_last_seq', 'Newest entry that the log has', log.lastSeq),
    gauge('quorate_log_synced_seq', 'Newest entry that a loss of power leaves here', log.syncedSeq),
    gauge(
      'quorate_log_unsynced_entries',
      'Entries of the log that a loss of power could take here',
      Math.max(0, log.lastSeq - log.syncedSeq),
    ),
    gauge('quorate_log_is_suspect', '1 while the end of the log cannot be decided', log.isSuspect ? 1 : 0),
    gauge('quorate_log_is_latched', '1 after a failed write or sync', log.isLatched ? 1 : 0),
  ]
}

function pageFamilies(pages: PageReadings): MetricFamily[] {
  return [
    gauge('quorate_pages_page_bytes', 'Bytes of a page', pages.pageBytes),
    gauge('quorate_pages_resident', 'Pages in memory', pages.residentPages),
    gauge('quorate_pages_dirty', 'Pages that wait to be written', pages.dirtyPages),
    gauge('quorate_pages_budget', 'Pages that may be in memory', pages.pagesMax),
    gauge('quorate_catalog_memory_bytes', 'Memory of projects, scopes, tables and permissions', pages.catalogBytes),
    gauge('quorate_sessions_memory_bytes', 'Memory of copies of sessions', pages.sessionBytes),
    gauge('quorate_pages_used', 'Pages of the file that hold something', pages.usedPages),
    gauge('quorate_pages_file', 'Pages of the file', pages.filePages),
    counter('quorate_pages_evicted_total', 'Pages that left memory', pages.evictedPages),
    counter('quorate_pages_loaded_total', 'Pages and large values read from the file', pages.loadedPages),
    gauge('quorate_pages_extent_bytes', 'Memory of large values', pages.extentBytes),
    gauge('quorate_values_cache_bytes', 'Large values in memory: the hot cache', pages.cachedValueBytes),
    gauge('quorate_values_cache_budget_bytes', 'How much the hot cache may take', pages.cachedValueBytesMax),
    counter(
      'quorate_values_cache_hits_total',
      'Reads of large values that were in memory',
      Math.max(0, pages.valueReads - pages.valueLoads),
    ),
    counter('quorate_values_cache_misses_total', 'Reads of large values that went to the file', pages.valueLoads),
    gauge('quorate_pages_roots', 'Roots that are kept for reads of the past', pages.retainedRoots),
    gauge('quorate_pages_held_roots', 'Of them, those that views or work under way hold', pages.heldRoots),
    gauge('quorate_pages_oldest_held_seconds', 'Age of the oldest root that is held', pages.oldestHeldMs / 1000),
    gauge('quorate_pages_records', 'Records', pages.records),
    gauge('quorate_pages_is_busy', '1 while new writes are refused, because too much waits', pages.isBusy ? 1 : 0),
  ]
}

function checkpointFamilies({ count, ageMs, lastDurationMs, seq }: CheckpointReadings): MetricFamily[] {
  return [
    counter('quorate_checkpoint_taken_total', 'Checkpoints taken', count),
    gauge('quorate_checkpoint_age_seconds', 'Time since the last checkpoint, or the start', ageMs / 1000),
    gauge('quorate_checkpoint_duration_seconds', 'How long the last checkpoint took', lastDurationMs / 1000),
    gauge('quorate_checkpoint_seq', 'Seq from which a restart begins', seq),
  ]
}

function openingFamilies({ ms, seq, committedSeq, replayMs }: OpeningReading): MetricFamily[] {
  return [
    gauge('quorate_start_open_seconds', 'From the start until log and pages were open', ms / 1000),
    gauge('quorate_start_opened_seq', 'Seq of the state that the pages held at the start', seq),
    gauge('quorate_start_committed_seq', 'Seq through which the log was known to be committed then', committedSeq),
    {
      name: 'quorate_start_replay_seconds',
      help: 'How long it took to apply the log through there; no sample before that',
      type: 'gauge',
      samples: replayMs === undefined ? [] : [{ value: replayMs / 1000 }],
    },
  ]
}

function diskFamilies({ fileBytes, freeBytes }: DiskReadings): MetricFamily[] {
  return [
    labelled('gauge', 'quorate_disk_file_bytes', 'Bytes of the files of the data directory', 'area', fileBytes),
    gauge('quorate_disk_free_bytes', 'Bytes that are free on the file system', freeBytes),
  ]
}
