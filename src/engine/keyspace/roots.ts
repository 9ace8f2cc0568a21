import type { Digest64 } from '../../encoding/index.ts'
import { invariant } from './assert.ts'
import type { SuperblockMeta } from './superblock.ts'

/** Emptied lists of dead pages that are kept for the roots to come. */
const SPARE_MAX = 4

/** A published state of the whole keyspace. */
export interface Root {
  readonly epoch: number
  readonly seq: number
  readonly page: number
  /** Seq of the last change below: the root's own pointer. */
  readonly pageSeq: number
  readonly digest: Digest64
  readonly records: number
  readonly meta: SuperblockMeta
  readonly publishedAtMs: number
  /** Bytes of the entries that led here since the keyspace was opened. */
  readonly entryBytes: number
  /** Views, superblocks and a running checkpoint hold the root by counting here. */
  holders: number
  /** Superblocks among the holders: the file keeps their pages anyway. */
  superblocks: number
  /** Dead pages whose newest retained reader is this root. */
  dead: DeadPages
}

/** Runs of dead pages: page, count, birth and death, one after the other. Emptied ones are used again: no epoch allocates. */
export class DeadPages {
  readonly #runs: number[] = []
  #length = 0
  /** The sum of the counts. */
  pages = 0

  push(page: number, count: number, birth: number, death: number): void {
    const runs = this.#runs
    let at = this.#length
    runs[at++] = page
    runs[at++] = count
    runs[at++] = birth
    runs[at++] = death
    this.#length = at
    this.pages += count
  }

  get runs(): number {
    return this.#length / 4
  }

  /** Forgets all runs but the first `runs`. */
  shorten(runs: number): void {
    for (let i = runs * 4; i < this.#length; i += 4) this.pages -= this.#runs[i + 1]!
    this.#length = runs * 4
  }

  /** Takes all runs out; `visit` must add none here. */
  drain(visit: (page: number, count: number, birth: number, death: number) => void): void {
    const runs = this.#runs
    for (let i = 0; i < this.#length; i += 4) visit(runs[i]!, runs[i + 1]!, runs[i + 2]!, runs[i + 3]!)
    this.#length = 0
    this.pages = 0
  }
}

/** The bound on dead pages may be exceeded by so many. */
const RETAIN_AFTER_PAGES = 8

/** So far apart unheld roots are kept: each costs a copy of every page that is changed after it. */
const EVERY_MS = 5_000
/** The same while somebody reads at older seqs, and how long after the last of them. */
const WANTED_EVERY_MS = 1_000
const WANTED_FOR_MS = 60_000

export interface RetentionOptions {
  /** Roots kept for reads at older seqs, leased ones included. */
  maxVersions: number
  maxAgeMs: number
  now: () => number
  /** A root is kept, however little time has passed, when so many entries or bytes of entries lie behind the one before. */
  gapEntries?: number
  gapBytes?: number
}

/**
 * The retained roots, oldest first, and the dead pages that they still see. A page is visible to the roots from its birth
 * epoch up to (not including) its death epoch; it waits in the list of the newest retained one of these, moves to an older
 * one when that root goes, and is freed when there is none left. So a long view holds only what it can see.
 */
export class Roots {
  readonly all: Root[] = []
  /** Dead pages that a root has been given since `retain`. */
  #buried = 0
  readonly #retention: RetentionOptions
  readonly #free: (page: number, count: number) => void
  readonly #spare: DeadPages[] = []
  /** The newest root that went because too many pages were only seen by old roots. */
  #crowdedOut: Root | undefined
  /** Roots that are published before this time are kept close together. */
  #wantedUntilMs = 0
  readonly #buryAgain = (page: number, count: number, birth: number, death: number): void =>
    this.bury(page, count, birth, death)

  constructor(retention: RetentionOptions, free: (page: number, count: number) => void) {
    this.#retention = retention
    this.#free = free
  }

  get newest(): Root {
    return this.all[this.all.length - 1]!
  }

  get oldest(): Root {
    return this.all[0]!
  }

  /** The nearest retained root at or below `seq`. */
  at(seq: number): Root | undefined {
    return this.all.findLast(root => root.seq <= seq)
  }

  /**
   * A root of the newest one's epoch takes its place: its pages were changed, and nobody can see it any more. True if there is one root
   * more.
   */
  add(root: Root): boolean {
    const before = this.all.at(-1)
    invariant(before === undefined || before.epoch <= root.epoch, 'roots go back')
    if (before?.epoch !== root.epoch) {
      this.all.push(root)
      return true
    }
    invariant(before.holders === 0 && before.dead.runs === 0, 'a root that somebody sees was changed')
    this.#spare.push(before.dead)
    this.all[this.all.length - 1] = root
    return false
  }

  /** Whether the newest root must stay as it is when a newer one comes: it is held, or far enough from the one before. */
  keepsNewest(): boolean {
    const before = this.all.at(-2)
    if (before === undefined || this.newest.holders > 0) return true
    return this.#isFar(before, this.newest)
  }

  /** Somebody reads at an older seq, or is about to: roots are kept close together for a while. */
  wantOlder(): void {
    this.#wantedUntilMs = this.#retention.now() + WANTED_FOR_MS
  }

  /**
   * Whether `root` is kept for its own sake, if `before` is the kept one before it. One that went for want of room counts as kept while
   * nobody reads at older seqs: a load in no order fills the room within a second, and a root kept anew each time copies a page a write.
   */
  #isFar(before: Root, root: Root): boolean {
    if (root.publishedAtMs < this.#wantedUntilMs) return this.#isApart(before, root, WANTED_EVERY_MS)
    const gone = this.#crowdedOut
    const isBetween = gone !== undefined && gone.seq > before.seq && gone.seq < root.seq
    return this.#isApart(isBetween ? gone : before, root, EVERY_MS)
  }

  #isApart(before: Root, root: Root, everyMs: number): boolean {
    return root.publishedAtMs - before.publishedAtMs >= everyMs || this.#isGap(before, root)
  }

  /** Whether as much lies between two roots as is to be applied again at the most. */
  #isGap(before: Root, root: Root): boolean {
    const { gapEntries = Infinity, gapBytes = Infinity } = this.#retention
    return root.seq - before.seq >= gapEntries || root.entryBytes - before.entryBytes >= gapBytes
  }

  /** A page born in epoch `birth` is not part of the root of epoch `death` and later ones. */
  bury(page: number, count: number, birth: number, death: number): void {
    const reader = this.#lastBefore(death)
    if (reader === undefined || reader.epoch < birth) {
      this.#free(page, count)
      return
    }
    reader.dead.push(page, count, birth, death)
    this.#buried += count
  }

  #lastBefore(epoch: number): Root | undefined {
    const { all } = this
    const newest = all[all.length - 1]
    if (newest !== undefined && newest.epoch < epoch) return newest
    let low = 0
    let high = all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (all[middle]!.epoch < epoch) low = middle + 1
      else high = middle
    }
    return all[low - 1]
  }

  /** For a new root. */
  noDead(): DeadPages {
    return this.#spare.pop() ?? new DeadPages()
  }

  /** Drops a root if nobody holds it and it is not the newest. */
  drop(root: Root): void {
    const index = this.all.indexOf(root)
    if (index < 0 || root.holders > 0 || index === this.all.length - 1) return
    this.all.splice(index, 1)
    root.dead.drain(this.#buryAgain)
    if (this.#spare.length < SPARE_MAX) this.#spare.push(root.dead)
    root.dead = new DeadPages()
  }

  hold(root: Root): void {
    invariant(this.all.includes(root), 'only a retained root can be held')
    root.holders++
  }

  unhold(root: Root): void {
    invariant(root.holders > 0, 'a root was released twice')
    root.holders--
    if (root.holders === 0) this.retain(Infinity)
  }

  /** Whether so many pages have died since `retain` that it is worth another look. */
  get isRetentionDue(): boolean {
    return this.#buried >= RETAIN_AFTER_PAGES
  }

  /**
   * Applies the retention rules (docs/adr/0008-old-roots.md): the newest root, those far enough from the one before, and all that are
   * held, within number, age, and `deadPagesMax` pages that only unheld old roots see.
   */
  retain(deadPagesMax: number): void {
    const { maxVersions, maxAgeMs, now } = this.#retention
    const nowMs = now()
    this.#buried = 0
    let kept: Root | undefined
    const roots = this.all.slice()
    for (let i = 0; i < roots.length - 1; i++) {
      const root = roots[i]!
      // One may be all that keeps its neighbours from being too far apart: what is between them could not be read.
      const isLink = kept !== undefined && this.#isGap(kept, roots[i + 1]!)
      const isIdle = kept !== undefined && !this.#isFar(kept, root)
      if (root.holders === 0 && !isLink && (isIdle || nowMs - root.publishedAtMs > maxAgeMs)) this.drop(root)
      else kept = root
    }
    for (;;) {
      const isCrowded = this.#unheldDead() > deadPagesMax
      if (!isCrowded && this.all.length <= maxVersions) return
      const victim = this.all.slice(0, -1).find(root => root.holders === 0)
      if (victim === undefined) return
      if (isCrowded) this.#crowdedOut = victim
      this.drop(victim)
    }
  }

  /** Pages that are not the newest root's and that some root still sees. */
  get deadPages(): number {
    let pages = 0
    for (const { dead } of this.all) pages += dead.pages
    return pages
  }

  /** Pages that would be freed or pass to a held root if the unheld ones went. */
  #unheldDead(): number {
    let pages = 0
    for (let i = 0; i < this.all.length - 1; i++) {
      const root = this.all[i]!
      if (root.holders === 0) pages += root.dead.pages
    }
    return pages
  }
}
