import { RangeDigest } from '../../encoding/index.ts'
import { ROW_PREFIX_BYTES } from '../tables/index.ts'
import type { Table, TableIndex } from '../tables/index.ts'

/** A row that was looked at by its key. */
export interface CapturedPoint {
  readonly table: Table
  /** Its primary key as ordered key bytes. */
  readonly key: Uint8Array
  /** The version found; 0 = absent. */
  readonly seq: number
}

/** A stretch of rows or index entries that was read, as a range of a read set has it. */
export interface CapturedRange {
  readonly table: Table
  /** Undefined: of rows. */
  readonly index: TableIndex | undefined
  /** Ordered key bytes without layer and id; undefined = from the first, to the last. */
  readonly start: Uint8Array | undefined
  readonly end: Uint8Array | undefined
  readonly reverse: boolean
  /** How many records from its beginning were read; 0 = all. */
  readonly limit: number
  readonly digest: string
}

/** What one walk has seen: the first records of its range, or all of it. */
export class RangeTrace {
  readonly #table: Table
  readonly #index: TableIndex | undefined
  readonly #start: Uint8Array
  readonly #end: Uint8Array
  readonly #reverse: boolean
  readonly #digest = new RangeDigest()
  #isWhole = false

  constructor(table: Table, index: TableIndex | undefined, start: Uint8Array, end: Uint8Array, reverse: boolean) {
    this.#table = table
    this.#index = index
    this.#start = start
    this.#end = end
    this.#reverse = reverse
  }

  /** A record that has not expired; `key` is whole. */
  saw(key: Uint8Array, seq: number): void {
    this.#digest.add(key, ROW_PREFIX_BYTES, key.length, seq)
  }

  sawEnd(): void {
    this.#isWhole = true
  }

  /** Undefined if nothing was seen. */
  toRange(): CapturedRange | undefined {
    if (!this.#isWhole && this.#digest.records === 0) return undefined
    const start = this.#start.subarray(ROW_PREFIX_BYTES)
    // The end of a space is the beginning of the next, in fewer bytes or under another id.
    const isOfSpace = startsWithSpace(this.#end, this.#start)
    return {
      table: this.#table,
      index: this.#index,
      start: start.length === 0 ? undefined : start.slice(),
      end: isOfSpace ? this.#end.slice(ROW_PREFIX_BYTES) : undefined,
      reverse: this.#reverse,
      limit: this.#isWhole ? 0 : this.#digest.records,
      digest: this.#digest.toHex(),
    }
  }
}

function startsWithSpace(key: Uint8Array, other: Uint8Array): boolean {
  if (key.length < ROW_PREFIX_BYTES) return false
  for (let i = 0; i < ROW_PREFIX_BYTES; i++) if (key[i] !== other[i]) return false
  return true
}

/**
 * Collects what a query reads, no more and no less: whoever reads the same points and ranges again and finds the same versions would get
 * the same answer.
 */
export class ReadCapture {
  readonly #points = new Map<string, CapturedPoint>()
  readonly #ranges: RangeTrace[] = []

  /** `key` is the row's whole key. */
  point(table: Table, key: Uint8Array, seq: number): void {
    let id = ''
    for (let i = 1; i < key.length; i++) id += String.fromCharCode(key[i]!)
    if (!this.#points.has(id)) this.#points.set(id, { table, key: key.slice(ROW_PREFIX_BYTES), seq })
  }

  range(table: Table, index: TableIndex | undefined, start: Uint8Array, end: Uint8Array, reverse: boolean): RangeTrace {
    const trace = new RangeTrace(table, index, start, end, reverse)
    this.#ranges.push(trace)
    return trace
  }

  get points(): readonly CapturedPoint[] {
    return [...this.#points.values()]
  }

  get ranges(): readonly CapturedRange[] {
    return this.#ranges.map(trace => trace.toRange()).filter(range => range !== undefined)
  }
}
