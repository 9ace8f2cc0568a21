import assert from 'node:assert/strict'
import type { HardState, Log } from '../../src/log/index.ts'
import type { SeededRandom } from '../../src/platform/simulated/index.ts'
import { concat, entry, readAll, settle } from './log-world.ts'
import type { LogWorld, Opened } from './log-world.ts'

/** What a log holds after some append: entry i has seq i + 1. */
export interface ModelState {
  readonly entries: readonly Uint8Array[]
  readonly hardState: HardState
}

/**
 * The log as it should be: every state it went through since it was known for certain, and how far it was acknowledged.
 * After a crash the log must be exactly one of the states from the acknowledged one on.
 */
export class LogModel {
  #states: ModelState[]
  #acknowledged = 0
  /** The seq below which segments may have been dropped. */
  droppedBefore = 0

  constructor(hardState: HardState) {
    this.#states = [{ entries: [], hardState }]
  }

  get newest(): ModelState {
    return this.#states.at(-1)!
  }

  push(state: ModelState): void {
    this.#states.push(state)
  }

  /** The first `count` pushes since the last recovery are acknowledged. */
  acknowledgeThrough(count: number): void {
    assert.ok(count >= this.#acknowledged && count < this.#states.length, `ioSeq ${count} was never appended`)
    this.#acknowledged = count
  }

  acknowledgeAll(): void {
    this.#acknowledged = this.#states.length - 1
  }

  /** Asserts that what was recovered is a state that may have survived, and goes on from there. */
  async recover({ log, recovered }: Opened, note: string, maySuspect = false): Promise<void> {
    assert.deepEqual(recovered.damage, [], note)
    if (maySuspect && log.state === 'suspect') {
      await log.setSuspectAside()
      await log.resolveSuspect()
    } else assert.equal(recovered.suspect, undefined, note)
    const found = (await readAll(log)).map(bytes => Buffer.from(bytes).toString('latin1'))
    assert.ok(log.base.seq === 0 || log.base.seq < this.droppedBefore, `${note}: base ${log.base.seq}`)
    const survivor = this.#states.findLastIndex(state => {
      const { term, votedFor } = state.hardState
      if (recovered.hardState.term !== term || recovered.hardState.votedFor !== votedFor) return false
      if (state.entries.length !== log.lastSeq) return false
      return state.entries.slice(log.base.seq).every((bytes, i) => Buffer.from(bytes).toString('latin1') === found[i])
    })
    assert.notEqual(survivor, -1, `${note}: recovered to a state that never was (last ${log.lastSeq})`)
    assert.ok(survivor >= this.#acknowledged, `${note}: lost ${this.#acknowledged - survivor} acknowledged frames`)
    this.#states = [this.#states[survivor]!]
    this.#acknowledged = 0
  }
}

/** One random step of a replica's life with its log. Throws whatever the log throws. */
export async function step(log: Log, model: LogModel, random: SeededRandom): Promise<void> {
  const choice = random.below(12)
  if (choice < 5) appendSome(log, model, random, false)
  else if (choice === 5) appendSome(log, model, random, true)
  else if (choice === 6) vote(log, model, random)
  else if (choice === 7) await settle()
  else if (choice === 8) await drop(log, model, random)
  else {
    log.flushSync()
    model.acknowledgeAll()
    if (choice === 9 && log.mark() !== undefined) {
      log.flushSync()
    }
  }
}

function appendSome(log: Log, model: LogModel, random: SeededRandom, isTruncating: boolean): void {
  const { entries, hardState } = model.newest
  const low = log.base.seq + 1
  const isPossible = isTruncating && entries.length >= low
  const from = isPossible ? random.between(low, entries.length) : entries.length + 1
  const next: HardState = isPossible ? { ...hardState, term: hardState.term + 1, votedFor: 0 } : hardState
  const count = random.between(1, 5)
  const length = random.pick([0, 17, 40, 300, 1500])
  const added = Array.from({ length: count }, (_, i) => entry(from + i, next.term, length))
  log.append({
    ...(isPossible ? { hardState: next, truncateFrom: from } : {}),
    entries: { firstSeq: from, lastSeq: from + count - 1, bytes: concat(added) },
  })
  model.push({ entries: [...entries.slice(0, from - 1), ...added], hardState: next })
}

function vote(log: Log, model: LogModel, random: SeededRandom): void {
  const { entries, hardState } = model.newest
  const next = { ...hardState, term: hardState.term + 1, votedFor: random.between(0, 3) }
  log.append({ hardState: next })
  model.push({ entries, hardState: next })
}

async function drop(log: Log, model: LogModel, random: SeededRandom): Promise<void> {
  const seq = random.between(0, log.lastSeq)
  model.droppedBefore = Math.max(model.droppedBefore, seq)
  await log.dropSegmentsBefore(seq)
}

/** Lives with an open log for `steps` steps or until the power goes; true if it went. */
export async function live(opened: Opened, model: LogModel, random: SeededRandom, steps: number): Promise<boolean> {
  try {
    for (let i = 0; i < steps; i++) await step(opened.log, model, random)
    return false
  } catch (error) {
    if (isCrash(error)) return true
    throw error
  }
}

/** True if an error comes from a simulated power loss, at whatever depth. */
export function isCrash(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) if (each.name === 'SimulatedCrash') return true
  return false
}

/** Opens the log, with power losses in the middle of it for a while, until it opens. */
export async function openThroughCrashes(world: LogWorld, crashes: number): Promise<Opened> {
  for (let i = 0; i < crashes; i++) {
    world.disk.crashAt(world.random.between(1, 12), world.random.pick(['before', 'after']))
    try {
      await world.open()
      await settle()
    } catch (error) {
      if (!isCrash(error)) throw error
    }
    world.disk.crash('power')
  }
  world.disk.cancelCrash()
  return world.open()
}
