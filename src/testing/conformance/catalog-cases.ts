import { deepEqual, equal, rejects } from 'node:assert/strict'
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
