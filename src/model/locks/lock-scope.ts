import { bytesToHex, DEFAULT_SCOPE, utf8Bytes } from '../../encoding/index.ts'
import type { Pace } from '../../platform/index.ts'
import { QuorateError } from '../errors.ts'
import { abortedError, invalid, requireOptions } from '../facade/arguments.ts'
import { withSignal } from '../facade/shared-signal.ts'
import { requireName } from '../names.ts'
import type { LockTable } from './lock-table.ts'

/** What is locked: a name of the whole process, or a key of a scope (default `app`). Nothing has to be there, and nothing is written. */
export type LockKey = string | { project: string; scope?: string; key: string | Uint8Array }

export interface LockOptions {
  /** How long to wait; default 30 s. */
  timeoutMs?: number
  signal?: AbortSignal
}

/** A lock that is held. */
export interface HeldLock {
  /** Rises with every acquisition in this process: what is guarded by it may refuse smaller ones. */
  readonly fencingToken: number
}

/**
 * Locks that one piece of work holds, in this process alone and in memory alone: they order the work of one program, they say nothing
 * to others (leases do) and are gone with the process. All are released when the scope ends.
 */
export interface LockScope extends AsyncDisposable, Disposable {
  /**
   * Waits in turn; a lock that this scope has already is given again.
   * @throws QuorateError `timeout`, `aborted`, `deadlock` if it would wait for ever, `closed`
   */
  lock(key: LockKey, options?: LockOptions): Promise<HeldLock>
  /** Undefined if somebody else has it. */
  tryLock(key: LockKey): HeldLock | undefined
  /** All or none, whatever order other scopes ask in. The time is that of all together. */
  lockAll(keys: Iterable<LockKey>, options?: LockOptions): Promise<readonly HeldLock[]>
  /** Whether it was held. */
  unlock(key: LockKey): boolean
  /** Releases all; the scope takes no more. */
  release(): void
}

const TIMEOUT_MS = 30_000

/** A lock of a scope, and who in the scope counts on it. */
interface Held {
  readonly lock: HeldLock
  /** Somebody was given it: only `unlock` and the end of the scope release it. */
  isKept: boolean
  /** Calls of `lockAll` that have it and still wait for others. */
  pending: number
}

export class TableLockScope implements LockScope {
  readonly #table: LockTable
  readonly #time: Pick<Pace, 'monotonicMs' | 'delay'>
  readonly #held = new Map<string, Held>()
  readonly #ends = new Set<(error: QuorateError) => void>()
  #isReleased = false

  constructor(table: LockTable, time: Pick<Pace, 'monotonicMs' | 'delay'>) {
    this.#table = table
    this.#time = time
  }

  async lock(key: LockKey, options: LockOptions = {}): Promise<HeldLock> {
    return (await this.#lockName(nameOf(key), requireTimeout(options), options.signal, keep)).lock
  }

  tryLock(key: LockKey): HeldLock | undefined {
    this.#requireOpen()
    return this.#take(nameOf(key), keep)?.lock
  }

  async lockAll(keys: Iterable<LockKey>, options: LockOptions = {}): Promise<readonly HeldLock[]> {
    const names = [...keys].map(nameOf)
    const endMs = this.#time.monotonicMs() + requireTimeout(options)
    const locks = new Map<string, Held>()
    try {
      for (const name of [...new Set(names)].sort()) {
        const leftMs = Math.max(0, endMs - this.#time.monotonicMs())
        locks.set(name, await this.#lockName(name, leftMs, options.signal, collect))
      }
    } catch (error) {
      for (const [name, held] of locks) this.#giveBack(name, held)
      throw error
    }
    for (const held of locks.values()) {
      held.pending--
      keep(held)
    }
    return names.map(name => locks.get(name)!.lock)
  }

  /** A `lockAll` has failed: what nobody else in the scope was given, or waits with, is released. */
  #giveBack(name: string, held: Held): void {
    held.pending--
    if (held.pending > 0 || held.isKept || this.#held.get(name) !== held) return
    this.#releaseName(name)
  }

  unlock(key: LockKey): boolean {
    return this.#releaseName(nameOf(key))
  }

  release(): void {
    this.#isReleased = true
    for (const end of this.#ends) end(released())
    for (const name of this.#held.keys()) this.#releaseName(name)
  }

  [Symbol.dispose](): void {
    this.release()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release()
    return Promise.resolve()
  }

  #take(name: string, use: Use): Held | undefined {
    const fencingToken = this.#table.tryAcquire(name, this)
    return fencingToken === undefined ? undefined : this.#hold(name, fencingToken, use)
  }

  #hold(name: string, fencingToken: number, use: Use): Held {
    const held = this.#held.get(name) ?? { lock: { fencingToken }, isKept: false, pending: 0 }
    this.#held.set(name, held)
    use(held)
    return held
  }

  async #lockName(name: string, timeoutMs: number, signal: AbortSignal | undefined, use: Use): Promise<Held> {
    this.#requireOpen()
    if (signal?.aborted === true) throw abortedError(signal)
    return this.#take(name, use) ?? this.#wait(name, timeoutMs, withSignal(signal).signal, use)
  }

  #wait(name: string, timeoutMs: number, signal: AbortSignal | undefined, use: Use): Promise<Held> {
    return new Promise((resolve, reject) => {
      const over = new AbortController()
      const finish = (): void => {
        over.abort()
        this.#ends.delete(fail)
        signal?.removeEventListener('abort', onAbort)
      }
      const fail = (error: QuorateError): void => {
        finish()
        forget()
        reject(error)
      }
      const onAbort = (): void => fail(abortedError(signal!))
      const forget = this.#table.wait(name, this, (fencingToken, error) => {
        finish()
        if (fencingToken === undefined) return reject(error!)
        // Several waits of the scope for one lock end together.
        resolve(this.#hold(name, fencingToken, use))
      })
      this.#ends.add(fail)
      signal?.addEventListener('abort', onAbort, { once: true })
      const onTime = (): void => {
        if (over.signal.aborted) return
        fail(new QuorateError('timeout', `lock ${name} was not free within ${timeoutMs} ms`, { retryable: true }))
      }
      this.#time.delay(timeoutMs, over.signal).then(onTime, onTime)
    })
  }

  #releaseName(name: string): boolean {
    this.#held.delete(name)
    return this.#table.release(name, this)
  }

  #requireOpen(): void {
    if (this.#table.isClosed) throw new QuorateError('closed', 'the database is closed')
    if (this.#isReleased) throw released()
  }
}

/** Notes in the same step in which a lock is had what it is had for: nobody releases it in between. */
type Use = (held: Held) => void

function keep(held: Held): void {
  held.isKept = true
}

function collect(held: Held): void {
  held.pending++
}

function released(): QuorateError {
  return new QuorateError('closed', 'the lock scope has ended')
}

/** @throws QuorateError `invalid_argument`, `aborted` */
function requireTimeout(options: LockOptions): number {
  requireOptions(options)
  return options.timeoutMs ?? TIMEOUT_MS
}

/** Texts and keys of scopes never meet: a project has no blank in its name. */
function nameOf(key: LockKey): string {
  if (typeof key === 'string') return ` ${key}`
  if (typeof key !== 'object' || key === null) throw invalid('a lock has a name or a key')
  const { project, scope = DEFAULT_SCOPE, key: name } = key
  requireName('project', project)
  requireName('scope', scope)
  const isText = typeof name === 'string'
  if (!isText && !(name instanceof Uint8Array)) throw invalid('a key is a text or bytes')
  return `${project}/${scope}/${bytesToHex(isText ? utf8Bytes(name) : name)}`
}
