import { compareColumnValues, EXPR_DEPTH_MAX, IN_VALUES_MAX, isReference } from '../../encoding/index.ts'
import type { ComparisonOperator, Expr, Operand, Value } from '../../encoding/index.ts'
import type { Cells, ColumnNames } from './cells.ts'
import { classOf, equalValues, literalOf } from './comparable.ts'
import type { ValueClass } from './comparable.ts'
import { InvalidExpression } from './invalid-expression.ts'
import { LikePattern } from './like.ts'

/** Comparisons of one condition, so that compiling and running it is bounded. */
export const CONDITION_TERMS_MAX = 4_096

/** Null = unknown. */
export type Condition = (row: Cells) => boolean | null

/** A column, or a value that is the same for all rows. */
type Source = { readonly position: number } | { readonly value: Value }

interface Context {
  readonly names: ColumnNames
  readonly caller: string
  terms: number
}

/**
 * Compiles a condition for rows with these columns; `caller` is who asks. Pure and deterministic: apply and queries share it. It selects
 * the rows for which it gives true.
 */
export function compileCondition(expr: Expr, names: ColumnNames, caller: string): Condition | InvalidExpression {
  return compile(expr, { names, caller, terms: 0 }, 1)
}

function compile(expr: Expr, context: Context, depth: number): Condition | InvalidExpression {
  if (depth > EXPR_DEPTH_MAX) return invalid(`a condition is at most ${EXPR_DEPTH_MAX} deep`)
  if (++context.terms > CONDITION_TERMS_MAX) return invalid(`a condition has at most ${CONDITION_TERMS_MAX} terms`)
  switch (expr.op) {
    case 'and':
    case 'or': {
      const args: Condition[] = []
      for (const arg of expr.args) {
        const compiled = compile(arg, context, depth + 1)
        if (compiled instanceof InvalidExpression) return compiled
        args.push(compiled)
      }
      return expr.op === 'and' ? allOf(args) : anyOf(args)
    }
    case 'not': {
      const arg = compile(expr.arg, context, depth + 1)
      return arg instanceof InvalidExpression ? arg : notOf(arg)
    }
    case 'isNull':
    case 'isNotNull':
      return compileNullTest(expr.op === 'isNull', expr.column, context)
    case 'like':
      return compileLike(expr.column, expr.pattern, context)
    case 'in':
      return compileIn(expr.column, expr.values, context)
    case 'between': {
      const low = compileComparison('gte', expr.column, expr.low, context)
      if (low instanceof InvalidExpression) return low
      const high = compileComparison('lte', expr.column, expr.high, context)
      return high instanceof InvalidExpression ? high : allOf([low, high])
    }
    case 'eq':
    case 'ne':
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return compileComparison(expr.op, expr.column, expr.value, context)
    default:
      return invalid(`there is no condition ${String((expr satisfies never as { op: unknown }).op)}`)
  }
}

function invalid(message: string): InvalidExpression {
  return new InvalidExpression('invalid_query', message)
}

/** Unknown unless one is false. */
export function allOf(args: readonly Condition[]): Condition {
  if (args.length === 1) return args[0]!
  if (args.length === 2) {
    const [first, second] = args as [Condition, Condition]
    return row => {
      const a = first(row)
      if (a === false) return false
      const b = second(row)
      return b === false ? false : a === null ? null : b
    }
  }
  return row => {
    let result: boolean | null = true
    for (let i = 0; i < args.length; i++) {
      const value = args[i]!(row)
      if (value === false) return false
      if (value === null) result = null
    }
    return result
  }
}

/** Unknown unless one is true. */
function anyOf(args: readonly Condition[]): Condition {
  if (args.length === 1) return args[0]!
  return row => {
    let result: boolean | null = false
    for (let i = 0; i < args.length; i++) {
      const value = args[i]!(row)
      if (value === true) return true
      if (value === null) result = null
    }
    return result
  }
}

function notOf(arg: Condition): Condition {
  return row => {
    const value = arg(row)
    return value === null ? null : !value
  }
}

interface ResolvedColumn {
  readonly position: number
  readonly valueClass: ValueClass
}

function columnOf(name: string, { names }: Context): ResolvedColumn | InvalidExpression {
  const position = names.position(name)
  if (position === undefined) return new InvalidExpression('column_not_found', `there is no column ${name}`)
  return { position, valueClass: classOf(names.columns[position]!.type) }
}

/** What a column of the class is compared with. */
function sourceOf(name: string, wanted: ValueClass, operand: Operand, context: Context): Source | InvalidExpression {
  if (!isReference(operand)) {
    const value = literalOf(wanted, operand)
    return value === undefined ? mismatch(name, `a ${typeof operand}`) : { value }
  }
  if ('caller' in operand) return wanted === 'text' ? { value: context.caller } : mismatch(name, 'the caller')
  const other = columnOf(operand.column, context)
  if (other instanceof InvalidExpression) return other
  return other.valueClass === wanted ? { position: other.position } : mismatch(name, `column ${operand.column}`)
}

function mismatch(column: string, other: string): InvalidExpression {
  return new InvalidExpression('type_mismatch', `column ${column} does not compare with ${other}`)
}

function compileNullTest(isNull: boolean, name: string, context: Context): Condition | InvalidExpression {
  const column = columnOf(name, context)
  if (column instanceof InvalidExpression) return column
  const { position } = column
  return row => (row.cell(position) === null) === isNull
}

function compileLike(name: string, text: string, context: Context): Condition | InvalidExpression {
  const column = columnOf(name, context)
  if (column instanceof InvalidExpression) return column
  if (column.valueClass !== 'text') return mismatch(name, 'a pattern')
  const pattern = LikePattern.parse(text)
  if (pattern instanceof InvalidExpression) return pattern
  const { position } = column
  return row => {
    const value = row.cell(position)
    return value === null ? null : pattern.matches(value as string)
  }
}

function compileComparison(
  op: ComparisonOperator,
  name: string,
  operand: Operand,
  context: Context,
): Condition | InvalidExpression {
  const column = columnOf(name, context)
  if (column instanceof InvalidExpression) return column
  const source = sourceOf(name, column.valueClass, operand, context)
  if (source instanceof InvalidExpression) return source
  const { position } = column
  const holds = comparisonOf(op)
  if ('value' in source) {
    const literal = source.value
    if (literal === null) return () => null
    return row => {
      const value = row.cell(position)
      return value === null ? null : holds(value, literal)
    }
  }
  const otherPosition = source.position
  return row => {
    const value = row.cell(position)
    if (value === null) return null
    const other = row.cell(otherPosition)
    return other === null ? null : holds(value, other)
  }
}

/** A comparison of two values of one class that are not Null. */
export function comparisonOf(op: ComparisonOperator): (a: Value, b: Value) => boolean {
  switch (op) {
    case 'eq':
      return equalValues
    case 'ne':
      return (a, b) => !equalValues(a, b)
    case 'lt':
      return (a, b) => compareColumnValues(a, b) < 0
    case 'lte':
      return (a, b) => compareColumnValues(a, b) <= 0
    case 'gt':
      return (a, b) => compareColumnValues(a, b) > 0
    case 'gte':
      return (a, b) => compareColumnValues(a, b) >= 0
    default:
      throw new RangeError(`comparison ${String(op satisfies never)}`)
  }
}

/** Literals are sorted and looked up by halving; other columns are compared one by one. */
function compileIn(name: string, operands: readonly Operand[], context: Context): Condition | InvalidExpression {
  if (operands.length > IN_VALUES_MAX) return invalid(`a list has at most ${IN_VALUES_MAX} values`)
  const column = columnOf(name, context)
  if (column instanceof InvalidExpression) return column
  const literals: Value[] = []
  const others: number[] = []
  let hasNull = false
  for (const operand of operands) {
    const source = sourceOf(name, column.valueClass, operand, context)
    if (source instanceof InvalidExpression) return source
    if ('position' in source) others.push(source.position)
    else if (source.value === null) hasNull = true
    else literals.push(source.value)
  }
  literals.sort(compareColumnValues)
  const { position } = column
  if (operands.length === 0) return () => false
  return row => {
    const value = row.cell(position)
    if (value === null) return null
    if (includes(literals, value)) return true
    let unknown = hasNull
    for (const otherPosition of others) {
      const other = row.cell(otherPosition)
      if (other === null) unknown = true
      else if (equalValues(value, other)) return true
    }
    return unknown ? null : false
  }
}

function includes(sorted: readonly Value[], value: Value): boolean {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const order = compareColumnValues(sorted[middle]!, value)
    if (order === 0) return true
    if (order < 0) low = middle + 1
    else high = middle
  }
  return false
}
