import { QuorateError } from '../../model/index.ts'
import type { PeerChannel, PeerIdentity, PeerRefusal, PeerTransport } from '../../model/index.ts'
import type { FrameLink, FrameListener, Timer } from '../../platform/index.ts'
import { isLoopbackHost } from '../security/index.ts'
import { membersHash, NONCE_BYTES, printable, STRANGER_BYTES_MAX } from './handshake-frames.ts'
import { Handshake, type HandshakeSelf, type OpenedPeer } from './handshake.ts'
import { DEFAULT_PEER_LIMITS, PEER_PATH, PEER_SUBPROTOCOL } from './options.ts'
import type { IncomingPeerLink, PeerLimits, PeerMember, PeerTransportOptions } from './options.ts'
import { KEEPALIVE, newPeerCounters, PEER_CHANNELS, Pipes } from './pipe.ts'
import type { PeerCounters, Pipe, PipeDirection } from './pipe.ts'
import { Redial } from './redial.ts'
import {
  CLOSE_IDENTITY_CHANGED,
  CLOSE_PROTOCOL_ERROR,
  CLOSE_REPLACED,
  CLOSE_SILENT,
  shakeHands,
  type HandshakeUnderWay,
} from './shake-hands.ts'

const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008

/** A link that this node dials. */
interface Dialled {
  readonly channel: PeerChannel
  readonly redial: Redial
  /** Ends a dial that is under way. */
  abort: AbortController | undefined
  handshake: HandshakeUnderWay | undefined
}

/** Another member, its links and the dialling of those that this node dials. */
interface Peer {
  readonly member: PeerMember
  readonly pipes: Pipes
  readonly dialled: Dialled[]
  readonly counters: PeerCounters
  lastIdentity: PeerIdentity | undefined
}

/** What is known of the links to one peer, for status and metrics. */
export interface PeerLinkStatus {
  readonly name: string
  /** Channels that can be used both ways. */
  readonly openChannels: readonly PeerChannel[]
  readonly queuedBytes: number
  readonly counters: Readonly<PeerCounters>
}

export interface ObservedPeerTransport extends PeerTransport {
  status(): PeerLinkStatus[]
}

/**
 * Links to all other members over the given dialer and listener.
 * @throws QuorateError `configuration_invalid` if `self` is no member, a name is there twice, or the secret is empty although an
 * address is not a loopback one
 */
export function createPeerTransport(options: PeerTransportOptions): ObservedPeerTransport {
  return new LinkedPeerTransport(options)
}

class LinkedPeerTransport implements ObservedPeerTransport {
  onFrame: PeerTransport['onFrame'] = undefined
  onLink: PeerTransport['onLink'] = undefined
  onRefusal: PeerTransport['onRefusal'] = undefined
  readonly #options: PeerTransportOptions
  readonly #limits: PeerLimits
  readonly #names: readonly string[]
  readonly #membersHash: Uint8Array
  readonly #peers = new Map<string, Peer>()
  /** Links that were accepted and have proved nothing yet, the oldest first. */
  readonly #strangers = new Set<HandshakeUnderWay>()
  /** When each refusal was last reported, by peer and reason. */
  readonly #reportedAtMs = new Map<string, number>()
  #listener: FrameListener | undefined
  #tick: Timer | undefined
  #tickDueMs = 0
  #linkCount = 0
  #isClosed = false

  constructor(options: PeerTransportOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_PEER_LIMITS, ...options.limits }
    this.#names = options.members.map(({ name }) => name)
    requireSound(options, this.#names)
    this.#membersHash = membersHash(options.members)
    for (const member of options.members) {
      if (member.name !== options.self) this.#peers.set(member.name, this.#createPeer(member))
    }
  }

  async start(): Promise<void> {
    const listener = await this.#options.listen(incoming => this.#accept(incoming))
    if (this.#isClosed) return listener.close()
    this.#listener = listener
    for (const peer of this.#peers.values()) for (const dialled of peer.dialled) this.#dial(peer, dialled)
    this.#watchLater()
  }

  // hot path: once per turn, peer and channel
  send(to: string, channel: PeerChannel, frame: Uint8Array): boolean {
    const peer = this.#peers.get(to)
    const pipe = peer?.pipes.outgoing(channel)
    if (peer === undefined || pipe === undefined) return false
    const { length } = frame
    if (length > this.#limits.maxFrameBytes) throw new RangeError(`a frame of ${length} bytes would break its link`)
    const queuedBytes = pipe.link.bufferedBytes
    if (queuedBytes > 0 && queuedBytes + length > this.#limits.queueBytes[channel]) {
      peer.counters.fullQueues++
      return false
    }
    peer.counters.sentFrames++
    peer.counters.sentBytes += length
    pipe.spokeAtMs = this.#options.clock.monotonicMs()
    pipe.link.send(frame)
    return true
  }

  bufferedBytes(peer: string, channel: PeerChannel): number {
    return this.#peers.get(peer)?.pipes.outgoing(channel)?.link.bufferedBytes ?? 0
  }

  status(): PeerLinkStatus[] {
    return [...this.#peers.values()].map(({ member, pipes, counters }) => ({
      name: member.name,
      openChannels: PEER_CHANNELS.filter(channel => pipes.isOpen(channel)),
      queuedBytes: pipes.all().reduce((sum, { link }) => sum + link.bufferedBytes, 0),
      counters: { ...counters },
    }))
  }

  identityOf(name: string): PeerIdentity | undefined {
    const peer = this.#peers.get(name)
    // A slow handshake may end after one that began later with a newer identity, but such a link does not stay open.
    return peer?.pipes.all().at(-1)?.identity ?? peer?.lastIdentity
  }

  identityChanged(): void {
    for (const stranger of this.#strangers) stranger.cancel(CLOSE_IDENTITY_CHANGED, 'identity changed')
    this.#strangers.clear()
    for (const peer of this.#peers.values()) {
      for (const dialled of peer.dialled) {
        if (dialled.handshake === undefined) continue
        dialled.handshake.cancel(CLOSE_IDENTITY_CHANGED, 'identity changed')
        dialled.handshake = undefined
        dialled.redial.failed()
      }
      for (const pipe of peer.pipes.all()) this.#drop(peer, pipe, CLOSE_IDENTITY_CHANGED, 'identity changed')
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#tick?.cancel()
    for (const stranger of this.#strangers) stranger.cancel(GOING_AWAY, 'closing')
    for (const peer of this.#peers.values()) {
      for (const { redial, abort, handshake } of peer.dialled) {
        redial.stop()
        abort?.abort()
        handshake?.cancel(GOING_AWAY, 'closing')
      }
      for (const pipe of peer.pipes.all()) this.#drop(peer, pipe, GOING_AWAY, 'closing')
    }
    await this.#listener?.close()
  }

  // --- opening -----------------------------------------------------------------------------------------------------------------

  #createPeer(member: PeerMember): Peer {
    const peer: Peer = { member, pipes: new Pipes(), dialled: [], counters: newPeerCounters(), lastIdentity: undefined }
    const isLater = this.#names.indexOf(this.#options.self) > this.#names.indexOf(member.name)
    for (const channel of PEER_CHANNELS) {
      if (channel === 'control' && !isLater) continue
      const { timers, random } = this.#options
      const dial = (): void => this.#dial(peer, dialled)
      const redial = new Redial({ timers, random, limits: this.#limits, dial })
      const dialled: Dialled = { channel, redial, abort: undefined, handshake: undefined }
      peer.dialled.push(dialled)
    }
    return peer
  }

  #dial(peer: Peer, dialled: Dialled): void {
    if (this.#isClosed) return
    const { dialer, scheme = 'ws' } = this.#options
    const { dialTimeoutMs, maxFrameBytes } = this.#limits
    dialled.abort = new AbortController()
    const options = {
      timeoutMs: dialTimeoutMs,
      subprotocol: PEER_SUBPROTOCOL,
      maxFrameBytes,
      strangerBytesMax: STRANGER_BYTES_MAX,
      signal: dialled.abort.signal,
    }
    dialer.dial(`${scheme}://${peer.member.address}${PEER_PATH}`, options).then(
      link => this.#introduce(peer, dialled, link),
      () => dialled.redial.failed(),
    )
  }

  /** Begins the handshake on a link that was dialled. */
  #introduce(peer: Peer, dialled: Dialled, link: FrameLink): void {
    if (this.#isClosed) {
      link.close(GOING_AWAY, 'closing')
      return
    }
    const handshake = Handshake.dial(this.#handshakeSelf(), peer.member.name, dialled.channel)
    dialled.handshake = shakeHands(link, handshake, {
      timers: this.#options.timers,
      timeoutMs: this.#limits.handshakeTimeoutMs,
      onOpened: opened => {
        dialled.handshake = undefined
        dialled.redial.opened()
        this.#open(peer, link, opened, 'dialled')
      },
      onRefused: (reason, detail) => {
        dialled.handshake = undefined
        dialled.redial.refused()
        this.#report(peer.member.name, reason, detail)
      },
      onFailed: () => {
        dialled.handshake = undefined
        dialled.redial.failed()
      },
    })
    link.send(handshake.start())
  }

  #accept({ link, isLoopback }: IncomingPeerLink): void {
    if (this.#isClosed || (this.#options.secret.length === 0 && !isLoopback)) {
      link.onFrame = () => {}
      link.close(POLICY_VIOLATION, 'not accepted')
      return
    }
    const stranger = shakeHands(link, Handshake.accept(this.#handshakeSelf()), {
      timers: this.#options.timers,
      timeoutMs: this.#limits.handshakeTimeoutMs,
      onOpened: opened => {
        this.#strangers.delete(stranger)
        const peer = this.#peers.get(opened.identity.name)!
        this.#open(peer, link, opened, 'accepted')
        for (const { redial } of peer.dialled) redial.hurry()
      },
      onRefused: (reason, detail, name) => {
        this.#strangers.delete(stranger)
        this.#report(name ?? link.remoteAddress, reason, detail)
      },
      onFailed: () => this.#strangers.delete(stranger),
    })
    this.#strangers.add(stranger)
    if (this.#strangers.size <= this.#limits.strangersMax) return
    const [oldest] = this.#strangers
    if (oldest === undefined) return
    oldest.cancel(POLICY_VIOLATION, 'too many strangers')
    this.#strangers.delete(oldest)
  }

  #handshakeSelf(): HandshakeSelf {
    const { identity, secret, random, directoryOf = () => undefined } = this.#options
    const nonce = random.bytes(NONCE_BYTES)
    return { identity: identity(), names: this.#names, membersHash: this.#membersHash, secret, nonce, directoryOf }
  }

  // --- open links --------------------------------------------------------------------------------------------------------------

  #open(peer: Peer, link: FrameLink, { identity, channel }: OpenedPeer, direction: PipeDirection): void {
    const { name } = peer.member
    link.trust?.()
    const nowMs = this.#options.clock.monotonicMs()
    const times = { heardAtMs: nowMs, spokeAtMs: nowMs }
    const pipe: Pipe = {
      peer: name,
      channel,
      direction,
      link,
      identity,
      number: this.#linkCount++,
      ...times,
      isOver: false,
    }
    const isSilent = direction === 'accepted' && channel !== 'control'
    link.onFrame = frame => this.#receive(peer, pipe, frame, isSilent)
    link.onClose = () => this.#closed(peer, pipe)
    const wasOpen = peer.pipes.isOpen(channel)
    const before = peer.pipes.add(pipe)
    if (before !== undefined) {
      before.isOver = true
      before.link.close(CLOSE_REPLACED, 'a newer link took its place')
    }
    peer.lastIdentity = identity
    peer.counters.opened++
    if (wasOpen) this.onLink?.(name, channel, false) // frames may have been lost with the older link
    if (!pipe.isOver && peer.pipes.isOpen(channel)) this.onLink?.(name, channel, true)
  }

  // hot path: once per frame
  #receive(peer: Peer, pipe: Pipe, frame: Uint8Array, isSilent: boolean): void {
    if (pipe.isOver) return
    pipe.heardAtMs = this.#options.clock.monotonicMs()
    if (frame.length === 0) return
    peer.counters.receivedFrames++
    peer.counters.receivedBytes += frame.length
    // Bulk comes on the link that this node dialled: two links into one channel would have no order.
    if (isSilent) this.#drop(peer, pipe, CLOSE_PROTOCOL_ERROR, 'bulk on the wrong link')
    else this.onFrame?.(pipe.peer, pipe.channel, frame)
  }

  #drop(peer: Peer, pipe: Pipe, code: number, reason: string): void {
    pipe.link.close(code, reason)
    this.#closed(peer, pipe)
  }

  #closed(peer: Peer, pipe: Pipe): void {
    const { channel } = pipe
    const wasOpen = peer.pipes.isOpen(channel)
    pipe.isOver = true
    if (!peer.pipes.remove(pipe)) return
    if (pipe.direction === 'dialled') peer.dialled.find(dialled => dialled.channel === channel)?.redial.failed()
    if (wasOpen) this.onLink?.(pipe.peer, channel, false)
  }

  // --- silence -----------------------------------------------------------------------------------------------------------------

  #watchLater(): void {
    const everyMs = this.#limits.keepaliveMs / 2
    this.#tickDueMs = this.#options.clock.monotonicMs() + everyMs
    this.#tick = this.#options.timers.after(everyMs, () => this.#watch(), { background: true })
  }

  /** Speaks on links that were silent, and closes those on which nothing came for too long. */
  #watch(): void {
    if (this.#isClosed) return
    const nowMs = this.#options.clock.monotonicMs()
    // While this process stood still, frames may have come that it has not read yet: that time does not count.
    const stallMs = Math.max(0, nowMs - this.#tickDueMs)
    for (const peer of this.#peers.values()) {
      const pipes = peer.pipes.all()
      for (const pipe of pipes) {
        pipe.heardAtMs += stallMs
        if (nowMs - pipe.spokeAtMs >= this.#limits.keepaliveMs && pipe.link.bufferedBytes === 0) {
          pipe.spokeAtMs = nowMs
          pipe.link.send(KEEPALIVE)
        }
      }
      this.#closeSilent(peer, pipes, nowMs)
    }
    this.#watchLater()
  }

  #closeSilent(peer: Peer, pipes: readonly Pipe[], nowMs: number): void {
    const { silenceMs } = this.#limits
    const control = pipes.find(pipe => pipe.channel === 'control')
    // Where control is silent, nothing large can be what keeps the others busy.
    const isGone = control !== undefined && nowMs - control.heardAtMs > silenceMs.control
    for (const pipe of pipes) {
      const boundMs = isGone ? silenceMs.control : silenceMs[pipe.channel]
      if (nowMs - pipe.heardAtMs <= boundMs) continue
      peer.counters.silent++
      this.#drop(peer, pipe, CLOSE_SILENT, 'nothing was heard')
    }
  }

  // --- refusals ----------------------------------------------------------------------------------------------------------------

  /** Strangers may claim any name as often as they like: what is kept and reported of them is bounded. */
  #report(name: string, reason: PeerRefusal, detail: string): void {
    const peer = this.#peers.get(name)
    if (peer !== undefined) peer.counters.refused++
    const key = `${peer === undefined ? '' : name} ${reason}`
    const nowMs = this.#options.clock.monotonicMs()
    if (nowMs - (this.#reportedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < this.#limits.refusedRedialMs) return
    this.#reportedAtMs.set(key, nowMs)
    this.onRefusal?.(printable(name), reason, detail)
  }
}

function requireSound({ self, members, secret }: PeerTransportOptions, names: readonly string[]): void {
  const invalid = (message: string): QuorateError => new QuorateError('configuration_invalid', message)
  if (!names.includes(self)) throw invalid(`${self} is not among the members ${names.join(', ')}`)
  if (new Set(names).size !== names.length) throw invalid('two members have the same name')
  if (secret.length > 0) return
  const exposed = members.find(({ address }) => !isLoopbackHost(hostOf(address)))
  if (exposed !== undefined) throw invalid(`a cluster secret is needed: ${exposed.name} is at ${exposed.address}`)
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}
