import { deepEqual, equal } from 'node:assert/strict'
import type { Permission } from '../../encoding/index.ts'
import { integerCodec } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, collect, fails, keysOf, refused, text, Watching } from './expectations.ts'

async function grant({ database }: ConformanceContext, caller: string, permission: Permission): Promise<void> {
  deepEqual((await database.ddl({ type: 'grant', caller, permission })).changed, [true])
}

export const permissionSection: ConformanceSection = {
  title: 'a caller',
  cases: [
    {
      name: 'without a permission reads, writes, watches and changes nothing',
      async run({ database, project, kv }) {
        await kv.set('k', bytes('1'))
        const nobody = database.as(`${project}-nobody`)
        const space = nobody.kv(project)
        await fails(space.get('k'), 'permission_denied')
        await fails(space.getMany(['k']), 'permission_denied')
        await fails(collect(space.scan()), 'permission_denied')
        await refused(space.set('k', bytes('2')), 'permission_denied')
        await refused(space.delete('k'), 'permission_denied')
        await refused(space.increment('k'), 'permission_denied')
        const watching = new Watching(signal => space.watch({ signal }))
        await fails(watching.next(), 'permission_denied')
        await refused(nobody.ddl({ type: 'createProject', project: `${project}-x` }), 'permission_denied')
        const permission = { type: 'admin' } as const
        await refused(nobody.ddl({ type: 'grant', caller: `${project}-nobody`, permission }), 'permission_denied')
        await refused(nobody.ddl({ type: 'setSetting', name: 'mutationsMax', value: 9_000 }), 'permission_denied')
        equal(text(await kv.get('k')), '1')
      },
    },
    {
      name: 'who may only write learns nothing of what is there',
      async run(context) {
        const { database, project, kv } = context
        await kv.set('n', integerCodec(64).encode(41n))
        const caller = `${project}-writer`
        await grant(context, caller, { type: 'kvWrite', project, scope: 'app' })
        const writer = database.as(caller).kv(project)
        await refused(writer.increment('n', 0n), 'permission_denied')
        await refused(writer.decrement('n', 42n), 'permission_denied')
        await refused(writer.max('n', 0n), 'permission_denied')
        await refused(writer.set('n', bytes('x'), { ifAbsent: true }), 'permission_denied')
        await writer.set('m', bytes('x'))
        await writer.delete('m')
        await grant(context, caller, { type: 'kvRead', project, scope: 'app' })
        equal(await writer.increment('n', 1n), 42n)
      },
    },
    {
      name: 'is told only of projects and scopes that it has something to do with',
      async run(context) {
        const { database, project } = context
        const other = `${project}-other`
        await database.ddl([
          { type: 'createProject', project: other, owner: 'somebody' },
          { type: 'createScope', project, scope: 's' },
          { type: 'createScope', project, scope: 't' },
        ])
        const caller = `${project}-ann`
        const ann = database.as(caller)
        const projects = async (): Promise<string[]> => (await ann.projects()).map(({ name }) => name)
        const scopes = async (name: string): Promise<string[]> => (await ann.scopes(name)).map(scope => scope.name)
        deepEqual(await projects(), [])
        await fails(scopes(project), 'permission_denied')
        await fails(scopes('no-such-project'), 'project_not_found')
        await grant(context, caller, { type: 'kvRead', project, scope: 's', prefix: bytes('a/') })
        deepEqual(await projects(), [project])
        deepEqual(await scopes(project), ['s'])
        await database.ddl({ type: 'transferOwnership', project, scope: 't', to: caller })
        deepEqual(await scopes(project), ['s', 't'])
        await database.ddl({ type: 'transferOwnership', project: other, to: caller })
        deepEqual(await projects(), [project, other])
        deepEqual(await scopes(other), ['app'])
        await grant(context, caller, { type: 'kvRead', project })
        deepEqual(await scopes(project), ['app', 's', 't'])
        const everywhere = `${project}-bob`
        await grant(context, everywhere, { type: 'kvRead' })
        const all = (await database.projects()).map(({ name }) => name)
        deepEqual(
          (await database.as(everywhere).projects()).map(({ name }) => name),
          all,
        )
      },
    },
    {
      name: 'reaches as far as its permission: a prefix, a scope, a project, everything',
      async run(context) {
        const { database, project, kv } = context
        const caller = `${project}-ann`
        const ann = database.as(caller).kv(project)
        await kv.set('a/1', bytes('1'))
        await kv.set('b/1', bytes('1'))
        await grant(context, caller, { type: 'kvRead', project, scope: 'app', prefix: bytes('a/') })
        equal(text(await ann.get('a/1')), '1')
        deepEqual(await keysOf(ann.scan({ prefix: 'a/' })), ['a/1'])
        await fails(ann.get('b/1'), 'permission_denied')
        await fails(ann.getMany(['a/1', 'b/1']), 'permission_denied')
        await fails(collect(ann.scan()), 'permission_denied')
        await refused(ann.set('a/1', bytes('2')), 'permission_denied')
        await grant(context, caller, { type: 'kvWrite', project, scope: 'app', prefix: bytes('a/') })
        await ann.set('a/2', bytes('2'))
        await refused(ann.set('b/2', bytes('2')), 'permission_denied')
        await grant(context, caller, { type: 'kvRead', project, scope: 'app' })
        deepEqual(await keysOf(ann.scan()), ['a/1', 'a/2', 'b/1'])
        await database.ddl({ type: 'createScope', project, scope: 'other' })
        const other = database.as(caller).kv(project, { scope: 'other' })
        await fails(other.get('k'), 'permission_denied')
        await grant(context, caller, { type: 'kvRead', project })
        equal(await other.get('k'), undefined)
        await grant(context, caller, { type: 'kvWrite' })
        await other.set('k', bytes('1'))
      },
    },
    {
      name: 'loses what is revoked, in views that are open too',
      async run(context) {
        const { database, project, kv } = context
        const caller = `${project}-bob`
        const permission = { type: 'kvRead', project } as const
        await kv.set('k', bytes('1'))
        await grant(context, caller, permission)
        deepEqual((await database.ddl({ type: 'grant', caller, permission })).changed, [false])
        const bob = database.as(caller)
        await using view = await bob.view()
        equal(text(await view.kv(project).get('k')), '1')
        deepEqual((await database.ddl({ type: 'revoke', caller, permission })).changed, [true])
        deepEqual((await database.ddl({ type: 'revoke', caller, permission })).changed, [false])
        await fails(bob.kv(project).get('k'), 'permission_denied')
        await fails(view.kv(project).get('k'), 'permission_denied')
      },
    },
    {
      name: 'with admin may do everything',
      async run(context) {
        const { database, project } = context
        const caller = `${project}-eve`
        await grant(context, caller, { type: 'admin' })
        const eve = database.as(caller)
        await eve.ddl({ type: 'createScope', project, scope: 's' })
        await eve.kv(project, { scope: 's' }).set('k', bytes('1'))
        equal(text(await eve.kv(project, { scope: 's' }).get('k')), '1')
      },
    },
    {
      name: 'that owns a project, a scope or a table gives permissions on it, and hands it on',
      async run({ database, project }) {
        const [ann, bob] = [`${project}-ann`, `${project}-bob`]
        const transfer = async (caller: string | undefined, to: string, scope?: string): Promise<boolean> => {
          const place = scope === undefined ? {} : { scope }
          const as = caller === undefined ? database : database.as(caller)
          return (await as.ddl({ type: 'transferOwnership', project, ...place, to })).changed[0]!
        }
        const give = async (owner: string, permission: Permission): Promise<boolean> =>
          (await database.as(owner).ddl({ type: 'grant', caller: bob, permission })).changed[0]!
        await refused(transfer(ann, ann), 'permission_denied')
        equal(await transfer(undefined, ann), true)
        equal(await transfer(undefined, ann), false)
        await refused(give(ann, { type: 'admin' }), 'permission_denied')
        await refused(give(ann, { type: 'kvWrite' }), 'permission_denied')
        equal(await give(ann, { type: 'kvWrite', project }), true)
        await database.as(bob).kv(project).set('k', bytes('1'))
        await refused(database.as(ann).kv(project).get('k'), 'permission_denied')
        equal(await transfer(ann, bob, 'app'), true)
        await refused(give(bob, { type: 'kvRead', project }), 'permission_denied')
        equal(await give(bob, { type: 'kvRead', project, scope: 'app' }), true)
        equal(await transfer(ann, bob), true)
        await refused(transfer(ann, ann), 'permission_denied')
        await refused(transfer(undefined, ann, 'none'), 'scope_not_found')
      },
    },
    {
      name: 'whose transaction has one forbidden write changes nothing',
      async run(context) {
        const { database, project, kv } = context
        const caller = `${project}-ann`
        await grant(context, caller, { type: 'kvWrite', project, scope: 'app', prefix: bytes('a/') })
        const set = (key: string) => ({ type: 'kvSet', project, key: bytes(key), value: bytes('1') }) as const
        await refused(database.as(caller).commit({ mutations: [set('a/1'), set('b/1')] }), 'permission_denied')
        deepEqual(await keysOf(kv.scan()), [])
      },
    },
  ],
}
