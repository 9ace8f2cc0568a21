import { deepEqual, equal, ok } from 'node:assert/strict'
import { and, boolean, createTable, defineTable, float, from, integer, not, or, text, u256 } from '../../model/index.ts'
import type { BuiltQuery } from '../../model/index.ts'
import type { Expr } from '../../encoding/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { collect, fails } from './expectations.ts'

const itemsOf = (project: string) =>
  defineTable('items', {
    project,
    columns: {
      id: integer().primaryKey(),
      kind: text(),
      price: integer().nullable(),
      weight: float().nullable(),
      wei: u256().default(0n),
      sold: boolean().default(false),
    },
    indexes: [
      { columns: ['kind'] },
      { columns: ['price'] },
      { columns: ['kind', 'price'] },
      { name: 'by_hash', columns: ['wei'], kind: 'hash' },
      { name: 'open_ones', columns: ['price', 'id'], where: c => c.sold.eq(false) },
    ],
  })

const kindsOf = (project: string) =>
  defineTable('kinds', { project, columns: { name: text().primaryKey(), parent: text().nullable() } })

const ROWS = [
  { id: 1, kind: 'apple', price: 10, weight: 0.5, wei: 2n ** 200n, sold: false },
  { id: 2, kind: 'pear', price: null, weight: null, wei: 2n ** 200n, sold: false },
  { id: 3, kind: 'apple', price: 30, weight: -1.25, sold: true },
  { id: 4, kind: 'plum', price: 20, weight: 3, sold: false },
  { id: 5, kind: 'a_ple', price: 10, weight: 1e10, sold: true },
]

async function itemsTable({ database, project }: ConformanceContext) {
  const definition = itemsOf(project)
  await database.ddl(createTable(definition))
  const table = database.table(definition)
  await table.insertMany(ROWS)
  return table
}

export const querySection: ConformanceSection = {
  title: 'a query',
  cases: [
    {
      name: 'selects by every condition, through an index or none',
      async run(context) {
        const table = await itemsTable(context)
        type Columns = Parameters<Extract<Parameters<typeof table.count>[0], (columns: never) => Expr>>[0]
        const conditions: [(c: Columns) => Expr, number[]][] = [
          [c => c.id.eq(3), [3]],
          [c => c.id.in([4, 1, 1, 99]), [1, 4]],
          [c => c.id.between(2, 4), [2, 3, 4]],
          [c => and(c.id.gt(1), c.id.lte(3)), [2, 3]],
          [c => c.kind.eq('apple'), [1, 3]],
          [c => c.kind.ne('apple'), [2, 4, 5]],
          [c => c.kind.in(['apple', 'plum', 'apple']), [1, 3, 4]],
          [c => c.kind.like('a%'), [1, 3, 5]],
          [c => c.kind.like('a\\_%'), [5]],
          [c => c.kind.like('_e%r'), [2]],
          [c => c.price.eq(10), [1, 5]],
          [c => c.price.lt(20), [1, 5]],
          [c => c.price.gte(20), [3, 4]],
          [c => c.price.ne(10), [3, 4]],
          [c => not(c.price.eq(10)), [3, 4]],
          [c => c.price.isNull(), [2]],
          [c => c.price.isNotNull(), [1, 3, 4, 5]],
          [c => c.wei.eq(2n ** 200n), [1, 2]],
          [c => c.weight.gt(0.5), [4, 5]],
          [c => c.price.gt(c.weight), [1, 3, 4]],
          [c => and(c.kind.eq('apple'), c.price.gt(10)), [3]],
          [c => or(c.kind.eq('plum'), c.price.eq(10)), [1, 4, 5]],
          [c => and(c.sold.eq(false), c.price.lte(20)), [1, 4]],
          [() => ({ op: 'eq', column: 'price', value: 10n }), [1, 5]],
          [() => ({ op: 'eq', column: 'price', value: 10.5 }), []],
          [() => ({ op: 'lt', column: 'price', value: 10.5 }), [1, 5]],
          [() => ({ op: 'eq', column: 'price', value: null }), []],
          [() => and(), [1, 2, 3, 4, 5]],
          [() => or(), []],
        ]
        for (const [condition, ids] of conditions) {
          const found = await table.query(q => q.where(condition).orderBy('id').select('id').allowFullScan()).all()
          deepEqual(
            found.map(row => row.id),
            ids,
            `ids ${ids.join()}`,
          )
          equal(await table.count(condition), ids.length)
        }
      },
    },
    {
      name: 'orders by columns, Null last, first when descending',
      async run(context) {
        const table = await itemsTable(context)
        const ids = async (...orders: (readonly ['id' | 'price' | 'kind' | 'weight', 'asc' | 'desc'])[]) => {
          let query = from(itemsOf(context.project)).limit(10)
          for (const [column, direction] of orders) query = query.orderBy(column, direction)
          return (await context.database.query(query).all()).map(row => row.id)
        }
        deepEqual(await ids(['price', 'asc'], ['id', 'asc']), [1, 5, 4, 3, 2])
        deepEqual(await ids(['price', 'desc'], ['id', 'asc']), [2, 3, 4, 1, 5])
        deepEqual(await ids(['kind', 'asc'], ['price', 'desc']), [5, 3, 1, 2, 4])
        deepEqual(await ids(['weight', 'asc']), [3, 1, 4, 5, 2])
        deepEqual(await ids(['id', 'desc']), [5, 4, 3, 2, 1])
        deepEqual(
          (await table.query(q => q.orderBy('price').orderBy('id').limit(2).offset(1)).all()).map(row => row.id),
          [5, 4],
        )
        equal((await table.query(q => q.orderBy('price', 'desc').orderBy('id')).first())?.id, 2)
      },
    },
    {
      name: 'gives the columns that it selects, under their names, and computed ones',
      async run(context) {
        const table = await itemsTable(context)
        deepEqual(await table.query(q => q.where(c => c.id.eq(1)).select('kind as what', 'id')).all(), [
          { what: 'apple', id: 1 },
        ])
        deepEqual(
          await table
            .query(q =>
              q
                .where(c => c.id.lte(2))
                .select('id')
                .compute('double', c => c.price.times(2))
                .compute('half', c => c.price.dividedBy(4))
                .orderBy('id'),
            )
            .all(),
          [
            { id: 1, double: 20, half: 2.5 },
            { id: 2, double: null, half: null },
          ],
        )
        deepEqual(
          (await table.query(q => q.select('kind').distinct().orderBy('kind').limit(10)).all()).map(row => row.kind),
          ['a_ple', 'apple', 'pear', 'plum'],
        )
      },
    },
    {
      name: 'sums up rows and groups of rows',
      async run(context) {
        const table = await itemsTable(context)
        deepEqual(
          await table
            .query(q =>
              q.aggregate(of => ({
                rows: of.count(),
                prices: of.count('price'),
                kinds: of.countDistinct('kind'),
                total: of.sum('price'),
                wei: of.sum('wei'),
                least: of.min('price'),
                most: of.max('weight'),
                mean: of.avg('price'),
              })),
            )
            .all(),
          [{ rows: 5, prices: 4, kinds: 4, total: 70, wei: 2n ** 201n, least: 10, most: 1e10, mean: 17.5 }],
        )
        deepEqual(
          await table
            .query(q =>
              q
                .groupBy(['kind'], of => ({ n: of.count(), total: of.sum('price') }))
                .having(c => or(c.n.gt(1), c.total.isNull()))
                .orderBy('n', 'desc'),
            )
            .all(),
          [
            { kind: 'apple', n: 2, total: 40 },
            { kind: 'pear', n: 1, total: null },
          ],
        )
        deepEqual(
          await table
            .query(q => q.where(c => c.id.gt(100)).aggregate(of => ({ n: of.count(), total: of.sum('price') })))
            .all(),
          [{ n: 0, total: null }],
        )
        equal(await table.count(), 5)
      },
    },
    {
      name: 'joins tables in every way',
      async run(context) {
        const { database, project } = context
        await itemsTable(context)
        const kinds = kindsOf(project)
        await database.ddl(createTable(kinds))
        await database.table(kinds).insertMany([
          { name: 'apple', parent: 'fruit' },
          { name: 'pear', parent: null },
          { name: 'fruit', parent: null },
        ])
        const on = [['i.kind', 'k.name']] as const
        const definition = itemsOf(project)
        const pairs = async (query: BuiltQuery<object>): Promise<string[]> =>
          (await database.query({ ...query.data, limit: 100 }).all())
            .map(row => Object.values(row).join(' '))
            .toSorted()
        const items = from(definition, 'i')
        const joined = () => items.leftJoin(kinds, 'k', on)
        deepEqual(await pairs(items.innerJoin(kinds, 'k', on).select('i.id', 'k.name')), [
          '1 apple',
          '2 pear',
          '3 apple',
        ])
        deepEqual(await pairs(joined().select('i.id', 'k.name')), ['1 apple', '2 pear', '3 apple', '4 ', '5 '])
        deepEqual(await pairs(items.rightJoin(kinds, 'k', on).select('i.id', 'k.name')), [
          ' fruit',
          '1 apple',
          '2 pear',
          '3 apple',
        ])
        equal((await pairs(items.fullJoin(kinds, 'k', on).select('i.id', 'k.name'))).length, 6)
        equal((await pairs(items.crossJoin(kinds, 'k').select('i.id', 'k.name'))).length, 15)
        const cheap = () =>
          items.leftJoin(kinds, 'k', c =>
            and(c['i.kind'].eq(c['k.name']), or(c['i.price'].lt(20), not(c['i.sold'].eq(true)))),
          )
        deepEqual(await pairs(cheap().select('i.id', 'k.name')), ['1 apple', '2 pear', '3 ', '4 ', '5 '])
        deepEqual(
          await pairs(
            cheap()
              .where(c => c['k.name'].isNotNull())
              .select('i.id'),
          ),
          ['1', '2'],
        )
        const unlike = items.rightJoin(kinds, 'k', c => not(c['k.parent'].eq(c['i.kind'])))
        deepEqual(await pairs(unlike.where(c => c['k.name'].eq('pear')).select('i.id', 'k.name')), [' pear'])
        const self = from(kinds, 'a').innerJoin(kinds, 'b', [['a.parent', 'b.name']])
        deepEqual(await database.query(self.select('a.name', 'b.name as up').limit(9)).all(), [
          { 'a.name': 'apple', up: 'fruit' },
        ])
        const grouped = joined()
          .where(c => c['i.price'].isNotNull())
          .groupBy(['k.parent'], of => ({ total: of.sum('i.price') }))
          .orderBy('total')
          .allowFullScan()
        deepEqual(await database.query(grouped).all(), [
          { 'k.parent': null, total: 30 },
          { 'k.parent': 'fruit', total: 40 },
        ])
      },
    },
    {
      name: 'goes through many rows page by page, all of one state',
      async run({ database, project }) {
        const definition = itemsOf(project)
        await database.ddl(createTable(definition))
        const table = database.table(definition)
        await table.insertMany(Array.from({ length: 250 }, (_, id) => ({ id, kind: id % 2 === 0 ? 'even' : 'odd' })))
        const query = table.query(q =>
          q
            .where(c => c.kind.eq('even'))
            .orderBy('id', 'desc')
            .limit(50)
            .select('id'),
        )
        const first = await query.page()
        equal(first.rows.length, 50)
        equal(first.rows[0]?.id, 248)
        ok(first.cursor !== undefined)
        await table.insert({ id: 1_000, kind: 'even' })
        await table.deleteWhere(c => c.id.lt(100))
        const second = await query.page(first.cursor)
        deepEqual([second.rows.length, second.rows[0]?.id, second.seq], [50, 148, first.seq])
        const third = await query.page(second.cursor)
        deepEqual([third.rows.length, third.rows.at(-1)?.id, third.cursor], [25, 0, undefined])
        const all = table.query(q => q.where(c => c.kind.eq('even')).select('id'))
        equal((await all.all()).length, 76)
        let seen = 0
        for await (const { id } of all) {
          // What is deleted meanwhile belongs to the state that the loop goes through.
          if (seen++ === 0) equal(await table.deleteWhere(c => c.kind.eq('even')), 76)
          ok(id % 2 === 0)
        }
        equal(seen, 76)
        await fails(query.page('no cursor of anything'), 'invalid_cursor')
      },
    },
    {
      name: 'as data means the same as the one that the builder makes',
      async run(context) {
        const { database, project } = context
        await itemsTable(context)
        const data = {
          project,
          from: 'items',
          where: { op: 'eq', column: 'kind', value: 'apple' },
          select: ['id', { column: 'wei', as: 'amount' }],
          orderBy: [{ column: 'id', direction: 'desc' }],
          limit: 5,
        } as const
        deepEqual(await database.query(data).all(), [
          { id: 3, amount: 0n },
          { id: 1, amount: 2n ** 200n },
        ])
        const built = from(itemsOf(project))
          .where(c => c.kind.eq('apple'))
          .select('id', 'wei as amount')
          .orderBy('id', 'desc')
          .limit(5)
        deepEqual(await database.query(built).all(), await database.query(data).all())
      },
    },
    {
      name: 'that makes no sense is refused',
      async run(context) {
        const { database, project } = context
        await itemsTable(context)
        const run = async (data: object): Promise<unknown> =>
          database.query({ project, from: 'items', limit: 5, ...data }).all()
        await fails(run({ from: 'elsewhere' }), 'table_not_found')
        await fails(run({ project: 'no-such-project' }), 'project_not_found')
        await fails(run({ scope: 'no-such-scope' }), 'scope_not_found')
        await fails(run({ select: ['elsewhere'] }), 'column_not_found')
        await fails(run({ where: { op: 'eq', column: 'elsewhere', value: 1 } }), 'column_not_found')
        await fails(run({ orderBy: [{ column: 'elsewhere' }] }), 'column_not_found')
        await fails(run({ where: { op: 'eq', column: 'kind', value: 5 } }), 'type_mismatch')
        await fails(run({ where: { op: 'like', column: 'price', pattern: 'a%' } }), 'type_mismatch')
        const join = (on: object): object => ({ joins: [{ type: 'inner', table: 'items', as: 'o', on }] })
        await fails(run(join({ op: 'eq', column: 'o.elsewhere', value: 1 })), 'column_not_found')
        await fails(run(join({ op: 'eq', column: 'o.kind', value: { column: 'items.id' } })), 'type_mismatch')
        await fails(run(join([])), 'invalid_query')
        await fails(run(join({ op: 'is', column: 'o.kind' })), 'invalid_argument', 'malformed_request')
        await fails(run({ limit: undefined }), 'invalid_query')
        await fails(database.query(from(itemsOf(project))).all(), 'invalid_query')
        equal((await database.query(from(itemsOf(project)).allowFullScan()).all()).length, 5)
        await fails(run({ limt: 5 }), 'invalid_argument', 'malformed_request')
      },
    },
    {
      name: 'in a view sees what the view sees',
      async run(context) {
        const { database, project } = context
        const table = await itemsTable(context)
        const definition = itemsOf(project)
        await using view = await database.view()
        await table.deleteWhere(undefined)
        const inside = view.table(definition)
        equal(await inside.count(), 5)
        equal((await inside.get(1))?.kind, 'apple')
        equal((await inside.entry(2))?.row.price, null)
        equal((await view.query(from(definition).where(c => c.kind.eq('apple'))).all()).length, 2)
        equal((await collect(inside.scan({ reverse: true, limit: 2 })))[0]?.id, 5)
        equal(await table.count(), 0)
      },
    },
    {
      name: 'tells how it would be run',
      async run(context) {
        const table = await itemsTable(context)
        const plan = await table.query(q => q.where(c => c.id.eq(1))).explain()
        ok(plan.stages.length > 0 && plan.stages.every(stage => stage.text !== ''))
        ok(Array.isArray(plan.indexes))
        ok(plan.seq > 0 && plan.bounds.pageRows > 0 && plan.bounds.heldBytes > 0)
      },
    },
    {
      name: 'tells what its stages did',
      async run(context) {
        const { database, project } = context
        const table = await itemsTable(context)
        const query = table.query(q =>
          q
            .where(c => c.kind.in(['apple', 'plum']))
            .orderBy('id')
            .limit(2),
        )
        const first = await query.diagnose()
        deepEqual(
          first.rows.map(({ id }) => id),
          [1, 3],
        )
        const { plan, stages, pageBytes } = first.diagnostics
        equal(stages.length, plan.stages.length)
        equal(plan.seq, first.seq)
        ok(stages.some(({ read }) => read >= 2))
        equal(stages.at(-1)?.rows, 2)
        ok(pageBytes > 0 && first.elapsedMs >= 0)
        const second = await query.diagnose(first.cursor)
        deepEqual(
          second.rows.map(({ id }) => id),
          [4],
        )
        await using view = await database.view()
        await table.deleteWhere(undefined)
        equal((await view.query(from(itemsOf(project)).limit(9)).diagnose()).rows.length, 5)
        await fails(database.query({ project, from: 'elsewhere', limit: 1 }).diagnose(), 'table_not_found')
      },
    },
  ],
}
