import { readCoreMessage, writeCoreMessage } from './core-messages.ts'
import { readDriverMessage, writeDriverMessage } from './driver-messages.ts'
import type { PeerFrameCursor } from './frame-cursor.ts'
import { FrameWriter } from './frame-writer.ts'
import { PeerMessageCode, type IncomingPeerMessage, type OutgoingPeerMessage } from './messages.ts'

/** Collects what one turn says to one peer on one channel. Reusable. */
export class PeerFrameWriter {
  readonly #writer = new FrameWriter()
  readonly #group: number

  /** `group` names the Raft group in every frame. */
  constructor(group: number) {
    this.#group = group
  }

  /** Length that the frame would have now. */
  get byteLength(): number {
    return this.#writer.byteLength
  }

  get isEmpty(): boolean {
    return this.#writer.isEmpty
  }

  /**
   * Adds a message. Entries, requests and chunks are read in `finish`: they must not change before.
   * @throws RangeError for what the format cannot hold; the frame is then as before
   */
  add(message: OutgoingPeerMessage): void {
    const mark = this.#writer.mark()
    try {
      if (isCoreOutgoing(message)) writeCoreMessage(this.#writer, message)
      else writeDriverMessage(this.#writer, message)
      this.#writer.end()
    } catch (error) {
      this.#writer.undo(mark)
      throw error
    }
  }

  /** The frame, in memory of its own. The writer is empty afterwards. */
  finish(): Uint8Array {
    return this.#writer.finish(this.#group)
  }

  clear(): void {
    this.#writer.clear()
  }
}

type CoreOutgoing = Parameters<typeof writeCoreMessage>[1]

function isCoreOutgoing(message: OutgoingPeerMessage): message is CoreOutgoing {
  return PeerMessageCode[message.type] < PeerMessageCode.forward
}

/** The message that the cursor stands on; bulk in it is a view of the frame. @throws MalformedBytes and nothing else */
export function readPeerMessage(cursor: PeerFrameCursor): IncomingPeerMessage {
  return cursor.code < PeerMessageCode.forward ? readCoreMessage(cursor) : readDriverMessage(cursor)
}
