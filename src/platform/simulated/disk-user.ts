import { FileError } from '../index.ts'
import { SimulatedCrash } from './disk-faults.ts'
import type { DiskOperation } from './disk-faults.ts'

/** How long asynchronous calls take. Without it they finish in the next microtask. */
export interface DiskTiming {
  /** Resolves when a call of this kind may have its effect; never, if the process died. */
  wait(operation: DiskOperation): Promise<void>
  /** A blocking read begins: it holds up its process for as long as reads hang. */
  block(): void
}

/** One life of a process that uses the disk. */
export interface DiskUser {
  isAlive: boolean
  readonly pid: number
  readonly timing: DiskTiming | undefined
  /** A dead process's asynchronous calls are rejected (unit tests) or never settle (the world: its code must not go on). */
  readonly afterCrash: 'reject' | 'never'
  readonly onCrash: ((kind: 'power' | 'process') => void) | undefined
}

/** Has an asynchronous call take its time, and then its effect. */
export async function onLane<T>(user: DiskUser, operation: DiskOperation, effect: () => T): Promise<T> {
  try {
    if (user.timing !== undefined && user.isAlive) await user.timing.wait(operation)
    return effect()
  } catch (error) {
    if (error instanceof SimulatedCrash && user.afterCrash === 'never') return new Promise<T>(() => {})
    throw error
  }
}

export function requireAlive(user: DiskUser): void {
  if (!user.isAlive) throw new SimulatedCrash('the process is dead')
}

/** The names along a path; `.` and empty ones do not count. */
export function splitPath(path: string): string[] {
  return path.split('/').filter(name => name !== '' && name !== '.')
}

/** The `FileError` for a system's error code, worded as Node words it. */
export function systemError(systemCode: string, operation: string, path: string): FileError {
  const codes: Record<string, FileError['code']> = {
    ENOENT: 'not_found',
    ENOTDIR: 'not_found',
    EEXIST: 'already_exists',
    ENOSPC: 'no_space',
    EACCES: 'access_denied',
    EROFS: 'access_denied',
  }
  const code = codes[systemCode] ?? 'io_failed'
  return new FileError(code, path, `${operation} of ${path} failed: ${systemCode}`, { systemCode })
}
