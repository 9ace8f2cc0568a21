/** Slots at first; always a power of two, of which at most half are taken. */
const SLOTS_MIN = 64
/** More are not kept for the keys to come. */
const SLOTS_KEPT_MAX = 1_024

/** A number for each of many keys: open addressing over their bytes. hot path (bench/apply): nothing is allocated for a look. */
export class KeyTable {
  /** Index into `#keys`, plus one; 0 = free. */
  #slots: Int32Array = new Int32Array(SLOTS_MIN)
  /** The first `#count` are there. */
  readonly #keys: Uint8Array[] = []
  readonly #numbers: number[] = []
  #count = 0

  /** Forgets all keys. */
  clear(): void {
    if (this.#slots.length > SLOTS_KEPT_MAX) this.#slots = new Int32Array(SLOTS_MIN)
    else this.#slots.fill(0)
    this.#count = 0
    if (this.#keys.length > SLOTS_KEPT_MAX) this.#keys.length = this.#numbers.length = 0
  }

  /** -1 if the key is not there. */
  find(key: Uint8Array): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const at = slots[slot]! - 1
      if (at < 0) return -1
      if (equalKeys(this.#keys[at]!, key)) return this.#numbers[at]!
    }
  }

  /** The key must not be there yet, and must stay as it is. */
  add(key: Uint8Array, number: number): void {
    const at = this.#count++
    this.#keys[at] = key
    this.#numbers[at] = number
    if (this.#count * 2 <= this.#slots.length) return this.#place(at)
    this.#slots = new Int32Array(this.#slots.length * 4)
    for (let i = 0; i < this.#count; i++) this.#place(i)
  }

  #place(at: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hashOf(this.#keys[at]!) & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = at + 1
  }
}

/** hot path (bench/apply): from the end, because there neighbours differ. */
export function equalKeys(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a
  if (length !== b.length) return false
  for (let i = length - 1; i >= 0; i--) if (a[i] !== b[i]) return false
  return true
}

/** FNV-1a, its upper half folded in: neighbours in a table differ in their last bytes only. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}
