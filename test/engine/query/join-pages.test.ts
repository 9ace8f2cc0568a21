import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { JoinData, QueryData } from '../../../src/model/index.ts'
import { allPages, contextFor, makeTable, memoryOf, recordsOf, runQuery } from './fixture.ts'
import type { Cells } from './fixture.ts'

const people = makeTable(1, {
  name: 'people',
  columns: { id: 'integer', age: 'integer' },
  primaryKey: ['id'],
  indexes: [{ name: 'by_age', columns: ['age'] }],
})
const orders = makeTable(2, {
  name: 'orders',
  columns: { id: 'integer', person: 'integer', total: 'integer' },
  primaryKey: ['id'],
  indexes: [{ name: 'by_person', columns: ['person'] }],
})
const PEOPLE = 60
/** Person i has i % 4 orders, person 7 many: more than a page. */
const countOf = (person: number): number => (person === 7 ? 40 : person % 4)
const ids = Array.from({ length: PEOPLE }, (_, id) => id)
const ordered: Cells[] = ids.flatMap(person =>
  Array.from({ length: countOf(person) }, (_, n) => ({ id: person * 100 + n, person, total: n })),
)
const context = contextFor(
  [people, orders],
  memoryOf([
    ...ids.flatMap(id => recordsOf(people, { id, age: 20 + (id % 5) })),
    ...ordered.flatMap(row => recordsOf(orders, row)),
  ]),
)

function joined(type: JoinData['type'], more: Partial<QueryData> = {}): QueryData {
  return {
    project: 'p',
    from: 'people',
    joins: [{ type, table: 'orders', on: [{ left: 'people.id', right: 'orders.person' }] }],
    select: ['people.id', 'orders.id'],
    allowFullScan: true,
    limit: 7,
    ...more,
  }
}

const QUERIES: Readonly<Record<string, QueryData>> = {
  inner: joined('inner'),
  left: joined('left'),
  'left, in reverse': joined('left', { orderBy: [{ column: 'people.id', direction: 'desc' }] }),
  'inner, by an index of the first table': joined('inner', { orderBy: [{ column: 'people.age' }] }),
  'inner, what is joined filtered': joined('left', { where: { op: 'gt', column: 'orders.total', value: 0 } }),
  'inner, two tables': joined('inner', {
    joins: [
      ...joined('inner').joins!,
      { type: 'left', table: 'people', as: 'same', on: [{ left: 'orders.total', right: 'same.id' }] },
    ],
    select: ['people.id', 'orders.id', 'same.id'],
  }),
  'inner, from an offset on': joined('inner', { offset: 9 }),
}

describe('pages of a join', () => {
  for (const [name, query] of Object.entries(QUERIES)) {
    it(`are together the whole, each row once: ${name}`, async () => {
      const { result } = await runQuery(context, { ...query, limit: 500 })
      assert.ok(result.rows.length > 40)
      assert.equal(result.cursor, undefined)
      for (const limit of [1, 7, 50]) {
        assert.deepEqual(await allPages(context, { ...query, limit }), result.rows, `pages of ${limit}`)
      }
    })
  }

  it('begin behind the place of the last one: none reads what lies far before it', async () => {
    const few = { where: { op: 'ne', column: 'people.id', value: 7 } } as const
    for (const query of [
      joined('inner', few),
      joined('left', few),
      joined('left', { ...few, orderBy: [{ column: 'people.age' }] }),
    ]) {
      let page = query
      const examined: number[] = []
      for (;;) {
        const { result } = await runQuery(context, page)
        examined.push(result.examined)
        if (result.cursor === undefined) break
        page = { ...query, cursor: result.cursor }
      }
      assert.ok(examined.length > 9, `${examined.length} pages`)
      assert.ok(Math.max(...examined) <= 40, `a page of 7 rows looked at ${examined.join(', ')}`)
    }
  })

  it('of joins that end with unmatched rows go on by counting', async () => {
    for (const type of ['right', 'full'] as const) {
      const { result } = await runQuery(context, joined(type, { limit: 500 }))
      assert.deepEqual(await allPages(context, joined(type)), result.rows)
    }
  })
})
