import type {
  Change,
  QuorateError,
  RunningRequest,
  StateView,
  WatchedRows,
  WatchMessage,
  WatchSink,
  WireWatchEvent,
} from '../../model/index.ts'

/** What a watch needs of its connection. */
export interface WatchOwner {
  /** Bytes that the client has not taken yet. */
  readonly unsentBytes: number
  sendEvent(requestId: number, event: WireWatchEvent): void
  /** Keeps the view open for the client; answers its id, or why not. */
  keepView(view: StateView): number | QuorateError
  watchFailed(requestId: number, error: QuorateError): void
}

/** One watch of a client. Whoever delivers pauses by itself while much is unsent; the connection calls `resume` when it is less. */
export class ClientWatch implements WatchSink {
  readonly #owner: WatchOwner
  readonly #requestId: number
  readonly #project: string
  readonly #caller: string
  readonly #sinceMs: number
  #source: { close(): void; resume(): void } | undefined
  #isOver = false

  constructor(owner: WatchOwner, { requestId, project }: WatchMessage, caller: string, sinceMs: number) {
    this.#owner = owner
    this.#requestId = requestId
    this.#project = project
    this.#caller = caller
    this.#sinceMs = sinceMs
  }

  describe(id: string, nowMs: number): RunningRequest {
    const [project, caller] = [this.#project, this.#caller]
    return { id, door: 'websocket', kind: 'watch', caller, project, state: 'open', ageMs: nowMs - this.#sinceMs }
  }

  start(open: (sink: WatchSink) => { close(): void; resume(): void }): void {
    this.#source = open(this)
    // It may have ended, or its connection may have closed, while it was opened.
    if (this.#isOver) this.#source.close()
  }

  get queuedBytes(): number {
    return this.#owner.unsentBytes
  }

  commit(seq: number, changes: readonly Change[]): void {
    if (!this.#isOver) this.#owner.sendEvent(this.#requestId, { type: 'commit', seq, changes })
  }

  rows(seq: number, rows: WatchedRows): void {
    if (!this.#isOver) this.#owner.sendEvent(this.#requestId, { type: 'rows', seq, ...rows })
  }

  progress(seq: number): void {
    if (!this.#isOver) this.#owner.sendEvent(this.#requestId, { type: 'progress', seq })
  }

  reset(view: StateView): void {
    if (this.#isOver) return view.release()
    const { seq } = view
    const viewId = this.#owner.keepView(view)
    if (typeof viewId === 'number') return this.#owner.sendEvent(this.#requestId, { type: 'reset', seq, viewId })
    view.release()
    this.failed(viewId)
  }

  failed(error: QuorateError): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#owner.watchFailed(this.#requestId, error)
  }

  resume(): void {
    if (!this.#isOver) this.#source?.resume()
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#source?.close()
  }
}
