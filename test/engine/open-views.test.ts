import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'

/** `pass` lets virtual time go by. */
async function withEngine(
  options: EngineOptions,
  body: (engine: Engine, pass: (ms: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const world = new SimulatedWorld({ seed: 1, drainMicrotasks })
  const process = new SimulatedMachine(world, { name: 'one' }).start()
  const pass = (ms: number): Promise<void> => new Promise(resolve => void process.timers.after(ms, resolve))
  await world.runToCompletion(
    (async () => {
      const engine = await openEngine('/data', options, process)
      await engine.ddl({ type: 'createProject', project: 'p' })
      await engine.kv('p').set('a', utf8Bytes('1'))
      await body(engine, pass)
      await engine.close()
    })(),
  )
}

describe('views of an embedded database', () => {
  it('are as many as the limit, whichever way they are opened, and closing one makes room', () =>
    withEngine({ views: { openMax: 3 } }, async engine => {
      const views = [await engine.view(), await engine.view()]
      const local = engine.snapshot()
      assert.equal(engine.metrics().views.open, 3)
      await assert.rejects(engine.view(), { code: 'view_limit', retryable: true })
      await assert.rejects(engine.view({ consistency: 'checkpoint' }), { code: 'view_limit' })
      assert.throws(() => engine.snapshot(), { code: 'view_limit' })
      await assert.rejects(
        engine.transaction(tx => tx.kv('p').get('a')),
        { code: 'view_limit' },
        'a transaction has one, too',
      )
      assert.ok((await engine.kv('p').get('a')) !== undefined, 'single reads need none')
      local[Symbol.dispose]()
      local[Symbol.dispose]()
      const again = await engine.view()
      for (const view of [...views, again]) await view.close()
      assert.deepEqual(engine.metrics().views, { open: 0, oldestMs: 0 })
    }))

  it('asked for together are no more than the limit, and those refused pin nothing', () =>
    withEngine({ views: { openMax: 2 } }, async engine => {
      const token = (await engine.kv('p').set('a', utf8Bytes('2'))).token
      await engine.kv('p').set('a', utf8Bytes('3'))
      const asked = await Promise.allSettled(
        Array.from({ length: 5 }, () => engine.view({ consistency: { atSeq: token } })),
      )
      const open = asked.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
      assert.equal(open.length, 2)
      assert.equal(engine.metrics().views.open, 2)
      for (const view of open) await view.close()
      assert.equal(engine.metrics().pages.heldRoots, 0)
    }))

  it('that are older than they may be are closed, read or not, and others stay', () =>
    withEngine({ views: { maxAgeMs: 10_000 } }, async (engine, pass) => {
      const old = await engine.view()
      const local = engine.snapshot()
      await pass(6_000)
      const young = await engine.view()
      assert.ok(engine.metrics().views.oldestMs >= 6_000)
      for (let i = 0; i < 3; i++) await old.kv('p').get('a')
      await pass(5_000)
      await assert.rejects(old.kv('p').get('a'), { code: 'view_expired', message: /10000 ms/ })
      assert.throws(() => local.kv('p').get('a'), { code: 'view_expired' })
      assert.ok((await young.kv('p').get('a')) !== undefined)
      assert.equal(engine.metrics().views.open, 1)
      await old.close()
      await pass(6_000)
      await assert.rejects(young.kv('p').get('a'), { code: 'view_expired' })
      assert.equal(engine.metrics().pages.heldRoots, 0)
    }))

  it('have limits that make sense', async () => {
    for (const views of [{ openMax: 0 }, { openMax: 1.5 }, { maxAgeMs: 0 }, { maxAgeMs: Number.NaN }]) {
      const world = new SimulatedWorld({ seed: 1, drainMicrotasks })
      const process = new SimulatedMachine(world, { name: 'one' }).start()
      await world.runToCompletion(
        assert.rejects(openEngine('/data', { views }, process), { code: 'invalid_argument' }).then(() => undefined),
      )
    }
  })
})
