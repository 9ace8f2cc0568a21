import { deepEqual, equal, ok } from 'node:assert/strict'
import { createTable, defineTable, integer, text, u256 } from '../../model/index.ts'
import type { RowChange, TableWatchEvent, TableShape, WatchOptions } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { fails } from './expectations.ts'

const notesOf = (project: string) =>
  defineTable('notes', {
    project,
    columns: {
      owner: text(),
      id: integer(),
      body: text().nullable(),
      worth: u256().default(7n),
    },
    primaryKey: ['owner', 'id'],
  })

type Notes = ReturnType<typeof notesOf>
type Shape = NonNullable<Notes['$shape']>

async function notes({ database, project }: ConformanceContext) {
  const definition = notesOf(project)
  const { token } = await database.ddl(createTable(definition))
  return { definition, token, table: database.table(definition), target: { project, scope: 'app', table: 'notes' } }
}

/** Takes events from a watch; progress, which may come at any time, is skipped. */
class Rows<S extends TableShape = Shape> {
  readonly #events: AsyncIterator<TableWatchEvent<S>>
  readonly #ending = new AbortController()

  constructor(start: (options: WatchOptions) => AsyncIterable<TableWatchEvent<S>>, from: string) {
    this.#events = start({ from, signal: this.#ending.signal })[Symbol.asyncIterator]()
  }

  async next(): Promise<Exclude<TableWatchEvent<S>, { type: 'progress' }>> {
    for (;;) {
      const step = await this.#events.next()
      if (step.done === true) throw new Error('the watch has ended')
      if (step.value.type !== 'progress') return step.value
    }
  }

  async commit(): Promise<{ seq: number; token: string; changes: string[] }> {
    const event = await this.next()
    if (event.type !== 'commit') throw new Error(`a ${event.type} where a commit was awaited`)
    return { seq: event.seq, token: event.token, changes: event.changes.map(told).sort() }
  }

  async end(): Promise<void> {
    this.#ending.abort()
    while ((await this.#events.next()).done !== true);
  }
}

function told<S extends TableShape>({ kind, key, row }: RowChange<S>): string {
  const name = Object.values(key).join('/')
  const { body } = (row ?? {}) as { body?: string | null }
  return kind === 'put' ? `${name}=${body}` : `${kind} ${name}`
}

export const tableWatchSection: ConformanceSection = {
  title: 'a watch of a table',
  cases: [
    {
      name: 'tells of commits in order and whole, with typed rows, and of no other table',
      async run(context) {
        const { database } = context
        const { definition, table, token, target } = await notes(context)
        const other = { ...target, table: 'other' }
        await database.ddl({
          type: 'createTable',
          ...other,
          columns: [{ name: 'id', type: 'integer' }],
          primaryKey: ['id'],
        })
        const rows = new Rows(options => table.watch(options), token)
        const row = (id: number, body: string) => ({ owner: 'ann', id, body })
        const both = await database.commit({
          mutations: [
            { type: 'insert', ...target, rows: [row(1, 'a'), row(2, 'b')] },
            { type: 'insert', ...other, rows: [{ id: 1 }] },
          ],
        })
        await database.table(other).insert({ id: 2 })
        await database.kv(context.project).set('notes', new Uint8Array(1))
        await table.update({ owner: 'ann', id: 1 }, { body: 'c' })
        await table.insert(row(2, 'x')).catch(() => undefined)
        const last = await database.commit({
          mutations: [
            { type: 'delete', ...target, key: { owner: 'ann', id: 1 } },
            { type: 'upsert', ...target, rows: [{ owner: 'bob', id: 9, worth: 2n ** 200n }] },
          ],
        })
        const first = await rows.next()
        ok(first.type === 'commit')
        equal(first.seq, both.seq)
        equal(first.token, both.token)
        deepEqual(first.changes[0], {
          kind: 'put',
          key: { owner: 'ann', id: 1 },
          row: { owner: 'ann', id: 1, body: 'a', worth: 7n },
          seq: both.seq,
        })
        deepEqual(first.changes.slice(1).map(told), ['ann/2=b'])
        deepEqual((await rows.commit()).changes, ['ann/1=c'])
        const { seq, changes } = await rows.commit()
        deepEqual([seq, changes], [last.seq, ['bob/9=null', 'delete ann/1']])
        await rows.end()
        equal(await database.table(definition).count(), 2)
      },
    },
    {
      name: 'resumes after a token, and tells of keys with a beginning only',
      async run(context) {
        const { database } = context
        const { table, token, target } = await notes(context)
        for (const owner of ['ann', 'anna', 'bob']) await table.insert({ owner, id: 1, body: owner })
        const all = new Rows(options => table.watch(options), token)
        deepEqual((await all.commit()).changes, ['ann/1=ann'])
        const middle = await all.commit()
        deepEqual(middle.changes, ['anna/1=anna'])
        await all.end()
        const resumed = new Rows(options => table.watch(options), middle.token)
        deepEqual((await resumed.commit()).changes, ['bob/1=bob'])
        await resumed.end()
        await table.insert({ owner: 'ann', id: 2, body: 'second' })
        const some = new Rows(options => table.watch({ ...options, prefix: { owner: 'ann' } }), token)
        deepEqual((await some.commit()).changes, ['ann/1=ann'])
        deepEqual((await some.commit()).changes, ['ann/2=second'])
        await some.end()
        const untyped = new Rows(
          options => database.watch({ ...target, prefix: { owner: 'ann', id: 2 } }, options),
          token,
        )
        deepEqual((await untyped.commit()).changes, ['ann/2=second'])
        await untyped.end()
        const inner = new Rows(options => database.watch({ ...target, prefix: { id: 2 } }, options), token)
        await fails(inner.next(), 'invalid_argument')
      },
    },
    {
      name: 'tells of what conditions, referential actions and expiry do to rows',
      needs: 'advanceTimeMs',
      async run(context) {
        const { database, project, hooks } = context
        const { table, target } = await notes(context)
        const links = defineTable('links', {
          project,
          columns: { id: integer().primaryKey(), owner: text(), note: integer() },
          foreignKeys: [{ name: 'to', columns: ['owner', 'note'], table: notesOf(project), onDelete: 'cascade' }],
        })
        await database.ddl(createTable(links))
        const { token } = await table.insertMany([
          { owner: 'ann', id: 1 },
          { owner: 'ann', id: 2 },
        ])
        await database.table(links).insert({ id: 5, owner: 'ann', note: 2 })
        const rows = new Rows(options => table.watch(options), token)
        const linked = new Rows(options => database.watch({ project, table: 'links' }, options), token)
        await table.updateWhere(c => c.id.gte(1), { body: 'seen' })
        deepEqual((await rows.commit()).changes, ['ann/1=seen', 'ann/2=seen'])
        deepEqual((await linked.commit()).changes, ['5=undefined'])
        await table.delete({ owner: 'ann', id: 2 })
        deepEqual((await rows.commit()).changes, ['delete ann/2'])
        deepEqual((await linked.commit()).changes, ['delete 5'])
        await table.insert({ owner: 'eve', id: 1, body: 'short' }, { ttlMs: 1_000 })
        deepEqual((await rows.commit()).changes, ['eve/1=short'])
        await hooks.advanceTimeMs(2_000)
        await database.commit({ mutations: [{ type: 'upsert', ...target, rows: [{ owner: 'x', id: 1, body: 'y' }] }] })
        const gone = await rows.commit()
        deepEqual(gone.changes.slice(0, 1), ['expire eve/1'])
        await rows.end()
        await linked.end()
      },
    },
    {
      name: 'tells a caller of what its read policy shows, of more not even that it is there',
      async run(context) {
        const { database, project } = context
        const { definition, table, target } = await notes(context)
        const caller = `${project}-ann`
        const policy = { op: 'eq', column: 'body', value: { caller: true } } as const
        const mine = caller
        await database.ddl([
          { type: 'setReadPolicy', ...target, policy },
          { type: 'grant', caller, permission: { type: 'tableRead', ...target } },
        ])
        const { token } = await table.insertMany([
          { owner: 'x', id: 1, body: mine },
          { owner: 'x', id: 2, body: 'hidden' },
        ])
        const rows = new Rows(options => database.as(caller).table(definition).watch(options), token)
        const everything = new Rows(options => table.watch(options), token)
        const set = (id: number, body: string): Promise<unknown> => table.update({ owner: 'x', id }, { body })
        await set(2, 'still hidden')
        await set(1, 'hidden now')
        await set(2, mine)
        await table.delete({ owner: 'x', id: 1 })
        await table.insert({ owner: 'x', id: 3, body: 'hidden' })
        await table.delete({ owner: 'x', id: 3 })
        await table.delete({ owner: 'x', id: 2 })
        deepEqual((await rows.commit()).changes, ['delete x/1'])
        deepEqual((await rows.commit()).changes, [`x/2=${mine}`])
        deepEqual((await rows.commit()).changes, ['delete x/2'])
        for (const change of ['x/2=still hidden', 'x/1=hidden now', `x/2=${mine}`, 'delete x/1']) {
          deepEqual((await everything.commit()).changes, [change])
        }
        await everything.end()
        await rows.end()
      },
    },
    {
      name: 'begins anew where what its caller may see has changed',
      async run(context) {
        const { database, project } = context
        const { definition, table, target } = await notes(context)
        const caller = `${project}-ann`
        const policy = { op: 'eq', column: 'owner', value: 'x' } as const
        const { token } = await database.ddl({ type: 'grant', caller, permission: { type: 'tableRead', ...target } })
        await table.insert({ owner: 'x', id: 1, body: 'a' })
        const as = database.as(caller)
        const rows = new Rows(options => as.table(definition).watch(options), token)
        deepEqual((await rows.commit()).changes, ['x/1=a'])
        const set = await database.ddl({ type: 'setReadPolicy', ...target, policy })
        const reset = async (atLeast: number): Promise<string[]> => {
          const event = await rows.next()
          ok(event.type === 'reset', `a ${event.type} where a reset was awaited`)
          await using view = event.view
          ok(event.seq >= atLeast && view.seq === event.seq)
          const found: string[] = []
          for await (const row of view.table(definition).scan()) found.push(`${row.owner}/${row.id}`)
          return found
        }
        deepEqual(await reset(set.seq), ['x/1'])
        await table.insertMany([
          { owner: 'y', id: 1, body: 'b' },
          { owner: 'x', id: 2, body: 'b' },
        ])
        deepEqual((await rows.commit()).changes, ['x/2=b'])
        const permission = { type: 'policyBypass', ...target } as const
        const { seq } = await database.ddl({ type: 'grant', caller, permission })
        deepEqual(await reset(seq), ['x/1', 'x/2', 'y/1'])
        await table.insert({ owner: 'y', id: 2, body: 'c' })
        const last = await rows.commit()
        deepEqual(last.changes, ['y/2=c'])
        await rows.end()
        // Who was away while the sight changed hears of it, too.
        await database.ddl({ type: 'revoke', caller, permission })
        await table.insert({ owner: 'x', id: 3, body: 'd' })
        const resumed = new Rows(options => as.table(definition).watch(options), last.token)
        const event = await resumed.next()
        equal(event.type, 'reset')
        if (event.type === 'reset') await event.view.close()
        await resumed.end()
      },
    },
    {
      name: 'ends with the table and with the permission, and does not begin on what is missing',
      async run(context) {
        const { database, project } = context
        const { table, token, target } = await notes(context)
        const caller = `${project}-ann`
        const as = database.as(caller)
        await fails(new Rows(options => as.watch(target, options), token).next(), 'permission_denied')
        const none = { ...target, table: 'none' }
        await fails(new Rows(options => database.watch(none, options), token).next(), 'table_not_found')
        const nowhere = { ...target, scope: 'none' }
        await fails(new Rows(options => database.watch(nowhere, options), token).next(), 'scope_not_found')
        const permission = { type: 'tableRead', ...target } as const
        await database.ddl({ type: 'grant', caller, permission })
        await table.insert({ owner: 'x', id: 1 })
        const rows = new Rows(options => as.watch(target, options), token)
        deepEqual((await rows.commit()).changes, ['x/1=null'])
        const all = new Rows(options => table.watch(options), token)
        deepEqual((await all.commit()).changes, ['x/1=null'])
        await database.ddl({ type: 'revoke', caller, permission })
        await fails(rows.next(), 'permission_denied')
        await database.ddl({ type: 'dropTable', ...target })
        await fails(all.next(), 'table_not_found')
      },
    },
    {
      name: 'from a point that is forgotten gives the state, and goes on after it',
      needs: 'forgetChanges',
      async run(context) {
        const { definition, table, token } = await notes(context)
        await table.insert({ owner: 'x', id: 1, body: 'a' })
        await context.hooks.forgetChanges()
        const rows = new Rows(options => table.watch(options), token)
        const event = await rows.next()
        ok(event.type === 'reset')
        await using view = event.view
        equal((await view.table(definition).get({ owner: 'x', id: 1 }))?.body, 'a')
        await table.update({ owner: 'x', id: 1 }, { body: 'b' })
        deepEqual((await rows.commit()).changes, ['x/1=b'])
        await rows.end()
      },
    },
  ],
}
