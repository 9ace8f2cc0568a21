import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Expr } from '../../../src/encoding/index.ts'
import { chosenPath, describePlan, planQuery } from '../../../src/engine/query/index.ts'
import type { QueryData } from '../../../src/model/index.ts'
import { judge } from '../conditions/condition-oracle.ts'
import { Dice, SEED } from '../keyspace/support.ts'
import { allPages, contextFor, makeTable, memoryOf, recordsOf, runQuery } from './fixture.ts'
import type { Cells } from './fixture.ts'

const orders = makeTable(1, {
  name: 'orders',
  columns: { shop: 'text', id: 'integer', status: 'text', total: 'u64?', customer: 'integer', note: 'text?' },
  primaryKey: ['shop', 'id'],
  indexes: [
    { name: 'by_status', columns: ['status'] },
    { name: 'by_customer', columns: ['customer'] },
    { name: 'by_status_total', columns: ['status', 'total'] },
    { name: 'open_by_total', columns: ['total'], where: { op: 'eq', column: 'status', value: 'open' } },
    { name: 'by_note', columns: ['note'], kind: 'hash' },
    { name: 'building', columns: ['note', 'total'], isReady: false },
  ],
})
const customers = makeTable(2, {
  name: 'customers',
  columns: { id: 'integer', name: 'text' },
  primaryKey: ['id'],
  indexes: [{ name: 'by_name', columns: ['name'] }],
})
const context = contextFor([orders, customers], memoryOf([]))
const STATUS: Expr = { op: 'eq', column: 'status', value: 'open' }

function and(...args: Expr[]): Expr {
  return { op: 'and', args }
}

function planOf(query: Partial<QueryData>): ReturnType<typeof describePlan> {
  return describePlan(planQuery({ project: 'p', from: 'orders', limit: 20, ...query }, context), context)
}

function scanOf(query: Partial<QueryData>): string {
  return planOf(query).stages[0]!.text
}

describe('the way to the rows', () => {
  it('is a point where the whole primary key is given, in any kind of number', () => {
    const key = and({ op: 'eq', column: 'shop', value: 's' }, { op: 'eq', column: 'id', value: 7n })
    assert.deepEqual(planOf({ where: key }).path, 'primaryKeyPoint')
    assert.equal(planOf({ where: and(key, STATUS) }).path, 'primaryKeyPoint')
  })

  it('is a range of the primary key by its first columns, in either direction', () => {
    const shop: Expr = { op: 'eq', column: 'shop', value: 's' }
    const range = and(shop, { op: 'gte', column: 'id', value: 3 }, { op: 'lt', column: 'id', value: 9 })
    assert.equal(scanOf({ where: range }), 'scan orders primary key by shop, id')
    const reverse = planOf({ where: shop, orderBy: [{ column: 'id', direction: 'desc' }] })
    assert.equal(reverse.stages[0]!.text, 'scan orders primary key by shop, reverse')
    assert.equal(reverse.isOrderedByScan, true)
  })

  it('is an index by equality, list, range and beginning of a text', () => {
    const all: QueryData['select'] = ['note']
    assert.equal(scanOf({ where: STATUS }), 'scan orders index by_status by status')
    assert.equal(
      scanOf({ where: { op: 'in', column: 'customer', values: [1, 2] } }),
      'scan orders index by_customer by customer',
    )
    assert.equal(
      scanOf({
        where: {
          op: 'or',
          args: [
            { op: 'eq', column: 'customer', value: 1 },
            { op: 'eq', column: 'customer', value: 2 },
          ],
        },
      }),
      'scan orders index by_customer by customer',
    )
    assert.equal(
      scanOf({ where: { op: 'between', column: 'customer', low: 1, high: 2 }, select: all }),
      'scan orders index by_customer by customer',
    )
    assert.equal(
      scanOf({ where: { op: 'like', column: 'status', pattern: 'op%' } }),
      'scan orders index by_status by status',
    )
    assert.equal(
      scanOf({ where: { op: 'like', column: 'status', pattern: 'o_e%' } }),
      'scan orders index by_status by status, filtered',
    )
    assert.match(scanOf({ where: { op: 'like', column: 'status', pattern: '%n' } }), /primary key, filtered/)
  })

  it('takes a composite index by its leading equalities and the range behind them', () => {
    const where = and(STATUS, { op: 'gt', column: 'total', value: 5.5 })
    const plan = planOf({ where, orderBy: [{ column: 'total' }] })
    assert.match(plan.stages[0]!.text, /index (by_status_total by status, total|open_by_total by total)/)
    assert.equal(plan.isOrderedByScan, true)
  })

  it('takes an index for its order, through equalities and the primary key, or sorts', () => {
    const ordered = (
      orderBy: QueryData['orderBy'],
      where: Expr = { op: 'eq', column: 'status', value: 'paid' },
    ): boolean => planOf({ where, ...(orderBy !== undefined && { orderBy }) }).isOrderedByScan
    assert.equal(ordered([{ column: 'total', direction: 'desc' }]), true)
    assert.equal(ordered([{ column: 'status' }, { column: 'total' }]), true)
    assert.equal(ordered([{ column: 'total' }, { column: 'shop' }, { column: 'id' }]), true)
    assert.equal(ordered([{ column: 'total' }, { column: 'shop', direction: 'desc' }]), false)
    assert.equal(ordered([{ column: 'note' }]), false)
  })

  it('takes a partial index only if the query implies its condition', () => {
    const total: Expr = { op: 'gt', column: 'total', value: 5 }
    const uses = (where: Expr): boolean =>
      planOf({ where, useIndex: undefined as never }).indexes.includes('open_by_total')
    const forced = (where: Expr): boolean => {
      try {
        return planOf({ where, useIndex: 'open_by_total' }).indexes.includes('open_by_total')
      } catch {
        return false
      }
    }
    assert.equal(forced(and(total, STATUS)), true)
    assert.equal(forced(and(total, { op: 'in', column: 'status', values: ['open'] })), true)
    assert.equal(forced(total), false)
    assert.equal(forced(and(total, { op: 'eq', column: 'status', value: 'paid' })), false)
    assert.equal(forced(and(total, { op: 'in', column: 'status', values: ['open', 'paid'] })), false)
    assert.equal(uses(total), false)
  })

  it('proves a bound by a tighter one, and by nothing else', () => {
    const bounded = makeTable(6, {
      name: 'orders',
      columns: { id: 'integer', total: 'integer?', note: 'text' },
      primaryKey: ['id'],
      indexes: [
        { name: 'above', columns: ['id'], where: { op: 'gt', column: 'total', value: 100 } },
        { name: 'within', columns: ['id'], where: { op: 'between', column: 'total', low: 10, high: 20 } },
        { name: 'known', columns: ['id'], where: { op: 'isNotNull', column: 'total' } },
        { name: 'begins', columns: ['id'], where: { op: 'like', column: 'note', pattern: 'ab%' } },
        {
          name: 'any',
          columns: ['id'],
          where: {
            op: 'or',
            args: [
              { op: 'eq', column: 'total', value: 1 },
              { op: 'isNull', column: 'total' },
            ],
          },
        },
      ],
    })
    const serves = (useIndex: string, where: Expr): boolean => {
      const query: QueryData = { project: 'p', from: 'orders', limit: 1, useIndex, where }
      try {
        planQuery(query, contextFor([bounded], memoryOf([])))
        return true
      } catch {
        return false
      }
    }
    const total = (op: 'eq' | 'gt' | 'gte' | 'lt' | 'lte', value: number): Expr => ({ op, column: 'total', value })
    const like = (pattern: string): Expr => ({ op: 'like', column: 'note', pattern })
    const proofs: [string, Expr, boolean][] = [
      ['above', total('gt', 100), true],
      ['above', total('gte', 100), false],
      ['above', total('gt', 100.5), true],
      ['above', total('gt', 99.5), false],
      ['above', total('eq', 101), true],
      ['above', total('lt', 200), false],
      ['within', { op: 'between', column: 'total', low: 10, high: 20 }, true],
      ['within', { op: 'between', column: 'total', low: 9, high: 20 }, false],
      ['within', { op: 'in', column: 'total', values: [10, 20] }, true],
      ['within', { op: 'in', column: 'total', values: [10, 21] }, false],
      ['known', total('lte', 3), true],
      ['known', { op: 'isNull', column: 'total' }, false],
      ['known', { op: 'ne', column: 'total', value: 3 }, false],
      ['begins', like('abc%'), true],
      ['begins', like('ab%'), true],
      ['begins', like('a%'), false],
      ['begins', { op: 'eq', column: 'note', value: 'abx' }, true],
      ['any', total('eq', 1), true],
      ['any', { op: 'isNull', column: 'total' }, true],
      ['any', total('eq', 2), false],
    ]
    for (const [index, where, expected] of proofs)
      assert.equal(serves(index, where), expected, `${index}: ${JSON.stringify(where)}`)
  })

  it('merges two indexes that equalities bound, and unites those of an or', () => {
    const both = planOf({
      where: and({ op: 'eq', column: 'status', value: 'paid' }, { op: 'eq', column: 'customer', value: 3 }),
    })
    assert.equal(both.path, 'indexIntersection')
    assert.deepEqual(both.indexes, ['by_status', 'by_customer'])
    const either = planOf({ where: { op: 'or', args: [STATUS, { op: 'eq', column: 'customer', value: 3 }] } })
    assert.equal(either.path, 'indexUnion')
    const notAll = planOf({ where: { op: 'or', args: [STATUS, { op: 'ne', column: 'customer', value: 3 }] } })
    assert.equal(notAll.path, 'fullScan')
  })

  it('uses a hash index for equality only, and none that is not ready', () => {
    assert.equal(scanOf({ where: { op: 'eq', column: 'note', value: 'x' } }), 'scan orders index by_note by note')
    assert.match(scanOf({ where: { op: 'gt', column: 'note', value: 'x' } }), /primary key, filtered/)
    assert.match(scanOf({ orderBy: [{ column: 'note' }] }), /primary key$/)
    assert.throws(() => planOf({ useIndex: 'building' }), { code: 'index_not_found' })
    assert.throws(() => planOf({ useIndex: 'none' }), { code: 'index_not_found' })
    assert.throws(() => planOf({ useIndex: 'by_note' }), { code: 'invalid_query' })
  })

  it('answers from the entries alone if they have all that is read', () => {
    assert.match(scanOf({ where: STATUS, select: ['status', 'id', 'shop'] }), /covering/)
    assert.doesNotMatch(scanOf({ where: STATUS, select: ['status', 'note'] }), /covering/)
    assert.match(planOf({ where: STATUS, aggregates: [{ function: 'count' }] }).stages[0]!.text, /covering/)
  })

  it('looks joined rows up by an index, or holds them by their keys', () => {
    const join = (type: 'inner' | 'left' | 'right' | 'full', right: string): string =>
      planOf({ joins: [{ type, table: 'customers', on: [{ left: 'orders.customer', right }] }] }).stages[1]!.text
    assert.equal(join('inner', 'customers.id'), 'inner join customers (lookUp): customers primary key by id')
    assert.equal(join('left', 'customers.id'), 'left join customers (lookUp): customers primary key by id')
    assert.equal(join('full', 'customers.id'), 'full join customers (hash): customers primary key')
    const names = planOf({
      joins: [{ type: 'inner', table: 'customers', on: [{ left: 'customers.name', right: 'orders.note' }] }],
    })
    assert.deepEqual(names.indexes, ['by_name'])
    const unequal = planOf({
      joins: [{ type: 'inner', table: 'customers', on: [{ left: 'orders.id', op: 'lt', right: 'customers.id' }] }],
    })
    assert.match(unequal.stages[1]!.text, /nested/)
  })

  it('keeps the order of the first table through inner and left joins', () => {
    const joins = (type: 'left' | 'right'): QueryData['joins'] => [
      { type, table: 'customers', on: [{ left: 'orders.customer', right: 'customers.id' }] },
    ]
    const orderBy = [{ column: 'orders.shop' }, { column: 'orders.id' }]
    assert.equal(planOf({ joins: joins('left')!, orderBy }).isOrderedByScan, true)
    assert.equal(planOf({ joins: joins('right')!, orderBy }).isOrderedByScan, false)
  })
})

describe('literals of other kinds', () => {
  const table = makeTable(3, {
    name: 'n',
    columns: { id: 'u8', small: 'u8?', int: 'integer', float: 'float', big: 'u256' },
    primaryKey: ['id'],
    indexes: ['small', 'int', 'float', 'big'].map(column => ({ name: column, columns: [column] })),
  })
  const rows: Cells[] = [
    { id: 0, small: 0, int: -(2n ** 63n), float: -1.5, big: 0n },
    { id: 1, small: 2, int: 2, float: 2, big: 2n },
    { id: 2, small: 3, int: 3, float: 2.5, big: 2n ** 255n },
    { id: 3, small: 255, int: 2n ** 63n - 1n, float: 2 ** 60, big: 2n ** 60n },
    { id: 4, small: null, int: 2 ** 53 - 1, float: 1e300, big: 2n ** 60n + 1n },
  ]
  const reader = memoryOf(rows.flatMap(row => recordsOf(table, row)))
  const literals = [
    2.5,
    2,
    2n,
    2 ** 60,
    2n ** 60n,
    2n ** 60n + 1n,
    2n ** 63n,
    -(2n ** 63n) - 1n,
    256,
    -1,
    1e300,
    2n ** 300n,
    '2',
    null,
  ]

  it('find by an index what a scan finds', async () => {
    const indexed = contextFor([table], reader)
    for (const column of ['small', 'int', 'float', 'big', 'id']) {
      for (const value of literals) {
        for (const op of ['eq', 'lt', 'lte', 'gt', 'gte'] as const) {
          const where: Expr = { op, column, value }
          const useIndex = column === 'id' ? undefined : column
          const query: QueryData = {
            project: 'p',
            from: 'n',
            select: ['id'],
            where,
            ...(useIndex !== undefined && { useIndex }),
          }
          const found = (await runQuery(indexed, query)).result.rows.map(([id]) => id as number).sort((a, b) => a - b)
          const expected = rows.filter(row => judge(where, row, '') === true).map(({ id }) => id)
          assert.deepEqual(found, expected, `${column} ${op} ${value}`)
        }
      }
    }
  })
})

describe(`indexes taken together (seed ${SEED})`, () => {
  const table = makeTable(4, {
    name: 't',
    columns: { id: 'integer', a: 'u8?', b: 'u8?', c: 'u8?', text: 'text' },
    primaryKey: ['id'],
    indexes: ['a', 'b', 'c'].map(column => ({ name: column, columns: [column] })),
  })

  it('give what a scan gives', async () => {
    const dice = new Dice(SEED)
    const rows = Array.from({ length: 400 }, (_, id): Cells => {
      // Long runs of one value: the sides of an intersection have much to pass over.
      const cell = (): number | null => (dice.chance(9) ? null : dice.below(1 + (id % 200 < 150 ? 1 : 4)))
      return { id, a: cell(), b: cell(), c: cell(), text: 'x' }
    })
    const context = contextFor([table], memoryOf(rows.flatMap(row => recordsOf(table, row))))
    const paths = new Set<string>()
    for (let i = 0; i < 40; i++) {
      const equal = (column: string): Expr =>
        dice.chance(20) ? { op: 'isNull', column } : { op: 'eq', column, value: dice.below(4) }
      const args = [equal('a'), equal('b'), ...(dice.chance(3) ? [equal('c')] : [])]
      const where: Expr = { op: dice.chance(3) ? 'or' : 'and', args: [{ op: dice.chance(2) ? 'and' : 'or', args }] }
      const query: QueryData = { project: 'p', from: 't', where, limit: 8 + dice.below(60) }
      paths.add(chosenPath(planQuery(query, context)).path)
      const found = (await allPages(context, query)).map(([id]) => id)
      assert.deepEqual(
        found,
        rows.filter(row => judge(where, row, '') === true).map(({ id }) => id),
      )
    }
    assert.deepEqual([...paths].sort(), ['indexIntersection', 'indexUnion'])
  })
})

describe(`shapes that are remembered (seed ${SEED})`, () => {
  const table = makeTable(5, {
    name: 't',
    columns: { id: 'integer', status: 'text', total: 'integer?', name: 'text' },
    primaryKey: ['id'],
    indexes: [
      { name: 'open_by_total', columns: ['total'], where: { op: 'eq', column: 'status', value: 'open' } },
      { name: 'by_total', columns: ['total', 'status'] },
      { name: 'by_name', columns: ['name'] },
    ],
  })
  const names = ['a', 'ab', 'abc', 'b_', '%', 'ba']
  const rows = Array.from({ length: 60 }, (_, id): Cells => {
    const status = ['open', 'paid', 'gone'][id % 3]!
    return { id, status, total: id % 7 === 0 ? null : id % 11, name: names[id % names.length]! }
  })
  const remembered = contextFor([table], memoryOf(rows.flatMap(row => recordsOf(table, row))))

  it('are right for all other literals', async () => {
    const dice = new Dice(SEED)
    const value = <T>(...values: T[]): T => values[dice.below(values.length)]!
    const status = (): Expr => ({ op: 'eq', column: 'status', value: value('open', 'paid', 'none', null) })
    const total = (): Expr => ({
      op: 'eq',
      column: 'total',
      value: value<number | bigint | string | null>(3, 5n, '4', 2.5, null, 99),
    })
    const list = (): Expr => ({
      op: 'in',
      column: 'total',
      values: Array.from({ length: dice.below(4) }, () => value(1, 2, 2, null, 8.5)),
    })
    const like = (): Expr => ({
      op: 'like',
      column: 'name',
      pattern: value('a%', 'ab', 'a_%', '%b', '\\%', 'b\\_%', ''),
    })
    const either = (): Expr => ({ op: 'or', args: [total(), like()] })
    const templates: (() => Expr[])[] = [
      () => [status(), total()],
      () => [status(), list()],
      () => [status(), { op: 'gt', column: 'total', value: value(1, 2.5, 9, null) }],
      () => [like()],
      () => [like(), status()],
      () => [either()],
      () => [{ op: 'not', arg: like() }, total()],
      () => [{ op: 'eq', column: 'id', value: value<number | string>(3, 4, '5', 2.5, 400) }],
    ]
    for (let i = 0; i < 600; i++) {
      const where: Expr = { op: 'and', args: value(...templates)() }
      const query: QueryData = {
        project: 'p',
        from: 't',
        where,
        select: ['id'],
        limit: 100,
        ...(dice.chance(2) && { orderBy: [{ column: 'total' }] }),
      }
      const found = (await runQuery(remembered, query)).result.rows.map(([id]) => id as number).sort((a, b) => a - b)
      const numbers = JSON.stringify(where, (_, each: unknown) => (typeof each === 'bigint' ? Number(each) : each))
      assert.deepEqual(
        found,
        rows.filter(row => judge(plain(where), row, '') === true).map(({ id }) => id),
        numbers,
      )
    }
  })

  it('refuse what does not compare, as at the first time', async () => {
    const query = (literal: number | string): QueryData => ({
      project: 'p',
      from: 't',
      where: { op: 'eq', column: 'id', value: literal },
      limit: 1,
    })
    await runQuery(remembered, query('1'))
    await assert.rejects(runQuery(remembered, query('x')), { code: 'type_mismatch' })
    await assert.rejects(runQuery(remembered, query(Number.NaN)), { code: 'type_mismatch' })
    await assert.rejects(runQuery(remembered, { ...query('1'), limit: 0 }), { code: 'invalid_query' })
  })

  it('are told apart whatever the names in them are', async () => {
    const governed = makeTable(6, {
      name: 't',
      columns: { id: 'integer', status: 'text', owner: 'text' },
      primaryKey: ['id'],
      indexes: [{ name: 'by_status', columns: ['status'] }],
      readPolicy: { op: 'eq', column: 'owner', value: { caller: true } },
    })
    const row = { id: 1, status: 'anna', owner: 'bert' }
    const own = contextFor([governed], memoryOf(recordsOf(governed, row)))
    const first: QueryData = { project: 'p', from: 't', limit: 1, useIndex: 'by_status' }
    await runQuery(own, { ...first, where: { op: 'eq', column: 'status', value: 'x' } })
    await assert.rejects(runQuery(own, { ...first, useIndex: 'by_status|=1' }), { code: 'index_not_found' })
  })

  it('do not outlive the indexes of their table', async () => {
    const query: QueryData = { project: 'p', from: 't', where: { op: 'eq', column: 'name', value: 'ab' }, limit: 5 }
    assert.equal(chosenPath(planQuery(query, remembered)).path, 'index')
    const without = makeTable(5, {
      name: 't',
      columns: { id: 'integer', status: 'text', total: 'integer?', name: 'text' },
      primaryKey: ['id'],
    })
    assert.equal(chosenPath(planQuery(query, contextFor([without], remembered.reader))).path, 'fullScan')
  })
})

/** Digits as the numbers that they stand for: the oracle knows no JSON. */
function plain(expr: Expr): Expr {
  if (expr.op === 'and' || expr.op === 'or') return { op: expr.op, args: expr.args.map(plain) }
  if (expr.op === 'not') return { op: 'not', arg: plain(expr.arg) }
  const isNumeric = 'column' in expr && (expr.column === 'total' || expr.column === 'id')
  if (expr.op !== 'eq' || !isNumeric || typeof expr.value !== 'string') return expr
  return { ...expr, value: Number(expr.value) }
}
