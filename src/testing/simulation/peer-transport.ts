import type { PeerChannel, PeerIdentity, PeerTransport, PeerRefusal } from '../../model/index.ts'
import type { Dialer, FrameLink, FrameListener, Timer } from '../../platform/index.ts'
import type { SeededRandom, SimulatedNetwork, SimulatedProcess } from '../../platform/simulated/index.ts'
import type { ConfiguredMember } from './node.ts'

const CHANNELS: readonly PeerChannel[] = ['control', 'log', 'snapshot']
const MAX_FRAME_BYTES = 64 << 20
const QUEUED_BYTES_MAX = 8 << 20
const DIAL_TIMEOUT_MS = 500
const REDIAL_MS: readonly [number, number] = [20, 200]
const REFUSED_REDIAL_MS = 1000

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
  readonly faults: FrameFaults
  /** Called before each frame leaves; may end the process, and then throws. */
  readonly onSend: (frame: Uint8Array) => void
}

/** The first frame of each link, in both directions. */
interface Hello {
  readonly channel: PeerChannel
  /** Ordered names and addresses: both sides must be configured alike. */
  readonly members: string
  readonly identity: PeerIdentity
}

interface Pipe {
  readonly peer: string
  readonly channel: PeerChannel
  link: FrameLink
  isOpen: boolean
}

/**
 * The peers' links over the simulated network. Of each pair the later in the list dials; every link begins with both sides' identity;
 * a closed one is dialled again after a random while. Authentication has its own tests: here everybody is who it says it is.
 */
export class SimulatedPeerTransport implements PeerTransport {
  onFrame: PeerTransport['onFrame'] = undefined
  onLink: PeerTransport['onLink'] = undefined
  onRefusal: PeerTransport['onRefusal'] = undefined
  readonly #options: PeerTransportOptions
  readonly #pipes = new Map<string, Pipe>()
  readonly #identities = new Map<string, PeerIdentity>()
  readonly #redials = new Set<Timer>()
  readonly #members: string
  #listener: FrameListener | undefined
  #dialer: Dialer | undefined
  #isClosed = false

  constructor(options: PeerTransportOptions) {
    this.#options = options
    this.#members = options.members.map(({ name, peerAddress }) => `${name}=${peerAddress}`).join()
  }

  start(): Promise<void> {
    const { network, host, members, name } = this.#options
    const port = Number(members.find(member => member.name === name)!.peerAddress.split(':')[1])
    this.#listener = network.listen(host, { port, maxFrameBytes: MAX_FRAME_BYTES }, link => this.#accept(link))
    this.#dialer = network.dialer(host)
    const own = members.findIndex(member => member.name === name)
    for (const { name: peer } of members.slice(0, own)) for (const channel of CHANNELS) this.#dial(peer, channel)
    return Promise.resolve()
  }

  send(peer: string, channel: PeerChannel, frame: Uint8Array): boolean {
    const pipe = this.#pipes.get(pipeKey(peer, channel))
    if (pipe === undefined || !pipe.isOpen || pipe.link.bufferedBytes > QUEUED_BYTES_MAX) return false
    this.#options.onSend(frame)
    const { faults } = this.#options
    if (faults.chance > 0 && faults.random.chance(faults.chance) && faults.isTolerant(frame))
      this.#mistreat(pipe, frame)
    else pipe.link.send(frame)
    return true
  }

  bufferedBytes(peer: string, channel: PeerChannel): number {
    return this.#pipes.get(pipeKey(peer, channel))?.link.bufferedBytes ?? 0
  }

  identityOf(peer: string): PeerIdentity | undefined {
    return this.#identities.get(peer)
  }

  identityChanged(): void {
    for (const pipe of this.#pipes.values()) this.#drop(pipe, 1000, 'identity changed')
  }

  close(): Promise<void> {
    this.#isClosed = true
    for (const timer of this.#redials) timer.cancel()
    for (const pipe of this.#pipes.values()) pipe.link.close(1000, 'closed')
    this.#pipes.clear()
    return this.#listener?.close() ?? Promise.resolve()
  }

  /** Loses the frame, sends it twice, or sends it late, after others. */
  #mistreat(pipe: Pipe, frame: Uint8Array): void {
    const { faults, host } = this.#options
    const kind = faults.random.below(3)
    if (kind === 0) return
    if (kind === 1) pipe.link.send(frame.slice())
    const delayMs = kind === 1 ? faults.random.uniform(0, 30) : faults.random.uniform(1, 300)
    host.timers.after(delayMs, () => {
      if (pipe.isOpen) pipe.link.send(frame)
    })
  }

  #dial(peer: string, channel: PeerChannel): void {
    if (this.#isClosed) return
    const address = this.#options.members.find(member => member.name === peer)!.peerAddress
    const options = { timeoutMs: DIAL_TIMEOUT_MS, subprotocol: 'simulated', maxFrameBytes: MAX_FRAME_BYTES }
    this.#dialer!.dial(`ws://${address}/${channel}`, options).then(
      link => {
        if (this.#isClosed) return link.close()
        const pipe: Pipe = { peer, channel, link, isOpen: false }
        this.#pipes.set(pipeKey(peer, channel), pipe)
        link.onFrame = frame => this.#onFirstFrame(pipe, frame)
        link.onClose = (_, reason) => this.#onClose(pipe, reason)
        link.send(this.#hello(channel))
      },
      () => this.#dialLater(peer, channel, ''),
    )
  }

  #dialLater(peer: string, channel: PeerChannel, reason: string): void {
    const { host } = this.#options
    const [low, high] = REDIAL_MS
    const waitMs = reason.startsWith('refused') ? REFUSED_REDIAL_MS : low + host.random.float() * (high - low)
    const timer = host.timers.after(waitMs, () => {
      this.#redials.delete(timer)
      this.#dial(peer, channel)
    })
    this.#redials.add(timer)
  }

  #accept(link: FrameLink): void {
    link.onFrame = bytes => {
      const hello = decodeHello(bytes)
      const refusal = this.#refusalOf(hello)
      if (refusal !== undefined) {
        this.onRefusal?.(hello.identity.name, refusal, 'the peer is configured differently')
        link.close(4000, `refused: ${refusal}`)
        return
      }
      const pipe: Pipe = { peer: hello.identity.name, channel: hello.channel, link, isOpen: false }
      const before = this.#pipes.get(pipeKey(pipe.peer, pipe.channel))
      if (before !== undefined) this.#drop(before, 1000, 'replaced')
      this.#pipes.set(pipeKey(pipe.peer, pipe.channel), pipe)
      link.onClose = (_, reason) => this.#onClose(pipe, reason)
      link.send(this.#hello(hello.channel))
      this.#open(pipe, hello.identity)
    }
  }

  #onFirstFrame(pipe: Pipe, bytes: Uint8Array): void {
    const hello = decodeHello(bytes)
    this.#open(pipe, hello.identity)
  }

  #open(pipe: Pipe, identity: PeerIdentity): void {
    this.#identities.set(pipe.peer, identity)
    pipe.isOpen = true
    pipe.link.onFrame = frame => this.onFrame?.(pipe.peer, pipe.channel, frame)
    this.onLink?.(pipe.peer, pipe.channel, true)
  }

  #refusalOf(hello: Hello): PeerRefusal | undefined {
    const own = this.#options.identity()
    if (hello.members !== this.#members) return 'configuration'
    const { historyId } = hello.identity
    const differs = own.historyId !== undefined && historyId !== undefined && own.historyId !== historyId
    return differs ? 'history' : undefined
  }

  #drop(pipe: Pipe, code: number, reason: string): void {
    pipe.link.close(code, reason)
    this.#onClose(pipe, reason)
  }

  #onClose(pipe: Pipe, reason: string): void {
    const key = pipeKey(pipe.peer, pipe.channel)
    if (this.#pipes.get(key) !== pipe) return
    this.#pipes.delete(key)
    const wasOpen = pipe.isOpen
    pipe.isOpen = false
    const { members, name } = this.#options
    const isDialler =
      members.findIndex(member => member.name === pipe.peer) < members.findIndex(member => member.name === name)
    if (isDialler && !this.#isClosed) this.#dialLater(pipe.peer, pipe.channel, reason)
    if (wasOpen) this.onLink?.(pipe.peer, pipe.channel, false)
  }

  #hello(channel: PeerChannel): Uint8Array {
    const hello: Hello = { channel, members: this.#members, identity: this.#options.identity() }
    return encoder.encode(JSON.stringify(hello))
  }
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

function decodeHello(bytes: Uint8Array): Hello {
  const hello = JSON.parse(decoder.decode(bytes)) as Hello
  const { name, nodeId, directoryId, historyId } = hello.identity
  return { ...hello, identity: { name, nodeId, directoryId, historyId } }
}

function pipeKey(peer: string, channel: PeerChannel): string {
  return `${peer} ${channel}`
}
