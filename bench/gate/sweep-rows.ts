import { Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { leastInTurn } from './processor-time.ts'
import { CALLER, openBench, OS_BUFFERED, PROJECT } from './setup.ts'
import type { Engine } from '../../src/entry/engine.ts'
import { createTable, defineTable, integer, text } from '../../src/model/index.ts'

/** See `GateModule`. */
export const isLong = true

const SIZES = [10_000, 100_000, 500_000]
const LOAD_ROWS = 500
const OPS = 2_000
const ROUNDS = 12
/** How much more an upsert may cost in the largest table than in the smallest. */
const FLAT = 1.3

const grown = (rows: number) =>
  defineTable(`grown_${rows}`, {
    project: PROJECT,
    columns: { id: integer().primaryKey(), name: text(), age: integer() },
    indexes: [{ name: 'by_age', columns: ['age'] }],
  })
type Grown = ReturnType<typeof openGrown>
const openGrown = (engine: Engine, rows: number) => engine.table(grown(rows))

const SPREAD = 7_919
const row = (id: number, age: number) => ({ id, name: `user-${id}`, age: 18 + (age % 50) })

async function fill(table: Grown, engine: Engine, rows: number): Promise<void> {
  const kv = engine.kv(PROJECT)
  for (let from = 0; from < rows; from += LOAD_ROWS) {
    const ids = Array.from({ length: LOAD_ROWS }, (_, i) => from + i)
    await table.insertMany(ids.map(id => row(id, id)))
    await kv.setMany(ids.map(id => [`${rows}:${id}`, new Uint8Array(32)] as const))
  }
}

/**
 * The same work on tables of 10,000 to 500,000 rows, which take turns: processor time an operation, the least of the rounds. What one costs
 * must not grow with the table.
 */
export async function run(): Promise<Outcome> {
  const engine = await openBench(OS_BUFFERED)
  await engine.ddl({ type: 'grant', caller: CALLER, permission: { type: 'kvRead', project: PROJECT, scope: 'app' } })
  const tables: Grown[] = []
  for (const rows of SIZES) {
    await engine.ddl(createTable(grown(rows)))
    tables.push(openGrown(engine, rows))
    await fill(tables.at(-1)!, engine, rows)
  }
  await engine.checkpoint()
  const keys = engine.newest({ caller: CALLER }).kv(PROJECT)
  const query = (at: number, query: object): number => {
    using view = engine.snapshot()
    return view.query({ project: PROJECT, from: `grown_${SIZES[at]}`, ...query }).rows.length
  }
  const upsert = (at: number, i: number): Promise<unknown> => {
    const id = (i * SPREAD) % SIZES[at]!
    return tables[at]!.upsert({ ...row(id, id), name: `user+${id}` })
  }
  /** With another age: an entry of the index moves. */
  const move = (at: number, i: number): Promise<unknown> => {
    const id = (i * SPREAD) % SIZES[at]!
    return tables[at]!.upsert(row(id, id + Math.floor(i / SIZES[at]!) + 1))
  }
  const point = (at: number, i: number): unknown =>
    query(at, { where: { op: 'eq', column: 'id', value: (i * SPREAD) % SIZES[at]! }, limit: 1 })
  const indexed = (at: number, i: number): unknown =>
    query(at, { where: { op: 'eq', column: 'age', value: 18 + (i % 50) }, limit: 20 })
  const ordered = (at: number): unknown => query(at, { orderBy: [{ column: 'age' }], limit: 100 })
  const get = (at: number, i: number): unknown => keys.get(`${SIZES[at]}:${(i * SPREAD) % SIZES[at]!}`)

  const result = new Result('sweep_rows')
  const add = async (name: string, ops: number, work: (at: number, i: number) => unknown): Promise<number[]> => {
    const us = await leastInTurn(SIZES.length, ROUNDS, ops, work)
    us.forEach((value, at) => result.add('us', { [`${name}_${SIZES[at]! / 1_000}k_cpu`]: value }))
    return us
  }
  const upserts = await add('upsert', OPS, upsert)
  await add('upsert_reindexed', OPS, move)
  await add('point_query', OPS / 4, point)
  await add('index_eq_limit_20', OPS / 8, indexed)
  await add('order_by_age_limit_100', OPS / 20, ordered)
  await add('kv_get', OPS, get)
  const ratio = Math.round((upserts.at(-1)! / upserts[0]!) * 100) / 100
  result.add('x', { upsert_500k_to_10k: ratio })
  return result.atMost('upsert, 500 k rows : 10 k rows', ratio, FLAT).outcome
}
