import { setTimeout as delay } from 'node:timers/promises'
import { integerCodec } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'

const PROJECT = 'load'
const WRITERS = 4
/** Between the writes of one writer: a client's load, not as much as the machine can take. */
const PAUSE_MS = 5

/** What a client saw of one thing that was done to the cluster. */
export interface Episode {
  /** Writes that were acknowledged meanwhile. */
  readonly acknowledged: number
  /** Longest time without an acknowledgement, ms. */
  readonly gapMs: number
}

/** Writers that each append keys of their own and count, and what was acknowledged to them. No error is expected, whatever is done. */
export class Load {
  readonly #client: Client
  readonly #acknowledged = new Set<string>()
  readonly #errors: unknown[] = []
  readonly #stopping = new AbortController()
  readonly #writers: Promise<void>[]
  #counted = 0
  #lastMs = performance.now()
  #gapMs = 0
  #inEpisode = 0

  private constructor(client: Client) {
    this.#client = client
    this.#writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(writer))
  }

  static async start(client: Client): Promise<Load> {
    await client.ddl([
      { type: 'createProject', project: PROJECT },
      { type: 'createScope', project: PROJECT, scope: 'keys' },
      { type: 'createScope', project: PROJECT, scope: 'counters' },
    ])
    return new Load(client)
  }

  async #write(writer: number): Promise<void> {
    const keys = this.#client.kv(PROJECT, { scope: 'keys' })
    const counters = this.#client.kv(PROJECT, { scope: 'counters', value: integerCodec(64) })
    for (let i = 0; !this.#stopping.signal.aborted; i++) {
      const key = `${writer}-${i}`
      try {
        await keys.set(key, Buffer.from(key), { ifAbsent: true })
        this.#acknowledged.add(key)
        this.#heard()
        await counters.increment(`of-${writer}`)
        this.#counted++
        this.#heard()
      } catch (error) {
        this.#errors.push(error)
        return
      }
      await delay(PAUSE_MS)
    }
  }

  #heard(): void {
    const nowMs = performance.now()
    this.#gapMs = Math.max(this.#gapMs, nowMs - this.#lastMs)
    this.#lastMs = nowMs
    this.#inEpisode++
  }

  /** Runs `work` and what the cluster needs to acknowledge another 200 writes; what the client saw of it. */
  async during(work: () => Promise<void>): Promise<Episode> {
    this.beginAnew()
    await work()
    await this.progress(200)
    return { acknowledged: this.#inEpisode, gapMs: Math.round(this.#gapMs) }
  }

  /** What came before does not count as a gap. */
  beginAnew(): void {
    this.#lastMs = performance.now()
    this.#gapMs = 0
    this.#inEpisode = 0
  }

  /** Waits until `count` more writes are acknowledged. */
  async progress(count: number): Promise<void> {
    const target = this.#inEpisode + count
    while (this.#inEpisode < target) {
      if (this.#errors.length > 0) throw new Error('a write failed', { cause: this.#errors[0] })
      await delay(10)
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#writers)
  }

  /** Compares what is there with what was acknowledged, after `stop`. */
  async verdict(): Promise<{
    acknowledged: number
    lost: string[]
    unasked: string[]
    counted: number
    total: number
    errors: unknown[]
  }> {
    const found = new Set<string>()
    for await (const { key, value } of this.#client.kv(PROJECT, { scope: 'keys' }).scan()) {
      if (Buffer.from(value).toString() === key) found.add(key)
    }
    let total = 0
    const counters = this.#client.kv(PROJECT, { scope: 'counters', value: integerCodec(64) })
    for await (const { value } of counters.scan()) total += Number(value)
    return {
      acknowledged: this.#acknowledged.size,
      lost: [...this.#acknowledged].filter(key => !found.has(key)),
      unasked: [...found].filter(key => !this.#acknowledged.has(key)),
      counted: this.#counted,
      total,
      errors: this.#errors,
    }
  }
}
