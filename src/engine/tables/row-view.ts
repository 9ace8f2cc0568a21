import { readCell, readKeyValue, rowLayoutOf, skipKeyValue } from '../../encoding/index.ts'
import type { Value } from '../../encoding/index.ts'
import { InvariantError } from '../../model/index.ts'
import { asStored } from '../as-stored.ts'
import { ROW_PREFIX_BYTES } from './keys.ts'
import type { RowPlaces, Table } from './schema.ts'

/**
 * A stored row, read cell by cell where its bytes lie: a query that needs two columns decodes two. One view serves all rows of a scan;
 * `open` moves it. hot path (bench/query)
 */
export class RowView {
  readonly table: Table
  #key: Uint8Array = NO_BYTES
  #bytes: Uint8Array = NO_BYTES
  #start = 0
  #places: RowPlaces | undefined
  #layout = -1
  /** Where the parts of the key begin, as far as they were looked for. */
  readonly #partStarts: number[] = []
  #partsKnown = 0

  constructor(table: Table) {
    this.table = table
    this.#partStarts = table.keyPositions.map(() => 0)
  }

  /** `key` is the whole key of the record; `bytes` have its value from `start` on. Both must stay as they are while the view is used. */
  open(key: Uint8Array, bytes: Uint8Array, start: number = 0): void {
    this.#key = key
    this.#bytes = bytes
    this.#start = start
    this.#partsKnown = 0
    const layout = rowLayoutOf(bytes, start)
    if (layout === this.#layout) return
    const places = this.table.places(layout)
    // Not for the sender of a request to hear: apply stops at it.
    if (places === undefined) throw new InvariantError(`table ${this.table.id} has a row of layout ${layout}`)
    this.#places = places
    this.#layout = layout
  }

  /** The cell of the column at `position` of the table. */
  cell(position: number): Value {
    const part = this.table.keyParts[position]!
    if (part >= 0) return readKeyValue(this.#key, this.#partStart(part))
    const places = this.#places!
    const slot = places.slots[position]!
    if (slot < 0) return this.table.columns[position]!.missing
    return readCell(places.layout, slot, this.#bytes, this.#start)
  }

  /** All cells in the order of the table's columns. */
  cells(): Value[] {
    try {
      return this.table.columns.map((_, position) => this.cell(position))
    } catch (error) {
      throw asStored(error)
    }
  }

  #partStart(part: number): number {
    const starts = this.#partStarts
    if (this.#partsKnown === 0) {
      starts[0] = ROW_PREFIX_BYTES
      this.#partsKnown = 1
    }
    while (this.#partsKnown <= part) {
      starts[this.#partsKnown] = skipKeyValue(this.#key, starts[this.#partsKnown - 1]!)
      this.#partsKnown++
    }
    return starts[part]!
  }
}

const NO_BYTES = new Uint8Array(0)
