import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'

/** Less memory than what one entry, one read or the catalog touches: it must be got through all the same. */
const SMALL: EngineOptions = { pageBytes: 4096, budgetBytes: 4 * 4096 }
const T = { project: 'p', table: 't' }
/** Rows of one statement: each in a page of its own, with entries of an index in others. */
const ROWS = 240
const VIRTUAL_MS_MAX = 60_000

class Machine {
  readonly world = new SimulatedWorld({ seed: 1, drainMicrotasks })
  readonly machine = new SimulatedMachine(this.world, { name: 'one' })

  async run<T>(options: EngineOptions, body: (engine: Engine) => Promise<T>): Promise<T> {
    const process = this.machine.start()
    const result = await this.world.runToCompletion(
      (async () => {
        const engine = await openEngine('/data', options, process)
        const value = await body(engine)
        await engine.close()
        return value
      })(),
      VIRTUAL_MS_MAX,
    )
    this.machine.crash('process')
    return result
  }
}

function rowsOf(round: number): { id: number; note: string }[] {
  return Array.from({ length: ROWS }, (_, i) => ({ id: i, note: `${(i * 7919) % ROWS}.${round}.${'x'.repeat(700)}` }))
}

const CREATE: Ddl[] = [
  { type: 'createProject', project: 'p' },
  {
    type: 'createTable',
    ...T,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'note', type: 'text' },
    ],
    primaryKey: ['id'],
    indexes: [{ name: 'by_note', columns: ['note'] }],
  },
]

describe('with less memory than the work at hand touches', () => {
  it('an older state is reached over a statement of many rows', () =>
    new Machine().run(SMALL, async engine => {
      await engine.ddl(CREATE)
      const table = engine.table(T)
      await table.upsertMany(rowsOf(0))
      await engine.checkpoint()
      const { token } = await table.upsertMany(rowsOf(1))
      await table.update({ id: 5 }, { note: 'later' })
      await using old = await engine.view({ consistency: { atSeq: token } })
      assert.match(String((await old.table(T).get({ id: 5 }))?.['note']), /\.1\.x/)
    }))

  it('pages of events are whole', () =>
    new Machine().run(SMALL, async engine => {
      await engine.ddl(CREATE)
      const events = engine.events('p')
      const payload = JSON.stringify('x'.repeat(500))
      for (let i = 0; i < 60; i++) {
        await events.emit([
          { topic: 't', key: `${i}a`, payload },
          { topic: 't', key: `${i}b`, payload },
        ])
      }
      await engine.kv('p').setMany(Array.from({ length: 40 }, (_, i) => [`k${i}`, new Uint8Array(1_000)] as const))
      await engine.checkpoint()
      const keys: string[] = []
      for (let after: number | undefined = 0; after !== undefined;) {
        // The third event of a page is one too many: it goes with its commit.
        const page = await events.read({ after, limit: 3 })
        for (const { key } of page.events) keys.push(key)
        after = page.next
      }
      assert.deepEqual(keys, Array.from({ length: 60 }, (_, i) => [`${i}a`, `${i}b`]).flat())
    }))

  it('many keys are read at once', () =>
    new Machine().run(SMALL, async engine => {
      await engine.ddl(CREATE)
      const kv = engine.kv('p')
      const keys = Array.from({ length: ROWS }, (_, i) => `k${i}`)
      for (const key of keys) await kv.set(key, new Uint8Array(900))
      const values = await kv.getMany(keys)
      assert.equal(values.filter(value => value?.length === 900).length, ROWS)
    }))

  it('it is found what a transaction of many rows would do', () =>
    new Machine().run(SMALL, async engine => {
      await engine.ddl(CREATE)
      await engine.table(T).upsertMany(rowsOf(0))
      const { isValid, rows } = await engine.preflight({ mutations: [{ type: 'upsert', ...T, rows: rowsOf(2) }] })
      assert.deepEqual([isValid, rows], [true, ROWS])
    }))

  it('a catalog of many tables is opened and listed', async () => {
    const one = new Machine()
    const names = Array.from({ length: 120 }, (_, i) => `table_${i}_${'n'.repeat(20)}`)
    const columns = Array.from({ length: 40 }, (_, i) => ({
      name: `column_${i}_${'c'.repeat(20)}`,
      type: 'text' as const,
    }))
    await one.run({ pageBytes: 4096 }, async engine => {
      await engine.ddl({ type: 'createProject', project: 'p' })
      const tables = names.map((table): Ddl => ({
        type: 'createTable',
        project: 'p',
        table,
        columns,
        primaryKey: [columns[0]!.name],
      }))
      for (const table of tables) await engine.ddl(table)
    })
    await one.run(SMALL, async engine => {
      assert.equal((await engine.tables('p')).length, names.length)
    })
  })
})
