import type { ColumnType, ComparisonOperator, Expr, Operand, ScalarExpr, Value } from '../../../src/encoding/index.ts'
import { COLUMN_TYPES } from '../../../src/encoding/index.ts'
import { compileCondition, InvalidExpression } from '../../../src/engine/conditions/index.ts'
import type { Table } from '../../../src/engine/tables/index.ts'
import type { AggregateData, JoinData, OrderItem, QueryData } from '../../../src/model/index.ts'
import type { Dice } from '../keyspace/support.ts'
import { makeTable } from './fixture.ts'
import type { Cells, IndexShape, TableShape } from './fixture.ts'

const POOLS: { readonly [K in ColumnType]: readonly Value[] } = {
  u8: [0, 1, 2, 255],
  u64: [0, 1, 2, 2 ** 53 - 1, 2n ** 53n + 1n, 2n ** 64n - 1n],
  integer: [-2, -1, 0, 1, 2, 300, -(2n ** 63n), 2n ** 63n - 1n],
  timestamp: [-1, 0, 1, 2, 2n ** 60n],
  float: [-1.5, 0, 0.5, 1, 2, 1e15, 2 ** 60],
  u256: [0n, 1n, 2n, 2n ** 200n],
  i256: [-(2n ** 200n), -1n, 0n, 1n, 2n],
  boolean: [false, true],
  text: ['', 'a', 'ab', 'abc', 'b', 'a\0', 'a\0b', '%', 'é', '\uffff', '\u{1f600}'],
  json: ['1', 'a', '{}', 'ab'],
  blob: [new Uint8Array(0), Uint8Array.of(1), Uint8Array.of(0, 0), Uint8Array.of(2), Uint8Array.of(255, 255)],
}
const NUMBERS: readonly Value[] = [
  -1.5,
  -1,
  0,
  0.5,
  1,
  1.5,
  2,
  2n,
  255,
  256,
  1e15,
  2 ** 60,
  2n ** 60n + 1n,
  2n ** 64n,
  -(2n ** 201n),
  '2',
]
const CLASSES: readonly (readonly ColumnType[])[] = [
  ['u8', 'u64', 'integer', 'timestamp', 'float', 'u256', 'i256'],
  ['text', 'json'],
  ['boolean'],
  ['blob'],
]
const OPERATORS: readonly ComparisonOperator[] = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte']

export function pick<T>(dice: Dice, values: readonly T[]): T {
  return values[dice.below(values.length)]!
}

function some<T>(dice: Dice, values: readonly T[], most: number): T[] {
  const rest = [...values]
  const chosen: T[] = []
  const count = 1 + dice.below(Math.min(most, rest.length))
  while (chosen.length < count) chosen.push(...rest.splice(dice.below(rest.length), 1))
  return chosen
}

/** A table of random columns, key and indexes. */
export function randomTable(dice: Dice, id: number, name: string): Table {
  const columns: TableShape['columns'] = Object.fromEntries(
    Array.from({ length: 3 + dice.below(4) }, (_, i) => [`c${i}`, pick(dice, COLUMN_TYPES)]),
  )
  const names = Object.keys(columns)
  const primaryKey = some(dice, names, 2)
  const nullable = { ...columns }
  for (const column of names) {
    if (!primaryKey.includes(column) && !dice.chance(3)) nullable[column] = `${columns[column] as ColumnType}?`
  }
  const plain = makeTable(id, { name, columns: nullable, primaryKey })
  const indexes = Array.from({ length: dice.below(5) }, (_, i): IndexShape => {
    const where = dice.chance(4) ? randomCondition(dice, plain, column => column, 1, false) : undefined
    return {
      name: `i${i}`,
      columns: some(dice, names, 3),
      kind: dice.chance(5) ? 'hash' : 'ordered',
      isReady: !dice.chance(10),
      ...(where !== undefined && { where }),
    }
  })
  return makeTable(id, {
    name,
    columns: nullable,
    primaryKey,
    indexes,
    ...(dice.chance(4) && { readPolicy: randomCondition(dice, plain, column => column, 1, true) }),
  })
}

/** `spread` = 0: few values, so that many rows are alike; otherwise so many, and texts that fill pages. */
export function randomRows(dice: Dice, table: Table, count: number, spread: number): Cells[] {
  const rows = new Map<string, Cells>()
  const cell = (type: ColumnType): Value =>
    spread > 0 && !dice.chance(3) ? spreadValue(dice, type, spread) : pick(dice, POOLS[type])
  for (let i = 0; i < count; i++) {
    const row = Object.fromEntries(
      table.columns.map(({ name, type, isNullable }) => [name, isNullable && dice.chance(4) ? null : cell(type)]),
    )
    const key = table.keyPositions.map(position => String(row[table.columns[position]!.name])).join('|')
    rows.set(key, row)
  }
  return [...rows.values()]
}

/** One of the values that rows have in columns of the type. */
export function sampleOf(dice: Dice, type: ColumnType): Value {
  return pick(dice, POOLS[type])
}

function spreadValue(dice: Dice, type: ColumnType, spread: number): Value {
  const number = dice.below(spread)
  switch (type) {
    case 'integer':
    case 'timestamp':
    case 'u64':
    case 'float':
      return number
    case 'u256':
    case 'i256':
      return BigInt(number)
    case 'text':
    case 'json':
      return `a${number}${'x'.repeat(90)}`
    default:
      return pick(dice, POOLS[type])
  }
}

function literalFor(dice: Dice, type: ColumnType): Value {
  if (dice.chance(12)) return null
  if (CLASSES[0]!.includes(type) && dice.chance(2)) return pick(dice, NUMBERS)
  return pick(dice, POOLS[type])
}

function peersOf(table: Table, type: ColumnType): string[] {
  const peers = CLASSES.find(types => types.includes(type))!
  return table.columns.filter(column => peers.includes(column.type)).map(({ name }) => name)
}

/** A condition on columns of one table that compiles; `rename` makes its names. */
export function randomCondition(
  dice: Dice,
  table: Table,
  rename: (column: string) => string,
  depth: number,
  mayAsk: boolean,
): Expr {
  if (depth > 0 && dice.chance(2)) {
    const args = Array.from({ length: 1 + dice.below(3) }, () =>
      randomCondition(dice, table, rename, depth - 1, mayAsk),
    )
    return dice.chance(6) ? { op: 'not', arg: args[0]! } : { op: dice.chance(2) ? 'or' : 'and', args }
  }
  const { name, type } = pick(dice, table.columns)
  const column = rename(name)
  const operand = (): Operand => {
    if (dice.chance(8)) return { column: rename(pick(dice, peersOf(table, type))) }
    return literalFor(dice, type)
  }
  switch (dice.below(8)) {
    case 0:
      return { op: dice.chance(2) ? 'isNull' : 'isNotNull', column }
    case 1:
      return { op: 'in', column, values: Array.from({ length: dice.below(4) }, operand) }
    case 2:
      return { op: 'between', column, low: operand(), high: operand() }
    case 3:
      if (type !== 'text' && type !== 'json') return { op: 'eq', column, value: operand() }
      if (mayAsk && dice.chance(3)) return { op: 'eq', column, value: { caller: true } }
      return { op: 'like', column, pattern: pick(dice, ['a%', '%', 'ab', '_b%', '%b', 'a\\%%', 'a\0%', 'a%b']) }
    case 4:
    case 5:
      return { op: 'eq', column, value: operand() }
    default:
      return { op: pick(dice, OPERATORS), column, value: operand() }
  }
}

function isNumber(type: ColumnType): boolean {
  return CLASSES[0]!.includes(type)
}

function randomScalar(dice: Dice, columns: readonly { name: string; type: ColumnType }[], depth: number): ScalarExpr {
  const numbers = columns.filter(({ type }) => isNumber(type))
  if (depth === 0 || dice.chance(4)) {
    if (numbers.length > 0 && !dice.chance(3)) return { column: pick(dice, numbers).name }
    return { value: pick(dice, [...NUMBERS.filter(value => typeof value !== 'string'), null]) }
  }
  const op = pick(dice, ['add', 'subtract', 'multiply', 'divide'] as const)
  return { op, left: randomScalar(dice, columns, depth - 1), right: randomScalar(dice, columns, depth - 1) }
}

/** A query that is valid, over one table or several. */
export function randomQuery(dice: Dice, tables: readonly Table[]): QueryData {
  const isJoined = tables.length > 1
  const rename = (table: Table) => (column: string) => (isJoined ? `${table.name}.${column}` : column)
  const columns = tables.flatMap(table => table.columns.map(({ name, type }) => ({ name: rename(table)(name), type })))
  const names = columns.map(({ name }) => name)
  const conditions = tables
    .filter(() => dice.chance(2))
    .map(table => randomCondition(dice, table, rename(table), 2, true))
  if (isJoined && dice.chance(3)) {
    const last = 1 + dice.below(tables.length - 1)
    const pair = randomPair(dice, tables.slice(0, last), tables[last]!, rename)
    if (pair !== undefined) conditions.push(pair)
  }
  const joins = tables.slice(1).map((table, i) => randomJoin(dice, tables.slice(0, i + 1), table, rename))
  const query: QueryData = {
    project: 'p',
    from: tables[0]!.name,
    allowFullScan: true,
    ...(joins.length > 0 && { joins }),
    ...(conditions.length > 0 && { where: { op: 'and', args: conditions } }),
  }
  if (dice.chance(4)) return { ...query, ...randomGroups(dice, columns) }
  const select = dice.chance(3) ? some(dice, names, 4) : undefined
  const isDistinct = dice.chance(5)
  const orderable = isDistinct && select !== undefined ? select : names
  const direction = dice.chance(2) ? 'asc' : 'desc'
  const computed = dice.chance(4) ? [{ compute: randomScalar(dice, columns, 2), as: 'x' } as const] : []
  const orderBy = some(dice, [...orderable, ...computed.map(({ as }) => as)], 3).map((column): OrderItem => ({
    column,
    direction: dice.chance(5) ? (dice.chance(2) ? 'asc' : 'desc') : direction,
  }))
  return {
    ...query,
    ...((select !== undefined || computed.length > 0) && { select: [...(select ?? names), ...computed] }),
    ...(isDistinct && { distinct: true }),
    ...(!dice.chance(3) && { orderBy }),
  }
}

function randomJoin(
  dice: Dice,
  before: readonly Table[],
  table: Table,
  rename: (table: Table) => (column: string) => string,
): JoinData {
  const type = pick(dice, ['inner', 'inner', 'left', 'left', 'right', 'full', 'cross'] as const)
  const pairs = before.flatMap(other =>
    other.columns.flatMap(column =>
      peersOf(table, column.type).map(name => [rename(other)(column.name), rename(table)(name)] as const),
    ),
  )
  if (type === 'cross' || pairs.length === 0) return { type: 'cross', table: table.name }
  if (dice.chance(2)) return { type, table: table.name, on: randomOn(dice, before, table, rename, 2) }
  const on = some(dice, pairs, 2).map(([left, right]) => {
    const op = dice.chance(5) ? pick(dice, OPERATORS) : undefined
    const sides = dice.chance(5) ? { left: right, right: left } : { left, right }
    return op === undefined ? sides : { ...sides, op }
  })
  return { type, table: table.name, on }
}

/** A condition that compares columns of two tables; undefined if none compare. */
function randomPair(
  dice: Dice,
  before: readonly Table[],
  table: Table,
  rename: (table: Table) => (column: string) => string,
): Expr | undefined {
  const other = pick(dice, before)
  const { name, type } = pick(dice, other.columns)
  const peers = peersOf(table, type)
  if (peers.length === 0) return undefined
  const op = dice.chance(4) ? pick(dice, OPERATORS) : 'eq'
  const [a, b] = [rename(other)(name), rename(table)(pick(dice, peers))]
  return dice.chance(2) ? { op, column: a, value: { column: b } } : { op, column: b, value: { column: a } }
}

/** Any condition on columns of the joined table and those before it. */
function randomOn(
  dice: Dice,
  before: readonly Table[],
  table: Table,
  rename: (table: Table) => (column: string) => string,
  depth: number,
): Expr {
  const pair = (): Expr | undefined => randomPair(dice, before, table, rename)
  const plain = (): Expr => {
    const of = dice.chance(2) ? table : pick(dice, before)
    return randomCondition(dice, of, rename(of), 0, true)
  }
  const args = [pair() ?? plain(), ...(dice.chance(2) ? [plain()] : []), ...(dice.chance(3) ? [pair() ?? plain()] : [])]
  if (depth > 0 && dice.chance(3)) args.push(randomOn(dice, before, table, rename, depth - 1))
  if (dice.chance(8)) return { op: 'not', arg: args[0]! }
  return { op: dice.chance(4) ? 'or' : 'and', args }
}

function randomGroups(dice: Dice, columns: readonly { name: string; type: ColumnType }[]): Partial<QueryData> {
  const groupBy = dice.chance(4) ? [] : some(dice, columns, 2).map(({ name }) => name)
  const aggregates = Array.from({ length: 1 + dice.below(3) }, (_, i): AggregateData => {
    const { name, type } = pick(dice, columns)
    const functions = isNumber(type)
      ? (['count', 'countDistinct', 'sum', 'min', 'max', 'avg'] as const)
      : (['count', 'countDistinct', 'min', 'max'] as const)
    if (dice.chance(4)) return { function: 'count', as: `a${i}` }
    return { function: pick(dice, functions), column: name, as: `a${i}` }
  })
  const counts = aggregates.filter(({ function: name }) => name === 'count').map(({ as }) => as!)
  const names = [...groupBy, ...aggregates.map(({ as }) => as!)]
  const orderBy = some(dice, names, 2).map((column): OrderItem => ({
    column,
    direction: dice.chance(2) ? 'asc' : 'desc',
  }))
  return {
    groupBy,
    aggregates,
    ...(counts.length > 0 && dice.chance(2) && { having: { op: 'gt', column: counts[0]!, value: 1 } }),
    ...(dice.chance(2) && { orderBy }),
  }
}

/** Whether a condition that was made at random can be used at all. */
export function compiles(table: Table, expr: Expr): boolean {
  return !(compileCondition(expr, table, '') instanceof InvalidExpression)
}
