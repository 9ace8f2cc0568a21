import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import { Engine } from '../../src/entry/engine.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { conformanceSuite } from '../../src/testing/index.ts'
import { seed } from './seed.ts'

const world = new SimulatedWorld({ seed, drainMicrotasks })

conformanceSuite({
  name: `the embedded engine on virtual time (seed ${seed})`,
  // Virtual time passes only while somebody runs the world: here, while a case has not ended.
  runner: { describe, it: (name, body) => it(name, () => world.runToCompletion(body())) },
  hooks: ['advanceTimeMs'],
  async open() {
    const machine = new SimulatedMachine(world, { name: 'engine' })
    const process = machine.start()
    return {
      database: await openEngine('/data', {}, process),
      close: () => Promise.resolve(),
      advanceTimeMs: ms => process.world.delay(ms, process),
    }
  },
})

conformanceSuite({
  name: 'the embedded engine in a folder of this machine',
  runner: { describe, it },
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-conformance-'))
    return {
      database: await Engine.open(folder),
      close: () => rm(folder, { recursive: true }),
    }
  },
})
