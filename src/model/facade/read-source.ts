import type { RequestOptions, Token } from '../consistency.ts'
import type { CoreRead } from '../database.ts'
import type { ReadRequest } from '../reads.ts'

/** Where reads go: the database's newest state, a view, or the view of a transaction, which notes what is read. */
export interface ReadSource {
  read(request: ReadRequest, options: RequestOptions | undefined): Promise<CoreRead>
  /** Pins one state for the pages of a long read: that of `at`, if given. A source that has one state gives that. */
  openPages(options: RequestOptions, at?: Token): Promise<Pages>
  /** Of a clock that only runs forward. */
  monotonicMs(): number
}

export interface Pages {
  read(request: ReadRequest): Promise<CoreRead>
  close(): void
}
