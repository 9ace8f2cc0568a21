import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import type { Ddl } from '../../encoding/index.ts'
import { DEFAULT_SETTINGS } from '../../model/index.ts'
import type { ConformanceSection } from './context.ts'
import { bytes, fails, refused, text } from './expectations.ts'

export const catalogSection: ConformanceSection = {
  title: 'the catalog',
  cases: [
    {
      name: 'creates, renames and drops projects',
      async run({ database, project }) {
        const name = `${project}-new`
        deepEqual((await database.ddl({ type: 'createProject', project: name })).changed, [true])
        await refused(database.ddl({ type: 'createProject', project: name }), 'already_exists')
        deepEqual((await database.ddl({ type: 'createProject', project: name, ifNotExists: true })).changed, [false])
        await database.kv(name).set('k', bytes('1'))
        await refused(database.ddl({ type: 'renameProject', project: name, to: project }), 'already_exists')
        await database.ddl({ type: 'renameProject', project: name, to: `${name}er` })
        await fails(database.kv(name).get('k'), 'project_not_found')
        equal(text(await database.kv(`${name}er`).get('k')), '1')
        await database.ddl({ type: 'dropProject', project: `${name}er` })
        await fails(database.kv(`${name}er`).get('k'), 'project_not_found')
        await refused(database.ddl({ type: 'dropProject', project: name }), 'project_not_found')
        deepEqual((await database.ddl({ type: 'dropProject', project: name, ifExists: true })).changed, [false])
        await refused(database.ddl({ type: 'renameProject', project: name, to: 'x' }), 'project_not_found')
      },
    },
    {
      name: 'creates, renames and drops scopes, and a new one is empty',
      async run({ database, project }) {
        const scope = 's'
        await database.ddl({ type: 'createScope', project, scope })
        await refused(database.ddl({ type: 'createScope', project, scope }), 'already_exists')
        deepEqual((await database.ddl({ type: 'createScope', project, scope, ifNotExists: true })).changed, [false])
        await database.kv(project, { scope }).set('k', bytes('1'))
        await database.ddl({ type: 'renameScope', project, scope, to: 't' })
        equal(text(await database.kv(project, { scope: 't' }).get('k')), '1')
        await fails(database.kv(project, { scope }).get('k'), 'scope_not_found')
        await database.ddl({ type: 'dropScope', project, scope: 't' })
        await fails(database.kv(project, { scope: 't' }).get('k'), 'scope_not_found')
        await database.ddl({ type: 'createScope', project, scope: 't' })
        equal(await database.kv(project, { scope: 't' }).get('k'), undefined)
        await refused(database.ddl({ type: 'dropScope', project, scope: 'none' }), 'scope_not_found')
        deepEqual((await database.ddl({ type: 'dropScope', project, scope: 'none', ifExists: true })).changed, [false])
        await refused(database.ddl({ type: 'createScope', project: 'no-such-project', scope }), 'project_not_found')
      },
    },
    {
      name: 'knows when projects and scopes were created, whatever becomes of their names and owners',
      async run({ database, project }) {
        const created = async (): Promise<Record<string, number>> => {
          const projects = (await database.projects()).filter(({ name }) => name.startsWith(project))
          const scopes = (await Promise.all(projects.map(({ name }) => database.scopes(name)))).flat()
          return Object.fromEntries([...projects, ...scopes].map(place => [place.name, place.createdAtMicros]))
        }
        const { [project]: first = 0, app } = await created()
        ok(first > 0 && app === first, `created at ${first}, its scope at ${app}`)
        await database.ddl([
          { type: 'createScope', project, scope: 's' },
          { type: 'createProject', project: `${project}-2` },
        ])
        const before = await created()
        ok(before['s']! >= first && before['s'] === before[`${project}-2`], 'one commit has one time')
        await database.ddl([
          { type: 'transferOwnership', project, scope: 's', to: 'ann' },
          { type: 'renameScope', project, scope: 's', to: 't' },
          { type: 'transferOwnership', project: `${project}-2`, to: 'ann' },
          { type: 'renameProject', project: `${project}-2`, to: `${project}-3` },
        ])
        const after = await created()
        equal(after['t'], before['s'])
        equal(after[`${project}-3`], before[`${project}-2`])
        equal((await database.usage(project)).createdAtMicros, first)
      },
    },
    {
      name: 'has no more projects and scopes than the settings allow',
      async run({ database, project }) {
        const limited = async (name: 'projectsMax' | 'scopesMax', operation: Ddl): Promise<void> => {
          await database.ddl({ type: 'setSetting', name, value: 1 })
          equal((await database.settings())[name], 1)
          try {
            await refused(database.ddl(operation), 'catalog_limit')
          } finally {
            await database.ddl({ type: 'setSetting', name, value: DEFAULT_SETTINGS[name] })
            equal((await database.settings())[name], DEFAULT_SETTINGS[name])
          }
          deepEqual((await database.ddl(operation)).changed, [true])
        }
        await limited('projectsMax', { type: 'createProject', project: `${project}-more` })
        await limited('scopesMax', { type: 'createScope', project, scope: 'more' })
      },
    },
    {
      name: 'changes all or nothing, together with data',
      async run({ database, project }) {
        const create: Ddl = { type: 'createScope', project, scope: 's' }
        await refused(database.ddl([create, { type: 'dropScope', project, scope: 'none' }]), 'scope_not_found')
        await fails(database.kv(project, { scope: 's' }).get('k'), 'scope_not_found')
        const { results } = await database.commit({
          mutations: [
            { type: 'ddl', operation: create },
            { type: 'kvSet', project, scope: 's', key: bytes('k'), value: bytes('1') },
          ],
        })
        deepEqual(results, [true, undefined])
        equal(text(await database.kv(project, { scope: 's' }).get('k')), '1')
      },
    },
    {
      name: 'changes in the order of what depends on what, if that is asked for',
      async run({ database, project: prefix }) {
        const project = `${prefix}-shop`
        const order = { order: 'dependencies' } as const
        const [orders, customers] = [
          { project, scope: 's', table: 'orders' },
          { project, scope: 's', table: 'customers' },
        ]
        const id = { name: 'id', type: 'integer' } as const
        const foreignKey = { name: 'who', columns: ['customer'], table: 'customers', onDelete: 'restrict' } as const
        const columns = [id, { name: 'customer', type: 'integer' } as const]
        const create: Ddl[] = [
          { type: 'createIndex', ...orders, index: { name: 'by_note', columns: ['note'] } },
          { type: 'grant', caller: `${prefix}-ann`, permission: { type: 'tableRead', ...orders } },
          { type: 'createTable', ...orders, columns, primaryKey: ['id'], foreignKeys: [foreignKey] },
          {
            type: 'alterTable',
            ...orders,
            alteration: { type: 'addColumn', column: { name: 'note', type: 'text', nullable: true } },
          },
          { type: 'createScope', project, scope: 's' },
          { type: 'createTable', ...customers, columns: [id], primaryKey: ['id'] },
          { type: 'createProject', project, ifNotExists: true },
        ]
        const given = await refused(database.ddl(create), 'project_not_found')
        equal(given.detail?.index, 0)
        const { changed } = await database.ddl(create, order)
        deepEqual(
          changed,
          create.map(() => true),
        )
        const names = async (): Promise<string[]> =>
          (await database.tables(project, { scope: 's' })).map(({ name }) => name)
        deepEqual(await names(), ['customers', 'orders'])
        await database.table(customers).insert({ id: 1 })
        await database.table(orders).insert({ id: 1, customer: 1 })
        const drops: Ddl[] = [
          { type: 'dropProject', project },
          { type: 'dropTable', ...customers },
          { type: 'dropTable', ...orders },
          { type: 'dropScope', project, scope: 's' },
        ]
        deepEqual((await database.ddl(drops.slice(1), order)).changed, [true, true, true])
        deepEqual((await database.ddl(drops.slice(0, 1), order)).changed, [true])
      },
    },
    {
      name: 'names the operation of a list that is refused, and refuses those that go in a circle',
      async run({ database, project }) {
        const order = { order: 'dependencies' } as const
        const columns = [{ name: 'id', type: 'integer' } as const]
        const table = (name: string, other: string): Ddl => {
          const foreignKeys = [{ name: 'f', columns: ['id'], table: other }]
          return { type: 'createTable', project, table: name, columns, primaryKey: ['id'], foreignKeys }
        }
        const dropNone: Ddl = { type: 'dropScope', project, scope: 'none' }
        const create: Ddl = { type: 'createScope', project, scope: 's' }
        const grant: Ddl = { type: 'grant', caller: 'x', permission: { type: 'scopeAdmin', project, scope: 's' } }
        const error = await refused(database.ddl([grant, dropNone, create], order), 'scope_not_found')
        equal(error.detail?.index, 1)
        match(error.message, /operation 1 \(dropScope .*none\)/)
        await fails(database.kv(project, { scope: 's' }).get('k'), 'scope_not_found')
        const circle = await refused(
          database.ddl([create, table('a', 'b'), table('b', 'a')], order),
          'invalid_argument',
        )
        match(circle.message, /operation 1 .*operation 2 /)
        await refused(database.ddl([create], { order: 'any' as 'given' }), 'invalid_argument')
        deepEqual((await database.ddl([table('c', 'c')], order)).changed, [true])
      },
    },
    {
      name: 'refuses names that are none',
      async run({ database, project }) {
        for (const name of ['', 'a b', 'a::b', 'ü', 'x'.repeat(129)]) {
          await refused(database.ddl({ type: 'createProject', project: name }), 'invalid_name')
          await refused(database.ddl({ type: 'createScope', project, scope: name }), 'invalid_name')
        }
        await rejects(database.ddl({ type: 'createProject', project: '_system' }))
        await rejects(database.ddl({ type: 'dropProject', project: '_system' }))
      },
    },
    {
      name: 'holds the settings of the cluster within their bounds',
      async run({ database }) {
        const set = (name: string, value: number): Promise<unknown> => database.ddl({ type: 'setSetting', name, value })
        await refused(set('noSuchSetting', 1), 'setting_not_found')
        await refused(set('mutationsMax', 0), 'setting_out_of_range')
        await refused(set('mutationsMax', 1.5), 'setting_out_of_range')
        await set('mutationsMax', 9_000)
        await set('mutationsMax', DEFAULT_SETTINGS.mutationsMax)
      },
    },
  ],
}
