import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { MUTANTS } from './catalogue.ts'
import { STORY } from './core-mutants.ts'
import { findMutant } from './mutant.ts'
import type { Mutant, Verdict } from './mutant.ts'

export interface HuntOptions {
  /** Seeds for each mutant. */
  readonly budget: number
  /** Only mutants whose simulator and name contain this. */
  readonly only: string
  readonly workers: number
}

const titleOf = ({ simulator, name }: Pick<Mutant, 'simulator' | 'name'>): string => `${simulator} ${name}`

/** Looks for every chosen mutant, on several processes, and prints a table. False if one survived. */
export async function huntMutants({ budget, only, workers }: HuntOptions): Promise<boolean> {
  const startedMs = performance.now()
  const chosen = MUTANTS.filter(mutant => titleOf(mutant).includes(only))
  const waiting = chosen.map(titleOf)
  const verdicts: Verdict[] = []
  const drive = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // Planted bugs are switches of a process, so that each worker is one.
      const worker = fork(fileURLToPath(import.meta.url), ['--hunter', String(budget)])
      const feed = (): void => {
        const next = waiting.shift()
        if (next === undefined) worker.disconnect()
        else worker.send(next)
      }
      worker.on('message', (verdict: Verdict) => {
        verdicts.push(verdict)
        console.log(lineOf(verdict))
        feed()
      })
      worker.on('error', reject)
      worker.on('exit', code => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))))
      feed()
    })
  await Promise.all(Array.from({ length: Math.min(workers, chosen.length) }, drive))
  const survivors = verdicts.filter(({ seed }) => seed === undefined)
  const byStory = verdicts.filter(({ seed, by }) => seed !== undefined && by.startsWith(STORY))
  const seconds = (performance.now() - startedMs) / 1000
  console.log(
    `${verdicts.length} of ${chosen.length} mutants in ${seconds.toFixed(1)} s, at most ${budget} seeds each: ` +
      `${verdicts.length - survivors.length - byStory.length} caught by what seeds draw, ${byStory.length} by stories ` +
      'that seeds play, ' +
      `${survivors.length} survived`,
  )
  return survivors.length === 0 && verdicts.length === chosen.length
}

function lineOf(verdict: Verdict): string {
  const { name, rule, simulator, seed, by, seconds } = verdict
  const where = seed === undefined ? 'SURVIVED' : `seed ${seed}`
  return [
    where.padEnd(9),
    simulator.padEnd(6),
    name.padEnd(48),
    rule.padEnd(24),
    `${seconds.toFixed(1)} s`.padStart(7),
    ` ${by.slice(0, 110)}`,
  ].join(' ')
}

/** A worker looks for the mutants whose titles it is sent. */
function serve(budget: number): void {
  process.on('message', (title: string) => {
    const mutant = MUTANTS.find(each => titleOf(each) === title)!
    void findMutant(mutant, { budget }).then(verdict => process.send!(verdict))
  })
}

const at = process.argv.indexOf('--hunter')
if (at >= 0) serve(Number(process.argv[at + 1]))
