/** The code of docs/guide/data-model.md. */
// [define]
import { createTable, defineTable, Engine, integer, json, text, timestamp, u256 } from '../../src/entry/engine.ts'
import type { NewRowOf, RowOf } from '../../src/entry/engine.ts'

const customers = defineTable('customers', {
  project: 'shop',
  columns: { id: integer().primaryKey(), email: text(), tags: json<string[]>().nullable() },
  indexes: [{ columns: ['email'], unique: true }],
})

const orders = defineTable('orders', {
  project: 'shop',
  columns: {
    id: integer({ as: 'bigint' }).primaryKey(),
    customer: integer(),
    amount: u256(),
    note: text().nullable(),
    createdAt: timestamp().defaultNow(),
  },
  indexes: [
    { columns: ['customer', 'createdAt'] },
    { name: 'large', columns: ['amount'], where: c => c.amount.gt(1_000n) },
  ],
  checks: [{ name: 'not_for_free', check: c => c.amount.gt(0n) }],
  foreignKeys: [{ columns: ['customer'], table: customers, onDelete: 'cascade' }],
})

type Order = RowOf<typeof orders>
type NewOrder = NewRowOf<typeof orders>
// [/define]

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  // [create]
  await using db = await Engine.open(directory)
  await db.ddl([
    { type: 'createProject', project: 'shop', ifNotExists: true },
    createTable(customers, { ifNotExists: true }),
    createTable(orders, { ifNotExists: true }),
  ])
  // [/create]

  // [write]
  await db.table(customers).insert({ id: 1, email: 'ann@example.org' })
  const order: NewOrder = { id: 1n, customer: 1, amount: 10n ** 20n }
  await db.table(orders).insert(order)
  await db.table(orders).insertMany([
    { id: 2n, customer: 1, amount: 5n, note: 'a gift' },
    { id: 3n, customer: 1, amount: 7n },
  ])
  const found: Order | undefined = await db.table(orders).get(1n)
  // [/write]
  print(`${found?.amount} ${found?.note}`)

  // [untyped]
  const byName = db.table({ project: 'shop', table: 'orders' })
  const row = await byName.get({ id: 2 })
  // [/untyped]
  print(`${String(row?.['note'])} ${typeof row?.['amount']}`)

  // [describe]
  for (const { name, rows, indexes } of await db.tables('shop')) {
    print(`${name}: ${rows} rows, ${indexes.filter(index => index.isReady).length} indexes are ready`)
  }
  // [/describe]

  // [alter]
  await db.ddl([
    {
      type: 'alterTable',
      project: 'shop',
      table: 'orders',
      alteration: { type: 'addColumn', column: { name: 'currency', type: 'text', default: 'eur' } },
    },
    { type: 'createIndex', project: 'shop', table: 'orders', index: { name: 'by_currency', columns: ['currency'] } },
  ])
  // [/alter]
  print(String((await byName.get({ id: 1 }))?.['currency']))

  // [keys]
  const settings = db.kv('shop')
  await settings.set('greeting', new TextEncoder().encode('hello'), { ttlMs: 60_000 })
  const visits = await settings.increment('visits')
  // [/keys]
  print(`${visits}`)
}
