import { MISMATCH, toColumnValue, isReference } from '../../encoding/index.ts'
import type { Expr, Operand, Value } from '../../encoding/index.ts'
import { indexKey, indexPrefix, rowKey } from '../tables/index.ts'
import type { Table, TableIndex } from '../tables/index.ts'
import { partsEnd } from './stored-row.ts'

/** What a condition asks of one column, in the form of the column's type. */
interface Wanted {
  equal?: Value
  low?: Value
  high?: Value
}

/**
 * Where rows for which a condition is true can be: between `start` and `end` among the rows, or among the entries of an index. What the
 * condition asks beyond that is for the reader to look at.
 */
export interface RowWalk {
  readonly index: TableIndex | undefined
  readonly start: Uint8Array
  readonly end: Uint8Array
  /** Whether the walk comes by the rows in the order of the primary key. */
  readonly isInOrder: boolean
}

/**
 * Chooses a walk: all of the primary key, all columns of an index, the beginning of the key, that of an index, or all rows. Part of apply:
 * how many records it comes by decides about the transaction, so that the choice may change with the feature level only.
 */
export function chooseWalk(table: Table, where: Expr | undefined, caller: string): RowWalk {
  const wanted = new Map<string, Wanted>()
  if (where !== undefined) collect(table, where, caller, wanted)
  const wantedAt = (position: number): Wanted => wanted.get(table.columns[position]!.name) ?? {}
  const key = leadingCells(table.keyPositions.map(wantedAt))
  if (key.length === table.keyPositions.length) return walkRows(table, key)
  let best: { index: TableIndex; cells: Value[]; next: Wanted; score: number } | undefined
  for (const index of table.parts.indexes) {
    if (!index.isReady || index.where !== undefined) continue
    const columns = table.positions(index.columns).map(wantedAt)
    const cells = leadingCells(columns)
    const isWhole = cells.length === columns.length
    if (index.kind === 'hash' && !isWhole) continue
    const next = columns[cells.length] ?? {}
    const isBounded = next.low !== undefined || next.high !== undefined
    const score = (isWhole ? 1_000 : 0) + 2 * cells.length + (isBounded ? 1 : 0)
    if (score > (best?.score ?? 0)) best = { index, cells, next, score }
  }
  if (best === undefined || (best.score < 1_000 && key.length > 0)) return walkRows(table, key)
  return walkIndex(table, best.index, best.cells, best.next, best.score >= 1_000)
}

function walkRows(table: Table, key: readonly Value[]): RowWalk {
  const start = rowKey(table, key)
  return { index: undefined, start, end: partsEnd(start), isInOrder: true }
}

function walkIndex(table: Table, index: TableIndex, cells: Value[], { low, high }: Wanted, isWhole: boolean): RowWalk {
  const prefix = cells.length === 0 ? indexPrefix(index.id) : indexKey(table, index, cells)
  const start = low === undefined ? prefix : indexKey(table, index, [...cells, low])
  const end = partsEnd(high === undefined ? prefix : indexKey(table, index, [...cells, high]))
  return { index, start, end, isInOrder: isWhole }
}

/** As many cells from the first on as are asked for by equality. */
function leadingCells(columns: readonly Wanted[]): Value[] {
  const cells: Value[] = []
  for (const { equal } of columns) {
    if (equal === undefined) break
    cells.push(equal)
  }
  return cells
}

/** Only literals that the column can hold count, and bounds are taken as if they belonged to the range. */
function collect(table: Table, expr: Expr, caller: string, wanted: Map<string, Wanted>): void {
  switch (expr.op) {
    case 'and':
      for (const arg of expr.args) collect(table, arg, caller, wanted)
      return
    case 'eq':
      return add(table, expr.column, 'equal', expr.value, caller, wanted)
    case 'gt':
    case 'gte':
      return add(table, expr.column, 'low', expr.value, caller, wanted)
    case 'lt':
    case 'lte':
      return add(table, expr.column, 'high', expr.value, caller, wanted)
    case 'between':
      add(table, expr.column, 'low', expr.low, caller, wanted)
      return add(table, expr.column, 'high', expr.high, caller, wanted)
    default:
      return
  }
}

function add(
  table: Table,
  name: string,
  bound: keyof Wanted,
  operand: Operand,
  caller: string,
  wanted: Map<string, Wanted>,
): void {
  const position = table.position(name)
  if (position === undefined || (isReference(operand) && !('caller' in operand))) return
  const cell = toColumnValue(table.columns[position]!.type, isReference(operand) ? caller : operand)
  if (cell === MISMATCH || cell === null) return
  const found = wanted.get(name)
  if (found === undefined) wanted.set(name, { [bound]: cell })
  else found[bound] ??= cell
}
