import type { RunningNode } from '../node/index.ts'

/** What a shell reports of a process that such a signal has ended: 128 and the number of the signal. */
const KILLED_CODE: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 }

/**
 * Requests to end a node. One that has started stops in order. One that still starts, which may take minutes of replay, ends at once: it
 * serves nobody yet, and a start may be cut off anywhere. Without this the first process of a container would not hear of it, because
 * for that one a signal has no default action.
 */
export class StopRequests {
  readonly #end: (code: number) => void
  #node: Pick<RunningNode, 'stop'> | undefined

  /** `end`: ends the process at once with an exit code. */
  constructor(end: (code: number) => void) {
    this.#end = end
  }

  started(node: Pick<RunningNode, 'stop'>): void {
    this.#node = node
  }

  /** `reason`: the signal, or words for the log. */
  request(reason: string): void {
    if (this.#node === undefined) this.#end(KILLED_CODE[reason] ?? 1)
    else void this.#node.stop(reason)
  }
}
