import { parseArgs } from 'node:util'
import { runChaos } from './chaos-run.ts'
import { formatReport } from './report.ts'

const USAGE = `usage: npm run chaos -- [OPTIONS]
Chaos with real processes; ends with 1 if anything was lost, doubled, stale, torn, damaged, or did not recover.
  --minutes N   how long (default 2); the last round, recovery and checks come on top, about half a minute
  --seed S      faults and operations of an earlier run; default a new one, which is printed
  --trace       prints each fault as it begins and ends
  --logs        prints the end of the nodes' logs, also when all is well
  --help        prints this`

function endWithUsage(what: string): never {
  console.error(`${what}\n${USAGE}`)
  process.exit(2)
}

function given(): { minutes?: string; seed?: string; trace?: boolean; logs?: boolean; help?: boolean } {
  try {
    const text = { type: 'string' } as const
    const flag = { type: 'boolean' } as const
    return parseArgs({ options: { minutes: text, seed: text, trace: flag, logs: flag, help: flag } }).values
  } catch (error) {
    return endWithUsage(error instanceof Error ? error.message : String(error))
  }
}

function numberOf(name: string, text: string | undefined, absent: number): number {
  const value = text === undefined ? absent : Number(text)
  return Number.isFinite(value) && value >= 0 && text !== '' ? value : endWithUsage(`--${name} takes a number`)
}

const options = given()
if (options.help === true) {
  console.log(USAGE)
  process.exit(0)
}
const minutes = numberOf('minutes', options.minutes, 2)
const seed = Math.floor(numberOf('seed', options.seed, Math.floor(Math.random() * 2 ** 31)))
const ending = new AbortController()
// The first one ends the run in order; nothing of it must stay behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort())

console.log(`chaos for ${minutes} minutes, seed ${seed}`)
const sinceMs = performance.now()
const trace = (line: string): void => console.log(`${((performance.now() - sinceMs) / 1_000).toFixed(1)} s: ${line}`)
const isTraced = options.trace === true
const result = await runChaos({
  seed,
  minutes,
  signal: ending.signal,
  say: line => console.log(line),
  trace: isTraced ? trace : () => undefined,
})
console.log(`\n${formatReport(result)}\n`)
if (result.violations.length > 0 || options.logs === true) console.log(result.logs)
for (const violation of result.violations) console.log(`VIOLATION ${violation}`)
const verdict = result.violations.length === 0 ? 'nothing lost, doubled, stale or damaged' : 'BROKEN'
console.log(`${verdict}: seed ${seed}, ${result.seconds.toFixed(0)} s, Node ${process.version}`)
// Everything is removed by now: nothing that a socket still waits for may keep a verdict back.
process.exit(result.violations.length === 0 ? 0 : 1)
