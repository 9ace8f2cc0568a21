import { isReference, mapColumns } from '../../encoding/index.ts'
import type { Expr, Operand } from '../../encoding/index.ts'

/** The operands of one comparison; `and`, `or` and `not` have none of their own. */
export function operandsOf(expr: Expr): readonly Operand[] {
  switch (expr.op) {
    case 'in':
      return expr.values
    case 'between':
      return [expr.low, expr.high]
    case 'eq':
    case 'ne':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return [expr.value]
    case 'isNull':
    case 'isNotNull':
    case 'like':
    case 'and':
    case 'or':
    case 'not':
      return []
    default:
      throw new RangeError(`condition ${String(expr satisfies never)}`)
  }
}

/** A condition on one column. */
export type Comparison = Extract<Expr, { column: string }>

/** Visits every comparison of a condition. */
export function forEachComparison(expr: Expr, visit: (comparison: Comparison) => void): void {
  if ('args' in expr) for (const arg of expr.args) forEachComparison(arg, visit)
  else if ('arg' in expr) forEachComparison(expr.arg, visit)
  else visit(expr)
}

/** The names of the columns that a condition reads. */
export function conditionColumns(expr: Expr): Set<string> {
  const names = new Set<string>()
  forEachComparison(expr, comparison => {
    names.add(comparison.column)
    for (const operand of operandsOf(comparison)) {
      if (isReference(operand) && 'column' in operand) names.add(operand.column)
    }
  })
  return names
}

/** Whether the condition depends on who asks: then it can be no check, no part of an index and of nothing that is stored by its result. */
export function usesCaller(expr: Expr): boolean {
  let found = false
  forEachComparison(expr, comparison => {
    found ||= operandsOf(comparison).some(operand => isReference(operand) && 'caller' in operand)
  })
  return found
}

/** The condition after a column was renamed. */
export function renameColumn(expr: Expr, from: string, to: string): Expr {
  return mapColumns(expr, column => (column === from ? to : column))
}
