import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import type { QuorateError } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

/** So little memory that pages are written all the time, and no checkpoint but those that are asked for. */
const OPTIONS = {
  pageBytes: 4096,
  budgetBytes: 64 << 10,
  checkpointAgeMs: 1e9,
  checkpointLogBytes: 1 << 30,
} as const

describe(`an embedded database whose pages cannot be written (seed ${seed})`, () => {
  it('stops at the first failed write, before any checkpoint, and says why', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const run = <T>(task: Promise<T>): Promise<T> => world.runToCompletion(task, 60_000)
    const engine = await run(openEngine('/data', OPTIONS, machine.start()))
    await run(engine.ddl({ type: 'createProject', project: 'p' }))
    let acknowledged = 0
    let failedAt = 0
    machine.disk.inject({
      operation: 'write',
      path: path => {
        const isPages = path.endsWith('/pages/data')
        if (isPages) failedAt = acknowledged
        return isPages
      },
      effect: { type: 'fail', systemCode: 'ENOSPC' },
    })
    const write = async (): Promise<void> => {
      for (let i = 0; i < 2_000; i++) {
        await engine.kv('p').set(`k${i}`, new Uint8Array(500).fill(i))
        acknowledged++
        // Pages are written while others wait, not only when too many do.
        await world.delay(1)
      }
    }
    await assert.rejects(run(write()), (error: QuorateError) => {
      assert.equal(error.code, 'storage_failed')
      assert.match((error.cause as Error).message, /ENOSPC|space/i)
      return true
    })
    assert.ok(failedAt > 0 && acknowledged - failedAt <= 1, `${acknowledged - failedAt} writes after the failure`)
    await run(engine.close().catch(() => undefined))
  })
})
