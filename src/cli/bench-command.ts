import { Option } from 'commander'
import type { Command } from 'commander'
import { bytesCodec, DurationHistogram, QuorateError } from '../model/index.ts'
import type { Database, KeyValueSpace } from '../model/index.ts'
import { nodePlatform } from '../node/index.ts'
import type { Platform } from '../platform/index.ts'
import type { Session, WithSession } from './context.ts'
import { positiveInteger } from './context.ts'
import { CommandExit, ExitCode } from './exit-codes.ts'

type Operation = 'put' | 'get' | 'mixed'

interface Load {
  operation: Operation
  seconds: number
  valueBytes: number
  keys: number
  /** Closed loop: so many callers, each of which waits for its answer. */
  writers: number
  /** Open loop: so many operations a second are begun whatever the answers do; 0 = closed loop. */
  rate: number
}

interface Result {
  latencies: DurationHistogram
  failures: Map<string, number>
  elapsedMs: number
}

const PROJECT = 'quorate-bench'
const SCOPE = 'bench'
/** Operations that an open loop may have under way; above it they count as failed, for the cluster does not keep up. */
const OPEN_LOOP_IN_FLIGHT_MAX = 50_000

/** `quorate bench`: load from this process and the latencies it saw. */
export function addBenchCommand(program: Command, withSession: WithSession): void {
  program
    .command('bench')
    .description('puts a load on the cluster and prints throughput and latencies')
    .addOption(new Option('--operation <kind>').choices(['put', 'get', 'mixed']).default('put'))
    .option('--writers <n>', 'closed loop: callers that each wait for their answer', '64')
    .option('--rate <n>', 'open loop: operations begun a second, late ones included in the latencies')
    .option('--seconds <n>', 'how long', '5')
    .option('--value-bytes <n>', 'bytes of a value', '256')
    .option('--keys <n>', 'different keys', '10000')
    .action(
      withSession(async (session, command) => {
        const options = command.opts<Record<string, string | undefined> & { operation: Operation }>()
        const load: Load = {
          operation: options.operation,
          writers: positiveInteger('--writers', options['writers'] ?? ''),
          rate: options['rate'] === undefined ? 0 : positiveInteger('--rate', options['rate']),
          seconds: positiveInteger('--seconds', options['seconds'] ?? ''),
          valueBytes: positiveInteger('--value-bytes', options['valueBytes'] ?? ''),
          keys: positiveInteger('--keys', options['keys'] ?? ''),
        }
        const database = await session.database()
        await prepare(database)
        const platform = nodePlatform()
        const space = database.kv(PROJECT, { scope: SCOPE, value: bytesCodec })
        const bench = new Bench(platform, space, load)
        report(session, load, await bench.run())
      }),
    )
}

async function prepare(database: Database): Promise<void> {
  await database.ddl([
    { type: 'createProject', project: PROJECT, ifNotExists: true },
    { type: 'createScope', project: PROJECT, scope: SCOPE, ifNotExists: true },
  ])
}

class Bench {
  readonly #platform: Platform
  readonly #space: KeyValueSpace<string, Uint8Array>
  readonly #load: Load
  readonly #value: Uint8Array
  readonly #latencies = new DurationHistogram()
  readonly #failures = new Map<string, number>()
  #begun = 0
  #inFlight = 0

  constructor(platform: Platform, space: KeyValueSpace<string, Uint8Array>, load: Load) {
    this.#platform = platform
    this.#space = space
    this.#load = load
    this.#value = platform.random.bytes(load.valueBytes)
  }

  async run(): Promise<Result> {
    const startMs = this.#nowMs()
    const endMs = startMs + this.#load.seconds * 1000
    if (this.#load.rate > 0) await this.#runOpen(startMs, endMs)
    else await Promise.all(Array.from({ length: this.#load.writers }, () => this.#runClosed(endMs)))
    return { latencies: this.#latencies, failures: this.#failures, elapsedMs: this.#nowMs() - startMs }
  }

  #nowMs(): number {
    return this.#platform.clock.monotonicMs()
  }

  async #runClosed(endMs: number): Promise<void> {
    for (let beginMs = this.#nowMs(); beginMs < endMs; beginMs = this.#nowMs()) await this.#once(beginMs)
  }

  /** Each operation's latency counts from when it was due, so that a stall is felt by all that were due in it. */
  async #runOpen(startMs: number, endMs: number): Promise<void> {
    const intervalMs = 1000 / this.#load.rate
    const running = new Set<Promise<void>>()
    let due = 0
    while (startMs + due * intervalMs < endMs) {
      const nowMs = this.#nowMs()
      for (; startMs + due * intervalMs <= Math.min(nowMs, endMs); due++) {
        if (this.#inFlight >= OPEN_LOOP_IN_FLIGHT_MAX) {
          this.#noteFailure('not_kept_up')
          continue
        }
        const one = this.#once(startMs + due * intervalMs).finally(() => running.delete(one))
        running.add(one)
      }
      await this.#pause(1)
    }
    await Promise.all(running)
  }

  #pause(ms: number): Promise<void> {
    return new Promise(resolve => this.#platform.timers.after(ms, resolve))
  }

  async #once(beginMs: number): Promise<void> {
    const number = this.#begun++
    const key = `key-${(number * 2_654_435_761) % this.#load.keys}`
    const isPut = this.#load.operation === 'put' || (this.#load.operation === 'mixed' && number % 2 === 0)
    this.#inFlight++
    try {
      if (isPut) await this.#space.set(key, this.#value)
      else await this.#space.get(key)
      this.#latencies.record(this.#nowMs() - beginMs)
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error
      this.#noteFailure(error.code)
    } finally {
      this.#inFlight--
    }
  }

  #noteFailure(code: string): void {
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1)
  }
}

function report({ output }: Session, load: Load, { latencies, failures, elapsedMs }: Result): void {
  const rounded = (ms: number): number => Math.round(ms * 100) / 100
  const summary = {
    ...load,
    elapsedMs: Math.round(elapsedMs),
    operations: latencies.count,
    perSecond: Math.round((latencies.count * 1000) / elapsedMs),
    failures: Object.fromEntries(failures),
    latencyMs: {
      mean: rounded(latencies.meanMs),
      p50: rounded(latencies.percentileMs(50)),
      p90: rounded(latencies.percentileMs(90)),
      p99: rounded(latencies.percentileMs(99)),
      p999: rounded(latencies.percentileMs(99.9)),
      max: rounded(latencies.maxMs),
    },
  }
  output.result(summary, () => {
    const how = load.rate > 0 ? `open loop, ${load.rate}/s` : `closed loop, ${load.writers} callers`
    output.line(`${load.operation}, ${load.valueBytes} B values, ${how}, ${(elapsedMs / 1000).toFixed(1)} s`)
    const latency = Object.fromEntries(Object.entries(summary.latencyMs).map(([name, ms]) => [`${name} ms`, ms]))
    output.table([{ operations: summary.operations, 'per second': summary.perSecond, ...latency }])
    for (const [code, count] of failures) output.line(`failed: ${count} x ${code}`)
  })
  if (latencies.count === 0) throw new CommandExit(ExitCode.failed, 'no operation has succeeded')
}
