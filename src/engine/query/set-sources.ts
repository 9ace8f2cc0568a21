import { compareBytes } from '../../encoding/index.ts'
import type { Condition } from '../conditions/index.ts'
import { openScan } from '../record-scan.ts'
import type { RecordScan } from '../record-store.ts'
import { ROW_PREFIX_BYTES, rowsPrefix } from '../tables/index.ts'
import type { RowView, Table, TableIndex } from '../tables/index.ts'
import type { KeyRange } from './key-ranges.ts'
import type { RangeTrace } from './read-capture.ts'
import type { RowLookUp, TableSource } from './sources.ts'
import type { Sight } from './sight.ts'
import { SteppedSort } from './stepped-sort.ts'
import { END, PAUSE, ROW } from './work.ts'
import type { Pull, Work } from './work.ts'

/** Entries that are passed one by one before a side of an intersection looks for its place from the root. */
const STEPS_BEFORE_SEEK = 8

/** One side of an intersection: all entries of an index with the same cells, which are in the order of the primary key. */
export interface EntryBand {
  readonly index: TableIndex
  /** The space and the cells. */
  readonly prefix: Uint8Array
  readonly range: KeyRange
}

/** Rows whose entries are in every band, by primary key: the sides take turns to catch up with each other. */
export class Intersection implements TableSource {
  readonly cells: RowView
  readonly #sides: readonly Side[]
  readonly #lookUp: RowLookUp
  readonly #filter: Condition | undefined
  /** The key of the row that the sides agree on, or that the one furthest ahead stands on. */
  #rowKey: Uint8Array
  /** Sides, from `#turn` on, that stand on that row. */
  #agreed = 0
  #turn = 0

  /** `behind`: the row's key after which to begin, if not with the first. */
  constructor(
    work: Work,
    table: Table,
    bands: readonly EntryBand[],
    options: {
      lookUp: RowLookUp
      filter: Condition | undefined
      behind: Uint8Array | undefined
      sight: Sight | undefined
    },
  ) {
    const { lookUp, filter, behind, sight } = options
    this.#sides = bands.map(band => new Side(work, table, band, sight))
    this.#filter = filter
    this.#lookUp = lookUp
    this.cells = this.#lookUp.view
    this.#rowKey = behind === undefined ? rowsPrefix(table.id) : keyAfter(behind)
  }

  get position(): Uint8Array {
    return this.#rowKey
  }

  get rowKey(): Uint8Array {
    return this.#rowKey
  }

  pull(): Pull {
    for (;;) {
      const met = this.#meet()
      if (met !== ROW) return met
      const isThere = this.#lookUp.find(this.#rowKey)
      const isFit = isThere && (this.#filter === undefined || this.#filter(this.cells) === true)
      this.#agreed = 0
      // The next row is behind this one: the side whose turn it is moves on.
      this.#sides[this.#turn]!.isUsed = true
      if (isFit) return ROW
    }
  }

  /** Until all sides stand on one row. */
  #meet(): Pull {
    const { length } = this.#sides
    while (this.#agreed < length) {
      const side = this.#sides[(this.#turn + this.#agreed) % length]!
      const moved = side.advance(this.#rowKey)
      if (moved !== ROW) return moved
      if (this.#agreed > 0 && side.compare(this.#rowKey) === 0) this.#agreed++
      else {
        this.#turn = (this.#turn + this.#agreed) % length
        this.#rowKey = side.rowKey()
        this.#agreed = 1
      }
    }
    return ROW
  }
}

class Side {
  readonly #work: Work
  readonly #table: Table
  readonly #band: EntryBand
  readonly #sight: Sight | undefined
  #scan: RecordScan | undefined
  #trace: RangeTrace | undefined
  #isOn = false
  #isRead = false
  #steps = 0
  /** The entry it stands on was part of a result. */
  isUsed = false

  constructor(work: Work, table: Table, band: EntryBand, sight: Sight | undefined) {
    this.#work = work
    this.#table = table
    this.#band = band
    this.#sight = sight
  }

  /** To the first entry of a row at or behind `rowKey`; behind the present one if that is used. */
  advance(rowKey: Uint8Array): Pull {
    for (;;) {
      if (this.#work.isStepOver) return PAUSE
      if (this.#isOn && !this.#isRead) {
        const isSeen = this.#sight?.sees(this.#scan!.key, this.#band.index) ?? true
        const record = this.#scan!.record()
        this.#work.look()
        this.#isRead = true
        if (this.#work.isGone(record)) this.#isOn = false
        else if (isSeen) this.#trace?.saw(this.#scan!.key, record.versionSeq)
      }
      if (this.#isOn && !this.isUsed && this.compare(rowKey) >= 0) {
        this.#steps = 0
        return ROW
      }
      if (this.#scan === undefined || this.#steps >= STEPS_BEFORE_SEEK) this.#seek(rowKey)
      if (!this.#scan!.next()) {
        this.#trace?.sawEnd()
        return END
      }
      this.#steps++
      this.#isOn = true
      this.#isRead = false
      this.isUsed = false
    }
  }

  /** Where the present entry's row lies beside another. */
  compare(rowKey: Uint8Array): number {
    const entry = this.#scan!.key
    const at = this.#band.prefix.length
    return compareBytes(entry.subarray(at), rowKey.subarray(ROW_PREFIX_BYTES))
  }

  rowKey(): Uint8Array {
    const entry = this.#scan!.key
    const at = this.#band.prefix.length
    const key = new Uint8Array(ROW_PREFIX_BYTES + entry.length - at)
    key.set(rowsPrefix(this.#table.id))
    key.set(entry.subarray(at), ROW_PREFIX_BYTES)
    return key
  }

  #seek(rowKey: Uint8Array): void {
    const { prefix, range, index } = this.#band
    const start = new Uint8Array(prefix.length + rowKey.length - ROW_PREFIX_BYTES)
    start.set(prefix)
    start.set(rowKey.subarray(ROW_PREFIX_BYTES), prefix.length)
    this.#scan = openScan(this.#work.reader, start, range.end, false)
    this.#trace = this.#work.capture?.range(this.#table, index, start, range.end, false)
    this.#steps = 0
    this.#isOn = false
  }
}

function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

/** A branch of a union: gives the keys of its rows. */
export interface KeyBranch {
  pull(): Pull
  readonly rowKey: Uint8Array
}

/** Rows that any branch gives, each once, by primary key. The keys are held; the rows are not. */
export class Union implements TableSource {
  readonly cells: RowView
  readonly #work: Work
  readonly #branches: readonly KeyBranch[]
  readonly #behind: Uint8Array | undefined
  readonly #lookUp: RowLookUp
  readonly #filter: Condition | undefined
  #branch = 0
  #found: Map<string, Uint8Array> | undefined = new Map()
  #sort: SteppedSort<Uint8Array> | undefined
  #keys: readonly Uint8Array[] = []
  #next = 0

  constructor(
    work: Work,
    branches: readonly KeyBranch[],
    options: { lookUp: RowLookUp; filter: Condition | undefined; behind: Uint8Array | undefined },
  ) {
    this.#work = work
    this.#branches = branches
    this.#filter = options.filter
    this.#behind = options.behind
    this.#lookUp = options.lookUp
    this.cells = this.#lookUp.view
  }

  get position(): Uint8Array {
    return this.#keys[this.#next - 1]!
  }

  get rowKey(): Uint8Array {
    return this.position
  }

  pull(): Pull {
    if (this.#sort === undefined && this.#collect() === PAUSE) return PAUSE
    if (this.#found !== undefined) {
      if (this.#sort!.step() === PAUSE) return PAUSE
      this.#keys = this.#sort!.sorted
      this.#found = undefined
    }
    while (this.#next < this.#keys.length) {
      if (this.#work.isStepOver) return PAUSE
      const isThere = this.#lookUp.find(this.#keys[this.#next]!)
      this.#next++
      if (isThere && (this.#filter === undefined || this.#filter(this.cells) === true)) return ROW
    }
    return END
  }

  #collect(): Pull {
    const found = this.#found!
    while (this.#branch < this.#branches.length) {
      const branch = this.#branches[this.#branch]!
      const pulled = branch.pull()
      if (pulled === PAUSE) return PAUSE
      if (pulled === END) this.#branch++
      else this.#add(found, branch.rowKey)
    }
    this.#sort = new SteppedSort(this.#work, [...found.values()], compareBytes)
    return END
  }

  #add(found: Map<string, Uint8Array>, key: Uint8Array): void {
    if (this.#behind !== undefined && compareBytes(key, this.#behind) <= 0) return
    const id = textOfKey(key)
    if (found.has(id)) return
    this.#work.hold(found.size + 1, 128 + 3 * key.length)
    found.set(id, key.slice())
  }
}

/** A character a byte, without the layer. */
export function textOfKey(key: Uint8Array): string {
  let text = ''
  for (let i = 1; i < key.length; i++) text += String.fromCharCode(key[i]!)
  return text
}
