import { MalformedBytes } from '../../encoding/index.ts'
import {
  CLIENT_SUBPROTOCOL_JSON,
  ClientFrameCursor,
  clientMessagesFromJson,
  emptyCommitMessage,
  FIRST_FRAME_BYTES_MAX,
  QuorateError,
  readClientMessage,
} from '../../model/index.ts'
import type { ClientMessage, ServerMessage } from '../../model/index.ts'
import type { FrameLink } from '../../platform/index.ts'
import { CloseCode } from './close-code.ts'
import { BinaryOutbox, JsonOutbox } from './outbox.ts'
import type { Outbox } from './outbox.ts'
import { ClientRequests } from './requests.ts'
import type { ClientChannel, ConnectionOrigin, Shared } from './shared.ts'

/** What a connection needs of its gateway. */
export interface ConnectionOwner extends Shared {
  /** Sends what the connection has gathered when this turn ends. */
  flushLater(connection: Connection): void
  /** The connection reads nothing until `tryToUnchoke` lets it: ask it often. */
  choked(connection: Connection): void
  closed(connection: Connection): void
}

/** A larger frame than this is sent without waiting for the end of the turn. */
const FRAME_BYTES_SOON = 256 << 10

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * One client's connection: takes its frames, gathers what it is told in a turn into one frame, and stops reading while too much is
 * unanswered or untaken. What the messages mean is in requests.ts.
 */
export class Connection implements ClientChannel {
  readonly origin: ConnectionOrigin
  readonly #link: FrameLink
  readonly #owner: ConnectionOwner
  readonly #requests: ClientRequests
  readonly #outbox: Outbox
  readonly #isJson: boolean
  readonly #cursor = new ClientFrameCursor()
  /** The commit that is being read; one object for all of them. */
  readonly #commit = emptyCommitMessage()
  #isClosed = false
  #isChoked = false
  /** Frames that came while choked. */
  #unread: Uint8Array[] = []
  #unreadBytes = 0
  #isFlushDue = false
  #lastReceivedMs: number
  // The clocks, read once for each frame and once for all that is said in a turn: a read costs more than many a message.
  #readAtMs: number
  /** 0 = not read for this frame. */
  #readAtMicros = 0
  #saidAtMs = 0
  #saidAtMicros = 0
  /** Since when the client has left more than the bound untaken; undefined = it has not. */
  #stalledSinceMs: number | undefined
  readonly openedAtMs: number

  /** Counts the connections of the gateway. */
  readonly number: number

  constructor(link: FrameLink, origin: ConnectionOrigin, owner: ConnectionOwner, number: number) {
    this.number = number
    this.origin = origin
    this.#link = link
    this.#owner = owner
    this.#isJson = origin.subprotocol === CLIENT_SUBPROTOCOL_JSON
    this.#outbox = this.#isJson ? new JsonOutbox() : new BinaryOutbox()
    this.openedAtMs = this.#lastReceivedMs = this.#readAtMs = owner.options.clock.monotonicMs()
    this.#requests = new ClientRequests(this, owner)
    link.onFrame = frame => this.#received(frame)
    link.onClose = () => this.#ended()
  }

  get requests(): ClientRequests {
    return this.#requests
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Bytes that the client has not taken yet. */
  get unsentBytes(): number {
    return this.#link.bufferedBytes + this.#outbox.length
  }

  get readAtMs(): number {
    return this.#readAtMs
  }

  get readAtMicros(): number {
    if (this.#readAtMicros === 0) this.#readAtMicros = this.#owner.options.service.leaderTimeMicros
    return this.#readAtMicros
  }

  get saidAtMs(): number {
    this.#readClocks()
    return this.#saidAtMs
  }

  /** As long as a flush is due, it is the same turn. */
  #readClocks(): void {
    if (this.#isFlushDue) return
    const { clock, service } = this.#owner.options
    this.#saidAtMs = clock.monotonicMs()
    this.#saidAtMicros = service.leaderTimeMicros
  }

  #received(frame: Uint8Array): void {
    if (this.#isClosed) return
    const { stats, limits, options } = this.#owner
    this.#lastReceivedMs = options.clock.monotonicMs()
    stats.framesReceivedTotal++
    stats.bytesReceivedTotal += frame.length
    if (!this.#isChoked) {
      this.#read(frame, this.#lastReceivedMs)
      if (this.#requests.isOverfull || this.#link.bufferedBytes > limits.unsentBytesHigh) this.choke()
      return
    }
    this.#unread.push(frame)
    this.#unreadBytes += frame.length
    if (this.#unreadBytes + this.unsentBytes > limits.heldBytesMax) this.#closeSlow()
  }

  #read(frame: Uint8Array, nowMs: number): void {
    const { limits } = this.#owner
    this.#readAtMs = nowMs
    this.#readAtMicros = 0
    const bytesMax = this.#requests.isWelcome ? limits.maxFrameBytes : FIRST_FRAME_BYTES_MAX
    if (frame.length > bytesMax) {
      const message = `frame of ${frame.length} bytes, at most ${bytesMax} are allowed`
      return this.refuse(new QuorateError('frame_too_large', message), CloseCode.tooBig)
    }
    if (this.#isJson) this.#readJson(frame, bytesMax)
    else this.#readBinary(frame, bytesMax)
  }

  /** A message with a wrong body is refused by itself: the frame around it is sound, and so are the others in it. */
  #readBinary(frame: Uint8Array, bytesMax: number): void {
    const cursor = this.#cursor
    try {
      cursor.open(frame, bytesMax)
      while (!this.#isClosed && cursor.next()) {
        const message = this.#readMessage(cursor)
        if (message !== undefined) this.#handle(message)
      }
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      this.#owner.stats.malformedTotal++
      this.refuse(malformed(error), CloseCode.protocol)
    }
  }

  #readMessage(cursor: ClientFrameCursor): ClientMessage | undefined {
    try {
      return readClientMessage(cursor, this.#commit)
    } catch (error) {
      if (!(error instanceof MalformedBytes) || cursor.requestId === 0 || !this.#requests.isWelcome) throw error
      this.#owner.stats.malformedTotal++
      this.sendError(cursor.requestId, malformed(error))
      return undefined
    }
  }

  #readJson(frame: Uint8Array, bytesMax: number): void {
    let messages: ClientMessage[]
    try {
      messages = clientMessagesFromJson(utf8.decode(frame), bytesMax)
    } catch (cause) {
      this.#owner.stats.malformedTotal++
      const error = cause instanceof QuorateError ? cause : new QuorateError('malformed_request', 'text is not UTF-8')
      return this.refuse(error, CloseCode.malformed)
    }
    for (const message of messages) {
      if (this.#isClosed) return
      this.#handle(message)
    }
  }

  #handle(message: ClientMessage): void {
    try {
      this.#requests.handle(message)
    } catch (error) {
      // Errors are answers everywhere below: what is thrown is a fault of this program, and this client's alone.
      this.fault(message.requestId, error)
    }
  }

  send(message: ServerMessage): void {
    if (this.#isClosed) return
    try {
      this.#outbox.append(message)
    } catch (error) {
      if (message.type === 'error') throw error
      return this.fault(message.requestId, error)
    }
    this.#appended()
  }

  /** hot path: bench/gateway. */
  sendOutcome(requestId: number, outcome: Uint8Array): void {
    if (this.#isClosed) return
    this.#readClocks()
    try {
      this.#outbox.appendOutcome(requestId, this.#saidAtMicros, outcome)
    } catch (error) {
      return this.fault(requestId, error)
    }
    this.#appended()
  }

  #appended(): void {
    if (this.#outbox.length > FRAME_BYTES_SOON) this.#push()
    else if (!this.#isFlushDue) {
      this.#isFlushDue = true
      this.#owner.flushLater(this)
    }
  }

  trust(): void {
    this.#link.trust?.()
  }

  sendError(requestId: number, error: QuorateError): void {
    this.#owner.stats.errorsTotal++
    this.send({ type: 'error', requestId, error })
  }

  fault(requestId: number, error: unknown): void {
    this.#owner.options.onFault?.(error)
    this.sendError(
      requestId,
      new QuorateError('internal', 'the request failed inside the node', { applied: 'unknown' }),
    )
  }

  /** The end of the turn. */
  flush(): void {
    this.#isFlushDue = false
    if (this.#isClosed) return
    this.#push()
    if (this.#isChoked) this.tryToUnchoke()
    else if (this.#link.bufferedBytes > this.#owner.limits.unsentBytesHigh) this.choke()
  }

  #push(): void {
    const frame = this.#outbox.take()
    if (frame === undefined) return
    const { stats, limits } = this.#owner
    stats.framesSentTotal++
    stats.bytesSentTotal += frame.length
    this.#link.send(frame)
    if (this.#link.bufferedBytes + this.#unreadBytes > limits.heldBytesMax) this.#closeSlow()
  }

  choke(): void {
    if (this.#isChoked || this.#isClosed) return
    this.#isChoked = true
    this.#link.pause?.()
    this.#owner.choked(this)
  }

  /** Reads on if less is waiting now. Answers whether it does. */
  tryToUnchoke(): boolean {
    const { limits } = this.#owner
    // Half of the bounds to begin, the whole to stop: so it does not go back and forth with every answer.
    if (this.#link.bufferedBytes > limits.unsentBytesHigh / 2 || this.#requests.isHalfFull) return this.#isClosed
    if (!this.#requests.runPostponed()) return this.#isClosed
    while (!this.#isClosed && !this.#requests.isOverfull) {
      const frame = this.#unread.shift()
      if (frame === undefined) {
        this.#isChoked = false
        this.#stalledSinceMs = undefined
        this.#requests.resumeWatches()
        this.#link.resume?.()
        return true
      }
      this.#unreadBytes -= frame.length
      this.#read(frame, this.#owner.options.clock.monotonicMs())
    }
    return this.#isClosed
  }

  /** Now and then: closes what is silent, stalled or never said hello; releases idle views. */
  sweep(nowMs: number): void {
    const { limits, stats } = this.#owner
    if (!this.#requests.isWelcome && !this.#requests.isOpening && nowMs - this.openedAtMs > limits.helloMs) {
      return this.refuse(new QuorateError('unauthenticated', 'no hello in time'), CloseCode.policy)
    }
    // While choked, nothing is read: silence says nothing.
    if (!this.#isChoked && nowMs - this.#lastReceivedMs > limits.idleMs) {
      stats.idleClosedTotal++
      return this.close(CloseCode.away, 'idle')
    }
    this.#requests.sweep(nowMs)
    if (this.#link.bufferedBytes <= limits.unsentBytesHigh / 2) {
      this.#stalledSinceMs = undefined
      this.#requests.resumeWatches()
    } else if (this.#stalledSinceMs === undefined) this.#stalledSinceMs = nowMs
    else if (nowMs - this.#stalledSinceMs > limits.stalledMs) this.#closeSlow()
  }

  #closeSlow(): void {
    if (this.#isClosed) return
    this.#owner.stats.slowClosedTotal++
    this.close(CloseCode.tryLater, 'answers are not taken')
  }

  /** Ends the connection with an error that concerns all of it. */
  refuse(error: QuorateError, code: number): void {
    if (this.#isClosed) return
    this.sendError(0, error)
    this.close(code, error.code)
  }

  close(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#push()
    if (this.#isClosed) return
    this.#ended()
    this.#link.close(code, reason)
  }

  #ended(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#unread = []
    this.#requests.end()
    this.#owner.closed(this)
  }
}

function malformed(cause: MalformedBytes): QuorateError {
  return new QuorateError('malformed_request', cause.message, { cause })
}
