import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Assertion, Expr, ForeignKeyDefinition, TableAlteration, TableDdl } from '../../encoding/index.ts'
import type { Database, Table, TableDescription, UntypedShape } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { fails, refused } from './expectations.ts'

const ID = { name: 'id', type: 'integer' } as const

interface Opened {
  readonly table: Table<UntypedShape>
  readonly target: { readonly project: string; readonly scope: string; readonly table: string }
  readonly alter: (alteration: TableAlteration) => Promise<unknown>
}

/** A table `things` (id, kind, size, other), with what `more` says. */
async function things({ database, project }: ConformanceContext, more: object = {}, name = 'things'): Promise<Opened> {
  const target = { project, scope: 'app', table: name }
  const columns = [
    ID,
    { name: 'kind', type: 'text', default: 'x' },
    { name: 'size', type: 'integer', nullable: true },
    { name: 'other', type: 'integer', nullable: true },
  ]
  await database.ddl({ type: 'createTable', ...target, columns, primaryKey: ['id'], ...more } as TableDdl)
  return {
    table: database.table(target),
    target,
    alter: alteration => database.ddl({ type: 'alterTable', ...target, alteration }),
  }
}

async function fill(table: Table<UntypedShape>, count: number, size: (id: number) => number | null): Promise<void> {
  for (let from = 0; from < count; from += 500) {
    const rows = Array.from({ length: Math.min(500, count - from) }, (_, i) => ({ id: from + i, size: size(from + i) }))
    await table.insertMany(rows)
  }
}

/** Jobs run in the background; time has to pass for them. */
async function untilDescribed(
  { table }: Opened,
  { hooks }: ConformanceContext,
  isSo: (description: TableDescription) => boolean,
): Promise<TableDescription> {
  for (let tries = 0; tries < 600; tries++) {
    const description = await table.describe()
    if (isSo(description)) return description
    await hooks.advanceTimeMs(100)
  }
  throw new Error(`the job did not end: ${JSON.stringify(await table.describe())}`)
}

const eq = (column: string, value: number | string): Expr => ({ op: 'eq', column, value })

function grantTo(database: Database, caller: string, permission: object, delegable?: boolean): Promise<unknown> {
  const grant = { type: 'grant', caller, permission, ...(delegable !== undefined && { delegable }) }
  return database.ddl(grant as Parameters<typeof database.ddl>[0])
}

export const tableRuleSection: ConformanceSection = {
  title: 'a rule of a table',
  cases: [
    {
      name: 'protects the columns that it needs',
      async run(context) {
        const { database } = context
        const { target, alter } = await things(context, {
          indexes: [
            { name: 'by_size', columns: ['size'] },
            { name: 'some', columns: ['id'], where: eq('other', 1) },
          ],
          checks: [{ name: 'kinds', check: { op: 'ne', column: 'kind', value: 'y' } }],
        })
        for (const column of ['id', 'size', 'other', 'kind']) {
          await refused(alter({ type: 'dropColumn', column }), 'invalid_argument')
        }
        await database.ddl([
          { type: 'dropIndex', ...target, name: 'by_size' },
          { type: 'dropIndex', ...target, name: 'some' },
          { type: 'alterTable', ...target, alteration: { type: 'dropCheck', name: 'kinds' } },
        ])
        await alter({ type: 'dropColumn', column: 'size' })
        await database.ddl({ type: 'setReadPolicy', ...target, policy: eq('other', 1) })
        await refused(alter({ type: 'dropColumn', column: 'other' }), 'invalid_argument')
        await refused(alter({ type: 'dropCheck', name: 'kinds' }), 'not_found')
        await refused(alter({ type: 'dropForeignKey', name: 'none' }), 'not_found')
      },
    },
    {
      name: 'follows the columns that it names to their new names',
      async run(context) {
        const { table, alter } = await things(context, {
          indexes: [{ name: 'u', columns: ['size'], unique: true, where: eq('kind', 'x') }],
          checks: [{ name: 'small', check: { op: 'lt', column: 'size', value: 10 } }],
        })
        await alter({ type: 'renameColumn', column: 'size', to: 'width' })
        await alter({ type: 'renameColumn', column: 'kind', to: 'sort' })
        await table.insert({ id: 1, width: 5 })
        await refused(table.insert({ id: 2, width: 5 }), 'unique_violation')
        await table.insert({ id: 2, width: 5, sort: 'y' })
        await refused(table.insert({ id: 3, width: 10 }), 'check_failed')
        await refused(table.insert({ id: 3, size: 1 }), 'column_not_found')
        await refused(alter({ type: 'renameColumn', column: 'sort', to: 'width' }), 'already_exists')
      },
    },
    {
      name: 'keeps a table that others refer to',
      async run(context) {
        const { database } = context
        const parent = await things(context, {}, 'parents')
        const foreignKeys = [{ name: 'up', columns: ['other'], table: 'parents' }]
        const child = await things(context, { foreignKeys }, 'children')
        await parent.table.insert({ id: 1 })
        await child.table.insert({ id: 1, other: 1 })
        await refused(database.ddl({ type: 'dropTable', ...parent.target }), 'foreign_key_violation')
        await child.table.deleteWhere(undefined)
        await database.ddl({ type: 'dropTable', ...parent.target })
        await child.table.insert({ id: 2, other: 99 })
        deepEqual((await child.table.describe()).definition.foreignKeys ?? [], [])
      },
    },
    {
      name: 'refers only to what can be referred to, and never in a circle',
      async run(context) {
        const parent = await things(context, { indexes: [{ name: 'plain', columns: ['size'] }] }, 'parents')
        const child = await things(context, {}, 'children')
        const add = ({ alter }: Opened, key: Partial<ForeignKeyDefinition>): Promise<unknown> =>
          alter({ type: 'addForeignKey', foreignKey: { name: 'fk', columns: ['other'], table: 'parents', ...key } })
        await refused(add(child, { table: 'nothing' }), 'table_not_found')
        await refused(add(child, { columns: ['nothing'] }), 'column_not_found')
        await refused(add(child, { columns: ['other', 'size'] }), 'invalid_argument')
        await refused(add(child, { columns: ['kind'] }), 'type_mismatch')
        await refused(add(child, { references: ['size'] }), 'invalid_argument')
        await add(child, {})
        await refused(add(child, {}), 'already_exists')
        await refused(add(parent, { table: 'children' }), 'invalid_argument')
        await refused(child.table.insert({ id: 1, other: 5 }), 'foreign_key_violation')
        // A table may refer to itself, and a row to itself.
        await add(parent, { name: 'self', onDelete: 'cascade' })
        await parent.table.insertMany([
          { id: 1, other: 1 },
          { id: 2, other: 1 },
          { id: 3, other: 2 },
        ])
        await refused(parent.table.insert({ id: 4, other: 9 }), 'foreign_key_violation')
        equal(await parent.table.delete({ id: 2 }), true)
        equal(await parent.table.count(), 1)
      },
    },
    {
      name: 'that existing rows break does not come about, and says why',
      needs: 'advanceTimeMs',
      async run(context) {
        const { database } = context
        const opened = await things(context)
        const { table, target, alter } = opened
        await fill(table, 700, id => (id === 650 ? null : id === 699 ? 3 : id))
        const gaveUp = (name: string) => (description: TableDescription) =>
          description.failures.some(failure => failure.name === name)
        await alter({ type: 'addCheck', check: { name: 'small', check: { op: 'lt', column: 'size', value: 690 } } })
        await untilDescribed(opened, context, gaveUp('small'))
        await table.update({ id: 1 }, { size: 5_000 })
        const index = { name: 'sizes', columns: ['size'], unique: true }
        await database.ddl({ type: 'createIndex', ...target, index })
        const description = await untilDescribed(opened, context, gaveUp('sizes'))
        ok(description.definition.indexes?.every(({ name }) => name !== 'sizes') ?? true)
        await alter({ type: 'setNullable', column: 'size', nullable: false })
        await untilDescribed(opened, context, ({ failures }) => failures.length >= 3)
        await table.insert({ id: 1_000, size: null })
        await table.insert({ id: 1_001, size: 3 })
      },
    },
    {
      name: 'that existing rows keep holds from then on',
      needs: 'advanceTimeMs',
      async run(context) {
        const { database } = context
        const opened = await things(context)
        const { table, target, alter } = opened
        await fill(table, 600, id => id)
        const unique = { name: 'sizes', columns: ['size'], unique: true }
        await database.ddl({ type: 'createIndex', ...target, index: unique })
        // Writers keep it from its creation on, built or not.
        await table.update({ id: 599 }, { size: 10_000 })
        const isBuilt = ({ indexes }: TableDescription): boolean => indexes.some(index => index.isReady)
        await untilDescribed(opened, context, isBuilt)
        await refused(table.insert({ id: 1_000, size: 10_000 }), 'unique_violation')
        await refused(table.insert({ id: 1_000, size: 3 }), 'unique_violation')
        await table.insert({ id: 1_000, size: 599 })
        const found = await table.query(q => q.where(() => eq('size', 10_000)).useIndex('sizes')).all()
        deepEqual(
          found.map(row => row['id']),
          [599],
        )
        await alter({ type: 'addCheck', check: { name: 'big', check: { op: 'gte', column: 'size', value: 0 } } })
        await alter({ type: 'setNullable', column: 'size', nullable: false })
        await untilDescribed(opened, context, ({ definition }) => {
          const size = definition.columns.find(({ name }) => name === 'size')
          return size?.nullable !== true && definition.checks?.some(({ name }) => name === 'big') === true
        })
        await refused(table.insert({ id: 2_000, size: -1 }), 'check_failed')
        await refused(table.insert({ id: 2_000, size: null }), 'not_null_violation')
      },
    },
    {
      name: 'finds the same rows while its index is built, and after',
      needs: 'advanceTimeMs',
      async run(context) {
        const { database } = context
        const opened = await things(context)
        const { table, target } = opened
        await fill(table, 1_500, id => id % 7)
        const count = (): Promise<number> => table.count(() => eq('size', 3))
        const expected = 214
        equal(await count(), expected)
        await database.ddl({ type: 'createIndex', ...target, index: { name: 'by_size', columns: ['size', 'id'] } })
        equal(await count(), expected)
        await table.delete({ id: 3 })
        await table.insert({ id: 9_999, size: 3 })
        equal(await count(), expected)
        await untilDescribed(opened, context, ({ indexes }) => indexes.some(index => index.isReady))
        equal(await count(), expected)
        const query = table.query(q =>
          q
            .where(() => eq('size', 3))
            .orderBy('id', 'desc')
            .limit(1),
        )
        equal((await query.first())?.['id'], 9_999)
        deepEqual((await query.explain()).indexes, ['by_size'])
      },
    },
    {
      name: 'bounds what one transaction may change or look at',
      async run(context) {
        const { database } = context
        const { table, target } = await things(context)
        await fill(table, 300, id => id)
        const set = (name: string, value: number): Promise<unknown> => database.ddl({ type: 'setSetting', name, value })
        try {
          await set('rowsMax', 100)
          await refused(table.deleteWhere(undefined), 'transaction_too_large', 'quota_exceeded', 'scan_bound_exceeded')
          equal(await table.deleteWhere(undefined, { limit: 100 }), 100)
          await set('rowsMax', 10_000)
          await set('scanRecordsMax', 100)
          await refused(
            table.updateWhere(() => eq('size', 299), { other: 1 }),
            'scan_bound_exceeded',
          )
          const count = { type: 'count', ...target, where: eq('size', 299), op: 'eq', value: 1 } as const
          const mutations = [{ type: 'delete', ...target, key: { id: 0 } }] as const
          await refused(database.commit({ assertions: [count], mutations }), 'scan_bound_exceeded')
          await set('queryRowsMax', 100)
          await fails(table.query(q => q.orderBy('size').limit(5)).all(), 'scan_bound_exceeded')
          equal((await table.query(q => q.orderBy('size').limit(5).allowFullScan()).all()).length, 5)
        } finally {
          await set('rowsMax', 10_000)
          await set('scanRecordsMax', 50_000)
          await set('queryRowsMax', 100_000)
        }
        equal(await table.count(), 200)
      },
    },
    {
      name: 'may be asserted before and after what a transaction writes, in groups',
      async run(context) {
        const { database } = context
        const { table, target } = await things(context)
        await table.insertMany([
          { id: 1, size: 5 },
          { id: 2, size: 7 },
        ])
        const sum = (value: number): Assertion => ({ type: 'sum', ...target, column: 'size', op: 'eq', value })
        const count = (value: number): Assertion => ({ type: 'count', ...target, op: 'eq', value })
        const insert = { type: 'insert', ...target, rows: [{ id: 3, size: 1 }] } as const
        const remove = { type: 'delete', ...target, key: { id: 3 } } as const
        await database.commit({
          assertions: [
            { type: 'all', assertions: [sum(12), count(2)] },
            { type: 'any', assertions: [sum(0), { type: 'not', assertion: count(3) }] },
          ],
          mutations: [insert, { type: 'postflight', assertions: [sum(13), count(3)] }, remove],
        })
        equal(await table.count(), 2)
        const after = (assertion: Assertion): Promise<unknown> =>
          database.commit({ mutations: [insert, { type: 'postflight', assertions: [assertion] }] })
        await refused(after(count(2)), 'assertion_failed')
        const before = (assertion: Assertion): Promise<unknown> =>
          database.commit({ assertions: [assertion], mutations: [insert] })
        await refused(before({ type: 'all', assertions: [sum(12), count(9)] }), 'assertion_failed')
        await refused(before({ type: 'any', assertions: [sum(9), count(9)] }), 'assertion_failed')
        await refused(before({ type: 'any', assertions: [] }), 'assertion_failed')
        await refused(before({ type: 'not', assertion: { type: 'all', assertions: [] } }), 'assertion_failed')
        equal(await table.count(), 2)
        await before({ type: 'all', assertions: [] })
        equal(await table.count(), 3)
      },
    },
    {
      name: 'lets administrators of its project and scope do everything there, and who may delegate pass on',
      async run(context) {
        const { database, project } = context
        const { table, target } = await things(context)
        await table.insert({ id: 1 })
        const [chief, boss, ann, bob] = ['chief', 'boss', 'ann', 'bob'].map(name => `${project}-${name}`) as [
          string,
          string,
          string,
          string,
        ]
        await grantTo(database, chief, { type: 'projectAdmin', project })
        await grantTo(database, boss, { type: 'scopeAdmin', project, scope: 'app' })
        for (const caller of [chief, boss]) {
          const as = database.as(caller)
          equal(await as.table(target).count(), 1)
          await as.table(target).update({ id: 1 }, { size: 1 })
          const index = { name: `by-${caller.slice(-4)}`, columns: ['size'] }
          await as.ddl({ type: 'createIndex', ...target, index })
        }
        await refused(database.as(boss).ddl({ type: 'createScope', project, scope: 'mine' }), 'permission_denied')
        await database.as(chief).ddl({ type: 'createScope', project, scope: 'mine' })
        await refused(database.as(chief).ddl({ type: 'createProject', project: `${project}-2` }), 'permission_denied')
        const reading = { type: 'tableRead', ...target }
        await grantTo(database, ann, reading)
        await refused(grantTo(database.as(ann), bob, reading), 'permission_denied')
        await grantTo(database, ann, reading, true)
        await grantTo(database.as(ann), bob, reading)
        equal(await database.as(bob).table(target).count(), 1)
        await refused(grantTo(database.as(ann), bob, { type: 'tableWrite', ...target }), 'permission_denied')
      },
    },
    {
      name: 'bounds what one query may hold in memory at once',
      async run(context) {
        const { database } = context
        const { table } = await things(context)
        const kind = 'x'.repeat(40_000)
        for (let id = 0; id < 60; id += 10) {
          await table.insertMany(Array.from({ length: 10 }, (_, i) => ({ id: id + i, kind: `${kind}${id + i}` })))
        }
        const sorted = table.query(q => q.orderBy('kind', 'desc').limit(60).select('id', 'kind').allowFullScan())
        const limit = (value: number): Promise<unknown> =>
          database.ddl({ type: 'setSetting', name: 'queryBytesMax', value })
        await limit(1 << 20)
        try {
          await fails(sorted.all(), 'materialization_budget_exceeded')
          const few = table.query(q => q.orderBy('kind', 'desc').limit(2).select('id').allowFullScan())
          deepEqual(
            (await few.page()).rows.map(row => row['id']),
            [9, 8],
          )
        } finally {
          await limit(64 << 20)
        }
        equal((await sorted.all()).length, 60)
      },
    },
    {
      name: 'of queries refuses what cannot be meant',
      async run(context) {
        const { database, project } = context
        const { table } = await things(context, { indexes: [{ name: 'by_size', columns: ['size'] }] })
        await fill(table, 20, id => id % 5)
        const run = async (data: object): Promise<readonly unknown[]> =>
          database.query({ project, from: 'things', limit: 9, ...data }).all()
        await fails(run({ useIndex: 'none' }), 'index_not_found')
        equal((await run({ useIndex: 'by_size', where: eq('size', 2) })).length, 4)
        await fails(run({ limit: undefined, offset: 2, allowFullScan: true }), 'invalid_query')
        await fails(run({ limit: 0 }), 'invalid_query')
        await fails(run({ having: eq('size', 1) }), 'invalid_query')
        await fails(
          run({ joins: [{ type: 'inner', table: 'things', as: 'things', on: [{ left: 'a', right: 'b' }] }] }),
          'invalid_query',
        )
        await fails(run({ joins: [{ type: 'left', table: 'things', as: 'b' }] }), 'invalid_query')
        await fails(run({ select: ['id', { column: 'size', as: 'id' }] }), 'invalid_query')
        await fails(run({ aggregates: [{ function: 'sum', column: 'kind' }] }), 'type_mismatch')
        await fails(run({ aggregates: [{ function: 'sum' }] }), 'invalid_query')
        await fails(run({ select: ['kind'], distinct: true, orderBy: [{ column: 'size' }] }), 'invalid_query')
        const page = await table.query(q => q.orderBy('id').limit(5)).page()
        const { cursor } = page
        ok(cursor !== undefined)
        await fails(run({ cursor, orderBy: [{ column: 'size' }] }), 'invalid_cursor', 'invalid_query')
        await fails(
          run({ cursor: `${cursor.slice(0, -4)}AAAA`, orderBy: [{ column: 'id' }], limit: 5 }),
          'invalid_cursor',
        )
      },
    },
  ],
}
