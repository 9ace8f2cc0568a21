import { percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { PROJECT, setup, timedNow, warmUp } from './setup.ts'
import type { Expr } from '../../src/encoding/index.ts'
import type { Engine } from '../../src/entry/engine.ts'
import { createTable, defineTable, integer, text } from '../../src/model/index.ts'

const ROWS = 2_000
const ROUNDS = 200
const WARM_UPS = 10

const partialUsers = defineTable('partial_users', {
  project: PROJECT,
  columns: { id: integer().primaryKey(), name: text(), age: integer(), status: text() },
  indexes: [{ name: 'active_age', columns: ['age'], where: c => c.status.eq('active') }],
})

const compositeUsers = defineTable('composite_users', {
  project: PROJECT,
  columns: { id: integer().primaryKey(), region: text(), age: integer(), name: text() },
  indexes: [{ name: 'region_age', columns: ['region', 'age'] }],
})

interface Shape {
  readonly from: string
  readonly where: Expr
}

/** The shapes of the seed project's later gate, each with limit 20. */
const SHAPES: Readonly<Record<string, Shape>> = {
  eq: { from: 'users', where: { op: 'eq', column: 'age', value: 25 } },
  in: { from: 'users', where: { op: 'in', column: 'age', values: [25, 30, 35] } },
  like_exact: { from: 'users', where: { op: 'like', column: 'name', pattern: 'user-1%' } },
  like_residual: { from: 'users', where: { op: 'like', column: 'name', pattern: 'user-1%9' } },
  partial: {
    from: 'partial_users',
    where: {
      op: 'and',
      args: [
        { op: 'eq', column: 'status', value: 'active' },
        { op: 'eq', column: 'age', value: 25 },
      ],
    },
  },
  composite: { from: 'composite_users', where: { op: 'eq', column: 'region', value: 'eu' } },
}

export async function run(): Promise<Outcome> {
  const engine = await setup({ durability: 'full' }, ROWS)
  await fill(engine)
  const result = new Result('benchmark_index_predicate_shapes')
  for (const [name, shape] of Object.entries(SHAPES)) {
    let rows = 0
    const loop = (): number[] =>
      Array.from({ length: ROUNDS }, () =>
        timedNow(() => {
          using view = engine.snapshot()
          rows = view.query({ project: PROJECT, ...shape, limit: 20 }).rows.length
        }),
      )
    warmUp(loop, WARM_UPS)
    const durations = loop()
    result.add('us', percentiles(name, durations, US)).check(`${name}: rows`, rows > 0)
  }
  return result.outcome
}

async function fill(engine: Engine): Promise<void> {
  await engine.ddl([createTable(partialUsers), createTable(compositeUsers)])
  const target = { project: PROJECT, table: 'users' }
  await engine.ddl({ type: 'createIndex', ...target, index: { name: 'by_age', columns: ['age'] } })
  await engine.ddl({ type: 'createIndex', ...target, index: { name: 'by_name', columns: ['name'] } })
  const ids = Array.from({ length: ROWS }, (_, id) => id)
  await engine
    .table(partialUsers)
    .insertMany(
      ids.map(id => ({ id, name: `user-${id}`, age: 18 + (id % 50), status: id % 3 === 0 ? 'active' : 'idle' })),
    )
  await engine
    .table(compositeUsers)
    .insertMany(ids.map(id => ({ id, region: id % 2 === 0 ? 'eu' : 'us', age: 18 + (id % 50), name: `user-${id}` })))
  for (;;) {
    const tables = await engine.tables(PROJECT)
    if (tables.every(table => table.indexes.every(({ isReady }) => isReady))) return
    await new Promise(resolve => setImmediate(resolve))
  }
}
