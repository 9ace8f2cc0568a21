import { checkLinearizable } from '../linearizability/check.ts'
import type { Operation } from '../linearizability/history.ts'
import { counterModel, registerModel } from '../linearizability/models.ts'
import type { CounterInput, CounterOutput, RegisterInput, RegisterOutput } from '../linearizability/models.ts'
import { Violation } from './trace.ts'

/** Steps of the checker per seed: beyond them a history counts as undecided, which is reported and not a failure. */
const STEPS_MAX = 300_000

/** What clients saw of registers and counters, and what was acknowledged when. */
export class History {
  readonly registers: Operation<RegisterInput, RegisterOutput>[] = []
  readonly counters: Operation<CounterInput, CounterOutput>[] = []
  readonly #floors: { readonly atMs: number; readonly seq: number }[] = [{ atMs: 0, seq: 0 }]
  undecided = 0

  /** The newest seq that some client was told of: whoever begins now must see it. */
  get floor(): number {
    return this.#floors.at(-1)!.seq
  }

  /** What everybody could know at `atMs`. */
  floorAt(atMs: number): number {
    let at = this.#floors.length - 1
    while (at > 0 && this.#floors[at]!.atMs > atMs) at--
    return this.#floors[at]!.seq
  }

  /** A client was told of `seq`: by an acknowledgement, or by a read that may be relied on. */
  told(atMs: number, seq: number): void {
    if (seq > this.floor) this.#floors.push({ atMs, seq })
  }

  check(): void {
    for (const verdict of [
      checkLinearizable(registerModel, this.registers, { maxSteps: STEPS_MAX }),
      checkLinearizable(counterModel, this.counters, { maxSteps: STEPS_MAX }),
    ]) {
      if (verdict.result === 'illegal') throw new Violation(`not linearizable: ${verdict.key}\n${verdict.explanation}`)
      if (verdict.result === 'undecided') this.undecided++
    }
  }
}
