import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const SEGMENT = 32 << 10
const CHECKPOINT_LOG = 64 << 10
const OPTIONS: EngineOptions = {
  pageBytes: 4096,
  budgetBytes: 1 << 20,
  segmentBytes: SEGMENT,
  checkpointLogBytes: CHECKPOINT_LOG,
}
const KEYS = 40
const WRITES_A_ROUND = 400
const VALUE_BYTES = 1_000

async function sizeOf(machine: SimulatedMachine, directory: string): Promise<number> {
  const files = machine.disk.files()
  let bytes = 0
  for (const name of await files.list(directory)) bytes += (await files.size(`${directory}/${name}`)) ?? 0
  return bytes
}

/** `pause` lets time go by, which a simulated disk needs for what is written beside the commits. */
async function write(engine: Engine, round: number, pause: () => Promise<void>): Promise<void> {
  const kv = engine.kv('p')
  for (let i = 0; i < WRITES_A_ROUND; i++) {
    await kv.set(`k${i % KEYS}`, utf8Bytes(`${round} ${i} `.padEnd(VALUE_BYTES, 'x')))
    if (i % 8 === 7) await pause()
  }
}

describe(`automatic checkpoints (seed ${seed})`, () => {
  it('keep the log, the disk and what a restart replays within bounds, however much is written', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const log: number[] = []
    const pages: number[] = []
    await world.runToCompletion(
      (async () => {
        const process = machine.start()
        const engine = await openEngine('/data', OPTIONS, process)
        await engine.ddl({ type: 'createProject', project: 'p' })
        for (let round = 0; round < 6; round++) {
          await write(engine, round, () => world.delay(20, process))
          log.push(await sizeOf(machine, '/data/log'))
          pages.push(await sizeOf(machine, '/data/pages'))
        }
        const { checkpoints, head } = engine.metrics()
        assert.ok(checkpoints.count >= 6 * 4, `${checkpoints.count} checkpoints by size of the log`)
        // Entries after the newest one: not more than what makes one due and is written while it is taken.
        const left = (head.visibleSeq - checkpoints.seq) * VALUE_BYTES
        assert.ok(left <= 2 * CHECKPOINT_LOG, `${left} bytes to replay`)
      })(),
    )
    // Two checkpoints' worth, which the older superblock needs, with segments begun and made ready.
    const bound = 3 * CHECKPOINT_LOG + 4 * SEGMENT
    assert.ok(Math.max(...log) <= bound, `the log took ${log.join()} bytes`)
    assert.ok(log.at(-1)! < WRITES_A_ROUND * VALUE_BYTES, 'it is smaller than what one round wrote')
    assert.ok(pages.at(-1)! <= 1.5 * pages[1]!, `the pages took ${pages.join()} bytes`)
    machine.crash('power')
    await world.runToCompletion(
      (async () => {
        const engine = await openEngine('/data', OPTIONS, machine.start())
        const kv = engine.kv('p')
        for (let i = WRITES_A_ROUND - KEYS; i < WRITES_A_ROUND; i++) {
          const value = new TextDecoder().decode(await kv.get(`k${i % KEYS}`))
          assert.ok(value.startsWith(`5 ${i} `), value.slice(0, 10))
        }
        await engine.close()
      })(),
    )
  })
})
