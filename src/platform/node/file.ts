import * as fs from 'node:fs'
import { FileError } from '../index.ts'
import type { File } from '../index.ts'
import { toFileError } from './file-error.ts'

/**
 * Zeros that preallocation writes at a time. The page cache keeps what one call wrote as one piece, and each later small write looks at
 * the whole piece: with 1 MiB a write of a commit takes 2.7 us, with this 1.3 (bench/RESULTS.md).
 */
const PREALLOCATION_BYTES = 1 << 17
/**
 * So much of it is synced at a time: a sync of another file waits until the disk has taken all that lies before it, and commits waited 40 ms for a
 * segment of 16 MiB, on all nodes of the disk.
 */
const PREALLOCATION_SYNC_BYTES = 1 << 18

/**
 * An open file. `...Sync` calls are plain system calls on this thread; the others go through libuv's pool.
 * `close` waits for asynchronous calls under way, so that no call ever meets a recycled descriptor.
 */
export class NodeFile implements File {
  readonly path: string
  readonly #descriptor: number
  #underWay = 0
  #isClosed = false
  #whenIdle: (() => void) | undefined

  constructor(path: string, descriptor: number) {
    this.path = path
    this.#descriptor = descriptor
  }

  readSync(target: Uint8Array, position: number): number {
    this.#requireOpen('read')
    try {
      let done = 0
      while (done < target.length) {
        const count = fs.readSync(this.#descriptor, target, done, target.length - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    } catch (error) {
      throw toFileError(error, 'read', this.path)
    }
  }

  // hot path: the log's lane
  writeSync(bytes: Uint8Array, position: number): void {
    this.#requireOpen('write')
    try {
      let done = 0
      while (done < bytes.length) {
        done += progress(fs.writeSync(this.#descriptor, bytes, done, bytes.length - done, position + done))
      }
    } catch (error) {
      throw toFileError(error, 'write', this.path)
    }
  }

  syncSync(): void {
    this.#requireOpen('sync')
    try {
      fs.fdatasyncSync(this.#descriptor)
    } catch (error) {
      throw toFileError(error, 'sync', this.path)
    }
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#whileOpen('read', async () => {
      let done = 0
      while (done < target.length) {
        const count = await this.#readSome(target, done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    })
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#whileOpen('write', () => this.#writeAll(bytes, position))
  }

  sync(): Promise<void> {
    return this.#whileOpen('sync', () => this.#call(done => fs.fdatasync(this.#descriptor, done)))
  }

  sizeSync(): number {
    this.#requireOpen('size')
    try {
      return fs.fstatSync(this.#descriptor).size
    } catch (error) {
      throw toFileError(error, 'size', this.path)
    }
  }

  truncate(size: number): Promise<void> {
    return this.#whileOpen('truncate', () => this.#call(done => fs.ftruncate(this.#descriptor, size, done)))
  }

  truncateSync(size: number): void {
    this.#requireOpen('truncate')
    try {
      fs.ftruncateSync(this.#descriptor, size)
    } catch (error) {
      throw toFileError(error, 'truncate', this.path)
    }
  }

  preallocate(size: number): Promise<void> {
    return this.#whileOpen('preallocate', async () => {
      let at = fs.fstatSync(this.#descriptor).size
      const zeros = new Uint8Array(Math.min(PREALLOCATION_BYTES, Math.max(0, size - at)))
      for (let synced = at; at < size;) {
        const piece = zeros.subarray(0, size - at)
        await this.#writeAll(piece, at)
        at += piece.length
        if (at - synced < PREALLOCATION_SYNC_BYTES) continue
        await this.#call(done => fs.fdatasync(this.#descriptor, done))
        synced = at
      }
      // fsync, not fdatasync: the size and the extents must never have to change again inside this range
      await this.#call(done => fs.fsync(this.#descriptor, done))
    })
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#underWay > 0) {
      await new Promise<void>(resolve => {
        this.#whenIdle = resolve
      })
    }
    try {
      await this.#call(done => fs.close(this.#descriptor, done))
    } catch (error) {
      throw toFileError(error, 'close', this.path)
    }
  }

  closeSync(): void {
    if (this.#isClosed) return
    if (this.#underWay > 0) throw new Error(`closeSync of ${this.path} while an asynchronous call is under way`)
    this.#isClosed = true
    try {
      fs.closeSync(this.#descriptor)
    } catch (error) {
      throw toFileError(error, 'close', this.path)
    }
  }

  async #writeAll(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0
    while (done < bytes.length) done += progress(await this.#writeSome(bytes, done, position + done))
  }

  #writeSome(bytes: Uint8Array, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.write(this.#descriptor, bytes, offset, bytes.length - offset, position, (error, count) => {
        if (error === null) resolve(count)
        else reject(error)
      })
    })
  }

  #readSome(target: Uint8Array, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      fs.read(this.#descriptor, target, offset, target.length - offset, position, (error, count) => {
        if (error === null) resolve(count)
        else reject(error)
      })
    })
  }

  #call(start: (done: (error: Error | null | undefined) => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      start(error => {
        if (error === null || error === undefined) resolve()
        else reject(error)
      })
    })
  }

  async #whileOpen<T>(operation: string, work: () => Promise<T>): Promise<T> {
    this.#requireOpen(operation)
    this.#underWay++
    try {
      return await work()
    } catch (error) {
      throw toFileError(error, operation, this.path)
    } finally {
      this.#underWay--
      if (this.#underWay === 0) this.#whenIdle?.()
    }
  }

  #requireOpen(operation: string): void {
    if (!this.#isClosed) return
    throw new FileError('io_failed', this.path, `${operation} of ${this.path} failed: it is closed`, {
      systemCode: 'EBADF',
    })
  }
}

/** A write that makes no progress would loop for ever. */
function progress(count: number): number {
  if (count > 0) return count
  throw new Error('the system wrote nothing and gave no error')
}
