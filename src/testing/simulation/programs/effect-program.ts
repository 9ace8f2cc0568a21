import { Effects } from '../../../model/index.ts'
import { PROJECT } from '../names.ts'
import { require } from '../trace.ts'
import { counted, countOne } from './keys.ts'
import type { Program, ProgramTools } from './program.ts'

const KEYS = 40

interface Known {
  isBegun: boolean
  isApplied: boolean
  /** What everybody who asks is told from then on. */
  result: string | undefined
}

/** What all who have the same effects were told. */
export class EffectBook {
  readonly #effects = new Map<string, Known>()

  effect(key: string): Known {
    const known = this.#effects.get(key) ?? { isBegun: false, isApplied: false, result: undefined }
    this.#effects.set(key, known)
    return known
  }

  get all(): readonly (readonly [string, Known])[] {
    return [...this.#effects]
  }
}

/** Begins effects and completes them: one of all begins freshly, one result holds, and what goes with it is applied once. */
export class EffectProgram implements Program {
  readonly #tools: ProgramTools
  readonly #book: EffectBook
  readonly #effects: Effects<string>
  #made = 0

  constructor(tools: ProgramTools, book: EffectBook) {
    this.#tools = tools
    this.#book = book
    this.#effects = new Effects(tools.database, { project: PROJECT })
  }

  async step(): Promise<void> {
    const { name, random, delay, count } = this.#tools
    const key = `pay${random.below(KEYS)}`
    const known = this.#book.effect(key)
    if (random.chance(0.7)) {
      const state = await this.#effects.begin(key)
      if (state.state === 'fresh') {
        require(!known.isBegun, () => `two have begun ${key} freshly`)
        known.isBegun = true
      }
      if (state.state === 'done') return this.#tell(key, state.result)
    }
    await delay(random.uniform(0, random.pick([1, 200])))
    if (random.chance(0.3)) return
    const { isApplied, result } = await this.#effects.complete(key, `${name}-${++this.#made}`, [countOne(`e${key}`)])
    if (isApplied) {
      require(!known.isApplied, () => `the effect ${key} is applied twice`)
      known.isApplied = true
      count('effects')
    }
    this.#tell(key, result)
  }

  #tell(key: string, result: string): void {
    const known = this.#book.effect(key)
    require(known.result === undefined || known.result === result, () =>
      `the effect ${key} has the result ${result}, and had ${known.result}`)
    known.result = result
  }

  judge(): void {
    const { reference } = this.#tools
    for (const [key, { result }] of this.#book.all) {
      const times = counted(reference, `e${key}`)
      require(times <= 1 && (result === undefined || times === 1), () =>
        `what goes with the effect ${key} was applied ${times} times`)
    }
  }
}
