import { compareColumnValues, equalBytes, isReference } from '../../encoding/index.ts'
import type { Expr, Value } from '../../encoding/index.ts'
import { operandsOf } from '../conditions/index.ts'
import type { Table } from '../tables/index.ts'
import { bandOf } from './bands.ts'
import type { Band } from './bands.ts'
import { classify, flatten, keyOperand } from './conjuncts.ts'

/**
 * Whether every row for which all of `conjuncts` are true is in a partial index with the condition `where`. Never wrongly yes; no where
 * the proof would need more than comparing one conjunct with one comparison.
 */
export function impliesCondition(conjuncts: readonly Expr[], where: Expr, table: Table, caller: string): boolean {
  return flatten([where]).every(part => impliesPart(conjuncts, part, table, caller))
}

function impliesPart(conjuncts: readonly Expr[], part: Expr, table: Table, caller: string): boolean {
  if (part.op === 'or') return part.args.some(arg => impliesCondition(conjuncts, arg, table, caller))
  const target = bandIn(part, table, caller)
  return conjuncts.some(conjunct => {
    if (equalExprs(conjunct, part)) return true
    if (target === undefined) return false
    const given = bandIn(conjunct, table, caller)
    return given !== undefined && given.position === target.position && contains(target.band, given.band)
  })
}

/** A comparison of one column with literals, as the values it allows; undefined for others. */
function bandIn(expr: Expr, table: Table, caller: string): { position: number; band: Band } | undefined {
  const conjunct = classify(expr, table, name => table.position(name))
  if (conjunct.use === 'none' || (conjunct.use === 'prefix' && !conjunct.isExact)) return undefined
  const { position } = conjunct
  const operands: Value[] = []
  for (const operand of operandsOf(conjunct.expr)) {
    const value = keyOperand(table, position, operand, caller)
    if (value === undefined) return undefined
    operands.push(value)
  }
  return { position, band: bandOf(table.columns[position]!.type, conjunct.expr, i => operands[i]!) }
}

function contains(outer: Band, inner: Band): boolean {
  if (inner.kind === 'points') return inner.values.every(value => includes(outer, value))
  if (outer.kind === 'points') return false
  if (outer.kind === 'range') {
    if (outer.low === undefined && outer.high === undefined) return true
    return inner.kind === 'range' && isAtLeast(outer, inner, 'low') && isAtLeast(outer, inner, 'high')
  }
  return inner.kind === 'prefix' && inner.prefix.startsWith(outer.prefix)
}

function includes(band: Band, value: Value): boolean {
  if (band.kind === 'points') return band.values.some(point => compareColumnValues(point, value) === 0)
  if (value === null) return false
  if (band.kind === 'prefix') return typeof value === 'string' && value.startsWith(band.prefix)
  return contains(band, {
    kind: 'range',
    low: { value, isIncluded: true },
    high: { value, isIncluded: true },
  })
}

function isAtLeast(
  outer: Extract<Band, { kind: 'range' }>,
  inner: Extract<Band, { kind: 'range' }>,
  end: 'low' | 'high',
): boolean {
  const bound = outer[end]
  const other = inner[end]
  if (bound === undefined) return true
  if (other === undefined) return false
  const order = compareColumnValues(other.value, bound.value) * (end === 'low' ? 1 : -1)
  return order > 0 || (order === 0 && (bound.isIncluded || !other.isIncluded))
}

function equalExprs(a: Expr, b: Expr): boolean {
  if (a.op !== b.op) return false
  if ('args' in a) {
    const args = 'args' in b ? b.args : []
    return a.args.length === args.length && a.args.every((arg, i) => equalExprs(arg, args[i]!))
  }
  if ('arg' in a) return 'arg' in b && equalExprs(a.arg, b.arg)
  if (!('column' in b) || a.column !== b.column) return false
  if ('pattern' in a) return 'pattern' in b && a.pattern === b.pattern
  const operands = operandsOf(a)
  const others = operandsOf(b)
  return operands.length === others.length && operands.every((operand, i) => equalOperands(operand, others[i]!))
}

function equalOperands(a: Parameters<typeof isReference>[0], b: Parameters<typeof isReference>[0]): boolean {
  if (isReference(a)) {
    if (!isReference(b)) return false
    return 'column' in a ? 'column' in b && a.column === b.column : 'caller' in b
  }
  if (isReference(b)) return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && equalBytes(a, b)
  return a === b
}
