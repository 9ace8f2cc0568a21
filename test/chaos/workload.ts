import { setTimeout as delay } from 'node:timers/promises'
import { integerCodec, QuorateError, textCodec } from '../../src/entry/client.ts'
import type { Client, Codec, CommitResult, KeyValueSpace, RequestReference } from '../../src/entry/client.ts'
import type { SeededRandom } from '../../src/platform/simulated/index.ts'
import type { RegisterInput, RegisterOutput } from '../../src/testing/index.ts'
import type { History } from './history.ts'
import { APPEND, COUNTER, PROJECT, SCOPES } from './names.ts'
import { OwnKey } from './own-key.ts'

/** Operations after which new registers and counters are used: what has to be judged together stays small. */
const OPERATIONS_PER_GENERATION = 600
const REGISTERS = 4
const COUNTERS = 2
const LONG_MS = 15_000
const PAUSE_MS = 12
/** What a call may end with while there are faults. Whatever else comes is a fault of ours. */
const PASSING: ReadonlySet<string> = new Set(
  'timeout unavailable busy not_leader draining expired session_ended session_limit seq_unavailable too_stale aborted'.split(
    ' ',
  ),
)

/** A value that shows damage: its name, and filling of a length that the name tells. */
const filledCodec: Codec<string> = {
  encode: name => textCodec.encode(`${name}|${'x'.repeat(fillingOf(name))}`),
  decode(bytes) {
    const [name = '', filling = ''] = textCodec.decode(bytes).split('|')
    if (filling !== 'x'.repeat(fillingOf(name))) throw new Error(`a damaged value of ${name}: ${filling.length}`)
    return name
  },
}

/** Mostly short, sometimes beyond what a page holds. */
function fillingOf(name: string): number {
  const number = Number(name.split(':')[1])
  return number % 37 === 0 ? 20_000 : number % 5 === 0 ? 1_000 : 20
}

/** Where all workers are: which keys they use. */
export class Progress {
  #operations = 0
  #generation = 0

  next(): number {
    if (this.#operations++ % OPERATIONS_PER_GENERATION === 0) this.#generation++
    return this.#generation
  }

  /** From now on nobody uses the keys of before. */
  turn(): void {
    this.#operations = 0
  }
}

/** One caller that does one thing after the other, whatever happens, until it is stopped. */
export class Worker {
  readonly #name: string
  readonly #client: Client
  readonly #random: SeededRandom
  readonly #history: History
  readonly #progress: Progress
  readonly #registers: KeyValueSpace<string, string>
  readonly #counters: KeyValueSpace<string, bigint>
  readonly #own: OwnKey
  /** Seqs that this worker has last seen, for compare-and-set. */
  readonly #seen = new Map<string, number>()
  #number = 0

  constructor(options: { name: string; client: Client; random: SeededRandom; history: History; progress: Progress }) {
    this.#name = options.name
    this.#client = options.client
    this.#random = options.random
    this.#history = options.history
    this.#progress = options.progress
    this.#registers = options.client.kv(PROJECT, { scope: SCOPES.registers, value: filledCodec })
    this.#counters = options.client.kv(PROJECT, { scope: SCOPES.appends, value: integerCodec(64) })
    this.#own = new OwnKey(options.name, options.client, options.history)
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#step()
      } catch (error) {
        this.#history.violation(
          `${this.#name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        )
      }
      await delay(PAUSE_MS * this.#random.float())
    }
  }

  #step(): Promise<void> {
    const generation = this.#progress.next()
    const register = `r/${generation}/${this.#below(REGISTERS)}`
    const counter = `${COUNTER}${generation}/${this.#below(COUNTERS)}`
    const choice = this.#random.float()
    if (choice < 0.2) return this.#write(register)
    if (choice < 0.25) return this.#delete(register)
    if (choice < 0.4) return this.#compareAndSet(register)
    if (choice < 0.6) return this.#read(register)
    if (choice < 0.78) return this.#append(counter)
    if (choice < 0.84) return this.#readCounter(counter)
    const timeoutMs = this.#timeoutMs()
    return this.#passing(choice < 0.9 ? this.#own.write(timeoutMs) : this.#own.read(this.#random.u32(), timeoutMs))
  }

  #write(key: string): Promise<void> {
    const value = this.#newName()
    const options = { timeoutMs: this.#timeoutMs() }
    return this.#register(key, { type: 'write', value }, () => this.#registers.set(key, value, options))
  }

  #delete(key: string): Promise<void> {
    const options = { timeoutMs: this.#timeoutMs() }
    return this.#register(key, { type: 'delete' }, () => this.#registers.delete(key, options))
  }

  #compareAndSet(key: string): Promise<void> {
    const value = this.#newName()
    const expectedSeq = this.#seen.get(key) ?? 0
    const options = { timeoutMs: this.#timeoutMs() }
    return this.#register(key, { type: 'compareAndSet', expectedSeq, value }, () =>
      this.#registers.compareAndSet(key, expectedSeq, value, options),
    )
  }

  async #register(key: string, input: RegisterInput, write: () => Promise<CommitResult>): Promise<void> {
    const calledAt = performance.now()
    const record = (output: RegisterOutput | undefined): void =>
      void this.#history.registers.push({ key, input, output, calledAt, returnedAt: performance.now() })
    try {
      const { seq } = await write()
      record({ type: 'written', seq })
      this.#history.acknowledged(performance.now())
      this.#seen.set(key, input.type === 'delete' ? 0 : seq)
    } catch (error) {
      const actualSeq = refusedAt(error)
      if (actualSeq !== undefined) {
        if (input.type !== 'compareAndSet') throw error
        record({ type: 'refused', actualSeq })
        this.#seen.set(key, actualSeq)
        this.#history.totals.refused++
        return
      }
      const outcome = await this.#fate(error)
      if (outcome === 'refused') return
      record(outcome === 'unknown' ? undefined : { type: 'written', seq: outcome.seq })
    }
  }

  async #read(key: string): Promise<void> {
    const calledAt = performance.now()
    await this.#passing(
      this.#registers.entry(key, { timeoutMs: this.#timeoutMs() }).then(entry => {
        const output = { type: 'value', value: entry?.value, seq: entry?.seq ?? 0 } as const
        this.#history.registers.push({ key, input: { type: 'read' }, output, calledAt, returnedAt: performance.now() })
        this.#seen.set(key, output.seq)
        this.#history.totals.reads++
      }),
    )
  }

  /** One commit: a key of its own, and a counter that counts it. */
  async #append(counter: string): Promise<void> {
    const key = `${APPEND}${this.#name}/${this.#number++}`
    const target = { project: PROJECT, scope: SCOPES.appends }
    const calledAt = performance.now()
    const record = (output: bigint | undefined): void => {
      const input = { type: 'add', by: 1n } as const
      this.#history.counters.push({ key: counter, input, output, calledAt, returnedAt: performance.now() })
      this.#history.appends.set(key, output === undefined ? 'unknown' : 'acknowledged')
    }
    try {
      const { results } = await this.#client.commit(
        {
          mutations: [
            {
              type: 'kvIncrement',
              ...target,
              key: textCodec.encode(counter),
              by: 1n,
              width: 64,
              onMissing: 'zero',
              onOverflow: 'reject',
            },
            { type: 'kvSet', ...target, key: textCodec.encode(key), value: textCodec.encode(key) },
          ],
        },
        { timeoutMs: this.#timeoutMs() },
      )
      record(results[0] as bigint)
      this.#history.acknowledged(performance.now())
    } catch (error) {
      const outcome = await this.#fate(error)
      if (outcome === 'refused') this.#history.appends.set(key, 'refused')
      else record(outcome === 'unknown' ? undefined : (outcome.results[0] as bigint))
    }
  }

  async #readCounter(counter: string): Promise<void> {
    const calledAt = performance.now()
    await this.#passing(
      this.#counters.get(counter, { timeoutMs: this.#timeoutMs() }).then((output = 0n) => {
        const input = { type: 'read' } as const
        this.#history.counters.push({ key: counter, input, output, calledAt, returnedAt: performance.now() })
        this.#history.totals.reads++
      }),
    )
  }

  /** What became of a write that ended with `error`: its outcome is asked for where that can be done. */
  async #fate(error: unknown): Promise<CommitResult | 'unknown' | 'refused'> {
    this.#pass(error)
    const { applied, reference } = error as QuorateError
    if (applied === 'no') return 'refused'
    const outcome = reference === undefined ? undefined : await this.#outcome(reference)
    if (outcome === undefined) this.#history.totals.unknown++
    return outcome ?? 'unknown'
  }

  async #outcome(reference: RequestReference): Promise<CommitResult | undefined> {
    try {
      return await this.#client.outcome(reference)
    } catch (error) {
      // A recorded refusal counts as unknown: as a failed condition it would have to be placed in the history.
      if (refusedAt(error) === undefined) this.#pass(error)
      return undefined
    }
  }

  async #passing(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#pass(error)
    }
  }

  /** Counts an error that faults explain; throws any other. */
  #pass(error: unknown): void {
    if (!(error instanceof QuorateError) || !PASSING.has(error.code)) throw error
    this.#history.failed(error.code)
  }

  #newName(): string {
    return `${this.#name}:${this.#number++}`
  }

  /** Mostly long enough for any failover; sometimes so short that the outcome stays open. */
  #timeoutMs(): number {
    return this.#random.float() < 0.1 ? 20 + this.#below(500) : LONG_MS
  }

  #below(bound: number): number {
    return Math.floor(this.#random.float() * bound)
  }
}

/** The version that was found instead of the expected one; undefined if the error is another. */
function refusedAt(error: unknown): number | undefined {
  return error instanceof QuorateError && error.code === 'assertion_failed' ? error.detail?.actualSeq : undefined
}
