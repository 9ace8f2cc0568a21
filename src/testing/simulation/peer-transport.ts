import type { PeerChannel, PeerIdentity, PeerTransport } from '../../model/index.ts'
import type { SeededRandom, SimulatedNetwork, SimulatedProcess } from '../../platform/simulated/index.ts'
import { createPeerTransport } from '../../transport/peer/index.ts'
import type { ConfiguredMember } from './node.ts'

const SECRET = new TextEncoder().encode('the simulated cluster secret')
/** Shorter than in a node: a blocked path is dialled again soon after it has healed. */
const LIMITS = { dialTimeoutMs: 500, redialMs: [20, 200] } as const

/** What the simulator does to single frames of the core, which tolerates the loss, doubling and lateness of any message (L16). */
export interface FrameFaults {
  readonly random: SeededRandom
  /** Chance per frame. */
  chance: number
  /** Whether the frame may suffer: the driver's own messages are promised an ordered link. */
  isTolerant(frame: Uint8Array): boolean
}

export interface PeerTransportOptions {
  readonly network: SimulatedNetwork
  readonly host: SimulatedProcess
  readonly name: string
  readonly members: readonly ConfiguredMember[]
  readonly identity: () => PeerIdentity
  readonly directoryOf: (name: string) => string | undefined
  readonly faults: FrameFaults
  /** Of each channel; undefined = those of a node. */
  readonly queueBytes: number | undefined
  /** A link is open and takes no more. */
  readonly onFull: () => void
  /** Called before each frame leaves; may end the process, and then throws. */
  readonly onSend: (frame: Uint8Array) => void
}

const allChannels = (bytes: number): Record<PeerChannel, number> => ({ control: bytes, log: bytes, snapshot: bytes })

/** The peers' real transport, handshake included, over the simulated network; single frames may be lost, doubled or late. */
export class SimulatedPeerTransport implements PeerTransport {
  readonly #options: PeerTransportOptions
  readonly #links: PeerTransport

  constructor(options: PeerTransportOptions) {
    this.#options = options
    const { network, host, name, members, identity, directoryOf, queueBytes } = options
    const port = Number(members.find(member => member.name === name)!.peerAddress.split(':')[1])
    this.#links = createPeerTransport({
      self: name,
      members: members.map(({ name, peerAddress: address }) => ({ name, address })),
      secret: SECRET,
      identity,
      directoryOf,
      dialer: network.dialer(host),
      listen: accept => Promise.resolve(network.listen(host, { port }, link => accept({ link, isLoopback: false }))),
      clock: host.clock,
      timers: host.timers,
      random: host.random.split('links'),
      limits: queueBytes === undefined ? LIMITS : { ...LIMITS, queueBytes: allChannels(queueBytes) },
    })
  }

  get onFrame(): PeerTransport['onFrame'] {
    return this.#links.onFrame
  }

  set onFrame(listener: PeerTransport['onFrame']) {
    this.#links.onFrame = listener
  }

  get onLink(): PeerTransport['onLink'] {
    return this.#links.onLink
  }

  set onLink(listener: PeerTransport['onLink']) {
    this.#links.onLink = listener
  }

  get onRefusal(): PeerTransport['onRefusal'] {
    return this.#links.onRefusal
  }

  set onRefusal(listener: PeerTransport['onRefusal']) {
    this.#links.onRefusal = listener
  }

  start(): Promise<void> {
    return this.#links.start()
  }

  send(peer: string, channel: PeerChannel, frame: Uint8Array): boolean {
    this.#options.onSend(frame)
    const { faults } = this.#options
    if (faults.chance === 0 || !faults.random.chance(faults.chance) || !faults.isTolerant(frame)) {
      const isTaken = this.#links.send(peer, channel, frame)
      if (!isTaken && this.#links.bufferedBytes(peer, channel) > 0) this.#options.onFull()
      return isTaken
    }
    this.#mistreat(peer, channel, frame)
    return true
  }

  bufferedBytes(peer: string, channel: PeerChannel): number {
    return this.#links.bufferedBytes(peer, channel)
  }

  identityOf(peer: string): PeerIdentity | undefined {
    return this.#links.identityOf(peer)
  }

  identityChanged(): void {
    this.#links.identityChanged()
  }

  close(): Promise<void> {
    return this.#links.close()
  }

  /** Loses the frame, sends it twice, or sends it late, after others. */
  #mistreat(peer: string, channel: PeerChannel, frame: Uint8Array): void {
    const { faults, host } = this.#options
    const kind = faults.random.below(3)
    if (kind === 0) return
    if (kind === 1) this.#links.send(peer, channel, frame.slice())
    const delayMs = kind === 1 ? faults.random.uniform(0, 30) : faults.random.uniform(1, 300)
    host.timers.after(delayMs, () => this.#links.send(peer, channel, frame))
  }
}
