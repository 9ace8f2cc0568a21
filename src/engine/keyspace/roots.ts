import type { Digest64 } from '../../encoding/index.ts'
import { invariant } from './assert.ts'
import type { SuperblockMeta } from './superblock.ts'

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
  /** Views, superblocks and a running checkpoint hold the root by counting here. */
  holders: number
  /** Superblocks among the holders: the file keeps their pages anyway. */
  superblocks: number
  /** Dead pages whose newest retained reader is this root: page, count, birth, death, one after the other. */
  dead: number[]
  /** The sum of the counts in `dead`. */
  deadPages: number
}

export interface RetentionOptions {
  /** Roots kept for reads at older seqs, leased ones included. */
  maxVersions: number
  maxAgeMs: number
  now: () => number
}

/**
 * The retained roots, oldest first, and the dead pages that they still see. A page is visible to the roots from its birth
 * epoch up to (not including) its death epoch; it waits in the list of the newest retained one of these, moves to an older
 * one when that root goes, and is freed when there is none left. So a long view holds only what it can see.
 */
export class Roots {
  readonly all: Root[] = []
  readonly #retention: RetentionOptions
  readonly #free: (page: number, count: number) => void

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

  /** A root of the newest one's epoch takes its place: its pages were changed, and nobody can see it any more. */
  add(root: Root): void {
    const before = this.all.at(-1)
    invariant(before === undefined || before.epoch <= root.epoch, 'roots go back')
    if (before?.epoch !== root.epoch) this.all.push(root)
    else {
      invariant(before.holders === 0 && before.dead.length === 0, 'a root that somebody sees was changed')
      this.all[this.all.length - 1] = root
    }
  }

  /** Whether the newest root must stay as it is when a newer one comes: it is held, or the first of its second. */
  keepsNewest(): boolean {
    const before = this.all.at(-2)
    if (before === undefined || this.newest.holders > 0) return true
    return secondOf(before) !== secondOf(this.newest)
  }

  /** A page born in epoch `birth` is not part of the root of epoch `death` and later ones. */
  bury(page: number, count: number, birth: number, death: number): void {
    let low = 0
    let high = this.all.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.all[middle]!.epoch < death) low = middle + 1
      else high = middle
    }
    const reader = this.all[low - 1]
    if (reader === undefined || reader.epoch < birth) {
      this.#free(page, count)
      return
    }
    reader.dead.push(page, count, birth, death)
    reader.deadPages += count
  }

  /** Drops a root if nobody holds it and it is not the newest. */
  drop(root: Root): void {
    const index = this.all.indexOf(root)
    if (index < 0 || root.holders > 0 || index === this.all.length - 1) return
    this.all.splice(index, 1)
    const dead = root.dead
    for (let i = 0; i < dead.length; i += 4) {
      this.bury(dead[i]!, dead[i + 1]!, dead[i + 2]!, dead[i + 3]!)
    }
    root.dead = []
    root.deadPages = 0
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

  /**
   * Applies the retention rules (DESIGN 5): the newest root, the first one of each second, and all that are held, within
   * number, age, and `deadPagesMax` pages that only unheld old roots see.
   */
  retain(deadPagesMax: number): void {
    const { maxVersions, maxAgeMs, now } = this.#retention
    const nowMs = now()
    let second = -1
    for (const root of this.all.slice(0, -1)) {
      const its = secondOf(root)
      if (root.holders === 0 && (its === second || nowMs - root.publishedAtMs > maxAgeMs)) this.drop(root)
      else second = its
    }
    while (this.all.length > maxVersions || this.#unheldDead() > deadPagesMax) {
      const victim = this.all.slice(0, -1).find(root => root.holders === 0)
      if (victim === undefined) return
      this.drop(victim)
    }
  }

  /** Pages that would be freed or pass to a held root if the unheld ones went. */
  #unheldDead(): number {
    let pages = 0
    for (let i = 0; i < this.all.length - 1; i++) {
      const root = this.all[i]!
      if (root.holders === 0) pages += root.deadPages
    }
    return pages
  }
}

function secondOf(root: Root): number {
  return Math.floor(root.publishedAtMs / 1000)
}
