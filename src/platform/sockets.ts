/**
 * A connected, ordered, reliable pipe of byte frames (one WebSocket binary message = one frame). Frames arrive whole and in
 * order or the link closes. The simulator replaces these; everything above runs unchanged on it.
 */
export interface FrameLink {
  /** Queues a frame. The link owns `frame` from now on: the caller must not change it. Sending on a closed link does nothing. */
  send(frame: Uint8Array): void
  /** Bytes queued and not yet given to the operating system: what backpressure looks at. */
  readonly bufferedBytes: number
  /** The peer's address for messages and limits, e.g. "127.0.0.1:51234". */
  readonly remoteAddress: string
  /** Set by the owner before the current turn ends; frames are delivered on this thread. The receiver may keep `frame`. */
  onFrame: ((frame: Uint8Array) => void) | undefined
  /** Called once, after the last frame. `code` is the WebSocket close code (1006 = broken), `reason` a short text. */
  onClose: ((code: number, reason: string) => void) | undefined
  close(code?: number, reason?: string): void
  /** Stops reading from the other side, which then feels backpressure; a few frames that were read already may still arrive. */
  pause?(): void
  /** Reads again after `pause`. */
  resume?(): void
  /** Lifts `strangerBytesMax`: the other side has proved who it is. */
  trust?(): void
}

/** Opens frame links. */
export interface Dialer {
  /** Resolves when the link is open; rejects if it cannot be opened within `timeoutMs` or `signal` is aborted. */
  dial(url: string, options: DialOptions): Promise<FrameLink>
}

export interface DialOptions {
  timeoutMs: number
  subprotocol: string
  headers?: Readonly<Record<string, string>>
  signal?: AbortSignal
  /** Frames above this size break the link. */
  maxFrameBytes: number
  /** Bytes that may come before `trust` is called on the link; more break it. Unbounded if not given. */
  strangerBytesMax?: number
}

/** Accepts frame links on one address. */
export interface FrameListener {
  /** The address really bound, e.g. with the port that 0 was turned into. */
  readonly host: string
  readonly port: number
  close(): Promise<void>
}
