import { equalBytes } from '../../encoding/index.ts'
import { BaseTree } from './base-tree.ts'
import type { Cold } from './cold.ts'
import { PageDamage } from './damage.ts'
import { Install } from './install.ts'
import type { InstalledTree, InstallHost } from './install.ts'
import type { InstallProgress, ProgressFile } from './install-progress.ts'
import { linkAt, OpenPage } from './open-page.ts'
import type { Parts } from './opening.ts'
import { cellCount, copyKey, pageLevel, PageRef } from './page.ts'
import { PageStream } from './page-stream.ts'
import { RunList } from './run-list.ts'
import type { SuperblockMeta } from './superblock.ts'
import { TreeBuilder } from './tree-builder.ts'

/** Bytes of pages between two records of progress: what a restart may have to receive again. */
export const PROGRESS_BYTES: number = 64 << 20
const FIRST_KEY = new Uint8Array(0)

export interface InstallingOptions {
  readonly parts: Parts
  readonly file: ProgressFile
  readonly progressBytes: number
  readonly inlineThresholdBytes: number
  /** Makes what the writer has the newest root. */
  readonly publish: (seq: number, meta: SuperblockMeta) => void
  /** The install at hand is over. */
  readonly onEnd: () => void
}

/** Begins installs, commits them, and keeps what an unfinished one has come to for the next one of the same snapshot. */
export class Installing {
  readonly #options: InstallingOptions
  /** Progress on file. While no install is under way its pages are reserved: used, and part of no root. */
  #kept: InstallProgress | undefined
  #current: Install | undefined

  constructor(options: InstallingOptions) {
    this.#options = options
  }

  /** After opening: takes up what an earlier life has recorded. Before anything else takes pages. */
  async recover(): Promise<void> {
    const { file, parts } = this.#options
    const { map, table } = parts.storage
    const found = await file.load()
    if (found === undefined) return
    let isFree = found.baseNumber === parts.checkpointer.newest!.state.number
    found.own.forEach((page, count) => {
      for (let i = page; i < page + count && isFree; i++) isFree = i >= map.firstPage && !map.isUsed(i)
    })
    if (!isFree) return file.remove()
    found.own.forEach((page, count) => {
      map.reserve(page, count)
      table.coverPage(page + count)
    })
    this.#kept = found
  }

  /** Forgets progress, if there is any: a root is about to be made that knows nothing of it. */
  async discard(): Promise<void> {
    const kept = this.#kept
    if (kept === undefined) return
    await this.#options.file.remove()
    this.#kept = undefined
    kept.own.forEach((page, count) => this.#options.parts.storage.free(page, count))
  }

  /** No install and no record of one touches the files from now on. */
  async stop(): Promise<void> {
    await this.#current?.stop()
  }

  /** Goes on where an install of the same `manifest` has come to, or begins. */
  async begin(base: 'current' | 'empty', manifest: Uint8Array | undefined): Promise<Install> {
    const { parts } = this.#options
    const { storage, checkpointer } = parts
    // Its pages are of an epoch of their own: the newest root stays as it is until the commit.
    if (storage.epoch === storage.roots.newest.epoch) storage.epoch++
    const isOnFile = storage.roots.newest === checkpointer.newest?.root
    const canKeep = manifest !== undefined && (base === 'empty' || isOnFile)
    if (base === 'current') await checkpointer.writeTree(storage.roots.newest.page)
    const kept = this.#kept
    const isAny = storage.mutants.progressOfAnother === true
    const isSame = canKeep && kept !== undefined && (isAny || equalBytes(kept.manifest, manifest))
    const resumed = isSame ? await this.#resume(kept, base) : undefined
    if (resumed === undefined) await this.discard()
    const install = resumed ?? this.#fresh(base)
    const host = this.#host(canKeep ? manifest : undefined)
    this.#current = new Install(host, { ...install, inlineThresholdBytes: this.#options.inlineThresholdBytes })
    return this.#current
  }

  #fresh(base: 'current' | 'empty'): PreparedInstall {
    const { storage, file, spaces: live } = this.#options.parts
    const [own, dead] = [new RunList(), new RunList()]
    const stream = new PageStream(storage, file)
    const builder = new TreeBuilder(storage, stream, own, this.#options.parts.pager.pagesMax)
    const spaces = live.blank()
    if (base === 'current') spaces.decode(live.encode())
    const tree = base === 'current' ? this.#baseTree(dead) : undefined
    return { storage, stream, builder, base: tree, spaces, own, dead, sealed: new RunList(), fence: FIRST_KEY }
  }

  #baseTree(dead: RunList): BaseTree {
    const { storage } = this.#options.parts
    return new BaseTree(storage, storage.roots.newest.page, storage.roots.newest.pageSeq, dead)
  }

  /** The install as it was when `kept` was recorded; undefined if its pages are not what they should be. */
  async #resume(kept: InstallProgress, base: 'current' | 'empty'): Promise<PreparedInstall | undefined> {
    const { storage, file, spaces: live, pager } = this.#options.parts
    const [own, dead, sealed] = [kept.own.clone(), kept.dead.clone(), new RunList()]
    const open = await this.#openEdge(kept, own, dead, sealed)
    if (open === undefined) return undefined
    kept.own.forEach((page, count) => storage.map.revive(page, count))
    storage.epoch = Math.max(storage.epoch, kept.epoch)
    const stream = new PageStream(storage, file)
    const gapSeq = storage.mutants.gapSeqLost === true ? 0 : kept.gapSeq
    const builder = new TreeBuilder(storage, stream, own, pager.pagesMax, open, gapSeq)
    const spaces = live.blank()
    spaces.decode(kept.spaces)
    const tree = base === 'current' ? this.#baseTree(dead) : undefined
    tree?.resume(kept.fence, kept.path)
    return { storage, stream, builder, base: tree, spaces, own, dead, sealed, fence: kept.fence }
  }

  /** Reads the right edge of the provisional tree: its pages are in the making again, and those on file are no part of the tree. */
  async #openEdge(
    kept: InstallProgress,
    own: RunList,
    dead: RunList,
    sealed: RunList,
  ): Promise<OpenPage[] | undefined> {
    const { file } = this.#options.parts
    const open: OpenPage[] = []
    let link = kept.root
    let lower: Uint8Array = FIRST_KEY
    for (;;) {
      const ref = PageRef.scratch(file.pageBytes)
      try {
        await file.read(ref.bytes, link.page * file.pageBytes)
        file.verify(ref.bytes, link.page, link.checksum, 'tree', false)
      } catch (error) {
        if (error instanceof PageDamage) return undefined
        throw error
      }
      if (own.remove(link.page)) sealed.add(link.page, 1)
      else dead.add(link.page, 1)
      const level = pageLevel(ref)
      const last = cellCount(ref) - 1
      open[level] = OpenPage.of(ref, level === 0 ? last + 1 : last, lower, link.seq)
      if (level === 0) return open
      if (last > 0) lower = copyKey(ref, last)
      link = linkAt(ref, last)
    }
  }

  #host(manifest: Uint8Array | undefined): InstallHost {
    const { parts, file, progressBytes } = this.#options
    const { pager, checkpointer } = parts
    const baseNumber = checkpointer.newest?.state.number ?? 0
    const record: InstallHost['record'] = async progress => {
      if (parts.storage.mutants.progressBeforePages !== true) await parts.file.syncSoFar()
      const recorded = { ...progress, manifest: manifest!, baseNumber }
      await file.save(recorded)
      this.#kept = recorded
    }
    return {
      load: (cold: Cold) => pager.load(cold),
      file: parts.file,
      progressBytes,
      record: manifest === undefined ? undefined : record,
      commit: (tree, seq, meta) => this.#commit(tree, seq, meta),
      abandon: (own, sealed, isMisfit) => this.#abandon(own, sealed, isMisfit),
    }
  }

  /** The progress on file goes with the superblock that it began at. */
  async #commit(tree: InstalledTree, seq: number, meta: SuperblockMeta): Promise<void> {
    const { storage, spaces, writer, checkpointer } = this.#options.parts
    const { map, roots } = storage
    tree.sealed.forEach((page, count) => map.die(page, count))
    if (tree.dead === undefined) {
      tree.own.forEach((page, count) => map.die(page, count))
      for (const [page, count] of map.killAll()) roots.bury(page, count, 0, storage.epoch)
      tree.own.forEach((page, count) => map.revive(page, count))
      checkpointer.mapOnFile = undefined
    } else tree.dead.forEach((page, count) => storage.bury(page, count, 0))
    spaces.replace(tree.spaces)
    writer.reset(tree.root.page, tree.root.seq)
    this.#options.publish(seq, meta)
    const capture = checkpointer.capture(spaces.encode())
    await checkpointer.commit(capture, 'install', wanted => wanted)
    await checkpointer.repeat(capture)
    tree.sealed.forEach((page, count) => storage.free(page, count))
    this.#kept = undefined
    this.#end()
  }

  async #abandon(own: RunList, sealed: RunList, isMisfit: boolean): Promise<void> {
    const { storage, file } = this.#options.parts
    file.requireHealthy()
    const kept = new Set<number>()
    this.#kept?.own.forEach((page, count) => {
      for (let i = page; i < page + count; i++) kept.add(i)
    })
    for (const runs of [own, sealed]) {
      runs.forEach((page, count) => {
        storage.map.die(page, count)
        for (let i = page; i < page + count; i++) if (!kept.has(i)) storage.free(i, 1)
      })
    }
    // No page of the next epoch was born in this one.
    storage.epoch++
    if (isMisfit) await this.discard()
    this.#end()
  }

  #end(): void {
    this.#current = undefined
    this.#options.onEnd()
  }
}

type PreparedInstall = Omit<ConstructorParameters<typeof Install>[1], 'inlineThresholdBytes'>
