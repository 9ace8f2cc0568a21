import type { ReadRequest, ReadResult, StateView } from '../model/index.ts'

/** Lets several readers hold one pinned state: it is released when the last of them has released its handle. */
export class SharedView {
  readonly #view: StateView
  /** What no reader may see any more is not read: throws. */
  readonly #guard: () => void
  #holders = 1

  constructor(view: StateView, guard: () => void) {
    this.#view = view
    this.#guard = guard
  }

  /** A handle for one more reader. */
  handle(): StateView {
    this.#holders++
    return new ViewHandle(this.#view, this.#guard, () => this.release())
  }

  /** The maker's own share. */
  release(): void {
    if (--this.#holders === 0) this.#view.release()
  }
}

class ViewHandle implements StateView {
  readonly #view: StateView
  readonly #guard: () => void
  #release: (() => void) | undefined

  constructor(view: StateView, guard: () => void, release: () => void) {
    this.#view = view
    this.#guard = guard
    this.#release = release
  }

  get seq(): number {
    return this.#view.seq
  }

  get leaderTimeMicros(): number {
    return this.#view.leaderTimeMicros
  }

  read(request: ReadRequest, caller: string): ReadResult | Promise<ReadResult> {
    this.#guard()
    return this.#view.read(request, caller)
  }

  readSync(request: ReadRequest, caller: string): ReadResult {
    this.#guard()
    return this.#view.readSync(request, caller)
  }

  release(): void {
    this.#release?.()
    this.#release = undefined
  }
}
