import { QuorateError } from '../../../model/index.ts'
import type { Consistency, EventPage } from '../../../model/index.ts'
import { PROJECT } from '../names.ts'
import { require } from '../trace.ts'
import type { Program, ProgramTools } from './program.ts'

const TOPICS = ['a', 'b', 'c']

/**
 * Emits events, removes old ones, and follows the stream at any node: it is told of every commit's events, whole, in order, from behind
 * what may be removed.
 */
export class EventProgram implements Program {
  readonly #tools: ProgramTools
  readonly #topic: string | undefined
  #position = 0
  #emitted = 0

  constructor(tools: ProgramTools) {
    this.#tools = tools
    this.#topic = tools.random.chance(0.5) ? tools.random.pick(TOPICS) : undefined
  }

  async step(): Promise<void> {
    const { random, database } = this.#tools
    const what = random.below(100)
    if (what < 45) await this.#emit()
    else if (what < 92) await this.#read()
    else {
      const bound = random.chance(0.7) ? { keepLast: random.between(0, 30) } : { maxAgeMs: random.between(200, 4000) }
      await database.ddl({ type: 'compactEvents', project: PROJECT, ...bound })
    }
  }

  async #emit(): Promise<void> {
    const { name, random, database, count } = this.#tools
    const events = Array.from({ length: random.pick([1, 1, 2, 5]) }, () => ({
      topic: random.pick(TOPICS),
      key: `k${random.below(4)}`,
      payload: JSON.stringify({ n: `${name}-${++this.#emitted}` }),
    }))
    if (random.chance(0.7)) await database.events(PROJECT).emit(events)
    else {
      await database.transaction(async tx => {
        const own = tx.kv(PROJECT)
        await own.get(`v${name}`)
        own.set(`v${name}`, new Uint8Array(4))
        for (const event of events) tx.emit({ project: PROJECT, ...event })
      })
    }
    count('emitted')
  }

  async #read(): Promise<void> {
    const { random, database, reference, count } = this.#tools
    // Now and then from the beginning again.
    const after = random.chance(0.15) ? 0 : this.#position
    const topic = this.#topic === undefined ? {} : { topic: this.#topic }
    const consistency = random.pick<Consistency>(['linearizable', 'linearizable', 'local', 'checkpoint'])
    let page: EventPage
    try {
      page = await database.events(PROJECT, topic).read({ after, limit: random.pick([1, 3, 20]), consistency })
    } catch (error) {
      // A checkpoint may be older than the project.
      if (error instanceof QuorateError && error.code.endsWith('_not_found') && consistency === 'checkpoint') return
      throw error
    }
    const fault = reference.events.findFault(page, { seq: page.seq, afterSeq: after, ...topic })
    require(fault === undefined, () => `events after ${after} in the state of ${page.seq}: ${fault}`)
    count('eventPages')
    if (after === this.#position) this.#position = page.next ?? Math.max(after, page.seq)
  }
}
