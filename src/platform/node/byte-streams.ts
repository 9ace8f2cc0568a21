import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import type { ByteListener, ByteStream } from '../index.ts'

/** Accepts TCP connections. Rejects where the address cannot be had. `port` 0 takes a free one. */
export function listenBytes(options: {
  readonly host: string
  readonly port: number
  readonly onStream: (stream: ByteStream) => void
}): Promise<ByteListener> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket =>
    options.onStream(new SocketStream(socket)),
  )
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.host, port: options.port, exclusive: true }, () => {
      server.off('error', reject)
      // A connection that was gone before it was accepted is nobody's loss.
      server.on('error', () => undefined)
      const address = server.address()
      resolve({
        port: address !== null && typeof address === 'object' ? address.port : options.port,
        close: () => new Promise(closed => server.close(() => closed())),
      })
    })
  })
}

/** Opens a TCP connection; one that cannot be opened closes. */
export function dialBytes({ host, port }: { readonly host: string; readonly port: number }): ByteStream {
  return new SocketStream(connect({ host, port, allowHalfOpen: true, noDelay: true }))
}

class SocketStream implements ByteStream {
  onBytes: ByteStream['onBytes']
  onEnd: ByteStream['onEnd']
  onDrain: ByteStream['onDrain']
  onClose: ByteStream['onClose']
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes: Buffer) => this.onBytes?.(bytes))
    socket.on('end', () => this.onEnd?.())
    socket.on('drain', () => this.onDrain?.())
    // 'close' follows every error and tells the owner.
    socket.on('error', () => undefined)
    socket.on('close', () => this.onClose?.())
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength
  }

  write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  end(): void {
    if (this.#socket.writable) this.#socket.end()
  }

  reset(): void {
    // One that is still being opened is reset as soon as it is open: the other side may have taken it already.
    if (this.#socket.connecting) this.#socket.once('connect', () => this.#reset())
    else this.#reset()
  }

  /**
   * `resetAndDestroy` of Node 20 shuts the socket down in order first: it waits for bytes that the other side may never read, and a socket
   * that the other side breaks off meanwhile is never closed. Its mark alone makes `destroy` a reset; not where a shutdown is under way.
   */
  #reset(): void {
    if (!this.#socket.writableEnded) Object.assign(this.#socket, { resetAndClosing: true })
    this.#socket.destroy()
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }
}
