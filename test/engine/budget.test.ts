import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine } from '../../src/engine/index.ts'
import { createTable, defineTable, integer, QuorateError, text } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { runToEnd } from './run-to-end.ts'

const BUDGET_BYTES = 256 << 10
/** Below 32 pages an operation may exceed the budget by its path; this is above. And the entries of a frame that is not written yet. */
const OPTIONS = {
  pageBytes: 4096,
  budgetBytes: BUDGET_BYTES,
  segmentBytes: 64 << 10,
  checkpointLogBytes: 128 << 10,
} as const

const rows = defineTable('rows', {
  project: 'p',
  columns: { id: integer().primaryKey(), name: text(), city: text() },
  indexes: [{ columns: ['name'] }, { columns: ['city', 'name'] }],
})

/** What of the engine is filled, in steps of about a kilobyte or less, and read back. */
interface Kind {
  /** How far memory may exceed the budget while it is written: large values that wait to be written come on top. */
  readonly excess?: number
  readonly steps: number
  write(engine: Engine, step: number): Promise<unknown>
  check(engine: Engine, step: number): Promise<void>
}

function padded(step: number, length: number): string {
  return `${step} `.padEnd(length, 'x')
}

const KINDS: Readonly<Record<string, Kind>> = {
  'keys with values in the pages': {
    steps: 1_400,
    write: (engine, step) => engine.kv('p').set(padded(step, 100), utf8Bytes(padded(step, 500))),
    async check(engine, step) {
      assert.deepEqual(await engine.kv('p').get(padded(step, 100)), utf8Bytes(padded(step, 500)))
    },
  },
  'large values': {
    excess: 2.1,
    steps: 250,
    write: (engine, step) => engine.kv('p').set(`large ${step}`, utf8Bytes(padded(step, 5_000))),
    async check(engine, step) {
      assert.deepEqual(await engine.kv('p').get(`large ${step}`), utf8Bytes(padded(step, 5_000)))
    },
  },
  'rows and two indexes': {
    // A row dirties pages of three trees: by where its cells fall, four to five pages more than the budget may wait to be written.
    excess: 1.1,
    steps: 900,
    write: (engine, step) =>
      engine.table(rows).upsert({ id: step, name: padded(step, 200), city: padded(step % 7, 100) }),
    async check(engine, step) {
      assert.deepEqual(await engine.table(rows).get(step), {
        id: step,
        name: padded(step, 200),
        city: padded(step % 7, 100),
      })
      assert.equal(await engine.table(rows).count(c => c.name.eq(padded(step, 200))), 1)
    },
  },
  events: {
    steps: 1_500,
    write: (engine, step) =>
      engine.commit({
        mutations: [
          { type: 'emitEvent', project: 'p', topic: 't', key: String(step), payload: `"${padded(step, 500)}"` },
        ],
      }),
    check: () => Promise.resolve(),
  },
}

class Machine {
  readonly world = new SimulatedWorld({ seed: 1, drainMicrotasks })
  readonly machine = new SimulatedMachine(this.world, { name: 'one' })

  run<T>(task: Promise<T>): Promise<T> {
    return runToEnd(this.world, task)
  }
}

describe('the memory budget of the engine', () => {
  for (const [name, kind] of Object.entries(KINDS)) {
    it(`holds for ${name}, many times as much as fits, all of which reads back`, async () => {
      const machine = new Machine()
      const engine = await machine.run(openEngine('/data', OPTIONS, machine.machine.start()))
      await machine.run(engine.ddl([{ type: 'createProject', project: 'p' }, createTable(rows)]))
      let peak = 0
      const { excess = 1.05 } = kind
      const within = (): void => {
        const { memory } = engine.metrics()
        peak = Math.max(peak, memory.bytes)
      }
      for (let step = 0; step < kind.steps; step++) {
        await machine.run(patiently(engine, () => kind.write(engine, step)))
        if (step % 8 === 0) within()
      }
      assert.ok(peak <= BUDGET_BYTES * excess, `${peak} bytes at the most`)
      await machine.run(engine.checkpoint())
      peak = 0
      for (let step = 0; step < kind.steps; step += 29) {
        await machine.run(kind.check(engine, step))
        within()
      }
      const { pages, memory } = engine.metrics()
      assert.ok(pages.used * pages.bytes > 3 * BUDGET_BYTES, `${pages.used} pages are used`)
      assert.ok(peak <= BUDGET_BYTES * 1.05, `${peak} bytes while it is read`)
      assert.equal(memory.budgetBytes, BUDGET_BYTES)
      await machine.run(engine.close())
    })
  }

  it('gives the space back of what is written anew: the file stays within a few copies', async () => {
    const machine = new Machine()
    const engine = await machine.run(openEngine('/data', OPTIONS, machine.machine.start()))
    await machine.run(engine.ddl([{ type: 'createProject', project: 'p' }, createTable(rows)]))
    const sizes: number[] = []
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 60; i++) {
        await machine.run(
          patiently(engine, () => engine.kv('p').set(`key ${i}`, utf8Bytes(padded(round, i % 5 === 0 ? 9_000 : 900)))),
        )
      }
      await machine.run(engine.checkpoint())
      sizes.push(engine.metrics().pages.file)
    }
    assert.ok(sizes.at(-1)! <= sizes[29]! * 1.02, `${sizes.join(', ')}: it stops to grow`)
    assert.ok(sizes.at(-1)! <= 4 * sizes[0]!, `${sizes.join(', ')}: a few copies`)
    const { used, file } = engine.metrics().pages
    assert.ok(used <= file, `${used} of ${file}`)
    await machine.run(engine.close())
  })
})

async function patiently(engine: Engine, write: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await write()
      return
    } catch (error) {
      if (!(error instanceof QuorateError && error.code === 'busy')) throw error
      await engine.checkpoint()
    }
  }
}
