import type { ColumnType, Value } from '../../encoding/index.ts'

/** A row as expressions read it: by the position of its columns. A `RowView` is one. */
export interface Cells {
  cell(position: number): Value
}

/** What an expression's names mean. A `Table` is one. */
export interface ColumnNames {
  position(name: string): number | undefined
  readonly columns: readonly { readonly type: ColumnType }[]
}

/** A row in memory. */
export class CellList implements Cells {
  cells: readonly Value[]

  constructor(cells: readonly Value[]) {
    this.cells = cells
  }

  cell(position: number): Value {
    return this.cells[position]!
  }
}
