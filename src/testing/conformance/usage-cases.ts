import { deepEqual, equal } from 'node:assert/strict'
import type { Mutation } from '../../encoding/index.ts'
import type { Database } from '../../model/index.ts'
import type { ConformanceSection } from './context.ts'
import { bytes, fails, refused } from './expectations.ts'

async function setQuota(database: Database, project: string, quota: object): Promise<boolean> {
  return (await database.ddl({ type: 'setQuota', project, ...quota })).changed[0]!
}

export const usageSection: ConformanceSection = {
  title: 'what a project holds',
  cases: [
    {
      name: 'is told exactly: keys, rows and bytes',
      async run({ database, project, kv }) {
        deepEqual((await database.usage(project)).quota, {})
        await kv.set('ab', bytes('123'))
        await kv.set('c', bytes(''))
        await kv.set('ab', bytes('4567'))
        const { keys, rows, events, bytes: size } = await database.usage(project)
        deepEqual([keys, rows, events, size], [2, 0, 0, 7])
        const columns = [{ name: 'id', type: 'integer' } as const]
        await database.ddl({ type: 'createTable', project, table: 't', columns, primaryKey: ['id'] })
        await database.table({ project, table: 't' }).insertMany([{ id: 1n }, { id: 2n }, { id: 3n }])
        equal((await database.usage(project)).rows, 3)
        const all = await database.usages()
        equal(all.find(({ name }) => name === project)?.rows, 3)
        await fails(database.usage(`${project}-none`), 'project_not_found')
        await fails(database.as(`${project}-nobody`).usage(project), 'permission_denied')
        deepEqual(await database.as(`${project}-nobody`).usages(), [])
      },
    },
    {
      name: 'is told to its administrator',
      async run({ database, project }) {
        const caller = `${project}-ann`
        await database.ddl({ type: 'grant', caller, permission: { type: 'projectAdmin', project } })
        equal((await database.as(caller).usage(project)).keys, 0)
        deepEqual(
          (await database.as(caller).usages()).map(({ name }) => name),
          [project],
        )
        await refused(database.as(caller).ddl({ type: 'setQuota', project }), 'permission_denied')
      },
    },
    {
      name: 'counts the keys of a scope without those whose time is over',
      needs: 'advanceTimeMs',
      async run({ database, project, kv, hooks }) {
        equal(await kv.count(), 0)
        await kv.setMany([1, 2, 3, 4, 5].map(n => [`k${n}`, bytes('v')] as const))
        await kv.set('late', bytes('v'), { ttlMs: 1_000 })
        await kv.delete('k1')
        equal(await kv.count(), 5)
        await hooks.advanceTimeMs(2_000)
        await kv.set('k2', bytes('again'))
        equal(await kv.count(), 4)
        await database.ddl({ type: 'createScope', project, scope: 's' })
        equal(await database.kv(project, { scope: 's' }).count(), 0)
        await fails(database.kv(project, { scope: 'none' }).count(), 'scope_not_found')
        const caller = `${project}-ann`
        await database.ddl({
          type: 'grant',
          caller,
          permission: { type: 'kvRead', project, scope: 'app', prefix: bytes('k') },
        })
        await fails(database.as(caller).kv(project).count(), 'permission_denied')
      },
    },
  ],
}

export const quotaSection: ConformanceSection = {
  title: 'a quota',
  cases: [
    {
      name: 'refuses a transaction that would make the project hold more, and changes nothing then',
      async run({ database, project, kv }) {
        equal(await setQuota(database, project, { bytes: 8, records: 2 }), true)
        equal(await setQuota(database, project, { bytes: 8, records: 2 }), false)
        deepEqual((await database.usage(project)).quota, { bytes: 8, records: 2 })
        await kv.set('a', bytes('123'))
        await refused(kv.set('b', bytes('1234')), 'quota_exceeded')
        await kv.set('b', bytes('123'))
        await refused(kv.set('c', bytes('')), 'quota_exceeded')
        await refused(kv.increment('n'), 'quota_exceeded')
        equal(await kv.get('c'), undefined)
        const caller = `${project}-writer`
        await database.ddl({ type: 'grant', caller, permission: { type: 'kvWrite', project } })
        await refused(database.as(caller).kv(project).set('c', bytes('')), 'quota_exceeded')
        deepEqual(await setQuota(database, project, { records: 3 }), true)
        await kv.set('c', bytes('long enough'))
      },
    },
    {
      name: 'counts all changes of a transaction together, and lets through what makes the project no larger',
      async run({ database, project, kv }) {
        await kv.set('a', bytes('12345'))
        await kv.set('b', bytes('1'))
        await setQuota(database, project, { bytes: 4, records: 1 })
        const set = (key: string, value: string): Mutation => ({
          type: 'kvSet',
          project,
          key: bytes(key),
          value: bytes(value),
        })
        const remove = (key: string): Mutation => ({ type: 'kvDelete', project, key: bytes(key) })
        await refused(database.commit({ mutations: [set('c', ''), set('a', '1')] }), 'quota_exceeded')
        await database.commit({ mutations: [set('c', '1'), remove('a')] })
        await refused(database.commit({ mutations: [set('d', ''), set('e', ''), remove('b')] }), 'quota_exceeded')
        await kv.set('b', bytes('2'))
        await kv.delete('b')
        await kv.delete('c')
        await kv.set('a', bytes('123'))
        await refused(kv.set('a', bytes('1234')), 'quota_exceeded')
      },
    },
    {
      name: 'counts rows as records',
      async run({ database, project }) {
        const columns = [{ name: 'id', type: 'integer' } as const]
        await database.ddl({ type: 'createTable', project, table: 't', columns, primaryKey: ['id'] })
        const table = database.table({ project, table: 't' })
        await setQuota(database, project, { records: 2 })
        await table.insertMany([{ id: 1n }, { id: 2n }])
        await refused(table.insert({ id: 3n }), 'quota_exceeded')
        await refused(table.upsert({ id: 3n }), 'quota_exceeded')
        await table.delete({ id: 1n })
        await table.upsert({ id: 3n })
        await refused(database.kv(project).set('k', bytes('')), 'quota_exceeded')
        await fails(database.ddl({ type: 'setQuota', project: `${project}-none` }), 'project_not_found')
      },
    },
  ],
}
