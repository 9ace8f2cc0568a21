/** A connected, ordered, reliable stream of bytes (TCP), for what must see a connection below its frames. */
export interface ByteStream {
  /** Queues bytes, also before the stream is open. Does nothing on a stream that is closed. The stream owns `bytes` from now on. */
  write(bytes: Uint8Array): void
  /** Bytes queued and not yet given to the operating system. */
  readonly bufferedBytes: number
  /** Says that no more bytes come; the other side may go on sending. */
  end(): void
  /** Breaks the stream at once: RST, or where `end` was called an early end; what is queued is thrown away. */
  reset(): void
  /** Stops reading: the sender then feels backpressure. */
  pause(): void
  resume(): void
  /** Set by the owner before the current turn ends. The receiver may keep `bytes`. */
  onBytes: ((bytes: Uint8Array) => void) | undefined
  /** The other side sends no more. */
  onEnd: (() => void) | undefined
  /** Queued bytes were given to the operating system. */
  onDrain: (() => void) | undefined
  /** Called once, after everything else: closed from both sides, reset or never opened. */
  onClose: (() => void) | undefined
}

/** Accepts streams on one address. */
export interface ByteListener {
  readonly port: number
  /** Accepts no more; streams that are open stay so. */
  close(): Promise<void>
}
