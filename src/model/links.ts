/**
 * How replicas reach each other: frames of bytes between named members. `transport/peer` implements it (handshake, reconnection,
 * authentication) over any Dialer and listener; the real ones are WebSockets, the simulator's are its own.
 */

/**
 * Three pipes to each peer, so that bulk never delays a heartbeat: `control` (votes, heartbeats, answers, forwarded requests), `log`
 * (AppendEntries), `snapshot`.
 */
export type PeerChannel = 'control' | 'log' | 'snapshot'

/** What a node says of itself when a link opens; checked before any other frame is taken. */
export interface PeerIdentity {
  /** The configured name. */
  name: string
  /** 0 while it belongs to no group. */
  nodeId: number
  directoryId: string
  /** undefined while it belongs to no group. */
  historyId: string | undefined
}

/** Why a peer's hello was refused; alarmed, never retried faster than once a second. */
export type PeerRefusal = 'version' | 'secret' | 'configuration' | 'history' | 'directory' | 'unknown_name'

export interface PeerTransport {
  /** Starts listening and dialling. Callbacks below are set before. */
  start(): Promise<void>
  /** Queues a frame; false if there is no open link (the frame is dropped) or its queue is full. The frame belongs to the link afterwards. */
  send(peer: string, channel: PeerChannel, frame: Uint8Array): boolean
  /** Bytes queued for a peer and not yet on their way. */
  bufferedBytes(peer: string, channel: PeerChannel): number
  /** The identity a peer gave in its newest hello, if any. */
  identityOf(peer: string): PeerIdentity | undefined
  /** Tells peers when the own identity has changed (after bootstrap, install). Reopens links. */
  identityChanged(): void
  onFrame: ((peer: string, channel: PeerChannel, frame: Uint8Array) => void) | undefined
  /** A link opened (with the peer's identity) or closed. */
  onLink: ((peer: string, channel: PeerChannel, isOpen: boolean) => void) | undefined
  onRefusal: ((peer: string, reason: PeerRefusal, detail: string) => void) | undefined
  close(): Promise<void>
}
