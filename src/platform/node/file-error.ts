import { FileError } from '../index.ts'

const CODES: Readonly<Record<string, FileError['code']>> = {
  ENOENT: 'not_found',
  ENOTDIR: 'not_found',
  EEXIST: 'already_exists',
  ENOSPC: 'no_space',
  EDQUOT: 'no_space',
  EACCES: 'access_denied',
  EPERM: 'access_denied',
  EROFS: 'access_denied',
}

/** The `FileError` for what the operating system said. */
export function toFileError(error: unknown, operation: string, path: string): FileError {
  if (error instanceof FileError) return error
  const systemCode = systemCodeOf(error)
  return new FileError(
    CODES[systemCode ?? ''] ?? 'io_failed',
    path,
    `${operation} of ${path} failed: ${systemCode ?? String(error)}`,
    systemCode === undefined ? { cause: error } : { systemCode, cause: error },
  )
}

/** The system's word for an error (ENOENT, EIO, ...), if it has one. */
export function systemCodeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
