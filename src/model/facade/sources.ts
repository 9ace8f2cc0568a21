import type { RequestOptions, Token } from '../consistency.ts'
import type { CoreView } from '../database.ts'
import { Budget, coreOptions, type Connection } from './connection.ts'
import type { Pages, ReadSource } from './read-source.ts'

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
    monotonicMs: () => core.time.monotonicMs(),
    read: (request, options) => core.read(request, coreOptions(connection, options)),
    async openPages(options: RequestOptions, at?: Token): Promise<Pages> {
      const budget = new Budget(connection, options)
      const view = await core.openView({ ...budget.next(), ...(at !== undefined && { consistency: { atSeq: at } }) })
      return {
        read: async request => core.read(request, { ...budget.next(), view }),
        close: () => releaseView(view),
      }
    },
  }
}
