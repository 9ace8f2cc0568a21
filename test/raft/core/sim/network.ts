import type { Message, NodeId } from '../../../../src/raft/core/index.ts'
import type { EventQueue } from './queue.ts'
import type { Chance } from './random.ts'

/** What a run's network does to messages; zeros are a good network. */
export interface NetworkProfile {
  readonly minDelayMs: number
  readonly meanDelayMs: number
  readonly loss: number
  readonly duplication: number
  /** Rarely, a message is held back this long: an old packet from a forgotten buffer. */
  readonly lateness: number
  readonly lateMs: number
  /** Whether a link keeps the order of its messages. */
  readonly isOrdered: boolean
}

/** Directed links between nodes with delay, loss, duplication, reordering and cuts. */
export class Network {
  profile: NetworkProfile
  readonly #queue: EventQueue
  readonly #chance: Chance
  readonly #deliver: (message: Message) => void
  readonly #cut = new Set<string>()
  readonly #busyUntilMs = new Map<string, number>()

  constructor(queue: EventQueue, chance: Chance, profile: NetworkProfile, deliver: (message: Message) => void) {
    this.#queue = queue
    this.#chance = chance
    this.profile = profile
    this.#deliver = deliver
  }

  send(message: Message): void {
    const { loss, duplication } = this.profile
    if (this.isCut(message.from, message.to) || this.#chance.isTrue(loss)) return
    this.#schedule(message)
    if (this.#chance.isTrue(duplication)) this.#schedule(message)
  }

  #schedule(message: Message): void {
    const { minDelayMs, meanDelayMs, lateness, lateMs, isOrdered } = this.profile
    const link = `${message.from}>${message.to}`
    let atMs = this.#queue.nowMs + minDelayMs + this.#chance.exponential(meanDelayMs)
    if (this.#chance.isTrue(lateness)) atMs += this.#chance.between(1, lateMs)
    else if (isOrdered) {
      atMs = Math.max(atMs, this.#busyUntilMs.get(link) ?? 0)
      this.#busyUntilMs.set(link, atMs)
    }
    this.#queue.schedule(atMs - this.#queue.nowMs, () => {
      if (!this.isCut(message.from, message.to)) this.#deliver(message)
    })
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.#cut.has(`${from}>${to}`)
  }

  cut(from: NodeId, to: NodeId): void {
    this.#cut.add(`${from}>${to}`)
  }

  heal(): void {
    this.#cut.clear()
  }
}
