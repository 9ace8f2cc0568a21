import type { Database } from '../../src/entry/index.ts'
import { quantile } from '../lib/report.ts'
import type { LoadFigures } from '../pipeline/pipeline.ts'

const VALUE_BYTES = 256
const KEYS = 100_000

/** `scattered`: as the load of the bare pipeline has them. `sequential`: as etcd's own tool is run (`--sequential-keys`). */
export type KeyOrder = 'scattered' | 'sequential'

/** Closed-loop writers of 256-B values over 100 k keys. */
export async function measureWrites(
  db: Database,
  writers: number,
  seconds: number,
  order: KeyOrder = 'scattered',
): Promise<LoadFigures> {
  const kv = db.kv('bench')
  const value = new Uint8Array(VALUE_BYTES).fill(7)
  const step = order === 'scattered' ? 2654435761 : 1
  let next = 0
  return closedLoop(writers, seconds, () => kv.set(`key:${(next++ * step) % KEYS}`, value))
}

/** Closed-loop linearizable reads of one key of 256 B. */
export async function measureReads(db: Database, clients: number, seconds: number): Promise<LoadFigures> {
  const kv = db.kv('bench')
  await kv.set('foo', new Uint8Array(VALUE_BYTES).fill(7))
  return closedLoop(clients, seconds, () => kv.get('foo'))
}

async function closedLoop(clients: number, seconds: number, call: () => Promise<unknown>): Promise<LoadFigures> {
  const latencies: number[] = []
  const begin = performance.now()
  const end = begin + seconds * 1000
  const loop = async (): Promise<void> => {
    for (let at = performance.now(); at < end;) {
      await call()
      const now = performance.now()
      latencies.push(now - at)
      at = now
    }
  }
  await Promise.all(Array.from({ length: clients }, loop))
  const sorted = Float64Array.from(latencies).sort()
  return {
    writers: clients,
    perSecond: Math.round((sorted.length / (performance.now() - begin)) * 1000),
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  }
}

/** Writers that never stop while `during` runs: the longest time between two acknowledged writes, and what failed. */
export async function measureGap(
  db: Database,
  writers: number,
  during: () => Promise<void>,
): Promise<{ gapMs: number; failures: string[] }> {
  const kv = db.kv('bench')
  const value = new Uint8Array(VALUE_BYTES).fill(7)
  const failures: string[] = []
  const run = { isOver: false }
  let last = performance.now()
  let gapMs = 0
  const loop = async (id: number): Promise<void> => {
    for (let n = 0; !run.isOver; n++) {
      try {
        await kv.set(`gap:${id}:${n % 100}`, value)
        const now = performance.now()
        gapMs = Math.max(gapMs, now - last)
        last = now
      } catch (error) {
        failures.push(String(error))
      }
    }
  }
  const loops = Array.from({ length: writers }, (_, id) => loop(id))
  try {
    await during()
  } finally {
    run.isOver = true
    await Promise.all(loops)
  }
  return { gapMs, failures }
}
