import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import type { FrameLink } from '../../platform/index.ts'

/** The options of every WebSocket here, whichever side opened it. No compression: frames are dense, and a deflate context per link is not. */
export const SOCKET_OPTIONS = {
  perMessageDeflate: false,
  // Whoever decodes the text checks it; doing it twice would cost a pass over each frame.
  skipUTF8Validation: true,
  autoPong: true,
  closeTimeout: 2_000,
} as const

const BROKEN = 1006
const PROTOCOL_ERROR = 1002
const UNSUPPORTED_DATA = 1003
const TOO_LARGE = 1009
const REASON_BYTES_MAX = 123

/**
 * A WebSocket as a link of frames. Frames and the close that come before their listener is set wait for it. A local `close` is
 * reported at once; the closing handshake goes on behind it and the socket is destroyed if the other side does not answer.
 */
export class WebSocketLink implements FrameLink {
  readonly remoteAddress: string
  readonly #socket: WebSocket
  /** Whether messages are text (the JSON subprotocol); a message of the other kind closes the link. */
  readonly #isText: boolean
  readonly #sendOptions: { binary: boolean; compress: false }
  #onFrame: FrameLink['onFrame'] = undefined
  #onClose: FrameLink['onClose'] = undefined
  /** Frames that came before their listener. */
  #early: Uint8Array[] = []
  #closed: { code: number; reason: string } | undefined = undefined
  #isCloseReported = false
  readonly #liftBound: () => void

  /** `stranger` bounds what comes on the socket below until `trust` is called. */
  constructor(socket: WebSocket, remoteAddress: string, isText: boolean, stranger?: StrangerBound) {
    this.#socket = socket
    this.remoteAddress = remoteAddress
    this.#isText = isText
    this.#sendOptions = { binary: !isText, compress: false }
    this.#liftBound = boundBytes(stranger)
    socket.binaryType = 'nodebuffer'
    socket.on('message', (data: RawData, isBinary: boolean) => this.#take(data, isBinary))
    socket.on('close', (code: number, reason: Buffer) => this.#finish(code, reason.toString()))
    socket.on('error', error => this.#finish(codeOf(error), error.message))
  }

  get onFrame(): FrameLink['onFrame'] {
    return this.#onFrame
  }

  set onFrame(listener: FrameLink['onFrame']) {
    this.#onFrame = listener
    if (this.#early.length > 0) queueMicrotask(() => this.#flushEarly())
  }

  get onClose(): FrameLink['onClose'] {
    return this.#onClose
  }

  set onClose(listener: FrameLink['onClose']) {
    this.#onClose = listener
    if (this.#closed !== undefined) queueMicrotask(() => this.#reportClose())
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  // hot path: one call per frame; on the server's side ws writes the header and the frame itself, unmasked and uncopied
  send(frame: Uint8Array): void {
    if (this.#closed === undefined && this.#socket.readyState === this.#socket.OPEN) {
      this.#socket.send(frame, this.#sendOptions)
    }
  }

  close(code = 1000, reason = ''): void {
    if (this.#closed !== undefined) return
    this.#closed = { code, reason }
    this.#early = []
    if (isSendable(code)) this.#socket.close(code, shorten(reason))
    else this.#socket.terminate()
    this.#socket.resume() // a paused socket would never see the answer
    queueMicrotask(() => this.#reportClose())
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  trust(): void {
    this.#liftBound()
  }

  #take(data: RawData, isBinary: boolean): void {
    if (this.#closed !== undefined) return
    if (isBinary === this.#isText) {
      this.close(UNSUPPORTED_DATA, this.#isText ? 'expected text messages' : 'expected binary messages')
      return
    }
    // With binaryType nodebuffer every message is one Buffer.
    const frame = data as Buffer
    if (this.#onFrame === undefined || this.#early.length > 0) this.#early.push(frame)
    else this.#onFrame(frame)
  }

  #flushEarly(): void {
    while (this.#early.length > 0 && this.#onFrame !== undefined) {
      const frame = this.#early[0]!
      this.#onFrame(frame)
      this.#early.shift()
    }
    if (this.#closed !== undefined) this.#reportClose()
  }

  #finish(code: number, reason: string): void {
    if (this.#closed !== undefined) return
    this.#closed = { code, reason }
    if (this.#early.length === 0) this.#reportClose()
  }

  #reportClose(): void {
    if (this.#isCloseReported || this.#closed === undefined || this.#onClose === undefined) return
    this.#isCloseReported = true
    this.#early = []
    this.#onClose(this.#closed.code, this.#closed.reason)
  }
}

export interface StrangerBound {
  readonly socket: Duplex
  readonly bytesMax: number | undefined
}

/**
 * Destroys the socket once this many bytes have come, until the returned function is called. A limit on the frame alone would let
 * a stranger make this process keep the whole of a large frame.
 */
function boundBytes(stranger: StrangerBound | undefined): () => void {
  if (stranger?.bytesMax === undefined) return () => {}
  const { socket } = stranger
  let leftBytes = stranger.bytesMax
  const count = (chunk: Buffer): void => {
    leftBytes -= chunk.length
    if (leftBytes < 0) socket.destroy()
  }
  socket.on('data', count)
  return () => {
    socket.off('data', count)
  }
}

/** What ws itself answers a message that breaks the protocol or the limit with. */
function codeOf(error: Error): number {
  const code = 'code' in error ? String(error.code) : ''
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH' || code === 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH')
    return TOO_LARGE
  return code.startsWith('WS_ERR_') ? PROTOCOL_ERROR : BROKEN
}

/** Whether a close frame may carry this code (RFC 6455, 7.4). */
function isSendable(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== BROKEN) ||
    (code >= 3000 && code <= 4999)
  )
}

function shorten(reason: string): string {
  let text = reason
  while (Buffer.byteLength(text) > REASON_BYTES_MAX) text = text.slice(0, -1)
  return text
}
