/** What a disk can be told to get wrong. `sync` is a file's, `syncDirectory` a directory's. */
export type DiskOperation =
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'syncDirectory'

/** A fault to come; see `SimulatedDisk.inject`. */
export interface DiskFault {
  operation: DiskOperation
  /** Only calls on a path for which this holds. */
  path?: (path: string) => boolean
  /** How many matching calls pass unharmed first. */
  skip?: number
  /** How many calls are hit; 1 if not given. */
  times?: number
  effect: DiskFaultEffect
  /** Told of each call that is hit. */
  onHit?: (path: string) => void
}

/**
 * `fail`: a `FileError` with this system code; nothing is written, except by a failing file sync, which leaves an arbitrary part
 * of the file on the medium and all of it "clean" in the cache. `lose` and `misdirect` are for writes: acknowledged, synced,
 * visible until the cache is dropped or the power goes, but nowhere on the medium, or at another aligned place of the file.
 */
export type DiskFaultEffect =
  | { type: 'fail'; systemCode: 'EIO' | 'ENOSPC' | 'EACCES' | 'EROFS' }
  | { type: 'lose' }
  | { type: 'misdirect'; position: number }

/** Thrown from every disk call of a simulated process that has died. No code handles it: the process is gone. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash'
}

/** The faults in force, consulted once per call. */
export class FaultPlan {
  #faults: { fault: DiskFault; skip: number; times: number }[] = []

  add(fault: DiskFault): void {
    if (fault.effect.type !== 'fail' && fault.operation !== 'write') {
      throw new RangeError(`only a write can be hit by ${fault.effect.type}`)
    }
    this.#faults.push({ fault, skip: fault.skip ?? 0, times: fault.times ?? 1 })
  }

  clear(): void {
    this.#faults = []
  }

  /** The effect to have on this call, if any; each call uses up at most one fault. */
  take(operation: DiskOperation, path: string): DiskFaultEffect | undefined {
    if (this.#faults.length === 0) return undefined
    for (const entry of this.#faults) {
      if (entry.fault.operation !== operation || entry.fault.path?.(path) === false) continue
      if (entry.skip > 0) {
        entry.skip--
        continue
      }
      if (--entry.times === 0) this.#faults = this.#faults.filter(other => other !== entry)
      entry.fault.onHit?.(path)
      return entry.fault.effect
    }
    return undefined
  }
}
