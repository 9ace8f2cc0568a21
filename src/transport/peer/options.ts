import type { PeerChannel, PeerIdentity } from '../../model/index.ts'
import type { Clock, Dialer, FrameLink, FrameListener, Random, Timers } from '../../platform/index.ts'

/** The subprotocol of links between replicas. */
export const PEER_SUBPROTOCOL = 'quorate.peer.v1'
/** The path of their URL. */
export const PEER_PATH = '/v1/peer'

export interface PeerMember {
  readonly name: string
  /** host:port of the peer listener. */
  readonly address: string
}

/** A link that somebody opened and that has proved nothing yet. */
export interface IncomingPeerLink {
  readonly link: FrameLink
  readonly isLoopback: boolean
}

/** Listens for peers; the owner of the address decides how (`webSocketPeerListener`, or the simulated network). */
export type ListenForPeers = (accept: (incoming: IncomingPeerLink) => void) => Promise<FrameListener>

export interface PeerLimits {
  /** Frames above this size break the link. */
  readonly maxFrameBytes: number
  /** Bytes that may wait on a link of each channel; a frame beyond them is not taken. */
  readonly queueBytes: Readonly<Record<PeerChannel, number>>
  readonly dialTimeoutMs: number
  /** A link that has not proved itself within this time is closed. */
  readonly handshakeTimeoutMs: number
  /** Links of strangers at a time; the oldest makes room. */
  readonly strangersMax: number
  /** The first pause before dialling again, and the longest; each is twice the one before, less a random part. */
  readonly redialMs: readonly [first: number, longest: number]
  /** The pause after a refusal, and how often one is reported. */
  readonly refusedRedialMs: number
  /** An empty frame is sent on a link that was silent for so long. */
  readonly keepaliveMs: number
  /** A link on which nothing came for so long is closed, for bulk later: one large frame may take its time. */
  readonly silenceMs: Readonly<Record<PeerChannel, number>>
}

export const DEFAULT_PEER_LIMITS: PeerLimits = {
  maxFrameBytes: 64 << 20,
  queueBytes: { control: 8 << 20, log: 64 << 20, snapshot: 64 << 20 },
  dialTimeoutMs: 2_000,
  handshakeTimeoutMs: 2_000,
  strangersMax: 64,
  redialMs: [20, 1_000],
  refusedRedialMs: 1_000,
  keepaliveMs: 1_000,
  silenceMs: { control: 4_000, log: 15_000, snapshot: 15_000 },
}

export interface PeerTransportOptions {
  /** The own name; one of `members`. */
  readonly self: string
  /** All members in the configured order, the same on every node. */
  readonly members: readonly PeerMember[]
  /** The cluster secret. Empty only if every address is a loopback one. */
  readonly secret: Uint8Array
  /** What to say of this node in each hello. */
  readonly identity: () => PeerIdentity
  /** The directory id that the cluster knows a member by, if any: another one under that name is refused. */
  readonly directoryOf?: (name: string) => string | undefined
  readonly dialer: Dialer
  readonly listen: ListenForPeers
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** ws, or wss if the listeners of the members have TLS. */
  readonly scheme?: 'ws' | 'wss'
  readonly limits?: Partial<PeerLimits>
}
