import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

async function figures(
  options: EngineOptions,
  work: (engine: Engine, wait: (ms: number) => Promise<void>) => Promise<unknown>,
): Promise<ReturnType<Engine['metrics']>> {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'one' })
  return world.runToCompletion(
    (async () => {
      const engine = await openEngine('/data', { checkpointAgeMs: 3_600_000, ...options }, machine.start())
      await engine.ddl({ type: 'createProject', project: 'p' })
      await work(engine, ms => world.delay(ms))
      const metrics = engine.metrics()
      await engine.close()
      return metrics
    })(),
  )
}

describe(`the figures of an embedded engine (seed ${seed})`, () => {
  it('tell how many entries went together, and why the log was synced', async () => {
    const together = (engine: Engine): Promise<unknown> =>
      Promise.all(Array.from({ length: 8 }, (_, i) => engine.kv('p').set(`k${i}`, new Uint8Array(100))))
    const full = await figures({ durability: 'full' }, together)
    assert.equal(full.log.sizes.max, 8)
    assert.equal(full.epochs.sizes.max, 8)
    assert.equal(full.log.sizes.count, full.log.appends)
    assert.equal(full.log.syncs.frame, full.log.appends)
    assert.deepEqual([full.log.syncs.bytes, full.log.syncs.interval, full.durableWaits.count], [0, 0, 0])
    const bytes = await figures({ durability: 'batch', batchBytes: 500, batchIntervalMs: 1_000 }, together)
    assert.ok(bytes.log.syncs.bytes >= 1)
    assert.deepEqual([bytes.log.syncs.frame, bytes.log.syncs.interval], [0, 0])
    const interval = await figures({ durability: 'batch', batchIntervalMs: 5 }, async (engine, wait) => {
      await engine.kv('p').set('k', new Uint8Array(1))
      await wait(100)
    })
    assert.deepEqual([interval.log.syncs.bytes, interval.log.syncs.frame], [0, 0])
    assert.ok(interval.log.syncs.interval >= 1)
  })

  it('count waits for what is durable, repetitions and preflights', async () => {
    const metrics = await figures({ durability: 'os' }, async engine => {
      const kv = engine.kv('p')
      const { seq } = await kv.set('k', new Uint8Array(1), { idempotencyKey: 'once' })
      await engine.waitForDurable(seq)
      await engine.waitForDurable(seq)
      await kv.set('k', new Uint8Array(1), { idempotencyKey: 'once' })
      await kv.set('l', new Uint8Array(1), { finality: 'durable' })
      const mutations = [{ type: 'kvDelete', project: 'p', key: Uint8Array.of(1) } as const]
      await engine.preflight({ mutations })
      await engine.preflight({ mutations: [{ ...mutations[0]!, project: 'none' }] })
    })
    assert.equal(metrics.durableWaits.count, 2, 'what is synced already is not waited for')
    assert.deepEqual(metrics.repeated, { session: 0, idempotencyKey: 1 })
    assert.deepEqual(metrics.preflights, { valid: 1, refused: 1 })
    assert.ok(metrics.log.syncs.asked >= 2)
  })
})
