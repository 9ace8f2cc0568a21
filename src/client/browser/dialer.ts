import type { Dialer, DialOptions, FrameLink } from '../../platform/index.ts'

/** What is used of a browser's WebSocket. */
interface BrowserSocket {
  binaryType: string
  readonly bufferedAmount: number
  addEventListener(type: 'open' | 'message' | 'close' | 'error', hear: (event: SocketEvent) => void): void
  send(bytes: Uint8Array): void
  close(code?: number, reason?: string): void
}

interface SocketEvent {
  /** Of a message. */
  readonly data?: unknown
  /** Of the end. */
  readonly code?: number
  readonly reason?: string
}

type SocketConstructor = new (url: string, protocols: readonly string[]) => BrowserSocket

const NORMAL = 1000
const TOO_BIG = 4009
const BROKEN = 1006

/** Opens links with the WebSocket of the page. It can set no headers: the token travels in `hello`. */
export function browserDialer(): Dialer {
  return { dial }
}

function dial(url: string, { timeoutMs, subprotocol, signal, maxFrameBytes }: DialOptions): Promise<FrameLink> {
  const { WebSocket } = globalThis as { WebSocket?: SocketConstructor }
  if (WebSocket === undefined) return Promise.reject(new Error('there is no WebSocket here'))
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new Error(`cannot open ${url}: aborted`))
      return
    }
    const socket = new WebSocket(url, [subprotocol])
    socket.binaryType = 'arraybuffer'
    let isSettled = false
    const settle = (error: string | undefined): void => {
      if (isSettled) return
      isSettled = true
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      if (error === undefined) resolve(new BrowserLink(socket, url, maxFrameBytes))
      else {
        socket.close()
        reject(new Error(`cannot open ${url}: ${error}`))
      }
    }
    const abort = (): void => settle('aborted')
    const timer = setTimeout(() => settle(`no answer within ${timeoutMs} ms`), timeoutMs)
    signal?.addEventListener('abort', abort, { once: true })
    socket.addEventListener('open', () => settle(undefined))
    // Browsers tell nobody why.
    socket.addEventListener('error', () => settle('the connection failed'))
    socket.addEventListener('close', ({ code }) => settle(`closed with ${code}`))
  })
}

class BrowserLink implements FrameLink {
  readonly remoteAddress: string
  onFrame: FrameLink['onFrame'] = undefined
  onClose: FrameLink['onClose'] = undefined
  readonly #socket: BrowserSocket
  #isClosed = false

  constructor(socket: BrowserSocket, url: string, maxFrameBytes: number) {
    this.#socket = socket
    this.remoteAddress = new URL(url).host
    socket.addEventListener('message', ({ data }) => {
      if (this.#isClosed || !(data instanceof ArrayBuffer)) return
      if (data.byteLength > maxFrameBytes) this.close(TOO_BIG, 'a frame is too large')
      else this.onFrame?.(new Uint8Array(data))
    })
    socket.addEventListener('close', ({ code = BROKEN, reason = '' }) => this.#end(code, reason))
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount
  }

  send(frame: Uint8Array): void {
    if (!this.#isClosed) this.#socket.send(frame)
  }

  /** A page may close with 1000 and 3000 to 4999 only. */
  close(code: number = NORMAL, reason = ''): void {
    if (this.#isClosed) return
    this.#socket.close(code === NORMAL || code >= 3000 ? code : NORMAL, reason)
    this.#end(code, reason)
  }

  #end(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.onClose?.(code, reason)
  }
}
