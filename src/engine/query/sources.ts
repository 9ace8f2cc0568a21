import { InvariantError } from '../../model/index.ts'
import { readKeyValue, skipKeyValue } from '../../encoding/index.ts'
import type { Value } from '../../encoding/index.ts'
import type { Cells, Condition } from '../conditions/index.ts'
import { openScan, peekRecord } from '../record-scan.ts'
import type { RecordScan } from '../record-store.ts'
import { ROW_PREFIX_BYTES, rowsPrefix, RowView } from '../tables/index.ts'
import type { Table, TableIndex } from '../tables/index.ts'
import type { KeySource } from './access-path.ts'
import type { KeyRange } from './key-ranges.ts'
import type { RangeTrace } from './read-capture.ts'
import type { Sight } from './sight.ts'
import { END, PAUSE, ROW } from './work.ts'
import type { Pull, Work } from './work.ts'

/**
 * Rows that are pulled one at a time. After `ROW`, `cells` is the row until the next pull. A pull that throws `ColdPages` has lost
 * nothing: it is made again after the load.
 */
export interface RowSource {
  readonly cells: Cells
  pull(): Pull
}

/** Rows of one table. */
export interface TableSource extends RowSource {
  /** The key of the record that the walk stands on: where a later page goes on behind. Valid until the next pull. */
  readonly position: Uint8Array
  /** The row's whole key, valid until the next pull. */
  readonly rowKey: Uint8Array
}

/** Walks ranges of one space one after the other. hot path (bench/query) */
class RangeWalk {
  readonly #work: Work
  readonly #table: Table
  readonly #index: TableIndex | undefined
  readonly #ranges: readonly KeyRange[]
  readonly #reverse: boolean
  readonly #sight: Sight | undefined
  #next = 0
  #scan: RecordScan | undefined
  #trace: RangeTrace | undefined
  /** The scan has moved to a record that was not yet looked at. */
  #isOn = false

  /** `sight`: which records a read set may speak of; undefined = all. */
  constructor(
    work: Work,
    table: Table,
    index: TableIndex | undefined,
    ranges: readonly KeyRange[],
    reverse: boolean,
    sight: Sight | undefined,
  ) {
    this.#work = work
    this.#table = table
    this.#index = index
    this.#ranges = ranges
    this.#reverse = reverse
    this.#sight = sight
  }

  get key(): Uint8Array {
    return this.#scan!.key
  }

  /** The scan stands on a record, or has ended. */
  move(): boolean {
    if (this.#isOn) return true
    for (;;) {
      if (this.#scan === undefined && !this.#open()) return false
      if (this.#scan!.next()) {
        this.#isOn = true
        return true
      }
      this.#trace?.sawEnd()
      this.#scan = undefined
    }
  }

  /** The record that `move` went to; undefined if it has expired. Throws `ColdPages`, then `move` stays on it. */
  record(): ReturnType<RecordScan['record']> | undefined {
    const isSeen = this.#sight?.sees(this.#scan!.key, this.#index) ?? true
    const record = this.#scan!.record()
    this.#isOn = false
    this.#work.look()
    if (this.#work.isGone(record)) return undefined
    if (isSeen) this.#trace?.saw(this.#scan!.key, record.versionSeq)
    return record
  }

  #open(): boolean {
    const at = this.#reverse ? this.#ranges.length - 1 - this.#next : this.#next
    const range = this.#ranges[at]
    if (range === undefined) return false
    this.#next++
    this.#scan = openScan(this.#work.reader, range.start, range.end, this.#reverse)
    this.#trace = this.#work.capture?.range(this.#table, this.#index, range.start, range.end, this.#reverse)
    return true
  }
}

/** Rows by their primary key, in ranges of it. */
export class RowRanges implements TableSource {
  readonly cells: RowView
  readonly #work: Work
  readonly #walk: RangeWalk
  readonly #filter: Condition | undefined

  constructor(
    work: Work,
    table: Table,
    ranges: readonly KeyRange[],
    options: { reverse: boolean; filter: Condition | undefined; sight: Sight | undefined },
  ) {
    const { reverse, filter, sight } = options
    this.#work = work
    this.#walk = new RangeWalk(work, table, undefined, ranges, reverse, sight)
    this.#filter = filter
    this.cells = new RowView(table)
  }

  get position(): Uint8Array {
    return this.#walk.key
  }

  get rowKey(): Uint8Array {
    return this.#walk.key
  }

  pull(): Pull {
    const walk = this.#walk
    for (;;) {
      if (this.#work.isStepOver) return PAUSE
      if (!walk.move()) return END
      const record = walk.record()
      if (record === undefined) continue
      this.cells.open(walk.key, record.bytes, record.valueAt)
      if (this.#filter === undefined || this.#filter(this.cells) === true) return ROW
    }
  }
}

/** Looks rows up by their keys, in place, and keeps the last. */
export class RowLookUp {
  readonly view: RowView
  readonly #work: Work
  readonly #table: Table
  readonly #policy: Condition | undefined

  /** `policy`: what a row must be for the reader to see it. Filters see to that; a point of a read set says so, too. */
  constructor(work: Work, table: Table, policy: Condition | undefined) {
    this.#work = work
    this.#table = table
    this.#policy = policy
    this.view = new RowView(table)
  }

  /** Whether there is a row; `view` is it then, for as long as `key` stays what it is. */
  find(key: Uint8Array): boolean {
    const record = peekRecord(this.#work.reader, key)
    this.#work.look()
    const isThere = record !== undefined && !this.#work.isGone(record)
    if (isThere) this.view.open(key, record.bytes, record.valueAt)
    const { capture } = this.#work
    if (capture !== undefined) {
      const isSeen = isThere && (this.#policy === undefined || this.#policy(this.view) === true)
      capture.point(this.#table, key, isSeen ? record.versionSeq : 0)
    }
    return isThere
  }
}

/** Rows by their whole primary keys. */
export class RowPoints implements TableSource {
  readonly cells: RowView
  readonly #work: Work
  readonly #keys: readonly Uint8Array[]
  readonly #lookUp: RowLookUp
  readonly #filter: Condition | undefined
  readonly #reverse: boolean
  #next = 0

  constructor(
    work: Work,
    lookUp: RowLookUp,
    keys: readonly Uint8Array[],
    reverse: boolean,
    filter: Condition | undefined,
  ) {
    this.#work = work
    this.#keys = keys
    this.#filter = filter
    this.#reverse = reverse
    this.#lookUp = lookUp
    this.cells = this.#lookUp.view
  }

  get position(): Uint8Array {
    return this.#keyAt(this.#next - 1)
  }

  get rowKey(): Uint8Array {
    return this.position
  }

  pull(): Pull {
    while (this.#next < this.#keys.length) {
      if (this.#work.isStepOver) return PAUSE
      const isThere = this.#lookUp.find(this.#keyAt(this.#next))
      this.#next++
      if (isThere && (this.#filter === undefined || this.#filter(this.cells) === true)) return ROW
    }
    return END
  }

  #keyAt(at: number): Uint8Array {
    return this.#keys[this.#reverse ? this.#keys.length - 1 - at : at]!
  }
}

/** An index entry read as a row: only the columns of its key. */
class EntryView implements Cells {
  /** By position: which part of the entry the column is, or -1. */
  readonly #partOf: readonly number[]
  readonly #starts: number[]
  #known = 0
  #key: Uint8Array = NO_KEY

  constructor({ columns, partOf }: KeySource) {
    this.#partOf = partOf
    this.#starts = columns.map(() => 0)
  }

  open(key: Uint8Array): void {
    this.#key = key
    this.#known = 0
  }

  cell(position: number): Value {
    return readKeyValue(this.#key, this.startOf(this.#partOf[position]!))
  }

  /** Where part `part` begins. */
  startOf(part: number): number {
    const starts = this.#starts
    if (this.#known === 0) {
      starts[0] = ROW_PREFIX_BYTES
      this.#known = 1
    }
    while (this.#known <= part) {
      starts[this.#known] = skipKeyValue(this.#key, starts[this.#known - 1]!)
      this.#known++
    }
    return starts[part]!
  }
}

const NO_KEY = new Uint8Array(0)

/** The key of the row that an entry names, in an array that serves all entries whose keys are as long. */
class RowKeyBuffer {
  readonly #prefix: Uint8Array
  key: Uint8Array

  constructor(table: Table) {
    this.#prefix = rowsPrefix(table.id)
    this.key = this.#prefix
  }

  /** `partsEnd` is where the entry's indexed cells end. */
  take(entry: Uint8Array, partsEnd: number): Uint8Array {
    const length = ROW_PREFIX_BYTES + entry.length - partsEnd
    if (this.key.length !== length) {
      this.key = new Uint8Array(length)
      this.key.set(this.#prefix)
    }
    const { key } = this
    for (let i = ROW_PREFIX_BYTES, j = partsEnd; i < length; i++, j++) key[i] = entry[j]!
    return key
  }
}

export interface IndexFilters {
  /** On what the entry has: a row that fails it is not looked up. */
  readonly onEntry: Condition | undefined
  /** On the row. */
  readonly onRow: Condition | undefined
}

/** Rows by an index: looked up one by one, or without `lookUp` from its entries alone. */
export class IndexRanges implements TableSource {
  readonly cells: Cells
  readonly #work: Work
  readonly #walk: RangeWalk
  readonly #entry: EntryView
  /** Indexed cells of an entry. */
  readonly #parts: number
  readonly #rowKey: RowKeyBuffer
  readonly #lookUp: RowLookUp | undefined
  readonly #filters: IndexFilters
  /** An entry whose row is yet to be looked up. */
  #isPending = false

  constructor(
    work: Work,
    table: Table,
    source: KeySource,
    ranges: readonly KeyRange[],
    options: { reverse: boolean; lookUp: RowLookUp | undefined; filters: IndexFilters; sight: Sight | undefined },
  ) {
    this.#work = work
    this.#walk = new RangeWalk(work, table, source.index, ranges, options.reverse, options.sight)
    this.#entry = new EntryView(source)
    this.#parts = source.index!.columns.length
    this.#rowKey = new RowKeyBuffer(table)
    this.#filters = options.filters
    this.#lookUp = options.lookUp
    this.cells = this.#lookUp?.view ?? this.#entry
  }

  get position(): Uint8Array {
    return this.#walk.key
  }

  get rowKey(): Uint8Array {
    if (this.#lookUp === undefined) this.#rowKey.take(this.#walk.key, this.#entry.startOf(this.#parts))
    return this.#rowKey.key
  }

  pull(): Pull {
    for (;;) {
      if (!this.#isPending) {
        const moved = this.#nextEntry()
        if (moved !== ROW || this.#lookUp === undefined) return moved
      }
      this.#isPending = true
      const isFit = this.#findRow(this.#lookUp!)
      this.#isPending = false
      if (isFit) return ROW
    }
  }

  #nextEntry(): Pull {
    const walk = this.#walk
    const { onEntry } = this.#filters
    for (;;) {
      if (this.#work.isStepOver) return PAUSE
      if (!walk.move()) return END
      if (walk.record() === undefined) continue
      this.#entry.open(walk.key)
      if (onEntry === undefined || onEntry(this.#entry) === true) return ROW
    }
  }

  #findRow(lookUp: RowLookUp): boolean {
    const key = this.#rowKey.take(this.#walk.key, this.#entry.startOf(this.#parts))
    if (!lookUp.find(key)) throw new InvariantError('an index entry names a row that is not there', () => key)
    const { onRow } = this.#filters
    return onRow === undefined || onRow(lookUp.view) === true
  }
}
