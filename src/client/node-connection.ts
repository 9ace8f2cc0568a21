import { ByteWriter, MalformedBytes } from '../encoding/index.ts'
import {
  appendClientMessage,
  CLIENT_PROTOCOL_VERSION,
  CLIENT_SUBPROTOCOL_BINARY,
  ClientFrameCursor,
  FIRST_FRAME_BYTES_MAX,
  NumberMap,
  QuorateError,
  readServerMessage,
} from '../model/index.ts'
import type { ClientMessage, HelloMessage, ServerMessage, WelcomeMessage } from '../model/index.ts'
import type { FrameLink, Timer } from '../platform/index.ts'
import type { ClientPorts, ClientSettings } from './options.ts'

const CLIENT_VERSION = '0.1.0'
/** A commit is never divided by a watch, so frames from a node may be as long as the longest transaction and more. */
const SERVER_FRAME_BYTES_MAX = 268_435_456
/** What one frame gathers at most, if its first message is not longer by itself. */
const FRAME_BYTES = 1 << 20
const MISSED_PINGS_MAX = 2
const CHECKS_PER_PING = 2
const REQUEST_ID_MAX = 0xffffffff
const PROTOCOL_ERROR = 1002

/** Something that waits for answers on a connection. */
export interface OpenRequest {
  /** Called for each message under its id. Anything but `watchEvents` ends it. */
  onAnswer(message: ServerMessage, connection: NodeConnection): void
  /** The connection is gone, and with it the answer. */
  onLost(connection: NodeConnection): void
}

export interface ConnectionOwner {
  onReady(connection: NodeConnection, welcome: WelcomeMessage): void
  /** Messages that concern the connection as a whole. */
  onNews(connection: NodeConnection, message: ServerMessage): void
  onClosed(connection: NodeConnection, reason: string, refusal: QuorateError | undefined): void
}

/** A connection to one node, from `open` until it is closed; reconnecting is the pool's business. */
export class NodeConnection {
  readonly url: string
  readonly #ports: ClientPorts
  readonly #settings: ClientSettings
  readonly #owner: ConnectionOwner
  readonly #open = new NumberMap<OpenRequest>()
  readonly #out = new ByteWriter(65_536)
  readonly #cursor = new ClientFrameCursor()
  readonly #dialing = new AbortController()
  #link: FrameLink | undefined
  #isFlushScheduled = false
  #isClosed = false
  #nextId = 1
  #maxFrameBytes = FIRST_FRAME_BYTES_MAX
  #check: Timer | undefined
  #receivedAtMs = 0
  #pingAtMs = 0
  #missedPings = 0
  nodeId = 0
  historyId = ''
  /** Who leads, as its node said last; 0 = it knows none. */
  leaderId = 0
  isReady = false
  /** Asked to go elsewhere; chosen only if there is nothing else. */
  isLeaving = false
  /** The session that commits on this connection belong to; 0 = none. */
  sessionId = 0
  /** A hello for a session is not answered yet. */
  isGreeting = false
  /** Smoothed round trip, ms. */
  roundTripMs = 0

  constructor(url: string, ports: ClientPorts, settings: ClientSettings, owner: ConnectionOwner) {
    this.url = url
    this.#ports = ports
    this.#settings = settings
    this.#owner = owner
  }

  get openCount(): number {
    return this.#open.size
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Dials and says hello; the owner hears how it went. */
  open(): void {
    const { dialTimeoutMs: timeoutMs } = this.#settings
    const { signal } = this.#dialing
    const dialed = this.#ports.dialer.dial(this.url, {
      timeoutMs,
      subprotocol: CLIENT_SUBPROTOCOL_BINARY,
      signal,
      maxFrameBytes: SERVER_FRAME_BYTES_MAX,
    })
    dialed.then(
      link => this.#opened(link),
      (error: unknown) => this.#closed(error instanceof Error ? error.message : String(error), undefined),
    )
  }

  #opened(link: FrameLink): void {
    if (this.#isClosed) return link.close()
    this.#link = link
    link.onFrame = frame => this.#receive(frame)
    link.onClose = (code, reason) => this.#closed(reason === '' ? `closed with ${code}` : reason, undefined)
    this.#receivedAtMs = this.#ports.clock.monotonicMs()
    const sentAtMs = this.#receivedAtMs
    this.request(this.hello(undefined), {
      onAnswer: message => {
        if (message.type === 'welcome') this.#welcomed(message, sentAtMs)
        else if (message.type === 'error') this.#closed(message.error.message, message.error)
        else this.#broken(`${message.type} instead of welcome`)
      },
      onLost: () => undefined,
    })
    this.#armCheck()
  }

  hello(session: HelloMessage['session']): HelloMessage {
    const { clientName, token, caller } = this.#settings
    return {
      type: 'hello',
      requestId: 0,
      protocol: CLIENT_PROTOCOL_VERSION,
      clientName,
      clientVersion: CLIENT_VERSION,
      ...(token !== undefined && { token }),
      ...(caller !== undefined && { as: caller }),
      ...(session !== undefined && { session }),
    }
  }

  #welcomed(welcome: WelcomeMessage, sentAtMs: number): void {
    this.nodeId = welcome.nodeId
    this.historyId = welcome.historyId
    this.#maxFrameBytes = welcome.maxFrameBytes
    this.roundTripMs = this.#ports.clock.monotonicMs() - sentAtMs
    this.isReady = true
    this.#owner.onReady(this, welcome)
  }

  /**
   * Sends `message` under an id of its own with all else of this turn; `request` hears of the answers. Returns the id.
   * @throws QuorateError `frame_too_large`
   */
  request(message: ClientMessage, request: OpenRequest): number {
    const id = this.#takeId()
    message.requestId = id
    this.send(message)
    this.#open.set(id, request)
    return id
  }

  /** Sends what is not answered. Hot path: bench/client. */
  send(message: ClientMessage): void {
    const out = this.#out
    const at = out.length
    appendClientMessage(out, message)
    if (out.length - at > this.#maxFrameBytes) {
      const bytes = out.length - at
      out.truncate(at)
      throw new QuorateError(
        'frame_too_large',
        `a request of ${bytes} bytes, the node takes at most ${this.#maxFrameBytes}`,
      )
    }
    if (at > 0 && out.length > Math.min(FRAME_BYTES, this.#maxFrameBytes)) {
      const last = out.view().slice(at)
      out.truncate(at)
      this.#flush()
      out.raw(last)
    }
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    this.#ports.timers.endOfTurn(() => {
      this.#isFlushScheduled = false
      this.#flush()
    })
  }

  /** Nobody waits for `id` any more. */
  forget(id: number): void {
    if (this.#open.delete(id) !== undefined) this.send({ type: 'cancel', requestId: id })
  }

  #takeId(): number {
    let id = this.#nextId
    while (this.#open.has(id)) id = id === REQUEST_ID_MAX ? 1 : id + 1
    this.#nextId = id === REQUEST_ID_MAX ? 1 : id + 1
    return id
  }

  #flush(): void {
    const out = this.#out
    if (out.length === 0) return
    if (!this.#isClosed) this.#link?.send(out.finish())
    out.reset()
  }

  // hot path: bench/client
  #receive(frame: Uint8Array): void {
    if (this.#isClosed) return
    this.#receivedAtMs = this.#ports.clock.monotonicMs()
    this.#missedPings = 0
    const cursor = this.#cursor
    try {
      cursor.open(frame, SERVER_FRAME_BYTES_MAX)
      while (cursor.next()) {
        this.#deliver(readServerMessage(cursor))
        if (this.#isClosed) return
      }
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      this.#broken(error.message)
    }
  }

  #deliver(message: ServerMessage): void {
    const { requestId } = message
    if (requestId === 0) {
      if (message.type === 'error') this.#closed(message.error.message, message.error)
      else this.#owner.onNews(this, message)
      return
    }
    const request = this.#open.get(requestId)
    // An answer to what was forgotten; a view that it opened would stay.
    if (request === undefined) {
      if (message.type === 'viewOpened') this.send({ type: 'closeView', requestId: 0, viewId: message.viewId })
      return
    }
    if (message.type !== 'watchEvents') this.#open.delete(requestId)
    request.onAnswer(message, this)
  }

  #broken(what: string): void {
    this.close(PROTOCOL_ERROR, what)
  }

  /** Half-open connections show only by their silence. */
  #armCheck(): void {
    const { pingBusyMs, pingIdleMs } = this.#settings
    const everyMs = Math.min(pingBusyMs, pingIdleMs) / CHECKS_PER_PING
    this.#check = this.#ports.timers.after(
      everyMs,
      () => {
        this.#checkSilence(this.#open.size > this.#missedPings ? pingBusyMs : pingIdleMs)
        if (!this.#isClosed) this.#armCheck()
      },
      { background: true },
    )
  }

  #checkSilence(limitMs: number): void {
    const nowMs = this.#ports.clock.monotonicMs()
    if (!this.isReady) {
      if (nowMs - this.#receivedAtMs >= this.#settings.dialTimeoutMs) this.close(PROTOCOL_ERROR, 'no welcome')
      return
    }
    if (nowMs - Math.max(this.#receivedAtMs, this.#pingAtMs) < limitMs) return
    if (this.#missedPings >= MISSED_PINGS_MAX) return this.close(PROTOCOL_ERROR, 'no sign of life')
    this.#missedPings++
    this.#pingAtMs = nowMs
    this.request(
      { type: 'ping', requestId: 0 },
      {
        onAnswer: message => {
          const tookMs = this.#ports.clock.monotonicMs() - nowMs
          this.roundTripMs += (tookMs - this.roundTripMs) / 4
          if (message.type === 'pong') this.#owner.onNews(this, message)
        },
        onLost: () => undefined,
      },
    )
  }

  close(code = 1000, reason = ''): void {
    this.#flush()
    this.#link?.close(code, reason)
    this.#closed(reason, undefined)
  }

  #closed(reason: string, refusal: QuorateError | undefined): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.isReady = false
    this.#check?.cancel()
    this.#dialing.abort()
    if (refusal !== undefined) this.#link?.close()
    this.#out.reset()
    // In the order of their ids, which is that of their sending.
    const lost = this.#open.entries().sort(([one], [other]) => one - other)
    this.#open.clear()
    this.#owner.onClosed(this, reason, refusal)
    for (const [, request] of lost) request.onLost(this)
  }
}
