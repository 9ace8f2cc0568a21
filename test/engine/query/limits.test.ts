import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Expr, Value } from '../../../src/encoding/index.ts'
import { hmacSha256By } from '../../../src/encoding/index.ts'
import { planQuery, QueryRun } from '../../../src/engine/query/index.ts'
import { QUERY_LIMITS, seqOfCursor } from '../../../src/model/index.ts'
import type { QueryData, QueryResult } from '../../../src/model/index.ts'
import { allPages, contextFor, makeTable, memoryOf, recordsOf, runQuery } from './fixture.ts'
import type { Cells } from './fixture.ts'

const ROWS = 9_000
const table = makeTable(1, {
  name: 't',
  columns: { id: 'integer', group: 'u8', big: 'u64', wide: 'i256?', float: 'float', text: 'text' },
  primaryKey: ['id'],
  indexes: [{ name: 'by_group', columns: ['group'] }],
})
const rows = Array.from({ length: ROWS }, (_, id): Cells => ({
  id,
  group: id % 3,
  big: 2n ** 64n - 1n - BigInt(id % 2),
  wide: id === 5 ? null : 2n ** 240n,
  float: id % 2 === 0 ? 1e16 : 1,
  text: `text ${id % 100}`,
}))
const reader = memoryOf(rows.flatMap(row => recordsOf(table, row)))
const Q: QueryData = { project: 'p', from: 't' }
const FIRST: Expr = { op: 'lt', column: 'id', value: 10 }

async function run(
  query: Partial<QueryData>,
  limits = { scanRowsMax: 100_000, bytesMax: 1 << 26 },
): Promise<QueryResult> {
  return (await runQuery(contextFor([table], reader, { limits }), { ...Q, ...query })).result
}

function refused(query: Partial<QueryData>, code: string, limits?: Parameters<typeof run>[1]): Promise<void> {
  return assert.rejects(run(query, limits), { code }, JSON.stringify(query))
}

function many<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i))
}

describe('queries that say too much', () => {
  it('are refused beyond each limit, and taken at it', async () => {
    const { orderColumns, groupColumns, aggregates, joins, joinConditions, selectItems } = QUERY_LIMITS
    const order = (n: number): Partial<QueryData> => ({ where: FIRST, orderBy: many(n, () => ({ column: 'id' })) })
    const group = (n: number): Partial<QueryData> => ({
      where: FIRST,
      groupBy: many(n, () => 'id'),
      aggregates: [{ function: 'count' }],
    })
    const count = (n: number): Partial<QueryData> => ({
      where: FIRST,
      aggregates: many(n, i => ({ function: 'count', as: `c${i}` })),
    })
    const join = (n: number): Partial<QueryData> => ({
      where: { op: 'eq', column: 't.id', value: 1 },
      joins: many(n, i => ({ type: 'inner', table: 't', as: `t${i}`, on: [{ left: 't.id', right: `t${i}.id` }] })),
    })
    const on = (n: number): Partial<QueryData> => ({
      where: { op: 'eq', column: 't.id', value: 1 },
      joins: [{ type: 'inner', table: 't', as: 'u', on: many(n, () => ({ left: 't.id', right: 'u.id' })) }],
    })
    const select = (n: number): Partial<QueryData> => ({
      where: FIRST,
      select: many(n, i => ({ column: 'id', as: `c${i}` })),
    })
    await run(on(joinConditions))
    await refused(on(joinConditions + 1), 'invalid_query')
    await run(select(selectItems))
    await refused(select(selectItems + 1), 'invalid_query')
    await run(order(orderColumns))
    await refused(order(orderColumns + 1), 'invalid_query')
    await refused(group(groupColumns + 1), 'invalid_query')
    await run(count(aggregates))
    await refused(count(aggregates + 1), 'invalid_query')
    await run(join(joins))
    await refused(join(joins + 1), 'invalid_query')
  })

  it('are refused where they contradict themselves', async () => {
    await refused({ limit: 0 }, 'invalid_query')
    await refused({ limit: 1.5 }, 'invalid_query')
    await refused({ where: FIRST, offset: 1 }, 'invalid_query')
    await refused({ limit: 1, offset: -1 }, 'invalid_query')
    await refused({ limit: 1, select: ['id', 'id'] }, 'invalid_query')
    await refused({ limit: 1, select: [] }, 'invalid_query')
    await refused({ limit: 1, having: FIRST }, 'invalid_query')
    await refused({ limit: 1, distinct: true, select: ['group'], orderBy: [{ column: 'id' }] }, 'invalid_query')
    await refused({ limit: 1, aggregates: [{ function: 'sum' }] }, 'invalid_query')
    await refused({ limit: 1, joins: [{ type: 'inner', table: 't', as: 'u' }] }, 'invalid_query')
    await refused({ limit: 1, joins: [{ type: 'cross', table: 't' }] }, 'invalid_query')
    await refused(
      { limit: 1, joins: [{ type: 'cross', table: 't', as: 'u', on: [{ left: 't.id', right: 'u.id' }] }] },
      'invalid_query',
    )
  })

  it('are refused for what is not there or has no such type', async () => {
    await refused({ limit: 1, from: 'none' }, 'table_not_found')
    await refused({ limit: 1, select: ['none'] }, 'column_not_found')
    await refused({ limit: 1, orderBy: [{ column: 'none' }] }, 'column_not_found')
    await refused({ limit: 1, where: { op: 'eq', column: 'none', value: 1 } }, 'column_not_found')
    await refused({ where: FIRST, groupBy: ['none'] }, 'column_not_found')
    await refused({ where: FIRST, aggregates: [{ function: 'sum', column: 'text' }] }, 'type_mismatch')
    await refused(
      { limit: 1, select: [{ compute: { op: 'add', left: { column: 'text' }, right: { value: 1 } }, as: 'x' }] },
      'type_mismatch',
    )
    await refused({ limit: 1, where: { op: 'eq', column: 'id', value: 'x' } }, 'type_mismatch')
    const mixed = { left: 't.id', right: 'u.text' }
    await refused({ limit: 1, joins: [{ type: 'inner', table: 't', as: 'u', on: [mixed] }] }, 'type_mismatch')
  })

  it('need allowFullScan if no index bounds them and no limit ends them', async () => {
    await refused({}, 'invalid_query')
    await refused({ where: { op: 'eq', column: 'text', value: 'x' } }, 'invalid_query')
    await run({ allowFullScan: true })
    await run({ limit: 1 })
    await run({ where: FIRST })
    await run({ aggregates: [{ function: 'count' }] })
  })
})

describe('queries that do too much', () => {
  const FEW = { scanRowsMax: 1_000, bytesMax: 1 << 26 }

  it('end with scan_bound_exceeded, whatever they make of the rows', async () => {
    const none: Expr = { op: 'eq', column: 'text', value: 'none' }
    await refused({ limit: 10, where: none }, 'scan_bound_exceeded', FEW)
    await refused({ limit: 10, orderBy: [{ column: 'text' }] }, 'scan_bound_exceeded', FEW)
    await refused({ aggregates: [{ function: 'count' }] }, 'scan_bound_exceeded', FEW)
    await refused(
      { where: { op: 'eq', column: 'group', value: 1 }, aggregates: [{ function: 'count' }] },
      'scan_bound_exceeded',
      FEW,
    )
    await refused({ limit: 600, offset: 600 }, 'scan_bound_exceeded', FEW)
    const cross: Partial<QueryData> = {
      joins: [{ type: 'cross', table: 't', as: 'u' }],
      where: { op: 'lt', column: 'u.id', value: 40 },
    }
    await refused({ ...cross, aggregates: [{ function: 'count' }] }, 'scan_bound_exceeded', FEW)
    assert.equal((await run({ limit: 10 }, FEW)).rows.length, 10)
  })

  it('may look at more if they say so', async () => {
    const { rows: found, examined } = await run({ allowFullScan: true, aggregates: [{ function: 'count' }] }, FEW)
    assert.deepEqual([found, examined], [[[ROWS]], ROWS])
  })

  it('look at about as many rows as their limit, where no index and no order asks for more', async () => {
    for (const limit of [1, 10, 300]) {
      const ways: [Partial<QueryData>, number][] = [
        [{}, limit + 1],
        [{ orderBy: [{ column: 'id', direction: 'desc' }] }, limit + 1],
        [{ offset: 20 }, limit + 21],
        // Every other row fits.
        [{ where: { op: 'eq', column: 'float', value: 1 } }, 2 * (limit + 1)],
        [
          { select: ['id', { compute: { op: 'add', left: { column: 'id' }, right: { value: 1 } }, as: 'next' }] },
          limit + 1,
        ],
      ]
      for (const [query, examinedMax] of ways) {
        const { rows, examined } = await run({ ...query, limit })
        assert.equal(rows.length, limit)
        assert.ok(
          examined >= limit && examined <= examinedMax,
          `${examined} rows for ${limit}: ${JSON.stringify(query)}`,
        )
      }
      // An order that no index has needs all of them.
      const { examined } = await run({ limit, orderBy: [{ column: 'text' }], allowFullScan: true })
      assert.equal(examined, ROWS)
    }
  })

  it('do not tell how many rows a read policy hides', async () => {
    const governed = makeTable(7, {
      name: 'g',
      columns: { id: 'integer', owner: 'text' },
      primaryKey: ['id'],
      readPolicy: { op: 'eq', column: 'owner', value: { caller: true } },
    })
    const records = Array.from({ length: 9 }, (_, id) => recordsOf(governed, { id, owner: id < 3 ? 'anna' : 'bert' }))
    const ofAnna = contextFor([governed], memoryOf(records.flat()))
    const { result } = await runQuery(ofAnna, { project: 'p', from: 'g', limit: 10 })
    assert.deepEqual([result.rows.length, result.examined], [3, 3])
  })

  it('end with materialization_budget_exceeded for what they hold, also then', async () => {
    const little = { scanRowsMax: 100_000, bytesMax: 100_000 }
    const heavy: Partial<QueryData>[] = [
      { limit: 5_000, orderBy: [{ column: 'text' }] },
      { groupBy: ['id'], aggregates: [{ function: 'count' }] },
      { aggregates: [{ function: 'countDistinct', column: 'id' }] },
      { distinct: true, select: ['id'], limit: 5_000 },
      { joins: [{ type: 'full', table: 't', as: 'u', on: [{ left: 't.id', right: 'u.id' }] }], limit: 5 },
      {
        where: {
          op: 'or',
          args: [
            { op: 'eq', column: 'group', value: 1 },
            { op: 'eq', column: 'id', value: 2 },
          ],
        },
        limit: 5,
      },
    ]
    for (const query of heavy)
      await refused({ ...query, allowFullScan: true }, 'materialization_budget_exceeded', little)
    // The first rows of an order need no more room than they have.
    assert.equal((await run({ limit: 20, orderBy: [{ column: 'text' }] }, little)).rows.length, 20)
  })

  it('give the thread back after a bounded number of records', async () => {
    const { steps, result } = await runQuery(contextFor([table], reader), { ...Q, aggregates: [{ function: 'count' }] })
    assert.equal(steps, Math.floor(ROWS / 4_096) + 1)
    assert.equal(result.examined, ROWS)
    const nested: QueryData = {
      ...Q,
      joins: [{ type: 'inner', table: 't', as: 'u', on: [{ left: 't.id', op: 'lt', right: 'u.id' }] }],
      where: {
        op: 'and',
        args: [
          { op: 'lt', column: 't.id', value: 3 },
          { op: 'lt', column: 'u.id', value: 3_000 },
        ],
      },
      aggregates: [{ function: 'count' }],
    }
    assert.ok((await runQuery(contextFor([table], reader), nested)).steps >= 3)
  })
})

describe('aggregates', () => {
  const one = async (aggregate: NonNullable<QueryData['aggregates']>[number], where?: Expr): Promise<Value> => {
    const { rows: found } = await run({ aggregates: [aggregate], ...(where !== undefined && { where }) })
    return found[0]![0]!
  }

  it('are exact beyond 64 bits, round floats once, and refuse more than 256 bits', async () => {
    const exact = BigInt(ROWS) * (2n ** 64n - 1n) - BigInt(ROWS / 2)
    assert.equal(await one({ function: 'sum', column: 'big' }), exact)
    assert.equal(await one({ function: 'sum', column: 'float' }), Number(BigInt(ROWS / 2) * (10n ** 16n + 1n)))
    assert.equal(await one({ function: 'sum', column: 'wide' }, FIRST), 9n * 2n ** 240n)
    assert.equal(await one({ function: 'avg', column: 'big' }, FIRST), 2 ** 64)
    const full = makeTable(2, { name: 'full', columns: { id: 'integer', wide: 'u256' }, primaryKey: ['id'] })
    const huge = memoryOf([0, 1].flatMap(id => recordsOf(full, { id, wide: 2n ** 255n })))
    const sum: QueryData = { project: 'p', from: 'full', aggregates: [{ function: 'sum', column: 'wide' }] }
    await assert.rejects(runQuery(contextFor([full], huge), sum), { code: 'overflow' })
  })

  it('of no rows are one row, and of no groups none', async () => {
    const nothing: Expr = { op: 'eq', column: 'id', value: -1 }
    const all: QueryData['aggregates'] = [
      { function: 'count' },
      { function: 'sum', column: 'id' },
      { function: 'min', column: 'text' },
    ]
    const { columns, rows: found } = await run({ where: nothing, aggregates: all })
    assert.deepEqual([columns, found], [['count', 'sum_id', 'min_text'], [[0, null, null]]])
    assert.deepEqual((await run({ where: nothing, groupBy: ['group'], aggregates: all })).rows, [])
  })

  it('can be ordered by, filtered and computed with', async () => {
    const result = await run({
      groupBy: ['group'],
      aggregates: [
        { function: 'count', as: 'n' },
        { function: 'max', column: 'id', as: 'last' },
      ],
      select: ['group', { compute: { op: 'subtract', left: { column: 'last' }, right: { column: 'n' } }, as: 'gap' }],
      having: { op: 'ne', column: 'group', value: 1 },
      orderBy: [{ column: 'gap', direction: 'desc' }],
    })
    assert.deepEqual(result.columns, ['group', 'gap', 'n', 'last'])
    assert.deepEqual(result.rows, [
      [2, 5_999, 3_000, 8_999],
      [0, 5_997, 3_000, 8_997],
    ])
  })
})

describe('cursors', () => {
  it('are in the JSON of a page, though they are signed only when they are asked for', async () => {
    const whole = await run({ limit: 2, where: FIRST, select: ['id'] })
    assert.ok(whole.cursor !== undefined)
    assert.deepEqual(JSON.parse(JSON.stringify(whole)), {
      columns: ['id'],
      types: ['integer'],
      rows: [[0], [1]],
      cursor: whole.cursor,
      examined: whole.examined,
      seq: whole.seq,
    })
  })

  const context = contextFor([table], reader)
  const paged: QueryData = { ...Q, where: { op: 'eq', column: 'group', value: 1 }, limit: 7 }

  async function cursorOf(query: QueryData): Promise<string> {
    return (await runQuery(context, query)).result.cursor!
  }

  it('name the state of their pages, and look like nothing to anybody else', async () => {
    const cursor = await cursorOf(paged)
    assert.match(cursor, /^[\w-]+$/)
    assert.equal(seqOfCursor(cursor), context.seq)
    assert.equal(seqOfCursor('nonsense'), undefined)
    assert.equal(seqOfCursor('%%%%%%%%%%%%%%'), undefined)
  })

  it('go through all rows once, by scan, by sort and by counting', async () => {
    const where: Expr = {
      op: 'and',
      args: [
        { op: 'eq', column: 'group', value: 1 },
        { op: 'lt', column: 'id', value: 100 },
      ],
    }
    const expected = many(33, i => 3 * i + 1)
    const ids = (found: Value[][]): Value[] => found.map(([id]) => id!)
    const select = ['id']
    assert.deepEqual(ids(await allPages(context, { ...Q, where, select, limit: 5 })), expected)
    const reversed = await allPages(context, {
      ...Q,
      where,
      select,
      limit: 5,
      orderBy: [{ column: 'id', direction: 'desc' }],
    })
    assert.deepEqual(ids(reversed), expected.toReversed())
    const sorted = await allPages(context, {
      ...Q,
      where,
      select,
      limit: 5,
      orderBy: [{ column: 'text', direction: 'desc' }],
    })
    const byText = expected.toSorted((a, b) => (`text ${a % 100}` < `text ${b % 100}` ? 1 : -1))
    assert.deepEqual(ids(sorted), byText)
    const groups = await allPages(context, { ...Q, where, groupBy: ['id'], limit: 5 })
    assert.deepEqual(ids(groups), expected)
    const ends = await runQuery(context, { ...Q, where, limit: 33 })
    assert.equal(ends.result.cursor, undefined)
  })

  it('are refused once changed, under another key, for another query, caller or state', async () => {
    const cursor = await cursorOf(paged)
    const open = (query: QueryData, other = context): QueryRun =>
      new QueryRun(planQuery(query, other), other, undefined)
    open({ ...paged, cursor })
    open({ ...paged, limit: 9, cursor })
    const invalid = { code: 'invalid_cursor' }
    for (let i = 0; i < cursor.length; i++) {
      const changed = cursor.slice(0, i) + (cursor[i] === 'A' ? 'B' : 'A') + cursor.slice(i + 1)
      if (changed !== cursor) assert.throws(() => open({ ...paged, cursor: changed }), invalid)
    }
    for (const text of ['', 'x', '=', 'AAAA', '\u00e9'.repeat(40), cursor.slice(0, -4)]) {
      assert.throws(() => open({ ...paged, cursor: text }), invalid)
    }
    assert.throws(() => open({ ...paged, where: { op: 'eq', column: 'group', value: 2 }, cursor }), invalid)
    assert.throws(() => open({ ...paged, orderBy: [{ column: 'text' }], cursor }), invalid)
    assert.throws(() => open({ ...paged, cursor }, { ...context, seq: 10 }), invalid)
    assert.throws(() => open({ ...paged, cursor }, { ...context, caller: 'ben' }), invalid)
    assert.throws(
      () => open({ ...paged, cursor }, { ...context, signCursor: hmacSha256By(new Uint8Array(32)) }),
      invalid,
    )
    assert.throws(() => open({ ...paged, offset: 1, cursor }), { code: 'invalid_query' })
  })

  it('end a page of large rows early', async () => {
    const large = makeTable(3, { name: 'large', columns: { id: 'integer', text: 'text' }, primaryKey: ['id'] })
    const puts = many(12, id => recordsOf(large, { id, text: 'x'.repeat(150_000) })).flat()
    const wide = contextFor([large], memoryOf(puts))
    const query: QueryData = { project: 'p', from: 'large', limit: 12 }
    const { result } = await runQuery(wide, query)
    assert.ok(result.rows.length > 1 && result.rows.length < 12 && result.cursor !== undefined)
    assert.equal((await allPages(wide, query)).length, 12)
  })
})
