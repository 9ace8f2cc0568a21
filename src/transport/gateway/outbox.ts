import { ByteWriter } from '../../encoding/index.ts'
import { appendOutcome, appendServerMessage, serverMessagesToJson } from '../../model/index.ts'
import type { ServerMessage } from '../../model/index.ts'

/** What a connection has to say in this turn: one frame. */
export interface Outbox {
  /** Bytes gathered, for JSON about. */
  readonly length: number
  /** A throw leaves what was gathered as it was. @throws RangeError for what the format cannot hold */
  append(message: ServerMessage): void
  /** As `append` of an `OutcomeMessage`. */
  appendOutcome(requestId: number, leaderTimeMicros: number, outcome: Uint8Array): void
  /** The frame, and an empty outbox; undefined if there is nothing to say. */
  take(): Uint8Array | undefined
}

const FIRST_BYTES = 512
/** A buffer that one large answer made larger than this is not kept. */
const KEPT_BYTES_MAX = 65_536

export class BinaryOutbox implements Outbox {
  #writer = new ByteWriter(FIRST_BYTES)

  get length(): number {
    return this.#writer.length
  }

  append(message: ServerMessage): void {
    appendServerMessage(this.#writer, message)
  }

  /** hot path: bench/gateway. */
  appendOutcome(requestId: number, leaderTimeMicros: number, outcome: Uint8Array): void {
    appendOutcome(this.#writer, requestId, leaderTimeMicros, outcome)
  }

  take(): Uint8Array | undefined {
    const writer = this.#writer
    if (writer.length === 0) return undefined
    if (writer.buffer.length > KEPT_BYTES_MAX) {
      // The link owns the frame: give it the buffer itself.
      this.#writer = new ByteWriter(FIRST_BYTES)
      return writer.view()
    }
    const frame = writer.finish()
    writer.reset()
    return frame
  }
}

const utf8 = new TextEncoder()

export class JsonOutbox implements Outbox {
  #parts: string[] = []
  length = 0

  append(message: ServerMessage): void {
    const list = serverMessagesToJson([message])
    this.#parts.push(list.slice(1, -1))
    this.length += list.length
  }

  appendOutcome(requestId: number, leaderTimeMicros: number, outcome: Uint8Array): void {
    this.append({ type: 'outcome', requestId, leaderTimeMicros, outcome })
  }

  take(): Uint8Array | undefined {
    if (this.#parts.length === 0) return undefined
    const frame = utf8.encode(`[${this.#parts.join(',')}]`)
    this.#parts = []
    this.length = 0
    return frame
  }
}
