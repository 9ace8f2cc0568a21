import type { Expr, Operand, Value } from '../../../src/encoding/index.ts'

/** A condition by the words of its definition: SQL's three values, exact numbers, texts as arrays of characters. Slow and plain. */
export function judge(expr: Expr, row: Readonly<Record<string, Value>>, caller: string): boolean | null {
  const operand = (value: Operand): Value => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
    return 'column' in value ? row[value.column]! : caller
  }
  switch (expr.op) {
    case 'and':
      return expr.args.map(arg => judge(arg, row, caller)).reduce(and, true)
    case 'or':
      return not(expr.args.map(arg => not(judge(arg, row, caller))).reduce(and, true))
    case 'not':
      return not(judge(expr.arg, row, caller))
    case 'isNull':
      return row[expr.column] === null
    case 'isNotNull':
      return row[expr.column] !== null
    case 'in':
      return not(expr.values.map(value => not(compare('eq', row[expr.column]!, operand(value)))).reduce(and, true))
    case 'between':
      return and(
        compare('gte', row[expr.column]!, operand(expr.low)),
        compare('lte', row[expr.column]!, operand(expr.high)),
      )
    case 'like': {
      const text = row[expr.column]!
      return text === null ? null : like(Array.from(text as string), Array.from(expr.pattern))
    }
    default:
      return compare(expr.op, row[expr.column]!, operand(expr.value))
  }
}

function and(a: boolean | null, b: boolean | null): boolean | null {
  return a === false || b === false ? false : a === null || b === null ? null : true
}

function not(a: boolean | null): boolean | null {
  return a === null ? null : !a
}

export function compare(op: string, a: Value, b: Value): boolean | null {
  if (a === null || b === null) return null
  const order = orderOf(a, b)
  return { eq: order === 0, ne: order !== 0, lt: order < 0, lte: order <= 0, gt: order > 0, gte: order >= 0 }[op]!
}

export function orderOf(a: Value, b: Value): number {
  if (a === null || b === null) return (a === null ? 1 : 0) - (b === null ? 1 : 0)
  if (typeof a === 'string' || a instanceof Uint8Array) {
    const x = partsOf(a)
    const y = partsOf(b as string | Uint8Array)
    if (a instanceof Uint8Array && x.length !== y.length) return x.length - y.length
    const at = x.findIndex((part, i) => part !== y[i])
    return at < 0 ? x.length - y.length : y[at] === undefined ? 1 : x[at]! - y[at]
  }
  if (typeof a === 'boolean') return Number(a) - Number(b)
  const [x, y] = [scaled(a), scaled(b as number | bigint)]
  return x < y ? -1 : x > y ? 1 : 0
}

function partsOf(value: string | Uint8Array): number[] {
  return typeof value === 'string' ? Array.from(value).map(character => character.codePointAt(0)!) : Array.from(value)
}

/** A number as an exact integer multiple of 2^-1074, the smallest float. */
function scaled(value: number | bigint): bigint {
  if (typeof value === 'bigint') return value << 1074n
  let shift = 0
  let rest = value
  while (!Number.isInteger(rest)) {
    rest *= 2
    shift++
  }
  return BigInt(rest) << BigInt(1074 - shift)
}

/** By dynamic programming over (text, pattern). */
function like(text: readonly string[], pattern: readonly string[]): boolean {
  const tokens: { any?: 'run' | 'one'; character?: string }[] = []
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '%') tokens.push({ any: 'run' })
    else if (pattern[i] === '_') tokens.push({ any: 'one' })
    else tokens.push({ character: pattern[i] === '\\' ? pattern[++i]! : pattern[i]! })
  }
  let reached = Array.from({ length: text.length + 1 }, (_, i) => i === 0)
  for (const { any, character } of tokens) {
    reached = reached.map((_, i) => {
      if (any === 'run') return reached.slice(0, i + 1).includes(true)
      return i > 0 && reached[i - 1]! && (any === 'one' || text[i - 1] === character)
    })
  }
  return reached[text.length]!
}
