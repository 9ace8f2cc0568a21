import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { Harness, remove, set } from './harness.ts'
import { seed } from './seed.ts'

it('what is applied is counted once, by project and by the code of a refusal', async () => {
  const harness = await Harness.withProject({ pageBytes: 4096, budgetBytes: 64 << 10 })
  await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'q' } }] })
  const { counters } = harness.core
  const before = counters.committed
  // With so little memory entries meet cold pages, and are applied again.
  for (let i = 0; i < 300; i++) await harness.commit({ mutations: [set(`k${(i * 7919) % 300}`, 'x'.repeat(900))] })
  assert.equal(counters.committed - before, 300)
  await harness.commit({ mutations: [{ ...set('a', '1'), project: 'q' } as never] })
  await harness.refusal({ mutations: [set('k', 'x'), { ...remove('a'), scope: 'none' } as never] })
  await harness.refusal({
    assertions: [{ type: 'keyExists', project: 'q', key: Uint8Array.of(9), expected: true }],
    mutations: [],
  })
  assert.deepEqual(
    [...counters.refusals].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    [
      ['assertion_failed', 1],
      ['scope_not_found', 1],
    ],
  )
  harness.get('a')
  harness.get('b')
  const figures = harness.core
    .projectFigures()
    .map(({ name, committed, refused, reads, keys }) => [name, { committed, refused, reads, keys }])
  assert.deepEqual(figures, [
    ['p', { committed: 300, refused: 1, reads: 2, keys: 300 }],
    ['q', { committed: 1, refused: 0, reads: 0, keys: 1 }],
  ])
  await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'dropProject', project: 'q' } }] })
  assert.deepEqual(
    harness.core.projectFigures().map(({ name }) => name),
    ['p'],
  )
})

it('an embedded database notes commits and queries that take long once it is given a threshold', async () => {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'engine' })
  const work = async (): Promise<void> => {
    await using engine = await openEngine('/data', {}, machine.start())
    await engine.ddl({ type: 'createProject', project: 'p' })
    const columns = [{ name: 'id', type: 'integer' }] as const
    await engine.ddl({ type: 'createTable', project: 'p', table: 't', columns, primaryKey: ['id'] })
    assert.deepEqual(engine.slow.list(), [])
    engine.slow.thresholdMs = 0
    await engine.as('root').kv('p').set('k', Uint8Array.of(1), { ifAbsent: true })
    await assert.rejects(engine.kv('p').set('k', Uint8Array.of(1), { ifAbsent: true }))
    await engine.kv('p').get('k')
    await engine.query({ project: 'p', from: 't', limit: 1 }).all()
    assert.deepEqual(
      engine.slow.list().map(({ kind, caller, project, code, plan }) => [kind, caller, project, code ?? plan?.path]),
      [
        ['query', 'root', 'p', 'fullScan'],
        ['commit', 'root', 'p', 'assertion_failed'],
        ['commit', 'root', 'p', undefined],
      ],
    )
    for (const { totalMs, phases } of engine.slow.list()) {
      const { queueMs, commitMs = 0, applyMs = 0, runMs = 0, replyMs } = phases
      assert.equal(queueMs + commitMs + applyMs + runMs + replyMs, totalMs)
    }
  }
  await world.runToCompletion(work())
})

it('an embedded database tells what it refused, how long queries take, how far it is durable and what projects hold', async () => {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'engine' })
  const work = async (): Promise<void> => {
    const platform = machine.start()
    const engine = await openEngine('/data', { durability: 'os' }, platform)
    await engine.ddl({ type: 'createProject', project: 'p' })
    const columns = [{ name: 'id', type: 'integer' }] as const
    await engine.ddl({ type: 'createTable', project: 'p', table: 't', columns, primaryKey: ['id'] })
    await engine.kv('p').set('k', Uint8Array.of(1), { ifAbsent: true })
    await assert.rejects(engine.kv('p').set('k', Uint8Array.of(1), { ifAbsent: true }))
    await engine.query({ project: 'p', from: 't', limit: 1 }).all()
    const { commits, refusals, queries, head, projects, opening } = engine.metrics()
    assert.deepEqual(refusals, { assertion_failed: 1 })
    assert.equal(commits.conflictRate, 1 / commits.answered)
    assert.ok(commits.latency.p999Ms >= commits.latency.p99Ms)
    assert.equal(queries.count, 1)
    assert.ok(head.lagEntries > 0 && head.visibleSeq - head.durableSeq === head.lagEntries)
    assert.deepEqual([projects[0]?.name, projects[0]?.keys, projects[0]?.refused], ['p', 1, 0])
    assert.equal(opening.seq, 0)
    assert.deepEqual([engine.metrics().pages.heldRoots, engine.metrics().pages.oldestHeldMs], [0, 0])
    const view = await engine.view()
    await engine.kv('p').set('later', Uint8Array.of(1))
    await world.delay(700, platform)
    assert.equal(engine.metrics().pages.heldRoots, 1)
    assert.ok(engine.metrics().pages.oldestHeldMs >= 700)
    await view.close()
    assert.equal(engine.metrics().pages.heldRoots, 0)
    engine.flush()
    assert.equal(engine.metrics().head.lagEntries, 0)
    await engine.close()
    await using again = await openEngine('/data', {}, platform)
    assert.ok(again.metrics().opening.seq > 0)
    assert.equal(again.metrics().projects[0]?.keys, 2)
  }
  await world.runToCompletion(work())
})
