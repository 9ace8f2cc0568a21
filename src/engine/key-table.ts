import { equalBytes } from '../encoding/index.ts'

/** Slots at first; always a power of two, of which at most half are taken. */
const SLOTS_MIN = 64

/** A number for each of many keys: open addressing over their bytes. hot path (bench/apply): nothing is allocated for a look. */
export class KeyTable {
  /** Index into `#keys`, plus one; 0 = free. */
  #slots: Int32Array = new Int32Array(SLOTS_MIN)
  readonly #keys: Uint8Array[] = []
  readonly #numbers: number[] = []

  /** -1 if the key is not there. */
  find(key: Uint8Array): number {
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = hashOf(key) & mask; ; slot = (slot + 1) & mask) {
      const at = slots[slot]! - 1
      if (at < 0) return -1
      if (equalBytes(this.#keys[at]!, key)) return this.#numbers[at]!
    }
  }

  /** The key must not be there yet, and must stay as it is. */
  add(key: Uint8Array, number: number): void {
    this.#keys.push(key)
    this.#numbers.push(number)
    if (this.#keys.length * 2 <= this.#slots.length) return this.#place(this.#keys.length - 1)
    this.#slots = new Int32Array(this.#slots.length * 4)
    for (let at = 0; at < this.#keys.length; at++) this.#place(at)
  }

  #place(at: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hashOf(this.#keys[at]!) & mask
    while (slots[slot] !== 0) slot = (slot + 1) & mask
    slots[slot] = at + 1
  }
}

/** FNV-1a, its upper half folded in: neighbours in a table differ in their last bytes only. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}
