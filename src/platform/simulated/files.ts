import { FileError } from '../index.ts'
import type { DirectoryLock, File, Files, LockHolder } from '../index.ts'
import type { DiskCalls } from './disk-calls.ts'
import { onLane, splitPath, systemError } from './disk-user.ts'
import type { DiskUser } from './disk-user.ts'
import { SimulatedFile } from './file.ts'
import { StoredDirectory } from './stored-directory.ts'
import type { StoredNode } from './stored-directory.ts'
import { StoredFile } from './stored-file.ts'

/** `Files` of one process on a simulated disk. Made by `SimulatedDisk.files`. */
export class SimulatedFiles implements Files {
  readonly #disk: DiskCalls
  readonly #user: DiskUser

  constructor(disk: DiskCalls, user: DiskUser) {
    this.#disk = disk
    this.#user = user
  }

  /** False once this process has died. */
  get isAlive(): boolean {
    return this.#user.isAlive
  }

  /** Ends this process alone; the page cache stays. */
  kill(): void {
    this.#disk.endUser(this.#user, 'process')
  }

  open(path: string, mode: 'create' | 'readWrite' | 'read'): Promise<File> {
    return onLane(this.#user, mode === 'create' ? 'create' : 'read', () => this.openSync(path, mode))
  }

  openSync(path: string, mode: 'create' | 'readWrite' | 'read'): File {
    const { directory, name } = this.#locate(path)
    const node = directory?.get(name)
    if (mode !== 'create') {
      this.#disk.beginRead(this.#user, path)
      if (node === undefined) throw systemError('ENOENT', 'open', path)
      if (node instanceof StoredDirectory) throw systemError('EISDIR', 'open', path)
      return new SimulatedFile(this.#disk, this.#user, path, node, mode === 'readWrite')
    }
    this.#disk.begin(this.#user, 'create', path)
    if (directory === undefined) throw systemError('ENOENT', 'create', path)
    if (node !== undefined) throw systemError('EEXIST', 'create', path)
    const file = this.#disk.newFile()
    directory.put(name, file)
    this.#disk.end()
    return new SimulatedFile(this.#disk, this.#user, path, file, true)
  }

  list(directory: string): Promise<string[]> {
    return onLane(this.#user, 'read', () => {
      this.#disk.beginRead(this.#user, directory)
      return this.#directory(directory, 'list').list()
    })
  }

  makeDirectory(directory: string): Promise<void> {
    return onLane(this.#user, 'makeDirectory', () => {
      let parent: StoredDirectory = this.#disk.root
      const names = splitPath(directory)
      for (const [depth, name] of names.entries()) {
        const node = parent.get(name)
        if (node instanceof StoredFile) {
          throw systemError(depth === names.length - 1 ? 'EEXIST' : 'ENOTDIR', 'makeDirectory', directory)
        }
        if (node !== undefined) {
          parent = node
          continue
        }
        this.#disk.begin(this.#user, 'makeDirectory', directory)
        const made = new StoredDirectory()
        parent.put(name, made)
        this.#disk.end()
        this.#disk.begin(this.#user, 'syncDirectory', directory)
        parent.sync()
        this.#disk.end()
        parent = made
      }
      this.#disk.beginRead(this.#user, directory)
    })
  }

  size(path: string): Promise<number | undefined> {
    return onLane(this.#user, 'read', () => {
      this.#disk.beginRead(this.#user, path)
      const { directory, name } = this.#locate(path)
      const node = directory?.get(name)
      return node instanceof StoredFile ? node.size : undefined
    })
  }

  rename(from: string, to: string): Promise<void> {
    return onLane(this.#user, 'rename', () => {
      this.#disk.begin(this.#user, 'rename', from)
      const source = this.#locate(from)
      const target = this.#locate(to)
      const node = source.directory?.get(source.name)
      if (source.directory === undefined || node === undefined) throw systemError('ENOENT', 'rename', from)
      if (target.directory === undefined) throw systemError('ENOENT', 'rename', to)
      if (node instanceof StoredDirectory && isBelow(from, to)) throw systemError('EINVAL', 'rename', to)
      const replaced = target.directory.get(target.name)
      if (replaced !== undefined && replaced !== node) this.#requireReplaceable(node, replaced, to)
      source.directory.rename(source.name, target.directory, target.name)
      if (replaced instanceof StoredFile && replaced !== node) this.#disk.unname(replaced)
      this.#disk.end()
    })
  }

  remove(path: string): Promise<void> {
    return onLane(this.#user, 'remove', () => {
      this.#disk.begin(this.#user, 'remove', path)
      const { directory, name } = this.#locate(path)
      const node = directory?.get(name)
      if (node instanceof StoredDirectory) throw systemError('EISDIR', 'remove', path)
      if (directory !== undefined && node !== undefined) this.#unlink(directory, name, node)
      this.#disk.end()
    })
  }

  removeTree(path: string): Promise<void> {
    return onLane(this.#user, 'remove', () => {
      const { directory, name } = this.#locate(path)
      const node = directory?.get(name)
      if (directory !== undefined && node !== undefined) this.#removeNode(path, directory, name, node)
      else this.#disk.beginRead(this.#user, path)
    })
  }

  syncDirectory(directory: string): Promise<void> {
    return onLane(this.#user, 'syncDirectory', () => {
      this.#disk.begin(this.#user, 'syncDirectory', directory)
      this.#directory(directory, 'syncDirectory').sync()
      this.#disk.end()
    })
  }

  lock(directory: string): Promise<DirectoryLock> {
    return onLane(this.#user, 'read', () => {
      this.#disk.beginRead(this.#user, directory)
      const stored = this.#directory(directory, 'lock')
      const key = splitPath(directory).join('/')
      const present = this.#disk.locks.get(key)
      if (present !== undefined) {
        throw new FileError('directory_locked', directory, `${directory} is in use by process ${present.pid}`, {
          holder: present,
        })
      }
      const holder: LockHolder = {
        pid: this.#user.pid,
        host: 'simulated',
        bootId: this.#disk.bootId,
        nonce: this.#disk.newNonce(),
      }
      const bytes = new TextEncoder().encode(JSON.stringify(holder))
      const file = this.#disk.newFile()
      this.#disk.makeRoom(directory, file, bytes.length)
      file.write(bytes, 0)
      file.sync()
      const left = stored.get('LOCK')
      if (left instanceof StoredFile) this.#disk.unname(left)
      stored.put('LOCK', file)
      this.#disk.locks.set(key, holder)
      return { holder, release: () => this.#release(key, stored, holder) }
    })
  }

  freeBytes(path: string): Promise<number> {
    return onLane(this.#user, 'read', () => {
      this.#disk.beginRead(this.#user, path)
      return Math.max(0, this.#disk.capacityBytes - this.#disk.usedBytes)
    })
  }

  #release(key: string, directory: StoredDirectory, holder: LockHolder): Promise<void> {
    return onLane(this.#user, 'read', () => {
      this.#disk.beginRead(this.#user, key)
      if (this.#disk.locks.get(key) !== holder) return
      this.#disk.locks.delete(key)
      const file = directory.get('LOCK')
      if (file !== undefined) this.#unlink(directory, 'LOCK', file)
    })
  }

  #removeNode(path: string, parent: StoredDirectory, name: string, node: StoredNode): void {
    if (node instanceof StoredDirectory) {
      for (const below of node.list()) this.#removeNode(`${path}/${below}`, node, below, node.get(below) as StoredNode)
    }
    this.#disk.begin(this.#user, 'remove', path)
    this.#unlink(parent, name, node)
    this.#disk.end()
  }

  #unlink(directory: StoredDirectory, name: string, node: StoredNode): void {
    directory.remove(name)
    if (node instanceof StoredFile) this.#disk.unname(node)
  }

  #requireReplaceable(node: StoredNode, replaced: StoredNode, path: string): void {
    if (node instanceof StoredDirectory) {
      if (replaced instanceof StoredFile) throw systemError('ENOTDIR', 'rename', path)
      if (!replaced.isEmpty) throw systemError('ENOTEMPTY', 'rename', path)
    } else if (replaced instanceof StoredDirectory) throw systemError('EISDIR', 'rename', path)
  }

  #locate(path: string): { directory: StoredDirectory | undefined; name: string } {
    const names = splitPath(path)
    const name = names.pop()
    if (name === undefined) throw systemError('EISDIR', 'open', path)
    return { directory: this.#walk(names), name }
  }

  #directory(path: string, operation: string): StoredDirectory {
    const directory = this.#walk(splitPath(path))
    if (directory === undefined) throw systemError('ENOENT', operation, path)
    return directory
  }

  #walk(names: readonly string[]): StoredDirectory | undefined {
    let node: StoredNode | undefined = this.#disk.root
    for (const name of names) {
      if (!(node instanceof StoredDirectory)) return undefined
      node = node.get(name)
    }
    return node instanceof StoredDirectory ? node : undefined
  }
}

/** Whether `path` lies inside the directory `above`. */
function isBelow(above: string, path: string): boolean {
  const names = splitPath(path)
  const start = splitPath(above)
  return names.length > start.length && start.every((name, at) => names[at] === name)
}
