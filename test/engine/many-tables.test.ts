import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Ddl } from '../../src/encoding/index.ts'
import { Engine } from '../../src/entry/engine.ts'

const BUDGET_BYTES = 48 << 20
const EACH = 10_000
const BATCH = 2_000

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Objects, and the whole process, without what it could give back. Slabs of pages are not objects: what of them is used is counted. */
function held(): { heap: number; rss: number } {
  for (let i = 0; i < 3; i++) collect()
  const { heapUsed: heap, rss } = process.memoryUsage()
  return { heap, rss }
}

function table(i: number): Ddl {
  const columns = [
    { name: 'id', type: 'integer' },
    { name: 'value', type: 'text' },
  ] as const
  return { type: 'createTable', project: 'p', scope: `s${i}`, table: 'things', columns, primaryKey: ['id'] }
}

it('twenty thousand scopes and tables, and a full window, are held within a small budget', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-many-tables-'))
  const before = held()
  const engine = await Engine.open(folder, { durability: 'os', budgetBytes: BUDGET_BYTES, segmentBytes: 4 << 20 })
  try {
    await engine.ddl({ type: 'createProject', project: 'p' })
    for (let i = 0; i < EACH; i += BATCH) {
      const numbers = Array.from({ length: BATCH }, (_, j) => i + j)
      await engine.ddl(numbers.map((number): Ddl => ({ type: 'createScope', project: 'p', scope: `s${number}` })))
      await engine.ddl(numbers.map(table))
    }
    const kv = engine.kv('p')
    for (let serial = 1; serial <= 1_024; serial++) await kv.set('k', Uint8Array.of(1))
    await engine.checkpoint()
    const { memory } = engine.metrics()
    assert.ok(memory.catalogBytes > EACH * 2_000, `${memory.catalogBytes} bytes of the catalog`)
    assert.ok(memory.bytes <= BUDGET_BYTES, `${memory.bytes} bytes are counted`)
    const after = held()
    const objects = after.heap - before.heap
    const counted = memory.catalogBytes + memory.sessionBytes
    assert.ok(objects < counted * 1.25 && objects > counted * 0.7, `${objects} bytes of objects, ${counted} counted`)
    assert.ok(after.rss - before.rss <= 2 * BUDGET_BYTES, `${after.rss - before.rss} bytes more are resident`)
  } finally {
    await engine.close()
    await rm(folder, { recursive: true })
  }
})
