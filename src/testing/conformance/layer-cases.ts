import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Mutation } from '../../encoding/index.ts'
import {
  appliedMigrations,
  defineTable,
  Effects,
  integer,
  integerCodec,
  Leases,
  openQueue,
  rollbackMigrations,
  runMigrations,
  tableMigration,
  text as textColumn,
} from '../../model/index.ts'
import type { Database, Migration } from '../../model/index.ts'
import type { ConformanceCase, ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, collect, fails, refused, text } from './expectations.ts'

/** Longer than any lease of these cases. */
const LONG_MS = 60_000

/** A caller that may do in the scope what the layers do there, and nothing else. */
async function worker({ database, project }: ConformanceContext, name = 'worker'): Promise<Database> {
  const caller = `${project}-${name}`
  const place = { project, scope: 'app' }
  await database.ddl([
    { type: 'grant', caller, permission: { type: 'tableDdl', ...place } },
    { type: 'grant', caller, permission: { type: 'tableRead', ...place } },
    { type: 'grant', caller, permission: { type: 'tableWrite', ...place } },
    { type: 'grant', caller, permission: { type: 'kvRead', ...place } },
    { type: 'grant', caller, permission: { type: 'kvWrite', ...place } },
  ])
  return database.as(caller)
}

function set(project: string, key: string, value: string): Mutation {
  return { type: 'kvSet', project, key: bytes(key), value: bytes(value) }
}

const usersOf = (project: string, more: boolean) =>
  defineTable('users', {
    project,
    columns: {
      id: integer().primaryKey(),
      name: textColumn(),
      ...(more && { age: integer().nullable() }),
    },
    indexes: more ? [{ columns: ['name'] }] : [],
  })

function migrationsOf(project: string): readonly Migration[] {
  const target = { project, scope: 'app', table: 'users' }
  return [
    tableMigration(1, 'create-users', { to: usersOf(project, false) }),
    {
      version: 2,
      name: 'first-user',
      up: [{ type: 'insert', ...target, rows: [{ id: 1, name: 'ann' }] }],
      down: [{ type: 'delete', ...target, key: { id: 1 } }],
    },
    tableMigration(4, 'ages', { from: usersOf(project, false), to: usersOf(project, true) }),
  ]
}

/** Each case is run by a caller with all permissions, and by one with those of the scope alone. */
function byBoth(
  name: string,
  run: (context: ConformanceContext, database: Database) => Promise<void>,
): ConformanceCase[] {
  return [
    { name, run: context => run(context, context.database) },
    { name: `${name}, for a caller that is not root too`, run: async context => run(context, await worker(context)) },
  ]
}

async function queueGivesTasks({ project, kv }: ConformanceContext, database: Database): Promise<void> {
  const queue = await openQueue<{ n: number }>(database, { project, name: 'jobs' })
  const second = await openQueue<{ n: number }>(database, { project, name: 'jobs' })
  const priorities = [0, 5, 0, -1]
  for (const [n, priority] of priorities.entries()) await queue.enqueue({ n }, { priority })
  const claims = (
    await Promise.all([queue.claim('a', LONG_MS, { count: 4 }), second.claim('b', LONG_MS, { count: 4 })])
  ).flat()
  deepEqual(
    claims.map(({ payload }) => payload.n).toSorted((a, b) => a - b),
    [0, 1, 2, 3],
  )
  deepEqual(await queue.counts(), { scheduled: 0, ready: 0, claimed: 4, dead: 0 })
  const [task] = claims
  ok(task !== undefined)
  const mutations = [{ type: 'kvIncrement', project, key: bytes('done'), by: 1n, width: 64 }] as const
  const ends = await Promise.all([queue.complete(task, { mutations }), second.complete(task, { mutations })])
  equal(ends.filter(Boolean).length, 1)
  equal(integerCodec(64).decode((await kv.get('done'))!), 1n)
  equal(await queue.get(task.id), undefined)
}

async function queueServesInOrder({ project }: ConformanceContext, database: Database): Promise<void> {
  const queue = await openQueue<number>(database, { project, name: 'order' })
  const ids: number[] = []
  for (const priority of [0, 5, 0, 5, -1]) ids.push((await queue.enqueue(priority, { priority })).id)
  const inOrder = [1, 3, 0, 2, 4].map(i => ids[i])
  deepEqual(
    (await collect(queue.list('ready'))).map(({ id }) => id),
    inOrder,
  )
  for (const id of inOrder)
    deepEqual(
      (await queue.claim('w', LONG_MS)).map(claimed => claimed.id),
      [id],
    )
  deepEqual(await queue.claim('w', LONG_MS), [])
  const first = await queue.enqueue(1, { key: 'daily' })
  deepEqual(await queue.enqueue(2, { key: 'daily' }), { id: first.id, isNew: false })
  equal(await queue.cancel(first.id), true)
  equal(await queue.cancel(first.id), false)
}

async function leaseHasOneHolder({ project, kv }: ConformanceContext, database: Database): Promise<void> {
  const leases = new Leases(database, { project })
  const all = await Promise.all(['a', 'b', 'c'].map(owner => leases.acquire('boss', owner, LONG_MS)))
  const held = all.filter(lease => lease !== undefined)
  equal(held.length, 1)
  const lease = held[0]!
  equal((await leases.status('boss'))?.owner, lease.owner)
  const renewed = await leases.renew(lease, LONG_MS)
  equal(renewed?.fencingToken, lease.fencingToken)
  // The lease of before the renewal is the same lease.
  ok((await leases.commit(lease, [set(project, 'k', '1')])) !== undefined)
  equal(await leases.release(lease), true)
  equal(await leases.release(lease), false)
  equal(await leases.commit(lease, [set(project, 'k', '2')]), undefined)
  const next = await leases.acquire('boss', 'd', LONG_MS)
  ok(next !== undefined && next.fencingToken > lease.fencingToken)
  equal(await leases.commit(lease, [set(project, 'k', '3')]), undefined)
  equal(await leases.renew(lease, LONG_MS), undefined)
  equal(text(await kv.get('k')), '1')
}

async function effectHappensOnce({ project, kv }: ConformanceContext, database: Database): Promise<void> {
  const effects = new Effects<number>(database, { project })
  const begun = await Promise.all([1, 2, 3].map(() => effects.begin('pay')))
  deepEqual(begun.map(({ state }) => state).toSorted(), ['begun', 'begun', 'fresh'])
  const ends = await Promise.all([1, 2].map(n => effects.complete('pay', n, [set(project, 'paid', `${n}`)])))
  const applied = ends.filter(({ isApplied }) => isApplied)
  equal(applied.length, 1)
  const { result } = applied[0]!
  deepEqual(
    ends.map(end => end.result),
    [result, result],
  )
  equal(text(await kv.get('paid')), `${result}`)
  deepEqual(await effects.begin('pay'), { state: 'done', result })
  deepEqual(await effects.status('pay'), { state: 'done', result })
  equal(await effects.status('other'), undefined)
}

async function migrationsOnce(context: ConformanceContext, database: Database): Promise<void> {
  const { project } = context
  const migrations = migrationsOf(project)
  const reports = await Promise.all([
    runMigrations(database, { project }, migrations),
    runMigrations(database, { project }, migrations),
  ])
  for (const { version } of reports) equal(version, 4)
  deepEqual(
    reports.flatMap(({ done }) => done.map(({ version }) => version)).toSorted((a, b) => a - b),
    [1, 2, 4],
  )
  deepEqual(
    (await appliedMigrations(database, { project })).map(({ name }) => name),
    ['create-users', 'first-user', 'ages'],
  )
  const users = database.table(usersOf(project, true))
  deepEqual(await users.get(1), { id: 1, name: 'ann', age: null })
  const other = migrations.map(migration => (migration.version === 2 ? { ...migration, name: 'other' } : migration))
  await fails(runMigrations(database, { project }, other), 'migration_mismatch')
  const back = await rollbackMigrations(database, { project }, migrations, 1)
  deepEqual([back.version, back.done.map(({ version }) => version)], [1, [4, 2]])
  equal(await database.table(usersOf(project, false)).get(1), undefined)
  equal((await runMigrations(database, { project }, migrations)).version, 4)
}

export const layerSection: ConformanceSection = {
  title: 'a layer',
  cases: [
    ...byBoth('of a queue gives each task to one worker, and ends it once', queueGivesTasks),
    ...byBoth('of a queue serves by priority, then in the order of coming', queueServesInOrder),
    {
      name: 'of a queue gives a task again when its lease is over, and refuses what the first worker says then',
      needs: 'advanceTimeMs',
      async run(context) {
        const { project, hooks } = context
        const queue = await openQueue(await worker(context), { project, name: 'jobs' })
        const { id } = await queue.enqueue('x', { attemptsMax: 2 })
        const [first] = await queue.claim('slow', 1_000)
        await hooks.advanceTimeMs(5_000)
        const [second] = await queue.claim('eager', 1_000)
        ok(first !== undefined && second !== undefined)
        deepEqual([second.id, second.attempt, second.isLastAttempt], [id, 2, true])
        ok(second.fencingToken > first.fencingToken)
        equal(await queue.complete(first), false)
        equal(await queue.heartbeat(first, 1_000), undefined)
        equal(await queue.fail(second, 'no luck'), true)
        equal((await queue.get(id))?.state, 'dead')
      },
    },
    ...byBoth('of leases lets one hold a name at a time, and nobody act on a lease that is lost', leaseHasOneHolder),
    {
      name: 'of leases lets a name go when its time is over',
      needs: 'advanceTimeMs',
      async run({ database, project, hooks }) {
        const leases = new Leases(database, { project })
        const lease = await leases.acquire('boss', 'a', 1_000)
        ok(lease !== undefined)
        equal(await leases.acquire('boss', 'b', 1_000), undefined)
        await hooks.advanceTimeMs(5_000)
        equal(await leases.commit(lease, [set(project, 'k', '1')]), undefined)
        equal(await leases.status('boss'), undefined)
        ok((await leases.acquire('boss', 'b', 1_000)) !== undefined)
      },
    },
    ...byBoth('of effects lets one begin, and keeps the first result', effectHappensOnce),
    ...byBoth('of migrations applies each once, in order, however many run them, and rolls back', migrationsOnce),
    {
      name: 'does nothing for a caller without the permissions of what it does',
      async run(context) {
        const { database, project } = context
        await openQueue(database, { project, name: 'jobs' })
        const caller = `${project}-reader`
        await database.ddl([
          { type: 'grant', caller, permission: { type: 'kvRead', project, scope: 'app' } },
          { type: 'grant', caller, permission: { type: 'kvWrite', project, scope: 'app' } },
        ])
        const reader = database.as(caller)
        await refused(openQueue(reader, { project, name: 'jobs' }), 'permission_denied')
        // The record goes with the steps, which are refused.
        await refused(runMigrations(reader, { project }, migrationsOf(project)), 'permission_denied')
        deepEqual(await appliedMigrations(database, { project }), [])
        const nobody = database.as(`${project}-nobody`)
        await refused(new Leases(nobody, { project }).acquire('boss', 'a', LONG_MS), 'permission_denied')
        await refused(new Effects(nobody, { project }).begin('pay'), 'permission_denied')
        equal(await new Leases(database, { project }).status('boss'), undefined)
        equal(await new Effects(database, { project }).status('pay'), undefined)
      },
    },
  ],
}
