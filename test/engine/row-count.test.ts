import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import { createTable, defineTable, integer, text, type Table, type TableDefinition } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SeededRandom, SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const things = defineTable('things', {
  project: 'p',
  columns: { id: integer().primaryKey(), kind: text() },
})
type Things = typeof things extends TableDefinition<infer Shape> ? Table<Shape> : never

/** Both ways of counting: by the keyspace's own count, and row by row. */
async function counts(table: Pick<Things, 'count'>): Promise<[number, number]> {
  return [await table.count(), await table.count(c => c.id.isNotNull())]
}

it(`rows are counted without a walk as they are one by one, whatever has happened to them (seed ${seed})`, async () => {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const random = new SeededRandom(seed)
  const work = async (): Promise<void> => {
    const process = new SimulatedMachine(world, { name: 'engine' }).start()
    await using db = await openEngine('/data', {}, process)
    await db.ddl([{ type: 'createProject', project: 'p' }, createTable(things)])
    const other = { project: 'p', table: 'other' }
    await db.ddl({ type: 'createTable', ...other, columns: [{ name: 'id', type: 'integer' }], primaryKey: ['id'] })
    const table = db.table(things)
    let highest = 0
    for (let round = 0; round < 120; round++) {
      const id = random.below(200)
      const step = random.below(6)
      if (step === 0) await table.upsert({ id, kind: 'x' }, { ttlMs: 1 + random.below(3_000) })
      else if (step === 1) await table.upsert({ id, kind: 'x' })
      else if (step === 2) await table.delete(id)
      else if (step === 3) await table.deleteWhere(c => c.id.lt(id), { limit: 3 })
      else if (step === 4) await world.delay(random.below(500), process)
      else await db.table(other).upsert({ id }, { ttlMs: 1 + random.below(2_000) })
      const [counted, walked] = await counts(table)
      assert.equal(counted, walked, `round ${round}`)
      highest = Math.max(highest, counted)
      if (round % 10 !== 0) continue
      await using view = await db.view()
      await table.upsert({ id: 1_000 + round, kind: 'later' })
      const inside = await counts(view.table(things))
      assert.equal(inside[0], inside[1])
      assert.equal(inside[0], counted)
      const earlier = await db.view({ consistency: { atSeq: view.token } })
      assert.deepEqual(await counts(earlier.table(things)), inside)
      await earlier.close()
      const noted = await db.transaction(tx => tx.table(things).count())
      assert.equal(noted, await table.count())
    }
    assert.ok(highest > 10)
    await db.ddl([
      { type: 'setReadPolicy', project: 'p', table: 'things', policy: { op: 'eq', column: 'kind', value: 'later' } },
      { type: 'grant', caller: 'ann', permission: { type: 'tableRead', project: 'p' } },
    ])
    const [seen, walked] = await counts(db.as('ann').table(things))
    assert.equal(seen, walked)
    assert.ok(seen > 0 && seen < (await table.count()))
  }
  await world.runToCompletion(work())
})

it('counting without a walk looks at no row', async () => {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const work = async (): Promise<void> => {
    const process = new SimulatedMachine(world, { name: 'engine' }).start()
    await using db = await openEngine('/data', {}, process)
    await db.ddl([{ type: 'createProject', project: 'p' }, createTable(things)])
    await db.table(things).insertMany(Array.from({ length: 500 }, (_, id) => ({ id, kind: 'x' })))
    const ask = async (more: object): Promise<[unknown, number]> => {
      const count = { project: 'p', from: 'things', aggregates: [{ function: 'count' }], allowFullScan: true } as const
      const { rows, examined } = await db.query({ ...count, ...more }).page()
      return [rows, examined]
    }
    assert.deepEqual(await ask({}), [[{ count: 500 }], 0])
    const twice = [
      { function: 'count', as: 'a' },
      { function: 'count', as: 'b' },
    ]
    assert.deepEqual(await ask({ aggregates: twice }), [[{ a: 500, b: 500 }], 0])
    // Everything else is answered by the rows themselves.
    assert.deepEqual(await ask({ having: { op: 'gt', column: 'count', value: 500 } }), [[], 500])
    assert.deepEqual(await ask({ where: { op: 'lt', column: 'id', value: 5 } }), [[{ count: 5 }], 5])
    assert.equal((await ask({ groupBy: ['kind'] }))[1], 500)
    assert.equal((await ask({ aggregates: [{ function: 'count', column: 'kind', as: 'n' }] }))[1], 500)
  }
  await world.runToCompletion(work())
})

it('counting without a walk says so, and where a policy hides rows no number of them is told', async () => {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const work = async (): Promise<void> => {
    const process = new SimulatedMachine(world, { name: 'engine' }).start()
    await using db = await openEngine('/data', {}, process)
    await db.ddl([
      { type: 'createProject', project: 'p' },
      createTable(things),
      { type: 'setReadPolicy', project: 'p', table: 'things', policy: { op: 'eq', column: 'kind', value: 'open' } },
      { type: 'grant', caller: 'ann', permission: { type: 'tableRead', project: 'p' } },
    ])
    const rows = Array.from({ length: 300 }, (_, id) => ({ id, kind: id % 3 === 0 ? 'open' : 'closed' }))
    await db.table(things).insertMany(rows)
    const count = { project: 'p', from: 'things', aggregates: [{ function: 'count' }] } as const
    const { plan, stages } = (await db.query(count).diagnose()).diagnostics
    assert.deepEqual([plan.path, plan.isBounded, plan.stages.length], ['rowCount', true, 1])
    assert.deepEqual(stages, [{ read: 0, rows: 1, heldBytes: 0 }])
    assert.deepEqual((await db.query(count).explain()).stages, plan.stages)
    assert.equal(
      (await db.query({ ...count, where: { op: 'gt', column: 'id', value: 5 } }).explain()).path,
      'primaryKeyRange',
    )

    const hidden = await db.as('ann').query(count).diagnose()
    assert.deepEqual(hidden.rows, [{ count: 100 }])
    const [scan] = hidden.diagnostics.stages
    assert.deepEqual([hidden.diagnostics.plan.path, scan?.read, scan?.rows], ['fullScan', 100, 100])
    assert.equal(hidden.diagnostics.plan.stages[0]?.maxRows, undefined)
    const known = await db.query({ project: 'p', from: 'things', allowFullScan: true }).explain()
    assert.deepEqual([known.stages[0]?.estimatedRows, known.stages[0]?.maxRows], [300, 300])

    using view = db.snapshot({ caller: 'ann' })
    const local = view.diagnose({ project: 'p', from: 'things', limit: 7 })
    assert.deepEqual(
      [local.result.rows.length, local.diagnostics.stages[0]?.read],
      [7, 8],
      'and one that tells of more',
    )
    assert.equal(local.diagnostics.plan.seq, view.seq)
  }
  await world.runToCompletion(work())
})
