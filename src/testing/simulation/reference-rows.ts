import { ByteWriter, compareBytes, rangeDigest, writeKeyValue } from '../../encoding/index.ts'
import type { PointRead, RangeRead, TableAssertion, TableTarget } from '../../encoding/index.ts'
import { compares } from './reference-conditions.ts'
import type { ReferenceRow, ReferenceTable, ReferenceTables } from './reference-tables.ts'

/** What a precondition on rows has come to; a string is the code of a refusal. `actualSeq`: the version found, 0 = absent. */
export type RowFinding = { readonly holds: boolean; readonly actualSeq: number } | string

/** Preconditions on rows, of callers who see all of them. */
export class ReferenceRows {
  readonly #tables: ReferenceTables

  constructor(tables: ReferenceTables) {
    this.#tables = tables
  }

  #table({ table: name }: Pick<TableTarget, 'table'>): ReferenceTable | undefined {
    return this.#tables.tables.find(table => table.name === name)
  }

  judge(assertion: TableAssertion): RowFinding {
    const table = this.#table(assertion)
    if (table === undefined) return 'table_not_found'
    if (assertion.type === 'count' || assertion.type === 'sum') {
      throw new RangeError(`the reference does not know ${assertion.type}`)
    }
    const row = this.#tables.find(table, assertion.key)
    const actualSeq = row?.seq ?? 0
    switch (assertion.type) {
      case 'rowVersion':
        return { holds: actualSeq === assertion.seq, actualSeq }
      case 'rowExists':
        return { holds: actualSeq > 0 === assertion.expected, actualSeq }
      case 'rowCompare': {
        const { column, op, value } = assertion
        return { holds: row !== undefined && compares(row.cells[column]!, op, value) === true, actualSeq }
      }
      default:
        throw new RangeError(`assertion ${String(assertion satisfies never)}`)
    }
  }

  /** A row of a read set. */
  point({ table: name = '', key, seq }: PointRead): RowFinding {
    const table = this.#table({ table: name })
    if (table === undefined) return 'table_not_found'
    const row = this.#tables.live(table).find(other => compareBytes(keyOf(table, other), key) === 0)
    const actualSeq = row?.seq ?? 0
    return { holds: actualSeq === seq, actualSeq }
  }

  /** Rows of a read set in the order of the primary key. */
  range({ table: name = '', index, start, end, reverse = false, limit, digest }: RangeRead): RowFinding {
    if (index !== undefined) throw new RangeError('the reference knows no versions of index entries')
    const table = this.#table({ table: name })
    if (table === undefined) return 'table_not_found'
    const records = this.#tables.live(table).map(row => ({ key: keyOf(table, row), seq: row.seq }))
    const inRange = records.filter(
      ({ key }) =>
        (start === undefined || compareBytes(key, start) >= 0) && (end === undefined || compareBytes(key, end) < 0),
    )
    if (reverse) inRange.reverse()
    const read = limit === 0 ? inRange : inRange.slice(0, limit)
    return { holds: rangeDigest(read) === digest, actualSeq: 0 }
  }
}

const writer = new ByteWriter(64)

/** The primary key as the ordered key of the row. */
function keyOf(table: ReferenceTable, row: ReferenceRow): Uint8Array {
  writer.reset()
  for (const name of table.primaryKey) {
    writeKeyValue(writer, table.columns.find(column => column.name === name)!.type, row.cells[name]!)
  }
  return writer.finish()
}
