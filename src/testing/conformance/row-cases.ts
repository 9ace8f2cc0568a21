import { deepEqual, equal, ok } from 'node:assert/strict'
import {
  add,
  addProposed,
  blob,
  boolean,
  coalesce,
  copyOf,
  createTable,
  defineTable,
  float,
  i256,
  integer,
  json,
  proposed,
  subtract,
  text,
  timestamp,
  u256,
  u64,
  u8,
} from '../../model/index.ts'
import type { Table, UntypedShape } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, collect, refused } from './expectations.ts'

const accountsOf = (project: string) =>
  defineTable('accounts', {
    project,
    columns: {
      id: integer().primaryKey(),
      owner: text(),
      balance: integer().default(0),
      limit: integer().nullable(),
      opened: timestamp().defaultNow(),
    },
    indexes: [{ columns: ['owner'], unique: true }],
  })

const everythingOf = (project: string) =>
  defineTable('everything', {
    project,
    columns: {
      id: text().primaryKey(),
      text: text().nullable(),
      u8: u8().nullable(),
      u64: u64({ as: 'bigint' }).nullable(),
      integer: integer({ as: 'bigint' }).nullable(),
      float: float().nullable(),
      boolean: boolean().nullable(),
      u256: u256().nullable(),
      i256: i256().nullable(),
      blob: blob().nullable(),
      timestamp: timestamp({ as: 'bigint' }).nullable(),
      json: json().nullable(),
    },
  })

const pointsOf = (project: string) =>
  defineTable('points', {
    project,
    columns: { map: text(), x: integer(), y: integer(), label: text().nullable() },
    primaryKey: ['map', 'x', 'y'],
  })

async function accounts({ database, project }: ConformanceContext) {
  const definition = accountsOf(project)
  await database.ddl(createTable(definition))
  return database.table(definition)
}

async function points({ database, project }: ConformanceContext) {
  const definition = pointsOf(project)
  await database.ddl(createTable(definition))
  return database.table(definition)
}

export const rowSection: ConformanceSection = {
  title: 'a row',
  cases: [
    {
      name: 'is read as it was inserted, with its defaults and versions',
      async run(context) {
        const table = await accounts(context)
        const before = context.database.leaderTimeMicros()
        const { seq } = await table.insert({ id: 1, owner: 'ann' })
        const entry = await table.entry(1)
        ok(entry !== undefined)
        const { opened, ...row } = entry.row
        deepEqual(row, { id: 1, owner: 'ann', balance: 0, limit: null })
        ok(opened > 0 && Math.abs(opened - before) < 3_600_000_000)
        deepEqual([entry.seq, entry.createdSeq, entry.expiresAtMicros], [seq, seq, undefined])
        const second = await table.update(1, { balance: 5 })
        const updated = await table.entry({ id: 1 })
        deepEqual([updated?.seq, updated?.createdSeq, updated?.row.balance], [second.seq, seq, 5])
        deepEqual(updated?.row.opened, opened)
        equal(await table.get(2), undefined)
        deepEqual(
          (await table.getMany([2, 1, 3])).map(row => row?.owner),
          [undefined, 'ann', undefined],
        )
        deepEqual(await table.getMany([]), [])
      },
    },
    {
      name: 'keeps every value of every type exactly',
      async run({ database, project }) {
        const definition = everythingOf(project)
        await database.ddl(createTable(definition))
        const table = database.table(definition)
        const lowest = {
          id: '',
          text: '',
          u8: 0,
          u64: 0n,
          integer: -(2n ** 63n),
          float: -17976931348623157e292,
          boolean: false,
          u256: 0n,
          i256: -(2n ** 255n),
          blob: new Uint8Array(0),
          timestamp: -(2n ** 63n),
          json: {},
        }
        const highest = {
          id: 'z\0😀',
          text: 'a\0b􏿿',
          u8: 255,
          u64: 2n ** 64n - 1n,
          integer: 2n ** 63n - 1n,
          float: 5e-324,
          boolean: true,
          u256: 2n ** 256n - 1n,
          i256: 2n ** 255n - 1n,
          blob: bytes('\0ÿ'),
          timestamp: 2n ** 63n - 1n,
          json: { a: [1, 'x', null, { b: true }] },
        }
        const middle = {
          id: 'm',
          text: '%_\\',
          u8: 1,
          u64: 2n ** 53n,
          integer: -(2n ** 53n),
          float: 0.1,
          boolean: true,
          u256: 2n ** 64n,
          i256: -1n,
          blob: new Uint8Array(7e4).fill(7),
          timestamp: 1n,
          json: 'text',
        }
        const none = Object.fromEntries(Object.keys(lowest).map(name => [name, null])) as Partial<typeof lowest>
        const nulls = { ...none, id: 'null' }
        await table.insertMany([lowest, highest, middle, nulls])
        deepEqual(await table.getMany([lowest.id, highest.id, middle.id, 'null']), [lowest, highest, middle, nulls])
        const raw = database.table({ project, table: 'everything' })
        const untyped = await raw.get({ id: middle.id })
        equal(untyped?.['u64'], 2n ** 53n)
        equal(untyped?.['u256'], 2n ** 64n)
        equal(untyped?.['i256'], -1n)
        equal(untyped?.['timestamp'], 1)
        equal(untyped?.['json'], '"text"')
      },
    },
    {
      name: 'holds nothing that its columns cannot',
      async run({ database, project }) {
        await database.ddl(createTable(everythingOf(project)))
        const table = database.table({ project, table: 'everything' })
        const wrong: [string, unknown][] = [
          ['text', 5],
          ['u8', 256],
          ['u8', -1],
          ['u64', -1],
          ['u64', 2n ** 64n],
          ['integer', 2n ** 63n],
          ['integer', 1.5],
          ['integer', true],
          ['float', 'x'],
          ['boolean', 1],
          ['u256', -1n],
          ['i256', 2n ** 255n],
          ['blob', 'x'],
          ['timestamp', 0.5],
          ['json', 7],
        ]
        for (const [column, value] of wrong) {
          await refused(table.insert({ id: 'x', [column]: value as string }), 'type_mismatch')
        }
        for (const value of [Number.NaN, Infinity, 2n ** 256n, {} as string]) {
          await refused(table.insert({ id: 'x', float: value }), 'type_mismatch')
        }
        await refused(table.insert({ id: 'x', elsewhere: 1 }), 'column_not_found')
        await refused(table.insert({ text: 'no key' }), 'not_null_violation', 'invalid_argument')
        equal(await table.count(), 0)
      },
    },
    {
      name: 'has a key that nobody else has',
      async run(context) {
        const table = await accounts(context)
        await table.insert({ id: 1, owner: 'ann' })
        await refused(table.insert({ id: 1, owner: 'bob' }), 'duplicate_key')
        await refused(
          table.insertMany([
            { id: 2, owner: 'bob' },
            { id: 2, owner: 'eve' },
          ]),
          'duplicate_key',
        )
        await refused(
          table.insertMany([
            { id: 3, owner: 'eve' },
            { id: 1, owner: 'zoe' },
          ]),
          'duplicate_key',
        )
        equal(await table.count(), 1)
        equal((await table.get(1))?.owner, 'ann')
      },
    },
    {
      name: 'is replaced whole by an upsert',
      async run(context) {
        const table = await accounts(context)
        await table.upsert({ id: 1, owner: 'ann', balance: 5, limit: 9 })
        const created = (await table.entry(1))?.createdSeq
        await table.upsertMany([
          { id: 1, owner: 'ann the second' },
          { id: 2, owner: 'bob' },
        ])
        const entry = await table.entry(1)
        deepEqual([entry?.row.owner, entry?.row.balance, entry?.row.limit], ['ann the second', 0, null])
        equal(entry?.createdSeq, created)
        equal(await table.count(), 2)
      },
    },
    {
      name: 'is updated by values and by what is computed from it',
      async run(context) {
        const table = await accounts(context)
        await table.insert({ id: 1, owner: 'ann', balance: 10 })
        await table.update(1, { balance: add(5) })
        await table.update(1, { balance: subtract(3n) })
        equal((await table.get(1))?.balance, 12)
        await table.update(1, { limit: coalesce(7) })
        await table.update(1, { limit: coalesce(8) })
        equal((await table.get(1))?.limit, 7)
        await table.update(1, { balance: copyOf('limit') })
        equal((await table.get(1))?.balance, 7)
        await table.update(1, { limit: null })
        await table.update(1, { limit: add(1) })
        equal((await table.get(1))?.limit, null)
        // What comes later in the list sees what came before.
        await table.update(1, { balance: 20, limit: copyOf('balance') })
        deepEqual([(await table.get(1))?.balance, (await table.get(1))?.limit], [20, 20])
        await refused(table.update(2, { balance: 1 }), 'row_not_found')
        await refused(table.update(1, { owner: null as unknown as string }), 'not_null_violation', 'type_mismatch')
        await table.update(1, { balance: Number.MAX_SAFE_INTEGER })
        await refused(table.update(1, { balance: add(2n ** 63n - 1n) }), 'overflow')
        await refused(table.update(1, { balance: subtract(2n ** 64n) }), 'underflow', 'type_mismatch')
        equal((await table.get(1))?.balance, Number.MAX_SAFE_INTEGER)
      },
    },
    {
      name: 'keeps its key: an update cannot set it',
      async run(context) {
        const table = await accounts(context)
        await table.insert({ id: 1, owner: 'ann' })
        const set = { id: 2 } as unknown as { owner: string }
        await refused(table.update(1, set), 'invalid_argument')
        await refused(table.updateWhere(undefined, set), 'invalid_argument')
        await refused(table.update(1, { elsewhere: 1 } as unknown as { owner: string }), 'column_not_found')
        await refused(table.update(1, {}), 'invalid_argument')
        deepEqual((await table.get(1))?.owner, 'ann')
      },
    },
    {
      name: 'is deleted once',
      async run(context) {
        const table = await accounts(context)
        await table.insert({ id: 1, owner: 'ann' })
        equal(await table.delete(1), true)
        equal(await table.delete(1), false)
        equal(await table.get(1), undefined)
        await table.insert({ id: 1, owner: 'ann' })
        const entry = await table.entry(1)
        equal(entry?.seq, entry?.createdSeq)
      },
    },
    {
      name: 'is written only at the version that is expected',
      async run(context) {
        const table = await accounts(context)
        const { seq } = await table.insert({ id: 1, owner: 'ann' })
        const stale = await refused(table.update(1, { balance: 1 }, { ifSeq: seq + 1_000 }), 'assertion_failed')
        equal(stale.detail?.actualSeq, seq)
        await table.update(1, { balance: 1 }, { ifSeq: seq })
        await refused(table.delete(1, { ifSeq: seq }), 'assertion_failed')
        const current = (await table.entry(1))!.seq
        await refused(table.compareAndSet(1, seq, { id: 1, owner: 'eve' }), 'assertion_failed')
        await table.compareAndSet(1, current, { id: 1, owner: 'eve' })
        await table.compareAndSet(2, 0, { id: 2, owner: 'bob' })
        await refused(table.compareAndSet(2, 0, { id: 2, owner: 'zoe' }), 'assertion_failed')
        await refused(table.compareAndSet(3, 0, { id: 4, owner: 'zoe' }), 'invalid_argument')
        deepEqual(
          (await table.getMany([1, 2])).map(row => row?.owner),
          ['eve', 'bob'],
        )
      },
    },
    {
      name: 'that is there already meets the insert as onConflict says',
      async run(context) {
        const table = await accounts(context)
        await table.insert({ id: 1, owner: 'ann', balance: 5, limit: 1 })
        const counts = async (work: Promise<{ results: readonly unknown[] }>): Promise<unknown> =>
          (await work).results[0]
        equal(await counts(table.insert({ id: 1, owner: 'x' }, { onConflict: { action: 'nothing' } })), 0n)
        equal((await table.get(1))?.owner, 'ann')
        equal(await counts(table.insert({ id: 1, owner: 'ann', balance: 6 }, { onConflict: { action: 'merge' } })), 1n)
        deepEqual([(await table.get(1))?.balance, (await table.get(1))?.limit], [6, 1])
        const action = { update: { balance: addProposed('balance'), limit: proposed('balance') } }
        const work = table.insertMany(
          [
            { id: 1, owner: 'ann', balance: 10 },
            { id: 2, owner: 'bob', balance: 20 },
          ],
          { onConflict: { action } },
        )
        equal(await counts(work), 2n)
        deepEqual([(await table.get(1))?.balance, (await table.get(1))?.limit], [16, 10])
        deepEqual([(await table.get(2))?.balance, (await table.get(2))?.limit], [20, null])
        const byOwner = { target: { index: 'owner' }, action: { update: { balance: 99 } } }
        await table.insert({ id: 7, owner: 'bob' }, { onConflict: byOwner })
        equal((await table.get(2))?.balance, 99)
        equal(await table.get(7), undefined)
        const byColumns = { target: { columns: ['owner'] as const }, action: 'nothing' as const }
        equal(await counts(table.insert({ id: 8, owner: 'bob' }, { onConflict: byColumns })), 0n)
        await refused(
          table.insert(
            { id: 8, owner: 'zoe' },
            { onConflict: { target: { columns: ['balance'] }, action: 'nothing' } },
          ),
          'invalid_argument',
          'index_not_found',
        )
        await refused(table.insert({ id: 9, owner: 'ann' }, { onConflict: { action: 'nothing' } }), 'unique_violation')
      },
    },
    {
      name: 'may have a key of several columns, in whose order a scan goes',
      async run(context) {
        const table = await points(context)
        const cells = [
          ['b', 0, 0],
          ['a', 10, -1],
          ['a', 2, 5],
          ['a', 2, -5],
          ['a', -3, 0],
        ] as const
        await table.insertMany(cells.map(([map, x, y]) => ({ map, x, y })))
        const scanned = async (options: Parameters<typeof table.scan>[0]): Promise<string[]> =>
          (await collect(table.scan(options))).map(({ map, x, y }) => `${map} ${x} ${y}`)
        deepEqual(await scanned({}), ['a -3 0', 'a 2 -5', 'a 2 5', 'a 10 -1', 'b 0 0'])
        deepEqual(await scanned({ reverse: true, limit: 2 }), ['b 0 0', 'a 10 -1'])
        deepEqual(await scanned({ prefix: { map: 'a', x: 2 } }), ['a 2 -5', 'a 2 5'])
        deepEqual(await scanned({ prefix: { map: 'a' }, reverse: true, limit: 1 }), ['a 10 -1'])
        deepEqual(await scanned({ limit: 0 }), [])
        await refused(scanned({ prefix: { x: 2 } }), 'invalid_argument')
        equal((await table.get({ map: 'a', x: 2, y: 5 }))?.x, 2)
        await refused(table.get({ map: 'a', x: 2 } as never), 'invalid_argument')
        equal(await table.delete({ map: 'a', x: 2, y: 5 }), true)
        const named: Table<UntypedShape> = context.database.table({ project: context.project, table: 'points' })
        equal((await collect(named.scan())).length, 4)
        equal((await named.get({ map: 'b', y: 0, x: 0 }))?.['map'], 'b')
      },
    },
    {
      name: 'is one of many that a condition changes or deletes',
      async run(context) {
        const table = await accounts(context)
        await table.insertMany(Array.from({ length: 10 }, (_, i) => ({ id: i, owner: `o${i}`, balance: i })))
        equal(await table.updateWhere(c => c.balance.gte(5), { balance: add(100) }), 5)
        equal(await table.updateWhere(c => c.balance.gte(100), { limit: 1 }, { limit: 2 }), 2)
        deepEqual(
          (
            await table
              .query(q =>
                q
                  .where(c => c.limit.eq(1))
                  .orderBy('id')
                  .select('id')
                  .limit(9),
              )
              .all()
          ).map(row => row.id),
          [5, 6],
        )
        equal(await table.deleteWhere(c => c.balance.lt(5), { limit: 2 }), 2)
        equal((await table.get(2))?.balance, 2)
        equal(await table.deleteWhere(c => c.balance.lt(5)), 3)
        equal(await table.deleteWhere(c => c.balance.lt(5)), 0)
        equal(await table.updateWhere(undefined, { balance: 0 }), 5)
        equal(await table.deleteWhere(undefined), 5)
        equal(await table.count(), 0)
      },
    },
    {
      name: 'is claimed by one alone',
      async run(context) {
        const table = await accounts(context)
        await table.insertMany([1, 2, 3, 4].map(id => ({ id, owner: `o${id}` })))
        const first = await table.claimOne(c => c.balance.eq(0), { balance: 1 })
        deepEqual([first?.before.id, first?.before.balance, first?.after.balance], [1, 0, 1])
        equal((await table.entry(1))?.seq, first?.commit.seq)
        const last = await table.updateWhereReturning(
          c => c.balance.eq(0),
          { balance: 1 },
          { orderBy: [{ column: 'id', direction: 'desc' }] },
        )
        equal(last?.after.id, 4)
        const claims = await Promise.all(
          ['a', 'b', 'c'].map(() => table.claimOne(c => c.balance.eq(0), { balance: add(1) })),
        )
        deepEqual(
          claims.map(claim => claim?.before.id ?? 0).toSorted((a, b) => a - b),
          [0, 2, 3],
        )
        equal(await table.claimOne(c => c.balance.eq(0), { balance: 1 }), undefined)
        equal(await table.count(c => c.balance.eq(1)), 4)
      },
    },
    {
      name: 'ends with its lifetime',
      needs: 'advanceTimeMs',
      async run(context) {
        const table = await accounts(context)
        await table.insert({ id: 1, owner: 'ann' }, { ttlMs: 60_000 })
        await table.insert({ id: 2, owner: 'bob' })
        const entry = await table.entry(1)
        ok((entry?.expiresAtMicros ?? 0) > 0)
        await context.hooks.advanceTimeMs(61_000)
        equal(await table.get(1), undefined)
        equal(await table.count(), 1)
        // Nothing of it is left in the unique index.
        await table.insert({ id: 3, owner: 'ann' })
      },
    },
  ],
}
