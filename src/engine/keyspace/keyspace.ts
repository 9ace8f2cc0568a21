import type { Digest64 } from '../../encoding/index.ts'
import { broken, invariant } from './assert.ts'
import type { Cold } from './cold.ts'
import type { LogSyncedThrough } from './checkpoint.ts'
import { PageDamage } from './damage.ts'
import type { Install } from './install.ts'
import { ProgressFile } from './install-progress.ts'
import { Installing, PROGRESS_BYTES } from './installing.ts'
import type { PageReport, ScrubResult } from './scrub.ts'
import { Scrub } from './scrub.ts'
import { PageKind } from './layout.ts'
import type { KeyspaceOptions, Parts, SalvageOptions } from './opening.ts'
import { createParts, newRoot, openParts, openPartsForSalvage } from './opening.ts'
import { PassedOver } from './passed-over.ts'
import { NewestReader } from './newest-reader.ts'
import { PageRef } from './page.ts'
import type { SpaceDigest } from './spaces.ts'
import type { Storage } from './storage.ts'
import { judgeSlots } from './superblock-slots.ts'
import type { SuperblockLedger, SuperblockProof, SuperblockSlot } from './superblock-slots.ts'
import type { SuperblockMeta, SuperblockState } from './superblock.ts'
import { KeyspaceView } from './view.ts'
import type { EpochWriter } from './writer.ts'

export interface KeyspaceStats {
  records: number
  residentPages: number
  dirtyPages: number
  /** Pages of the file that hold something, dead ones that a root still sees included. */
  usedPages: number
  filePages: number
  extentBytes: number
  retainedRoots: number
  /** Of them, those that views and work under way hold, and the age of the oldest such, ms. */
  heldRoots: number
  oldestHeldMs: number
  epoch: number
  pageBytes: number
  /** What the budget allows to be in memory. */
  pagesMax: number
  /** Pages that left memory, and pages and large values that were read from the file, since the start. */
  evictedPages: number
  loadedPages: number
  /** Large values in memory, and how much of them may be. */
  cachedValueBytes: number
  cachedValueBytesMax: number
  /** Reads of large values since the start, and how many of them had to go to the file. */
  valueReads: number
  valueLoads: number
}

const DEAD_BYTES_MIN = 16 << 20

const EMPTY_META: SuperblockMeta = {
  term: 0,
  entryChain: 0,
  effectChain: 0,
  leaderTimeMicros: 0,
  featureLevel: 0,
  membership: new Uint8Array(0),
  digests: new Uint8Array(0),
}

/** The superblocks as an opening found them, and whose they should be. */
interface FoundSlots {
  readonly slots: readonly [SuperblockSlot, SuperblockSlot]
  readonly directoryId: Uint8Array
}

/** One ordered map from bytes to records, in pages (DESIGN 5). One writer, any number of views. */
export class Keyspace {
  readonly writer: EpochWriter
  /** Reads of the newest published root without a view. */
  readonly newest: NewestReader
  readonly #parts: Parts
  readonly #now: () => number
  #isInEpoch = false
  /** The writer's count of changes when the epoch began. */
  #changesBefore = 0
  /** Bytes of entries since the opening. */
  #entryBytes = 0
  #checkpointing: Promise<unknown> = Promise.resolve()
  /** An install ends in superblocks of its own. */
  #isInstalling = false
  readonly #installing: Installing
  #onBoundary: (() => void) | undefined
  readonly #found: FoundSlots | undefined

  private constructor(parts: Parts, options: KeyspaceOptions, found?: FoundSlots) {
    const { files, directory, pageBytes, retention, installProgressBytes, seal } = options
    this.#found = found
    this.#parts = parts
    this.#now = retention.now
    this.#installing = new Installing({
      parts,
      file: new ProgressFile(files, directory, seal),
      progressBytes: installProgressBytes ?? PROGRESS_BYTES,
      inlineThresholdBytes: options.inlineThresholdBytes ?? pageBytes,
      publish: (seq, meta) => this.#endEpoch(seq, meta),
      onEnd: () => (this.#isInstalling = false),
    })
    this.writer = parts.writer
    this.newest = new NewestReader(parts.storage)
    parts.pager.onLoaded = (page, isExtent) => {
      if (this.#isInEpoch) this.writer.pinLoaded(page, isExtent)
    }
  }

  /** An empty keyspace with its first checkpoint; the directory must not hold one. Rejects with `FileError`. */
  static async create(options: KeyspaceOptions): Promise<Keyspace> {
    const parts = await createParts(options)
    try {
      const root = parts.storage.newPage(PageKind.leaf, 0, new PageRef(options.pageBytes))
      parts.writer.reset(root, 0)
      const keyspace = new Keyspace(parts, options)
      keyspace.#addRoot(0, EMPTY_META)
      await keyspace.checkpoint(seq => seq)
      await options.files.syncDirectory(options.directory)
      return keyspace
    } catch (error) {
      await parts.file.close()
      throw error
    }
  }

  /**
   * The newest checkpoint of a directory. Reads the superblocks and the free-space map, no page of the tree. Rejects with
   * `PageDamage` where these are damaged; `FileError` `not_found` if there is no keyspace. The page size is the file's.
   */
  static async open(options: KeyspaceOptions): Promise<{ keyspace: Keyspace; superblock: SuperblockState }> {
    const { parts, superblock, slots } = await openParts(options)
    const keyspace = new Keyspace(parts, options, { slots, directoryId: options.identity.directoryId })
    try {
      await keyspace.#installing.recover()
    } catch (error) {
      await keyspace.close()
      throw error
    }
    return { keyspace, superblock }
  }

  /**
   * What can be had of a directory in which anything may be wrong; damaged ranges and records with damaged large values are passed over.
   * Nothing of what is on file is written over, and no checkpoint is to be made of it. `isWhole`: nothing is missing.
   */
  static async salvage(
    options: KeyspaceOptions,
    salvage: SalvageOptions,
  ): Promise<{ keyspace: Keyspace; superblock: SuperblockState; isWhole: boolean }> {
    const { parts, superblock, hasDigests } = await openPartsForSalvage(options, salvage)
    const keyspace = new Keyspace(parts, options)
    try {
      const damaged = salvage.isInspected === true ? [] : (await keyspace.scrub()).damaged
      const [pages, extents] = [new Set<number>(), new Set<number>()]
      for (const { file, offset, checkedBytes, kind, reason = '', expected, actual } of damaged) {
        const isExtent = kind === 'extent'
        const place = isExtent ? extents : pages
        place.add(offset / parts.storage.pageBytes)
        const what = isExtent ? ('extent' as const) : ('page' as const)
        const found = { expected: expected ?? 'the page that its pointer names', actual: actual ?? reason }
        salvage.onDamage({ kind: what, file, offset, length: checkedBytes, ...found })
      }
      if (pages.has(superblock.root.page)) {
        const { path, pageBytes } = parts.file
        throw new PageDamage(path, superblock.root.page * pageBytes, pageBytes, 'nothing below the root can be reached')
      }
      if (damaged.length > 0) parts.file.passOver(new PassedOver(pages, extents))
      return { keyspace, superblock, isWhole: hasDigests && damaged.length === 0 }
    } catch (error) {
      await keyspace.close()
      throw error
    }
  }

  get stats(): KeyspaceStats {
    const { storage, spaces, pager } = this.#parts
    const { table, map, extents, roots, epoch, traffic } = storage
    const held = roots.all.filter(({ holders, superblocks }) => holders > superblocks)
    return {
      records: spaces.records,
      residentPages: table.residentPages,
      dirtyPages: table.dirtyPages,
      usedPages: map.usedPages,
      filePages: map.end,
      extentBytes: extents.bytes,
      retainedRoots: roots.all.length,
      heldRoots: held.length,
      oldestHeldMs: held.length === 0 ? 0 : this.#now() - held[0]!.publishedAtMs,
      epoch,
      pageBytes: storage.pageBytes,
      pagesMax: pager.pagesMax,
      evictedPages: traffic.evicted,
      loadedPages: traffic.loaded,
      cachedValueBytes: extents.bytes,
      cachedValueBytesMax: pager.extentBytesMax,
      valueReads: traffic.valueReads,
      valueLoads: traffic.valueLoads,
    }
  }

  /** Seq of the newest published root. */
  get seq(): number {
    return this.#parts.storage.roots.newest.seq
  }

  /** Seqs of the roots between which `viewAt` finds one. */
  get window(): { oldestSeq: number; newestSeq: number } {
    const { roots } = this.#parts.storage
    return { oldestSeq: roots.oldest.seq, newestSeq: roots.newest.seq }
  }

  /** The durable roots, newest first. The log above the older one's seq is still needed. */
  get superblocks(): SuperblockState[] {
    const { newest, older } = this.#parts.checkpointer
    return [newest, older].flatMap(one => (one === undefined ? [] : [one.state]))
  }

  /**
   * Compares the superblocks that were found with what the log knows of them. Throws `PageDamage` if one is bad, old or misplaced, and
   * no loss of power can be the reason. From now on `ledger` is told of every superblock; a slot that is torn is the next one's.
   */
  superviseSuperblocks(proof: SuperblockProof, ledger: SuperblockLedger): void {
    const { checkpointer, file } = this.#parts
    const found = this.#found
    const verdicts = found === undefined ? [] : judgeSlots(found.slots, proof, found.directoryId)
    for (const [slot, verdict] of verdicts.entries()) {
      if (verdict.kind !== 'damaged') continue
      const { offset, length } = found!.slots[slot]!
      throw new PageDamage(file.path, offset, length, verdict.reason)
    }
    checkpointer.ledger = ledger
    if (!verdicts.some(({ kind }) => kind === 'torn')) ledger.superblockSynced(checkpointer.newest!.state.number)
  }

  /** So much waits to be written that new entries should be refused before they are appended. */
  get isBusy(): boolean {
    return this.#parts.pager.isBusy
  }

  /** The failed write or sync that ended this keyspace, if one did. */
  get failure(): unknown {
    return this.#parts.file.failure
  }

  /** Called once, at the moment of that failure. */
  set onFailed(handler: (error: unknown) => void) {
    this.#parts.file.onFailed = handler
  }

  /** S over everything written so far, unpublished changes included. */
  get digestS(): Digest64 {
    return { ...this.#parts.spaces.total }
  }

  /** S of every space that has records. */
  spaceDigests(): SpaceDigest[] {
    return this.#parts.spaces.list()
  }

  /**
   * Opens a group of entries that are published together. `mayReplace`: nobody opens a view or reads the newest root from the first
   * change to `publish`, not even if that never comes. Then the newest root's pages are changed in place, unless somebody holds it or
   * it is one that is kept for reads at older seqs, and the root itself is replaced: most epochs copy no page.
   */
  beginEpoch(mayReplace = false): void {
    invariant(!this.#isInEpoch, 'an epoch is open already')
    this.writer.beginEpoch()
    if (!mayReplace || this.#parts.storage.roots.keepsNewest()) this.#leaveNewest()
    this.#isInEpoch = true
    this.#changesBefore = this.writer.changes
  }

  /** What is written from now on is of an epoch after the newest root's, whose pages stay as they are. */
  #leaveNewest(): void {
    const { storage } = this.#parts
    this.writer.beginEpoch()
    if (storage.epoch === storage.roots.newest.epoch) storage.epoch++
  }

  /** Before a view is opened: what it shows is not changed any more. */
  #keepNewest(): void {
    const { storage } = this.#parts
    if (!this.#isInEpoch || storage.epoch !== storage.roots.newest.epoch) return
    invariant(this.writer.changes === this.#changesBefore, 'a view is opened of a root that is being changed')
    this.#leaveNewest()
  }

  /** Ends an epoch in which nothing was written. */
  dropEpoch(): void {
    invariant(this.#isInEpoch && this.writer.changes === this.#changesBefore, 'an epoch with changes is dropped')
    this.#isInEpoch = false
    this.#onBoundary?.()
  }

  /**
   * Makes everything written since `beginEpoch` the newest root: views opened from now on see it. `entryBytes`: of the entries of this
   * epoch, for roots that are kept.
   */
  publish(seq: number, meta: SuperblockMeta, entryBytes = 0): void {
    invariant(this.#isInEpoch, 'no epoch is open')
    if (seq < this.seq) broken(`seq ${seq} is published after ${this.seq}`)
    this.#entryBytes += entryBytes
    this.#endEpoch(seq, meta)
  }

  #endEpoch(seq: number, meta: SuperblockMeta): void {
    this.#isInEpoch = false
    this.#addRoot(seq, meta)
    this.#onBoundary?.()
    this.#parts.pager.trim()
  }

  /** Holds the newest published root. */
  view(): KeyspaceView {
    this.#keepNewest()
    const { storage, pager } = this.#parts
    return new KeyspaceView(storage, pager, storage.roots.newest)
  }

  /** Holds the nearest retained root at or below `seq`; undefined if there is none. */
  viewAt(seq: number): KeyspaceView | undefined {
    this.#keepNewest()
    const { storage, pager } = this.#parts
    const root = storage.roots.at(seq)
    return root === undefined ? undefined : new KeyspaceView(storage, pager, root)
  }

  /** Somebody reads at an older seq that is not a root's own, or is about to: for a minute roots are kept close together. */
  wantOlder(): void {
    this.#parts.storage.roots.wantOlder()
  }

  /** Reads what a call of the writer missed; while an epoch is open it stays in memory until the next entry. */
  load(cold: Cold): Promise<void> {
    return this.#parts.pager.load(cold)
  }

  /** As `load`, reading the file on this thread: only for reads that cannot wait (`LocalView`). */
  loadSync(cold: Cold): void {
    this.#parts.pager.loadSync(cold)
  }

  /** So much of the budget is taken by what is in memory beside the pages. */
  reserve(bytes: number): void {
    this.#parts.pager.reserve(bytes)
  }

  /**
   * Nothing is under way that needs the pages which it has asked for: memory goes back to the budget itself, of which small ones are
   * exceeded by the path of an operation. Costs nothing where that is not so.
   */
  rest(): void {
    if (!this.#isInEpoch) this.#parts.pager.rest()
  }

  /**
   * Makes the newest published root durable without stopping the writer (DESIGN 5: pages, sync, superblock, sync, then free).
   * Checkpoints run one after the other; if an epoch with changes is open, at its end. Resolves with the durable seq; rejects if a write or
   * sync failed, which is final.
   */
  checkpoint(logSyncedThrough: LogSyncedThrough): Promise<{ seq: number }> {
    const run = this.#checkpointing.then(async () => {
      const { checkpointer, file } = this.#parts
      file.requireHealthy()
      if (this.#isInstalling) return { seq: checkpointer.newest?.state.seq ?? 0 }
      if (!this.#isOnFile) await this.#installing.discard()
      const capture = await this.#atBoundary(() => {
        if (this.#isOnFile) return undefined
        return checkpointer.capture(this.#parts.spaces.encode())
      })
      if (capture === undefined) return { seq: checkpointer.newest!.state.seq }
      await checkpointer.commit(capture, 'checkpoint', logSyncedThrough)
      this.#parts.pager.trim()
      return { seq: capture.root.seq }
    })
    this.#checkpointing = run.catch(() => {})
    return run
  }

  /**
   * Begins to take over the state of another replica (DESIGN 5, leaf images), from nothing or on top of the present records; goes on
   * where an earlier install with the same `manifest` has come to. From now on no checkpoint is made, and until the install's end no
   * entry may be applied; views see what was before, and a crash leaves that.
   */
  async beginInstall(base: 'current' | 'empty', manifest?: Uint8Array): Promise<Install> {
    this.#isInstalling = true
    await this.#checkpointing
    this.#leaveNewest()
    return this.#installing.begin(base, manifest)
  }

  /** Reads every page and extent of a root, the newest if not given, from the file and recomputes S from them. See `Scrub.run`. */
  async scrub(of?: KeyspaceView, turn?: () => Promise<void>): Promise<ScrubResult> {
    const view = of ?? this.view()
    const { storage, file, spaces } = this.#parts
    try {
      return await new Scrub(storage, file, spaces, view.root).run(turn)
    } finally {
      if (of === undefined) view.close()
    }
  }

  /** Every page and extent that the newest root reaches, with its place and state: `quorate check data`. */
  async *listPages(): AsyncGenerator<PageReport> {
    using view = this.view()
    const { storage, file, spaces } = this.#parts
    yield* new Scrub(storage, file, spaces, view.root).pages()
  }

  /** Waits for writes on their way and closes the file. Makes nothing durable: checkpoint before. */
  async close(): Promise<void> {
    await this.#installing.stop()
    await this.#checkpointing
    await this.#parts.pager.settled()
    await this.#parts.file.close()
  }

  /** Runs `task` when no epoch is open: now, or in the `publish` that ends the present one. */
  #atBoundary<T>(task: () => T): Promise<T> {
    // One that waits for a cold page has written nothing, and may not go on before the task: an install waits for that.
    if (!this.#isInEpoch || this.writer.changes === this.#changesBefore) {
      this.#keepNewest()
      return Promise.resolve(task())
    }
    return new Promise(resolve => {
      this.#onBoundary = () => {
        this.#onBoundary = undefined
        resolve(task())
      }
    })
  }

  /** The newest root is the newest superblock's. */
  get #isOnFile(): boolean {
    return this.#parts.checkpointer.newest?.root === this.#parts.storage.roots.newest
  }

  #addRoot(seq: number, meta: SuperblockMeta): void {
    const { storage, spaces, writer, pager } = this.#parts
    const { roots } = storage
    const before = roots.all.at(-1)?.seq
    const root = newRoot(storage.epoch, seq, writer, spaces, meta, this.#now(), this.#entryBytes, roots.noDead())
    const isOneMore = roots.add(root)
    spaces.rootAdded(seq, roots.oldest.seq, isOneMore ? undefined : before)
    writer.unpin()
    if (isOneMore || roots.isRetentionDue) roots.retain(deadPagesMax(storage, pager.pagesMax))
  }
}

/**
 * How many pages only unheld old roots may see: a quarter of the budget, and of a small state half of what it takes itself, or 16 MiB
 * (docs/adr/0008-old-roots.md).
 */
function deadPagesMax({ map, roots, pageBytes }: Storage, pagesMax: number): number {
  const live = map.usedPages - roots.deadPages
  return Math.max(16, Math.min(pagesMax >>> 2, Math.max(DEAD_BYTES_MIN / pageBytes, live >>> 1)))
}
