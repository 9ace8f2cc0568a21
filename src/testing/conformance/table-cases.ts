import { deepEqual, equal, ok } from 'node:assert/strict'
import { createTable, defineTable, integer, text } from '../../model/index.ts'
import type { TableAlteration, TableDdl } from '../../encoding/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { fails, refused } from './expectations.ts'

const thingsOf = (project: string) =>
  defineTable('things', {
    project,
    columns: {
      id: integer().primaryKey(),
      name: text(),
      size: integer().nullable(),
      colour: text().default('red'),
    },
    indexes: [{ columns: ['name'] }, { name: 'sizes', columns: ['size', 'name'], unique: true }],
    checks: [{ name: 'small', check: c => c.size.lt(1_000) }],
  })

async function things({ database, project }: ConformanceContext) {
  const definition = thingsOf(project)
  await database.ddl(createTable(definition))
  return { definition, table: database.table(definition), target: { project, table: 'things' } }
}

export const tableSection: ConformanceSection = {
  title: 'a table',
  cases: [
    {
      name: 'is described as it was created',
      async run(context) {
        const { database, project } = context
        const { definition, table } = await things(context)
        const description = await table.describe()
        equal(description.name, 'things')
        equal(description.rows, 0)
        deepEqual(
          description.definition.columns.map(({ name, type, nullable = false }) => `${name} ${type} ${nullable}`),
          ['id integer false', 'name text false', 'size integer true', 'colour text false'],
        )
        deepEqual(description.definition.primaryKey, ['id'])
        equal(description.definition.columns[3]?.default, 'red')
        deepEqual(
          description.definition.indexes
            ?.map(({ name, columns, unique = false }) => `${name} ${columns.join()} ${unique}`)
            .toSorted(),
          ['name name false', 'sizes size,name true'],
        )
        deepEqual(description.definition.checks, definition.data.checks)
        await table.insert({ id: 1, name: 'x' })
        const tables = await database.tables(project)
        deepEqual(
          tables.map(({ name, rows }) => `${name} ${rows}`),
          ['things 1'],
        )
        deepEqual(await database.tables(project, { scope: 'app' }), tables)
        await fails(database.tables('no-such-project'), 'project_not_found')
        await fails(database.tables(project, { scope: 'nowhere' }), 'scope_not_found')
      },
    },
    {
      name: 'exists once by its name in its scope',
      async run(context) {
        const { database, project } = context
        const { definition } = await things(context)
        await refused(database.ddl(createTable(definition)), 'already_exists')
        deepEqual((await database.ddl(createTable(definition, { ifNotExists: true }))).changed, [false])
        await database.ddl({ type: 'createScope', project, scope: 'other' })
        await database.ddl({ ...createTable(definition), scope: 'other' })
        await database.table({ project, scope: 'other', table: 'things' }).insert({ id: 1, name: 'there' })
        equal(await database.table(definition).get(1), undefined)
      },
    },
    {
      name: 'that is not there is not found',
      async run({ database, project }) {
        const table = database.table({ project, table: 'nothing' })
        await fails(table.get({ id: 1 }), 'table_not_found')
        await fails(table.query().all(), 'table_not_found')
        await fails(table.describe(), 'table_not_found')
        await refused(table.insert({ id: 1 }), 'table_not_found')
        await refused(table.delete({ id: 1 }), 'table_not_found')
        await refused(database.ddl({ type: 'dropTable', project, table: 'nothing' }), 'table_not_found')
        deepEqual((await database.ddl({ type: 'dropTable', project, table: 'nothing', ifExists: true })).changed, [
          false,
        ])
        const index = { name: 'i', columns: ['id'] }
        await refused(database.ddl({ type: 'createIndex', project, table: 'nothing', index }), 'table_not_found')
        await fails(database.table({ project: 'nowhere', table: 'nothing' }).get({ id: 1 }), 'project_not_found')
      },
    },
    {
      name: 'that makes no sense is not created',
      async run({ database, project }) {
        const id = { name: 'id', type: 'integer' } as const
        const create = (data: object): Promise<unknown> => {
          const whole = { type: 'createTable', project, table: 't', columns: [id], primaryKey: ['id'], ...data }
          return database.ddl(whole as TableDdl)
        }
        await refused(create({ columns: [id, id] }), 'invalid_argument', 'already_exists')
        await refused(create({ primaryKey: [] }), 'invalid_argument')
        await refused(create({ primaryKey: ['elsewhere'] }), 'column_not_found')
        await refused(create({ columns: [{ ...id, nullable: true }] }), 'invalid_argument')
        await refused(create({ indexes: [{ name: 'i', columns: ['elsewhere'] }] }), 'column_not_found')
        const check = { op: 'eq', column: 'elsewhere', value: 1 }
        await refused(create({ checks: [{ name: 'c', check }] }), 'column_not_found')
        await refused(create({ table: 'no spaces' }), 'invalid_name', 'invalid_argument')
        deepEqual(await database.tables(project), [])
      },
    },
    {
      name: 'gets columns, which older rows have with their defaults, and loses others',
      async run(context) {
        const { database } = context
        const { table, target } = await things(context)
        await table.insert({ id: 1, name: 'old', size: 5 })
        const alter = (alteration: TableAlteration): Promise<unknown> =>
          database.ddl({ type: 'alterTable', ...target, alteration })
        await alter({ type: 'addColumn', column: { name: 'grade', type: 'text', default: 'b' } })
        await alter({ type: 'addColumn', column: { name: 'remark', type: 'text', nullable: true } })
        const named = database.table(target)
        await named.insert({ id: 2, name: 'new', grade: 'a' })
        deepEqual(await named.get({ id: 1 }), {
          id: 1,
          name: 'old',
          size: 5,
          colour: 'red',
          grade: 'b',
          remark: null,
        })
        deepEqual(
          (await named.query(q => q.orderBy('id').select('id', 'grade').limit(9)).all()).map(row => row['grade']),
          ['b', 'a'],
        )
        await alter({ type: 'dropColumn', column: 'colour' })
        deepEqual(Object.keys((await named.get({ id: 1 })) ?? {}).toSorted(), ['grade', 'id', 'name', 'remark', 'size'])
        await alter({ type: 'renameColumn', column: 'remark', to: 'comment' })
        await named.update({ id: 1 }, { comment: 'renamed' })
        equal((await named.get({ id: 1 }))?.['comment'], 'renamed')
        await alter({ type: 'setDefault', column: 'grade', default: 'c' })
        await named.insert({ id: 3, name: 'newest' })
        deepEqual(
          (await named.getMany([{ id: 1 }, { id: 3 }])).map(row => row?.['grade']),
          ['b', 'c'],
        )
        await refused(alter({ type: 'dropColumn', column: 'elsewhere' }), 'column_not_found')
        await refused(
          alter({ type: 'addColumn', column: { name: 'name', type: 'text', nullable: true } }),
          'already_exists',
        )
      },
    },
    {
      name: 'protects the columns of its key',
      async run(context) {
        const { database } = context
        const { target } = await things(context)
        const alteration = { type: 'dropColumn', column: 'id' } as const
        await refused(database.ddl({ type: 'alterTable', ...target, alteration }), 'invalid_argument')
      },
    },
    {
      name: 'gets indexes and loses them',
      async run(context) {
        const { database } = context
        const { table, target } = await things(context)
        await table.insertMany(
          Array.from({ length: 20 }, (_, id) => ({ id, name: `n${id % 3}`, colour: `c${id % 2}` })),
        )
        const index = { name: 'by_colour', columns: ['colour', 'id'] }
        await database.ddl({ type: 'createIndex', ...target, index })
        await refused(database.ddl({ type: 'createIndex', ...target, index }), 'already_exists')
        deepEqual((await database.ddl({ type: 'createIndex', ...target, index, ifNotExists: true })).changed, [false])
        ok((await table.describe()).definition.indexes?.some(({ name }) => name === 'by_colour'))
        equal(await table.count(c => c.colour.eq('c1')), 10)
        await database.ddl({ type: 'dropIndex', ...target, name: 'by_colour' })
        await refused(database.ddl({ type: 'dropIndex', ...target, name: 'by_colour' }), 'index_not_found')
        deepEqual((await database.ddl({ type: 'dropIndex', ...target, name: 'by_colour', ifExists: true })).changed, [
          false,
        ])
        equal(await table.count(c => c.colour.eq('c1')), 10)
      },
    },
    {
      name: 'keeps its rows under another name',
      async run(context) {
        const { database, project } = context
        const { table, target } = await things(context)
        await table.insert({ id: 1, name: 'x' })
        await database.ddl({ type: 'renameTable', ...target, to: 'stuff' })
        equal((await database.table({ project, table: 'stuff' }).get({ id: 1 }))?.['name'], 'x')
        await fails(table.get(1), 'table_not_found')
      },
    },
    {
      name: 'that is created again inherits nothing',
      async run(context) {
        const { database } = context
        const { definition, table, target } = await things(context)
        await table.insert({ id: 1, name: 'x', size: 1 })
        const caller = `${context.project}-ann`
        await database.ddl({ type: 'grant', caller, permission: { type: 'tableRead', ...target, scope: 'app' } })
        await database.ddl({ type: 'setReadPolicy', ...target, policy: { op: 'eq', column: 'size', value: 1 } })
        equal((await database.as(caller).table(definition).get(1))?.name, 'x')
        await database.ddl({ type: 'dropTable', ...target })
        await fails(table.get(1), 'table_not_found')
        await database.ddl(createTable(definition))
        equal(await table.count(), 0)
        await table.insert({ id: 1, name: 'y', size: 1 })
        await fails(database.as(caller).table(definition).get(1), 'permission_denied')
        equal((await table.describe()).readPolicy, undefined)
      },
    },
    {
      name: 'and what is done to its rows are one transaction with the catalog',
      async run(context) {
        const { database, project } = context
        const definition = thingsOf(project)
        await database.transaction(async tx => {
          tx.ddl(createTable(definition))
          tx.table(definition).insert({ id: 1, name: 'x' })
          return Promise.resolve()
        })
        equal((await database.table(definition).get(1))?.colour, 'red')
      },
    },
  ],
}

const docsOf = (project: string) =>
  defineTable('docs', {
    project,
    columns: { id: integer().primaryKey(), owner: text(), body: text() },
    indexes: [{ columns: ['owner'] }],
  })

export const tablePermissionSection: ConformanceSection = {
  title: 'a caller of a table',
  cases: [
    {
      name: 'without a permission reads, writes and changes nothing',
      async run({ database, project }) {
        const definition = docsOf(project)
        await database.ddl(createTable(definition))
        await database.table(definition).insert({ id: 1, owner: 'ann', body: 'x' })
        const nobody = database.as(`${project}-nobody`)
        const table = nobody.table(definition)
        await fails(table.get(1), 'permission_denied')
        await fails(table.count(), 'permission_denied')
        await fails(table.query().all(), 'permission_denied')
        await refused(table.insert({ id: 2, owner: 'x', body: 'x' }), 'permission_denied')
        await refused(table.update(1, { body: 'y' }), 'permission_denied')
        await refused(table.delete(1), 'permission_denied')
        await refused(table.deleteWhere(undefined), 'permission_denied')
        await refused(nobody.ddl({ type: 'dropTable', project, table: 'docs' }), 'permission_denied')
        equal(await database.table(definition).count(), 1)
      },
    },
    {
      name: 'reaches as far as the permission: a table, a scope, a project',
      async run({ database, project }) {
        const definition = docsOf(project)
        const other = { project, table: 'other' }
        const id = { name: 'id', type: 'integer' } as const
        await database.ddl([
          createTable(definition),
          { type: 'createTable', ...other, columns: [id], primaryKey: ['id'] },
        ])
        const caller = `${project}-ann`
        const ann = database.as(caller)
        const grant = (permission: object): Promise<unknown> =>
          database.ddl({ type: 'grant', caller, permission } as Parameters<typeof database.ddl>[0] & { type: 'grant' })
        await grant({ type: 'tableWrite', project, scope: 'app', table: 'docs' })
        await ann.table(definition).insert({ id: 1, owner: caller, body: 'x' })
        await fails(ann.table(definition).get(1), 'permission_denied')
        await refused(ann.table(other).insert({ id: 1 }), 'permission_denied')
        await grant({ type: 'tableRead', project, scope: 'app', table: 'docs' })
        equal((await ann.table(definition).get(1))?.body, 'x')
        await fails(ann.table(other).get({ id: 1 }), 'permission_denied')
        await fails(
          ann.query({ project, from: 'docs', joins: [{ type: 'cross', table: 'other' }], limit: 1 }).all(),
          'permission_denied',
        )
        await grant({ type: 'tableRead', project })
        equal(await ann.table(other).get({ id: 1 }), undefined)
        await refused(ann.ddl({ type: 'dropTable', ...other }), 'permission_denied')
        await grant({ type: 'tableDdl', project, scope: 'app' })
        await ann.ddl({ type: 'dropTable', ...other })
      },
    },
    {
      name: 'sees and changes only the rows that the read policy gives',
      async run({ database, project }) {
        const definition = docsOf(project)
        await database.ddl(createTable(definition))
        const all = database.table(definition)
        const [ann, bob] = [`${project}-ann`, `${project}-bob`]
        await all.insertMany([
          { id: 1, owner: ann, body: 'a' },
          { id: 2, owner: bob, body: 'b' },
          { id: 3, owner: ann, body: 'c' },
        ])
        const target = { project, scope: 'app', table: 'docs' }
        const policy = { op: 'eq', column: 'owner', value: { caller: true } } as const
        await database.ddl([
          { type: 'setReadPolicy', ...target, policy },
          { type: 'grant', caller: ann, permission: { type: 'tableRead', ...target } },
          { type: 'grant', caller: ann, permission: { type: 'tableWrite', ...target } },
        ])
        const mine = database.as(ann).table(definition)
        equal(await mine.count(), 2)
        equal(await mine.get(2), undefined)
        equal((await mine.get(3))?.body, 'c')
        deepEqual(
          (await mine.query(q => q.orderBy('id').limit(9)).all()).map(row => row.id),
          [1, 3],
        )
        const described = async (): Promise<number | undefined> =>
          (await database.as(ann).tables(project)).find(({ name }) => name === 'docs')!.rows
        equal(await described(), undefined)
        equal((await database.tables(project)).find(({ name }) => name === 'docs')!.rows, 3)
        equal(await mine.updateWhere(undefined, { body: 'seen' }), 2)
        equal((await all.get(2))?.body, 'b')
        equal(await mine.deleteWhere(c => c.id.gt(1)), 1)
        equal(await all.count(), 2)
        await database.ddl({ type: 'grant', caller: ann, permission: { type: 'policyBypass', ...target } })
        equal(await mine.count(), 2)
        equal(await described(), 2)
        equal((await mine.get(2))?.body, 'b')
        await database.ddl([
          { type: 'revoke', caller: ann, permission: { type: 'policyBypass', ...target } },
          { type: 'clearReadPolicy', ...target },
        ])
        equal(await mine.count(), 2)
      },
    },
  ],
}
