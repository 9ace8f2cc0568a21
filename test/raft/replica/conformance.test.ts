import { describe, it } from 'node:test'
import { createDatabase } from '../../../src/model/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import { ReplicaCore } from '../../../src/raft/index.ts'
import { conformanceSuite } from '../../../src/testing/index.ts'
import { NAMES, Trio } from './trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)
const world = new SimulatedWorld({ seed, drainMicrotasks })

for (const place of ['leader', 'follower'] as const) {
  conformanceSuite({
    name: `a replica that is the ${place} of three (seed ${seed})`,
    runner: { describe, it: (name, body) => it(name, () => world.runToCompletion(body())) },
    hooks: ['advanceTimeMs', 'checkpoint'],
    async open() {
      // The catalog of the whole suite takes half a MiB.
      const trio = new Trio(world, { budgetBytes: 4 << 20 })
      for (const name of NAMES) await trio.open(name)
      while (trio.leader === undefined) await world.delay(50)
      await world.delay(200)
      const name = place === 'leader' ? trio.leader : NAMES.find(other => other !== trio.leader)!
      const process = trio.machines.get(name)!.process!
      const { clock, timers, random } = process
      return {
        database: createDatabase(new ReplicaCore({ service: trio.node(name).replica, clock, timers, random })),
        close: async () => {
          for (const node of trio.nodes.values()) await node.close()
        },
        advanceTimeMs: ms => world.delay(ms),
        checkpoint: async () => {
          // All have applied what is acknowledged before any of them takes its checkpoint.
          await world.delay(1_000)
          for (const node of trio.nodes.values()) await node.replica.checkpoint()
        },
      }
    },
  })
}
