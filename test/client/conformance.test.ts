import { describe, it } from 'node:test'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { conformanceSuite } from '../../src/testing/index.ts'
import { RealCluster } from './real-cluster.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

for (const readFrom of ['leader', 'any'] as const) {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  conformanceSuite({
    name: `a client of three nodes that reads from ${readFrom} (seed ${seed})`,
    runner: { describe, it: (name, body) => it(name, () => world.runToCompletion(body())) },
    hooks: ['advanceTimeMs', 'checkpoint'],
    async open() {
      const cluster = new RealCluster(world)
      await cluster.open()
      return {
        database: await cluster.connect({ readFrom }),
        close: () => cluster.close(),
        advanceTimeMs: ms => world.delay(ms),
        checkpoint: async () => {
          // All have applied what is acknowledged before any of them takes its checkpoint.
          await world.delay(1_000)
          for (const node of cluster.trio.nodes.values()) await node.replica.checkpoint()
        },
      }
    },
  })
}
