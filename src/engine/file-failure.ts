import { QuorateError } from '../model/index.ts'
import type { ErrorCode } from '../model/index.ts'
import { FileError } from '../platform/index.ts'

const CODES: Readonly<Record<FileError['code'], ErrorCode>> = {
  not_found: 'not_found',
  already_exists: 'already_exists',
  no_space: 'out_of_space',
  io_failed: 'storage_failed',
  access_denied: 'storage_failed',
  directory_locked: 'directory_locked',
}

/** Rejects with what a program can tell apart where a file operation has failed: a QuorateError, whose cause is the failure. */
export async function withoutFileErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof FileError)) throw error
    throw new QuorateError(CODES[error.code], error.message, { cause: error })
  }
}
