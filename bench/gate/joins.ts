import { percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { PROJECT, setup, timedNow, warmUp } from './setup.ts'
import type { Engine, QueryData } from '../../src/entry/engine.ts'

const ROWS = 10_000
const ORDERS = 3
const LIMIT = 100
const ROUNDS = 100
const WARM_UPS = 5

/** Users and three orders of each, with an index on the age of the ones and on the user of the others. */
async function fill(engine: Engine): Promise<void> {
  const common = { type: 'createTable', project: PROJECT, primaryKey: ['id'] } as const
  await engine.ddl([
    {
      ...common,
      table: 'people',
      columns: [
        { name: 'id', type: 'integer' },
        { name: 'name', type: 'text' },
        { name: 'age', type: 'integer' },
      ],
      indexes: [{ name: 'by_age', columns: ['age'] }],
    },
    {
      ...common,
      table: 'orders',
      columns: [
        { name: 'id', type: 'integer' },
        { name: 'person', type: 'integer' },
        { name: 'total', type: 'integer' },
      ],
      indexes: [{ name: 'by_person', columns: ['person'] }],
    },
  ])
  for (let from = 0; from < ROWS; from += 500) {
    const ids = Array.from({ length: 500 }, (_, i) => from + i)
    const people = ids.map(id => ({ id, name: `user-${id}`, age: 18 + (id % 50) }))
    const orders = ids.flatMap(person =>
      Array.from({ length: ORDERS }, (_, n) => ({ id: person * ORDERS + n, person, total: (person * 31 + n) % 1_000 })),
    )
    await engine.commit({
      mutations: [
        { type: 'insert', project: PROJECT, table: 'people', rows: people },
        { type: 'insert', project: PROJECT, table: 'orders', rows: orders },
      ],
    })
  }
}

const JOIN: QueryData = {
  project: PROJECT,
  from: 'people',
  joins: [{ type: 'inner', table: 'orders', on: [{ left: 'people.id', right: 'orders.person' }] }],
  select: ['people.id', 'people.name', 'orders.total'],
  limit: LIMIT,
}

/** What the other engine's own suite measures beside the gate: an order by an index, a join, and its pages by cursor. */
export async function run(): Promise<Outcome> {
  const engine = await setup({ durability: 'os' }, 0)
  await fill(engine)
  using view = engine.snapshot()
  const result = new Result('queries_limit_100')
  const measure = (name: string, make: (i: number) => QueryData): void => {
    let rows = 0
    const loop = (): number[] =>
      Array.from({ length: ROUNDS }, (_, i) => timedNow(() => (rows = view.query(make(i)).rows.length)))
    warmUp(loop, WARM_UPS)
    result.add('us', percentiles(name, loop(), US)).check(`${name}: ${LIMIT} rows`, rows === LIMIT)
  }
  measure('order_by_age', () => ({ project: PROJECT, from: 'people', orderBy: [{ column: 'age' }], limit: LIMIT }))
  measure('join', i => ({ ...JOIN, where: { op: 'eq', column: 'people.age', value: 18 + (i % 50) } }))
  const pages = (): { durations: number[]; rows: number } => {
    const durations: number[] = []
    let cursor: string | undefined
    let rows = 0
    for (let page = 0; page < ROUNDS; page++) {
      const query: QueryData = { ...JOIN, ...(cursor !== undefined && { cursor }) }
      const start = performance.now()
      const found = view.query(query)
      durations.push(performance.now() - start)
      rows += found.rows.length
      cursor = found.cursor
    }
    return { durations, rows }
  }
  warmUp(pages, WARM_UPS)
  const { durations, rows } = pages()
  // A page far behind must cost what the first ones cost.
  const half = durations.length / 2
  return result
    .add('us', percentiles('join_cursor_page', durations, US))
    .add('us', percentiles('join_cursor_page_first_half', durations.slice(0, half), US))
    .add('us', percentiles('join_cursor_page_last_half', durations.slice(half), US))
    .check(`${ROUNDS} pages of ${LIMIT} rows`, rows === ROUNDS * LIMIT).outcome
}
