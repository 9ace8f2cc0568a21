import { activateMutant, MUTANTS, type MutantName } from '../../../../src/raft/core/index.ts'
import { scenarios } from '../scenarios/index.ts'
import { runSeed } from './world.ts'

/**
 * The core's simulator from the command line:
 *   --seeds N [--from S]   runs N seeds, each twice if --twice
 *   --seed S               runs one seed and prints its trace
 *   --mutants [--budget N] checks that every mutant is caught, by a scenario or within N seeds
 */
const args = process.argv.slice(2)

function option(name: string, fallback: number): number {
  const at = args.indexOf(`--${name}`)
  return at < 0 ? fallback : Number(args[at + 1])
}

function runSeeds(count: number, from: number): void {
  let failed = 0
  const totals: Record<string, number> = {}
  for (let seed = from; seed < from + count; seed++) {
    const result = runSeed(seed)
    for (const [name, value] of Object.entries(result.counts)) totals[name] = (totals[name] ?? 0) + value
    if (result.failure !== null) {
      failed++
      console.log(`seed ${seed} ${result.hash} FAILED ${result.failure}`)
    }
    if (args.includes('--twice') && runSeed(seed).hash !== result.hash) {
      failed++
      console.log(`seed ${seed} is not deterministic`)
    }
  }
  console.log(`${count} seeds, ${failed} failed; ${JSON.stringify(totals)}`)
  if (failed > 0) process.exitCode = 1
}

/** The scenario of this mutant's rule that fails with it, as it must. */
function findCatchingScenario(mutant: MutantName): string | null {
  for (const scenario of scenarios) {
    if (scenario.mutant !== mutant) continue
    try {
      scenario.run()
    } catch {
      return `scenario ${scenario.rule}: ${scenario.name}`
    }
  }
  return null
}

function findCatchingSeed(budget: number): string | null {
  for (let seed = 1; seed <= budget; seed++) {
    const { failure } = runSeed(seed)
    if (failure !== null) return `seed ${seed}: ${failure.split('\n')[0]!.slice(0, 100)}`
  }
  return null
}

function runMutants(budget: number): void {
  let bySeeds = 0
  let survivors = 0
  for (const mutant of MUTANTS) {
    activateMutant(mutant)
    const seed = findCatchingSeed(budget)
    const scenario = findCatchingScenario(mutant)
    activateMutant(null)
    if (seed !== null) bySeeds++
    if (seed === null && scenario === null) survivors++
    console.log(
      `${seed === null && scenario === null ? 'SURVIVED' : 'caught'} ${mutant}: ${seed ?? 'no seed'}; ${scenario ?? 'no scenario'}`,
    )
  }
  console.log(`${MUTANTS.length} mutants: ${bySeeds} caught within ${budget} seeds, ${survivors} survived`)
  if (survivors > 0) process.exitCode = 1
}

const mutantName = args[args.indexOf('--mutant') + 1]
if (args.includes('--mutant')) activateMutant(mutantName as MutantName)
if (args.includes('--mutants')) runMutants(option('budget', 200))
else if (args.includes('--seed')) {
  const result = runSeed(option('seed', 1), true)
  for (const line of result.trace) console.log(line)
  console.log(JSON.stringify(result.profile))
  console.log(`seed ${result.seed} ${result.hash} ${JSON.stringify(result.counts)} ${result.failure ?? 'passed'}`)
  if (result.failure !== null) process.exitCode = 1
} else runSeeds(option('seeds', 100), option('from', 1))
