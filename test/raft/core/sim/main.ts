import { activateMutant, MUTANTS, type MutantName } from '../../../../src/raft/core/index.ts'
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

function runMutants(budget: number): void {
  const survivors: MutantName[] = []
  for (const mutant of MUTANTS) {
    activateMutant(mutant)
    let caught: string | null = null
    for (let seed = 1; seed <= budget && caught === null; seed++) {
      const { failure } = runSeed(seed)
      if (failure !== null) caught = `seed ${seed}: ${failure.split('\n')[0]!.slice(0, 140)}`
    }
    activateMutant(null)
    if (caught === null) survivors.push(mutant)
    console.log(`${caught === null ? 'SURVIVED' : 'caught  '} ${mutant}${caught === null ? '' : ` (${caught})`}`)
  }
  console.log(`${MUTANTS.length - survivors.length} of ${MUTANTS.length} caught within ${budget} seeds`)
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
