import type { ReadRequest, ReadResult } from './reads.ts'
import type { StopFlag } from './running-requests.ts'

/** A pinned state that reads see. Reads with expiry and permissions as of the newest state and time of this view. */
export interface StateView {
  readonly seq: number
  readonly leaderTimeMicros: number
  /**
   * May answer at once when all pages are in memory. A long one looks at `stop` between its steps, and rejects with `cancelled` if nobody waits
   * any more. @throws QuorateError for missing names and permissions.
   */
  read(request: ReadRequest, caller: string, stop?: StopFlag): ReadResult | Promise<ReadResult>
  /** As `read`, reading cold pages on this thread: for embedded views only. */
  readSync(request: ReadRequest, caller: string): ReadResult
  /** Unpins; idempotent. */
  release(): void
}
