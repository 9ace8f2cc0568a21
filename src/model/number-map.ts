const CAPACITY_MIN = 16
/** What a burst has made larger than this does not stay so once the map is empty. */
const CAPACITY_KEPT_MAX = 1024

/**
 * A map from whole numbers, for what comes and goes with every request. A built-in `Map` links each of its outgrown tables to the next; once
 * a full collection has made one of them old, every entry ever put in after it survives until the next full collection, with all that hangs
 * on it: half of a client's short-lived objects were copied twice (bench/RESULTS.md). Here nothing outlives its removal.
 *
 * Open addressing with linear probing, at most half full; a removal closes the gap that it leaves. Keys are best consecutive: two that agree
 * in their low bits are neighbours. Order is none of insertion.
 */
export class NumberMap<V extends object> {
  #keys = new Float64Array(CAPACITY_MIN)
  /** Undefined = free. */
  #values: (V | undefined)[] = freeSlots(CAPACITY_MIN)
  #mask = CAPACITY_MIN - 1
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: number): V | undefined {
    return this.#values[this.#find(key)]
  }

  has(key: number): boolean {
    return this.#values[this.#find(key)] !== undefined
  }

  set(key: number, value: V): void {
    const at = this.#find(key)
    const isNew = this.#values[at] === undefined
    this.#keys[at] = key
    this.#values[at] = value
    if (isNew && ++this.#size * 2 > this.#mask) this.#resize((this.#mask + 1) * 2)
  }

  /** Removes a key; gives what it had, undefined if it was not there. */
  delete(key: number): V | undefined {
    let gap = this.#find(key)
    const removed = this.#values[gap]
    if (removed === undefined) return undefined
    const keys = this.#keys
    const values = this.#values
    const mask = this.#mask
    for (let at = (gap + 1) & mask; values[at] !== undefined; at = (at + 1) & mask) {
      // What is nearer to its own place than the gap is may not move there: it would not be found.
      const isBeforeItsPlace = ((at - keys[at]!) & mask) < ((at - gap) & mask)
      if (isBeforeItsPlace) continue
      keys[gap] = keys[at]!
      values[gap] = values[at]
      gap = at
    }
    values[gap] = undefined
    if (--this.#size === 0 && mask >= CAPACITY_KEPT_MAX) this.clear()
    return removed
  }

  /** All values, in no order. A copy: the map may change while it is gone through. */
  values(): V[] {
    return this.#values.filter(value => value !== undefined)
  }

  /** All keys and values, in no order. A copy. */
  entries(): [number, V][] {
    const all: [number, V][] = []
    for (const [at, value] of this.#values.entries()) if (value !== undefined) all.push([this.#keys[at]!, value])
    return all
  }

  clear(): void {
    this.#keys = new Float64Array(CAPACITY_MIN)
    this.#values = freeSlots(CAPACITY_MIN)
    this.#mask = CAPACITY_MIN - 1
    this.#size = 0
  }

  /** The slot of a key, or the free one where it would go. */
  #find(key: number): number {
    const mask = this.#mask
    const keys = this.#keys
    const values = this.#values
    let at = key & mask
    while (values[at] !== undefined && keys[at] !== key) at = (at + 1) & mask
    return at
  }

  #resize(capacity: number): void {
    const keys = this.#keys
    const values = this.#values
    this.#keys = new Float64Array(capacity)
    this.#values = freeSlots(capacity)
    this.#mask = capacity - 1
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      if (value === undefined) continue
      const at = this.#find(keys[i]!)
      this.#keys[at] = keys[i]!
      this.#values[at] = value
    }
  }
}

/** Filled, so that no slot is a hole. */
function freeSlots<V extends object>(capacity: number): (V | undefined)[] {
  const slots: (V | undefined)[] = []
  while (slots.length < capacity) slots.push(undefined)
  return slots
}
