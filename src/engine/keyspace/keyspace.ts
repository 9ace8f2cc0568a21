import type { Digest64 } from '../../encoding/index.ts'
import type { Files } from '../../platform/index.ts'
import { invariant } from './assert.ts'
import type { Cold } from './cold.ts'
import { PageKind, PAGE_SIZES } from './layout.ts'
import type { Mutants } from './mutants.ts'
import { PageRef } from './page.ts'
import type { RetentionOptions, Root } from './roots.ts'
import type { SlottedRecords, SpaceDigest, SpaceLength } from './spaces.ts'
import { SpaceDigests } from './spaces.ts'
import { Storage } from './storage.ts'
import type { SuperblockMeta } from './superblock.ts'
import { KeyspaceView } from './view.ts'
import { EpochWriter } from './writer.ts'

export interface KeyspaceOptions {
  readonly files: Files
  /** The `pages/` directory. */
  readonly directory: string
  readonly pageBytes: 4096 | 8192 | 16384 | 32768
  /** What pages and large values may occupy in memory (`memory.budget_bytes`). */
  readonly budgetBytes: number
  /** Values above go to an extent (`inline_threshold_bytes`); default: whatever fits a quarter of a page. */
  readonly inlineThresholdBytes?: number
  readonly retention: RetentionOptions
  /** How many leading bytes of a key are its space; default: one. */
  readonly spaceLength?: SpaceLength
  /** Records whose digest is the sum of their slots'. */
  readonly slotted?: SlottedRecords
  readonly identity: { readonly historyId: Uint8Array; readonly groupId: number; readonly directoryId: Uint8Array }
  readonly mutants?: Mutants
}

export interface KeyspaceStats {
  records: number
  residentPages: number
  dirtyPages: number
  /** Pages of the file that hold something, dead ones that a root still sees included. */
  usedPages: number
  filePages: number
  extentBytes: number
  retainedRoots: number
  epoch: number
}

const EMPTY_META: SuperblockMeta = {
  term: 0,
  entryChain: 0,
  effectChain: 0,
  leaderTimeMicros: 0,
  featureLevel: 0,
  membership: new Uint8Array(0),
}

/** One ordered map from bytes to records, in pages (DESIGN 5). One writer, any number of views. */
export class Keyspace {
  readonly writer: EpochWriter
  readonly #storage: Storage
  readonly #spaces: SpaceDigests
  readonly #now: () => number
  #isInEpoch = false

  private constructor(options: KeyspaceOptions) {
    invariant(PAGE_SIZES.includes(options.pageBytes), `pages of ${options.pageBytes} bytes`)
    this.#storage = new Storage(options.pageBytes, options.budgetBytes, options.retention, options.mutants ?? {})
    this.#spaces = new SpaceDigests(options.spaceLength ?? (() => 1), options.slotted)
    this.#now = options.retention.now
    this.writer = new EpochWriter(this.#storage, this.#spaces, options.inlineThresholdBytes ?? options.pageBytes)
  }

  /** An empty keyspace in an empty directory. */
  static async create(options: KeyspaceOptions): Promise<Keyspace> {
    const keyspace = new Keyspace(options)
    const root = keyspace.#storage.newPage(PageKind.leaf, 0, new PageRef(options.pageBytes))
    keyspace.writer.reset(root, 0)
    keyspace.#addRoot(0, EMPTY_META)
    return Promise.resolve(keyspace)
  }

  get stats(): KeyspaceStats {
    const { table, map, extents, roots, epoch } = this.#storage
    return {
      records: this.#spaces.records,
      residentPages: table.residentPages,
      dirtyPages: table.dirtyPages,
      usedPages: map.usedPages,
      filePages: map.end,
      extentBytes: extents.bytes,
      retainedRoots: roots.all.length,
      epoch,
    }
  }

  /** Seq of the newest published root. */
  get seq(): number {
    return this.#storage.roots.newest.seq
  }

  /** S over everything written so far, unpublished changes included. */
  get digestS(): Digest64 {
    return { ...this.#spaces.total }
  }

  /** S of every space that has records. */
  spaceDigests(): SpaceDigest[] {
    return this.#spaces.list()
  }

  /** Opens a group of entries that are published together. */
  beginEpoch(): void {
    invariant(!this.#isInEpoch, 'an epoch is open already')
    this.#isInEpoch = true
  }

  /** Makes everything written since `beginEpoch` the newest root: views opened from now on see it. */
  publish(seq: number, meta: SuperblockMeta): void {
    invariant(this.#isInEpoch, 'no epoch is open')
    this.#isInEpoch = false
    this.#addRoot(seq, meta)
  }

  /** Holds the newest published root. */
  view(): KeyspaceView {
    return new KeyspaceView(this.#storage, this, this.#storage.roots.newest)
  }

  /** Holds the nearest retained root at or below `seq`. */
  viewAt(seq: number): KeyspaceView | undefined {
    const root = this.#storage.roots.at(seq)
    return root === undefined ? undefined : new KeyspaceView(this.#storage, this, root)
  }

  load(cold: Cold): Promise<void> {
    throw new Error(`page ${cold.pages[0]} is not in memory`)
  }

  loadSync(cold: Cold): void {
    throw new Error(`page ${cold.pages[0]} is not in memory`)
  }

  #addRoot(seq: number, meta: SuperblockMeta): void {
    const { roots } = this.#storage
    const root: Root = {
      epoch: this.#storage.epoch,
      seq,
      page: this.writer.rootPage,
      pageSeq: this.writer.rootSeq,
      digest: { ...this.#spaces.total },
      records: this.#spaces.records,
      meta,
      publishedAtMs: this.#now(),
      holders: 0,
      superblocks: 0,
      dead: [],
      deadPages: 0,
    }
    roots.add(root)
    this.#storage.epoch++
    this.writer.unpin()
    roots.retain(Infinity)
  }
}
