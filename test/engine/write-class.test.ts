import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import type { CommitResult, RequestOptions } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const value = utf8Bytes('v')
const SEEDS = 4
/** Nothing is synced by itself before the power goes. */
const LATE = { batchIntervalMs: 60_000, batchBytes: 1 << 20 }
const LAZY: readonly EngineOptions[] = [{ durability: 'batch', ...LATE }, { durability: 'os' }]

interface Rig {
  readonly engine: Engine
  readonly machine: SimulatedMachine
  /** Syncs of the log. */
  readonly syncs: () => number
}

/** Runs `body` against an engine on virtual time, in a machine that it may take the power from; answers which of `keys` are there after it. */
async function survivors(
  worldSeed: number,
  options: EngineOptions,
  keys: readonly string[],
  body: (rig: Rig) => Promise<unknown>,
): Promise<readonly string[]> {
  const world = new SimulatedWorld({ seed: worldSeed, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'one' })
  let count = 0
  const { disk } = machine
  const begin = disk.begin.bind(disk)
  disk.begin = (user, operation, path) => {
    if (operation === 'sync' && path.includes('/log/segment-')) count++
    return begin(user, operation, path)
  }
  const process = machine.start()
  await world.runToCompletion(
    (async () => {
      const engine = await openEngine('/data', options, process)
      await engine.ddl({ type: 'createProject', project: 'p' }, { writeClass: 'economic' })
      await body({ engine, machine, syncs: () => count })
    })(),
  )
  machine.crash('power')
  const again = machine.start()
  return world.runToCompletion(
    (async () => {
      const engine = await openEngine('/data', options, again)
      const kv = engine.kv('p')
      const found = await Promise.all(keys.map(async key => ((await kv.get(key)) === undefined ? [] : [key])))
      await engine.close()
      return found.flat()
    })(),
  )
}

async function only(options: EngineOptions, body: (rig: Rig) => Promise<unknown>): Promise<void> {
  await survivors(seed, options, [], body)
}

/** Writes "a" as usual and then "b" with `options`; answers how many of the keys a loss of power left in all the runs. */
async function leftOver(engineOptions: EngineOptions, options: RequestOptions): Promise<number> {
  let left = 0
  for (let i = 0; i < SEEDS; i++) {
    const found = await survivors(seed + i, engineOptions, ['a', 'b'], async ({ engine }) => {
      const kv = engine.kv('p')
      const first = await kv.set('a', value)
      assert.equal(first.isDurable, false, 'it was synced too early to show anything')
      const second = await kv.set('b', value, options)
      const isWanted = options.writeClass === 'economic' || options.finality === 'durable'
      assert.equal(second.isDurable, isWanted)
      assert.equal(engine.currentHead.durableSeq >= second.seq, isWanted)
    })
    left += found.length
  }
  return left
}

describe('a commit of an embedded engine that does not sync each one', () => {
  for (const options of LAZY) {
    const { durability } = options
    it(`survives a loss of power if it is economic, with all before it (${durability})`, async () => {
      assert.equal(await leftOver(options, { writeClass: 'economic' }), 2 * SEEDS)
    })

    it(`survives a loss of power if its answer waited for durability (${durability})`, async () => {
      assert.equal(await leftOver(options, { finality: 'durable' }), 2 * SEEDS)
    })

    it(`may be lost otherwise: the disk of these tests does forget (${durability})`, async () => {
      assert.ok((await leftOver(options, { writeClass: 'standard', finality: 'visible' })) < 2 * SEEDS)
    })

    it(`is economic through transactions, DDL and counters too (${durability})`, async () => {
      const economic = { writeClass: 'economic' } as const
      const writes: ((engine: Engine) => Promise<unknown>)[] = [
        engine => engine.transaction(async tx => tx.kv('p').set('a', value), economic),
        engine => engine.kv('p').increment('a', 1, economic),
        engine => engine.kv('p').setMany([['a', value]], economic),
        engine =>
          engine.commit(
            { mutations: [{ type: 'kvSet', project: 'p', key: utf8Bytes('a'), value }] },
            { ...economic, timeoutMs: 1_000 },
          ),
      ]
      for (const [index, write] of writes.entries()) {
        for (let i = 0; i < SEEDS; i++) {
          const found = await survivors(seed + i, options, ['a'], ({ engine }) => write(engine))
          assert.deepEqual(found, ['a'], `write ${index}, seed ${seed + i}`)
        }
      }
    })

    it(`shares the sync that it waits for with others that wait (${durability})`, () =>
      only(options, async ({ engine, syncs }) => {
        const before = syncs()
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, i): Promise<CommitResult> =>
            engine.kv('p').set(`k${i}`, value, { finality: 'durable' }),
          ),
        )
        assert.ok(results.every(({ isDurable }) => isDurable))
        assert.ok(syncs() - before <= 2, `${syncs() - before} syncs for 20 commits of one turn`)
      }))

    it(`tells of a repetition whether the first one is durable by now (${durability})`, () =>
      only(options, async ({ engine }) => {
        const kv = engine.kv('p')
        const first = await kv.set('k', value, { idempotencyKey: 'once' })
        const again = await kv.set('k', value, { idempotencyKey: 'once' })
        const last = await kv.set('k', value, { idempotencyKey: 'once', writeClass: 'economic' })
        assert.deepEqual([first.isDurable, again.isDurable, last.isDurable], [false, false, true])
        assert.deepEqual([again.isDuplicate, last.isDuplicate, last.seq], [true, true, first.seq])
      }))
  }

  it('is answered as failed, and maybe applied, if the sync that it waits for fails', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const process = machine.start()
    await world.runToCompletion(
      (async () => {
        for (const options of [{ finality: 'durable' }, { writeClass: 'economic' }] as const) {
          const engine = await openEngine(`/${Object.keys(options).join()}`, { durability: 'os' }, process)
          await engine.ddl({ type: 'createProject', project: 'p' })
          const path = (each: string): boolean => each.includes('/log/segment-')
          machine.disk.inject({ operation: 'sync', path, times: 1, effect: { type: 'fail', systemCode: 'EIO' } })
          await assert.rejects(engine.kv('p').set('k', value, options), { code: 'storage_failed', applied: 'unknown' })
          await engine.close()
        }
      })(),
    )
  })

  it('stays with durability full what every commit is there', () =>
    only({}, async ({ engine, syncs }) => {
      const before = syncs()
      const { isDurable } = await engine.kv('p').set('k', value, { writeClass: 'economic', finality: 'durable' })
      assert.ok(isDurable)
      assert.equal(syncs() - before, 1)
    }))
})
