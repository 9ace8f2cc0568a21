import type { Replica } from '../raft/index.ts'
import type { Timer, Timers } from '../platform/index.ts'
import type { NodeLogger } from './logger.ts'

const LOOK_MS = 200

/** Says in the log which role the node has, whenever that changes; `quorate dev` reads it there. */
export class RoleLog {
  readonly #replica: Replica
  readonly #timers: Timers
  readonly #logger: NodeLogger
  readonly #stopTopology: () => void
  #timer: Timer | undefined
  #said = ''

  constructor(replica: Replica, timers: Timers, logger: NodeLogger) {
    this.#replica = replica
    this.#timers = timers
    this.#logger = logger
    this.#stopTopology = replica.onTopology(() => this.#look())
    this.#lookAgain()
  }

  #lookAgain(): void {
    this.#look()
    // A candidate has no topology of its own to tell.
    this.#timer = this.#timers.after(LOOK_MS, () => this.#lookAgain(), { background: true })
  }

  #look(): void {
    const { role, term, leader } = this.#replica.status()
    const fields = { role, term, leader: leader?.name }
    const said = `${role} ${term} ${leader?.name}`
    if (said === this.#said) return
    this.#said = said
    const unjoinedReason = this.#replica.unjoinedReason
    this.#logger.info({ ...fields, ...(unjoinedReason !== undefined && { unjoinedReason }) }, `this node is ${role}`)
  }

  close(): void {
    this.#stopTopology()
    this.#timer?.cancel()
  }
}
