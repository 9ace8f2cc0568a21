import { describe, it } from 'node:test'
import { connectClient } from '../../src/client/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedNetwork, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { conformanceSuite } from '../../src/testing/index.ts'
import { createGateway } from '../../src/transport/gateway/index.ts'
import { NAMES, Trio } from '../raft/replica/trio.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

for (const readFrom of ['leader', 'any'] as const) {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  conformanceSuite({
    name: `a client of three nodes that reads from ${readFrom} (seed ${seed})`,
    runner: { describe, it: (name, body) => it(name, () => world.runToCompletion(body())) },
    hooks: ['advanceTimeMs'],
    async open() {
      const trio = new Trio(world)
      const network = new SimulatedNetwork(world)
      for (const name of NAMES) {
        await trio.open(name)
        const process = trio.machines.get(name)!.process!
        const { clock, timers, random } = process
        const service = trio.node(name).replica
        const gateway = createGateway({
          service,
          clock,
          timers,
          random,
          authenticate: () => 'root',
          serverVersion: 'test',
        })
        network.listen(process, { port: 2 }, (link, { subprotocol }) =>
          gateway.accept(link, { subprotocol, isLoopback: true }),
        )
      }
      while (trio.leader === undefined) await world.delay(50)
      await world.delay(200)
      const { clock, timers, random } = new SimulatedMachine(world, { name: 'client' }).start()
      const owner = new SimulatedMachine(world, { name: 'client' }).start()
      const ports = { dialer: network.dialer(owner), clock, timers, random }
      const database = await connectClient('ws://n1:2', { readFrom }, ports)
      return {
        database,
        close: async () => {
          for (const node of trio.nodes.values()) await node.close()
        },
        advanceTimeMs: ms => world.delay(ms),
      }
    },
  })
}
