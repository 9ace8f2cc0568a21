import { percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { digits, filled, HIGH_THROUGHPUT, openBench, OS_BUFFERED, PROJECT, timed } from './setup.ts'
import type { EngineOptions } from '../../src/entry/engine.ts'

const OPS = 160
const PROFILES: Readonly<Record<string, EngineOptions>> = {
  full_strict: { durability: 'full' },
  batch_strict: HIGH_THROUGHPUT,
  osbuffered_permissive: OS_BUFFERED,
}

export async function run(): Promise<Outcome> {
  const result = new Result('durability_profile')
  for (const [name, options] of Object.entries(PROFILES)) {
    const engine = await openBench(options)
    const kv = engine.kv(PROJECT)
    const durations: number[] = []
    for (let i = 0; i < OPS; i++) {
      const key = `profile:${name}:${digits(i)}`
      const value = filled(64, i)
      durations.push(await timed(() => kv.set(key, value)))
    }
    const commit = percentiles(name, durations, US)
    const { commits, log } = engine.metrics()
    result
      .add('us', {
        ...commit,
        [`${name}_avg_commit`]: Math.round(commits.latency.meanMs * 1000),
        [`${name}_avg_wal_append`]: Math.round(log.append.meanMs * 1000),
        [`${name}_avg_wal_sync`]: Math.round(log.sync.meanMs * 1000),
      })
      .add('', { [`${name}_wal_append_ops`]: log.appends, [`${name}_wal_sync_ops`]: log.sync.count })
      .check(`${name} p99 > 0`, commit[`${name}_p99`]! > 0)
  }
  return result.outcome
}
