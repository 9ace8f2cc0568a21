import { percentiles, Result, US } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { HIGH_THROUGHPUT, PROJECT, RUN_MS, setup } from './setup.ts'
import type { Engine, EngineMetrics } from '../../src/entry/engine.ts'
import { writeU32 } from '../../src/encoding/index.ts'

/** The number as eight bytes, big-endian, as the seed writes it. */
function numbered(n: number): Uint8Array {
  const bytes = new Uint8Array(8)
  writeU32(bytes, 0, n)
  return bytes.reverse()
}

/** `workers` loops that each await `commit` before the next, for the seed's time. */
async function saturate(
  workers: number,
  commit: (worker: number, n: number) => Promise<unknown>,
): Promise<{ count: number; seconds: number; durations: number[] }> {
  const durations: number[] = []
  const start = performance.now()
  const deadline = start + RUN_MS
  const work = async (worker: number): Promise<void> => {
    for (let n = 0, now = performance.now(); now < deadline; n++) {
      const from = now
      await commit(worker, n)
      now = performance.now()
      durations.push(now - from)
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  return { count: durations.length, seconds: (performance.now() - start) / 1000, durations }
}

/** What the seed prints of the engine's own figures, those of `setup` included as there. */
function addMetrics(result: Result, { commits, epochs, log }: EngineMetrics): void {
  result
    .add('us', {
      avg_commit: Math.round(commits.latency.meanMs * 1000),
      avg_epoch_process: Math.round(epochs.apply.meanMs * 1000),
      avg_wal_append: Math.round(log.append.meanMs * 1000),
    })
    .add('', {
      epochs: epochs.count,
      avg_epoch_size: Math.round((commits.answered * 100) / Math.max(1, epochs.count)) / 100,
      wal_append_ops: log.appends,
      queue_depth: commits.inFlight,
      conflicts: commits.conflicts,
      errors: commits.failed + commits.refused,
    })
}

export async function single(): Promise<Outcome> {
  const engine = await setup(HIGH_THROUGHPUT, 16)
  const kv = engine.kv(PROJECT)
  const { count, seconds, durations } = await saturate(32, (worker, n) => kv.set(`sm:${worker}:${n}`, numbered(n)))
  const tps = Math.floor(count / seconds)
  const result = new Result('saturated_state_machine_kv')
    .add('', { workers: 32, committed: count })
    .add('/s', { tps })
    .add('us', unnamed(percentiles('', durations, US)))
  addMetrics(result, engine.metrics())
  return result.check('committed > 0', count > 0).check('tps > 0', tps > 0).outcome
}

export async function batched(): Promise<Outcome> {
  const engine = await setup(HIGH_THROUGHPUT, 16)
  const kv = engine.kv(PROJECT)
  const size = 16
  const { count, seconds, durations } = await saturate(16, (worker, n) => setBatch(kv, worker, n, size))
  const transitions = count * size
  const result = new Result('saturated_batched_state_machine_kv')
    .add('', { workers: 16, batch_size: size, batches: count, transitions })
    .add('/s', { batch_tps: Math.floor(count / seconds), transition_tps: Math.floor(transitions / seconds) })
    .add('us', unnamed(percentiles('', durations, US)))
  addMetrics(result, engine.metrics())
  return result.check('transitions > 0', transitions > 0).check('transition_tps > 0', transitions / seconds > 0).outcome
}

function setBatch(kv: ReturnType<Engine['kv']>, worker: number, n: number, size: number): Promise<unknown> {
  const entries: [string, Uint8Array][] = []
  for (let item = 0; item < size; item++) entries.push([`sm-batch:${worker}:${n}:${item}`, numbered(n * size + item)])
  return kv.setMany(entries)
}

function unnamed(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name.slice(1), value]))
}

export const run: () => Promise<Outcome[]> = async () => [await single(), await batched()]
