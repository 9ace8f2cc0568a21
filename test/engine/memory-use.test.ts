import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Ddl } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine } from '../../src/engine/index.ts'
import { setEngineMutants } from '../../src/engine/mutants.ts'
import { sessionBytesOf } from '../../src/engine/memory-use.ts'
import { QuorateError } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { Harness, set } from './harness.ts'
import { runToEnd } from './run-to-end.ts'

const BUDGET_BYTES = 1 << 20
const OPTIONS = {
  pageBytes: 4096,
  budgetBytes: BUDGET_BYTES,
  segmentBytes: 64 << 10,
  checkpointLogBytes: 256 << 10,
} as const

function table(name: string): Ddl {
  return {
    type: 'createTable',
    project: 'p',
    table: name,
    columns: ['id', 'first', 'second', 'third'].map((column, i) => ({
      name: column,
      type: i === 0 ? 'integer' : 'text',
    })),
    primaryKey: ['id'],
    indexes: [{ name: 'by-first', columns: ['first'] }],
  }
}

const scope = (name: string): Ddl => ({ type: 'createScope', project: 'p', scope: name })

async function opened(options: { budgetBytes?: number } = {}): Promise<{
  engine: Engine
  run: <T>(task: Promise<T>) => Promise<T>
}> {
  const world = new SimulatedWorld({ seed: 1, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'one' })
  const run = <T>(task: Promise<T>): Promise<T> => runToEnd(world, task)
  const engine = await run(openEngine('/data', { ...OPTIONS, ...options }, machine.start()))
  await run(engine.ddl({ type: 'createProject', project: 'p' }))
  return { engine, run }
}

/** Creates tables, ten at a time, until that is refused; how many there are then. Undefined: never, within `most`. */
async function fill({ engine, run }: Awaited<ReturnType<typeof opened>>, most: number): Promise<number | undefined> {
  for (let made = 0; made < most; made += 10) {
    const ten = Array.from({ length: 10 }, (_, i) => table(`t${made + i}`))
    try {
      await run(patiently(engine, () => engine.ddl(ten)))
    } catch (error) {
      if (!(error instanceof QuorateError && error.code === 'memory_budget_exceeded')) throw error
      assert.deepEqual([error.applied, error.retryable], ['no', false])
      return made
    }
  }
  return undefined
}

async function patiently<T>(engine: Engine, write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write()
    } catch (error) {
      if (!(error instanceof QuorateError && error.code === 'busy')) throw error
      await engine.checkpoint()
    }
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapBytes(): number {
  for (let i = 0; i < 3; i++) collect()
  return process.memoryUsage().heapUsed
}

describe('the memory of the catalog', () => {
  afterEach(() => setEngineMutants())

  it('counts in the budget, and does not grow beyond half of it: that is refused, everything else goes on', async () => {
    const bed = await opened()
    const { engine, run } = bed
    const tables = await fill(bed, 1_000)
    assert.ok(tables !== undefined && tables > 100, `${tables} tables`)
    const { catalogBytes } = engine.metrics().memory
    assert.ok(catalogBytes > BUDGET_BYTES / 2 && catalogBytes < BUDGET_BYTES * 0.56, `${catalogBytes} bytes`)
    const refused = { code: 'memory_budget_exceeded' }
    await assert.rejects(run(engine.ddl(scope('one'))), refused)
    await assert.rejects(run(engine.ddl({ type: 'createProject', project: 'q' })), refused)
    const addColumn = { type: 'addColumn', column: { name: 'more', type: 'text', nullable: true } } as const
    await assert.rejects(
      run(engine.ddl({ type: 'alterTable', project: 'p', table: 't0', alteration: addColumn })),
      refused,
    )
    let peak = 0
    for (let i = 0; i < 900; i++) {
      await run(patiently(engine, () => engine.kv('p').set(`key ${i}`, new Uint8Array(900).fill(i))))
      peak = Math.max(peak, engine.metrics().memory.bytes)
    }
    assert.ok(peak <= BUDGET_BYTES * 1.05, `${peak} bytes at the most`)
    await run(engine.table({ project: 'p', table: 't7' }).insert({ id: 1, first: 'a', second: 'b', third: 'c' }))
    await run(
      engine.ddl(Array.from({ length: 20 }, (_, i) => ({ type: 'dropTable', project: 'p', table: `t${i + 20}` }))),
    )
    await run(engine.ddl(scope('one')))
    await run(engine.close())
  })

  it('is found out where nobody counts it', async () => {
    setEngineMutants('catalog_not_counted')
    assert.equal(await fill(await opened(), 400), undefined)
  })

  it('is what its objects take on the heap', async () => {
    const { engine, run } = await opened({ budgetBytes: 128 << 20 })
    const [heap, counted] = [heapBytes(), engine.metrics().memory.catalogBytes]
    for (let i = 0; i < 2_000; i += 500) {
      await run(engine.ddl(Array.from({ length: 500 }, (_, j) => table(`t${i + j}`))))
      await run(engine.ddl(Array.from({ length: 500 }, (_, j) => scope(`s${i + j}`))))
    }
    await run(engine.checkpoint())
    const [onHeap, more] = [heapBytes() - heap, engine.metrics().memory.catalogBytes - counted]
    assert.ok(more > onHeap * 0.7 && more < onHeap * 1.5, `${more} bytes are counted, ${onHeap} on the heap`)
    await run(engine.close())
  })
})

describe('the memory of sessions', () => {
  const WINDOW = 200

  it('stays within its share with full windows of many, each of which still gives its first answers', async () => {
    const budgetBytes = 2 << 20
    const harness = await Harness.withProject({ pageBytes: 4096, budgetBytes })
    const sessions: number[] = []
    for (let i = 0; i < 60; i++) sessions.push((await harness.openSession()).session)
    let peak = 0
    const first = new Map<string, number>()
    for (let serial = 1; serial <= WINDOW; serial++) {
      for (const session of sessions) {
        const outcome = await harness.submit({ mutations: [set('k', '1')] }, { session, serial })
        first.set(`${session} ${serial}`, outcome.seq)
        peak = Math.max(peak, harness.core.memory.sessionBytes)
      }
      if (harness.core.isBusy) await harness.checkpoint()
    }
    const most = sessionBytesOf(budgetBytes)
    assert.ok(peak > most / 2 && peak < most * 1.1, `${peak} of ${most} bytes`)
    for (const session of sessions) {
      for (const serial of [1, 63, 64, 65, WINDOW]) {
        const again = await harness.submit({ mutations: [set('k', '2')] }, { session, serial })
        assert.ok(again.isDuplicate, `serial ${serial} of ${session}`)
        assert.equal(harness.get('k'), '1')
      }
    }
  })
})
