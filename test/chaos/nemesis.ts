import { setTimeout as delay } from 'node:timers/promises'
import type { SeededRandom } from '../../src/platform/simulated/index.ts'
import { FAULT_KINDS } from './faults.ts'
import type { FaultKind, Lane } from './faults.ts'
import type { ChaosSystem } from './system.ts'

/** A fault that was, by the clock of the run. */
export interface FaultSpan {
  readonly name: string
  readonly what: string
  readonly fromMs: number
  readonly toMs: number
}

const LANES: readonly {
  readonly lane: Lane
  readonly pauseMs: readonly [number, number]
  readonly lastMs: readonly [number, number]
}[] = [
  { lane: 'links', pauseMs: [500, 5_000], lastMs: [300, 4_000] },
  { lane: 'clients', pauseMs: [1_000, 6_000], lastMs: [200, 2_000] },
  { lane: 'processes', pauseMs: [1_000, 6_000], lastMs: [100, 4_000] },
  { lane: 'disk', pauseMs: [3_000, 15_000], lastMs: [4_000, 12_000] },
]

/** Brings faults of every kind upon the system, in lanes side by side. The seed gives kinds, order and lengths. */
export class Nemesis {
  readonly #system: ChaosSystem
  readonly #random: SeededRandom
  readonly #say: (line: string) => void
  readonly spans: FaultSpan[] = []
  readonly #left = new Map<Lane, FaultKind[]>()

  /** `say` is told when each fault begins and ends. */
  constructor(system: ChaosSystem, random: SeededRandom, say: (line: string) => void) {
    this.#say = say
    this.#system = system
    this.#random = random
  }

  /** Faults for so long, or until `signal` is aborted; then each is ended in order. */
  async run(lengthMs: number, signal: AbortSignal): Promise<void> {
    const ending = new AbortController()
    const end = (): void => ending.abort()
    const timer = setTimeout(end, lengthMs)
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
    const lanes = LANES.map(lane =>
      this.#runLane(lane, ending.signal).catch((error: unknown) => {
        // The others end what they have begun before anybody hears of it.
        end()
        throw error
      }),
    )
    const failed = (await Promise.allSettled(lanes)).find(lane => lane.status === 'rejected')
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
    this.#system.proxy.heal()
    if (failed !== undefined) throw new Error('a fault could not be brought about', { cause: failed.reason })
  }

  async #runLane({ lane, pauseMs, lastMs }: (typeof LANES)[number], signal: AbortSignal): Promise<void> {
    const random = this.#random.split(`${lane} ${this.spans.length}`)
    const between = ([low, high]: readonly [number, number]): number => low + (high - low) * random.float()
    const pause = (ms: number): Promise<unknown> => delay(ms, undefined, { signal }).catch(() => undefined)
    await pause(between(pauseMs) / 2)
    while (!signal.aborted) {
      const kind = this.#next(lane, random)
      const fromMs = performance.now()
      let what = ''
      const until = pause(between(lastMs)).then(() => undefined)
      this.#say(`begins: ${kind.name}`)
      await kind.run({ system: this.#system, random, until, says: text => void (what = text) })
      this.#say(`ended: ${kind.name} ${what}`)
      this.spans.push({ name: kind.name, what, fromMs, toMs: performance.now() })
      await pause(between(pauseMs))
    }
  }

  /** Every kind of a lane comes before one comes again. */
  #next(lane: Lane, random: SeededRandom): FaultKind {
    let left = this.#left.get(lane) ?? []
    if (left.length === 0) left = FAULT_KINDS.filter(kind => kind.lane === lane)
    const [kind] = left.splice(random.u32() % left.length, 1)
    this.#left.set(lane, left)
    return kind!
  }
}
