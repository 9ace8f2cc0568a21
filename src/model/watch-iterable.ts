import type { Change, CoreView, CoreWatchEvent, WatchedRows } from './database.ts'
import type { QuorateError } from './errors.ts'
import type { WatchSink } from './service.ts'
import type { StateView } from './state-view.ts'

export interface WatchSource {
  open: (sink: WatchSink) => { close(): void; resume(): void }
  historyId: () => string
  wrapView: (view: StateView) => CoreView
  signal: AbortSignal | undefined
}

/** Turns a pushed watch into a pulled one: events gather until they are asked for, and the source is paused by what is queued. */
export async function* watchState(source: WatchSource): AsyncGenerator<CoreWatchEvent, void> {
  const sink = new QueueingSink(source)
  const watch = source.open(sink)
  const stop = (): void => sink.wake()
  source.signal?.addEventListener('abort', stop)
  try {
    while (source.signal?.aborted !== true) {
      const event = sink.take()
      if (event !== undefined) yield event
      else {
        watch.resume()
        if (sink.isEmpty) await sink.somethingNew()
      }
    }
  } finally {
    source.signal?.removeEventListener('abort', stop)
    watch.close()
    sink.discard()
  }
}

class QueueingSink implements WatchSink {
  readonly #source: WatchSource
  readonly #events: { event: CoreWatchEvent; bytes: number }[] = []
  #error: QuorateError | undefined
  #waiting: (() => void) | undefined
  queuedBytes = 0

  constructor(source: WatchSource) {
    this.#source = source
  }

  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#error === undefined
  }

  commit(seq: number, changes: readonly Change[]): void {
    let bytes = 64
    for (const { key, value } of changes) bytes += 64 + key.length + (value?.length ?? 0)
    this.#push({ type: 'commit', seq, historyId: this.#source.historyId(), changes }, bytes)
  }

  rows(seq: number, rows: WatchedRows): void {
    this.#push({ type: 'rows', seq, historyId: this.#source.historyId(), ...rows }, watchedBytes(rows))
  }

  progress(seq: number): void {
    const last = this.#events.at(-1)
    if (last?.event.type === 'progress') this.#events.pop()
    this.#push({ type: 'progress', seq, historyId: this.#source.historyId() }, 0)
  }

  reset(view: StateView): void {
    const event = {
      type: 'reset',
      seq: view.seq,
      historyId: this.#source.historyId(),
      view: this.#source.wrapView(view),
    }
    this.#push(event as CoreWatchEvent, 64)
  }

  failed(error: QuorateError): void {
    this.#error = error
    this.wake()
  }

  /** The oldest event; throws the error that ended the watch once everything before it was taken. */
  take(): CoreWatchEvent | undefined {
    const next = this.#events.shift()
    if (next === undefined && this.#error !== undefined) throw this.#error
    this.queuedBytes -= next?.bytes ?? 0
    return next?.event
  }

  somethingNew(): Promise<void> {
    return new Promise(resolve => (this.#waiting = resolve))
  }

  wake(): void {
    this.#waiting?.()
    this.#waiting = undefined
  }

  /** Views that nobody took are released. */
  discard(): void {
    for (const { event } of this.#events) if (event.type === 'reset') void event.view.close()
    this.#events.length = 0
  }

  #push(event: CoreWatchEvent, bytes: number): void {
    this.#events.push({ event, bytes })
    this.queuedBytes += bytes
    this.wake()
  }
}

/** About how many bytes the changes take while nobody has taken them. */
export function watchedBytes({ changes }: WatchedRows): number {
  let bytes = 64
  for (const { cells } of changes) {
    bytes += 64
    for (const cell of cells) {
      bytes += 16
      if (typeof cell === 'string') bytes += 2 * cell.length
      else if (cell instanceof Uint8Array) bytes += cell.length
    }
  }
  return bytes
}
