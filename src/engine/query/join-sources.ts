import type { Value } from '../../encoding/index.ts'
import { CellList } from '../conditions/index.ts'
import type { Condition } from '../conditions/index.ts'
import { textOfValue } from './keys-of-values.ts'
import type { RowSource, TableSource } from './sources.ts'
import { END, PAUSE, ROW, sizeOfRow } from './work.ts'
import type { Pull, Work } from './work.ts'

/** Where the cells of one table that the query reads go in the joined row. */
export interface CellPlaces {
  /** Positions in the table. */
  readonly from: readonly number[]
  /** Positions in the joined row. */
  readonly to: readonly number[]
}

/** The row that all parts of a join fill, each its own places. */
export class JoinedRow extends CellList {
  readonly values: Value[]

  constructor(length: number) {
    const values: Value[] = Array.from({ length }, () => null)
    super(values)
    this.values = values
  }

  take({ cells }: RowSource, { from, to }: CellPlaces): void {
    for (let i = 0; i < from.length; i++) this.values[to[i]!] = cells.cell(from[i]!)
  }

  set(values: readonly Value[], { to }: CellPlaces): void {
    for (let i = 0; i < to.length; i++) this.values[to[i]!] = values[i]!
  }

  clear({ to }: CellPlaces): void {
    for (let i = 0; i < to.length; i++) this.values[to[i]!] = null
  }
}

/** The first table of a join. */
export class FirstOfJoin implements RowSource {
  readonly cells: JoinedRow
  readonly #source: TableSource
  readonly #places: CellPlaces
  readonly #walked: PlacesOfWalk | undefined

  /** `walked`: hears of each row's place. */
  constructor(row: JoinedRow, source: TableSource, places: CellPlaces, walked?: PlacesOfWalk) {
    this.cells = row
    this.#source = source
    this.#places = places
    this.#walked = walked
  }

  pull(): Pull {
    const pulled = this.#source.pull()
    if (pulled === ROW) {
      this.cells.take(this.#source, this.#places)
      this.#walked?.moved(this.#source.position)
    }
    return pulled
  }
}

/** Where the walk of a join's first table stands, and where it stood one row before. */
export class PlacesOfWalk {
  /** Rows of the first table so far. */
  rows = 0
  #now: Uint8Array = new Uint8Array(64)
  #nowBytes = 0
  #before: Uint8Array = new Uint8Array(64)
  #beforeBytes = 0

  /** `behind`: the place that the walk begins behind; empty = the beginning. */
  constructor(behind: Uint8Array) {
    this.moved(behind)
    this.rows = 0
  }

  /** Behind it the walk gives its present row once more. A copy; empty = the beginning. */
  get before(): Uint8Array {
    return this.#before.slice(0, this.#beforeBytes)
  }

  moved(place: Uint8Array): void {
    const spare = this.#before
    this.#before = this.#now
    this.#beforeBytes = this.#nowBytes
    this.#now = spare.length < place.length ? new Uint8Array(place.length * 2) : spare
    this.#now.set(place)
    this.#nowBytes = place.length
    this.rows++
  }
}

export interface JoinStep {
  readonly type: 'inner' | 'left' | 'right' | 'full' | 'cross'
  readonly places: CellPlaces
  /** What must hold beyond the equality of the keys. */
  readonly on: Condition | undefined
}

/** Inner and left joins: for each row on the left the rows on the right are looked for by an index. */
export class LookUpJoin implements RowSource {
  readonly cells: JoinedRow
  readonly #work: Work
  readonly #left: RowSource
  readonly #step: JoinStep
  /** The right rows for the joined row as it is; undefined = none, a key is Null or beyond the column. */
  readonly #open: () => TableSource | undefined
  #right: TableSource | undefined
  #isOnLeft = false
  #isMatched = false
  #rows = 0

  constructor(work: Work, row: JoinedRow, left: RowSource, step: JoinStep, open: () => TableSource | undefined) {
    this.cells = row
    this.#work = work
    this.#left = left
    this.#step = step
    this.#open = open
  }

  pull(): Pull {
    for (;;) {
      if (this.#work.isStepOver) return PAUSE
      if (!this.#isOnLeft) {
        const pulled = this.#left.pull()
        if (pulled !== ROW) return pulled
        this.#isOnLeft = true
        this.#isMatched = false
        this.#right = this.#open()
      }
      const pulled = this.#right?.pull() ?? END
      if (pulled === PAUSE) return PAUSE
      if (pulled === END) {
        this.#isOnLeft = false
        if (this.#isMatched || this.#step.type !== 'left') continue
        this.cells.clear(this.#step.places)
        return this.#give()
      }
      this.cells.take(this.#right!, this.#step.places)
      if (this.#step.on !== undefined && this.#step.on(this.cells) !== true) continue
      this.#isMatched = true
      return this.#give()
    }
  }

  #give(): Pull {
    this.#work.hold(++this.#rows, 0)
    return ROW
  }
}

interface HeldRow {
  readonly values: readonly Value[]
  isMatched: boolean
}

/** Joins of all types: the right side is held, by its keys if there are equalities. Null joins nothing. */
export class HeldJoin implements RowSource {
  readonly cells: JoinedRow
  readonly #work: Work
  readonly #left: RowSource
  readonly #right: TableSource
  readonly #step: JoinStep
  /** Positions in the joined row whose values must be equal, pairwise; empty: every row is a match as far as `on` allows. */
  readonly #keys: { readonly left: readonly number[]; readonly right: readonly number[] }
  /** All places on the left. */
  readonly #leftPlaces: CellPlaces
  readonly #rows: HeldRow[] = []
  readonly #buckets = new Map<string, HeldRow[]>()
  #isHeld = false
  #bucket: readonly HeldRow[] | undefined
  #at = 0
  #isMatched = false
  #isLeftOver = false
  #given = 0

  constructor(
    work: Work,
    row: JoinedRow,
    left: RowSource,
    right: TableSource,
    step: JoinStep,
    keys: { left: readonly number[]; right: readonly number[]; leftPlaces: CellPlaces },
  ) {
    this.cells = row
    this.#work = work
    this.#left = left
    this.#right = right
    this.#step = step
    this.#keys = keys
    this.#leftPlaces = keys.leftPlaces
  }

  pull(): Pull {
    if (!this.#isHeld && this.#hold() === PAUSE) return PAUSE
    while (!this.#isLeftOver) {
      if (this.#work.isStepOver) return PAUSE
      if (this.#bucket === undefined) {
        const pulled = this.#left.pull()
        if (pulled === PAUSE) return PAUSE
        if (pulled === END) {
          this.#isLeftOver = true
          this.#at = 0
          break
        }
        this.#bucket = this.#matches()
        this.#at = 0
        this.#isMatched = false
      }
      const pulled = this.#nextMatch(this.#bucket)
      if (pulled !== END) return pulled
      this.#bucket = undefined
      if (this.#isMatched || (this.#step.type !== 'left' && this.#step.type !== 'full')) continue
      this.cells.clear(this.#step.places)
      return this.#give()
    }
    return this.#nextLeftOver()
  }

  #hold(): Pull {
    const { places } = this.#step
    for (;;) {
      const pulled = this.#right.pull()
      if (pulled === PAUSE) return PAUSE
      if (pulled === END) break
      this.cells.take(this.#right, places)
      const values = places.to.map(to => this.cells.values[to]!)
      const row: HeldRow = { values, isMatched: false }
      this.#rows.push(row)
      const text = this.#textOf(this.#keys.right)
      this.#work.hold(this.#rows.length, sizeOfRow(values) + 64 + 2 * (text?.length ?? 0))
      if (text === undefined || this.#keys.right.length === 0) continue
      const bucket = this.#buckets.get(text)
      if (bucket === undefined) this.#buckets.set(text, [row])
      else bucket.push(row)
    }
    this.#isHeld = true
    return END
  }

  /** Undefined if a key is Null. */
  #textOf(positions: readonly number[]): string | undefined {
    let text = ''
    for (const position of positions) {
      const value = this.cells.values[position]!
      if (value === null) return undefined
      text += textOfValue(value)
    }
    return text
  }

  #matches(): readonly HeldRow[] {
    if (this.#keys.left.length === 0) return this.#rows
    const text = this.#textOf(this.#keys.left)
    return (text === undefined ? undefined : this.#buckets.get(text)) ?? NO_ROWS
  }

  #nextMatch(bucket: readonly HeldRow[]): Pull {
    while (this.#at < bucket.length) {
      if (this.#work.isStepOver) return PAUSE
      this.#work.spend()
      const held = bucket[this.#at++]!
      this.cells.set(held.values, this.#step.places)
      if (this.#step.on !== undefined && this.#step.on(this.cells) !== true) continue
      this.#isMatched = true
      held.isMatched = true
      return this.#give()
    }
    return END
  }

  /** Right rows that nothing on the left has matched. */
  #nextLeftOver(): Pull {
    if (this.#step.type !== 'right' && this.#step.type !== 'full') return END
    while (this.#at < this.#rows.length) {
      if (this.#work.isStepOver) return PAUSE
      this.#work.spend()
      const held = this.#rows[this.#at++]!
      if (held.isMatched) continue
      this.cells.clear(this.#leftPlaces)
      this.cells.set(held.values, this.#step.places)
      return this.#give()
    }
    return END
  }

  #give(): Pull {
    this.#work.hold(++this.#given, 0)
    return ROW
  }
}

const NO_ROWS: readonly HeldRow[] = []
