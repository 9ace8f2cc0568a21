import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine } from '../../src/engine/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const value = utf8Bytes('v')
/** Enough sets one after the other for a writer to be taken for a lone one. */
const LONE_SETS = 40

interface Counts {
  turns: number
  /** Syncs of the log: one a frame. */
  frames: number
}

/** Runs `body` against an engine on virtual time, counting turns of the loop and frames. */
async function withEngine(body: (engine: Engine, counts: Counts) => Promise<void>): Promise<void> {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'one' })
  const process = machine.start()
  const counts: Counts = { turns: 0, frames: 0 }
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
      const engine = await openEngine('/data', {}, process)
      await engine.ddl({ type: 'createProject', project: 'p' })
      countTurn()
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
