import { compareBytes } from '../encoding/index.ts'

/** A run above this is split. */
const RUN_MAX = 256

/** Keys in order, each once: short runs, so that adding one moves few others however many there are. */
export class KeyOrder {
  /** No run is empty. */
  readonly #runs: Uint8Array[][] = []

  /** The key must not be there yet. */
  add(key: Uint8Array): void {
    const runs = this.#runs
    if (runs.length === 0) {
      runs.push([key])
      return
    }
    const at = Math.max(0, this.#runsUpTo(key) - 1)
    const run = runs[at]!
    run.splice(countBelow(run, key), 0, key)
    if (run.length > RUN_MAX) runs.splice(at + 1, 0, run.splice(RUN_MAX >> 1))
  }

  /** The keys of [start, end), in a new array; `end` undefined = to the last. */
  range(start: Uint8Array, end: Uint8Array | undefined): Uint8Array[] {
    const found: Uint8Array[] = []
    const runs = this.#runs
    for (let at = Math.max(0, this.#runsUpTo(start) - 1); at < runs.length; at++) {
      const run = runs[at]!
      for (let i = countBelow(run, start); i < run.length; i++) {
        const key = run[i]!
        if (end !== undefined && compareBytes(key, end) >= 0) return found
        found.push(key)
      }
    }
    return found
  }

  /** How many runs begin at `key` or before it. */
  #runsUpTo(key: Uint8Array): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareBytes(this.#runs[middle]![0]!, key) <= 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** How many keys of the run are less than `key`. */
function countBelow(run: readonly Uint8Array[], key: Uint8Array): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (compareBytes(run[middle]!, key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
