import { deepEqual } from 'node:assert/strict'
import type { Permission } from '../../encoding/index.ts'
import type { Database, ScanScopesOptions, ScopedEntry } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, collect, fails, text } from './expectations.ts'

async function fill({ database, project, kv }: ConformanceContext): Promise<void> {
  for (const scope of ['b', 'empty', 'zed']) await database.ddl({ type: 'createScope', project, scope })
  await kv.setMany([
    ['a1', bytes('app a1')],
    ['a2', bytes('app a2')],
    ['k', bytes('app k')],
  ])
  await database.kv(project, { scope: 'b' }).set('a1', bytes('b a1'))
  await database.kv(project, { scope: 'zed' }).setMany([
    ['a9', bytes('zed a9')],
    ['x', bytes('zed x')],
  ])
}

async function found(
  source: Pick<Database, 'scanScopes'>,
  project: string,
  options?: ScanScopesOptions<string, Uint8Array>,
): Promise<string[]> {
  const entries: ScopedEntry<string, Uint8Array>[] = await collect(source.scanScopes(project, options))
  for (const { scope, key, value } of entries) deepEqual(text(value), `${scope} ${key}`)
  return entries.map(({ scope, key }) => `${scope} ${key}`)
}

export const scanScopesSection: ConformanceSection = {
  title: 'a scan of all scopes',
  cases: [
    {
      name: 'goes scope by scope, each in key order, within prefix, bounds and limit',
      async run(context) {
        const { database, project } = context
        await fill(context)
        const all = ['app a1', 'app a2', 'app k', 'b a1', 'zed a9', 'zed x']
        deepEqual(await found(database, project), all)
        deepEqual(await found(database, project, { reverse: true }), all.toReversed())
        deepEqual(await found(database, project, { prefix: 'a' }), ['app a1', 'app a2', 'b a1', 'zed a9'])
        deepEqual(await found(database, project, { start: 'a2', end: 'l' }), ['app a2', 'app k', 'zed a9'])
        deepEqual(await found(database, project, { prefix: 'a', limit: 3 }), ['app a1', 'app a2', 'b a1'])
        deepEqual(await found(database, project, { limit: 0 }), [])
        await fails(found(database, `${project}-none`), 'project_not_found')
        await fails(found(database, project, { limit: -1 }), 'invalid_argument')
      },
    },
    {
      name: 'sees one state, that of a view too',
      async run(context) {
        const { database, project, kv } = context
        await fill(context)
        await using view = await database.view()
        const scan = database.scanScopes(project)[Symbol.asyncIterator]()
        const first = await scan.next()
        deepEqual(first.done === true ? undefined : first.value.key, 'a1')
        await kv.delete('k')
        await database.kv(project, { scope: 'zed' }).set('later', bytes('zed later'))
        const rest: string[] = []
        for (let step = await scan.next(); step.done !== true; step = await scan.next()) rest.push(step.value.key)
        deepEqual(rest, ['a2', 'k', 'a1', 'a9', 'x'])
        deepEqual((await found(view, project)).length, 6)
        deepEqual(await found(database, project, { start: 'k' }), ['zed later', 'zed x'])
      },
    },
    {
      name: 'leaves out the scopes that the caller may not read in the range',
      async run(context) {
        const { database, project } = context
        await fill(context)
        const caller = `${project}-ann`
        const grant = (permission: Permission): Promise<unknown> => database.ddl({ type: 'grant', caller, permission })
        const ann = database.as(caller)
        await fails(found(ann, project), 'permission_denied')
        await grant({ type: 'kvWrite', project, scope: 'b' })
        await fails(found(ann, project), 'permission_denied')
        await grant({ type: 'kvRead', project, scope: 'zed' })
        deepEqual(await found(ann, project), ['zed a9', 'zed x'])
        await grant({ type: 'kvRead', project, scope: 'app', prefix: bytes('a') })
        deepEqual(await found(ann, project), ['zed a9', 'zed x'])
        deepEqual(await found(ann, project, { prefix: 'a' }), ['app a1', 'app a2', 'zed a9'])
      },
    },
  ],
}
