import type { SeededRandom } from './random.ts'

/** How a network behaves when nothing is injected. Times are virtual milliseconds. */
export interface NetworkProfile {
  minDelayMs: number
  /** Mean of the exponential part of each frame's delay. */
  meanDelayMs: number
  /** Each link's delays are multiplied by its own factor in [1, linkSpread]: frames of different links overtake each other. */
  linkSpread: number
  bytesPerMs: number
  /** What the operating system takes off the sender's hands: only what is beyond counts as buffered. */
  socketBufferBytes: number
  /** Chance per frame that its link breaks instead of carrying it. */
  breakChance: number
  /** How long an end goes on trying on a blocked path before its link breaks: uniform between these. */
  giveUpMs: readonly [number, number]
}

export const DEFAULT_NETWORK_PROFILE: NetworkProfile = {
  minDelayMs: 0.1,
  meanDelayMs: 0.4,
  linkSpread: 1,
  bytesPerMs: 100_000,
  socketBufferBytes: 262_144,
  breakChance: 0,
  giveUpMs: [2000, 10_000],
}

/** The state of the ways between hosts, each direction by itself. */
export class NetworkPaths {
  readonly #blocked = new Set<string>()
  readonly #cloggedUntilMs = new Map<string, number>()
  readonly #slowness = new Map<string, number>()

  /** Whether nothing gets from one host to the other now. */
  isBlocked(from: string, to: string): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(pathKey(from, to))
  }

  block(from: string, to: string): void {
    if (from !== to) this.#blocked.add(pathKey(from, to))
  }

  unblock(from: string, to: string): void {
    this.#blocked.delete(pathKey(from, to))
  }

  unblockAll(): void {
    this.#blocked.clear()
  }

  clog(from: string, to: string, untilMs: number): void {
    this.#cloggedUntilMs.set(pathKey(from, to), untilMs)
  }

  /** Multiplies the delays of all that a host sends and receives; 1 is normal. */
  setSlowness(host: string, factor: number): void {
    if (factor === 1) this.#slowness.delete(host)
    else this.#slowness.set(host, factor)
  }

  /** The delay of something sent now over a link that is `linkFactor` times slower than the fastest. A clog lasts as long for each link. */
  delayMs(
    from: string,
    to: string,
    nowMs: number,
    profile: NetworkProfile,
    linkFactor: number,
    random: SeededRandom,
  ): number {
    let delayMs = (profile.minDelayMs + random.exponential(profile.meanDelayMs)) * linkFactor
    if (this.#slowness.size > 0) delayMs *= Math.max(this.#slowness.get(from) ?? 1, this.#slowness.get(to) ?? 1)
    if (this.#cloggedUntilMs.size > 0) {
      delayMs += Math.max(0, (this.#cloggedUntilMs.get(pathKey(from, to)) ?? 0) - nowMs)
    }
    return delayMs
  }
}

function pathKey(from: string, to: string): string {
  return `${from}>${to}`
}
