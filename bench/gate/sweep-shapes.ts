import { percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { leastInTurn } from './processor-time.ts'
import { filled, openBench, OS_BUFFERED, PROJECT, timed, timedNow } from './setup.ts'
import type { Engine } from '../../src/entry/engine.ts'

/** See `GateModule`. */
export const isLong = true

const VALUE_BYTES = [32, 256, 1_024, 4_096, 16_384, 131_072]
const VALUE_KEYS = 200
const WARM_ROUNDS = 3

/** Sets and gets of values from 32 bytes to 128 KiB, the largest of which lie outside the pages. */
export async function valueSizes(): Promise<Outcome> {
  const engine = await openBench(OS_BUFFERED)
  const kv = engine.kv(PROJECT)
  const keys = engine.newest().kv(PROJECT)
  const result = new Result('sweep_value_sizes')
  let areWhole = true
  for (const bytes of VALUE_BYTES) {
    let sets: number[] = []
    let gets: number[] = []
    for (let round = 0; round < WARM_ROUNDS; round++) {
      sets = []
      gets = []
      for (let i = 0; i < VALUE_KEYS; i++) {
        const value = filled(bytes, i + round)
        sets.push(await timed(() => kv.set(`value:${bytes}:${i}`, value)))
      }
      for (let i = 0; i < VALUE_KEYS; i++) {
        let length = 0
        gets.push(timedNow(() => (length = keys.get(`value:${bytes}:${i}`)?.length ?? 0)))
        if (length !== bytes) areWhole = false
      }
    }
    result.add('us', { ...percentiles(`set_${bytes}`, sets, US), ...percentiles(`get_${bytes}`, gets, US) })
  }
  return result.check('every value has its length', areWhole).outcome
}

const INDEXES = [0, 1, 2, 4, 8]
const INDEX_OPS = 500
const INDEX_ROUNDS = 10
const COLUMNS = 8

async function createIndexed(engine: Engine, count: number): Promise<void> {
  const columns = Array.from({ length: COLUMNS }, (_, i) => ({ name: `c${i}`, type: 'integer' }) as const)
  await engine.ddl({
    type: 'createTable',
    project: PROJECT,
    table: `indexed_${count}`,
    primaryKey: ['id'],
    columns: [{ name: 'id', type: 'integer' }, ...columns],
    indexes: columns.slice(0, count).map(({ name }) => ({ name: `by_${name}`, columns: [name] })),
  })
}

/** Rows go into tables with none to eight indexes, which take turns: processor time of an insert that is a commit of its own. */
export async function indexCounts(): Promise<Outcome> {
  const engine = await openBench(OS_BUFFERED)
  for (const count of INDEXES) await createIndexed(engine, count)
  const us = await leastInTurn(INDEXES.length, INDEX_ROUNDS, INDEX_OPS, (at, i) => {
    const row: Record<string, number> = { id: i }
    for (let column = 0; column < COLUMNS; column++) row[`c${column}`] = (i * (7_919 + column)) % 100_003
    const target = { project: PROJECT, table: `indexed_${INDEXES[at]}` }
    return engine.commit({ mutations: [{ type: 'insert', ...target, rows: [row] }] })
  })
  const result = new Result('sweep_index_counts')
  us.forEach((value, at) => result.add('us', { [`insert_${INDEXES[at]}_indexes_cpu`]: value }))
  return result.add('us', { each_index_cpu: (us.at(-1)! - us[0]!) / INDEXES.at(-1)! }).outcome
}

export const run: () => Promise<Outcome[]> = async () => [await valueSizes(), await indexCounts()]
