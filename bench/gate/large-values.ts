import { percentile, percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { filled, openBench, OS_BUFFERED, PROJECT, timed, timedNow } from './setup.ts'
import type { Engine } from '../../src/entry/engine.ts'

const COUNT = 48
const BYTES = 128 << 10

function openLarge(hotCacheBytes: number): Promise<Engine> {
  return openBench({ ...OS_BUFFERED, inlineThresholdBytes: 1_024, hotCacheBytes })
}

async function setLarge(engine: Engine, name: string): Promise<number[]> {
  const kv = engine.kv(PROJECT)
  const durations: number[] = []
  for (let i = 0; i < COUNT; i++) {
    const value = filled(BYTES, i)
    durations.push(await timed(() => kv.set(`${name}:${i}`, value)))
  }
  return durations
}

function getLarge(engine: Engine): { durations: number[]; areWhole: boolean } {
  const keys = engine.newest().kv(PROJECT)
  let areWhole = true
  const durations = Array.from({ length: COUNT }, (_, i) => {
    let value: Uint8Array | undefined
    const duration = timedNow(() => (value = keys.get(`blob:${i}`)))
    areWhole &&= value?.length === BYTES
    return duration
  })
  return { durations, areWhole }
}

export async function run(): Promise<Outcome> {
  const sets = await setLarge(await openLarge(0), 'write')
  const hotEngine = await openLarge(COUNT * BYTES)
  await setLarge(hotEngine, 'blob')
  const hot = getLarge(hotEngine)
  const coldEngine = await openLarge(0)
  await setLarge(coldEngine, 'blob')
  // What has just been written is not cold before it has reached the file.
  await coldEngine.checkpoint()
  const cold = getLarge(coldEngine)
  const figures = {
    ...percentiles('set', sets, US),
    ...percentiles('hot_get', hot.durations, US),
    ...percentiles('cold_get', cold.durations, US),
  }
  const { hits, misses } = coldEngine.metrics().values
  const result = new Result('persistent_large_kv').add('', { value_bytes: BYTES, count: COUNT }).add('us', figures)
  result.add('', { cold_hits: hits, cold_misses: misses })
  for (const [name, durations] of Object.entries({ set: sets, hot_get: hot.durations, cold_get: cold.durations })) {
    result.check(`${name} p99 > 0`, percentile(durations, 0.99) > 0)
  }
  return result.check('every value has its length', hot.areWhole && cold.areWhole).outcome
}
