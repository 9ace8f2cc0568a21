import { QuorateError } from '../model/index.ts'
import type { ConfiguredKeys } from '../sealing/index.ts'
import type { ViewLimits } from './open-views.ts'

/** How an embedded database is opened. Every option has a default. */
export interface EngineOptions {
  /**
   * When a commit is acknowledged. `full` (default): synced. `batch`: written; synced every `batchIntervalMs` or `batchBytes`, beside the
   * commits that follow: where the disk takes longer, the next sync begins when the last has ended, and never are more than twice
   * `batchBytes` unsynced.
   * `os`: written; synced by the operating system and at checkpoints. A process that dies loses nothing in any of them, a machine that
   * loses power may lose what was not synced, but never a part of a commit.
   */
  durability?: 'full' | 'batch' | 'os'
  /** Default 10 ms. */
  batchIntervalMs?: number
  /** Default 1 MiB. */
  batchBytes?: number
  /** Fixed when the directory is created; default 8192. */
  pageBytes?: 4096 | 8192 | 16384 | 32768
  /**
   * Memory for pages, large values and the newest entries of the log; default 256 MiB. Below 32 pages an operation may exceed it by its path
   * while it runs.
   */
  budgetBytes?: number
  /** How much of the budget large values may take; default a quarter. Those that wait to be written come on top. */
  hotCacheBytes?: number
  /**
   * Values above are kept apart from the pages, each in a run of pages of its own; default: what does not fit a quarter of a page. At least
   * an eighth of a page.
   */
  inlineThresholdBytes?: number
  /** Size of a log segment, which recovery holds in memory as a whole; default 4 MiB. The first ones of a directory are smaller, from 1 MiB on. */
  segmentBytes?: number
  /** A checkpoint is taken when the log has grown by this much since the last one; default 64 MiB. */
  checkpointLogBytes?: number
  /** ... or when the last one is this old and something has changed; default 60 s. */
  checkpointAgeMs?: number
  /** Bounds the views that are open: beyond it opening one gives `view_limit`, and reads of one that is too old `view_expired`. */
  views?: ViewLimits
  /**
   * Encrypts and signs everything that holds data (docs/operate/encryption.md). Decided when the directory is created: a directory made with
   * keys never opens without them, one made without never with. The first key of a list is the present one, others open what was wrapped before.
   */
  keys?: ConfiguredKeys
}

const DURABILITIES: readonly unknown[] = ['full', 'batch', 'os'] satisfies EngineOptions['durability'][]
const PAGE_SIZES: readonly unknown[] = [4096, 8192, 16384, 32768] satisfies EngineOptions['pageBytes'][]
const SEGMENT_BYTES_MIN = 4_096
const SEGMENT_BYTES_MAX = 1 << 30
/** The least that each may be. */
const BYTES = {
  batchBytes: 1,
  budgetBytes: 1,
  hotCacheBytes: 0,
  inlineThresholdBytes: 1,
  checkpointLogBytes: 1,
  segmentBytes: SEGMENT_BYTES_MIN,
} as const
const TIMES = ['batchIntervalMs', 'checkpointAgeMs'] as const
const AMOUNTS = Object.entries(BYTES) as [keyof typeof BYTES, number][]
/** An option that is added is one that this names. */
type Others = Record<Exclude<keyof EngineOptions, keyof typeof BYTES | (typeof TIMES)[number]>, true>
const OTHERS: Others = { durability: true, pageBytes: true, views: true, keys: true }
const KNOWN: readonly string[] = [...Object.keys(BYTES), ...TIMES, ...Object.keys(OTHERS)]

/**
 * A misspelt durability must not be a weaker one, nor a misspelt option one that is believed to hold.
 * @throws QuorateError `invalid_argument`
 */
export function requireEngineOptions(directory: unknown, options: EngineOptions): void {
  if (typeof directory !== 'string' || directory === '') throw invalid('a database has a directory')
  if (typeof options !== 'object' || options === null) throw invalid('options are an object')
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) throw invalid(`there is no option ${name.slice(0, 80)}`)
  }
  const { durability = 'full', pageBytes = 8192, segmentBytes = SEGMENT_BYTES_MIN } = options
  if (!DURABILITIES.includes(durability)) throw invalid('durability is one of full, batch, os')
  if (!PAGE_SIZES.includes(pageBytes)) throw invalid('pageBytes is one of 4096, 8192, 16384, 32768')
  for (const [name, least] of AMOUNTS) {
    const value = options[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) {
      throw invalid(`${name} is a whole number from ${least}, not ${String(value)}`)
    }
  }
  if (segmentBytes > SEGMENT_BYTES_MAX) throw invalid(`segmentBytes is at most ${SEGMENT_BYTES_MAX}`)
  for (const name of TIMES) {
    const value = options[name]
    if (value !== undefined && !(typeof value === 'number' && value > 0)) {
      throw invalid(`${name} is a positive number, not ${String(value)}`)
    }
  }
}

function invalid(message: string): QuorateError {
  return new QuorateError('invalid_argument', message)
}
