/** Why a file operation failed; `code` is stable, `systemCode` is the platform's word (ENOSPC, EIO, ...). */
export class FileError extends Error {
  override readonly name = 'FileError'
  readonly code: 'not_found' | 'already_exists' | 'no_space' | 'io_failed' | 'directory_locked' | 'access_denied'
  readonly path: string
  readonly systemCode: string | undefined
  /** Who holds the directory, when `code` is `directory_locked`: pid, host, boot id and nonce as far as they could be read. */
  readonly holder: LockHolder | undefined

  constructor(
    code: FileError['code'],
    path: string,
    message: string,
    detail: { systemCode?: string; holder?: LockHolder; cause?: unknown } = {},
  ) {
    super(message, { cause: detail.cause })
    this.code = code
    this.path = path
    this.systemCode = detail.systemCode
    this.holder = detail.holder
  }
}

/** The contents of a directory's `LOCK` file. */
export interface LockHolder {
  pid: number
  host: string
  bootId: string
  nonce: string
}

/** Exclusive ownership of a data directory; lasts until released or until the process dies. */
export interface DirectoryLock {
  readonly holder: LockHolder
  release(): Promise<void>
}

/**
 * An open file. Positions and lengths are bytes. Reads past the end return what there is; a short write never happens
 * (it is retried or fails). A write is durable only after a later `sync` (fdatasync) of the same file returned; a failed
 * sync says nothing about what is on disk and must not be repeated (rule D9). Calls ending in `Sync` block this thread;
 * the others use the platform's asynchronous lane. Failures are `FileError`.
 */
export interface File {
  readonly path: string
  /** Fills `target` from `position`; returns the number of bytes read (less than asked only at the end of the file). */
  readSync(target: Uint8Array, position: number): number
  writeSync(bytes: Uint8Array, position: number): void
  /** fdatasync. */
  syncSync(): void
  read(target: Uint8Array, position: number): Promise<number>
  write(bytes: Uint8Array, position: number): Promise<void>
  sync(): Promise<void>
  /** The present size in bytes. */
  sizeSync(): number
  truncate(size: number): Promise<void>
  truncateSync(size: number): void
  /** Extends the file with written zero bytes to `size` and syncs it with its metadata, so that later writes inside change no metadata. */
  preallocate(size: number): Promise<void>
  close(): Promise<void>
  /** As `close`, on this thread; no asynchronous call may be under way. */
  closeSync(): void
}

/**
 * The file system below one or more data directories. Paths use '/'. A created, renamed, linked or removed name is durable
 * only after `syncDirectory` of its parent (rule D10).
 */
export interface Files {
  /** `create` fails if the name exists; `readWrite` and `read` fail (`not_found`) if it does not. */
  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<File>
  /** As `open`, on this thread: for thread jobs, whose event loop stands still between doorbells. */
  openSync(path: string, mode: 'create' | 'readWrite' | 'read'): File
  /** The names (not paths) in a directory, sorted; `not_found` if there is none. */
  list(directory: string): Promise<string[]>
  /** Creates the directory and its missing parents; fine if it exists. Syncs each parent that it changed. */
  makeDirectory(directory: string): Promise<void>
  /** The size in bytes, or undefined if there is no such file. */
  size(path: string): Promise<number | undefined>
  rename(from: string, to: string): Promise<void>
  /** Removes a file; fine if it does not exist. */
  remove(path: string): Promise<void>
  /** Removes a directory with all below it; fine if it does not exist. */
  removeTree(path: string): Promise<void>
  syncDirectory(directory: string): Promise<void>
  /**
   * Takes exclusive ownership of `directory` (file `LOCK`, DESIGN 6). `directory_locked` names a live holder;
   * the lock of a dead one is taken over.
   */
  lock(directory: string): Promise<DirectoryLock>
  /** Free bytes on the file system that holds `path`. */
  freeBytes(path: string): Promise<number>
}
