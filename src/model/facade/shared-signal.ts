import { invalid } from './arguments.ts'

const shared = new WeakMap<AbortSignal, SharedSignal>()

/**
 * The caller's signal for one of many uses: they listen here, and one listener hears the signal itself. Node warns of a leak where one signal has
 * more than ten, and a program gives one signal to as many calls as it likes.
 * @throws QuorateError `invalid_argument`
 */
export function sharedSignal(signal: AbortSignal): AbortSignal {
  if (typeof signal !== 'object' || signal === null || typeof signal.addEventListener !== 'function') {
    throw invalid('signal is an AbortSignal')
  }
  let found = shared.get(signal)
  if (found === undefined) shared.set(signal, (found = new SharedSignal(signal)))
  // What is used of a signal is all there.
  return found as unknown as AbortSignal
}

/** What `sharedSignal` adds to a call's options. */
export function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal: sharedSignal(signal) }
}

type Listener = () => void

class SharedSignal {
  readonly #signal: AbortSignal
  readonly #listeners = new Set<Listener>()

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  get aborted(): boolean {
    return this.#signal.aborted
  }

  get reason(): unknown {
    return this.#signal.reason as unknown
  }

  addEventListener(_type: 'abort', listener: Listener): void {
    if (this.#listeners.size === 0) this.#signal.addEventListener('abort', this.#tell)
    this.#listeners.add(listener)
  }

  removeEventListener(_type: 'abort', listener: Listener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return
    this.#signal.removeEventListener('abort', this.#tell)
  }

  readonly #tell = (): void => {
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    this.#signal.removeEventListener('abort', this.#tell)
    for (const listener of listeners) listener()
  }
}
