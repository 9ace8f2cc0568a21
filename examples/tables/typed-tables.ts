/**
 * A small shop: typed tables that refer to each other, queries that the compiler checks, a report.
 * Run: node dist/examples/tables/typed-tables.js [DIRECTORY]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  add,
  boolean,
  createTable,
  defineTable,
  Engine,
  from,
  integer,
  json,
  text,
  timestamp,
  u64,
} from '../../src/entry/engine.ts'
import type { Database, NewRowOf, RowOf } from '../../src/entry/engine.ts'

const customers = defineTable('customers', {
  project: 'shop',
  columns: { id: integer().primaryKey(), name: text(), country: text(), isActive: boolean().default(true) },
  indexes: [{ columns: ['country'] }],
})

const orders = defineTable('orders', {
  project: 'shop',
  columns: {
    id: u64({ as: 'bigint' }).primaryKey(),
    customer: integer(),
    cents: integer(),
    state: text<'open' | 'paid' | 'shipped'>().default('open'),
    items: json<string[]>(),
    note: text().nullable(),
    createdAt: timestamp().defaultNow(),
  },
  indexes: [{ columns: ['customer', 'createdAt'] }, { columns: ['state'] }],
  checks: [{ name: 'costs_something', check: c => c.cents.gt(0) }],
  foreignKeys: [{ columns: ['customer'], table: customers, onDelete: 'cascade' }],
})

type Order = RowOf<typeof orders>
type NewOrder = NewRowOf<typeof orders>

async function place(db: Database, order: NewOrder): Promise<Order> {
  await db.table(orders).insert(order)
  return (await db.table(orders).get(order.id))!
}

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl([
    { type: 'createProject', project: 'shop', ifNotExists: true },
    createTable(customers, { ifNotExists: true }),
    createTable(orders, { ifNotExists: true }),
  ])
  await db.table(customers).upsertMany([
    { id: 1, name: 'Ann', country: 'at' },
    { id: 2, name: 'Bob', country: 'de' },
    { id: 3, name: 'Eve', country: 'at', isActive: false },
  ])
  for (const [id, customer, cents] of [
    [1n, 1, 4_990],
    [2n, 1, 1_250],
    [3n, 2, 999],
    [4n, 2, 15_000],
  ] as const) {
    await place(db, { id, customer, cents, items: [`thing-${id}`] })
  }
  const table = db.table(orders)
  await table.update(4n, { cents: add(-500), note: 'a discount' })
  const paid = await table.updateWhere(c => c.cents.gte(4_000), { state: 'paid' })
  print(`${paid} orders are paid`)

  const next = await table.claimOne(c => c.state.eq('paid'), { state: 'shipped' })
  print(`shipped ${next?.after.items.join(', ')} of order ${next?.after.id}`)

  const perCustomer = from(customers, 'c')
    .leftJoin(orders, 'o', [['c.id', 'o.customer']])
    .where(c => c['c.country'].in(['at', 'de']))
    .groupBy(['c.name'], of => ({ orders: of.count('o.id'), total: of.sum('o.cents') }))
    .orderBy('c.name')
  for (const row of await db.query(perCustomer).all())
    print(`${row['c.name']}: ${row.orders} orders, ${row.total ?? 0} cents`)

  const plan = await table.query(q => q.where(c => c.customer.eq(1)).orderBy('createdAt')).explain()
  print(`by ${plan.indexes.join(', ')}, ${plan.isOrderedByScan ? 'in order' : 'sorted'}`)

  await db.table(customers).delete(2)
  print(`${await table.count()} orders are left`)
}

if (process.argv[1] === import.meta.filename) {
  const given = process.argv[2]
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'quorate-shop-')))
  await main(directory, line => console.log(line))
  if (given === undefined) await rm(directory, { recursive: true })
}
