import { randomBytes } from 'node:crypto'
import { Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { scattered } from '../lib/scattered.ts'
import { digits, openBench, OS_BUFFERED, PROJECT, tearDown } from './setup.ts'
import type { Engine } from '../../src/entry/engine.ts'

/** See `GateModule`. */
export const isLong = true

const ENTRIES = 500_000
/** Where growth is measured from: by then the process has what it needs whatever the number of entries. */
const FIRST_ENTRIES = 100_000
const BATCH = 100
const VALUE_BYTES = 32
/** Of counted bytes an entry, and how far the process may grow beyond what is counted. */
const COUNTED_MAX = 80
const RSS_OVER_COUNTED = 1.25
const SPREAD = 7_919

type Order = (i: number) => number

async function fill(engine: Engine, from: number, to: number, order: Order): Promise<void> {
  const kv = engine.kv(PROJECT)
  const random = randomBytes(1 << 16)
  for (let i = from; i < to; i += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, n) => {
      const at = ((i + n) * SPREAD) % (random.length - VALUE_BYTES)
      return [`u256-sized:${digits(order(i + n), 7)}`, random.subarray(at, at + VALUE_BYTES)] as const
    })
    await kv.setMany(batch)
  }
  await engine.checkpoint()
}

/** Garbage is swept beside the program: a collection waits for the one before. */
async function collectedRss(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void }
  for (let i = 0; i < 3; i++) {
    gc?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  return process.memoryUsage.rss()
}

interface Grown {
  readonly counted: number
  readonly rss: number
  /** Counted bytes an entry of all of them. */
  readonly each: number
}

async function measure(order: Order): Promise<Grown> {
  const engine = await openBench(OS_BUFFERED)
  await fill(engine, 0, FIRST_ENTRIES, order)
  const before = { rss: await collectedRss(), counted: engine.metrics().memory.bytes }
  await fill(engine, FIRST_ENTRIES, ENTRIES, order)
  const after = { rss: await collectedRss(), counted: engine.metrics().memory.bytes }
  await tearDown()
  return {
    counted: after.counted - before.counted,
    rss: after.rss - before.rss,
    each: rounded(after.counted / ENTRIES),
  }
}

/** How much freed memory the C library keeps differs from time to time: the least counts. */
async function least(times: number, order: Order): Promise<Grown> {
  let best = await measure(order)
  for (let time = 1; time < times; time++) {
    const grown = await measure(order)
    if (grown.rss < best.rss) best = grown
  }
  return best
}

/**
 * 500,000 entries of the seed's keys and values of 32 bytes: what is counted, and how much larger the process has become for four fifths
 * of them.
 */
export async function run(): Promise<Outcome> {
  const order = scattered(ENTRIES)
  const inOrder = await least(3, i => i)
  const inNone = await least(2, i => order[i]!)
  const added = ENTRIES - FIRST_ENTRIES
  const over = rounded((inOrder.rss + inNone.rss) / (inOrder.counted + inNone.counted))
  return new Result('memory_500k_entries')
    .add('B', { in_order_counted: inOrder.each, in_order_rss: rounded(inOrder.rss / added) })
    .add('B', { in_no_order_counted: inNone.each, in_no_order_rss: rounded(inNone.rss / added) })
    .add('x', { rss_to_counted: over })
    .atMost('counted bytes an entry, in order', inOrder.each, COUNTED_MAX)
    .atMost('RSS : counted', over, RSS_OVER_COUNTED).outcome
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
