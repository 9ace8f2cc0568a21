import { percentile, percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { digits, filled, openBench, OS_BUFFERED, PROJECT, timed, timedNow } from './setup.ts'
import type { Engine, LocalKeys } from '../../src/entry/engine.ts'

async function setKeys(engine: Engine, name: string, count: number, bytes: number, offset = 0): Promise<number[]> {
  const kv = engine.kv(PROJECT)
  const durations: number[] = []
  for (let i = 0; i < count; i++) {
    const key = `${name}:${digits(i)}`
    const value = filled(bytes, i + offset)
    durations.push(await timed(() => kv.set(key, value)))
  }
  return durations
}

/** Durations of the reads of `keys`, whose values must all have `bytes`. */
function getKeys(keys: LocalKeys, names: readonly string[], bytes: number): { durations: number[]; areWhole: boolean } {
  let areWhole = true
  const durations = names.map(name => {
    let value: Uint8Array | undefined
    const duration = timedNow(() => (value = keys.get(name)))
    if (value?.length !== bytes) areWhole = false
    return duration
  })
  return { durations, areWhole }
}

function namesOf(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}:${digits(i)}`)
}

/** 256 values of 256 bytes in 16 KiB of memory, pages of 4 KiB. */
export async function pressure(): Promise<Outcome> {
  const [count, bytes] = [256, 256]
  const engine = await openBench({ ...OS_BUFFERED, pageBytes: 4096, budgetBytes: 16 << 10 })
  const sets = percentiles('set', await setKeys(engine, 'small-pressure', count, bytes), US)
  const keys = engine.newest().kv(PROJECT)
  const names = namesOf('small-pressure', count)
  const cold = getKeys(keys, names, bytes)
  const hot = getKeys(keys, names, bytes)
  const { memory, values } = engine.metrics()
  const [hotUs, coldUs] = [percentiles('hot_get', hot.durations, US), percentiles('cold_get', cold.durations, US)]
  return new Result('small_kv_pressure')
    .add('', { value_bytes: bytes, count })
    .add('us', { ...sets, ...coldUs, ...hotUs })
    .add('B', { memory_estimate: memory.bytes, value_store_bytes: values.storeBytes })
    .atMost('memory_estimate', memory.bytes, 16_384)
    .atLeast('value_store_bytes', values.storeBytes, 8 + bytes + 1)
    .check('every value has its length', cold.areWhole && hot.areWhole)
    .check('set p99 > 0', sets['set_p99']! > 0)
    .check('cold get p99 > 0', percentile(cold.durations, 0.99) > 0)
    .atMost('hot get p99', hotUs['hot_get_p99']!, coldUs['cold_get_p99']!).outcome
}

const SEED_COUNT = 4_096
const OPS = 512

/** 4,096 small values in plenty of memory: 512 overwritten, 512 read. */
async function noPressure(benchmark: string, name: string, bytes: number, judge: (r: Result, memory: number) => void) {
  const engine = await openBench({ ...OS_BUFFERED, budgetBytes: 512 << 20 })
  await setKeys(engine, name, SEED_COUNT, bytes)
  const updateMs = await setKeys(engine, name, OPS, bytes, 1)
  const { durations, areWhole } = getKeys(engine.newest().kv(PROJECT), namesOf(name, OPS), bytes)
  const [update, get] = [percentiles('update', updateMs, US), percentiles('get', durations, US)]
  const { memory } = engine.metrics()
  const result = new Result(benchmark)
    .add('', { seed_count: SEED_COUNT, ops: OPS, value_bytes: bytes })
    .add('us', { ...update, ...get })
    .add('B', { memory_estimate: memory.bytes })
    .check('every value has its length', areWhole)
    .check('update p99 > 0', update['update_p99']! > 0)
    .atMost('get p99', get['get_p99']!, update['update_p99']!)
  judge(result, memory.bytes)
  return result.outcome
}

export function manySmall(): Promise<Outcome> {
  return noPressure('many_small_kv_no_pressure', 'many-small', 64, (result, memory) =>
    result.atLeast('memory_estimate', memory, SEED_COUNT * 64 + 1),
  )
}

export function manyU256(): Promise<Outcome> {
  return noPressure('many_u256_sized_kv_no_pressure', 'u256-sized', 32, (result, memory) =>
    result.atMost('memory_estimate', memory, SEED_COUNT * 80 - 1),
  )
}

/** Most reads of a few hot keys, the rest of many cold ones, in memory for a part of them. */
export async function hotAndCold(): Promise<Outcome> {
  const [count, hotKeys, ops, bytes] = [2_048, 64, 1_024, 128]
  const engine = await openBench({
    ...OS_BUFFERED,
    pageBytes: 4096,
    budgetBytes: 128 << 10,
    inlineThresholdBytes: 32,
    hotCacheBytes: hotKeys * bytes,
  })
  await setKeys(engine, 'zipf', count, bytes)
  await engine.checkpoint()
  const names = Array.from({ length: ops }, (_, i) => {
    const index = i % 10 < 8 ? (i * 17) % hotKeys : hotKeys + ((i * 131) % (count - hotKeys))
    return `zipf:${digits(index)}`
  })
  const { durations, areWhole } = getKeys(engine.newest().kv(PROJECT), names, bytes)
  const { values, memory } = engine.metrics()
  const reads = percentiles('get', durations, US)
  return new Result('spilled_kv_hot_cold_read_mix')
    .add('', { keys: count, hot_keys: hotKeys, ops })
    .add('us', { p50: reads['get_p50']!, p99: reads['get_p99']! })
    .add('B', {
      value_store_bytes: values.storeBytes,
      hot_cache_bytes: values.hotCacheBytes,
      hot_cache_capacity: values.hotCacheBytesMax,
      memory_estimate: memory.bytes,
    })
    .check('every value has its length', areWhole)
    .check('p99 > 0', percentile(durations, 0.99) > 0)
    .atMost('memory_estimate', memory.bytes, 128 << 10)
    .atMost('hot_cache_bytes', values.hotCacheBytes, values.hotCacheBytesMax).outcome
}

export const run: () => Promise<Outcome[]> = async () => [
  await pressure(),
  await manySmall(),
  await manyU256(),
  await hotAndCold(),
]
