import { compareColumnValues, DEFAULT_SCOPE } from '../../../encoding/index.ts'
import type { Expr, Row, TableTarget, Updates, Value } from '../../../encoding/index.ts'
import { QuorateError } from '../../errors.ts'
import { isName, requireName } from '../../names.ts'
import { invalid } from '../arguments.ts'
import { conditionFor, sourceLookup, sourceTarget, updateData } from '../../tables/index.ts'
import type { CellCodec, CodecLookup, QuerySource, TableDefinition } from '../../tables/index.ts'

/** A table as the facade works with it: where it lies and how rows, keys and updates become data and back. */
export class TableAccess {
  readonly source: QuerySource
  readonly target: Required<TableTarget>
  readonly lookup: CodecLookup
  readonly definition: TableDefinition | undefined

  /** @throws QuorateError `invalid_name` */
  constructor(source: QuerySource) {
    const { project, scope = DEFAULT_SCOPE, table } = sourceTarget(source)
    requireName('project', project)
    requireName('scope', scope)
    requireName('table', table)
    this.source = source
    this.target = { project, scope, table }
    this.lookup = sourceLookup(source)
    this.definition = 'kind' in source ? source : undefined
  }

  /** Columns of the primary key, in order; undefined for a table that is used by name. */
  get keyColumns(): readonly string[] | undefined {
    return this.definition?.data.primaryKey
  }

  codec(column: string): CellCodec<unknown> {
    const { names } = this.lookup
    if (names === undefined ? !isName(column) : !names.includes(column)) {
      throw new QuorateError('column_not_found', `there is no column ${column.slice(0, 140)} in ${this.target.table}`)
    }
    return this.lookup.codec(column)
  }

  /** Cells that are not given (undefined) are left out. @throws QuorateError `type_mismatch`, `column_not_found` */
  encodeRow(row: object): Row {
    if (typeof row !== 'object' || row === null) throw invalid('a row is an object')
    const cells: [string, Value][] = []
    for (const [column, value] of Object.entries(row) as [string, unknown][]) {
      if (value !== undefined) cells.push([column, this.#encodeCell(column, value)])
    }
    return Object.fromEntries(cells)
  }

  #encodeCell(column: string, value: unknown): Value {
    const codec = this.codec(column)
    if (value === null && this.definition?.columns[column]?.parts.isNullable !== false) return null
    try {
      return codec.encode(value)
    } catch (error) {
      throw error instanceof QuorateError ? named(error, column) : error
    }
  }

  /** The cells of the primary key; a key of one column may be given as its cell. */
  encodeKey(key: unknown): Row {
    const { keyColumns } = this
    const isCells = typeof key === 'object' && key !== null && !(key instanceof Uint8Array)
    if (!isCells && keyColumns?.length === 1) return { [keyColumns[0]!]: this.#encodeCell(keyColumns[0]!, key) }
    if (!isCells) throw invalid('a key is given as its cells by column name')
    if (keyColumns === undefined) return this.encodeRow(key)
    const given = key as Readonly<Record<string, unknown>>
    return Object.fromEntries(
      keyColumns.map(column => {
        if (!Object.hasOwn(given, column)) throw invalid(`the key lacks the column ${column}`)
        return [column, this.#encodeCell(column, given[column])]
      }),
    )
  }

  /** @throws QuorateError `invalid_argument` if the cells of `row` are not those of `key` */
  requireKeyOf(row: object, key: unknown): void {
    const cells = this.encodeRow(row)
    for (const [column, cell] of Object.entries(this.encodeKey(key))) {
      const other = Object.hasOwn(cells, column) ? cells[column]! : null
      const isSame = cell === null || other === null ? cell === other : compareColumnValues(cell, other) === 0
      if (!isSame) throw invalid(`the row has another key: column ${column}`)
    }
  }

  /** @throws QuorateError `type_mismatch`, `column_not_found`, `invalid_argument` if nothing is set */
  encodeUpdates(set: object): Updates {
    const entries = Object.entries(set).filter(([, update]) => update !== undefined)
    if (entries.length === 0) throw invalid('an update sets nothing')
    return Object.fromEntries(
      entries.map(([column, update]) => {
        try {
          return [column, updateData(update, this.codec(column))]
        } catch (error) {
          throw error instanceof QuorateError ? named(error, column) : error
        }
      }),
    )
  }

  condition(where: unknown): Expr {
    return conditionFor(where as Expr, this.lookup)
  }

  /** A row as the program sees it. Columns that the definition does not declare are left out. */
  decodeRow(columns: readonly string[], cells: readonly Value[]): object {
    const names = this.lookup.names ?? columns
    const row: Record<string, unknown> = {}
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!
      // A table's columns mostly are in the order of its definition.
      const at = columns[i] === name ? i : columns.indexOf(name)
      if (at < 0) throw new QuorateError('column_not_found', `the table ${this.target.table} has no column ${name}`)
      row[name] = decodeCell(name, cells[at]!, this.lookup.codec(name))
    }
    return row
  }

  decodeCells(row: Row): object {
    return this.decodeRow(Object.keys(row), Object.values(row))
  }
}

export function decodeCell(name: string, cell: Value, codec: CellCodec<unknown>): unknown {
  if (cell === null || codec.isPlain === true) return cell
  try {
    return codec.decode(cell)
  } catch (error) {
    throw error instanceof QuorateError ? named(error, name) : error
  }
}

function named(error: QuorateError, column: string): QuorateError {
  return error.code === 'column_not_found'
    ? error
    : new QuorateError(error.code, `column ${column}: ${error.message}`, { cause: error })
}
