import type { File } from '../index.ts'
import type { DiskCalls } from './disk-calls.ts'
import { onLane, systemError } from './disk-user.ts'
import type { DiskUser } from './disk-user.ts'
import type { StoredFile } from './stored-file.ts'

/** An open file of one process on a simulated disk. */
export class SimulatedFile implements File {
  readonly path: string
  readonly #disk: DiskCalls
  readonly #user: DiskUser
  readonly #stored: StoredFile
  readonly #isWritable: boolean
  #isClosed = false

  constructor(disk: DiskCalls, user: DiskUser, path: string, stored: StoredFile, isWritable: boolean) {
    this.path = path
    this.#disk = disk
    this.#user = user
    this.#stored = stored
    this.#isWritable = isWritable
  }

  readSync(target: Uint8Array, position: number): number {
    this.#user.timing?.block()
    return this.#readNow(target, position)
  }

  #readNow(target: Uint8Array, position: number): number {
    this.#disk.beginRead(this.#user, this.path)
    this.#requireOpen('read')
    return this.#stored.read(target, position)
  }

  // hot path: the log's lane (bench: test/platform/simulated-cost)
  writeSync(bytes: Uint8Array, position: number): void {
    const fault = this.#disk.begin(this.#user, 'write', this.path)
    if (bytes.length === 0) {
      this.#requireOpen('write')
      this.#disk.end()
      return
    }
    this.#requireWritable('write')
    const stored = this.#stored
    const end = position + bytes.length
    if (end > stored.size) this.#disk.makeRoom(this.path, stored, end)
    if (fault === undefined) stored.write(bytes, position)
    else {
      stored.writeLost(bytes, position)
      if (fault.type === 'misdirect') stored.receiveMisdirected(bytes, fault.position)
    }
    this.#disk.end()
  }

  syncSync(): void {
    try {
      this.#disk.begin(this.#user, 'sync', this.path)
    } catch (error) {
      if (this.#user.isAlive) this.#stored.failSync()
      throw error
    }
    this.#requireOpen('sync')
    this.#stored.sync()
    this.#disk.end()
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return onLane(this.#user, 'read', () => this.#readNow(target, position))
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return onLane(this.#user, 'write', () => this.writeSync(bytes, position))
  }

  sync(): Promise<void> {
    return onLane(this.#user, 'sync', () => this.syncSync())
  }

  sizeSync(): number {
    this.#disk.beginRead(this.#user, this.path)
    this.#requireOpen('size')
    return this.#stored.size
  }

  truncate(size: number): Promise<void> {
    return onLane(this.#user, 'truncate', () => this.truncateSync(size))
  }

  truncateSync(size: number): void {
    this.#disk.begin(this.#user, 'truncate', this.path)
    this.#requireWritable('truncate')
    this.#disk.makeRoom(this.path, this.#stored, size)
    this.#stored.truncate(size)
    this.#disk.end()
  }

  async preallocate(size: number): Promise<void> {
    await onLane(this.#user, 'write', () => {
      this.#disk.begin(this.#user, 'write', this.path)
      this.#requireWritable('write')
      if (size > this.#stored.size) this.#disk.makeRoom(this.path, this.#stored, size)
      this.#stored.extend(size)
      this.#disk.end()
    })
    await this.sync()
  }

  close(): Promise<void> {
    return onLane(this.#user, 'read', () => this.closeSync())
  }

  closeSync(): void {
    this.#isClosed = true
  }

  #requireOpen(operation: string): void {
    if (this.#isClosed) throw systemError('EBADF', operation, this.path)
  }

  #requireWritable(operation: string): void {
    if (this.#isClosed || !this.#isWritable) throw systemError('EBADF', operation, this.path)
  }
}
