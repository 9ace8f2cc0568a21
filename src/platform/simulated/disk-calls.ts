import type { LockHolder } from '../index.ts'
import type { DiskFaultEffect, DiskOperation } from './disk-faults.ts'
import type { DiskUser } from './disk-user.ts'
import type { StoredDirectory } from './stored-directory.ts'
import type { StoredFile } from './stored-file.ts'

/** What the files of a process ask of the disk that they are on; `SimulatedDisk` is the one that answers. */
export interface DiskCalls {
  readonly root: StoredDirectory
  readonly locks: Map<string, LockHolder>
  readonly bootId: string
  readonly capacityBytes: number
  readonly usedBytes: number
  newFile(): StoredFile
  newNonce(): string
  /** Opens a counted call: throws if the process is dead, dies here, or the call is to fail; else gives the silent fault to have. */
  begin(user: DiskUser, operation: DiskOperation, path: string): Exclude<DiskFaultEffect, { type: 'fail' }> | undefined
  /** Closes a counted call whose effect has been had. */
  end(): void
  /** Checks an uncounted call (reading, opening, listing). */
  beginRead(user: DiskUser, path: string): void
  /** Accounts for a file that is about to grow or shrink; throws `no_space`, and counts nothing, if there is no room. */
  makeRoom(path: string, file: StoredFile, toBytes: number): void
  /** A file has lost its name: its bytes do not count any more. */
  unname(file: StoredFile): void
  /** The end of one process by its own crash; its locks are free. */
  endUser(user: DiskUser, kind: 'power' | 'process'): void
}
