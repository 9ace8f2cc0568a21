import { compareBytes, compareColumnValues } from '../../encoding/index.ts'
import type { Value } from '../../encoding/index.ts'
import type { Scalar } from '../conditions/index.ts'
import type { PlacesOfWalk } from './join-sources.ts'
import { textOfValues } from './keys-of-values.ts'
import type { RowSource, TableSource } from './sources.ts'
import { END, PAUSE, ROW, sizeOfRow } from './work.ts'
import type { Pull, Work } from './work.ts'

/**
 * Where a later page goes on: behind a record of the walk, after a number of joined rows behind a record of the first table's walk (empty =
 * from its beginning), behind a place in the order, or after a number of rows of a query that is run again.
 */
export type Mark =
  | { readonly kind: 'key'; readonly key: Uint8Array }
  | { readonly kind: 'joined'; readonly key: Uint8Array; readonly rows: number }
  | { readonly kind: 'sort'; readonly keys: readonly Value[]; readonly tie: Uint8Array }
  | { readonly kind: 'count'; readonly rows: number }

/** Rows of the result in their order. */
export interface Stage {
  pull(): Pull
  /** The row after `ROW`; it belongs to the caller. */
  row(): Value[]
  /** The place of that row; undefined where only counting helps. */
  mark(): Mark | undefined
}

/** `blank` has as many cells as the row: a list that grows takes room for many more. */
function read(outputs: readonly Scalar[], { cells }: RowSource, blank: readonly Value[]): Value[] {
  const row = blank.slice()
  for (let i = 0; i < outputs.length; i++) row[i] = outputs[i]!(cells)
  return row
}

/** Rows in the order of their source. */
export class InSourceOrder implements Stage {
  readonly #source: RowSource
  readonly #outputs: readonly Scalar[]
  /** Undefined: the rows are not those of one walk. */
  readonly #walk: TableSource | undefined
  readonly #blank: readonly Value[]

  constructor(source: RowSource, outputs: readonly Scalar[], walk: TableSource | undefined) {
    this.#source = source
    this.#outputs = outputs
    this.#walk = walk
    this.#blank = outputs.map(() => null)
  }

  pull(): Pull {
    return this.#source.pull()
  }

  row(): Value[] {
    return read(this.#outputs, this.#source, this.#blank)
  }

  mark(): Mark | undefined {
    return this.#walk === undefined ? undefined : { kind: 'key', key: this.#walk.position.slice() }
  }
}

/** Joined rows in the order of the first table's walk. */
export class InJoinOrder implements Stage {
  readonly #stage: InSourceOrder
  readonly #places: PlacesOfWalk
  #row = 0
  /** Rows of the result with the first table's present row. */
  #rows = 0

  constructor(source: RowSource, outputs: readonly Scalar[], places: PlacesOfWalk) {
    this.#stage = new InSourceOrder(source, outputs, undefined)
    this.#places = places
  }

  pull(): Pull {
    const pulled = this.#stage.pull()
    if (pulled !== ROW) return pulled
    if (this.#row !== this.#places.rows) {
      this.#row = this.#places.rows
      this.#rows = 0
    }
    this.#rows++
    return ROW
  }

  row(): Value[] {
    return this.#stage.row()
  }

  mark(): Mark {
    return { kind: 'joined', key: this.#places.before, rows: this.#rows }
  }
}

export interface OrderKey {
  readonly read: Scalar
  readonly isDescending: boolean
}

interface SortedRow {
  readonly keys: readonly Value[]
  /** Tells rows with equal keys apart: the primary key, or the number of the row. */
  readonly tie: Uint8Array | number
  readonly row: Value[]
  readonly bytes: number
}

/** The first `count` rows in an order (all if infinite): no more than these are held. Rows with equal keys are by primary key. */
export class InOrder implements Stage {
  readonly #work: Work
  readonly #source: RowSource
  readonly #outputs: readonly Scalar[]
  readonly #blank: readonly Value[]
  readonly #order: readonly OrderKey[]
  readonly #count: number
  readonly #table: TableSource | undefined
  readonly #behind: Extract<Mark, { kind: 'sort' }> | undefined
  /** The last row is on top. */
  readonly #heap: SortedRow[] = []
  #sorted: SortedRow[] | undefined
  #drained = 0
  #next = 0
  #seen = 0
  /** Keys of the row at hand, before it is known whether it is kept. */
  readonly #keys: Value[]
  readonly #tieSign: number

  constructor(
    work: Work,
    source: RowSource,
    outputs: readonly Scalar[],
    order: readonly OrderKey[],
    options: { count: number; table: TableSource | undefined; behind: Extract<Mark, { kind: 'sort' }> | undefined },
  ) {
    this.#work = work
    this.#source = source
    this.#outputs = outputs
    this.#blank = outputs.map(() => null)
    this.#order = order
    this.#count = options.count
    this.#table = options.table
    this.#behind = options.behind
    this.#keys = order.map(() => null)
    // A walk in reverse gives equal rows in reverse, too.
    this.#tieSign = order.at(-1)?.isDescending === true && options.table !== undefined ? -1 : 1
  }

  pull(): Pull {
    if (this.#sorted === undefined && this.#gather() === PAUSE) return PAUSE
    const sorted = this.#sorted!
    while (this.#drained > 0) {
      if (this.#work.isStepOver) return PAUSE
      this.#work.spend()
      sorted[--this.#drained] = this.#pop()
    }
    if (this.#next === sorted.length) return END
    this.#next++
    return ROW
  }

  row(): Value[] {
    return this.#sorted![this.#next - 1]!.row
  }

  mark(): Mark | undefined {
    const { keys, tie } = this.#sorted![this.#next - 1]!
    return typeof tie === 'number' ? undefined : { kind: 'sort', keys, tie }
  }

  #gather(): Pull {
    for (;;) {
      const pulled = this.#source.pull()
      if (pulled === PAUSE) return PAUSE
      if (pulled === END) break
      this.#consider()
    }
    this.#drained = this.#heap.length
    this.#sorted = Array.from({ length: this.#heap.length })
    return END
  }

  #consider(): void {
    const { cells } = this.#source
    for (let i = 0; i < this.#order.length; i++) this.#keys[i] = this.#order[i]!.read(cells)
    const tie = this.#table?.rowKey ?? this.#seen++
    if (this.#behind !== undefined && this.#compare(this.#keys, tie, this.#behind.keys, this.#behind.tie) <= 0) return
    const isFull = this.#heap.length >= this.#count
    if (isFull) {
      const last = this.#heap[0]!
      if (this.#compare(this.#keys, tie, last.keys, last.tie) >= 0) return
      this.#work.release(this.#pop().bytes)
    }
    const keys = this.#keys.slice()
    const row = read(this.#outputs, this.#source, this.#blank)
    const bytes = 96 + sizeOfRow(keys) + sizeOfRow(row)
    this.#work.hold(this.#heap.length + 1, bytes)
    this.#push({ keys, tie: typeof tie === 'number' ? tie : tie.slice(), row, bytes })
  }

  #compare(
    keys: readonly Value[],
    tie: Uint8Array | number,
    others: readonly Value[],
    other: Uint8Array | number,
  ): number {
    for (let i = 0; i < keys.length; i++) {
      const order = compareColumnValues(keys[i]!, others[i]!)
      if (order !== 0) return this.#order[i]!.isDescending ? -order : order
    }
    if (typeof tie === 'number') return tie - (other as number)
    return compareBytes(tie, other as Uint8Array) * this.#tieSign
  }

  #isAfter(a: SortedRow, b: SortedRow): boolean {
    return this.#compare(a.keys, a.tie, b.keys, b.tie) > 0
  }

  #push(row: SortedRow): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(row)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#isAfter(row, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = row
  }

  #pop(): SortedRow {
    const heap = this.#heap
    const top = heap[0]!
    const row = heap.pop()!
    if (heap.length === 0) return top
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#isAfter(heap[child + 1]!, heap[child]!)) child++
      if (!this.#isAfter(heap[child]!, row)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = row
    return top
  }
}

/** Each row once, where it comes first. */
export class Distinct implements Stage {
  readonly #work: Work
  readonly #stage: Stage
  readonly #seen = new Set<string>()
  #row: Value[] = []

  constructor(work: Work, stage: Stage) {
    this.#work = work
    this.#stage = stage
  }

  pull(): Pull {
    for (;;) {
      const pulled = this.#stage.pull()
      if (pulled !== ROW) return pulled
      this.#row = this.#stage.row()
      const text = textOfValues(this.#row)
      if (this.#seen.has(text)) continue
      this.#work.hold(this.#seen.size + 1, 64 + 2 * text.length)
      this.#seen.add(text)
      return ROW
    }
  }

  row(): Value[] {
    return this.#row
  }

  mark(): undefined {
    return undefined
  }
}
