import { deepEqual, equal, ok } from 'node:assert/strict'
import { add, and, boolean, createTable, defineTable, integer, or, text, timestamp } from '../../model/index.ts'
import type { Expr } from '../../encoding/index.ts'
import type { References, RowOf, TableDefinition, TransactionTable } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { collect, fails, refused } from './expectations.ts'

const accountsOf = (project: string) =>
  defineTable('accounts', {
    project,
    columns: { id: text().primaryKey(), balance: integer(), branch: text().default('main') },
    indexes: [{ columns: ['branch'] }],
  })

const seatsOf = (project: string) =>
  defineTable('seats', {
    project,
    columns: {
      hall: text(),
      id: integer(),
      row: integer(),
      place: integer(),
      holder: text().nullable(),
      isTaken: boolean().default(true),
    },
    primaryKey: ['hall', 'id'],
    indexes: [
      { columns: ['row', 'place'] },
      { columns: ['holder'] },
      { name: 'by_hash', columns: ['place'], kind: 'hash' },
      { name: 'taken', columns: ['row'], where: c => c.isTaken.eq(true) },
    ],
  })

const eventsOf = (project: string) =>
  defineTable('events', {
    project,
    columns: { id: integer().primaryKey(), at: timestamp().defaultNow() },
  })

type AccountShape = ReturnType<typeof accountsOf> extends TableDefinition<infer Shape> ? Shape : never

async function accounts({ database, project }: ConformanceContext) {
  const definition = accountsOf(project)
  await database.ddl([createTable(definition), createTable(eventsOf(project))])
  await database.table(definition).insertMany([
    { id: 'ann', balance: 100 },
    { id: 'bob', balance: 50, branch: 'west' },
  ])
  return { definition, table: database.table(definition) }
}

export const rowTransactionSection: ConformanceSection = {
  title: 'a transaction on rows',
  cases: [
    {
      name: 'commits what it has written together, with keys of the same scope',
      async run(context) {
        const { database, project, kv } = context
        const { definition, table } = await accounts(context)
        await database.transaction(async tx => {
          const inside = tx.table(definition)
          const [ann, bob] = await inside.getMany(['ann', 'bob'])
          ok(ann !== undefined && bob !== undefined)
          inside.update('ann', { balance: ann.balance - 30 })
          inside.update('bob', { balance: bob.balance + 30 })
          tx.kv(project).set('last', new Uint8Array([30]))
        })
        const [ann, bob] = [await table.entry('ann'), await table.entry('bob')]
        deepEqual([ann?.row.balance, bob?.row.balance], [70, 80])
        equal(ann?.seq, bob?.seq)
        equal(ann?.seq, (await kv.entry('last'))?.seq)
      },
    },
    {
      name: 'changes nothing when one of its writes is refused',
      async run(context) {
        const { database, project, kv } = context
        const { definition, table } = await accounts(context)
        const work = database.transaction(tx => {
          tx.table(definition).update('ann', { balance: add(1) })
          tx.kv(project).set('k', new Uint8Array([1]))
          tx.table(definition).update('nobody', { balance: 1 })
          return Promise.resolve()
        })
        await refused(work, 'row_not_found')
        equal((await table.get('ann'))?.balance, 100)
        equal(await kv.get('k'), undefined)
      },
    },
    {
      name: 'loses no update of many at once',
      async run(context) {
        const { database } = context
        const { definition, table } = await accounts(context)
        await Promise.all(
          Array.from({ length: 8 }, () =>
            database.transaction(async tx => {
              const inside = tx.table(definition)
              const { balance } = (await inside.get('ann'))!
              inside.update('ann', { balance: balance + 1 })
            }),
          ),
        )
        equal((await table.get('ann'))?.balance, 108)
      },
    },
    {
      name: 'conflicts over the rows that its read policy shows, and no others',
      async run({ database, project }) {
        const definition = seatsOf(project)
        const [ann, target] = [`${project}-ann`, { project, scope: 'app', table: 'seats' }]
        await database.ddl([
          createTable(definition),
          { type: 'setReadPolicy', ...target, policy: { op: 'eq', column: 'holder', value: { caller: true } } },
          { type: 'grant', caller: ann, permission: { type: 'tableRead', ...target } },
          { type: 'grant', caller: ann, permission: { type: 'tableWrite', ...target } },
        ])
        const all = database.table(definition)
        const seat = (id: number, holder: string) => ({ hall: 'a', id, row: 1, place: 1, holder })
        await all.insertMany([seat(1, ann), seat(2, 'bob')])
        type Columns = References<RowOf<typeof definition>>
        const ways: Readonly<Record<string, (c: Columns) => Expr>> = {
          'a range of the key': c => and(c.hall.eq('a'), c.id.gte(0)),
          'an index': c => c.row.eq(1),
          'a union of indexes': c => or(c.row.eq(1), c.holder.eq('bob')),
          'an intersection of indexes': c => and(c.holder.eq(ann), c.isTaken.eq(true), c.place.eq(1)),
          'a scan of all': c => c.hall.ne('z'),
        }
        let id = 2
        for (const [way, condition] of Object.entries(ways)) {
          for (const holder of ['bob', ann]) {
            let attempts = 0
            await database.as(ann).transaction(async tx => {
              attempts++
              const seats = tx.table(definition)
              await seats.query(q => q.where(condition).limit(100).allowFullScan()).all()
              if (attempts === 1) await all.insert(seat(++id, holder))
              seats.insert(seat(++id, ann))
            })
            equal(attempts, holder === ann ? 2 : 1, `${way}, after a row of ${holder}`)
          }
        }
      },
    },
    {
      name: 'allows no phantoms in what a query has read',
      async run(context) {
        const { database } = context
        const { definition, table } = await accounts(context)
        const open = (id: string): Promise<boolean> =>
          database.transaction(async tx => {
            const inside = tx.table(definition)
            const there = await inside.query(q => q.where(c => c.branch.eq('north')).limit(10)).all()
            if (there.length > 0) return false
            inside.insert({ id, balance: 0, branch: 'north' })
            return true
          })
        const opened = await Promise.all(['eve', 'joe', 'zoe'].map(open))
        equal(opened.filter(Boolean).length, 1)
        equal(await table.count(c => c.branch.eq('north')), 1)
      },
    },
    {
      name: 'allows no phantoms, whatever way leads to the rows',
      async run({ database, project }) {
        const definition = seatsOf(project)
        await database.ddl(createTable(definition))
        type Columns = References<RowOf<typeof definition>>
        const row = 7
        const ways: Readonly<Record<string, (c: Columns) => Expr>> = {
          'a range of the key': c => c.hall.eq('a'),
          'a range within the key': c => and(c.hall.eq('b'), c.id.between(0, 100)),
          'a scan of all': c => and(c.hall.ne('z'), c.holder.isNotNull(), c.place.lt(1_000)),
          'an index': c => c.row.eq(row),
          'a range of an index': c => and(c.row.eq(row), c.place.gte(0)),
          'a pattern': c => c.holder.like('h%'),
          'a hash index': c => c.place.in(Array.from({ length: 50 }, (_, i) => i)),
          'a partial index': c => and(c.row.eq(row), c.isTaken.eq(true)),
          'a union of indexes': c => or(c.row.eq(row), c.holder.eq('h')),
          'an intersection of indexes': c => and(c.row.eq(row), c.holder.like('h%')),
        }
        for (const [way, condition] of Object.entries(ways)) {
          await database.table(definition).deleteWhere(undefined)
          const hall = way === 'a range within the key' ? 'b' : 'a'
          const take = (isCounted: boolean): Promise<void> =>
            database.transaction(async tx => {
              const seats = tx.table(definition)
              const taken = isCounted
                ? await seats.count(condition)
                : (await seats.query(q => q.where(condition).orderBy('id').limit(100).allowFullScan()).all()).length
              seats.insert({ hall, id: taken, row, place: taken, holder: `h${taken}` })
            })
          await Promise.all(Array.from({ length: 6 }, (_, i) => take(i % 2 === 0)))
          const ids = (await collect(database.table(definition).scan())).map(seat => seat.id)
          deepEqual(ids, [0, 1, 2, 3, 4, 5], way)
        }
      },
    },
    {
      name: 'sees no half of another one, in whatever order it reads',
      async run(context) {
        const { database } = context
        const { definition, table } = await accounts(context)
        await table.insertMany(
          Array.from({ length: 8 }, (_, i) => ({ id: `x${i}`, balance: 100, branch: `b${i % 3}` })),
        )
        const total = 950
        const move = (from: number, to: number): Promise<number> =>
          database.transaction(async tx => {
            const inside = tx.table(definition)
            const sums = await inside.query(q => q.aggregate(of => ({ sum: of.sum('balance') })).allowFullScan()).all()
            const rich = await inside.get(`x${from}`)
            inside.update(`x${from}`, { balance: add(-10) })
            inside.update(`x${to}`, { balance: add(10), branch: rich?.branch ?? 'none' })
            return sums[0]?.sum ?? 0
          })
        const seen = await Promise.all(Array.from({ length: 10 }, (_, i) => move(i % 8, (i * 3 + 1) % 8)))
        deepEqual(new Set(seen), new Set([total]))
        const groups = await table
          .query(q => q.groupBy(['branch'], of => ({ sum: of.sum('balance') })).allowFullScan())
          .all()
        equal(
          groups.reduce((sum, group) => sum + (group.sum ?? 0), 0),
          total,
        )
      },
    },
    {
      name: 'runs again when a row that it missed, or a number that it counted, is another',
      async run(context) {
        const { database } = context
        const { definition, table } = await accounts(context)
        const attemptsOf = (
          read: (inside: TransactionTable<AccountShape>) => Promise<unknown>,
          meanwhile: () => Promise<unknown>,
        ): Promise<number> =>
          database.transaction(async tx => {
            await read(tx.table(definition))
            if (tx.attempt === 1) await meanwhile()
            tx.table(eventsOf(context.project)).upsert({ id: 1 })
            return tx.attempt
          })
        equal(
          await attemptsOf(
            inside => inside.get('eve'),
            () => table.insert({ id: 'eve', balance: 1 }),
          ),
          2,
        )
        equal(
          await attemptsOf(
            inside => inside.count(),
            () => table.insert({ id: 'joe', balance: 1 }),
          ),
          2,
        )
        equal(
          await attemptsOf(
            inside => inside.get('ann'),
            () => table.update('bob', { balance: 1 }),
          ),
          1,
        )
        equal(
          await attemptsOf(
            inside => inside.get('ann'),
            () => table.update('ann', { balance: 1 }),
          ),
          2,
        )
        equal(
          await attemptsOf(
            inside => collect(inside.scan()),
            () => table.delete('joe'),
          ),
          2,
        )
      },
    },
    {
      name: 'reads its own writes by key',
      async run(context) {
        const { database } = context
        const { definition } = await accounts(context)
        await database.transaction(async tx => {
          const inside = tx.table(definition)
          inside.insert({ id: 'eve', balance: 5 })
          deepEqual(await inside.get('eve'), { id: 'eve', balance: 5, branch: 'main' })
          inside.update('eve', { balance: add(2) })
          equal((await inside.get('eve'))?.balance, 7)
          inside.update('ann', { balance: add(1), branch: 'east' })
          const entry = await inside.entry('ann')
          deepEqual([entry?.row.balance, entry?.row.branch, entry?.seq], [101, 'east', 0])
          inside.delete('bob')
          equal(await inside.get('bob'), undefined)
          inside.upsert({ id: 'bob', balance: 1 })
          deepEqual(
            (await inside.getMany(['bob', 'ann', 'nobody'])).map(row => row?.balance),
            [1, 101, undefined],
          )
        })
        const table = database.table(definition)
        deepEqual(
          (await table.getMany(['ann', 'bob', 'eve'])).map(row => `${row?.balance} ${row?.branch}`),
          ['101 east', '1 main', '7 main'],
        )
        const untyped = { project: context.project, table: 'accounts' }
        await database.transaction(async tx => {
          const inside = tx.table(untyped)
          inside.insert({ id: 'joe', balance: '12' })
          deepEqual(await inside.get({ id: 'joe' }), { id: 'joe', balance: 12, branch: 'main' })
        })
      },
    },
    {
      name: 'refuses reads that only its commit could answer',
      async run(context) {
        const { database, project } = context
        const { definition } = await accounts(context)
        await database.transaction(async tx => {
          const events = tx.table(eventsOf(project))
          events.insert({ id: 1 })
          await fails(events.get(1), 'invalid_argument')
          const inside = tx.table(definition)
          equal(await inside.count(), 2)
          inside.updateWhere(c => c.balance.gt(0), { balance: 0 })
          await fails(inside.get('ann'), 'invalid_argument')
          await fails(inside.count(), 'invalid_argument')
          await fails(collect(inside.scan()), 'invalid_argument')
          await fails(inside.query().all(), 'invalid_argument')
        })
        equal((await database.table(definition).get('ann'))?.balance, 0)
        equal(await database.table(eventsOf(project)).count(), 1)
      },
    },
    {
      name: 'holds only if what it asserts holds',
      async run(context) {
        const { database, project } = context
        const { definition, table } = await accounts(context)
        const target = { project, table: 'accounts' }
        const pay = (amount: number): Promise<void> =>
          database.transaction(tx => {
            const key = { id: 'ann' }
            tx.assert({ type: 'rowCompare', ...target, key, column: 'balance', op: 'gte', value: amount })
            tx.assert({ type: 'sum', ...target, column: 'balance', op: 'eq', value: 150 })
            tx.assert({ type: 'count', ...target, op: 'eq', value: 2 })
            tx.table(definition).update('ann', { balance: add(-amount) })
            tx.table(definition).update('bob', { balance: add(amount) })
            return Promise.resolve()
          })
        await pay(60)
        const error = await refused(pay(60), 'assertion_failed')
        equal(error.detail?.index, 0)
        deepEqual([(await table.get('ann'))?.balance, (await table.get('bob'))?.balance], [40, 110])
        await table.insert({ id: 'eve', balance: 0 })
        equal((await refused(pay(1), 'assertion_failed')).detail?.index, 2)
        const exists = (id: string, expected: boolean) =>
          database.commit({
            assertions: [{ type: 'rowExists', ...target, key: { id }, expected }],
            mutations: [{ type: 'delete', ...target, key: { id: 'zoe' } }],
          })
        await exists('ann', true)
        await exists('zoe', false)
        await refused(exists('ann', false), 'assertion_failed')
        await refused(exists('zoe', true), 'assertion_failed')
      },
    },
  ],
}
