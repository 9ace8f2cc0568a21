/** Data of 20 times the memory budget: written, read and scanned by the embedded engine, while the process stays within its bound. */
import { Engine } from '../../src/entry/engine.ts'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { makeBenchFolder, removeBenchFolder } from '../lib/raw-disk.ts'
import { atMost, plain } from '../lib/report.ts'
import type { Row } from '../lib/report.ts'

const SECTION = 'embedded'
const MIB = 1 << 20
const BUDGET_BYTES = 4 * MIB
const TIMES = 20
const VALUE_BYTES = 1_000
const RECORDS = Math.ceil((BUDGET_BYTES * TIMES) / VALUE_BYTES)
const BATCH = 16
/** What the process may hold besides an empty process and the budget. */
const ALLOWANCE_BYTES = 64 * MIB
const READS = 4_000

/** Keys in no order: every leaf is written again and again. */
function keyOf(i: number): Uint8Array {
  return utf8Bytes(String((i * 7_919) % RECORDS).padStart(10, '0'))
}

class Peak {
  bytes = 0

  note(): void {
    this.bytes = Math.max(this.bytes, process.memoryUsage.rss())
  }
}

async function write(engine: Engine, peak: Peak): Promise<void> {
  const value = new Uint8Array(VALUE_BYTES)
  for (let i = 0; i < RECORDS; i += BATCH) {
    value.fill(i)
    const mutations = Array.from(
      { length: Math.min(BATCH, RECORDS - i) },
      (_, n) => ({ type: 'kvSet', project: 'bench', scope: 'app', key: keyOf(i + n), value }) as const,
    )
    await committed(engine, { mutations })
    if (i % (BATCH * 16) === 0) peak.note()
  }
}

/** Commits, again and again while the engine is busy with what it has. */
async function committed(engine: Engine, envelope: Parameters<Engine['commit']>[0]): Promise<void> {
  for (;;) {
    try {
      await engine.commit(envelope)
      return
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'busy')) throw error
      await new Promise(resolve => setTimeout(resolve, 1))
    }
  }
}

async function read(engine: Engine, peak: Peak): Promise<void> {
  const kv = engine.kv<Uint8Array>('bench', { key: { encode: key => key, decode: bytes => bytes } })
  for (let i = 0; i < READS; i++) {
    const value = await kv.get(keyOf((i * 104_729) % RECORDS))
    if (value?.length !== VALUE_BYTES) throw new Error(`record ${i} is not there`)
    if (i % 64 === 0) peak.note()
  }
}

export async function run(): Promise<Row[]> {
  const folder = makeBenchFolder('beyond-memory')
  try {
    globalThis.gc?.()
    const empty = process.memoryUsage.rss()
    const peak = new Peak()
    const engine = await Engine.open(folder, { budgetBytes: BUDGET_BYTES, durability: 'os' })
    await engine.ddl({ type: 'createProject', project: 'bench' })
    const start = performance.now()
    await write(engine, peak)
    const written = performance.now()
    await read(engine, peak)
    const reading = performance.now()
    await engine.close()
    peak.note()
    const bound = (empty + BUDGET_BYTES + ALLOWANCE_BYTES) / MIB
    const what = `peak RSS at ${TIMES} x the budget of ${BUDGET_BYTES / MIB} MiB (empty ${Math.round(empty / MIB)} MiB)`
    return [
      atMost(SECTION, what, peak.bytes / MIB, bound, 'MiB'),
      plain(
        SECTION,
        `sets of ${VALUE_BYTES} B beyond memory, batches of ${BATCH}`,
        ((written - start) * 1000) / RECORDS,
        'us',
      ),
      plain(SECTION, 'random get beyond memory', ((reading - written) * 1000) / READS, 'us'),
    ]
  } finally {
    removeBenchFolder(folder)
  }
}
