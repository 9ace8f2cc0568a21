/** The code of docs/guide/queries.md. */
import { and, createTable, defineTable, Engine, from, integer, or, text, timestamp } from '../../src/entry/engine.ts'

const customers = defineTable('customers', {
  project: 'shop',
  columns: { id: integer().primaryKey(), name: text() },
})
const orders = defineTable('orders', {
  project: 'shop',
  columns: {
    id: integer().primaryKey(),
    customer: integer(),
    cents: integer(),
    note: text().nullable(),
    createdAt: timestamp().defaultNow(),
  },
  indexes: [{ columns: ['customer', 'cents'] }, { columns: ['note'] }],
})

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl([{ type: 'createProject', project: 'shop' }, createTable(customers), createTable(orders)])
  await db.table(customers).insertMany([
    { id: 1, name: 'Ann' },
    { id: 2, name: 'Bob' },
    { id: 3, name: 'Eve' },
  ])
  await db.table(orders).insertMany(
    Array.from({ length: 150 }, (_, id) => ({
      id,
      customer: 1 + (id % 2),
      cents: id * 10,
      note: id % 50 === 0 ? `gift ${id}` : null,
    })),
  )

  // [where]
  const large = await db
    .table(orders)
    .query(q =>
      q
        .where(c => and(c.customer.eq(1), or(c.cents.gte(1_400), c.note.like('gift%'))))
        .orderBy('cents', 'desc')
        .select('id', 'cents as amount')
        .limit(3),
    )
    .all()
  // [/where]
  print(large.map(({ id, amount }) => `${id}:${amount}`).join(' '))

  // [join]
  const perCustomer = from(customers, 'c')
    .leftJoin(orders, 'o', [['c.id', 'o.customer']])
    .groupBy(['c.name'], of => ({ orders: of.count('o.id'), total: of.sum('o.cents') }))
    .having(row => row.orders.gt(0))
    .orderBy('total', 'desc')
    .allowFullScan()
  for (const row of await db.query(perCustomer).all())
    print(`${row['c.name']}: ${row.orders} orders, ${row.total} cents`)
  // [/join]

  // [on]
  const gifts = from(customers, 'c')
    .leftJoin(orders, 'o', c => and(c['o.customer'].eq(c['c.id']), or(c['o.note'].like('gift%'), c['o.cents'].lt(20))))
    .select('c.name', 'o.id')
    .orderBy('c.name')
    .orderBy('o.id')
    .limit(100)
  // [/on]
  const found = await db.query(gifts).all()
  print(found.map(row => `${row['c.name']} ${row['o.id'] ?? '-'}`).join(', '))

  // [pages]
  const ofAnn = db.table(orders).query(q =>
    q
      .where(c => c.customer.eq(1))
      .orderBy('id')
      .limit(40),
  )
  const first = await ofAnn.page()
  const second = await ofAnn.page(first.cursor)
  // [/pages]
  print(`${first.rows.length} and ${second.rows.length}, of one state: ${first.seq === second.seq}`)

  // [iterate]
  let cents = 0
  for await (const order of db.table(orders).query(q => q.where(c => c.customer.eq(2)))) cents += order.cents
  // [/iterate]
  print(`${cents}`)

  // [data]
  const rows = await db
    .query({
      project: 'shop',
      from: 'orders',
      where: { op: 'between', column: 'cents', low: 100, high: 120 },
      select: ['id', { compute: { op: 'divide', left: { column: 'cents' }, right: { value: 100 } }, as: 'euros' }],
      orderBy: [{ column: 'id' }],
      limit: 10,
    })
    .all()
  // [/data]
  print(rows.map(row => String(row['euros'])).join(' '))

  // [view]
  await using view = await db.view()
  const count = await view.table(orders).count()
  const newest = await view.query(from(orders).orderBy('id', 'desc').limit(1)).first()
  // [/view]
  print(`${count} ${newest?.id}`)

  // [explain]
  const plan = await db
    .table(orders)
    .query(q => q.where(c => c.customer.eq(1)).orderBy('cents'))
    .explain()
  print(`${plan.path} ${plan.indexes.join()}, ordered by it: ${plan.isOrderedByScan}`)
  // [/explain]

  // [diagnose]
  const run = await db
    .table(orders)
    .query(q => q.where(c => c.customer.eq(1)).orderBy('note'))
    .diagnose()
  run.diagnostics.stages.forEach(({ read, rows }, i) => {
    print(`${run.diagnostics.plan.stages[i]?.kind}: read ${read}, gave ${rows}`)
  })
  // [/diagnose]
}
