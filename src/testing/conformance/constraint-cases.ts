import { deepEqual, equal } from 'node:assert/strict'
import { createTable, defineTable, integer, text } from '../../model/index.ts'
import type { ReferentialAction } from '../../encoding/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { refused } from './expectations.ts'

const usersOf = (project: string) =>
  defineTable('users', {
    project,
    columns: {
      id: integer().primaryKey(),
      email: text().nullable(),
      team: text(),
      rank: integer().nullable(),
      state: text().default('active'),
    },
    indexes: [
      { columns: ['email'], unique: true },
      { name: 'one_lead', columns: ['team'], unique: true, where: c => c.state.eq('lead') },
      { columns: ['team', 'rank'], unique: true },
    ],
    checks: [
      { name: 'rank_is_positive', check: c => c.rank.gt(0) },
      { name: 'id_is_not_rank', check: c => c.id.ne(c.rank) },
    ],
  })

const customersOf = (project: string) =>
  defineTable('customers', {
    project,
    columns: { id: integer().primaryKey(), code: text() },
    indexes: [{ columns: ['code'], unique: true }],
  })

const ordersOf = (project: string, onDelete?: ReferentialAction) =>
  defineTable('orders', {
    project,
    columns: {
      id: integer().primaryKey(),
      customer: integer().nullable().default(1),
    },
    indexes: [{ columns: ['customer'] }],
    foreignKeys: [
      {
        name: 'of_customer',
        columns: ['customer'],
        table: 'customers',
        ...(onDelete !== undefined && { onDelete }),
      },
    ],
  })

async function users({ database, project }: ConformanceContext) {
  const definition = usersOf(project)
  await database.ddl(createTable(definition))
  return database.table(definition)
}

async function shop({ database, project }: ConformanceContext, onDelete?: ReferentialAction) {
  const customers = customersOf(project)
  const orders = ordersOf(project, onDelete)
  await database.ddl([createTable(customers), createTable(orders)])
  await database.table(customers).insertMany([
    { id: 1, code: 'a' },
    { id: 2, code: 'b' },
  ])
  await database.table(orders).insertMany([
    { id: 10, customer: 1 },
    { id: 11, customer: 2 },
    { id: 12, customer: 2 },
    { id: 13, customer: null },
  ])
  return { customers: database.table(customers), orders: database.table(orders) }
}

export const constraintSection: ConformanceSection = {
  title: 'a constraint',
  cases: [
    {
      name: 'of a unique index lets nobody have the same, unless a cell is Null',
      async run(context) {
        const table = await users(context)
        await table.insert({ id: 1, email: 'a@x', team: 'red' })
        await refused(table.insert({ id: 2, email: 'a@x', team: 'red' }), 'unique_violation')
        await table.insertMany([
          { id: 2, team: 'red' },
          { id: 3, team: 'red' },
        ])
        await refused(table.update(2, { email: 'a@x' }), 'unique_violation')
        await table.update(1, { email: 'b@x' })
        await table.update(2, { email: 'a@x' })
        await table.update(2, { email: 'a@x' })
        await table.insert({ id: 4, team: 'blue', rank: 10 })
        await table.insert({ id: 5, team: 'red', rank: 10 })
        await refused(table.insert({ id: 6, team: 'red', rank: 10 }), 'unique_violation')
        await table.delete(5)
        await table.insert({ id: 6, team: 'red', rank: 10 })
      },
    },
    {
      name: 'of a partial unique index counts only the rows in it',
      async run(context) {
        const table = await users(context)
        await table.insertMany([
          { id: 1, team: 'red', state: 'lead' },
          { id: 2, team: 'red' },
          { id: 3, team: 'blue', state: 'lead' },
        ])
        await refused(table.update(2, { state: 'lead' }), 'unique_violation')
        await table.update(1, { state: 'active' })
        await table.update(2, { state: 'lead' })
        await refused(table.upsert({ id: 3, team: 'red', state: 'lead' }), 'unique_violation')
      },
    },
    {
      name: 'of a check refuses what is false, and lets the unknown pass',
      async run(context) {
        const table = await users(context)
        await table.insert({ id: 1, team: 'red', rank: null })
        await table.insert({ id: 2, team: 'red', rank: 3 })
        await refused(table.insert({ id: 3, team: 'red', rank: 0 }), 'check_failed')
        await refused(table.insert({ id: 5, team: 'red', rank: 5 }), 'check_failed')
        await refused(table.update(2, { rank: -1 }), 'check_failed')
        await refused(table.updateWhere(undefined, { rank: 2 }), 'check_failed')
        equal((await table.get(2))?.rank, 3)
      },
    },
    {
      name: 'of a column that is not Null refuses Null',
      async run({ database, project }) {
        await database.ddl(createTable(usersOf(project)))
        const table = database.table({ project, table: 'users' })
        await refused(table.insert({ id: 1 }), 'not_null_violation')
        await refused(table.insert({ id: 1, team: null }), 'not_null_violation')
        await refused(table.insert({ id: 1, team: 'red', state: null }), 'not_null_violation')
        equal(await table.count(), 0)
      },
    },
    {
      name: 'holds for all rows of a write or none is written',
      async run(context) {
        const table = await users(context)
        await refused(
          table.insertMany([
            { id: 1, team: 'red' },
            { id: 2, team: 'red', rank: 0 },
          ]),
          'check_failed',
        )
        equal(await table.count(), 0)
      },
    },
    {
      name: 'of a foreign key wants a row that is there',
      async run(context) {
        const { orders, customers } = await shop(context)
        await refused(orders.insert({ id: 20, customer: 9 }), 'foreign_key_violation')
        await refused(orders.update(10, { customer: 9 }), 'foreign_key_violation')
        await orders.update(10, { customer: null })
        await refused(customers.delete(2), 'foreign_key_violation')
        equal(await customers.delete(1), true)
        deepEqual((await orders.get(11))?.customer, 2)
        await context.database.transaction(async tx => {
          tx.table(customersOf(context.project)).insert({ id: 9, code: 'z' })
          tx.table(ordersOf(context.project)).insert({ id: 20, customer: 9 })
          return Promise.resolve()
        })
        equal((await orders.get(20))?.customer, 9)
      },
    },
    {
      name: 'of a foreign key deletes, unsets or resets the rows that refer, as it says',
      async run(context) {
        const { orders, customers } = await shop(context, 'cascade')
        await customers.delete(2)
        deepEqual(
          (await orders.query(q => q.orderBy('id').limit(9)).all()).map(row => row.id),
          [10, 13],
        )
        const { database, project } = context
        await database.ddl([
          { type: 'dropTable', project, table: 'orders' },
          { type: 'dropTable', project, table: 'customers' },
        ])
        const second = await shop(context, 'setNull')
        await second.customers.delete(2)
        deepEqual(
          (await second.orders.getMany([10, 11, 12])).map(row => row?.customer),
          [1, null, null],
        )
        await database.ddl([
          { type: 'dropTable', project, table: 'orders' },
          { type: 'dropTable', project, table: 'customers' },
        ])
        const third = await shop(context, 'setDefault')
        await third.customers.delete(2)
        deepEqual(
          (
            await third.orders
              .query(q =>
                q
                  .where(c => c.customer.eq(1))
                  .orderBy('id')
                  .limit(9),
              )
              .all()
          ).map(row => row.id),
          [10, 11, 12],
        )
        await refused(third.customers.delete(1), 'foreign_key_violation')
      },
    },
  ],
}
