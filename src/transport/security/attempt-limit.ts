import type { Clock } from '../../platform/index.ts'

export interface AttemptLimitOptions {
  readonly clock: Clock
  /** Failures that an address may make at once; 20. */
  readonly burst?: number
  /** One more is allowed after so long, ms; 3,000. */
  readonly refillMs?: number
  /** Addresses that are remembered; the one that has not failed for longest makes room. 4,096. */
  readonly addressesMax?: number
}

interface Failures {
  /** Failures that are still allowed. */
  left: number
  atMs: number
}

/**
 * Bounds how often an address may fail to prove who it is: a bucket for each address that fails, in bounded memory. An address that has
 * used up its bucket is not even looked at, so that guessing costs a node next to nothing.
 */
export class AttemptLimit {
  readonly #clock: Clock
  readonly #burst: number
  readonly #refillMs: number
  readonly #addressesMax: number
  /** The one that failed last comes last. */
  readonly #failures = new Map<string, Failures>()
  /** Since the start. */
  failedTotal = 0
  limitedTotal = 0

  constructor({ clock, burst = 20, refillMs = 3_000, addressesMax = 4_096 }: AttemptLimitOptions) {
    this.#clock = clock
    this.#burst = burst
    this.#refillMs = refillMs
    this.#addressesMax = addressesMax
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#failures.size
  }

  /** How long an address has to wait before it may try, ms; 0 = it may now. */
  waitMs(address: string): number {
    const found = this.#failures.get(networkOf(address))
    if (found === undefined) return 0
    const nowMs = this.#clock.monotonicMs()
    const left = this.#leftOf(found, nowMs)
    if (left >= 1) return 0
    this.limitedTotal++
    return Math.ceil((1 - left) * this.#refillMs)
  }

  /** An address has shown a wrong token, or none where one is needed. */
  failed(address: string): void {
    this.failedTotal++
    const network = networkOf(address)
    const nowMs = this.#clock.monotonicMs()
    const found = this.#failures.get(network)
    const left = (found === undefined ? this.#burst : this.#leftOf(found, nowMs)) - 1
    this.#failures.delete(network)
    this.#failures.set(network, { left: Math.max(0, left), atMs: nowMs })
    if (this.#failures.size <= this.#addressesMax) return
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest)
      return
    }
  }

  #leftOf({ left, atMs }: Failures, nowMs: number): number {
    return Math.min(this.#burst, left + (nowMs - atMs) / this.#refillMs)
  }
}

/** What counts as one: an IPv4 address, or the /64 of an IPv6 one, of which a single machine has all addresses. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  if (!address.includes(':')) return address
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::', 2)
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length)
  const groups = [...front, ...Array.from({ length: missing }, () => '0'), ...back]
  return `${groups
    .slice(0, 4)
    .map(group => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
