import { END, PAUSE } from './work.ts'
import type { Pull, Work } from './work.ts'

/** Items that are sorted at once. */
const RUN_ITEMS = 256

/** A merge sort that gives way when the step of its work is over, and goes on in the next. Stable. */
export class SteppedSort<T> {
  readonly #work: Work
  readonly #compare: (a: T, b: T) => number
  #from: T[]
  #to: T[] = []
  /** Length of the runs that are sorted; 0 = none yet. */
  #run = 0
  /** Of the present pass: where the pair of runs begins, and what is taken from each. */
  #at = 0
  #left = 0
  #right = 0

  constructor(work: Work, items: T[], compare: (a: T, b: T) => number) {
    this.#work = work
    this.#from = items
    this.#compare = compare
  }

  /** After `END`. */
  get sorted(): readonly T[] {
    return this.#from
  }

  step(): Pull {
    for (;;) {
      if (this.#run === 0 ? !this.#sortRuns() : !this.#mergeRuns()) return PAUSE
      this.#run = this.#run === 0 ? RUN_ITEMS : 2 * this.#run
      this.#at = 0
      this.#left = 0
      this.#right = 0
      if (this.#run >= this.#from.length) return END
    }
  }

  /** False when the step is over. */
  #sortRuns(): boolean {
    const items = this.#from
    while (this.#at < items.length) {
      if (this.#work.isStepOver) return false
      const run = items.slice(this.#at, this.#at + RUN_ITEMS).sort(this.#compare)
      for (let i = 0; i < run.length; i++) {
        items[this.#at + i] = run[i]!
        this.#work.spend()
      }
      this.#at += RUN_ITEMS
    }
    return true
  }

  #mergeRuns(): boolean {
    const { length } = this.#from
    while (this.#at < length) {
      const middle = Math.min(this.#at + this.#run, length)
      const end = Math.min(middle + this.#run, length)
      while (this.#at + this.#left < middle || middle + this.#right < end) {
        if (this.#work.isStepOver) return false
        this.#work.spend()
        this.#to.push(this.#take(middle, end))
      }
      this.#at = end
      this.#left = 0
      this.#right = 0
    }
    this.#from = this.#to
    this.#to = []
    return true
  }

  #take(middle: number, end: number): T {
    const left = this.#at + this.#left
    const right = middle + this.#right
    const isLeft = right >= end || (left < middle && this.#compare(this.#from[left]!, this.#from[right]!) <= 0)
    if (isLeft) this.#left++
    else this.#right++
    return this.#from[isLeft ? left : right]!
  }
}
