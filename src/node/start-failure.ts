import { fileFailure } from '../engine/index.ts'
import { QuorateError } from '../model/index.ts'
import type { ErrorCode } from '../model/index.ts'
import { FileError } from '../platform/index.ts'

/** Calls of the operating system by which a node takes its addresses. */
const ADDRESS_CALLS: ReadonlySet<string> = new Set(['listen', 'bind', 'getaddrinfo'])

/** A directory cannot be made where a file is, or below one; what is missing otherwise has an error of its own. */
const UNUSABLE: Partial<Record<FileError['code'], ErrorCode>> = {
  already_exists: 'storage_failed',
  not_found: 'storage_failed',
}

/** Why a node did not start, with a code that can be looked up; what has none is a fault of this program and stays as it is. */
export function startFailure(error: unknown): unknown {
  if (error instanceof FileError) return fileFailure(error, UNUSABLE[error.code])
  if (error instanceof Error && ADDRESS_CALLS.has(String((error as { syscall?: unknown }).syscall))) {
    return new QuorateError('address_unavailable', error.message, { cause: error })
  }
  return error
}
