import { RowLayout } from '../../encoding/index.ts'
import type { ColumnType, Expr, ReferentialAction, Value } from '../../encoding/index.ts'

/** Columns, indexes and foreign keys name each other by ids, which are never reused; names are for people and may change. */
export interface Column {
  readonly id: number
  readonly name: string
  readonly type: ColumnType
  readonly isNullable: boolean
  /** Null = no default. */
  readonly default: Value
  /** Gets the entry's leader time instead. */
  readonly isDefaultNow: boolean
  /** What rows have in it that were written before it was added. */
  readonly missing: Value
}

export interface TableIndex {
  readonly id: number
  readonly name: string
  /** Column ids. */
  readonly columns: readonly number[]
  readonly kind: 'ordered' | 'hash'
  readonly isUnique: boolean
  readonly where: Expr | undefined
  /** Writers keep an index from its creating entry on; queries may use it once it is ready. */
  readonly isReady: boolean
}

export interface Check {
  readonly name: string
  readonly check: Expr
  /** Writers are held to it from the creating entry on; false until the rows before that have been looked at. */
  readonly isValid: boolean
}

export interface ForeignKey {
  readonly name: string
  /** Column ids of this table, in the order of `references`. */
  readonly columns: readonly number[]
  readonly tableId: number
  /** Column ids of the referenced table. */
  readonly references: readonly number[]
  /** The referenced unique index; undefined = the primary key. */
  readonly indexId: number | undefined
  /** The index of this table by which the rows that refer to a row are found; its first columns are `columns` in some order. */
  readonly lookupIndexId: number
  /** That index was made for the foreign key, and goes with it. */
  readonly ownsIndex: boolean
  /** As of checks. Until then no action follows a change of referenced rows: it is refused. */
  readonly isValid: boolean
  readonly onDelete: ReferentialAction
  readonly onUpdate: ReferentialAction
}

/** A layout as the catalog keeps it: the ids of its columns, those of the primary key excepted. */
export interface LayoutRecord {
  readonly version: number
  readonly columns: readonly { readonly id: number; readonly type: ColumnType }[]
}

/** What was begun and came to nothing: a build or a validation that met a row which does not fit. */
export interface TableFailure {
  /** Of the index, check, foreign key or column. */
  readonly name: string
  readonly message: string
  readonly seq: number
}

/** So many failures are remembered of a table. */
export const FAILURES_MAX = 8

export interface TableParts {
  readonly id: number
  readonly projectId: number
  readonly scopeId: number
  readonly name: string
  /** '' = nobody's. */
  readonly owner: string
  readonly columns: readonly Column[]
  /** Column ids, in key order. */
  readonly primaryKey: readonly number[]
  /** Every layout that rows may have; the last is what new rows get. */
  readonly layouts: readonly LayoutRecord[]
  readonly indexes: readonly TableIndex[]
  readonly checks: readonly Check[]
  readonly foreignKeys: readonly ForeignKey[]
  readonly readPolicy: Expr | undefined
  /** Ids of columns that no writer may set Null any more, and whose rows from before are being looked at. */
  readonly pendingNotNull: readonly number[]
  /** Newest last. */
  readonly failures: readonly TableFailure[]
  readonly nextColumnId: number
}

/** What parts of a table take in memory, as measured on a heap of 64 bits. */
const MEMORY = { table: 1_800, column: 215, index: 220, rule: 400, layout: 120, layoutColumn: 45, failure: 200 }

/** Where a column's cell is in rows of one layout: its slot, or that the row has none. */
const MISSING = -1

/** The places of a table's columns in rows of one layout. */
export interface RowPlaces {
  readonly layout: RowLayout
  /** By column position: slot of the layout, or -1 where the row has none (then `Column.missing` holds). */
  readonly slots: readonly number[]
}

/** A table of the catalog, ready for use. Immutable: what changes a table makes another. Columns are named by their position. */
export class Table {
  readonly parts: TableParts
  readonly columns: readonly Column[]
  /** Positions of the columns of the primary key, in key order. */
  readonly keyPositions: readonly number[]
  /** By position: which part of the key the column is, or -1. */
  readonly keyParts: readonly number[]
  readonly #pendingNotNull: ReadonlySet<number>
  readonly #byName = new Map<string, number>()
  readonly #byId = new Map<number, number>()
  readonly #places = new Map<number, RowPlaces>()

  constructor(parts: TableParts) {
    this.parts = parts
    this.columns = parts.columns
    this.#pendingNotNull = new Set(parts.pendingNotNull)
    parts.columns.forEach(({ id, name }, position) => {
      this.#byName.set(name, position)
      this.#byId.set(id, position)
    })
    this.keyPositions = parts.primaryKey.map(id => this.positionOfId(id)!)
    this.keyParts = parts.columns.map(({ id }) => parts.primaryKey.indexOf(id))
  }

  get id(): number {
    return this.parts.id
  }

  /** What it takes in memory: counted by its parts. Conditions count as one each. */
  get memoryBytes(): number {
    const { columns, indexes, checks, foreignKeys, layouts, failures, name, readPolicy } = this.parts
    let bytes = MEMORY.table + name.length
    for (const column of columns) bytes += MEMORY.column + column.name.length
    for (const index of indexes) bytes += MEMORY.index + index.name.length
    for (const layout of layouts) bytes += MEMORY.layout + MEMORY.layoutColumn * layout.columns.length
    const rules = checks.length + foreignKeys.length + (readPolicy === undefined ? 0 : 1)
    return bytes + MEMORY.rule * rules + MEMORY.failure * failures.length
  }

  get name(): string {
    return this.parts.name
  }

  position(name: string): number | undefined {
    return this.#byName.get(name)
  }

  positionOfId(id: number): number | undefined {
    return this.#byId.get(id)
  }

  /** Whether a writer may set the column Null. */
  mayBeNull(position: number): boolean {
    const { id, isNullable } = this.columns[position]!
    return isNullable && !this.#pendingNotNull.has(id)
  }

  index(name: string): TableIndex | undefined {
    return this.parts.indexes.find(index => index.name === name)
  }

  indexOfId(id: number): TableIndex | undefined {
    return this.parts.indexes.find(index => index.id === id)
  }

  /** The positions of columns given by their ids. */
  positions(ids: readonly number[]): number[] {
    return ids.map(id => this.positionOfId(id)!)
  }

  /** The layout of new rows. */
  get newest(): RowPlaces {
    return this.places(this.parts.layouts.at(-1)!.version)!
  }

  /** Undefined for a layout that the table never had. */
  places(version: number): RowPlaces | undefined {
    let places = this.#places.get(version)
    if (places === undefined) {
      const record = this.parts.layouts.find(layout => layout.version === version)
      if (record === undefined) return undefined
      const slotOf = new Map(record.columns.map(({ id }, slot) => [id, slot]))
      places = {
        layout: new RowLayout(
          version,
          record.columns.map(({ type }) => type),
        ),
        slots: this.columns.map(({ id }) => slotOf.get(id) ?? MISSING),
      }
      this.#places.set(version, places)
    }
    return places
  }
}
