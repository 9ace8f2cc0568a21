import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEngine } from '../../src/engine/index.ts'
import { Engine } from '../../src/entry/engine.ts'
import type { Database } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { conformanceSuite } from '../../src/testing/index.ts'
import { seed } from './seed.ts'

const world = new SimulatedWorld({ seed, drainMicrotasks })

/** More than `changes/` keeps. */
const CHANGES_KEPT_BYTES = 40 << 20
const VALUE = new Uint8Array(1 << 20)

/** Writes so many bytes of changes that those before are forgotten. */
async function writeChanges(database: Database, bytes: number): Promise<void> {
  await database.ddl({ type: 'createProject', project: 'forgetting', ifNotExists: true })
  const kv = database.kv('forgetting')
  for (let written = 0; written < bytes; written += VALUE.length) await kv.set('k', VALUE)
}

conformanceSuite({
  name: `the embedded engine on virtual time (seed ${seed})`,
  // Virtual time passes only while somebody runs the world: here, while a case has not ended.
  runner: { describe, it: (name, body) => it(name, () => world.runToCompletion(body())) },
  hooks: ['advanceTimeMs', 'forgetChanges', 'checkpoint'],
  async open() {
    const machine = new SimulatedMachine(world, { name: 'engine' })
    const process = machine.start()
    const database = await openEngine('/data', {}, process)
    return {
      database,
      close: () => Promise.resolve(),
      advanceTimeMs: ms => process.world.delay(ms, process),
      forgetChanges: () => writeChanges(database, CHANGES_KEPT_BYTES),
      checkpoint: async () => void (await database.checkpoint()),
    }
  },
})

conformanceSuite({
  name: 'the embedded engine in a folder of this machine',
  runner: { describe, it },
  hooks: ['checkpoint'],
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'quorate-conformance-'))
    const database = await Engine.open(folder)
    return {
      database,
      close: () => rm(folder, { recursive: true }),
      checkpoint: async () => void (await database.checkpoint()),
    }
  },
})
