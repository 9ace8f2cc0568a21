import { QuorateError } from '../../../model/index.ts'
import type { SeededRandom } from '../../../platform/simulated/index.ts'
import type { SimulatedCluster } from '../cluster.ts'
import type { EntryOracle } from '../entry-oracle.ts'
import type { History } from '../history.ts'
import { SimulatedCore } from '../simulated-database.ts'
import { BankProgram } from './bank-program.ts'
import { EffectBook, EffectProgram } from './effect-program.ts'
import { EventProgram } from './event-program.ts'
import { LeaseProgram } from './lease-program.ts'
import type { ProgramKind } from './program-kinds.ts'
import type { Program, ProgramTools } from './program.ts'
import { QueueBook, QueueProgram } from './queue-program.ts'

/** Of one kind at the same time: so that they meet. */
const AT_ONCE = 2
const MEAN_GAP_MS = 80

/** All programs of a run. */
export class Programs {
  readonly #cluster: SimulatedCluster
  readonly #oracle: EntryOracle
  readonly #history: History
  readonly #counts: Record<string, number>
  readonly #programs: Program[] = []
  #isFinishing = false
  #busy = 0

  constructor(cluster: SimulatedCluster, oracle: EntryOracle, history: History, counts: Record<string, number>) {
    this.#cluster = cluster
    this.#oracle = oracle
    this.#history = history
    this.#counts = counts
  }

  begin(): void {
    for (const kind of this.#cluster.profile.workload.programs) {
      const make = makerOf(kind)
      for (let number = 1; number <= AT_ONCE; number++) this.#start(`${kind}${number}`, make)
    }
  }

  #start(name: string, make: (tools: ProgramTools) => Program): void {
    const { world } = this.#cluster
    const core = new SimulatedCore(name, this.#cluster, this.#oracle, this.#history)
    const random = world.random.split(`program ${name}`)
    const program = make({
      name,
      random,
      database: core.database(),
      reference: this.#oracle.reference,
      delay: ms => world.delay(ms),
      count: what => {
        this.#counts[what] = (this.#counts[what] ?? 0) + 1
      },
    })
    this.#programs.push(program)
    core.client.connect()
    this.#busy++
    void this.#run(program, random).then(() => {
      this.#busy--
    })
  }

  async #run(program: Program, random: SeededRandom): Promise<void> {
    const { world } = this.#cluster
    for (;;) {
      await world.delay(random.exponential(MEAN_GAP_MS))
      if (this.#isFinishing) return
      try {
        await program.step()
      } catch (error) {
        if (error instanceof QuorateError && error.code !== 'internal')
          this.#counts['failedSteps'] = (this.#counts['failedSteps'] ?? 0) + 1
        else return this.#cluster.fail(error as Error)
      }
    }
  }

  /** No step begins any more. */
  finish(): void {
    this.#isFinishing = true
  }

  /** How many are still at something. */
  get busyCount(): number {
    return this.#busy
  }

  /** What can be judged only when all is over. */
  judge(): void {
    for (const program of this.#programs) program.judge?.()
  }
}

/** Programs of one kind share what they were told. */
function makerOf(kind: ProgramKind): (tools: ProgramTools) => Program {
  switch (kind) {
    case 'queue': {
      const book = new QueueBook()
      return tools => new QueueProgram(tools, book)
    }
    case 'leases': {
      const book = new Map<string, number>()
      return tools => new LeaseProgram(tools, book)
    }
    case 'effects': {
      const book = new EffectBook()
      return tools => new EffectProgram(tools, book)
    }
    case 'events':
      return tools => new EventProgram(tools)
    case 'bank':
      return tools => new BankProgram(tools)
    default:
      throw new RangeError(`programs of the kind ${String(kind satisfies never)}`)
  }
}
