import type { StateView } from '../../model/index.ts'
import type { GatewayLimits, GatewayStats } from './options.ts'

interface OpenView {
  readonly view: StateView
  readonly openedMs: number
  lastUseMs: number
}

/** The views that a client keeps open: each is a lease that lasts as long as it is used. */
export class ConnectionViews {
  readonly #views = new Map<number, OpenView>()
  readonly #stats: GatewayStats
  #lastId = 0

  constructor(stats: GatewayStats) {
    this.#stats = stats
  }

  get count(): number {
    return this.#views.size
  }

  add(view: StateView, nowMs: number): number {
    const id = ++this.#lastId
    this.#views.set(id, { view, openedMs: nowMs, lastUseMs: nowMs })
    this.#stats.views++
    return id
  }

  use(id: number, nowMs: number): StateView | undefined {
    const open = this.#views.get(id)
    if (open !== undefined) open.lastUseMs = nowMs
    return open?.view
  }

  /** An unknown view is fine: it may have expired. */
  close(id: number): void {
    const open = this.#views.get(id)
    if (open === undefined) return
    this.#views.delete(id)
    this.#stats.views--
    open.view.release()
  }

  /** Releases what is not used any more, and what has been open for too long. */
  expire(nowMs: number, { viewIdleMs, viewAgeMs }: Pick<GatewayLimits, 'viewIdleMs' | 'viewAgeMs'>): void {
    for (const [id, { openedMs, lastUseMs }] of this.#views) {
      if (nowMs - lastUseMs > viewIdleMs || nowMs - openedMs > viewAgeMs) this.close(id)
    }
  }

  closeAll(): void {
    for (const id of this.#views.keys()) this.close(id)
  }
}
