import { integerRange } from '../../encoding/index.ts'
import type { Row, TableAssertion } from '../../encoding/index.ts'
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

/** What an assertion has come to; `actualSeq` is the version of the row that it is about, 0 = absent. */
export interface Finding {
  readonly holds: boolean
  readonly actualSeq: number
}

/** Judges an assertion on rows of `table`, of which the caller sees those that the read policy is true for. Throws `ColdPages`. */
export function judgeRows(
  work: EntryWork,
  table: Table,
  assertion: TableAssertion,
  caller: RowCaller,
  budget: WorkBudget,
): Finding | Refusal {
  switch (assertion.type) {
    case 'rowVersion':
    case 'rowExists': {
      const row = visibleRow(work, table, assertion.key, caller)
      if (row !== undefined && 'code' in row) return row
      const actualSeq = row?.versionSeq ?? 0
      const holds = assertion.type === 'rowVersion' ? actualSeq === assertion.seq : actualSeq > 0 === assertion.expected
      return { holds, actualSeq }
    }
    case 'rowCompare': {
      const { op, column, value } = assertion
      const condition = conditionOf(table, { op, column, value }, caller.caller)
      if (typeof condition !== 'function') return condition!
      const row = visibleRow(work, table, assertion.key, caller)
      if (row === undefined || 'code' in row) return row ?? { holds: false, actualSeq: 0 }
      return { holds: testCells(condition, row.cells) === true, actualSeq: row.versionSeq }
    }
    case 'count': {
      let rows = 0
      const refusal = scanRows(work, table, assertion.where, caller, budget, () => ++rows > 0)
      return refusal ?? { holds: comparisonOf(assertion.op)(rows, assertion.value), actualSeq: 0 }
    }
    case 'sum':
      return judgeSum(work, table, assertion, caller, budget)
    default:
      throw new RangeError(`assertion ${String(assertion satisfies never)}`)
  }
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
  return { holds: threshold !== null && comparisonOf(assertion.op)(sum, threshold), actualSeq: 0 }
}

function totalOf(sum: IntegerSum | FloatSum): number | bigint | Refusal {
  try {
    return sum.total(false)
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
    return refuse(error.code, error.message)
  }
}
