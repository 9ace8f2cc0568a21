import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import type { QuorateError } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const value = utf8Bytes('v')
/** Enough sets one after the other for a writer to be taken for a lone one. */
const LONE_SETS = 40

interface Counts {
  turns: number
  /** Syncs of the log: with `full` one a frame. */
  frames: number
  /** Lets virtual time go by. */
  pause: (ms: number) => Promise<void>
}

/** Runs `body` against an engine on virtual time, counting turns of the loop and frames. */
async function withEngine(
  body: (engine: Engine, counts: Counts) => Promise<void>,
  options: EngineOptions = {},
): Promise<void> {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'one' })
  const process = machine.start()
  const pause = (ms: number): Promise<void> => new Promise(resolve => void process.timers.after(ms, resolve))
  const counts: Counts = { turns: 0, frames: 0, pause }
  const { disk } = machine
  const begin = disk.begin.bind(disk)
  disk.begin = (user, operation, path) => {
    if (operation === 'sync' && path.includes('/log/segment-')) counts.frames++
    return begin(user, operation, path)
  }
  let isOver = false
  const countTurn = (): void => {
    counts.turns++
    if (!isOver) process.timers.endOfTurn(countTurn)
  }
  await world.runToCompletion(
    (async () => {
      const engine = await openEngine('/data', options, process)
      await engine.ddl({ type: 'createProject', project: 'p' })
      if (options.durability === undefined) countTurn() // time stands still while a turn follows the other
      await body(engine, counts)
      isOver = true
      await engine.close()
    })(),
  )
}

async function setOneByOne(engine: Engine, name: string, sets: number): Promise<void> {
  const kv = engine.kv('p')
  for (let i = 0; i < sets; i++) await kv.set(`${name}${i}`, value)
}

describe('the sequencer of an embedded engine', () => {
  it('lets the loop go on under a writer that never pauses, though not after each commit', () =>
    withEngine(async (engine, counts) => {
      await setOneByOne(engine, 'a', LONE_SETS)
      const { turns, frames } = counts
      await setOneByOne(engine, 'a', 90)
      assert.equal(counts.frames - frames, 90)
      assert.ok(counts.turns - turns >= 10, `${counts.turns - turns} turns in 90 commits`)
      assert.ok(counts.turns - turns < 45, `${counts.turns - turns} turns in 90 commits`)
    }))

  it('gives writers one frame as soon as there are several, also after one was alone', () =>
    withEngine(async (engine, counts) => {
      await setOneByOne(engine, 'a', LONE_SETS)
      const { frames } = counts
      await Promise.all(Array.from({ length: 20 }, (_, i) => setOneByOne(engine, `w${i}-`, 10)))
      const used = counts.frames - frames
      assert.ok(used <= 20, `${used} frames for ten rounds of 20 writers`)
    }))
})

describe('the sequencer with durability batch', () => {
  const batch = (options: EngineOptions): EngineOptions => ({ durability: 'batch', ...options })

  it('syncs beside the commits, which are acknowledged while the disk works, and says what is durable', () =>
    withEngine(
      async (engine, { pause }) => {
        await setOneByOne(engine, 'a', 3)
        const before = engine.currentHead
        assert.ok(before.durableSeq < before.visibleSeq, 'nothing has synced it yet')
        let sets = 0
        for (; engine.currentHead.durableSeq < before.visibleSeq && sets < 1_000; sets++) {
          await setOneByOne(engine, `b${sets}-`, 1)
          await pause(0.01)
        }
        assert.ok(sets > 8 && sets < 1_000, `${sets} commits until the first sync had ended`)
        const { durableSeq, visibleSeq } = engine.currentHead
        assert.ok(durableSeq < visibleSeq, 'it reaches only what was written before it began')
      },
      batch({ batchIntervalMs: 0.1 }),
    ))

  it('makes the last commits durable without another one', () =>
    withEngine(
      async (engine, { pause }) => {
        await setOneByOne(engine, 'a', 30)
        const { visibleSeq } = engine.currentHead
        await pause(30)
        assert.equal(engine.currentHead.durableSeq, visibleSeq)
      },
      batch({ batchIntervalMs: 1 }),
    ))

  it('has writers wait for a disk that does not keep up: never are more than two batches unsynced', () =>
    withEngine(
      async engine => {
        let most = 0
        for (let i = 0; i < 200; i++) {
          await setOneByOne(engine, `c${i}-`, 1)
          const { durableSeq, visibleSeq } = engine.currentHead
          most = Math.max(most, visibleSeq - durableSeq)
        }
        assert.ok(most > 4 && most <= 20, `${most} commits of about 100 bytes were unsynced, a batch has 1,000`)
      },
      batch({ batchIntervalMs: 60_000, batchBytes: 1_000 }),
    ))

  it('is asked to be durable without holding the thread: others commit meanwhile', () =>
    withEngine(
      async engine => {
        await setOneByOne(engine, 'a', 3)
        const { visibleSeq } = engine.currentHead
        let isDurable = false
        const waiting = engine.waitForDurable(visibleSeq).then(head => {
          isDurable = true
          return head
        })
        await setOneByOne(engine, 'b', 5)
        assert.ok(!isDurable, 'the disk has not been given the time for it')
        assert.ok((await waiting).durableSeq >= visibleSeq)
      },
      batch({ batchIntervalMs: 60_000 }),
    ))

  it('takes a failed sync for the end, though everything was acknowledged', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const process = machine.start()
    await world.runToCompletion(
      (async () => {
        const engine = await openEngine('/data', batch({ batchIntervalMs: 1 }), process)
        await engine.ddl({ type: 'createProject', project: 'p' })
        await engine.waitForDurable(engine.currentHead.visibleSeq)
        const path = (each: string): boolean => each.includes('/log/segment-')
        machine.disk.inject({ operation: 'sync', path, times: 100, effect: { type: 'fail', systemCode: 'EIO' } })
        await assert.rejects(
          (async () => {
            for (let i = 0; i < 1_000; i++) {
              await engine.kv('p').set('k', value)
              await new Promise<void>(resolve => void process.timers.after(0.1, resolve))
            }
          })(),
          (error: QuorateError) => error.code === 'storage_failed',
        )
        await assert.rejects(engine.waitForDurable(engine.currentHead.visibleSeq), { code: 'storage_failed' })
        await engine.close()
      })(),
    )
  })

  it('says of a sync that fails while somebody waits for it that the storage has failed, whatever the durability', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const process = machine.start()
    await world.runToCompletion(
      (async () => {
        const engine = await openEngine('/data', { durability: 'os' }, process)
        await engine.ddl({ type: 'createProject', project: 'p' })
        const path = (each: string): boolean => each.includes('/log/segment-')
        machine.disk.inject({ operation: 'sync', path, times: 100, effect: { type: 'fail', systemCode: 'EIO' } })
        await assert.rejects(engine.waitForDurable(engine.currentHead.visibleSeq), { code: 'storage_failed' })
        await assert.rejects(engine.kv('p').set('k', value), { code: 'storage_failed' })
        await engine.close()
      })(),
    )
  })
})
