import { MISMATCH, toColumnValue } from '../../encoding/index.ts'
import type { Expr, Value } from '../../encoding/index.ts'
import type { Cells, Condition } from '../conditions/index.ts'
import { compileCondition, InvalidExpression, isReference } from '../conditions/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { rowKey } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import { scanTooLarge } from '../work-budget.ts'
import type { WorkBudget } from '../work-budget.ts'
import { planOf } from './plan.ts'
import { partsEnd } from './stored-row.ts'

/** Who reads or changes rows, and how much of that is left. */
export interface RowCaller {
  readonly caller: string
  /** Sees rows that the table's policy hides. */
  readonly bypassesPolicy: boolean
}

/** What a row must be for the caller to see it; undefined = anything. */
export function policyOf(table: Table, { caller, bypassesPolicy }: RowCaller): Condition | undefined {
  return bypassesPolicy ? undefined : planOf(table).policyFor(caller)
}

/** A condition of a mutation or an assertion, or why it is none. */
export function conditionOf(table: Table, where: Expr | undefined, caller: string): Condition | undefined | Refusal {
  if (where === undefined) return undefined
  const condition = compileCondition(where, table, caller)
  return condition instanceof InvalidExpression ? refuse(condition.code, condition.message) : condition
}

/**
 * Visits the unexpired rows that the caller sees and `where` is true for, in the order of the primary key, until `visit` gives false. Its
 * arguments are valid during the call only. Equalities on the first columns of the key narrow what is walked. Throws `ColdPages`.
 */
export function scanRows(
  work: EntryWork,
  table: Table,
  where: Expr | undefined,
  caller: RowCaller,
  budget: WorkBudget,
  visit: (key: Uint8Array, row: Cells) => boolean,
): Refusal | undefined {
  const condition = conditionOf(table, where, caller.caller)
  if (typeof condition === 'object') return condition
  const policy = policyOf(table, caller)
  const { view } = planOf(table)
  const prefix = rowKey(table, leadingKeyCells(table, where, caller.caller))
  let isWithin = true
  work.changes.walk(prefix, partsEnd(prefix), false, (key, metadata, value) => {
    if (budget.recordsLeft-- <= 0) {
      isWithin = false
      return false
    }
    if (isExpired(metadata, work.timeMicros)) return true
    view.open(key, value())
    if (condition !== undefined && condition(view) !== true) return true
    if (policy !== undefined && policy(view) !== true) return true
    return visit(key, view)
  })
  return isWithin ? undefined : scanTooLarge()
}

/** The cells that a row's key must begin with for `where` to be true. */
function leadingKeyCells(table: Table, where: Expr | undefined, caller: string): Value[] {
  const wanted = new Map<string, Value>()
  if (where !== undefined) collectEqualities(where, caller, wanted)
  const cells: Value[] = []
  for (const position of table.keyPositions) {
    const { name, type } = table.columns[position]!
    const value = wanted.get(name)
    if (value === undefined || value === null) break
    const cell = toColumnValue(type, value)
    if (cell === MISMATCH) break
    cells.push(cell)
  }
  return cells
}

function collectEqualities(expr: Expr, caller: string, wanted: Map<string, Value>): void {
  if (expr.op === 'and') for (const arg of expr.args) collectEqualities(arg, caller, wanted)
  else if (expr.op === 'eq' && !wanted.has(expr.column)) {
    if (!isReference(expr.value)) wanted.set(expr.column, expr.value)
    else if ('caller' in expr.value) wanted.set(expr.column, caller)
  }
}
