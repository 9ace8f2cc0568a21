import { formatToken, type RequestOptions, type Token } from '../consistency.ts'
import type { CoreRead, CoreView, KeyValueOptions, KeyValueReader, View } from '../database.ts'
import { QuorateError } from '../errors.ts'
import type { ReadRequest } from '../reads.ts'
import { invalid } from './arguments.ts'
import { Budget, coreOptions, type Connection } from './connection.ts'
import { KeyValueReads, type Pages, type ReadSource } from './key-value-reads.ts'
import { Space } from './space.ts'

/**
 * Unpins a view that nobody reads any more. Nobody waits for it: a view whose close is lost ends by its lease, so the failure
 * changes nothing for the caller.
 */
export function releaseView(view: CoreView): void {
  view.close().catch(() => undefined)
}

/** Reads of the newest state; a scan of several pages pins a view of its own. */
export function newestState(connection: Connection): ReadSource {
  const { core } = connection
  return {
    read: (request, options) => core.read(request, coreOptions(connection, options)),
    async openPages(options: RequestOptions): Promise<Pages> {
      const budget = new Budget(connection, options)
      const view = await core.openView(budget.next())
      return {
        read: async request => core.read(request, { ...budget.next(), view }),
        close: () => releaseView(view),
      }
    },
  }
}

/** A pinned state as the public surface shows it. */
export class PinnedView implements View {
  readonly seq: number
  readonly token: Token
  readonly #connection: Connection
  readonly #view: CoreView
  #isClosed = false

  constructor(connection: Connection, view: CoreView) {
    this.#connection = connection
    this.#view = view
    this.seq = view.seq
    this.token = formatToken(view.historyId, view.seq)
  }

  kv<K = string, V = Uint8Array>(project: string, options?: KeyValueOptions<K, V>): KeyValueReader<K, V> {
    const source: ReadSource = {
      read: (request, options) => this.#read(request, options),
      openPages: options => {
        const budget = new Budget(this.#connection, options)
        return Promise.resolve({
          read: async (request: ReadRequest) => this.#read(request, budget.next()),
          close: () => undefined,
        })
      },
    }
    return new KeyValueReads(new Space(project, options), source)
  }

  #read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead> {
    if (this.#isClosed) throw new QuorateError('closed', 'the view is closed')
    if (options?.consistency !== undefined) throw invalid('a view has one state: no consistency can be asked of it')
    return this.#connection.core.read(request, { ...coreOptions(this.#connection, options), view: this.#view })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#view.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
