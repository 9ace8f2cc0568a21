import { QuorateError } from '../errors.ts'

/** Who holds or waits for locks; compared by identity. */
export type LockOwner = object

interface Waiter {
  readonly owner: LockOwner
  readonly settle: (token: number | undefined, error: QuorateError | undefined) => void
}

interface Lock {
  owner: LockOwner
  token: number
  /** In the order in which they came. */
  readonly waiters: Waiter[]
}

const NO_NAMES: ReadonlySet<string> = new Set()

/**
 * Locks of one process by name, in memory alone. Whoever waits gets the lock in turn. Owners that would wait for each other for ever do
 * not: the wait that would close the circle is refused.
 */
export class LockTable {
  readonly #locks = new Map<string, Lock>()
  /** Names that an owner waits for. */
  readonly #waits = new Map<LockOwner, Set<string>>()
  #tokens = 0
  #isClosed = false

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** How many names are locked. */
  get size(): number {
    return this.#locks.size
  }

  /** The token of the owner's lock, taken now if it is free; undefined if another one holds it or waits for it. */
  tryAcquire(name: string, owner: LockOwner): number | undefined {
    const lock = this.#locks.get(name)
    if (lock !== undefined) return lock.owner === owner ? lock.token : undefined
    const token = ++this.#tokens
    this.#locks.set(name, { owner, token, waiters: [] })
    return token
  }

  /**
   * Waits for a lock that `tryAcquire` does not give; returns what ends the wait. `settle` is called once, with the token or why there is
   * none, unless the wait is ended before.
   * @throws QuorateError `deadlock`
   */
  wait(name: string, owner: LockOwner, settle: Waiter['settle']): () => void {
    const lock = this.#locks.get(name)!
    if (this.#leadsTo(name, owner)) {
      throw new QuorateError('deadlock', `lock ${name} is held by somebody who waits for this owner`, {
        retryable: true,
      })
    }
    const waiter: Waiter = { owner, settle }
    lock.waiters.push(waiter)
    const names = this.#waits.get(owner) ?? new Set()
    this.#waits.set(owner, names.add(name))
    return () => this.#forget(lock, name, waiter)
  }

  /** Whether the owner held it. The next one who waits has it then. */
  release(name: string, owner: LockOwner): boolean {
    const lock = this.#locks.get(name)
    if (lock === undefined || lock.owner !== owner) return false
    const next = lock.waiters[0]
    if (next === undefined) this.#locks.delete(name)
    else {
      lock.owner = next.owner
      lock.token = ++this.#tokens
      for (const waiter of lock.waiters.filter(({ owner }) => owner === next.owner)) {
        this.#forget(lock, name, waiter)
        waiter.settle(lock.token, undefined)
      }
    }
    return true
  }

  /** All waits fail, and nothing is locked any more. */
  close(): void {
    this.#isClosed = true
    const locks = [...this.#locks.values()]
    this.#locks.clear()
    this.#waits.clear()
    for (const { waiters } of locks) {
      for (const { settle } of waiters) settle(undefined, new QuorateError('closed', 'the database is closed'))
    }
  }

  #forget(lock: Lock, name: string, waiter: Waiter): void {
    const at = lock.waiters.indexOf(waiter)
    if (at < 0) return
    lock.waiters.splice(at, 1)
    if (lock.waiters.some(({ owner }) => owner === waiter.owner)) return
    const names = this.#waits.get(waiter.owner)
    names?.delete(name)
    if (names?.size === 0) this.#waits.delete(waiter.owner)
  }

  /** Whether those who have to go first before `name` is free wait for `owner` themselves, whatever the number of steps. */
  #leadsTo(name: string, owner: LockOwner): boolean {
    const { owner: holder, waiters } = this.#locks.get(name)!
    const before = new Set([holder, ...waiters.map(waiter => waiter.owner)])
    // A wait of its own in the same queue ends with the same lock.
    before.delete(owner)
    for (const first of before) {
      for (const waited of this.#waits.get(first) ?? NO_NAMES) {
        for (const other of this.#before(waited, first)) {
          if (other === owner) return true
          before.add(other)
        }
      }
    }
    return false
  }

  /** Who has a lock, and who waits for it longer than `waiting`. */
  #before(name: string, waiting: LockOwner): LockOwner[] {
    const { owner, waiters } = this.#locks.get(name)!
    const place = waiters.findIndex(waiter => waiter.owner === waiting)
    return [owner, ...waiters.slice(0, place).map(waiter => waiter.owner)]
  }
}
