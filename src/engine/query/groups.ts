import { compareColumnValues } from '../../encoding/index.ts'
import type { ColumnType, Value } from '../../encoding/index.ts'
import type { AggregateData } from '../../model/index.ts'
import { CellList } from '../conditions/index.ts'
import type { Condition, Scalar } from '../conditions/index.ts'
import { textOfValue, textOfValues } from './keys-of-values.ts'
import type { RowSource } from './sources.ts'
import { SteppedSort } from './stepped-sort.ts'
import { FloatSum, IntegerSum } from './sums.ts'
import { END, PAUSE, ROW, sizeOf, sizeOfRow } from './work.ts'
import type { Pull, Work } from './work.ts'

export interface AggregateSpec {
  readonly function: AggregateData['function']
  /** Undefined: rows are counted. */
  readonly read: Scalar | undefined
  readonly type: ColumnType
}

/** What one aggregate of one group has come to. */
interface Accumulator {
  add(value: Value): void
  result(): Value
}

interface Group {
  readonly key: readonly Value[]
  readonly accumulators: readonly Accumulator[]
}

/** Rows gathered by their group columns: of each group these columns, then the aggregates, by group key. Without any, one row. */
export class Groups implements RowSource {
  readonly cells: CellList = new CellList([])
  readonly #work: Work
  readonly #source: RowSource
  readonly #keys: readonly Scalar[]
  readonly #aggregates: readonly AggregateSpec[]
  readonly #having: Condition | undefined
  readonly #groups = new Map<string, Group>()
  #whole: Group | undefined
  #sort: SteppedSort<Group> | undefined
  #sorted: readonly Group[] | undefined
  #next = 0

  constructor(
    work: Work,
    source: RowSource,
    keys: readonly Scalar[],
    aggregates: readonly AggregateSpec[],
    having: Condition | undefined,
  ) {
    this.#work = work
    this.#source = source
    this.#keys = keys
    this.#aggregates = aggregates
    this.#having = having
  }

  /** Groups so far, before `having` chooses among them. */
  get count(): number {
    return this.#groups.size
  }

  pull(): Pull {
    if (this.#sort === undefined && this.#gather() === PAUSE) return PAUSE
    if (this.#sorted === undefined && this.#sort!.step() === PAUSE) return PAUSE
    this.#sorted ??= this.#sort!.sorted
    const groups = this.#sorted
    while (this.#next < groups.length) {
      if (this.#work.isStepOver) return PAUSE
      this.#work.spend()
      const { key, accumulators } = groups[this.#next++]!
      this.cells.cells = [...key, ...accumulators.map(accumulator => accumulator.result())]
      if (this.#having === undefined || this.#having(this.cells) === true) return ROW
    }
    return END
  }

  #gather(): Pull {
    const { cells } = this.#source
    for (;;) {
      const pulled = this.#source.pull()
      if (pulled === PAUSE) return PAUSE
      if (pulled === END) break
      const { accumulators } =
        this.#keys.length === 0 ? this.#only() : this.#groupOf(this.#keys.map(read => read(cells)))
      for (let i = 0; i < accumulators.length; i++) {
        const { read } = this.#aggregates[i]!
        accumulators[i]!.add(read === undefined ? true : read(cells))
      }
    }
    if (this.#keys.length === 0) this.#only()
    this.#sort = new SteppedSort(this.#work, [...this.#groups.values()], (a, b) => compareKeys(a.key, b.key))
    return END
  }

  /** All rows are one group, also if there are none. */
  #only(): Group {
    this.#whole ??= this.#groupOf([])
    return this.#whole
  }

  #groupOf(key: readonly Value[]): Group {
    const text = textOfValues(key)
    let group = this.#groups.get(text)
    if (group === undefined) {
      this.#work.hold(this.#groups.size + 1, sizeOfRow(key) + 2 * text.length + 96 * this.#aggregates.length)
      group = { key, accumulators: this.#aggregates.map(spec => accumulatorOf(spec, this.#work)) }
      this.#groups.set(text, group)
    }
    return group
  }
}

function compareKeys(a: readonly Value[], b: readonly Value[]): number {
  for (let i = 0; i < a.length; i++) {
    const order = compareColumnValues(a[i]!, b[i]!)
    if (order !== 0) return order
  }
  return 0
}

function accumulatorOf({ function: name, type }: AggregateSpec, work: Work): Accumulator {
  switch (name) {
    case 'count':
      return new Count()
    case 'countDistinct':
      return new DistinctCount(work)
    case 'min':
      return new Extreme(work, -1)
    case 'max':
      return new Extreme(work, 1)
    case 'sum':
      return type === 'float' ? new SumOfFloats() : new SumOfIntegers(type === 'u256' || type === 'i256')
    case 'avg':
      return type === 'float' ? new AverageOfFloats() : new AverageOfIntegers()
    default:
      throw new RangeError(`aggregate ${String(name satisfies never)}`)
  }
}

class Count implements Accumulator {
  #count = 0

  add(value: Value): void {
    if (value !== null) this.#count++
  }

  result(): Value {
    return this.#count
  }
}

class DistinctCount implements Accumulator {
  readonly #work: Work
  readonly #seen = new Set<string>()

  constructor(work: Work) {
    this.#work = work
  }

  add(value: Value): void {
    if (value === null) return
    const text = textOfValue(value)
    if (this.#seen.has(text)) return
    this.#work.hold(this.#seen.size + 1, 64 + 2 * text.length)
    this.#seen.add(text)
  }

  result(): Value {
    return this.#seen.size
  }
}

class Extreme implements Accumulator {
  readonly #work: Work
  readonly #sign: number
  #value: Value = null

  constructor(work: Work, sign: 1 | -1) {
    this.#work = work
    this.#sign = sign
  }

  add(value: Value): void {
    if (value === null) return
    if (this.#value !== null && compareColumnValues(value, this.#value) * this.#sign <= 0) return
    this.#work.release(this.#value === null ? 0 : sizeOf(this.#value))
    this.#work.hold(0, sizeOf(value))
    this.#value = value
  }

  result(): Value {
    return this.#value
  }
}

class SumOfIntegers implements Accumulator {
  readonly #sum = new IntegerSum()
  readonly #isWide: boolean

  constructor(isWide: boolean) {
    this.#isWide = isWide
  }

  add(value: Value): void {
    if (value !== null) this.#sum.add(value as number | bigint)
  }

  result(): Value {
    return this.#sum.count === 0 ? null : this.#sum.total(this.#isWide)
  }
}

class AverageOfIntegers implements Accumulator {
  readonly #sum = new IntegerSum()

  add(value: Value): void {
    if (value !== null) this.#sum.add(value as number | bigint)
  }

  result(): Value {
    return this.#sum.count === 0 ? null : Number(this.#sum.exact) / this.#sum.count
  }
}

class SumOfFloats implements Accumulator {
  readonly #sum = new FloatSum()

  add(value: Value): void {
    if (value !== null) this.#sum.add(value as number)
  }

  result(): Value {
    return this.#sum.count === 0 ? null : this.#sum.total()
  }
}

class AverageOfFloats implements Accumulator {
  readonly #sum = new FloatSum()

  add(value: Value): void {
    if (value !== null) this.#sum.add(value as number)
  }

  result(): Value {
    return this.#sum.count === 0 ? null : this.#sum.total() / this.#sum.count
  }
}
