import { failedCondition, integerRange } from '../../encoding/index.ts'
import type { FailedCondition, Row, TableAssertion } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import { comparisonOf, literalOf } from '../conditions/index.ts'
import type { Cells } from '../conditions/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { FloatSum, IntegerSum } from '../query/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import type { Table } from '../tables/index.ts'
import type { WorkBudget } from '../work-budget.ts'
import { keyOfRow, mismatch, noColumn } from './cells.ts'
import { testCells } from './plan.ts'
import { conditionOf, policyOf, scanRows } from './scan.ts'
import type { RowCaller } from './scan.ts'
import { readLive } from './stored-row.ts'
import type { StoredRow } from './stored-row.ts'

/**
 * What an assertion has come to; `actualSeq` is the version of the key or row that it is about, 0 = absent. `condition` only where this
 * speaks against the transaction: where it does not hold, or holds in a `not`.
 */
export interface Finding {
  readonly holds: boolean
  readonly actualSeq: number
  readonly condition?: FailedCondition
}

/** Whether a key or row has the version that it is to have. */
export function versionFinding(
  type: 'keyVersion' | 'rowVersion',
  expectedSeq: number,
  actualSeq: number,
  isNegated: boolean,
): Finding {
  const holds = actualSeq === expectedSeq
  if (holds !== isNegated) return { holds, actualSeq }
  return { holds, actualSeq, condition: failedCondition(type, 'eq', isNegated, expectedSeq, actualSeq) }
}

/** Whether a key or row is there, as it is to be. */
export function existenceFinding(
  type: 'keyExists' | 'rowExists',
  expected: boolean,
  actualSeq: number,
  isNegated: boolean,
): Finding {
  const isThere = actualSeq > 0
  const holds = isThere === expected
  if (holds !== isNegated) return { holds, actualSeq }
  return { holds, actualSeq, condition: failedCondition(type, 'eq', isNegated, expected, isThere) }
}

/**
 * Judges an assertion on rows of `table`, of which the caller sees those that the read policy is true for: what it hears of them is what it
 * sees. Throws `ColdPages`.
 */
export function judgeRows(
  work: EntryWork,
  table: Table,
  assertion: TableAssertion,
  caller: RowCaller,
  budget: WorkBudget,
  isNegated: boolean,
): Finding | Refusal {
  switch (assertion.type) {
    case 'rowVersion':
    case 'rowExists': {
      const row = visibleRow(work, table, assertion.key, caller)
      if (row !== undefined && 'code' in row) return row
      const actualSeq = row?.versionSeq ?? 0
      return assertion.type === 'rowVersion'
        ? versionFinding('rowVersion', assertion.seq, actualSeq, isNegated)
        : existenceFinding('rowExists', assertion.expected, actualSeq, isNegated)
    }
    case 'rowCompare':
      return judgeCell(work, table, assertion, caller, isNegated)
    case 'count': {
      let rows = 0
      const refusal = scanRows(work, table, assertion.where, caller, budget, () => ++rows > 0)
      if (refusal !== undefined) return refusal
      const { op, value } = assertion
      const holds = comparisonOf(op)(rows, value)
      if (holds !== isNegated) return { holds, actualSeq: 0 }
      return { holds, actualSeq: 0, condition: failedCondition('count', op, isNegated, value, rows) }
    }
    case 'sum':
      return judgeSum(work, table, assertion, caller, budget, isNegated)
    default:
      throw new RangeError(`assertion ${String(assertion satisfies never)}`)
  }
}

function judgeCell(
  work: EntryWork,
  table: Table,
  assertion: Extract<TableAssertion, { type: 'rowCompare' }>,
  caller: RowCaller,
  isNegated: boolean,
): Finding | Refusal {
  const { op, column, value } = assertion
  const condition = conditionOf(table, { op, column, value }, caller.caller)
  if (typeof condition !== 'function') return condition!
  const row = visibleRow(work, table, assertion.key, caller)
  if (row !== undefined && 'code' in row) return row
  const holds = row !== undefined && testCells(condition, row.cells) === true
  const actualSeq = row?.versionSeq ?? 0
  if (holds !== isNegated) return { holds, actualSeq }
  const position = table.position(column)!
  const { type } = table.columns[position]!
  const found = row?.cells[position]
  return { holds, actualSeq, condition: failedCondition('rowCompare', op, isNegated, value, found, type) }
}

/** The row with this key, if the caller sees it. */
function visibleRow(work: EntryWork, table: Table, key: Row, caller: RowCaller): StoredRow | Refusal | undefined {
  const fullKey = keyOfRow(table, key, work.state.settings)
  return fullKey instanceof Uint8Array ? seenRow(work, table, fullKey, caller) : fullKey
}

/** The unexpired row under a key, if the caller sees it. */
export function seenRow(work: EntryWork, table: Table, key: Uint8Array, caller: RowCaller): StoredRow | undefined {
  const row = readLive(work, table, key)
  const policy = policyOf(table, caller)
  return row === undefined || policy === undefined || testCells(policy, row.cells) === true ? row : undefined
}

/** Nulls do not count. Integers are summed exactly, floats as if exactly and then rounded once: their order does not matter. */
function judgeSum(
  work: EntryWork,
  table: Table,
  assertion: Extract<TableAssertion, { type: 'sum' }>,
  caller: RowCaller,
  budget: WorkBudget,
  isNegated: boolean,
): Finding | Refusal {
  const position = table.position(assertion.column)
  if (position === undefined) return noColumn(table, assertion.column)
  const { type } = table.columns[position]!
  const isExact = integerRange(type) !== undefined
  if (!isExact && type !== 'float') return refuse('type_mismatch', `column ${assertion.column} has no sum`)
  const threshold = literalOf('number', assertion.value)
  if (threshold === undefined) return mismatch(table, position)
  const integers = new IntegerSum()
  const floats = new FloatSum()
  const refusal = scanRows(work, table, assertion.where, caller, budget, (_, row: Cells) => {
    const cell = row.cell(position)
    if (cell !== null && isExact) integers.add(cell as number | bigint)
    else if (cell !== null) floats.add(cell as number)
    return true
  })
  if (refusal !== undefined) return refusal
  const sum = totalOf(isExact ? integers : floats)
  if (typeof sum === 'object') return sum
  const holds = threshold !== null && comparisonOf(assertion.op)(sum, threshold)
  if (holds !== isNegated) return { holds, actualSeq: 0 }
  return { holds, actualSeq: 0, condition: failedCondition('sum', assertion.op, isNegated, assertion.value, sum) }
}

function totalOf(sum: IntegerSum | FloatSum): number | bigint | Refusal {
  try {
    return sum.total(false)
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
    return refuse(error.code, error.message)
  }
}
