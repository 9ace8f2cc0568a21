import type { CoreView } from '../model/index.ts'
import type { NodeConnection } from './node-connection.ts'

/** A pinned state on a node; opened again elsewhere at the same seq when that node is lost. */
export class ClientView implements CoreView {
  readonly seq: number
  readonly historyId: string
  connection: NodeConnection
  viewId: number
  isClosed = false

  constructor(connection: NodeConnection, viewId: number, seq: number) {
    this.connection = connection
    this.viewId = viewId
    this.seq = seq
    this.historyId = connection.historyId
  }

  /** It moved to another node. */
  movedTo(connection: NodeConnection, viewId: number): void {
    this.connection = connection
    this.viewId = viewId
    if (this.isClosed) this.#unpin()
  }

  close(): Promise<void> {
    if (!this.isClosed) {
      this.isClosed = true
      this.#unpin()
    }
    return Promise.resolve()
  }

  #unpin(): void {
    if (this.connection.isReady) this.connection.send({ type: 'closeView', requestId: 0, viewId: this.viewId })
  }
}
