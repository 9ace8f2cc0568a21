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

  /** Takes over a failure of elsewhere: from now on nothing is written. */
  abandon(failure: Error): void {
    this.#failure ??= failure
  }

  write(file: File, bytes: Uint8Array, offset: number): void {
    const isOther = this.#unsynced !== undefined && this.#unsynced !== file
    if (isOther && !isMutant('next_segment_before_sync')) this.sync()
    this.#guarded(() => file.writeSync(bytes, offset))
    this.#unsynced = file
  }

  sync(): void {
    const file = this.#unsynced
    if (file === undefined || isMutant('acknowledge_before_sync')) return
    this.#guarded(() => {
      try {
        file.syncSync()
      } catch (error) {
        if (!isMutant('retry_failed_sync')) throw error
        file.syncSync()
      }
    })
    this.#unsynced = undefined
  }

  #guarded(action: () => void): void {
    if (this.#failure !== undefined) throw this.#failure
    try {
      action()
    } catch (error) {
      this.#failure = asError(error)
      throw error
    }
  }
}

/** What was thrown, as an error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error('something that is no error was thrown', { cause: thrown })
}
