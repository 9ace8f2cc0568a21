import type { PeerChannel, PeerIdentity } from '../../../src/model/index.ts'
import { drainMicrotasks } from '../../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedNetwork, SimulatedWorld } from '../../../src/platform/simulated/index.ts'
import type { NetworkProfile, SimulatedProcess } from '../../../src/platform/simulated/index.ts'
import { createPeerTransport } from '../../../src/transport/peer/index.ts'
import type { ObservedPeerTransport, PeerLimits, PeerMember } from '../../../src/transport/peer/index.ts'
import { seed } from './seed.ts'

export const SECRET = new TextEncoder().encode('a secret of this cluster')
export const MEMBERS: readonly PeerMember[] = ['n1', 'n2', 'n3'].map(name => ({ name, address: `${name}:7410` }))

export interface SimulatedPeer {
  readonly name: string
  readonly transport: ObservedPeerTransport
  readonly identity: PeerIdentity
  /** "peer channel: text" of each frame. */
  readonly frames: string[]
  /** "peer channel open" or "peer channel closed". */
  readonly events: string[]
  /** "peer reason" */
  readonly refusals: string[]
  readonly process: SimulatedProcess
}

export interface PeerSettings {
  members?: readonly PeerMember[]
  secret?: Uint8Array
  identity?: Partial<PeerIdentity>
  directoryOf?: (name: string) => string | undefined
  limits?: Partial<PeerLimits>
}

/** Three hosts on virtual time, on which transports are started by name. */
export class PeerWorld {
  readonly world: SimulatedWorld
  readonly network: SimulatedNetwork
  readonly machines = new Map<string, SimulatedMachine>()

  constructor(offset = 0, profile: Partial<NetworkProfile> = {}) {
    this.world = new SimulatedWorld({ seed: seed + offset, drainMicrotasks })
    this.network = new SimulatedNetwork(this.world, profile)
    for (const name of ['n1', 'n2', 'n3', 'stranger']) {
      this.machines.set(name, new SimulatedMachine(this.world, { name }))
    }
  }

  /** Starts the process of a host, which is dead or was never started. */
  process(name: string): SimulatedProcess {
    const machine = this.machines.get(name)!
    return machine.process?.state === 'running' ? machine.process : machine.start()
  }

  async start(name: string, settings: PeerSettings = {}): Promise<SimulatedPeer> {
    const process = this.process(name)
    const { members = MEMBERS, secret = SECRET, limits = {} } = settings
    const identity: PeerIdentity = {
      name,
      nodeId: 0,
      directoryId: `d-${name}`,
      historyId: undefined,
      ...settings.identity,
    }
    const transport = createPeerTransport({
      self: name,
      members,
      secret,
      identity: () => identity,
      ...(settings.directoryOf === undefined ? {} : { directoryOf: settings.directoryOf }),
      dialer: this.network.dialer(process),
      listen: accept => {
        const take = (link: Parameters<typeof accept>[0]['link']): void => accept({ link, isLoopback: false })
        return Promise.resolve(this.network.listen(process, { port: 7410 }, take))
      },
      clock: process.clock,
      timers: process.timers,
      random: process.random,
      limits,
    })
    const peer: SimulatedPeer = { name, transport, identity, frames: [], events: [], refusals: [], process }
    transport.onFrame = (from, channel, frame) =>
      peer.frames.push(`${from} ${channel}: ${Buffer.from(frame).toString()}`)
    transport.onLink = (from, channel, isOpen) => peer.events.push(`${from} ${channel} ${isOpen ? 'open' : 'closed'}`)
    transport.onRefusal = (from, reason) => peer.refusals.push(`${from} ${reason}`)
    await transport.start()
    return peer
  }

  startAll(settings: PeerSettings = {}): Promise<SimulatedPeer[]> {
    return Promise.all(MEMBERS.map(({ name }) => this.start(name, settings)))
  }

  /** Runs until all channels between these are open. */
  async untilLinked(peers: readonly SimulatedPeer[], limitMs = 10_000): Promise<void> {
    const isLinked = await this.world.runWhileNot(() => peers.every(peer => isLinkedTo(peer, peers)), limitMs)
    if (!isLinked) throw new Error(`not linked: ${JSON.stringify(peers.map(peer => peer.events))}`)
  }
}

/** The channels that are open, as the events say. */
export function openChannels(peer: SimulatedPeer): string[] {
  const open = new Set<string>()
  for (const event of peer.events) {
    const [name, channel, state] = event.split(' ')
    if (state === 'open') open.add(`${name} ${channel}`)
    else open.delete(`${name} ${channel}`)
  }
  return [...open].sort()
}

function isLinkedTo(peer: SimulatedPeer, peers: readonly SimulatedPeer[]): boolean {
  const open = openChannels(peer)
  return peers
    .filter(other => other !== peer)
    .every(other => ['control', 'log', 'snapshot'].every(channel => open.includes(`${other.name} ${channel}`)))
}

export const CHANNELS: readonly PeerChannel[] = ['control', 'log', 'snapshot']

export function text(content: string): Uint8Array {
  return Uint8Array.from(Buffer.from(content))
}
