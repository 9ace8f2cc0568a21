import { narrow } from '../../encoding/index.ts'
import type { Row, UpdateExpr, Updates, Value } from '../../encoding/index.ts'
import { QuorateError } from '../errors.ts'
import type { CellCodec } from './cells.ts'

type UpdateKind = 'add' | 'subtract' | 'copy' | 'coalesce' | 'proposed' | 'addProposed'

/** How an update computes a cell out of the row, where a plain value would replace it. */
export class ColumnUpdate {
  readonly kind: UpdateKind
  readonly operand: unknown

  constructor(kind: UpdateKind, operand: unknown) {
    this.kind = kind
    this.operand = operand
  }
}

/** Adds to an integer of any width; Null stays Null. The write fails with `overflow` or `underflow` beyond the column's range. */
export function add(amount: bigint | number): ColumnUpdate {
  return new ColumnUpdate('add', amount)
}

/** Subtracts from an integer of any width; Null stays Null. */
export function subtract(amount: bigint | number): ColumnUpdate {
  return new ColumnUpdate('subtract', amount)
}

/** The cell of another column of the same type, as updates before this one have left it. */
export function copyOf(column: string): ColumnUpdate {
  return new ColumnUpdate('copy', column)
}

/** The value where the cell is Null; others stay. */
export function coalesce(value: unknown): ColumnUpdate {
  return new ColumnUpdate('coalesce', value)
}

/** In `onConflict`: the cell of the row that was to be inserted. */
export function proposed(column: string): ColumnUpdate {
  return new ColumnUpdate('proposed', column)
}

/** In `onConflict`: adds the cell of the row that was to be inserted. */
export function addProposed(column: string): ColumnUpdate {
  return new ColumnUpdate('addProposed', column)
}

/** @throws QuorateError `type_mismatch` */
export function updateData(update: unknown, codec: CellCodec<unknown>): UpdateExpr {
  if (!(update instanceof ColumnUpdate)) return { set: update === null ? null : codec.encode(update) }
  const { kind, operand } = update
  switch (kind) {
    case 'add':
      return { add: requireInteger(operand) }
    case 'subtract':
      return { subtract: requireInteger(operand) }
    case 'copy':
      return { copy: operand as string }
    case 'coalesce':
      return { coalesce: operand === null ? null : codec.encode(operand) }
    case 'proposed':
      return { proposed: operand as string }
    case 'addProposed':
      return { addProposed: operand as string }
    default:
      throw new QuorateError('invalid_argument', `no such update: ${String(kind satisfies never)}`)
  }
}

function requireInteger(operand: unknown): bigint | number {
  if (typeof operand === 'bigint' || Number.isSafeInteger(operand)) return operand as bigint | number
  throw new QuorateError('type_mismatch', `${String(operand)} is no integer to add`)
}

/**
 * The row that `updates` make of `row`, as the write will: for reads of rows whose update is not committed yet. Bounds of types are not
 * checked, for the write does that. Undefined if the updates speak of a proposed row.
 */
export function updatedRow(row: Row, updates: Updates): Row | undefined {
  const next: Record<string, Value> = { ...row }
  for (const [column, update] of Object.entries(updates)) {
    const value = updatedCell(next, column, update)
    if (value === undefined) return undefined
    next[column] = value
  }
  return next
}

function updatedCell(row: Row, column: string, update: UpdateExpr): Value | undefined {
  const cell = row[column] ?? null
  if ('set' in update) return update.set
  if ('copy' in update) return row[update.copy] ?? null
  if ('coalesce' in update) return cell ?? update.coalesce
  if ('add' in update) return sum(cell, BigInt(update.add))
  if ('subtract' in update) return sum(cell, -BigInt(update.subtract))
  return undefined
}

/** 64-bit integers are numbers while they are safe, 256-bit ones always bigints. */
function sum(cell: Value, amount: bigint): Value {
  if (typeof cell === 'number') return narrow(BigInt(cell) + amount)
  return typeof cell === 'bigint' ? cell + amount : cell
}
