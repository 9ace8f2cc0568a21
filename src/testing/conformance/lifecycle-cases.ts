import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Ddl } from '../../encoding/index.ts'
import type { LifecycleEvent } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, collect, fails, refused } from './expectations.ts'

const text = ({ type, project, scope, table, from, change }: LifecycleEvent): string =>
  [type, [project, scope, table].filter(name => name !== undefined).join('/'), from ?? change]
    .filter(part => part !== undefined)
    .join(' ')

async function eventsOf({ database }: ConformanceContext, project: string, after = 0): Promise<string[]> {
  const { events } = await database.lifecycle({ project }).read({ after })
  return events.map(text)
}

const createTable = (project: string, table: string): Ddl => ({
  type: 'createTable',
  project,
  table,
  columns: [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'text', nullable: true },
  ],
  primaryKey: ['id'],
})

export const lifecycleSection: ConformanceSection = {
  title: 'what happens to projects, scopes and tables',
  cases: [
    {
      name: 'is told by the commit that does it, in its order, with ids that stay and the names of then',
      async run(context) {
        const { database } = context
        const project = `${context.project}-own`
        const created = await database.ddl([
          { type: 'createProject', project },
          { type: 'createScope', project, scope: 's' },
          createTable(project, 't'),
        ])
        const { events } = await database.lifecycle({ project }).read()
        deepEqual(events.map(text), [
          `projectCreated ${project}`,
          `scopeCreated ${project}/app`,
          `scopeCreated ${project}/s`,
          `tableCreated ${project}/app/t`,
        ])
        ok(events.every(({ seq }) => seq === created.seq))
        const [first, app, s, t] = events
        const [{ id: tableId } = { id: 0 }] = await database.tables(project)
        const places = await database.scopes(project)
        const { id: projectId } = (await database.projects()).find(({ name }) => name === project)!
        deepEqual([first?.projectId, first?.scopeId, first?.tableId], [projectId, undefined, undefined])
        deepEqual(
          [app?.scopeId, s?.scopeId],
          ['app', 's'].map(name => places.find(place => place.name === name)?.id),
        )
        deepEqual([t?.projectId, t?.scopeId, t?.tableId], [projectId, app?.scopeId, tableId])
        ok(first!.timeMicros > 0)
        const { seq } = await database.ddl([
          { type: 'renameScope', project, scope: 's', to: 'r' },
          { type: 'renameTable', project, table: 't', to: 'u' },
          { type: 'renameProject', project, to: `${project}2` },
        ])
        const renamed = await database.lifecycle().read({ after: created.seq, fromSeq: seq, toSeq: seq })
        deepEqual(renamed.events.map(text), [
          `scopeRenamed ${project}/r s`,
          `tableRenamed ${project}/app/u t`,
          `projectRenamed ${project}2 ${project}`,
        ])
        deepEqual(
          renamed.events.map(({ scopeId, tableId: id }) => scopeId ?? id),
          [s?.scopeId, app?.scopeId, undefined],
        )
        await database.ddl({ type: 'dropProject', project: `${project}2` })
        deepEqual(await eventsOf(context, `${project}2`, seq), [
          `tableDropped ${project}2/app/u`,
          `scopeDropped ${project}2/app`,
          `scopeDropped ${project}2/r`,
          `projectDropped ${project}2`,
        ])
      },
    },
    {
      name: 'is told of what has changed something, and of nothing that is refused',
      async run(context) {
        const { database, project } = context
        const { seq } = await database.ddl(createTable(project, 't'))
        await database.ddl([
          { type: 'createProject', project, ifNotExists: true },
          { type: 'createScope', project, scope: 'app', ifNotExists: true },
          { type: 'dropTable', project, table: 'none', ifExists: true },
          { ...createTable(project, 't'), ifNotExists: true } as Ddl,
        ])
        await refused(
          database.ddl([
            { type: 'createScope', project, scope: 'x' },
            { type: 'createScope', project, scope: 'app' },
          ]),
          'already_exists',
        )
        deepEqual(await eventsOf(context, project, seq), [])
        const target = { project, table: 't' }
        await database.ddl([
          {
            type: 'alterTable',
            ...target,
            alteration: { type: 'addColumn', column: { name: 'more', type: 'text', nullable: true } },
          },
          { type: 'createIndex', ...target, index: { name: 'by_name', columns: ['name'] } },
          { type: 'setReadPolicy', ...target, policy: { op: 'isNull', column: 'name' } },
          { type: 'clearReadPolicy', ...target },
          { type: 'clearReadPolicy', ...target },
          { type: 'dropIndex', ...target, name: 'by_name' },
        ])
        const place = `${project}/app/t`
        deepEqual(
          await eventsOf(context, project, seq),
          ['addColumn', 'createIndex', 'setReadPolicy', 'clearReadPolicy', 'dropIndex'].map(
            change => `tableAltered ${place} ${change}`,
          ),
        )
        const altered = await database.lifecycle({ type: 'tableAltered', project }).read({ limit: 1, reverse: true })
        equal(altered.events[0]?.change, 'dropIndex')
        deepEqual((await database.lifecycle({ type: 'scopeDropped', project }).read()).events, [])
        await fails((async () => database.lifecycle({ type: 'none' as never }).read())(), 'invalid_argument')
        await fails((async () => database.lifecycle({ project: 'no project' }).read())(), 'invalid_name')
      },
    },
    {
      name: 'is told of what the background has done, when it has ended',
      async run(context) {
        const { database, project } = context
        const target = { project, table: 't' }
        await database.ddl(createTable(project, 't'))
        await database.table(target).insertMany([1, 2].map(id => ({ id, name: 'same' })))
        const { seq } = await database.ddl([
          { type: 'createIndex', ...target, index: { name: 'plain', columns: ['name'] } },
          { type: 'createIndex', ...target, index: { name: 'unique', columns: ['name'], unique: true } },
        ])
        for (let i = 0; i < 2_000 && (await database.jobs({ project })).length > 0; i++) {
          await context.kv.set('meanwhile', bytes(String(i)))
        }
        deepEqual((await eventsOf(context, project, seq)).sort(), [
          `tableAltered ${project}/app/t buildIndexCompleted`,
          `tableAltered ${project}/app/t buildIndexFailed`,
        ])
      },
    },
    {
      name: 'is heard by whom the catalog shows it to, and by nobody else',
      async run(context) {
        const { database, project } = context
        const [ann, bob, cleo, dan] = ['ann', 'bob', 'cleo', 'dan'].map(name => `${project}-${name}`) as [
          string,
          string,
          string,
          string,
        ]
        await database.ddl([
          { type: 'createScope', project, scope: 'b' },
          createTable(project, 't'),
          createTable(project, 'u'),
          { type: 'grant', caller: ann, permission: { type: 'kvRead', project, scope: 'b' } },
          { type: 'grant', caller: bob, permission: { type: 'tableRead', project, scope: 'app', table: 't' } },
          { type: 'transferOwnership', project, scope: 'b', to: cleo },
        ])
        const heard = async (caller: string): Promise<string[]> => {
          const { events } = await database.as(caller).lifecycle({ project }).read()
          return events.map(text)
        }
        const [ofProject, app, b] = [
          `projectCreated ${project}`,
          `scopeCreated ${project}/app`,
          `scopeCreated ${project}/b`,
        ]
        deepEqual(await heard(ann), [ofProject, b])
        deepEqual(await heard(bob), [ofProject, app, `tableCreated ${project}/app/t`])
        deepEqual(await heard(cleo), [ofProject, b])
        deepEqual(await heard(dan), [])
        equal((await heard('root')).length, 5)
        // Of one page with others' the caller hears its own, and gets on.
        const page = await database.as(ann).lifecycle().read({ limit: 1 })
        ok(page.events.every(({ scope = 'b' }) => scope === 'b'))
        await database.ddl({ type: 'revoke', caller: ann, permission: { type: 'kvRead', project, scope: 'b' } })
        deepEqual(await heard(ann), [])
        const system = { scope: 'app' }
        await fails(database.as(ann).events('_system', system).summary(), 'permission_denied')
        await refused(database.as(ann).events('_system').compact({ keepLast: 0 }), 'permission_denied')
        await refused(database.events('_system').emit({ topic: 't', key: 'k', payload: '1' }), 'project_not_found')
        await fails(database.events('_system', { scope: 'other' }).read(), 'scope_not_found')
        await fails(database.kv('_system').get('k'), 'project_not_found')
        ok((await database.events('_system').summary()).events >= 5)
      },
    },
    {
      name: 'is followed from any point on, into what is still to come, by those who may hear it',
      async run(context) {
        const { database, project } = context
        const caller = `${project}-ann`
        const { seq } = await database.ddl([
          { type: 'createScope', project, scope: 'a' },
          { type: 'createScope', project, scope: 'b' },
          { type: 'grant', caller, permission: { type: 'kvRead', project, scope: 'b' } },
        ])
        const ending = new AbortController()
        const follow = (of: typeof database, after: number): AsyncIterator<LifecycleEvent> =>
          of.lifecycle({ project }).follow({ after, signal: ending.signal })[Symbol.asyncIterator]()
        const [all, own] = [follow(database, seq - 1), follow(database.as(caller), seq)]
        const take = async (from: AsyncIterator<LifecycleEvent>): Promise<string> => {
          const step = await from.next()
          return step.done === true ? 'ended' : text(step.value)
        }
        equal(await take(all), `scopeCreated ${project}/a`)
        equal(await take(all), `scopeCreated ${project}/b`)
        const [next, ofOwn] = [take(all), take(own)]
        await database.kv(project).set('k', bytes('1'))
        await database.ddl([
          { type: 'renameScope', project, scope: 'a', to: 'c' },
          { type: 'renameScope', project, scope: 'b', to: 'd' },
        ])
        equal(await next, `scopeRenamed ${project}/c a`)
        equal(await take(all), `scopeRenamed ${project}/d b`)
        equal(await ofOwn, `scopeRenamed ${project}/d b`)
        await database.ddl({ type: 'dropScope', project, scope: 'd' })
        equal(await take(all), `scopeDropped ${project}/d`)
        const last = take(all)
        ending.abort()
        equal(await last, 'ended')
        await own.return?.()
        deepEqual(await collect(database.lifecycle().follow({ signal: AbortSignal.abort() })), [])
      },
    },
    {
      name: 'is read in views and older states, stays until it is compacted, and is no event of a project',
      async run(context) {
        const { database, project, kv } = context
        const { seq, token } = await database.ddl({ type: 'createScope', project, scope: 'later' })
        await using view = await database.view({ consistency: { atSeq: token } })
        await database.ddl({ type: 'dropScope', project, scope: 'later' })
        const seen = await view.lifecycle({ project }).read({ fromSeq: seq })
        deepEqual(seen.events.map(text), [`scopeCreated ${project}/later`])
        deepEqual((await database.projectEvents(project).read()).events, [])
        equal((await database.usage(project)).events, 0)
        const operation = { type: 'createScope', project, scope: 'tried' } as const
        const found = await database.preflight({ mutations: [{ type: 'ddl', operation }] })
        deepEqual([found.isValid, found.events], [true, 0])
        const { events } = await database.commitEvents(seq)
        deepEqual(
          events.map(event => [event.project, event.scope, event.topic, event.key]),
          [['_system', 'app', 'scopeCreated', `${project}/later`]],
        )
        const ofKey = await database.events('_system').read({ key: `${project}/later` })
        deepEqual(
          ofKey.events.map(({ topic }) => topic),
          ['scopeCreated', 'scopeDropped'],
        )
        const report = await database.events('_system').compact({ keepLast: 1 })
        ok(report.events > 0)
        for (let i = 0; i < 2_000 && (await database.jobs({ project: '_system' })).length > 0; i++) {
          await kv.set('meanwhile', bytes(String(i)))
        }
        const left = await database.lifecycle().read()
        deepEqual(left.events.map(text), [`scopeDropped ${project}/later`])
        ok(left.removedThroughSeq >= seq)
        await fails(collect(database.lifecycle().follow({ after: 1 })), 'seq_unavailable')
      },
    },
  ],
}
