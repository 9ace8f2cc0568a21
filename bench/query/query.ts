/**
 * Queries of the embedded engine on one thread, all in memory: the indexed shapes of the gate (limit 20), an order by an index (limit 100),
 * a join (limit 100), points, counts and pages; on a small table and on a large one, because the cost of one must not grow with the table.
 */
import type { Expr, Row as TableRow } from '../../src/encoding/index.ts'
import { Engine } from '../../src/entry/engine.ts'
import type { QueryData } from '../../src/model/index.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { atMost, plain, quantile } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'

const SECTION = 'query'
const SIZES = [2_000, 100_000]
const WARM_UP = 4_000
const RUNS = 4_000
const CPU_ROUNDS = 10
const BATCH_ROWS = 500
const T = { project: 'bench', table: 'users' }

/** Best medians of the engine that is to be passed, us, on this machine, with 2,000 rows. */
const BARS: Readonly<Record<string, number>> = {
  'age =': 17,
  'age in (3)': 14,
  "name like 'user-12%'": 16,
  "name like 'user-1%' and age = 30": 395,
  'partial index, age =': 20,
  'composite index, leading =': 21,
}

interface Shape {
  readonly name: string
  /** The i-th query of the shape. */
  make(i: number): QueryData
}

const Q: QueryData = { project: 'bench', from: 'users', limit: 20 }
const age = (i: number): Expr => ({ op: 'eq', column: 'age', value: 18 + (i % 50) })

function shapesFor(rows: number): Shape[] {
  const teen = (i: number): number => 10 + (i % 90)
  return [
    { name: 'age =', make: i => ({ ...Q, where: age(i) }) },
    {
      name: 'age in (3)',
      make: i => ({
        ...Q,
        where: { op: 'in', column: 'age', values: [18 + (i % 50), 18 + ((i + 7) % 50), 18 + ((i + 9) % 50)] },
      }),
    },
    {
      name: "name like 'user-12%'",
      make: i => ({ ...Q, where: { op: 'like', column: 'name', pattern: `user-${teen(i)}%` } }),
    },
    {
      name: "name like 'user-1%' and age = 30",
      make: i => ({
        ...Q,
        where: { op: 'and', args: [{ op: 'like', column: 'name', pattern: `user-${1 + (i % 9)}%` }, age(i)] },
      }),
    },
    {
      name: 'partial index, age =',
      make: i => ({
        ...Q,
        from: 'partial_users',
        where: { op: 'and', args: [{ op: 'eq', column: 'active', value: true }, age(i)] },
      }),
    },
    {
      name: 'composite index, leading =',
      make: i => ({ ...Q, from: 'composite_users', where: { op: 'eq', column: 'city', value: `city-${i % 20}` } }),
    },
    { name: 'age =, covered', make: i => ({ ...Q, where: age(i), select: ['id', 'age'] }) },
    { name: 'id =', make: i => ({ ...Q, where: { op: 'eq', column: 'id', value: (i * 7_919) % rows }, limit: 1 }) },
    { name: 'order by age, limit 100', make: () => ({ ...Q, orderBy: [{ column: 'age' }], limit: 100 }) },
    {
      name: 'join, limit 100',
      make: i => ({
        ...Q,
        joins: [{ type: 'inner', table: 'composite_users', on: [{ left: 'users.id', right: 'composite_users.id' }] }],
        where: { op: 'eq', column: 'users.age', value: 18 + (i % 50) },
        select: ['users.id', 'users.name', 'composite_users.city'],
        limit: 100,
      }),
    },
    {
      name: 'page of 100 after 1,000',
      make: i => ({ ...Q, where: { op: 'gte', column: 'id', value: i % 500 }, limit: 100 }),
    },
  ]
}

function userRows(from: number, to: number): TableRow[] {
  return Array.from({ length: to - from }, (_, i) => ({
    id: from + i,
    name: `user-${from + i}`,
    age: 18 + ((from + i) % 50),
  }))
}

async function fill(engine: Engine, rows: number): Promise<void> {
  const users = [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'text' },
    { name: 'age', type: 'integer' },
  ] as const
  const common = { type: 'createTable', project: 'bench', primaryKey: ['id'] } as const
  await engine.ddl([
    { type: 'createProject', project: 'bench' },
    {
      ...common,
      table: 'users',
      columns: users,
      indexes: [
        { name: 'by_age', columns: ['age'] },
        { name: 'by_name', columns: ['name'] },
      ],
    },
    {
      ...common,
      table: 'partial_users',
      columns: [...users, { name: 'active', type: 'boolean' }],
      indexes: [{ name: 'active_age', columns: ['age'], where: { op: 'eq', column: 'active', value: true } }],
    },
    {
      ...common,
      table: 'composite_users',
      columns: [...users, { name: 'city', type: 'text' }],
      indexes: [{ name: 'by_city_age', columns: ['city', 'age'] }],
    },
  ])
  for (let from = 0; from < rows; from += BATCH_ROWS) {
    const batch = userRows(from, Math.min(rows, from + BATCH_ROWS))
    await engine.commit({
      mutations: [
        { type: 'insert', ...T, rows: batch },
        {
          type: 'insert',
          project: 'bench',
          table: 'partial_users',
          rows: batch.map(row => ({ ...row, active: (row['id'] as number) % 2 === 0 })),
        },
        {
          type: 'insert',
          project: 'bench',
          table: 'composite_users',
          rows: batch.map(row => ({ ...row, city: `city-${(row['id'] as number) % 20}` })),
        },
      ],
    })
  }
}

interface Measured {
  readonly p50: number
  readonly p99: number
  /** Processor time of a query, us: what a busy machine disturbs least. */
  readonly cpu: number
}

function measure(engine: Engine, shape: Shape): Measured {
  using view = engine.snapshot()
  const times = new Float64Array(RUNS)
  let found = 0
  for (let i = 0; i < WARM_UP; i++) found += view.query(shape.make(i)).rows.length
  if (found === 0) throw new Error(`${shape.name} finds nothing`)
  for (let i = 0; i < RUNS; i++) {
    const query = shape.make(i)
    const start = performance.now()
    view.query(query)
    times[i] = (performance.now() - start) * 1000
  }
  times.sort()
  const rounds: number[] = []
  for (let round = 0; round < CPU_ROUNDS; round++) {
    const before = process.cpuUsage()
    for (let i = 0; i < RUNS / CPU_ROUNDS; i++) view.query(shape.make(i))
    const { user, system } = process.cpuUsage(before)
    rounds.push((user + system) / (RUNS / CPU_ROUNDS))
  }
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), cpu: Math.min(...rounds) }
}

export async function run(): Promise<Row[]> {
  const result: Row[] = []
  for (const rows of SIZES) {
    const folder = makeBenchFolder('query')
    const engine = await Engine.open(`${folder}/data`, { durability: 'os' })
    try {
      await fill(engine, rows)
      for (const shape of shapesFor(rows)) {
        const { p50, p99, cpu } = measure(engine, shape)
        const bar = BARS[shape.name]
        const what = `${shape.name}, ${rows} rows, p50`
        result.push(bar === undefined ? plain(SECTION, what, p50, 'us') : atMost(SECTION, what, p50, bar, 'us'))
        result.push(plain(SECTION, `${shape.name}, ${rows} rows, p99`, p99, 'us'))
        result.push(plain(SECTION, `${shape.name}, ${rows} rows, processor time`, cpu, 'us'))
      }
    } finally {
      await engine.close()
      removeBenchFolder(folder)
    }
  }
  return result
}
