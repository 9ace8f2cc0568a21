import type { RunningNode } from '../node/index.ts'

/** Requests to read tokens and certificates again; one that comes while the node starts is heeded once it is there. */
export class ReloadRequests {
  #node: Pick<RunningNode, 'reload'> | undefined
  #isWanted = false

  started(node: Pick<RunningNode, 'reload'>): void {
    this.#node = node
    if (this.#isWanted) void node.reload()
  }

  request(): void {
    this.#isWanted = true
    void this.#node?.reload()
  }
}
