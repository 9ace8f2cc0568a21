import { runChaos } from './chaos-run.ts'
import { formatReport } from './report.ts'

/**
 * Chaos with real processes:
 *   --minutes N   how long (default 2); the last round, recovery and checks come on top, about half a minute
 *   --seed S      faults and operations of an earlier run; default a new one, which is printed
 *   --trace       prints each fault as it begins and ends
 *   --logs        prints the end of the nodes' logs, also when all is well
 * Ends with 1 if anything was lost, doubled, stale, torn, damaged, or did not recover.
 */
const args = process.argv.slice(2)

function number(name: string, absent: number): number {
  const at = args.indexOf(`--${name}`)
  const value = at < 0 ? absent : Number(args[at + 1])
  if (Number.isFinite(value) && value >= 0) return value
  throw new RangeError(`--${name} takes a number`)
}

const minutes = number('minutes', 2)
const seed = Math.floor(number('seed', Math.floor(Math.random() * 2 ** 31)))
const ending = new AbortController()
// The first one ends the run in order; nothing of it must stay behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort())

console.log(`chaos for ${minutes} minutes, seed ${seed}`)
const sinceMs = performance.now()
const trace = (line: string): void => console.log(`${((performance.now() - sinceMs) / 1_000).toFixed(1)} s: ${line}`)
const isTraced = args.includes('--trace')
const result = await runChaos({
  seed,
  minutes,
  signal: ending.signal,
  say: line => console.log(line),
  trace: isTraced ? trace : () => undefined,
})
console.log(`\n${formatReport(result)}\n`)
if (result.violations.length > 0 || args.includes('--logs')) console.log(result.logs)
for (const violation of result.violations) console.log(`VIOLATION ${violation}`)
const verdict = result.violations.length === 0 ? 'nothing lost, doubled, stale or damaged' : 'BROKEN'
console.log(`${verdict}: seed ${seed}, ${result.seconds.toFixed(0)} s, Node ${process.version}`)
// Everything is removed by now: nothing that a socket still waits for may keep a verdict back.
process.exit(result.violations.length === 0 ? 0 : 1)
