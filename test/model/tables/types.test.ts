import assert from 'node:assert/strict'
import { it } from 'node:test'
import {
  add,
  blob,
  boolean,
  defineTable,
  from,
  integer,
  json,
  or,
  text,
  timestamp,
  u256,
  type BuiltQuery,
  type KeyOf,
  type NewRowOf,
  type RowOf,
  type Table,
  type TableDefinition,
} from '../../../src/model/index.ts'

/** What the compiler says of typed tables; a wrong type fails the build, and so does an error that no longer is one. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function same<T extends true>(): T {
  return true as T
}
type Result<Q> = Q extends BuiltQuery<infer Row> ? Row : never
type ShapeOf<D> = D extends TableDefinition<infer Shape> ? Shape : never

const orders = defineTable('orders', {
  project: 'shop',
  columns: {
    id: integer({ as: 'bigint' }).primaryKey(),
    customer: text(),
    kind: text<'small' | 'large'>().default('small'),
    amount: u256(),
    note: text().nullable(),
    tags: json<string[]>().nullable(),
    isPaid: boolean().default(false),
    createdAt: timestamp().defaultNow(),
  },
})

const lines = defineTable('lines', {
  project: 'shop',
  columns: { order: integer({ as: 'bigint' }), line: integer(), item: blob().nullable() },
  primaryKey: ['order', 'line'],
})

it('rows have the types of their columns', () => {
  same<
    Equal<
      RowOf<typeof orders>,
      {
        id: bigint
        customer: string
        kind: 'small' | 'large'
        amount: bigint
        note: string | null
        tags: string[] | null
        isPaid: boolean
        createdAt: number
      }
    >
  >()
  const fewest: NewRowOf<typeof orders> = { id: 1n, customer: 'ann', amount: 1n }
  const all: NewRowOf<typeof orders> = { ...fewest, kind: 'large', note: null, tags: ['a'], isPaid: true, createdAt: 1 }
  // @ts-expect-error: amount is needed
  const short: NewRowOf<typeof orders> = { id: 1n, customer: 'ann' }
  // @ts-expect-error: a number is no bigint
  const number: NewRowOf<typeof orders> = { id: 1, customer: 'ann', amount: 1n }
  // @ts-expect-error: not nullable
  const nulled: NewRowOf<typeof orders> = { id: 1n, customer: null, amount: 1n }
  // @ts-expect-error: no such column
  const excess: NewRowOf<typeof orders> = { id: 1n, customer: 'ann', amount: 1n, elsewhere: 1 }
  assert.ok([fewest, all, short, number, nulled, excess].length === 6)
})

it('keys are cells, or the one cell', () => {
  same<Equal<KeyOf<typeof orders>, bigint | { id: bigint }>>()
  same<Equal<KeyOf<typeof lines>, { order: bigint; line: number }>>()
  // @ts-expect-error: nullable columns are no keys, and neither are unknown ones
  assert.throws(() => defineTable('x', { project: 'p', columns: { a: text() }, primaryKey: ['b'] }))
  assert.throws(() => defineTable('x', { project: 'p', columns: { a: text().nullable() }, primaryKey: ['a'] }))
  assert.throws(() => defineTable('x', { project: 'p', columns: { a: text() } }), { code: 'invalid_argument' })
  // @ts-expect-error: only timestamps have the time as default
  text().defaultNow()
  // @ts-expect-error: a default has the column's type
  assert.throws(() => text().default(5), { code: 'type_mismatch' })
})

it('updates, conditions and queries know the columns', () => {
  type Orders = Table<ShapeOf<typeof orders>>
  const uses = (table: Orders): unknown => [
    table.update(1n, { amount: add(1n), note: null }),
    // @ts-expect-error: the key cannot be updated
    table.update(1n, { id: 2n }),
    // @ts-expect-error: another type
    table.update(1n, { amount: 1 }),
    // @ts-expect-error: another type
    table.count(c => c.amount.gt('x')),
    // @ts-expect-error: no such column
    table.count(c => c.elsewhere.isNull()),
    // @ts-expect-error: only texts are like a pattern
    table.count(c => c.amount.like('x')),
    table.count(c => c.note.like('x%')),
    // @ts-expect-error: no such column
    table.query(q => q.select('elsewhere')),
    // @ts-expect-error: no such column
    table.query(q => q.orderBy('elsewhere')),
    // @ts-expect-error: a table alone has its columns without an alias
    table.query(q => q.select('orders.id')),
  ]
  assert.equal(typeof uses, 'function')
  const selected = from(orders).select('id', 'note as remark')
  same<Equal<Result<typeof selected>, { id: bigint; remark: string | null }>>()
  const grouped = from(orders).groupBy(['kind'], of => ({ n: of.count(), sum: of.sum('amount'), last: of.max('note') }))
  same<Equal<Result<typeof grouped>, { kind: 'small' | 'large'; n: number; sum: bigint | null; last: string | null }>>()
  const joined = from(orders, 'o')
    .leftJoin(lines, 'l', [['o.id', 'l.order']])
    .select('o.id', 'l.line as line', 'l.item')
  same<Equal<Result<typeof joined>, { 'o.id': bigint; line: number | null; 'l.item': Uint8Array | null }>>()
  const conditional = from(orders, 'o')
    .fullJoin(lines, 'l', c => or(c['o.id'].eq(c['l.order']), c['l.line'].gt(3)))
    .select('o.id', 'l.line')
  same<Equal<Result<typeof conditional>, { 'o.id': bigint | null; 'l.line': number | null }>>()
  // @ts-expect-error: a condition names columns of both sides, with their alias
  void (() => from(orders, 'o').innerJoin(lines, 'l', c => c.line.gt(3)))
  const computed = from(orders)
    .select('id')
    .compute('double', c => c.amount.times(2))
  same<Equal<Result<typeof computed>, { id: bigint; double: number | bigint | null }>>()
  // @ts-expect-error: columns of joined tables have their alias
  from(orders, 'o').innerJoin(lines, 'l', [['id', 'l.order']])
})
