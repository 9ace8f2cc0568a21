import { isCoreMessage, PeerFrameCursor, readPeerMessage } from '../../raft/index.ts'
import type { NodeInspection } from './node.ts'
import { require } from './trace.ts'

/** Codes of `voteRequest`, `voteResponse` and `appendResponse` (docs/formats/peer-wire.md). */
const VOTE_REQUEST = 3
const VOTE_RESPONSE = 4
const APPEND_RESPONSE = 6
const PROMISES: ReadonlySet<number> = new Set([VOTE_REQUEST, VOTE_RESPONSE, APPEND_RESPONSE])
/** Twice the time of idleness after which a mark is made, and time for its sync. */
const MARKED_MS = 250
const MAX_FRAME_BYTES = 64 << 20

/** What a node has told others that it holds. */
interface Promises {
  /** Whom it has voted for, by term. */
  readonly votes: Map<number, number>
  /** Entries through here are synced, it said; lowered when a leader made it truncate. */
  matchSeq: number
  /** What it wrote last, and when that was seen. */
  state: string
  changedAtMs: number
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
  readonly #candidates = new Map<string, { readonly seq: number; readonly term: number }>()
  readonly #cursor = new PeerFrameCursor()
  /** Nodes that have lost their directory: under their names they are others, which are no members (D11). */
  readonly #wiped = new Set<string>()

  /** A frame leaves a node, which looks like `seen`. True if it carries a vote. */
  onSend(node: string, frame: Uint8Array, seen: NodeInspection | undefined): boolean {
    let hasVote = false
    const cursor = this.#cursor
    cursor.open(frame, MAX_FRAME_BYTES)
    while (cursor.next()) {
      if (!PROMISES.has(cursor.code)) continue
      const message = readPeerMessage(cursor)
      if (!isCoreMessage(message)) continue
      if (message.type === 'appendResponse' && message.isAccepted) {
        this.#checkMember(node, message.type)
        const promises = this.#of(node)
        promises.matchSeq = Math.max(promises.matchSeq, message.matchSeq)
      } else if (message.type === 'voteResponse' && message.isGranted) {
        this.#checkMember(node, message.type)
        // The answer to a request that came twice may leave when the voter's log has grown.
        const isFirst = !this.#of(node).votes.has(message.campaignTerm)
        this.#vote(node, message.campaignTerm, message.to)
        if (isFirst) this.#checkCandidate(node, message.campaignTerm, message.to, seen)
        hasVote = true
      } else if (message.type === 'voteRequest') {
        this.#checkMember(node, message.type)
        this.#candidates.set(`${message.term} ${message.from}`, message.last)
      }
    }
    return hasVote
  }

  /** A node has lost its directory. What it has promised before, it can keep no more. */
  onWipe(node: string): void {
    this.#wiped.add(node)
  }

  #checkMember(node: string, promise: string): void {
    require(!this.#wiped.has(node), () => `${node} was wiped, is no member any more, and says ${promise}`)
  }

  #vote(node: string, term: number, candidate: number): void {
    const { votes } = this.#of(node)
    const known = votes.get(term)
    votes.set(term, candidate)
    require(known === undefined || known === candidate, () =>
      `${node} votes for ${candidate} in term ${term}, and has voted for ${known}`)
  }

  /** E2: whoever gets a vote has at least what the voter holds; of one that may have lost something (W6), what it acknowledged. */
  #checkCandidate(node: string, term: number, candidate: number, seen: NodeInspection | undefined): void {
    const end = this.#candidates.get(`${term} ${candidate}`)
    if (end === undefined || seen === undefined || seen.term !== term) return
    // Somebody leads this term by now, and has given the voter more than it had when it voted.
    if (seen.leaderId !== 0 || seen.lastTerm === term) return
    const { matchSeq, last } = this.#of(node)
    const own = seen.isWhole ? seen : { lastTerm: last?.lastTerm ?? 0, lastSeq: matchSeq }
    require(end.term > own.lastTerm || (end.term === own.lastTerm && end.seq >= own.lastSeq), () =>
      `${node} with a log to ${own.lastSeq} of term ${own.lastTerm} votes for ${candidate}, ` +
      `whose log ends at ${end.seq} of ${end.term}`)
  }

  /** What a running node looks like now and then. */
  onLook(node: string, seen: NodeInspection, nowMs: number): void {
    if (this.#wiped.has(node)) {
      require(seen.role !== 'leader' && seen.lastSeq === 0 && seen.appliedSeq === 0, () =>
        `${node} was wiped, and is ${seen.role} with a log to ${seen.lastSeq}, applied to ${seen.appliedSeq}`)
      return
    }
    const promises = this.#of(node)
    const state = `${seen.lastSeq} ${seen.term} ${seen.vote} ${seen.commitSeq} ${seen.syncedSeq}`
    if (state !== promises.state) Object.assign(promises, { state, changedAtMs: nowMs })
    // A leader of a later term may have replaced what was acknowledged and never committed.
    promises.matchSeq = Math.min(promises.matchSeq, seen.lastSeq)
    if (seen.role !== 'leader') return
    const known = this.#leaders.get(seen.term)
    this.#leaders.set(seen.term, node)
    require(known === undefined || known === node, () => `${known} and ${node} lead term ${seen.term}`)
  }

  /** Whether nothing was written for so long that the end of the log is marked (DESIGN 6). */
  wasIdle(node: string, nowMs: number): boolean {
    return this.idleSince(node, nowMs) !== undefined
  }

  /** Since when a node that has died had written nothing but the mark, if that was long ago. */
  idleSince(node: string, nowMs: number): number | undefined {
    const { last, changedAtMs } = this.#of(node)
    const isIdle = last !== undefined && last.syncedSeq >= last.lastSeq && nowMs - changedAtMs > MARKED_MS
    return isIdle ? changedAtMs : undefined
  }

  /** The node, or its disk, stands still until then, or it is not open: it marks nothing. */
  onHeld(node: string, untilMs: number): void {
    const promises = this.#of(node)
    promises.changedAtMs = Math.max(promises.changedAtMs, untilMs)
  }

  onDeath(node: string, seen: NodeInspection, nowMs: number): void {
    this.onLook(node, seen, nowMs)
    if (!this.#wiped.has(node)) this.#of(node).last = seen
  }

  /**
   * A node has opened again from its disk. A recovering one knows that it may miss something; `mayBeSuspect` = its disk may have made
   * it so: one that only loses whole sectors leaves none in doubt (DESIGN 6, recovery classes).
   */
  onOpen(node: string, seen: NodeInspection, nowMs: number, mayBeSuspect: boolean): void {
    if (this.#wiped.has(node)) return
    this.onHeld(node, nowMs)
    const { matchSeq, votes, last } = this.#of(node)
    require(seen.isWhole || mayBeSuspect, () => `${node} takes what a crash has cut for acknowledged`)
    if (last !== undefined && seen.isWhole) {
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
      // What a wiped node had counted for what was committed before.
      const known = (this.#wiped.has(node) ? undefined : seen) ?? this.#of(node).last
      if (known !== undefined && known.syncedSeq >= seq) holders++
    }
    require(holders * 2 > running.length, () =>
      `${seq} is applied, and synced on ${holders} of ${running.length} nodes`)
  }

  #of(node: string): Promises {
    const known = this.#promises.get(node)
    if (known !== undefined) return known
    const made: Promises = { votes: new Map(), matchSeq: 0, state: '', changedAtMs: 0, last: undefined }
    this.#promises.set(node, made)
    return made
  }
}
