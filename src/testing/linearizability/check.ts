import type { Model, Operation, Verdict } from './history.ts'

/**
 * Whether a history is linearizable: Wing and Gong's search (1993) with the memoisation of Lowe (2017), key by key, which is sound
 * because linearizability is local (Herlihy and Wing 1990). Operations with unknown outcome return at infinity and may also be left
 * out: what can follow some of them can follow fewer of them too, so that a set of placed operations is not looked at again with more
 * unknown ones in it. Bounded by steps, not by time, so that a verdict can be repeated.
 */

export interface CheckOptions {
  /** Operations tried, over all keys; default 5,000,000. */
  readonly maxSteps?: number
}

export const DEFAULT_MAX_STEPS = 5_000_000

export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  { maxSteps = DEFAULT_MAX_STEPS }: CheckOptions = {},
): Verdict {
  const byKey = new Map<string, Operation<Input, Output>[]>()
  for (const operation of history) {
    const { key, calledAt, returnedAt, output } = operation
    if (output !== undefined && !(returnedAt >= calledAt)) {
      throw new RangeError(`an operation on ${key} returned at ${returnedAt}, before its call at ${calledAt}`)
    }
    const operations = byKey.get(key)
    if (operations === undefined) byKey.set(key, [operation])
    else operations.push(operation)
  }
  let steps = 0
  for (const [key, operations] of byKey) {
    const search = new Search(model, operations, maxSteps - steps)
    const result = search.run()
    steps += search.steps
    if (result === 'linearizable') continue
    if (result === 'undecided') return { result, steps, key }
    return { result, steps, key, explanation: search.explain() }
  }
  return { result: 'linearizable', steps }
}

/** A beginning of an order: which operations are placed, and the state after them. */
interface Prefix<State> {
  readonly state: State
  /** Operations with known outcome, by their calls: all before `low` are placed, and those in `beyond` (ascending). */
  readonly low: number
  readonly beyond: readonly number[]
  /** One bit for each placed operation with unknown outcome. */
  readonly unknown: Uint32Array
  readonly unknownCount: number
  readonly parent: Prefix<State> | undefined
  readonly lastPlaced: Operation<unknown, unknown> | undefined
}

/**
 * Best first: prefixes with the fewest unknown operations are continued first, the longest of them before others. So each pair (known
 * operations placed, state) is met with its smallest sets of unknown ones first, and larger sets need no look.
 */
class Search<State, Input, Output> {
  steps = 0
  readonly #model: Model<State, Input, Output>
  readonly #known: readonly Operation<Input, Output>[]
  readonly #unknown: readonly Operation<Input, Output>[]
  readonly #maxSteps: number
  /** Prefixes to be continued, by their number of unknown operations; the last in is the first out. */
  readonly #open: Prefix<State>[][] = []
  readonly #seen = new Map<string, Uint32Array[]>()
  #best: Prefix<State> | undefined

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[], maxSteps: number) {
    const byCall = [...operations].sort((a, b) => a.calledAt - b.calledAt)
    this.#model = model
    this.#known = byCall.filter(operation => operation.output !== undefined)
    this.#unknown = byCall.filter(operation => operation.output === undefined)
    this.#maxSteps = maxSteps
  }

  run(): 'linearizable' | 'illegal' | 'undecided' {
    const unknown = new Uint32Array(Math.ceil(this.#unknown.length / 32))
    const start = { low: 0, beyond: [], unknown, unknownCount: 0, parent: undefined, lastPlaced: undefined }
    this.#open[0] = [{ ...start, state: this.#model.initial }]
    for (let count = 0; count <= this.#unknown.length; count++) {
      for (let prefix = this.#open[count]?.pop(); prefix !== undefined; prefix = this.#open[count]?.pop()) {
        if (prefix.low === this.#known.length) return 'linearizable'
        if (this.#best === undefined || placedKnown(prefix) > placedKnown(this.#best)) this.#best = prefix
        if (!this.#continue(prefix)) return 'undecided'
      }
    }
    return 'illegal'
  }

  /** Adds every prefix that is one operation longer; false when the steps are used up. */
  #continue(prefix: Prefix<State>): boolean {
    const { low, beyond, unknown } = prefix
    const firstReturn = this.#firstReturn(prefix)
    const isAfterUnknown = prefix.lastPlaced !== undefined && prefix.lastPlaced.output === undefined
    for (let index = 0; index < this.#unknown.length && this.#unknown[index]!.calledAt <= firstReturn; index++) {
      const mask = 1 << (index & 31)
      if ((unknown[index >> 5]! & mask) !== 0) continue
      const operation = this.#unknown[index]!
      if (isAfterUnknown && this.#model.isBlind?.(operation.input) === true) continue
      const next = this.#step(prefix, operation)
      if (next === 'exhausted') return false
      if (next === undefined) continue
      const more = unknown.slice()
      more[index >> 5]! |= mask
      this.#add({ ...next, low, beyond, unknown: more, unknownCount: prefix.unknownCount + 1 })
    }
    // The last added is continued first: the earliest call.
    for (let index = this.#lastCallBefore(low, firstReturn); index >= low; index--) {
      if (beyond.includes(index)) continue
      const next = this.#step(prefix, this.#known[index]!)
      if (next === 'exhausted') return false
      if (next !== undefined) this.#add({ ...next, ...placing(prefix, index) })
    }
    return true
  }

  /** When the first of the known operations that are not placed returned: whatever was called after it must come later. */
  #firstReturn({ low, beyond }: Prefix<State>): number {
    let first = Infinity
    for (let index = low; index < this.#known.length && this.#known[index]!.calledAt <= first; index++) {
      if (!beyond.includes(index)) first = Math.min(first, this.#known[index]!.returnedAt)
    }
    return first
  }

  /** Calls at the very time of a return may come before it: intervals that touch overlap, which only ever allows more. */
  #lastCallBefore(low: number, time: number): number {
    let index = low
    while (index + 1 < this.#known.length && this.#known[index + 1]!.calledAt <= time) index++
    return index
  }

  #step(
    prefix: Prefix<State>,
    operation: Operation<Input, Output>,
  ): Pick<Prefix<State>, 'state' | 'parent' | 'lastPlaced'> | 'exhausted' | undefined {
    if (++this.steps > this.#maxSteps) return 'exhausted'
    const next = this.#model.step(prefix.state, operation.input, operation.output)
    return next === undefined ? undefined : { state: next.state, parent: prefix, lastPlaced: operation }
  }

  /** Keeps the prefix unless one with the same known operations, the same state and no other unknown operations was met before. */
  #add(prefix: Prefix<State>): void {
    const { low, beyond, unknown, unknownCount } = prefix
    const id = `${low}:${beyond.join()}|${this.#model.describeState(prefix.state)}`
    const met = this.#seen.get(id)
    if (met === undefined) this.#seen.set(id, [unknown])
    else if (met.some(set => set.every((word, index) => (word & ~unknown[index]!) === 0))) return
    else met.push(unknown)
    const open = (this.#open[unknownCount] ??= [])
    open.push(prefix)
  }

  /** The longest order that could be found, and the operation that had to come next and could not. */
  explain(): string {
    const line = ({ input, output, calledAt, returnedAt }: Operation<Input, Output>): string => {
      const until = output === undefined ? 'unknown' : String(returnedAt)
      return `  [${calledAt}, ${until}] ${this.#model.describeOperation(input, output)}`
    }
    const best = this.#best
    if (best === undefined) return ''
    const order: string[] = []
    for (let at: Prefix<State> | undefined = best; at?.lastPlaced !== undefined && order.length < 20; at = at.parent) {
      order.unshift(line(at.lastPlaced as Operation<Input, Output>))
    }
    const firstReturn = this.#firstReturn(best)
    const blocked = this.#known.find(
      (operation, index) => index >= best.low && !best.beyond.includes(index) && operation.returnedAt === firstReturn,
    )
    const total = `${placedKnown(best)} of ${this.#known.length} answered operations`
    return [`longest order found (${total}; its end):`, ...order, 'no order explains:', line(blocked!)].join('\n')
  }
}

function placedKnown({ low, beyond }: { low: number; beyond: readonly number[] }): number {
  return low + beyond.length
}

/** The places of `prefix` and of the known operation `index`. */
function placing<State>(
  prefix: Prefix<State>,
  index: number,
): Pick<Prefix<State>, 'low' | 'beyond' | 'unknown' | 'unknownCount'> {
  const { unknown, unknownCount } = prefix
  let { low } = prefix
  const beyond = [...prefix.beyond, index].sort((a, b) => a - b)
  while (beyond[0] === low) {
    beyond.shift()
    low++
  }
  return { low, beyond, unknown, unknownCount }
}
