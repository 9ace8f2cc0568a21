/** When a member that lags counts as not ready. */
export interface LagLimits {
  /** Committed entries that may be not applied yet. */
  readonly lagEntries: number
  /** For how long there may be more of them. */
  readonly lagGraceMs: number
}

export const DEFAULT_LAG_LIMITS: LagLimits = { lagEntries: 4_096, lagGraceMs: 10_000 }

/**
 * Whether a member is too far behind to serve, from what is seen of its lag now and then. A burst of writes must not take members in
 * turn out of service: behind is who lags by more than the bound for the whole grace, and then remains so until the lag is a quarter of
 * it. Who has just started is behind until it has caught up that far with what a leader calls committed.
 */
export class AppliedLag {
  readonly #limits: LagLimits
  #isBehind = true
  #aboveSinceMs: number | undefined

  constructor(limits: LagLimits) {
    this.#limits = limits
  }

  get isBehind(): boolean {
    return this.#isBehind
  }

  /** Takes a look. `lag`: entries committed and not applied here; undefined while it is not known what is committed. */
  observe(nowMs: number, lag: number | undefined): void {
    if (lag === undefined) return
    const { lagEntries, lagGraceMs } = this.#limits
    if (lag > lagEntries) {
      this.#aboveSinceMs ??= nowMs
      if (nowMs - this.#aboveSinceMs >= lagGraceMs) this.#isBehind = true
      return
    }
    this.#aboveSinceMs = undefined
    if (lag <= lagEntries / 4) this.#isBehind = false
  }
}
