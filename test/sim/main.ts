import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { huntMutants } from './mutants/hunt.ts'
import { runSeed, SIMULATED_KEYS } from './run-seed.ts'

/**
 * The simulator of whole nodes from the command line:
 *   --seeds N [--from S]   runs N seeds; failed ones are listed
 *   --hours H [--from S]   the same until the time is over
 *   --seed S               runs one seed and prints its trace
 *   --mutants [--budget N] [--only TEXT]
 *                          switches every planted bug on, one after the other: each must be caught within N seeds (200)
 *   --sealed               with encrypted and signed directories
 *   --workers N            processes (2)
 */
const args = process.argv.slice(2)
const CHUNK = 10

function option(name: string): number | undefined {
  const at = args.indexOf(`--${name}`)
  if (at < 0) return undefined
  const value = Number(args[at + 1])
  if (!Number.isSafeInteger(value)) {
    process.stderr.write(`--${name} takes a number\n`)
    process.exit(2)
  }
  return value
}

const sealed = args.includes('--sealed') ? { keys: SIMULATED_KEYS } : {}
const workers = option('workers') ?? 2

interface Report {
  readonly seed: number
  readonly hash: string
  readonly failure: string | undefined
  readonly counts: Readonly<Record<string, number>>
}

/** A worker runs the seeds that it is sent and answers each with a report. */
function serve(): void {
  process.on('message', (range: { from: number; count: number }) => {
    void (async () => {
      for (let seed = range.from; seed < range.from + range.count; seed++) {
        const { hash, failure, counts } = await runSeed(seed, sealed)
        process.send!({ seed, hash, failure, counts } satisfies Report)
      }
    })()
  })
}

async function runSeeds(from: number, isOver: (seed: number) => boolean): Promise<void> {
  const startedMs = performance.now()
  const totals: Record<string, number> = {}
  let next = from
  let ran = 0
  let failed = 0
  const take = (report: Report): void => {
    ran++
    for (const [name, value] of Object.entries(report.counts)) totals[name] = (totals[name] ?? 0) + value
    if (report.failure === undefined) return
    failed++
    console.log(`seed ${report.seed} ${report.hash} FAILED ${report.failure}`)
  }
  const drive = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = fork(fileURLToPath(import.meta.url), [
        '--worker',
        ...args.filter(argument => argument === '--sealed'),
      ])
      let left = 0
      const feed = (): void => {
        if (isOver(next)) return worker.disconnect()
        left = CHUNK
        worker.send({ from: next, count: CHUNK })
        next += CHUNK
      }
      worker.on('message', (report: Report) => {
        take(report)
        if (--left === 0) feed()
      })
      worker.on('error', reject)
      worker.on('exit', code => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))))
      feed()
    })
  await Promise.all(Array.from({ length: workers }, drive))
  const seconds = (performance.now() - startedMs) / 1000
  console.log(`${ran} seeds from ${from} in ${seconds.toFixed(1)} s, ${failed} failed; ${JSON.stringify(totals)}`)
  if (failed > 0) process.exitCode = 1
}

async function replay(seed: number): Promise<void> {
  const result = await runSeed(seed, { keepsTrace: true, ...sealed })
  for (const line of result.trace) console.log(line)
  console.log(JSON.stringify(result.profile))
  console.log(`seed ${seed} ${result.hash} ${JSON.stringify(result.counts)} ${result.failure ?? 'passed'}`)
  if (result.failure !== undefined) process.exitCode = 1
}

const from = option('from') ?? 1
const budget = option('budget') ?? 200
const seed = option('seed')
const hours = option('hours')
if (args.includes('--worker')) serve()
else if (args.includes('--mutants')) {
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1]! : ''
  if (!(await huntMutants({ budget, only, workers }))) process.exitCode = 1
} else if (seed !== undefined) await replay(seed)
else if (hours !== undefined) {
  const endMs = performance.now() + hours * 3_600_000
  await runSeeds(from, () => performance.now() >= endMs)
} else {
  const count = option('seeds') ?? 100
  await runSeeds(from, next => next >= from + count)
}
