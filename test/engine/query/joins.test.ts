import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Expr, Value } from '../../../src/encoding/index.ts'
import { describePlan, planQuery } from '../../../src/engine/query/index.ts'
import type { JoinData, QueryData } from '../../../src/model/index.ts'
import { allPages, contextFor, makeTable, memoryOf, recordsOf, runQuery } from './fixture.ts'
import type { Cells } from './fixture.ts'

const customers = makeTable(1, {
  name: 'c',
  columns: { id: 'integer', name: 'text', city: 'text?' },
  primaryKey: ['id'],
})
const orders = makeTable(2, {
  name: 'o',
  columns: { id: 'integer', customer: 'integer?', cents: 'integer', city: 'text?' },
  primaryKey: ['id'],
  indexes: [{ name: 'by_customer', columns: ['customer'] }],
})
const lines = makeTable(3, {
  name: 'l',
  columns: { id: 'integer', order: 'integer', item: 'text' },
  primaryKey: ['id'],
  indexes: [{ name: 'by_order', columns: ['order'] }],
})
const ROWS: { readonly [name: string]: readonly Cells[] } = {
  c: [
    { id: 1, name: 'ann', city: 'x' },
    { id: 2, name: 'bob', city: null },
    { id: 3, name: 'cid', city: 'y' },
  ],
  o: [
    { id: 10, customer: 1, cents: 5, city: 'x' },
    { id: 11, customer: 1, cents: 50, city: null },
    { id: 12, customer: 3, cents: 7, city: 'x' },
    { id: 13, customer: null, cents: 9, city: 'y' },
  ],
  l: [
    { id: 100, order: 10, item: 'pen' },
    { id: 101, order: 12, item: 'ink' },
    { id: 102, order: 99, item: 'cup' },
  ],
}
const TABLES = [customers, orders, lines]
const context = contextFor(
  TABLES,
  memoryOf(TABLES.flatMap(table => ROWS[table.name]!.flatMap(row => recordsOf(table, row)))),
)

function compare(left: string, op: 'eq' | 'gt' | 'lt', right: string): Expr {
  return { op, column: left, value: { column: right } }
}
function eq(column: string, value: Value): Expr {
  return { op: 'eq', column, value }
}
function and(...args: Expr[]): Expr {
  return { op: 'and', args }
}
function or(...args: Expr[]): Expr {
  return { op: 'or', args }
}

const OF_CUSTOMER = compare('o.customer', 'eq', 'c.id')

function joined(type: JoinData['type'], on: Expr | undefined, more: Partial<QueryData> = {}): QueryData {
  const join: JoinData = { type, table: 'o', ...(on !== undefined && { on }) }
  return { project: 'p', from: 'c', joins: [join], select: ['c.id', 'o.id'], allowFullScan: true, ...more }
}

async function pairs(query: QueryData): Promise<string[]> {
  return (await allPages(context, query)).map(row => row.map(cell => cell ?? '-').join(' ')).sort()
}

function stagesOf(query: QueryData): readonly string[] {
  return describePlan(planQuery(query, context), context).stages.map(({ text }) => text)
}

describe('conditions of joins', () => {
  it('may be any condition on columns of both sides', async () => {
    const either = or(OF_CUSTOMER, compare('o.city', 'eq', 'c.city'))
    assert.deepEqual(await pairs(joined('inner', either)), ['1 10', '1 11', '1 12', '3 12', '3 13'])
    assert.deepEqual(await pairs(joined('left', either)), ['1 10', '1 11', '1 12', '2 -', '3 12', '3 13'])
    const apart: Expr = { op: 'not', arg: compare('o.city', 'eq', 'c.city') }
    assert.deepEqual(await pairs(joined('right', apart)), ['- 11', '1 13', '3 10', '3 12'], 'unknown joins nothing')
    assert.deepEqual(await pairs(joined('full', and(OF_CUSTOMER, apart))), [
      '- 10',
      '- 11',
      '- 13',
      '1 -',
      '2 -',
      '3 12',
    ])
  })

  it('of outer joins decide who is a partner, not who stays', async () => {
    const cheap: Expr = { op: 'lt', column: 'o.cents', value: 6 }
    assert.deepEqual(await pairs(joined('left', and(OF_CUSTOMER, cheap))), ['1 10', '2 -', '3 -'])
    assert.deepEqual(await pairs(joined('left', OF_CUSTOMER, { where: cheap })), ['1 10'])
    assert.deepEqual(await pairs(joined('right', and(OF_CUSTOMER, cheap))), ['- 11', '- 12', '- 13', '1 10'])
    const ann = eq('c.name', 'ann')
    assert.deepEqual(await pairs(joined('left', and(OF_CUSTOMER, ann))), ['1 10', '1 11', '2 -', '3 -'])
    assert.deepEqual(await pairs(joined('right', and(OF_CUSTOMER, ann))), ['- 12', '- 13', '1 10', '1 11'])
  })

  it('look up or hash by what is equal, and judge the rest', () => {
    const dear: Expr = compare('o.cents', 'gt', 'c.id')
    const found = stagesOf(joined('left', and(OF_CUSTOMER, dear)))[1]
    assert.equal(found, 'left join o (lookUp, more conditions): o index by_customer by customer')
    const held = stagesOf(joined('full', and(OF_CUSTOMER, dear)))[1]
    assert.equal(held, 'full join o (hash, more conditions): o primary key')
    assert.equal(
      stagesOf(joined('left', or(OF_CUSTOMER, dear)))[1],
      'left join o (nested, more conditions): o primary key',
    )
    const own = stagesOf(joined('right', and(OF_CUSTOMER, eq('c.id', 1))))
    assert.equal(own[0], 'scan c primary key by id', 'rows before a right join need a partner to stay')
  })

  it('may stand in where, between tables that are joined without outer joins behind them', async () => {
    const query = joined('cross', undefined, { where: OF_CUSTOMER })
    assert.equal(stagesOf(query)[1], 'cross join o (lookUp): o index by_customer by customer, covering')
    assert.deepEqual(await pairs(query), ['1 10', '1 11', '3 12'])
    const later: QueryData = {
      ...query,
      joins: [...query.joins!, { type: 'right', table: 'l', on: compare('l.order', 'eq', 'o.id') }],
      select: ['c.id', 'o.id', 'l.id'],
    }
    assert.ok(stagesOf(later).includes('filter joined rows'))
    assert.deepEqual(await pairs(later), ['1 10 100', '3 12 101'])
  })

  it('on a table that may be missing are judged where it may be missing', async () => {
    const missing: QueryData = {
      ...joined('left', OF_CUSTOMER),
      joins: [
        { type: 'left', table: 'o', on: OF_CUSTOMER },
        {
          type: 'inner',
          table: 'l',
          on: and({ op: 'isNull', column: 'o.cents' }, { op: 'gt', column: 'l.id', value: 101 }),
        },
      ],
      select: ['c.id', 'o.id', 'l.id'],
    }
    assert.deepEqual(await pairs(missing), ['2 - 102'])
  })

  it('are refused where they name what is not there, not yet there, or does not compare', async () => {
    const codeOf = async (on: Expr): Promise<unknown> =>
      runQuery(context, {
        ...joined('inner', on),
        joins: [
          { type: 'inner', table: 'o', on },
          { type: 'left', table: 'l', on: compare('l.order', 'eq', 'o.id') },
        ],
      }).then(
        () => undefined,
        (error: unknown) => (error as { code?: unknown }).code,
      )
    assert.equal(await codeOf(or(OF_CUSTOMER, eq('o.nothing', 1))), 'column_not_found')
    assert.equal(await codeOf(or(OF_CUSTOMER, compare('l.order', 'eq', 'o.id'))), 'invalid_query')
    assert.equal(await codeOf(or(OF_CUSTOMER, compare('o.city', 'eq', 'c.id'))), 'type_mismatch')
    let deep: Expr = OF_CUSTOMER
    for (let i = 0; i < 31; i++) deep = { op: 'not', arg: deep }
    assert.equal(await codeOf(deep), undefined)
    assert.equal(await codeOf({ op: 'not', arg: deep }), 'invalid_query')
  })
})

describe('constants that columns must equal', () => {
  const ids = (...values: number[]): Expr => ({ op: 'in', column: 'o.customer', values })

  it('bound the tables that are joined by them, in both directions and through several joins', async () => {
    const query = joined('inner', OF_CUSTOMER, { where: eq('o.customer', 1) })
    assert.equal(stagesOf(query)[0], 'scan c primary key by id')
    assert.deepEqual(await pairs(query), ['1 10', '1 11'])
    assert.equal(stagesOf(joined('inner', OF_CUSTOMER, { where: ids(1, 3) }))[0], 'scan c primary key by id')
    const chain: QueryData = {
      ...query,
      joins: [...query.joins!, { type: 'inner', table: 'l', on: compare('l.id', 'eq', 'o.customer') }],
      where: eq('l.id', 100),
    }
    assert.equal(stagesOf(chain)[0], 'scan c primary key by id', 'l.id = o.customer = c.id')
    assert.equal(stagesOf(joined('right', and(OF_CUSTOMER, eq('c.id', 1))))[1]?.includes('o primary key'), true)
  })

  it('bound the side of a left join that may be missing, by what is said of the other one', () => {
    const query: QueryData = {
      ...joined('left', undefined),
      joins: [{ type: 'left', table: 'l', on: compare('c.id', 'eq', 'l.id') }],
      select: ['c.id', 'l.id'],
      where: eq('c.id', 1),
    }
    assert.match(stagesOf(query)[1]!, /l primary key by id/)
  })

  it('say nothing of rows that stay without a partner', async () => {
    const right = joined('right', OF_CUSTOMER, { where: eq('c.id', 1) })
    assert.deepEqual(await pairs(right), ['1 10', '1 11'])
    const full = joined('full', and(OF_CUSTOMER, eq('o.customer', 1)))
    assert.deepEqual(await pairs(full), ['- 12', '- 13', '1 10', '1 11', '2 -', '3 -'])
    const left = joined('left', and(OF_CUSTOMER, eq('o.customer', 1)))
    assert.deepEqual(await pairs(left), ['1 10', '1 11', '2 -', '3 -'])
    assert.equal(stagesOf(left)[0], 'scan c primary key')
  })

  it('are not taken from comparisons with Null or other columns', async () => {
    const query = joined('inner', OF_CUSTOMER, { where: { op: 'isNull', column: 'o.customer' } })
    assert.equal(stagesOf(query)[0], 'scan c primary key')
    assert.deepEqual(await pairs(query), [])
  })
})
