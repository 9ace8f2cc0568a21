import type { LockHolder } from '../index.ts'
import type { DiskCalls } from './disk-calls.ts'
import { FaultPlan, SimulatedCrash } from './disk-faults.ts'
import type { DiskFault, DiskFaultEffect, DiskOperation } from './disk-faults.ts'
import { requireAlive, splitPath, systemError } from './disk-user.ts'
import type { DiskUser } from './disk-user.ts'
import { SimulatedFiles } from './files.ts'
import { SeededRandom } from './random.ts'
import { StoredDirectory } from './stored-directory.ts'
import type { StoredNode } from './stored-directory.ts'
import { StoredFile } from './stored-file.ts'
import type { TearProfile } from './stored-file.ts'

export interface DiskOptions {
  /** A seed, or the stream that the disk draws from. */
  seed: number | SeededRandom
  /** What a sector is, for tearing: 512 (the default) or 4096. */
  sectorBytes?: number
  /** `sector` (the default) or `byte`. */
  tear?: TearProfile['tear']
  /** Room for file contents, in bytes; unbounded if not given. */
  capacityBytes?: number
}

/** Chooses among counted calls. */
export type CallFilter = (operation: DiskOperation, path: string) => boolean

/**
 * A disk with a page cache, which outlives the processes that use it. Nothing is durable until it is synced: a power loss keeps
 * an arbitrary part of the rest (sectors, sizes, names). Faults are injected, crashes can be set to any single call.
 */
export class SimulatedDisk implements DiskCalls {
  readonly root: StoredDirectory = new StoredDirectory()
  readonly locks: Map<string, LockHolder> = new Map()
  /** Bytes of room for file contents. May be changed at any time, to fill the disk or to give it room again. */
  capacityBytes: number
  usedBytes: number = 0
  readonly #random: SeededRandom
  readonly #profile: TearProfile
  readonly #faults = new FaultPlan()
  readonly #users = new Set<DiskUser>()
  #crashPlan: { callsLeft: number; moment: 'before' | 'after'; isMeant: CallFilter } | undefined
  #callCount = 0
  #bootCount = 1
  #pidCount = 0

  constructor(options: DiskOptions) {
    this.#random = typeof options.seed === 'number' ? new SeededRandom(options.seed) : options.seed
    this.#profile = { sectorBytes: options.sectorBytes ?? 512, tear: options.tear ?? 'sector' }
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER
  }

  /** Calls so far that change or sync something: the places where `crashAt` can strike. */
  get callCount(): number {
    return this.#callCount
  }

  get bootId(): string {
    return `simulated-boot-${this.#bootCount}`
  }

  /** The file system as a new process sees it. */
  files(process: Partial<Omit<DiskUser, 'isAlive' | 'pid'>> = {}): SimulatedFiles {
    const user: DiskUser = {
      isAlive: true,
      pid: ++this.#pidCount,
      timing: process.timing,
      afterCrash: process.afterCrash ?? 'reject',
      onCrash: process.onCrash,
    }
    this.#users.add(user)
    return new SimulatedFiles(this, user)
  }

  /** Lets the `call`-th counted call from now (1 = the next one), of those that `isMeant`, be the one at which the power goes. */
  crashAt(call: number, moment: 'before' | 'after', isMeant: CallFilter = () => true): void {
    if (!(Number.isSafeInteger(call) && call >= 1)) throw new RangeError(`call ${call}`)
    this.#crashPlan = { callsLeft: call, moment, isMeant }
  }

  cancelCrash(): void {
    this.#crashPlan = undefined
  }

  /**
   * Ends all processes that use the disk. `power`: unsynced state is lost in part and the machine boots anew.
   * `process`: only the processes die; what they wrote stays in the page cache.
   */
  crash(kind: 'power' | 'process' = 'power'): void {
    this.#crashPlan = undefined
    const users = [...this.#users] // a crash handler may start the next process at once
    for (const user of users) this.endUser(user, kind)
    if (kind === 'process') return
    this.#bootCount++
    const nodes = this.#allNodes()
    for (const node of nodes) if (node instanceof StoredDirectory) node.losePower(this.#random)
    for (const node of nodes) {
      if (node instanceof StoredDirectory) node.reload()
      else node.losePower()
    }
    this.#countUsedBytes()
  }

  /** Adds a fault to those to come. */
  inject(fault: DiskFault): void {
    this.#faults.add(fault)
  }

  clearFaults(): void {
    this.#faults.clear()
  }

  /** Flips a bit of a file, in the cache and on the medium. */
  flipBit(path: string, position: number, bit: number): void {
    this.#fileAt(path).flipBit(position, bit)
  }

  /** Makes bytes of a file zero, in the cache and on the medium. */
  zero(path: string, from: number, to: number): void {
    const file = this.#fileAt(path)
    const byte = new Uint8Array(1)
    for (let at = from; at < Math.min(to, file.size); at++) {
      file.read(byte, at)
      for (let bit = 0; bit < 8; bit++) if ((byte[0]! & (1 << bit)) !== 0) file.flipBit(at, bit)
    }
  }

  /** The medium gets what it lacks of a file's clean pages: lost writes come to it after all. */
  repent(path: string): void {
    if (this.has(path)) this.#fileAt(path).repent()
  }

  /** Takes what is under a name out of the disk, also from the medium, as if another disk had been put in its place. */
  wipe(path: string): void {
    const names = splitPath(path)
    const last = names.pop()!
    let node: StoredNode | undefined = this.root
    for (const name of names) node = node instanceof StoredDirectory ? node.get(name) : undefined
    if (!(node instanceof StoredDirectory) || node.get(last) === undefined) return
    node.remove(last)
    node.sync()
    this.#countUsedBytes()
  }

  /** Forgets the clean pages of a file: from now on reads see what the medium has. */
  dropCache(path: string): void {
    this.#fileAt(path).dropCache()
  }

  /** Paths of what is directly in a directory, sorted; none if there is no such directory. */
  paths(directory: string): string[] {
    let node: StoredNode | undefined = this.root
    for (const name of splitPath(directory)) node = node instanceof StoredDirectory ? node.get(name) : undefined
    return node instanceof StoredDirectory ? node.list().map(name => `${directory}/${name}`) : []
  }

  has(path: string): boolean {
    const at = path.lastIndexOf('/')
    return this.paths(path.slice(0, at)).includes(path)
  }

  /** A copy of a file as reads see it, for tests that compare. */
  contents(path: string): Uint8Array {
    const file = this.#fileAt(path)
    const bytes = new Uint8Array(file.size)
    file.read(bytes, 0)
    return bytes
  }

  /** The end of one process; its locks are free. */
  endUser(user: DiskUser, kind: 'power' | 'process'): void {
    if (!user.isAlive) return
    user.isAlive = false
    this.#users.delete(user)
    for (const [directory, holder] of this.locks) if (holder.pid === user.pid) this.locks.delete(directory)
    user.onCrash?.(kind)
  }

  newFile(): StoredFile {
    return new StoredFile(this.#profile, this.#random)
  }

  newNonce(): string {
    return Array.from({ length: 4 }, () => this.#random.u32().toString(16).padStart(8, '0')).join('')
  }

  /** Opens a counted call: throws if the process is dead, dies here, or the call is to fail; else gives the silent fault to have. */
  begin(
    user: DiskUser,
    operation: DiskOperation,
    path: string,
  ): Exclude<DiskFaultEffect, { type: 'fail' }> | undefined {
    requireAlive(user)
    this.#callCount++
    const plan = this.#crashPlan
    if (plan?.isMeant(operation, path) === true && --plan.callsLeft === 0 && plan.moment === 'before') this.#crashNow()
    const effect = this.#faults.take(operation, path)
    if (effect?.type === 'fail') throw systemError(effect.systemCode, operation, path)
    return effect
  }

  /** Closes a counted call whose effect has been had. */
  end(): void {
    if (this.#crashPlan !== undefined && this.#crashPlan.callsLeft <= 0) this.#crashNow()
  }

  /** Checks an uncounted call (reading, opening, listing). */
  beginRead(user: DiskUser, path: string): void {
    requireAlive(user)
    const effect = this.#faults.take('read', path)
    if (effect?.type === 'fail') throw systemError(effect.systemCode, 'read', path)
  }

  /** Accounts for a file that is about to grow or shrink; throws `no_space`, and counts nothing, if there is no room. */
  makeRoom(path: string, file: StoredFile, toBytes: number): void {
    if (!file.isNamed) return
    const growth = toBytes - file.size
    if (growth > 0 && this.usedBytes + growth > this.capacityBytes) throw systemError('ENOSPC', 'write', path)
    this.usedBytes += growth
  }

  unname(file: StoredFile): void {
    file.isNamed = false
    this.usedBytes -= file.size
  }

  #crashNow(): never {
    this.crash('power')
    throw new SimulatedCrash('the power went during a disk call')
  }

  #fileAt(path: string): StoredFile {
    let node: StoredNode | undefined = this.root
    for (const name of splitPath(path)) node = node instanceof StoredDirectory ? node.get(name) : undefined
    if (!(node instanceof StoredFile)) throw systemError('ENOENT', 'open', path)
    return node
  }

  /** Everything that is named now or may be again after a power loss, each once, in a fixed order. */
  #allNodes(): StoredNode[] {
    const nodes = new Set<StoredNode>([this.root])
    for (const node of nodes) {
      if (!(node instanceof StoredDirectory)) continue
      for (const below of node.nodes()) nodes.add(below)
      for (const below of node.durableNodes()) nodes.add(below)
    }
    return [...nodes]
  }

  #countUsedBytes(): void {
    this.usedBytes = 0
    for (const node of this.#allNodes()) {
      if (!(node instanceof StoredFile)) continue
      node.isNamed = true // a removal may not have lasted
      this.usedBytes += node.size
    }
  }
}
