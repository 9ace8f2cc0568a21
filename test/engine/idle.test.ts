import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const LONG_MS = 1_200_000

describe(`an idle engine (seed ${seed})`, () => {
  it('reads nothing of its log and changes nothing on disk, once its last writes are in a checkpoint', async () => {
    const world = new SimulatedWorld({ seed, drainMicrotasks })
    const machine = new SimulatedMachine(world, { name: 'one' })
    const { disk } = machine
    let logReads = 0
    const beginRead = disk.beginRead.bind(disk)
    disk.beginRead = (user, path) => {
      if (path.includes('/log/segment-')) logReads++
      beginRead(user, path)
    }
    await world.runToCompletion(
      (async () => {
        const process = machine.start()
        const engine = await openEngine('/data', {}, process)
        await engine.ddl({ type: 'createProject', project: 'p' })
        for (let i = 0; i < 200; i++) await engine.kv('p').set(`k${i}`, new Uint8Array(2_000).fill(i))
        await world.delay(LONG_MS, process)
        const { callCount } = disk
        logReads = 0
        const { checkpoints, head } = engine.metrics()
        assert.ok(checkpoints.count >= 1 && checkpoints.seq === head.visibleSeq, 'the age alone makes a checkpoint')
        await world.delay(LONG_MS, process)
        assert.equal(logReads, 0)
        assert.equal(disk.callCount, callCount)
        assert.equal(engine.metrics().checkpoints.count, checkpoints.count)
      })(),
    )
    machine.crash('power')
    await world.runToCompletion(
      (async () => {
        const engine = await openEngine('/data', {}, machine.start())
        assert.ok(logReads > 0, 'a recovery is seen here')
        await engine.close()
      })(),
    )
  })
})
