import { utf8Bytes } from './bytes.ts'
import { COMPARISONS } from './comparison.ts'
import { DataReader, readValueData } from './data-reader.ts'
import type { DataForm } from './data-reader.ts'
import type { Expr, Operand, ScalarExpr } from './expression.ts'
import { EXPR_DEPTH_MAX, IN_VALUES_MAX, LIKE_PATTERN_BYTES_MAX } from './expression.ts'

/** Conditions and computed values out of data from outside. */

const EXPR_OPS = [...COMPARISONS, 'in', 'between', 'isNull', 'isNotNull', 'like', 'and', 'or', 'not'] as const
const SCALAR_OPS = ['add', 'subtract', 'multiply', 'divide'] as const

/** @throws MalformedData */
export function readExprData(reader: DataReader, depth: number = 1): Expr {
  const op = reader.oneOf('op', EXPR_OPS)
  if (depth > EXPR_DEPTH_MAX) throw reader.wrong('op', `a condition has at most ${EXPR_DEPTH_MAX} levels`)
  const expr = readFields(reader, op, depth)
  reader.end()
  return expr
}

function readFields(reader: DataReader, op: Expr['op'], depth: number): Expr {
  switch (op) {
    case 'in':
      return {
        op,
        column: reader.text('column'),
        values: bounded(reader, 'values', reader.items('values', readOperand)),
      }
    case 'between': {
      const column = reader.text('column')
      return { op, column, low: reader.any('low', readOperand), high: reader.any('high', readOperand) }
    }
    case 'isNull':
    case 'isNotNull':
      return { op, column: reader.text('column') }
    case 'like': {
      const column = reader.text('column')
      const pattern = reader.text('pattern')
      if (utf8Bytes(pattern).length > LIKE_PATTERN_BYTES_MAX)
        throw reader.wrong('pattern', `at most ${LIKE_PATTERN_BYTES_MAX} bytes`)
      return { op, column, pattern }
    }
    case 'and':
    case 'or':
      return {
        op,
        args: bounded(
          reader,
          'args',
          reader.list('args', arg => readExprData(arg, depth + 1)),
        ),
      }
    case 'not':
      return { op, arg: reader.object('arg', arg => readExprData(arg, depth + 1)) }
    default:
      return { op, column: reader.text('column'), value: reader.any('value', readOperand) }
  }
}

function bounded<T>(reader: DataReader, name: string, items: T[]): T[] {
  if (items.length > IN_VALUES_MAX) throw reader.wrong(name, `at most ${IN_VALUES_MAX} items`)
  return items
}

function readOperand(value: unknown, path: string, form: DataForm): Operand {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || '$b' in value)
    return readValueData(value, path, form)
  const reader = new DataReader(value, path, form)
  const isCaller = reader.has('caller')
  if (isCaller && !reader.boolean('caller')) throw reader.wrong('caller', 'true')
  const operand = isCaller ? ({ caller: true } as const) : { column: reader.text('column') }
  reader.end()
  return operand
}

/** @throws MalformedData */
export function readScalarData(reader: DataReader, depth: number = 1): ScalarExpr {
  const scalar = readScalarFields(reader, depth)
  reader.end()
  return scalar
}

function readScalarFields(reader: DataReader, depth: number): ScalarExpr {
  if (reader.has('column')) return { column: reader.text('column') }
  if (reader.has('value')) return { value: reader.value('value') }
  const op = reader.oneOf('op', SCALAR_OPS)
  if (depth > EXPR_DEPTH_MAX) throw reader.wrong('op', `an expression has at most ${EXPR_DEPTH_MAX} levels`)
  const side = (name: string): ScalarExpr => reader.object(name, operand => readScalarData(operand, depth + 1))
  return { op, left: side('left'), right: side('right') }
}
