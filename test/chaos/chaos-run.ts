import { connect } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { judgeEndState } from './end-state.ts'
import { History } from './history.ts'
import { PROJECT, SCOPES } from './names.ts'
import { Nemesis } from './nemesis.ts'
import type { FaultSpan } from './nemesis.ts'
import { ChaosSystem } from './system.ts'
import { Watcher } from './watcher.ts'
import { Progress, Worker } from './workload.ts'

const ROUND_MS = 25_000
const WORKERS_PER_CLIENT = 3
/** After all faults ended, a write must be acknowledged within this. */
const RECOVERY_MS = 30_000

export interface ChaosResult {
  readonly history: History
  readonly spans: readonly FaultSpan[]
  /** For each round: from the end of all faults to the first acknowledged write, ms. */
  readonly recoveriesMs: readonly number[]
  readonly violations: readonly string[]
  readonly hasSmallDisk: boolean
  readonly seconds: number
  readonly logs: string
}

/**
 * Three processes under faults of all kinds at once and a mixed workload, for about `minutes`. In rounds: after each, all faults end, the
 * cluster must recover, and the history so far is judged. The seed gives faults and operations; real processes give the timing.
 */
export async function runChaos(options: {
  readonly seed: number
  readonly minutes: number
  readonly say: (line: string) => void
  /** Is told of each step. */
  readonly trace: (line: string) => void
  readonly signal: AbortSignal
}): Promise<ChaosResult> {
  const { seed, minutes, say, trace, signal } = options
  const random = new SeededRandom(seed)
  const startedMs = performance.now()
  const history = new History()
  const system = await ChaosSystem.start(random.split('proxy'))
  const nemesis = new Nemesis(system, random.split('nemesis'), trace)
  const recoveriesMs: number[] = []
  const clients: Client[] = []
  let logs = ''
  let watcher: Watcher | undefined
  try {
    for (const readFrom of ['leader', 'any', 'leader', 'any'] as const) {
      clients.push(await connect(system.endpoints, { readFrom }))
    }
    const [client] = clients as [Client]
    await prepare(client)
    watcher = new Watcher(await addClient(clients, system), history, (await mark(client)).token)
    const progress = new Progress()
    const endMs = performance.now() + minutes * 60_000
    for (let round = 0; performance.now() < endMs && !signal.aborted && !isBroken(); round++) {
      const roundMs = Math.min(ROUND_MS, Math.max(5_000, endMs - performance.now()))
      recoveriesMs.push(await runRound(round, roundMs, progress))
    }
    if (!isBroken()) await judgeEndState(system, client, watcher, history)
  } catch (error) {
    history.violation(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    logs = system.logs()
    await watcher?.stop()
    await Promise.all(clients.map(client => client.close({ drain: false })))
    try {
      if (!isBroken()) await system.endAndCheck()
    } finally {
      await system.remove()
    }
  }
  const { spans } = nemesis
  const violations = [...history.violations, ...system.violations]
  const seconds = (performance.now() - startedMs) / 1_000
  return { history, spans, recoveriesMs, violations, hasSmallDisk: system.disk !== undefined, seconds, logs }

  function isBroken(): boolean {
    return history.violations.length + system.violations.length > 0
  }

  async function runRound(round: number, roundMs: number, progress: Progress): Promise<number> {
    const before = { ...history.totals }
    const spansBefore = nemesis.spans.length
    const stopping = new AbortController()
    const workers = clients.slice(0, 4).flatMap((client, c) =>
      Array.from({ length: WORKERS_PER_CLIENT }, (_, w) => {
        const name = `${round}.${c}.${w}`
        return new Worker({ name, client, random: random.split(`worker ${name}`), history, progress })
      }),
    )
    const working = Promise.all(workers.map(worker => worker.run(stopping.signal)))
    let recoveryMs: number
    let readyMs: number
    try {
      await nemesis.run(roundMs, signal)
      trace('all faults have ended')
      recoveryMs = await untilAcknowledged()
      readyMs = await system.untilReady()
    } finally {
      stopping.abort()
      trace('the workers stop')
      await working
    }
    trace('the history is judged')
    progress.turn()
    const stepsBefore = history.totals.steps
    history.judge()
    const { totals } = history
    say(
      `round ${round + 1}: ${totals.writes - before.writes} writes, ${totals.reads - before.reads} reads, ` +
        `${totals.weakReads - before.weakReads} weaker reads, ${totals.unknown - before.unknown} unknown; ` +
        `${nemesis.spans.length - spansBefore} faults; write again after ${recoveryMs.toFixed(0)} ms, ` +
        `all ready after ${readyMs.toFixed(0)} ms; judged in ${totals.steps - stepsBefore} steps` +
        (isBroken() ? '; BROKEN' : ''),
    )
    return recoveryMs
  }

  async function untilAcknowledged(): Promise<number> {
    const sinceMs = performance.now()
    const [client] = clients as [Client]
    await client.kv(PROJECT, { scope: SCOPES.own }).set('recovered', Buffer.from('yes'), { timeoutMs: RECOVERY_MS })
    return performance.now() - sinceMs
  }
}

async function addClient(clients: Client[], system: ChaosSystem): Promise<Client> {
  const client = await connect(system.endpoints, { readFrom: 'any' })
  clients.push(client)
  return client
}

async function prepare(client: Client): Promise<void> {
  await client.ddl({ type: 'createProject', project: PROJECT })
  await client.ddl(Object.values(SCOPES).map(scope => ({ type: 'createScope', project: PROJECT, scope })))
}

/** A point before everything that is to come. */
function mark(client: Client): ReturnType<Client['commit']> {
  return client.kv(PROJECT, { scope: SCOPES.own }).set('begin', Buffer.from('begin'))
}
