import { isCoreMessage, PeerFrameCursor, readPeerMessage } from '../../raft/index.ts'
import type { SimulatedCluster } from './cluster.ts'
import { require } from './trace.ts'

const MAX_FRAME_BYTES = 64 << 20

/** Listens to all heartbeats and their answers: how long each node left each other one without. */
export class HeartbeatWatch {
  readonly #cluster: SimulatedCluster
  readonly #cursor = new PeerFrameCursor()
  /** By `kind from>to`: when the last one left. */
  readonly #last = new Map<string, number>()
  /** The term of the last leader heard of, and who that is. */
  #leader = 0
  #term = 0
  changes = 0
  longestGapMs = 0
  #longest = ''

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    cluster.frameWatchers.push(frame => this.#onFrame(frame))
  }

  #onFrame(frame: Uint8Array): void {
    const cursor = this.#cursor
    cursor.open(frame, MAX_FRAME_BYTES)
    while (cursor.next()) {
      const message = readPeerMessage(cursor)
      if (!isCoreMessage(message)) continue
      const { type, from, to, term } = message
      if (type === 'heartbeatRequest') this.#noteLeader(from, term)
      if (type === 'heartbeatRequest' || type === 'heartbeatResponse') this.#note(`${type} ${from}>${to}`)
    }
  }

  #noteLeader(leader: number, term: number): void {
    if (term <= this.#term) return
    this.#term = term
    if (this.#leader !== 0) this.changes++
    this.#leader = leader
  }

  #note(way: string): void {
    const { nowMs } = this.#cluster.world
    const gapMs = nowMs - (this.#last.get(way) ?? nowMs)
    this.#last.set(way, nowMs)
    if (gapMs <= this.longestGapMs) return
    this.longestGapMs = gapMs
    this.#longest = `${way} at ${nowMs.toFixed(0)}`
  }

  /** A node is down: nothing is expected of it, nor sent to it. */
  forget(id: number): void {
    for (const way of this.#last.keys()) if (way.endsWith(`>${id}`) || way.includes(` ${id}>`)) this.#last.delete(way)
  }

  /** Nobody was left without for longer than `limitMs`, and so the first leader leads still. */
  check(limitMs: number): void {
    require(this.longestGapMs <= limitMs, () => `${this.longestGapMs.toFixed(0)} ms without a ${this.#longest}`)
    require(this.changes === 0, () => `${this.changes} other leaders without a reason`)
  }
}
