import { openQueue } from '../../../model/index.ts'
import type { ClaimedTask, Queue } from '../../../model/index.ts'
import { PROJECT } from '../names.ts'
import { ESTIMATE_OFF_MS } from '../simulated-database.ts'
import { require } from '../trace.ts'
import { counted, countOne } from './keys.ts'
import type { Program, ProgramTools } from './program.ts'

interface Payload {
  readonly n: string
}

const NAME = 'jobs'
const KEYS = 3
const LEASES_MS = [60, 300, 1500] as const

interface Known {
  readonly tokens: Set<number>
  isCompleted: boolean
  /** Of the newest claim that a worker was told of and has not tried to end: leader time, us. */
  leaseUntilMicros: number
}

/** So much earlier than by leader time a lease may end for those who estimate that, us. */
const EARLY_MICROS = 2 * ESTIMATE_OFF_MS * 1000

/** What all programs of one queue were told. */
export class QueueBook {
  readonly #tasks = new Map<number, Known>()
  /** Ids of the tasks that were taken in, by what they carry. */
  readonly enqueued: Map<string, number> = new Map()

  task(id: number): Known {
    const known = this.#tasks.get(id) ?? { tokens: new Set(), isCompleted: false, leaseUntilMicros: 0 }
    this.#tasks.set(id, known)
    return known
  }

  get completed(): number[] {
    return [...this.#tasks].filter(([, { isCompleted }]) => isCompleted).map(([id]) => id)
  }
}

/**
 * Puts tasks into a queue and works on those that it gets: it completes them, fails, is late, or never comes back. Each task is completed
 * once, with what it changes; what a worker has lost it cannot end; nobody gets a task whose lease has not ended.
 */
export class QueueProgram implements Program {
  readonly #tools: ProgramTools
  readonly #book: QueueBook
  #queue: Queue<Payload> | undefined
  #made = 0

  constructor(tools: ProgramTools, book: QueueBook) {
    this.#tools = tools
    this.#book = book
  }

  async step(): Promise<void> {
    const { database, random } = this.#tools
    this.#queue ??= await openQueue<Payload>(database, { project: PROJECT, name: NAME })
    if (random.chance(0.45)) await this.#enqueue(this.#queue)
    else await this.#work(this.#queue)
  }

  async #enqueue(queue: Queue<Payload>): Promise<void> {
    const { name, random } = this.#tools
    const n = `${name}-${++this.#made}`
    const { id, isNew } = await queue.enqueue(
      { n },
      {
        priority: random.below(3),
        attemptsMax: random.pick([1, 3, 5]),
        backoffBaseMs: 40,
        backoffMaxMs: 300,
        ...(random.chance(0.2) && { delayMs: random.between(1, 600) }),
        ...(random.chance(0.2) && { key: `k${random.below(KEYS)}` }),
      },
    )
    if (isNew) this.#book.enqueued.set(n, id)
    this.#tools.count('tasks')
  }

  async #work(queue: Queue<Payload>): Promise<void> {
    const { name, random } = this.#tools
    const leaseMs = random.pick(LEASES_MS)
    const tasks = await queue.claim(name, leaseMs, { count: random.pick([1, 1, 2]) })
    for (const task of tasks) this.#noteClaim(task)
    for (const task of tasks) await this.#handle(queue, task, leaseMs)
  }

  #noteClaim({ id, fencingToken, leaseUntilMicros }: ClaimedTask<Payload>): void {
    const { reference, count } = this.#tools
    const known = this.#book.task(id)
    const { tokens } = known
    require(!tokens.has(fencingToken), () => `two workers have task ${id} under the token ${fencingToken}`)
    const isNewest = Math.max(0, ...tokens) < fencingToken
    tokens.add(fencingToken)
    count('claims')
    if (!isNewest) return
    const nowMicros = reference.timeAt(reference.lastSeq)
    require(nowMicros + EARLY_MICROS >= known.leaseUntilMicros, () =>
      `task ${id} is given to another worker at ${nowMicros}, and its lease ends at ${known.leaseUntilMicros}`)
    known.leaseUntilMicros = leaseUntilMicros
  }

  async #handle(queue: Queue<Payload>, task: ClaimedTask<Payload>, leaseMs: number): Promise<void> {
    const { random, delay } = this.#tools
    await delay(random.uniform(0, leaseMs * random.pick([0.2, 1.5])))
    const what = random.below(100)
    if (what < 10) return
    const held = what < 25 ? await queue.heartbeat(task, leaseMs, { progress: { at: what } }) : task
    if (held === undefined) return
    const known = this.#book.task(task.id)
    const isNewest = Math.max(...known.tokens) === task.fencingToken
    if (isNewest && what < 25) known.leaseUntilMicros = Math.max(known.leaseUntilMicros, held.leaseUntilMicros)
    if (what > 84) {
      if (isNewest) known.leaseUntilMicros = 0
      await queue.fail(held, 'in vain')
      return
    }
    const isLost = Math.max(...known.tokens) > task.fencingToken
    const isEnded = await queue.complete(held, { mutations: [countOne(`q${task.payload.n}`)] })
    if (!isEnded) return
    require(!isLost, () =>
      `task ${task.id} is completed under the token ${task.fencingToken}, which a later claim has ended`)
    require(!known.isCompleted, () => `task ${task.id} is completed twice`)
    known.isCompleted = true
    this.#tools.count('completed')
  }

  judge(): void {
    const { reference } = this.#tools
    const table = reference.tables.tables.find(({ name }) => name === `queue_${NAME}`)
    const left = new Set(table?.rows.map(({ cells }) => cells['id']))
    for (const [n, id] of this.#book.enqueued) {
      const done = counted(reference, `q${n}`)
      require(done <= 1, () => `what task ${id} does was done ${done} times`)
      require(done + Number(left.has(id)) === 1, () =>
        `task ${id} was done ${done} times, and is ${left.has(id) ? 'still' : 'not'} in the queue`)
    }
    for (const id of this.#book.completed)
      require(!left.has(id), () => `task ${id} is completed, and still in the queue`)
  }
}
