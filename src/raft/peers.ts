import { MalformedBytes } from '../encoding/index.ts'
import type { EntryBatch as EncodedBatch } from '../encoding/index.ts'
import type { Log } from '../log/index.ts'
import type { PeerChannel, PeerTransport } from '../model/index.ts'
import type { EntryRange, OutgoingMessage } from './core/index.ts'
import { joinEntries, sliceEntries } from './entries.ts'
import type { MemberNames } from './member-names.ts'
import { PEER_FRAME_BYTES_MAX } from './options.ts'
import { PeerFrameCursor, PeerFrameWriter, readPeerMessage } from './wire/index.ts'
import type { EncodedEntries, IncomingPeerMessage, OutgoingPeerMessage } from './wire/index.ts'

export interface PeersOptions {
  transport: PeerTransport
  groupId: number
  log: Log
  names: MemberNames
  onMessage: (message: IncomingPeerMessage) => void
  onUnreachable: (nodeId: number) => void
}

const READ_BYTES = 1 << 20
const NOTHING_LOST: readonly (() => void)[] = []

/** What gathers for one peer on one channel until the turn ends. */
interface Gathered {
  readonly peer: string
  readonly channel: PeerChannel
  readonly writer: PeerFrameWriter
  /** To be called if the frame is not taken: the messages in it that nobody sends again by himself. */
  readonly onLost: (() => void)[]
}

/** What a replica says to its peers: the messages of one turn to one peer on one channel leave as one frame. */
export class Peers {
  readonly #options: PeersOptions
  readonly #gathered: Gathered[] = []
  readonly #cursor = new PeerFrameCursor()
  readonly #logLinks: Set<string> = new Set()
  /** Frames that could not be understood, for metrics. */
  malformedFrames = 0

  constructor(options: PeersOptions) {
    this.#options = options
  }

  noteLink(peer: string, channel: PeerChannel, isOpen: boolean): void {
    if (channel !== 'log') return
    if (isOpen) this.#logLinks.add(peer)
    else this.#logLinks.delete(peer)
  }

  /** Whether the log channel to a peer is open, and told to be: while it opens again it may already carry frames. */
  hasLog(nodeId: number): boolean {
    const peer = this.#options.names.nameOf(nodeId)
    return peer !== undefined && this.#logLinks.has(peer)
  }

  /** A message of the core: entries are named by range and read here. */
  sendCore(message: OutgoingMessage): void {
    if (message.type !== 'appendRequest') {
      this.send(message)
      return
    }
    const range = message.entries
    if (range === null) {
      this.send(withEntries(message, null))
      return
    }
    const cached = this.#readCached(range)
    if (cached !== undefined) this.send(withEntries(message, cached))
    else this.#sendLater(message, range)
  }

  /**
   * Queues a message for the end of the turn. False if its peer is unknown. `onLost` is called if the link does not take the frame then,
   * because its queue is full or it is not open: the message was certainly not sent. What a link has taken and lost is told by its end.
   */
  send(message: OutgoingPeerMessage, onLost?: () => void): boolean {
    const peer = this.#options.names.nameOf(message.to)
    if (peer === undefined) return false
    const gathered = this.#gatheredFor(peer, channelOf(message))
    gathered.writer.add(message)
    if (onLost !== undefined) gathered.onLost.push(onLost)
    return true
  }

  /** Sends at once, outside turns: bulk of the snapshot channel. False if there is no link or its queue is full. */
  sendNow(message: OutgoingPeerMessage): boolean {
    const peer = this.#options.names.nameOf(message.to)
    if (peer === undefined) return false
    const writer = new PeerFrameWriter(this.#options.groupId)
    writer.add(message)
    return this.#options.transport.send(peer, channelOf(message), writer.finish())
  }

  bufferedBytes(nodeId: number, channel: PeerChannel): number {
    const peer = this.#options.names.nameOf(nodeId)
    return peer === undefined ? 0 : this.#options.transport.bufferedBytes(peer, channel)
  }

  /** Ends the turn: everything queued leaves. */
  flush(): void {
    for (const { peer, channel, writer, onLost } of this.#gathered) {
      if (writer.isEmpty) continue
      const isSent = this.#options.transport.send(peer, channel, writer.finish())
      const lost = onLost.length === 0 ? NOTHING_LOST : onLost.splice(0)
      if (isSent) continue
      for (const tell of lost) tell()
      const nodeId = this.#options.names.idOf(peer)
      if (nodeId !== undefined) this.#options.onUnreachable(nodeId)
    }
  }

  /** Takes a frame of a peer. Bytes that are no frame are counted and dropped: the link is authenticated, so this is a bug or damage. */
  receive(frame: Uint8Array): void {
    const cursor = this.#cursor
    try {
      cursor.open(frame, PEER_FRAME_BYTES_MAX)
      if (cursor.group !== this.#options.groupId) return
      while (cursor.next()) this.#options.onMessage(readPeerMessage(cursor))
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      this.malformedFrames++
    }
  }

  #gatheredFor(peer: string, channel: PeerChannel): Gathered {
    for (const each of this.#gathered) if (each.channel === channel && each.peer === peer) return each
    const writer = new PeerFrameWriter(this.#options.groupId)
    const gathered: Gathered = { peer, channel, writer, onLost: [] }
    this.#gathered.push(gathered)
    return gathered
  }

  #readCached({ firstSeq, lastSeq, byteLength }: EntryRange): EncodedBatch | undefined {
    const parts: EncodedBatch[] = []
    for (let next = firstSeq; next <= lastSeq;) {
      const part = this.#options.log.readCached(next, Math.max(byteLength, READ_BYTES), lastSeq)
      if (part === undefined) return undefined
      parts.push(part.lastSeq <= lastSeq ? part : sliceEntries(part.bytes, next, lastSeq))
      next = part.lastSeq + 1
    }
    return joinEntries(parts)
  }

  /** Entries that left memory: read from the segments. What a leader wrote in its term never changes, so late is fine. */
  #sendLater(message: AppendRequest, range: EntryRange): void {
    const read = async (): Promise<EncodedBatch> => {
      const parts: EncodedBatch[] = []
      for (let next = range.firstSeq; next <= range.lastSeq;) {
        const part = await this.#options.log.read(next, READ_BYTES)
        parts.push(part.lastSeq <= range.lastSeq ? part : sliceEntries(part.bytes, next, range.lastSeq))
        next = part.lastSeq + 1
      }
      return joinEntries(parts)
    }
    read().then(
      entries => {
        this.send(withEntries(message, entries))
        this.flush()
      },
      // Dropped from the log meanwhile, or the log has failed, which it reports itself: the core sends again or a snapshot.
      () => this.#options.onUnreachable(message.to),
    )
  }
}

type AppendRequest = Extract<OutgoingMessage, { type: 'appendRequest' }>

/** hot path: a spread of an object costs as much here as writing the message. */
function withEntries(message: AppendRequest, batch: EncodedBatch | null): OutgoingPeerMessage {
  const { type, from, to, term, prevSeq, prevTerm, prevChain, commit, streamId, sentAtMs, recovery } = message
  const entries = batch === null ? null : encodedEntries(batch)
  return { type, from, to, term, prevSeq, prevTerm, prevChain, entries, commit, streamId, sentAtMs, recovery }
}

function encodedEntries({ firstSeq, lastSeq, bytes }: EncodedBatch): EncodedEntries {
  return { firstSeq, lastSeq, byteLength: bytes.length, bytes }
}

function channelOf(message: OutgoingPeerMessage): PeerChannel {
  switch (message.type) {
    case 'appendRequest':
    // Requests are bulk as well: they must not delay heartbeats.
    case 'forward':
      return 'log'
    case 'snapshotManifest':
    case 'snapshotChunk':
    case 'snapshotEnd':
      return 'snapshot'
    default:
      return 'control'
  }
}
