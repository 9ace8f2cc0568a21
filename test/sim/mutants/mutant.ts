/** A planted bug, and how it is looked for. */
export interface Mutant {
  /** Room and bug. */
  readonly name: string
  /** The rule or promise that it breaks: an id of the Raft rules, or `DESIGN n`. */
  readonly rule: string
  /** `nodes`: whole nodes; `core`: the Raft core under its own network. */
  readonly simulator: 'nodes' | 'core'
  /** What its failure must say; undefined = anything. */
  readonly caughtBy?: RegExp | undefined
  /** Runs one seed, with the bug or without: what was found wrong. */
  run(seed: number, isPlanted: boolean): Promise<string | undefined>
}

/** What became of one mutant. */
export interface Verdict {
  readonly name: string
  readonly rule: string
  readonly simulator: Mutant['simulator']
  /** Where it was caught. Undefined = it survived. */
  readonly seed: number | undefined
  /** The check that caught it; of a survivor what was tried. */
  readonly by: string
  /** Processor time. */
  readonly seconds: number
}

export interface Search {
  /** Seeds tried. */
  readonly budget: number
  readonly from?: number
  /** A seed counts only if it passes without the bug: what fails anyhow has noticed nothing. Default: yes. */
  readonly isControlled?: boolean
}

/** Looks for a mutant in rising seeds and stops at the first that catches it. */
export async function findMutant(mutant: Mutant, { budget, from = 1, isControlled = true }: Search): Promise<Verdict> {
  const { name, rule, simulator } = mutant
  const before = process.cpuUsage()
  const verdict = (seed: number | undefined, by: string): Verdict => {
    const { user, system } = process.cpuUsage(before)
    return { name, rule, simulator, seed, by: by.split('\n')[0]!, seconds: (user + system) / 1e6 }
  }
  for (let seed = from; seed < from + budget; seed++) {
    const failure = await mutant.run(seed, true)
    if (failure === undefined || mutant.caughtBy?.test(failure) === false) continue
    if (!isControlled || (await mutant.run(seed, false)) === undefined) return verdict(seed, failure)
  }
  return verdict(undefined, `not caught in ${budget} seeds`)
}
