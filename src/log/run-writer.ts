import type { File } from '../platform/index.ts'
import { isMutant } from './mutants.ts'

/**
 * Writes and syncs in the order of the log, on the thread that it runs on; both lanes end here. A file is synced before the
 * next one is written, so whatever stands in a segment proves that the one before is on the medium, and a vote that its
 * frame is. The first failure is final: nothing is ever written or synced after it (rule D9).
 */
export class RunWriter {
  #unsynced: File | undefined
  #failure: Error | undefined

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** The one file that has bytes which this writer has not synced. */
  get unsynced(): File | undefined {
    return this.#unsynced
  }

  /** Takes over a failure of elsewhere: from now on nothing is written. */
  abandon(failure: Error): void {
    this.#failure ??= failure
  }

  // hot path: no closure for each frame (bench/log, bench/embedded)
  write(file: File, bytes: Uint8Array, offset: number): void {
    if (this.#unsynced !== undefined && this.#unsynced !== file) this.sync()
    if (this.#failure !== undefined) throw this.#failure
    try {
      file.writeSync(bytes, offset)
    } catch (error) {
      this.#failure = asError(error)
      throw error
    }
    this.#unsynced = file
  }

  sync(): void {
    const file = this.#unsynced
    if (file === undefined || isMutant('acknowledge_before_sync')) return
    if (this.#failure !== undefined) throw this.#failure
    try {
      syncOnce(file)
    } catch (error) {
      this.#failure = asError(error)
      throw error
    }
    this.#unsynced = undefined
  }
}

function syncOnce(file: File): void {
  try {
    file.syncSync()
  } catch (error) {
    if (!isMutant('retry_failed_sync')) throw error
    file.syncSync()
  }
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('something that is no error was thrown', { cause: thrown })
}
