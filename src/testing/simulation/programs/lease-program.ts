import { Leases } from '../../../model/index.ts'
import type { Lease } from '../../../model/index.ts'
import { keyOf, PROJECT } from '../names.ts'
import { require } from '../trace.ts'
import { countOne } from './keys.ts'
import type { Program, ProgramTools } from './program.ts'

const NAMES = ['a', 'b']
const LEASES_MS = [60, 400, 1500] as const

/** The newest fencing token of each name that somebody was told of. */
export type LeaseBook = Map<string, number>

/** Takes leases and works under them: whatever is applied under one was held at that moment, and tokens of a name only grow. */
export class LeaseProgram implements Program {
  readonly #tools: ProgramTools
  readonly #book: LeaseBook
  readonly #leases: Leases

  constructor(tools: ProgramTools, book: LeaseBook) {
    this.#tools = tools
    this.#book = book
    this.#leases = new Leases(tools.database, { project: PROJECT })
  }

  async step(): Promise<void> {
    const { name: owner, random, count } = this.#tools
    const name = random.pick(NAMES)
    const ttlMs = random.pick(LEASES_MS)
    const before = this.#book.get(name) ?? 0
    const lease = await this.#leases.acquire(name, owner, ttlMs)
    if (lease === undefined) return this.#look(name)
    count('leases')
    require(lease.fencingToken > before, () =>
      `the lease ${name} has the token ${lease.fencingToken}, and ${before} was given before`)
    this.#note(lease)
    await this.#work(lease, ttlMs)
  }

  #note({ name, fencingToken }: Pick<Lease, 'name' | 'fencingToken'>): void {
    this.#book.set(name, Math.max(this.#book.get(name) ?? 0, fencingToken))
  }

  async #look(name: string): Promise<void> {
    const before = this.#book.get(name) ?? 0
    const status = await this.#leases.status(name)
    if (status === undefined) return
    const { fencingToken } = status
    require(fencingToken >= before, () => `the lease ${name} shows the token ${fencingToken} after ${before}`)
    this.#note({ name, fencingToken })
  }

  async #work(taken: Lease, ttlMs: number): Promise<void> {
    const { random, delay } = this.#tools
    let lease: Lease | undefined = taken
    for (let left = random.between(1, 4); left > 0; left--) {
      await delay(random.uniform(0, ttlMs * 0.6))
      if (random.chance(0.4)) lease = await this.#leases.renew(lease, ttlMs)
      else await this.#commit(lease)
      if (lease === undefined) return
    }
    if (random.chance(0.6)) await this.#leases.release(lease)
  }

  async #commit(lease: Lease): Promise<void> {
    const { reference, count } = this.#tools
    const { name, fencingToken } = lease
    const done = await this.#leases.commit(lease, [
      countOne(`h${name}`),
      { type: 'kvSet', project: PROJECT, key: keyOf(`f${name}`), value: keyOf(String(fencingToken)) },
    ])
    if (done === undefined) return
    count('guarded')
    const { seq } = done
    const key = { project: PROJECT, key: keyOf(`__leases/${name}`) }
    const held = reference.keys.readAt(key, seq - 1, reference.timeAt(seq))
    require(held?.createdSeq === fencingToken, () =>
      `${seq} was applied under the lease ${name} of ${fencingToken}, which ${held?.createdSeq ?? 'nobody'} held`)
  }
}
