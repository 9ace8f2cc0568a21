import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  add,
  blob,
  createTable,
  defineTable,
  from,
  integer,
  json,
  or,
  text,
  u256,
  u64,
} from '../../../src/model/index.ts'
import { failure, open, type Opened } from '../facade-support.ts'

const orders = defineTable('orders', {
  project: 'shop',
  columns: { id: integer().primaryKey(), size: u64().nullable(), data: json<{ a: number } | string>().nullable() },
})
const named = { project: 'shop', table: 'orders' }

async function openOrders(): Promise<Opened> {
  const opened = await open()
  await opened.database.ddl(createTable(orders))
  return opened
}

describe('cells', () => {
  it('that a number cannot hold throw, naming their column, instead of being rounded', async () => {
    const { database } = await openOrders()
    await database.table(named).insertMany([
      { id: 1, size: 2n ** 53n },
      { id: 2, size: 2n ** 53n - 1n },
    ])
    const error = await failure(database.table(orders).get(1), 'overflow')
    assert.match(error.message, /column size/)
    assert.equal((await database.table(orders).get(2))?.size, Number.MAX_SAFE_INTEGER)
    await failure(
      database
        .table(orders)
        .query(q => q.limit(9))
        .all(),
      'overflow',
    )
    const sum = await database
      .table(orders)
      .query(q => q.where(c => c.id.eq(2)).aggregate(of => ({ sum: of.sum('size') })))
      .all()
    assert.deepEqual(sum, [{ sum: Number.MAX_SAFE_INTEGER }])
  })

  it('of JSON go through JSON, and null is Null', async () => {
    const { database } = await openOrders()
    const table = database.table(orders)
    await table.insertMany([
      { id: 1, data: { a: 1 } },
      { id: 2, data: 'text' },
      { id: 3, data: null },
    ])
    assert.deepEqual(
      (await table.getMany([1, 2, 3])).map(row => row?.data),
      [{ a: 1 }, 'text', null],
    )
    assert.equal(await table.count(c => c.data.isNull()), 1)
    await database.table(named).insert({ id: 4, data: '{broken' })
    assert.match((await failure(table.get(4), 'type_mismatch')).message, /column data/)
    await failure(table.insert({ id: 5, data: (() => 1) as never }), 'type_mismatch')
    await failure(table.insert({ id: 5, data: { a: 1n } as never }), 'type_mismatch')
  })

  it('are checked before anything is sent', async () => {
    const { core, database } = await openOrders()
    const table = database.table(orders)
    const sent = core.calls.submit
    for (const row of [{ id: 1.5 }, { id: 'x' }, { id: 1, size: -1 }, { id: 1, elsewhere: 1 }, null]) {
      await failure(
        table.insert(row as never),
        row === null ? 'invalid_argument' : 'elsewhere' in row ? 'column_not_found' : 'type_mismatch',
      )
    }
    await failure(table.insertMany([]), 'invalid_argument')
    await failure(table.update(1, { size: add(0.5) }), 'type_mismatch')
    await failure(table.updateWhere(undefined, { size: 1 }, { limit: 0 }), 'invalid_argument')
    await failure(table.insert({ id: 1 }, { ttlMs: 0 }), 'invalid_argument')
    await failure(database.table(named).insert({ id: Number.NaN }), 'type_mismatch')
    await failure(database.table(named).get(5 as never), 'invalid_argument')
    assert.equal(core.calls.submit, sent)
    assert.throws(() => database.table({ project: 'shop', table: 'no spaces' }), { code: 'invalid_name' })
    assert.throws(() => database.query({ project: 'shop' } as never), { code: 'invalid_argument' })
  })

  it('of columns that the definition does not declare are left out; a declared one that is not there is an error', async () => {
    const { database } = await openOrders()
    await database.ddl({
      type: 'alterTable',
      ...named,
      alteration: { type: 'addColumn', column: { name: 'more', type: 'text', default: 'x' } },
    })
    await database.table(named).insert({ id: 1 })
    assert.deepEqual(await database.table(orders).get(1), { id: 1, size: null, data: null })
    await database.ddl({ type: 'alterTable', ...named, alteration: { type: 'dropColumn', column: 'size' } })
    await failure(database.table(orders).get(1), 'column_not_found')
  })

  it('of a key may be its only cell, also bytes, or cells by name', async () => {
    const { database } = await open()
    const blobs = defineTable('blobs', { project: 'shop', columns: { id: blob().primaryKey(), n: u256() } })
    await database.ddl(createTable(blobs))
    const table = database.table(blobs)
    const id = Uint8Array.of(1, 0, 255)
    await table.insert({ id, n: 5n })
    assert.equal((await table.get(id))?.n, 5n)
    assert.equal((await table.get({ id }))?.n, 5n)
    await failure(table.get({} as never), 'invalid_argument')
  })
})

describe('a query', () => {
  async function many(): Promise<Opened> {
    const opened = await openOrders()
    await opened.database.table(orders).insertMany(Array.from({ length: 230 }, (_, id) => ({ id, size: id })))
    return opened
  }

  it('goes on from page to page in one pinned state, and lets go of it', async () => {
    const { core, database } = await many()
    const query = database.table(orders).query(q => q.where(c => c.id.gte(0)))
    const seen: number[] = []
    for await (const { id } of query) {
      if (id === 0) await database.table(orders).deleteWhere(undefined)
      seen.push(id)
      // What was pinned once is not asked for again.
      if (id === 150) core.forget()
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 230 }, (_, id) => id),
    )
    assert.equal(core.openViews, 0)
    assert.equal(core.calls.openView, 1)
  })

  it('lets go of its state when its reader stops early', async () => {
    const { core, database } = await many()
    for await (const { id } of database.table(orders).query(q => q.where(c => c.id.gte(0)))) if (id === 120) break
    assert.equal(core.calls.openView, 1)
    assert.equal(core.openViews, 0)
  })

  it('of one page needs no view, and ends with its limit', async () => {
    const { core, database } = await many()
    assert.equal(
      (
        await database
          .table(orders)
          .query(q => q.limit(150).orderBy('id', 'desc'))
          .all()
      ).at(-1)?.id,
      80,
    )
    assert.equal(
      (
        await database
          .table(orders)
          .query(q => q.limit(3).offset(5).orderBy('id'))
          .all()
      )[0]?.id,
      5,
    )
    assert.equal(
      (
        await database
          .table(orders)
          .query(q => q.orderBy('id').limit(50))
          .first()
      )?.id,
      0,
    )
    assert.equal(core.calls.openView, 0)
  })

  it('is built without changing what it was built from', () => {
    const base = from(orders, 'o')
    const condition = base.where(c => c.id.gt(1))
    const both = condition
      .where(c => c.size.lt(5))
      .orderBy('id')
      .orderBy('size', 'desc')
    assert.deepEqual(base.data, { project: 'shop', scope: 'app', from: 'orders', as: 'o' })
    assert.deepEqual(condition.data.where, { op: 'gt', column: 'id', value: 1 })
    assert.deepEqual(both.data.where, {
      op: 'and',
      args: [
        { op: 'gt', column: 'id', value: 1 },
        { op: 'lt', column: 'size', value: 5 },
      ],
    })
    assert.deepEqual(both.data.orderBy, [{ column: 'id' }, { column: 'size', direction: 'desc' }])
    assert.deepEqual(base.innerJoin(orders, 'p', [['o.id', 'lt', 'p.id']]).data.joins, [
      { type: 'inner', table: 'orders', as: 'p', on: [{ left: 'o.id', op: 'lt', right: 'p.id' }] },
    ])
    assert.deepEqual(
      base.leftJoin(orders, 'p', c => or(c['o.id'].eq(c['p.id']), c['p.size'].gt(5))).data.joins?.[0]?.on,
      {
        op: 'or',
        args: [
          { op: 'eq', column: 'o.id', value: { column: 'p.id' } },
          { op: 'gt', column: 'p.size', value: 5 },
        ],
      },
    )
    assert.ok(!('joins' in base.data))
    assert.throws(() => base.innerJoin(orders, 'o', []), /two tables/)
    assert.throws(() => base.select('id').select('size'), /selects once/)
    assert.throws(() => base.limit(0), { code: 'invalid_argument' })
    assert.throws(() => base.innerJoin({ project: 'other', table: 't' }, 't', []), { code: 'invalid_argument' })
    assert.equal(base.innerJoin({ project: '_global', table: 't' }, 't', []).data.joins?.[0]?.table, '_global.t')
  })

  it('names columns of tables that are used by name as they come', async () => {
    const { database } = await many()
    const rows = await database
      .query(
        from(named)
          .where(c => c['size']!.lt(2))
          .select('id', 'size as amount')
          .limit(5),
      )
      .all()
    assert.deepEqual(rows, [
      { id: 0, amount: 0 },
      { id: 1, amount: 1 },
    ])
  })
})

describe('a view and a transaction', () => {
  it('read tables at their seq, and refuse when they are over', async () => {
    const { core, database } = await openOrders()
    await database.table(orders).insert({ id: 1 })
    const view = await database.view()
    await database.table(orders).delete(1)
    assert.equal((await view.table(orders).get(1))?.id, 1)
    await failure(view.table(orders).get(1, { consistency: 'local' }), 'invalid_argument')
    await view.close()
    await failure(view.table(orders).get(1), 'closed')
    await failure(view.query(from(orders).limit(1)).all(), 'closed')
    const late = await database.transaction(tx => Promise.resolve(tx.table(orders)))
    await failure(late.get(1), 'closed')
    assert.throws(() => late.delete(1), { code: 'closed' })
    assert.equal(core.openViews, 0)
  })

  it('commits what it asserts even if it writes nothing', async () => {
    const { database } = await openOrders()
    const assertion = { type: 'rowExists', ...named, key: { id: 1 }, expected: true } as const
    await failure(
      database.transaction(tx => Promise.resolve(tx.assert(assertion))),
      'assertion_failed',
    )
    await database.table(orders).insert({ id: 1 })
    await database.transaction(tx => Promise.resolve(tx.assert(assertion)))
    await failure(
      database.transaction(tx => Promise.resolve(tx.assert({ type: 'rowExist' } as never))),
      'invalid_argument',
    )
  })

  it('claims a row although others change beside it', async () => {
    const { core, database } = await openOrders()
    const table = database.table(orders)
    await table.insertMany([
      { id: 1, size: 0 },
      { id: 2, size: 0 },
    ])
    let races = 0
    core.beforeSubmit = () => {
      core.beforeSubmit = undefined
      races++
      void table.insert({ id: 0, size: 0 })
    }
    const claimed = await table.claimOne(c => c.size.eq(0), { size: 1 })
    assert.equal(races, 1)
    assert.deepEqual(
      [claimed?.before, claimed?.after],
      [
        { id: 1, size: 0, data: null },
        { id: 1, size: 1, data: null },
      ],
    )
  })
})

it('names of columns are those that are declared', () => {
  const columns = { id: text().primaryKey(), constructor: text(), toString: text().nullable() }
  const odd = defineTable('odd', { project: 'shop', columns })
  assert.deepEqual(
    odd.data.columns.map(({ name }) => name),
    ['id', 'constructor', 'toString'],
  )
  const queried = from(odd).where(c => c.constructor.eq('x'))
  assert.deepEqual(queried.data.where, { op: 'eq', column: 'constructor', value: 'x' })
})
