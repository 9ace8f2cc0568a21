import { compareColumnValues, isReference } from '../../encoding/index.ts'
import type { ComparisonOperator, Expr, Operand, Value } from '../../encoding/index.ts'

type Cells = Readonly<Record<string, Value>>

/** Three-valued, of the conditions that tests and simulated clients make; `caller` = who asks. */
export function evaluate(expr: Expr, cells: Cells, caller: string = ''): boolean | null {
  switch (expr.op) {
    case 'and':
    case 'or': {
      const values = expr.args.map(arg => evaluate(arg, cells, caller))
      const decisive = expr.op === 'or'
      if (values.includes(decisive)) return decisive
      return values.includes(null) ? null : !decisive
    }
    case 'not': {
      const value = evaluate(expr.arg, cells, caller)
      return value === null ? null : !value
    }
    case 'isNull':
      return cells[expr.column] === null
    case 'isNotNull':
      return cells[expr.column] !== null
    case 'eq':
    case 'ne':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return compares(cells[expr.column]!, expr.op, valueOf(expr.value, cells, caller))
    default:
      throw new Error(`the tests make no ${expr.op}`)
  }
}

function valueOf(operand: Operand, cells: Cells, caller: string): Value {
  if (!isReference(operand)) return operand
  return 'column' in operand ? cells[operand.column]! : caller
}

/** Unknown where one of them is Null. */
export function compares(a: Value, op: ComparisonOperator, b: Value): boolean | null {
  if (a === null || b === null) return null
  const order = compareColumnValues(a, b)
  switch (op) {
    case 'eq':
      return order === 0
    case 'ne':
      return order !== 0
    case 'lt':
      return order < 0
    case 'lte':
      return order <= 0
    case 'gt':
      return order > 0
    case 'gte':
      return order >= 0
    default:
      throw new RangeError(`comparison ${String(op satisfies never)}`)
  }
}
