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

/** What a program can tell apart of a file operation that has failed; its cause is the failure. */
export function fileFailure(error: FileError, code: ErrorCode = CODES[error.code]): QuorateError {
  return new QuorateError(code, error.message, { cause: error })
}

/** Rejects with a `fileFailure` where a file operation has failed. */
export async function withoutFileErrors<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw error instanceof FileError ? fileFailure(error) : error
  }
}
