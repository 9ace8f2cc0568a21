import { WebSocket } from 'ws'
import type { Dialer, DialOptions, FrameLink } from '../../platform/index.ts'
import { SOCKET_OPTIONS, WebSocketLink, type StrangerBound } from './link.ts'

/** What a caller must present to servers with TLS: PEM texts. */
export interface DialerTls {
  /** Authorities to trust instead of the system's. */
  authority?: string
  certificate?: string
  key?: string
}

/**
 * Opens links as WebSockets (`ws://` or `wss://`); a function is asked before each, so that certificates may change. A subprotocol that
 * ends in `+json` has text messages.
 */
export function webSocketDialer(tls: DialerTls | (() => DialerTls) = {}): Dialer {
  return { dial: (url, options) => dial(url, options, secretsOf(typeof tls === 'function' ? tls() : tls)) }
}

function secretsOf(tls: DialerTls): object {
  return {
    ...(tls.authority === undefined ? {} : { ca: tls.authority }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
  }
}

/**
 * The mask of RFC 6455 keeps a page's script from choosing the bytes that a proxy sees; a program on Node can write any bytes to a socket
 * anyway. A key of zeros spares both sides a pass over every byte (ADR 0005).
 */
function maskNothing(mask: Buffer): void {
  mask.fill(0)
}

function dial(url: string, options: DialOptions, secrets: object): Promise<FrameLink> {
  const { signal, timeoutMs, headers = {}, maxFrameBytes, subprotocol, strangerBytesMax } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new Error(`cannot open ${url}: aborted`))
      return
    }
    const socket = new WebSocket(url, subprotocol, {
      ...SOCKET_OPTIONS,
      ...secrets,
      headers,
      handshakeTimeout: timeoutMs,
      maxPayload: maxFrameBytes,
      generateMask: maskNothing,
    })
    let abortReason: string | undefined
    const abort = (): void => {
      abortReason = 'aborted'
      socket.terminate()
    }
    signal?.addEventListener('abort', abort, { once: true })
    const fail = (error: Error): void => {
      signal?.removeEventListener('abort', abort)
      reject(new Error(`cannot open ${url}: ${abortReason ?? error.message}`, { cause: error }))
    }
    let stranger: StrangerBound | undefined
    socket.on('upgrade', response => (stranger = { socket: response.socket, bytesMax: strangerBytesMax }))
    socket.on('error', fail)
    socket.on('open', () => {
      signal?.removeEventListener('abort', abort)
      // The link listens before this one stops, so that no error of the socket is ever unheard.
      const link = new WebSocketLink(socket, new URL(url).host, isTextSubprotocol(subprotocol), stranger)
      socket.off('error', fail)
      resolve(link)
    })
  })
}

/** The JSON subprotocols have text messages, the others binary ones. */
export function isTextSubprotocol(subprotocol: string): boolean {
  return subprotocol.endsWith('+json')
}
