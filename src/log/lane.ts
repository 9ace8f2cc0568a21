import type { File } from '../platform/index.ts'

/** The number under which a lane knows `log/votes`; segments are known by their own numbers. */
export const VOTES_FILE = 0

/**
 * The ordered way of bytes to the disk: frames, segment headers and votes share it (rule D2). Usage: `reserve`, lay bytes
 * into `target` from `at`, `write`; then `submit` once per append. Completion is cumulative and in order.
 */
export interface Lane {
  /** Where to lay the bytes that were reserved last. */
  readonly target: Uint8Array
  readonly at: number
  /** Makes room for `bytes` contiguous bytes in `target` at `at`. Never blocks. */
  reserve(bytes: number): void
  /** Takes the first `length` reserved bytes, to be written at `offset` of `file`. */
  write(file: number, offset: number, length: number): void
  /** Everything written so far completes as `ioSeq`. Worker lane: the thread hears of it at the next `wake`, or earlier. */
  submit(ioSeq: number): void
  /** Worker lane: wakes the thread if something was submitted since. A wake costs tens of microseconds. Other lanes: does nothing. */
  wake(): void
  /** The newest `ioSeq` that is synced, as known at this moment. */
  completedIoSeq(): number
  /** When a completed `ioSeq` was synced, ms of the log's clock, for figures; undefined = just now. Those of long ago are forgotten. */
  syncedAtMs(ioSeq: number): number | undefined
  /**
   * Whether the log wants to hear of each completion as it happens, as it does at first. Worker lane: without it there is no message, which
   * costs both threads tens of microseconds; what was completed before the wish was known is told at once. Other lanes tell always.
   */
  tell(isWanted: boolean): void
  /** Worker lane: tells the log now what was completed. Other lanes have told it. */
  look(): void
  /** Makes a prepared segment known before it is written to. The lane owns `file`. */
  openSegment(segment: number, file: File): void
  /** Nothing more is written to the segment after what was submitted. */
  finishSegment(segment: number): void
  /** Inline lane: writes what was submitted, and syncs it if `isSynced`, on this thread. Other lanes: does nothing. */
  flush(isSynced: boolean): void
  /** Inline lane: syncs what was submitted and flushed, and completes it, without holding this thread. Other lanes: does nothing. */
  syncBeside(): void
  /** Ends the lane after everything submitted is synced or failed. */
  close(): Promise<void>
}

/** How a lane tells its log. */
export interface LaneEvents {
  onCompleted(ioSeq: number): void
  onFailed(error: Error): void
}
