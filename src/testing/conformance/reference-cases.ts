import { deepEqual, equal } from 'node:assert/strict'
import type { Mutation, ReferentialAction, TableDdl, Value } from '../../encoding/index.ts'
import type { QueryData, Table, UntypedShape } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { fails, refused } from './expectations.ts'

interface Family {
  readonly parents: Table<UntypedShape>
  readonly children: Table<UntypedShape>
  /** The children's ids with the codes that they refer to. */
  readonly links: () => Promise<unknown[]>
}

/** Parents with codes a, b and z; children 1 and 2 refer to a, 3 to b, 4 to nobody. They refer by a unique index, not by the key. */
async function family(
  { database, project }: ConformanceContext,
  actions: { onDelete?: ReferentialAction; onUpdate?: ReferentialAction },
): Promise<Family> {
  const id = { name: 'id', type: 'integer' } as const
  const place = { project, scope: 'app' }
  for (const table of ['children', 'parents']) {
    await database.ddl({ type: 'dropTable', ...place, table, ifExists: true })
  }
  await database.ddl([
    {
      type: 'createTable',
      ...place,
      table: 'parents',
      columns: [id, { name: 'code', type: 'text' }],
      primaryKey: ['id'],
      indexes: [{ name: 'codes', columns: ['code'], unique: true }],
    },
    {
      type: 'createTable',
      ...place,
      table: 'children',
      columns: [id, { name: 'parent', type: 'text', nullable: true, default: 'z' }],
      primaryKey: ['id'],
      indexes: [{ name: 'by_parent', columns: ['parent'] }],
      foreignKeys: [{ name: 'up', columns: ['parent'], table: 'parents', references: ['code'], ...actions }],
    },
  ] as TableDdl[])
  const parents = database.table({ ...place, table: 'parents' })
  const children = database.table({ ...place, table: 'children' })
  await parents.insertMany(['a', 'b', 'z'].map((code, i) => ({ id: i + 1, code })))
  await children.insertMany(['a', 'a', 'b', null].map((parent, i) => ({ id: i + 1, parent })))
  const links = async (): Promise<unknown[]> =>
    (await children.query(q => q.orderBy('id').limit(9)).all()).map(
      row => `${String(row['id'])} ${String(row['parent'])}`,
    )
  return { parents, children, links }
}

function update(project: string, table: string, id: number, cells: Readonly<Record<string, Value>>): Mutation {
  const set = Object.fromEntries(Object.entries(cells).map(([column, value]) => [column, { set: value }]))
  return { type: 'update', project, table, key: { id }, set }
}

const BEFORE = ['1 a', '2 a', '3 b', '4 null']

export const referenceSection: ConformanceSection = {
  title: 'a reference to another table',
  cases: [
    {
      name: 'with noAction or restrict forbids what would break it at the end of a mutation',
      async run(context) {
        const { database, project } = context
        for (const action of ['noAction', 'restrict', undefined] as const) {
          const actions = action === undefined ? {} : { onDelete: action, onUpdate: action }
          const { parents, children, links } = await family(context, actions)
          await refused(parents.delete({ id: 1 }), 'foreign_key_violation')
          await refused(parents.update({ id: 1 }, { code: 'c' }), 'foreign_key_violation')
          await refused(parents.updateWhere(undefined, { code: 'c' }, { limit: 1 }), 'foreign_key_violation')
          deepEqual(await links(), BEFORE)
          equal((await parents.get({ id: 1 }))?.['code'], 'a')
          // A parent that nobody refers to, and one whose code somebody else takes.
          await parents.update({ id: 3 }, { code: 'y' })
          const swapped = [
            { id: 2, code: 'x' },
            { id: 3, code: 'b' },
          ]
          await database.commit({ mutations: [{ type: 'upsert', project, table: 'parents', rows: swapped }] })
          const leave = update(project, 'children', 3, { parent: 'x' })
          const remove = { type: 'delete', project, table: 'parents', key: { id: 3 } } as const
          await refused(database.commit({ mutations: [remove, leave] }), 'foreign_key_violation')
          await database.commit({ mutations: [leave, remove] })
          deepEqual(await links(), ['1 a', '2 a', '3 x', '4 null'])
          await children.deleteWhere(undefined)
          equal(await parents.delete({ id: 1 }), true)
        }
      },
    },
    {
      name: 'follows, is cleared or is reset when what it refers to is changed, as it says',
      async run(context) {
        for (const [onUpdate, after] of [
          ['cascade', ['1 c', '2 c', '3 b', '4 null']],
          ['setNull', ['1 null', '2 null', '3 b', '4 null']],
          ['setDefault', ['1 z', '2 z', '3 b', '4 null']],
        ] as const) {
          const { parents, children, links } = await family(context, { onUpdate })
          await parents.update({ id: 1 }, { code: 'c' })
          deepEqual(await links(), after, onUpdate)
          // The index of the reference has moved with it.
          const found = after.filter(link => link.endsWith(after[0].slice(2))).length
          if (onUpdate !== 'setNull') {
            const where = { op: 'eq', column: 'parent', value: after[0].slice(2) } as const
            equal(await children.count(() => where), found)
          }
          // The action of updates is not that of deletes.
          await refused(parents.delete({ id: 2 }), 'foreign_key_violation')
          equal((await children.get({ id: 3 }))?.['parent'], 'b')
        }
        const { parents, links } = await family(context, { onUpdate: 'setDefault' })
        await parents.delete({ id: 3 })
        await refused(parents.update({ id: 1 }, { code: 'c' }), 'foreign_key_violation')
        deepEqual(await links(), BEFORE)
      },
    },
    {
      name: 'in a query reaches tables of the project _global by _global.NAME, and needs their permission',
      async run(context) {
        const { database, project } = context
        const rates = `rates_${project.replaceAll('-', '_')}`
        const target = { project: '_global', scope: 'app', table: rates }
        await database.ddl({ type: 'createProject', project: '_global', ifNotExists: true })
        const columns = [
          { name: 'id', type: 'integer' },
          { name: 'rate', type: 'integer' },
        ] as const
        await database.ddl({ type: 'createTable', ...target, columns, primaryKey: ['id'] })
        const own = { project, scope: 'app', table: 'own' }
        await database.ddl({ type: 'createTable', ...own, columns, primaryKey: ['id'] })
        await database.table(target).insertMany([1, 2, 3].map(id => ({ id, rate: 10 * id })))
        await database.table(own).insertMany([2, 3, 4].map(id => ({ id, rate: id })))
        const simple: QueryData = { project, from: `_global.${rates}`, orderBy: [{ column: 'id' }], limit: 9 }
        const ids = async (as: typeof database, query: QueryData): Promise<unknown[]> =>
          (await as.query(query).all()).map(row => Object.values<unknown>(row as Readonly<Record<string, unknown>>))
        deepEqual(await ids(database, simple), [
          [1, 10],
          [2, 20],
          [3, 30],
        ])
        const joined: QueryData = {
          project,
          from: 'own',
          joins: [{ type: 'inner', table: `_global.${rates}`, as: 'r', on: [{ left: 'own.id', right: 'r.id' }] }],
          select: ['own.rate', 'r.rate'],
          orderBy: [{ column: 'own.id' }],
          limit: 9,
        }
        const pairs = [
          [2, 20],
          [3, 30],
        ]
        deepEqual(await ids(database, joined), pairs)
        await fails(ids(database, { ...simple, from: '_global.nothing' }), 'table_not_found')
        await fails(ids(database, { ...simple, from: rates }), 'table_not_found')
        const caller = `${project}-ann`
        const ann = database.as(caller)
        await database.ddl({ type: 'grant', caller, permission: { type: 'tableRead', project } })
        for (const query of [simple, joined]) await fails(ids(ann, query), 'permission_denied')
        await database.ddl({ type: 'grant', caller, permission: { type: 'tableRead', ...target } })
        deepEqual(await ids(ann, joined), pairs)
        equal((await ids(ann, simple)).length, 3)
        await database.ddl({ type: 'dropTable', ...target })
      },
    },
  ],
}
