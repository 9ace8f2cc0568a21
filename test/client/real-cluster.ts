import { connectClient } from '../../src/client/index.ts'
import type { Client, ConnectOptions } from '../../src/client/index.ts'
import { SimulatedMachine, SimulatedNetwork } from '../../src/platform/simulated/index.ts'
import type { SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { createGateway } from '../../src/transport/gateway/index.ts'
import { NAMES, Trio } from '../raft/replica/trio.ts'

/** The port of the members' client addresses. */
const PORT = 2

/** Three whole nodes behind their gateways, reached over a simulated network. */
export class RealCluster {
  readonly world: SimulatedWorld
  readonly trio: Trio
  readonly network: SimulatedNetwork

  constructor(world: SimulatedWorld) {
    this.world = world
    // The catalog of the whole conformance suite takes half a MiB.
    this.trio = new Trio(world, { budgetBytes: 4 << 20 })
    this.network = new SimulatedNetwork(world)
  }

  /** Opens all nodes, while somebody else runs the world. */
  async open(): Promise<void> {
    for (const name of NAMES) await this.openNode(name)
    while (this.trio.leader === undefined) await this.world.delay(50)
    await this.world.delay(200)
  }

  async openNode(name: string): Promise<void> {
    await this.trio.open(name)
    const process = this.trio.machines.get(name)!.process!
    const { clock, timers, random } = process
    const service = this.trio.node(name).replica
    const gateway = createGateway({
      service,
      clock,
      timers,
      random,
      authenticate: () => 'root',
      serverVersion: 'test',
    })
    this.network.listen(process, { port: PORT }, (link, { subprotocol }) =>
      gateway.accept(link, { subprotocol, isLoopback: true }),
    )
  }

  /** The process of a node ends at once; its sockets are reset. */
  kill(name: string): void {
    this.trio.nodes.delete(name)
    this.trio.wire.transports.delete(name)
    this.trio.machines.get(name)!.crash('process')
  }

  /** A client on a host of its own. */
  connect(options: ConnectOptions = {}, host = 'client'): Promise<Client> {
    const process = new SimulatedMachine(this.world, { name: host }).start()
    const { clock, timers, random } = process
    return connectClient(`ws://n1:${PORT}`, options, { dialer: this.network.dialer(process), clock, timers, random })
  }

  async close(): Promise<void> {
    for (const node of this.trio.nodes.values()) await node.close()
  }
}
