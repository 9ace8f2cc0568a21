import { invariant } from './assert.ts'
import { childPage } from './branch.ts'
import { STAGED } from './frames.ts'
import { SUPERBLOCK_SPACING_BYTES } from './layout.ts'
import type { CapturedMap, MapOnFile } from './map-file.ts'
import { captureMap } from './map-file.ts'
import type { PageFile } from './page-file.ts'
import type { Pager } from './pager.ts'
import { BATCH_PAGES } from './pager.ts'
import { cellCount, PageRef, pageLevel } from './page.ts'
import type { Root } from './roots.ts'
import type { Storage } from './storage.ts'
import type { SuperblockLedger } from './superblock-slots.ts'
import type { KeyspaceIdentity, SuperblockState } from './superblock.ts'
import { encodeSuperblock } from './superblock.ts'

/** Resolves (or returns) once the own log is synced through `seq`; what it gives must be at least that. */
export type LogSyncedThrough = (seq: number) => number | Promise<number>

/** Pages that are looked for before the first of them is written: a walk of a few milliseconds. */
const WINDOW_PAGES = 16_384

/** A root and its map, taken at one moment between two epochs. */
export interface Capture {
  readonly root: Root
  readonly map: CapturedMap
}

/**
 * Makes roots durable. Order (DESIGN 5): pages, sync, superblock, sync, and only then does the older superblock's root let
 * its pages go. Nothing here stops the writer: the captured root's pages never change.
 */
export class Checkpointer {
  readonly #storage: Storage
  readonly #file: PageFile
  readonly #pager: Pager
  readonly #identity: KeyspaceIdentity
  readonly #ref: PageRef
  /** The superblocks on file: newest first. */
  newest: { state: SuperblockState; root: Root } | undefined
  older: { state: SuperblockState; root: Root } | undefined
  /** The newest superblock's map, whose pages the next capture replaces. */
  mapOnFile: MapOnFile | undefined
  /** Told of every superblock, so that a torn one is known for what it is. */
  ledger: SuperblockLedger | undefined
  #forgotten = 0

  constructor(storage: Storage, file: PageFile, pager: Pager, identity: KeyspaceIdentity) {
    this.#storage = storage
    this.#file = file
    this.#pager = pager
    this.#identity = identity
    this.#ref = new PageRef(storage.pageBytes)
  }

  /** Takes the newest root with its map. Call it between two epochs only. */
  capture(spaces: Uint8Array): Capture {
    const { roots } = this.#storage
    const root = roots.newest
    roots.hold(root)
    const before = this.newest?.root.epoch ?? 0
    const map = captureMap(this.#storage, this.mapOnFile, before, root.epoch, spaces)
    this.mapOnFile = map
    return { root, map }
  }

  /** Writes everything that the captured root reaches and that is not on file yet. Nothing is synced yet. */
  async writeAll(capture: Capture): Promise<void> {
    const { extents, pageBytes } = this.#storage
    for (const { page, bytes } of capture.map.pages) {
      await this.#file.write(this.#file.sealed(bytes), page * pageBytes)
    }
    await this.#pager.writeExtents(extents.dirty(capture.root.epoch))
    await this.writeTree(capture.root.page)
  }

  /** Makes a captured root the newest durable one. */
  async commit(capture: Capture, kind: SuperblockState['kind'], synced: LogSyncedThrough): Promise<SuperblockState> {
    const { mutants } = this.#storage
    if (mutants.freeBeforeSuperblock === true) this.#forgetAll()
    await this.writeAll(capture)
    if (mutants.superblockBeforePages !== true) await this.#file.sync()
    const through = await synced(capture.root.seq)
    invariant(through >= capture.root.seq, `the log is synced through ${through} only, not ${capture.root.seq}`)
    const state = this.stateOf(capture, kind)
    await this.#writeSuperblock(state)
    capture.root.superblocks++
    this.#dropOlder()
    this.older = this.newest
    this.newest = { state, root: capture.root }
    return state
  }

  /** Writes the same root into the other slot too, so that no older state can be fallen back to (installs). */
  async repeat(capture: Capture): Promise<void> {
    const { roots } = this.#storage
    roots.hold(capture.root)
    const state = { ...this.newest!.state, number: this.newest!.state.number + 1 }
    await this.#writeSuperblock(state)
    capture.root.superblocks++
    this.#dropOlder()
    this.older = this.newest
    this.newest = { state, root: capture.root }
  }

  stateOf(capture: Capture, kind: SuperblockState['kind']): SuperblockState {
    const { root, map } = capture
    const named = this.#storage.mutants.seqApartFromData === true ? this.#storage.roots.newest : root
    return {
      ...named.meta,
      ...this.#identity,
      number: (this.newest?.state.number ?? this.#forgotten) + 1,
      kind,
      pageBytes: this.#storage.pageBytes,
      seq: named.seq,
      epoch: root.epoch,
      root: { page: root.page, seq: root.pageSeq, checksum: this.#storage.table.checksumOf(root.page) },
      map: map.map,
      end: map.end,
      spaces: map.spacesPointer,
      spacesBytes: map.spacesBytes,
      digestS: root.digest,
      records: root.records,
    }
  }

  /** The mutant `freeBeforeSuperblock`. */
  #forgetAll(): void {
    this.#dropOlder()
    this.older = this.newest
    this.#dropOlder()
    if (this.newest !== undefined) this.#forgotten = this.newest.state.number
    this.newest = undefined
  }

  #dropOlder(): void {
    const older = this.older
    if (older === undefined) return
    this.older = undefined
    older.root.superblocks--
    this.#storage.roots.unhold(older.root)
  }

  async #writeSuperblock(state: SuperblockState): Promise<void> {
    await this.ledger?.superblockBegins(state.number)
    await this.#file.write(encodeSuperblock(state, this.#storage.seal), (state.number % 2) * SUPERBLOCK_SPACING_BYTES)
    if (this.#storage.mutants.superblockNotSynced !== true) await this.#file.sync()
    this.ledger?.superblockSynced(state.number)
  }

  /**
   * Writes the unwritten pages below `root`, children before parents; what is written already is not entered. Within a level in the order
   * of the file, not of the keys: pages that were changed one after the other lie side by side in it, and neighbours go in one write.
   */
  async writeTree(root: number): Promise<void> {
    const pages = [root]
    const next = [0]
    let levels: number[][] = []
    const found = new Set<number>()
    const isDone = (page: number): boolean => found.has(page) || !this.#isUnwritten(page)
    while (pages.length > 0) {
      const page = pages.at(-1)!
      const child = isDone(page) ? undefined : this.#nextUnwritten(page, next, isDone)
      if (child !== undefined) {
        pages.push(child)
        next.push(0)
        continue
      }
      pages.pop()
      next.pop()
      if (isDone(page)) continue
      this.#storage.table.require(page, this.#ref)
      const level = pageLevel(this.#ref)
      levels[level] ??= []
      levels[level].push(page)
      found.add(page)
      if (found.size < WINDOW_PAGES) continue
      await this.#writeLevels(levels)
      levels = []
      found.clear()
    }
    await this.#writeLevels(levels)
  }

  /** Leaves first; what the pager has written in the meantime is left out. */
  async #writeLevels(levels: readonly (number[] | undefined)[]): Promise<void> {
    for (const level of levels) {
      const pages = Float64Array.from(level ?? []).sort()
      for (let at = 0; at < pages.length; at += BATCH_PAGES) {
        const batch = Array.from(pages.subarray(at, at + BATCH_PAGES)).filter(page => this.#isUnwritten(page))
        if (batch.length === 0) continue
        await this.#pager.writePages(batch)
        await this.#file.syncIfMuch()
      }
    }
  }

  #isUnwritten(page: number): boolean {
    const { table } = this.#storage
    return table.isResident(page) && (table.state[page]! & STAGED) === 0
  }

  /** The next child of a branch that has to be written first; the walk's place in the branch is the last of `next`. */
  #nextUnwritten(page: number, next: number[], isDone: (page: number) => boolean): number | undefined {
    const ref = this.#ref
    this.#storage.table.require(page, ref)
    if (pageLevel(ref) === 0) return undefined
    const count = cellCount(ref)
    for (let i = next.at(-1)!; i < count; i++) {
      const child = childPage(ref, i)
      if (isDone(child)) continue
      next[next.length - 1] = i + 1
      return child
    }
    return undefined
  }
}
