import { NS, percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import {
  CALLER,
  HIGH_THROUGHPUT,
  OS_BUFFERED,
  PROJECT,
  sequential,
  setup,
  timed,
  timedNow,
  users,
  warmUp,
} from './setup.ts'
import type { Engine } from '../../src/entry/engine.ts'

const ROWS = 2_000
/** Times 200 rounds without a sync: before about 2,000 the code of an upsert and of a query is not compiled. */
const MIXED_WARM_UPS = 15
/** The thresholds of the seed's optimised build. */
const BOUNDS = {
  kvGetP50Us: 5,
  kvGetP99Us: 50,
  kvScanP50Us: 150,
  kvScanP99Us: 500,
  mixedP50Us: 35_000,
  mixedP99Us: 60_000,
  commitsPerSecond: 5_000,
}

export async function run(): Promise<Outcome> {
  const result = new Result('benchmark_gate')
  const engine = await setup({ durability: 'full' }, ROWS)
  warmUp(() => readKeys(engine), 30)
  const gets = percentiles('kv_get', readKeys(engine), NS)
  const promised = percentiles('kv_get_async', await readKeysAsync(engine), NS)
  warmUp(() => scanKeys(engine), 20)
  const scans = percentiles('kv_scan100', scanKeys(engine), US)
  const warm = await setup(OS_BUFFERED, 20)
  for (let i = 0; i < MIXED_WARM_UPS; i++) await mixedRounds(warm)
  const mixed = percentiles('mixed_commit', await mixedRounds(engine), US)
  const batch = await setup(HIGH_THROUGHPUT, 200)
  const kv = batch.kv(PROJECT)
  const value = new Uint8Array(32).fill(1)
  const { perSecond } = await sequential(n => kv.set(`throughput:${n}`, value))
  return result
    .add('ns', { ...gets, ...promised })
    .add('us', { ...scans, ...mixed })
    .add('/s', { batch_throughput: perSecond })
    .atMost('kv_get p50, us', Math.floor(gets['kv_get_p50']! / 1_000), BOUNDS.kvGetP50Us)
    .atMost('kv_get p99, us', Math.floor(gets['kv_get_p99']! / 1_000), BOUNDS.kvGetP99Us)
    .atMost('kv_scan100 p50, us', scans['kv_scan100_p50']!, BOUNDS.kvScanP50Us)
    .atMost('kv_scan100 p99, us', scans['kv_scan100_p99']!, BOUNDS.kvScanP99Us)
    .atMost('mixed_commit p50, us', mixed['mixed_commit_p50']!, BOUNDS.mixedP50Us)
    .atMost('mixed_commit p99, us', mixed['mixed_commit_p99']!, BOUNDS.mixedP99Us)
    .atLeast('batch_throughput, commits/s', perSecond, BOUNDS.commitsPerSecond).outcome
}

/** Each from the newest state, with the caller's permission checked. */
function readKeys(engine: Engine): number[] {
  const keys = engine.newest({ caller: CALLER }).kv(PROJECT)
  return Array.from({ length: 300 }, (_, i) => {
    const key = `bank:user:${i % ROWS}:balance`
    return timedNow(() => keys.get(key))
  })
}

/** The same through `Database`, which costs a promise; beside the seed. */
async function readKeysAsync(engine: Engine): Promise<number[]> {
  const kv = engine.as(CALLER).kv(PROJECT)
  const durations: number[] = []
  for (let i = 0; i < 300; i++) {
    const key = `bank:user:${i % ROWS}:balance`
    durations.push(await timed(() => kv.get(key)))
  }
  return durations
}

/** Each with a look at every entry, for a scan takes its records apart only then. */
function scanKeys(engine: Engine): number[] {
  const keys = engine.newest({ caller: CALLER }).kv(PROJECT)
  return Array.from({ length: 120 }, () =>
    timedNow(() => {
      const entries = keys.scan({ prefix: 'bank:user:', limit: 100 })
      let bytes = 0
      for (let i = 0; i < entries.length; i++) bytes += entries.valueBytes(i)
      if (bytes !== 3_200) throw new Error(`a scan gave ${bytes} bytes`)
    }),
  )
}

/** Rounds of four synced commits and a query by the primary key. */
async function mixedRounds(engine: Engine): Promise<number[]> {
  const table = engine.table(users)
  const kv = engine.kv(PROJECT)
  const durations: number[] = []
  for (let i = 0; i < 200; i++) {
    const id = 10_000 + i
    const start = performance.now()
    await table.upsert({ id, name: 'bench', age: 25 })
    await kv.set(`mix:${i}:a`, new Uint8Array(32).fill(1))
    await kv.increment(`mix:${i}:b`, 0n, { width: 256 })
    await kv.set(`mix:${i}:c`, new Uint8Array(32).fill(2))
    const where = { op: 'eq', column: 'id', value: id } as const
    const rows = await engine.query({ project: PROJECT, from: 'users', select: ['id'], where, limit: 1 }).all()
    durations.push(performance.now() - start)
    if (rows.length !== 1) throw new Error('the row that was just written is not found')
  }
  return durations
}
