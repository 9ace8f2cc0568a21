import { isCoreMessage, PeerFrameCursor, readPeerMessage } from '../../raft/index.ts'
import type { NodeInspection } from './node.ts'
import { require } from './trace.ts'

/** Codes of `voteResponse` and `appendResponse` (docs/formats/peer-wire.md). */
const VOTE_RESPONSE = 4
const APPEND_RESPONSE = 6
const MAX_FRAME_BYTES = 64 << 20

/** What a node has told others that it holds. */
interface Promises {
  /** Whom it has voted for, by term. */
  readonly votes: Map<number, number>
  /** Entries through here are synced, it said; lowered when a leader made it truncate. */
  matchSeq: number
  /** As it died. */
  last: NodeInspection | undefined
}

/**
 * Listens to what nodes promise each other and holds them to it: one vote a term, entries that were acknowledged are there after every
 * crash, one leader a term, and nothing is committed that is not on the disks of a majority.
 */
export class PromiseOracle {
  readonly #promises = new Map<string, Promises>()
  readonly #leaders = new Map<number, string>()
  readonly #cursor = new PeerFrameCursor()

  /** A frame leaves a node. True if it carries a vote. */
  onSend(node: string, frame: Uint8Array): boolean {
    let hasVote = false
    const cursor = this.#cursor
    cursor.open(frame, MAX_FRAME_BYTES)
    while (cursor.next()) {
      if (cursor.code !== VOTE_RESPONSE && cursor.code !== APPEND_RESPONSE) continue
      const message = readPeerMessage(cursor)
      if (!isCoreMessage(message)) continue
      if (message.type === 'appendResponse' && message.isAccepted) {
        const promises = this.#of(node)
        promises.matchSeq = Math.max(promises.matchSeq, message.matchSeq)
      } else if (message.type === 'voteResponse' && message.isGranted) {
        this.#vote(node, message.campaignTerm, message.to)
        hasVote = true
      }
    }
    return hasVote
  }

  #vote(node: string, term: number, candidate: number): void {
    const { votes } = this.#of(node)
    const known = votes.get(term)
    votes.set(term, candidate)
    require(known === undefined || known === candidate, () =>
      `${node} votes for ${candidate} in term ${term}, and has voted for ${known}`)
  }

  /** What a running node looks like now and then. */
  onLook(node: string, seen: NodeInspection): void {
    const promises = this.#of(node)
    // A leader of a later term may have replaced what was acknowledged and never committed.
    promises.matchSeq = Math.min(promises.matchSeq, seen.lastSeq)
    if (seen.role !== 'leader') return
    const known = this.#leaders.get(seen.term)
    this.#leaders.set(seen.term, node)
    require(known === undefined || known === node, () => `${known} and ${node} lead term ${seen.term}`)
  }

  onDeath(node: string, seen: NodeInspection): void {
    this.onLook(node, seen)
    this.#of(node).last = seen
  }

  /** A node has opened again from its disk. A recovering one knows that it may miss something. */
  onOpen(node: string, seen: NodeInspection): void {
    const { matchSeq, votes, last } = this.#of(node)
    if (last !== undefined) {
      require(seen.term >= last.syncedTerm, () => `${node} opens in term ${seen.term}, and was in ${last.syncedTerm}`)
    }
    const votedTerm = Math.max(0, ...votes.keys())
    require(seen.term >= votedTerm, () => `${node} opens in term ${seen.term}, and has voted in ${votedTerm}`)
    const vote = votes.get(seen.term)
    require(vote === undefined || seen.vote === vote, () =>
      `${node} opens with a vote for ${seen.vote} in term ${seen.term}, and has voted for ${vote}`)
    if (!seen.isWhole) return
    require(seen.lastSeq >= matchSeq, () => `${node} acknowledged ${matchSeq}, and its log ends at ${seen.lastSeq}`)
  }

  /** `seq` was applied for the first time anywhere: its entry must be synced on more than half of the nodes. */
  onCommit(seq: number, running: readonly (readonly [string, NodeInspection | undefined])[]): void {
    let holders = 0
    for (const [node, seen] of running) {
      const known = seen ?? this.#of(node).last
      if (known !== undefined && known.syncedSeq >= seq) holders++
    }
    require(holders * 2 > running.length, () =>
      `${seq} is applied, and synced on ${holders} of ${running.length} nodes`)
  }

  #of(node: string): Promises {
    const known = this.#promises.get(node)
    if (known !== undefined) return known
    const made: Promises = { votes: new Map(), matchSeq: 0, last: undefined }
    this.#promises.set(node, made)
    return made
  }
}
