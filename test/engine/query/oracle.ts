import assert from 'node:assert/strict'
import type { ScalarExpr, Value } from '../../../src/encoding/index.ts'
import { isPairs } from '../../../src/model/index.ts'
import type { AggregateData, QueryData } from '../../../src/model/index.ts'
import { compare, judge, orderOf } from '../conditions/condition-oracle.ts'
import type { Cells } from './fixture.ts'

export interface OracleTable {
  readonly name: string
  readonly columns: readonly string[]
  /** Which of them are floats: sums of these are rounded once. */
  readonly floats: readonly string[]
  /** Of which integers have 256 bits. */
  readonly wides: readonly string[]
  readonly rows: readonly Cells[]
}

/** A row of the result with what it was ordered by. */
export interface OracleRow {
  readonly cells: readonly Value[]
  readonly keys: readonly Value[]
}

/** A query by the words of its definition: all combinations of rows, then conditions, groups and order. No limit, no offset. */
export function answer(query: QueryData, tables: readonly OracleTable[], caller: string): OracleRow[] {
  const joined = joinAll(query, tables, caller)
  const kept = joined.filter(row => query.where === undefined || judge(query.where, row, caller) === true)
  const isGrouped = query.groupBy !== undefined || (query.aggregates?.length ?? 0) > 0
  const rows = isGrouped ? group(query, kept, caller, namesIn(tables, 'floats')) : kept
  const items = selected(query, tables, isGrouped)
  const results = rows.map(row => {
    const cells = items.map(({ valueIn }) => valueIn(row))
    const keys = (query.orderBy ?? []).map(({ column }) => {
      const item = items.findIndex(({ name }) => name === column)
      return item >= 0 ? cells[item]! : row[column]!
    })
    return { cells, keys }
  })
  results.sort((a, b) => compareKeys(query, a.keys, b.keys))
  return query.distinct === true ? distinct(results) : results
}

export function compareKeys(query: QueryData, a: readonly Value[], b: readonly Value[]): number {
  for (const [i, { direction }] of (query.orderBy ?? []).entries()) {
    const order = orderOf(a[i]!, b[i]!)
    if (order !== 0) return direction === 'desc' ? -order : order
  }
  return 0
}

function selected(
  query: QueryData,
  tables: readonly OracleTable[],
  isGrouped: boolean,
): { name: string; valueIn: (row: Cells) => Value }[] {
  const kinds = { floats: namesIn(tables, 'floats'), wides: namesIn(tables, 'wides') }
  const all = isGrouped
    ? [...(query.groupBy ?? []), ...(query.aggregates ?? []).map(nameOf)]
    : tables.length === 1
      ? tables[0]!.columns
      : tables.flatMap(({ name, columns }) => columns.map(column => `${name}.${column}`))
  return (query.select ?? all).map(item => {
    if (typeof item === 'string') return { name: item, valueIn: row => row[item]! }
    if ('compute' in item) return { name: item.as, valueIn: row => compute(item.compute, row, kinds).value }
    return { name: item.as, valueIn: row => row[item.column]! }
  })
}

function joinAll(query: QueryData, tables: readonly OracleTable[], caller: string): Cells[] {
  const [first, ...others] = tables as [OracleTable]
  const isJoined = others.length > 0
  const named = ({ name, columns, rows }: OracleTable): Cells[] =>
    rows.map(row =>
      Object.fromEntries(columns.map(column => [isJoined ? `${name}.${column}` : column, row[column] ?? null])),
    )
  const nothing = ({ name, columns }: OracleTable): Cells =>
    Object.fromEntries(columns.map(column => [`${name}.${column}`, null]))
  let left = named(first)
  others.forEach((table, i) => {
    const { type, on = [] } = query.joins![i]!
    const isFit = (row: Cells): boolean =>
      isPairs(on)
        ? on.every(({ left: a, op = 'eq', right: b }) => compare(op, row[a]!, row[b]!) === true)
        : judge(on, row, caller) === true
    const right = named(table)
    const matched = new Set<Cells>()
    const result: Cells[] = []
    for (const a of left) {
      let isMatched = false
      for (const b of right) {
        const row = { ...a, ...b }
        if (!isFit(row)) continue
        result.push(row)
        matched.add(b)
        isMatched = true
      }
      if (!isMatched && (type === 'left' || type === 'full')) result.push({ ...a, ...nothing(table) })
    }
    if (type === 'right' || type === 'full') {
      const missing = Object.assign({}, nothing(first), ...others.slice(0, i).map(nothing)) as Cells
      for (const b of right) if (!matched.has(b)) result.push({ ...missing, ...b })
    }
    left = result
  })
  return left
}

function nameOf({ function: name, column, as }: AggregateData): string {
  return as ?? (column === undefined ? 'count' : `${name}_${column}`)
}

/** As queries name them. */
function namesIn(tables: readonly OracleTable[], of: 'floats' | 'wides'): Set<string> {
  return new Set(
    tables.flatMap(table =>
      table[of].flatMap(column => [`${table.name}.${column}`, ...(tables.length === 1 ? [column] : [])]),
    ),
  )
}

interface Computed {
  readonly value: Value
  /** By the kinds of what it is made of, not by its value. */
  readonly isFloat: boolean
  readonly isWide: boolean
}

/** Integers exactly, within 64 bits (of either sign) or 256; an inexact quotient and whatever has a float in it as floats do; Null for the rest. */
function compute(
  expr: ScalarExpr,
  row: Cells,
  kinds: { readonly floats: ReadonlySet<string>; readonly wides: ReadonlySet<string> },
): Computed {
  if ('column' in expr) {
    return { value: row[expr.column]!, isFloat: kinds.floats.has(expr.column), isWide: kinds.wides.has(expr.column) }
  }
  if ('value' in expr) {
    const { value } = expr
    const isWide = typeof value === 'bigint' && (value < -(1n << 63n) || value >= 1n << 64n)
    return { value, isFloat: typeof value === 'number' && !Number.isSafeInteger(value), isWide }
  }
  const left = compute(expr.left, row, kinds)
  const right = compute(expr.right, row, kinds)
  const kind = { isFloat: left.isFloat || right.isFloat, isWide: left.isWide || right.isWide }
  const [a, b] = [left.value, right.value] as (number | bigint | null)[]
  if (a === null || b === null) return { value: null, ...kind }
  const isInteger = (value: number | bigint): boolean => typeof value === 'bigint' || Number.isSafeInteger(value)
  if (kind.isFloat || !isInteger(a!) || !isInteger(b!)) return { value: float(expr.op, Number(a), Number(b)), ...kind }
  const [x, y] = [BigInt(a!), BigInt(b!)]
  if (expr.op === 'divide' && (y === 0n || x % y !== 0n)) {
    return { value: y === 0n ? null : float('divide', Number(x), Number(y)), ...kind }
  }
  const result = { add: () => x + y, subtract: () => x - y, multiply: () => x * y, divide: () => x / y }[expr.op]()
  const [min, end] = kind.isWide ? [-(1n << 255n), 1n << 256n] : [-(1n << 63n), 1n << 64n]
  return { value: result < min || result >= end ? null : result, ...kind }
}

function float(op: string, a: number, b: number): number | null {
  const result = op === 'add' ? a + b : op === 'subtract' ? a - b : op === 'multiply' ? a * b : a / b
  return Number.isFinite(result) ? result + 0 : null
}

function group(query: QueryData, rows: readonly Cells[], caller: string, floats: ReadonlySet<string>): Cells[] {
  const { groupBy = [], aggregates = [], having } = query
  const groups = new Map<string, { key: readonly Value[]; rows: Cells[] }>()
  if (groupBy.length === 0) groups.set('', { key: [], rows: [] })
  for (const row of rows) {
    const key = groupBy.map(column => row[column]!)
    const text = textOfRow(key)
    let found = groups.get(text)
    if (found === undefined) groups.set(text, (found = { key, rows: [] }))
    found.rows.push(row)
  }
  return [...groups.values()]
    .map(({ key, rows: own }) => ({
      ...Object.fromEntries(groupBy.map((column, i) => [column, key[i]!])),
      ...Object.fromEntries(aggregates.map(aggregate => [nameOf(aggregate), aggregateOf(aggregate, own, floats)])),
    }))
    .filter(row => having === undefined || judge(having, row, caller) === true)
}

function aggregateOf(
  { function: name, column }: AggregateData,
  rows: readonly Cells[],
  floats: ReadonlySet<string>,
): Value {
  if (column === undefined) return rows.length
  const values = rows.map(row => row[column]!).filter(value => value !== null)
  const sorted = [...values].sort(orderOf)
  switch (name) {
    case 'count':
      return values.length
    case 'countDistinct':
      return sorted.filter((value, i) => i === 0 || orderOf(value, sorted[i - 1]!) !== 0).length
    case 'min':
      return sorted[0] ?? null
    case 'max':
      return sorted.at(-1) ?? null
    default: {
      if (values.length === 0) return null
      // Numbers of the tests are multiples of a half that do not round.
      const halves = values.reduce<bigint>((sum, value) => sum + halvesOf(value as number | bigint), 0n)
      if (name === 'avg') return Number(halves) / 2 / values.length
      return halves % 2n === 0n && !floats.has(column) ? halves / 2n : Number(halves) / 2
    }
  }
}

function halvesOf(value: number | bigint): bigint {
  return typeof value === 'bigint' ? 2n * value : BigInt(2 * value)
}

function distinct(rows: readonly OracleRow[]): OracleRow[] {
  const seen = new Set<string>()
  return rows.filter(({ cells }) => {
    const text = textOfRow(cells)
    return !seen.has(text) && seen.add(text)
  })
}

/** A text that equal rows share: numbers by value. */
export function textOfRow(cells: readonly Value[]): string {
  return cells
    .map(value => {
      if (value instanceof Uint8Array) return `b${Buffer.from(value).toString('hex')}`
      if (typeof value === 'bigint' || Number.isInteger(value)) return `n${BigInt(value as number)}`
      return `${typeof value}${String(value)}`
    })
    .join('|')
}

export function describeQuery(query: QueryData): string {
  return JSON.stringify(query, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))
}

/** Rows with equal keys may come in any order; everything else is fixed. */
export function assertAnswer(
  query: QueryData,
  found: readonly (readonly Value[])[],
  expected: readonly OracleRow[],
): void {
  assert.deepEqual(
    found.map(textOfRow).sort(),
    expected.map(({ cells }) => textOfRow(cells)).sort(),
    describeQuery(query),
  )
  if (query.orderBy === undefined) return
  const keysOf = new Map(expected.map(({ cells, keys }) => [textOfRow(cells), keys]))
  // Where a row of the result stands for several, their keys may differ: then only the rows can be compared.
  if (keysOf.size < expected.length) return
  const keys = found.map(row => keysOf.get(textOfRow(row))!)
  for (let i = 1; i < keys.length; i++) assert.ok(compareKeys(query, keys[i - 1]!, keys[i]!) <= 0, describeQuery(query))
}
