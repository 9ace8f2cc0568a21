import { SimulatedCrash } from './disk-faults.ts'
import { SimulatedDisk } from './disk.ts'
import type { DiskOptions } from './disk.ts'
import type { SimulatedFiles } from './files.ts'

/** Where the power went, for messages and for what a check must know. */
export interface CrashPlace {
  /** The counted disk call, from 1. */
  readonly call: number
  readonly moment: 'before' | 'after'
  readonly disk: SimulatedDisk
}

export interface CrashEverywhere<T> {
  disk: Omit<DiskOptions, 'seed'> & { seed: number }
  /** Uses the disk, and notes in `notes` what it was promised (by a sync that returned, for example). */
  workload: (files: SimulatedFiles, notes: T) => Promise<void>
  /** Makes the notes of one run. */
  newNotes: () => T
  /** Opens what is left, as the process started next, and throws if a promise is broken. */
  check: (files: SimulatedFiles, notes: T, place: CrashPlace) => Promise<void>
  /** Looks only at every n-th call; 1 if not given. */
  stride?: number
}

/**
 * Runs a workload to its end, counting disk calls; then again and again on new disks, letting the power go before and after the
 * effect of each of these calls, and checks what is left. The workload must make the same calls in every run.
 * Returns the number of crashes. An error names the call: the same seed repeats it.
 */
export async function crashEverywhere<T>(options: CrashEverywhere<T>): Promise<number> {
  const whole = new SimulatedDisk(options.disk)
  await options.workload(whole.files(), options.newNotes())
  const callCount = whole.callCount
  let crashes = 0
  for (let call = 1; call <= callCount; call += options.stride ?? 1) {
    for (const moment of ['before', 'after'] as const) {
      // Another seed each time: what survives differs from call to call.
      const disk = new SimulatedDisk({ ...options.disk, seed: options.disk.seed + call })
      const place: CrashPlace = { call, moment, disk }
      try {
        const notes = await runToCrash(options, disk, place)
        await options.check(disk.files(), notes, place)
      } catch (error) {
        throw new Error(`power loss ${moment} disk call ${call} of ${callCount}, seed ${options.disk.seed}`, {
          cause: error,
        })
      }
      crashes++
    }
  }
  return crashes
}

async function runToCrash<T>(options: CrashEverywhere<T>, disk: SimulatedDisk, place: CrashPlace): Promise<T> {
  const notes = options.newNotes()
  disk.crashAt(place.call, place.moment)
  let crashed: () => void = () => {}
  const crash = new Promise<void>(resolve => {
    crashed = resolve
  })
  const files = disk.files({ onCrash: () => crashed() })
  // A workload may be stuck in, or swallow, the error of its dead disk: what ends the run is the crash itself.
  const work = options.workload(files, notes).catch((error: unknown) => {
    if (files.isAlive && !(error instanceof SimulatedCrash)) throw error
  })
  await Promise.race([work, crash])
  if (files.isAlive) throw new Error('the workload ended before the call at which it was to crash')
  return notes
}
