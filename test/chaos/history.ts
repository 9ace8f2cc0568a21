import type { CounterInput, CounterOutput, Operation, RegisterInput, RegisterOutput } from '../../src/testing/index.ts'
import { checkLinearizable, counterModel, registerModel } from '../../src/testing/index.ts'

/** An append and the increment beside it, in one commit: what its caller was told. */
export type AppendFate = 'acknowledged' | 'unknown' | 'refused'

export interface AppendFound {
  readonly seq: number
  readonly createdSeq: number
}

/** Everything that clients saw, and what in it no order of operations explains. */
export class History {
  readonly violations: string[] = []
  registers: Operation<RegisterInput, RegisterOutput>[] = []
  counters: Operation<CounterInput, CounterOutput>[] = []
  readonly appends = new Map<string, AppendFate>()
  /** When writes were acknowledged, ms, ascending. */
  readonly acknowledgedAtMs: number[] = []
  readonly errors = new Map<string, number>()
  readonly totals = { writes: 0, reads: 0, weakReads: 0, unknown: 0, refused: 0, watched: 0, checked: 0, steps: 0 }

  acknowledged(atMs: number): void {
    this.acknowledgedAtMs.push(atMs)
    this.totals.writes++
  }

  failed(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }

  violation(text: string): void {
    // A broken rule usually breaks again and again: the first ones tell enough.
    if (this.violations.length < 50) this.violations.push(text)
  }

  /** Judges registers and counters so far and forgets them: their keys must not be used any more. */
  judge(): void {
    const { registers, counters } = this
    this.registers = []
    this.counters = []
    this.totals.checked += registers.length + counters.length
    for (const verdict of [checkLinearizable(registerModel, registers), checkLinearizable(counterModel, counters)]) {
      this.totals.steps += verdict.steps
      if (verdict.result === 'illegal') this.violation(`not linearizable: ${verdict.key}\n${verdict.explanation}`)
      // A verdict that was not reached is none: it must not look like a good one.
      if (verdict.result === 'undecided') this.violation(`${verdict.key}: undecided after ${verdict.steps} steps`)
    }
  }

  /** The longest time without an acknowledged write that touches [fromMs, toMs], ms. */
  longestGapMs(fromMs: number, toMs: number): number {
    const times = this.acknowledgedAtMs
    const low = this.#firstAt(fromMs)
    let before = times[low - 1] ?? fromMs
    let longest = 0
    for (let i = low; i < times.length; i++) {
      const at = times[i]!
      longest = Math.max(longest, at - before)
      before = at
      if (at > toMs) return longest
    }
    return Math.max(longest, toMs - before)
  }

  acknowledgedBetween(fromMs: number, toMs: number): number {
    return this.#firstAt(toMs) - this.#firstAt(fromMs)
  }

  /** Index of the first acknowledgement that is not before `atMs`. */
  #firstAt(atMs: number): number {
    let [low, high] = [0, this.acknowledgedAtMs.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.acknowledgedAtMs[middle]! < atMs) low = middle + 1
      else high = middle
    }
    return low
  }
}

/**
 * Nothing acknowledged is lost, nothing refused is there, and nothing was done twice: an append that is applied again is changed after
 * its creation, and its increment counts twice.
 */
export function judgeAppends(
  appends: ReadonlyMap<string, AppendFate>,
  found: ReadonlyMap<string, AppendFound>,
  counted: bigint,
): string[] {
  const violations: string[] = []
  for (const [key, fate] of appends) {
    const entry = found.get(key)
    if (fate === 'acknowledged' && entry === undefined) violations.push(`lost: ${key} was acknowledged`)
    if (fate === 'refused' && entry !== undefined) violations.push(`${key} was refused as not applied, and is there`)
  }
  for (const [key, { seq, createdSeq }] of found) {
    if (!appends.has(key)) violations.push(`${key} is there, and nobody wrote it`)
    if (seq !== createdSeq) violations.push(`doubled: ${key} was created at ${createdSeq} and written again at ${seq}`)
  }
  if (counted !== BigInt(found.size)) {
    violations.push(`doubled or torn: ${counted} increments beside ${found.size} appends that were made with them`)
  }
  return violations
}

/** A watch has shown every append once, with the seq that it has. */
export function judgeWatched(watched: ReadonlyMap<string, number>, found: ReadonlyMap<string, AppendFound>): string[] {
  const violations: string[] = []
  for (const [key, { seq }] of found) {
    const shown = watched.get(key)
    if (shown === undefined) violations.push(`the watch missed ${key} of ${seq}`)
    else if (shown !== seq) violations.push(`the watch showed ${key} at ${shown}, it is of ${seq}`)
  }
  for (const key of watched.keys()) if (!found.has(key)) violations.push(`the watch showed ${key}, which is not there`)
  return violations
}
