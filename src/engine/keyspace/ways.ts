import { DEPTH_MAX } from './layout.ts'

const WAYS = 32
/** Longer keys are not remembered. */
const KEY_BYTES_MAX = 128

/**
 * The last ways down the writer's tree, by key: what was read, then prepared, is put without searching again, and the slot of a
 * session is found where it was an entry ago. A way is which child to take in each branch; it holds while no branch gains or
 * loses a child (`structure`), wherever the pages themselves are copied, evicted or loaded to. The place within the leaf holds
 * while no leaf gains or loses a cell (`cells`). One key has one place here, which the next key of the same hash takes over.
 */
export class Ways {
  readonly index: Int32Array = new Int32Array(WAYS * DEPTH_MAX)
  readonly #keys: Uint8Array = new Uint8Array(WAYS * KEY_BYTES_MAX)
  readonly #keyBytes: Int32Array = new Int32Array(WAYS).fill(-1)
  readonly #depth: Int32Array = new Int32Array(WAYS)
  readonly #found: Int32Array = new Int32Array(WAYS)
  readonly #structure: Float64Array = new Float64Array(WAYS).fill(-1)
  readonly #cells: Float64Array = new Float64Array(WAYS).fill(-1)

  /** hot path: where a key is remembered. */
  slotOf(key: Uint8Array): number {
    const { length } = key
    if (length < 2) return length
    return (key[length - 1]! ^ (key[length - 2]! * 3) ^ (key[0]! * 5) ^ (length * 7)) & (WAYS - 1)
  }

  /** hot path: the depth of the leaf of `key`, or -1 if the way there is not known. */
  depthOf(slot: number, key: Uint8Array, structure: number): number {
    const { length } = key
    if (this.#keyBytes[slot] !== length || this.#structure[slot] !== structure) return -1
    const keys = this.#keys
    const at = slot * KEY_BYTES_MAX
    // From the end: there keys differ.
    for (let i = length - 1; i >= 0; i--) if (keys[at + i] !== key[i]) return -1
    return this.#depth[slot]!
  }

  /** False if the key is too long to be remembered. */
  remember(slot: number, key: Uint8Array, depth: number, index: Int32Array, structure: number): boolean {
    const { length } = key
    if (length > KEY_BYTES_MAX) return false
    const keys = this.#keys
    const at = slot * KEY_BYTES_MAX
    for (let i = 0; i < length; i++) keys[at + i] = key[i]!
    this.#keyBytes[slot] = length
    this.#depth[slot] = depth
    this.#structure[slot] = structure
    this.#cells[slot] = -1
    const ways = this.index
    for (let d = 0; d < depth; d++) ways[slot * DEPTH_MAX + d] = index[d]!
    return true
  }

  /** Whether a known way of `known` branches ends at the leaf to which `index` leads. */
  leadsTo(slot: number, known: number, index: Int32Array, depth: number): boolean {
    if (known !== depth) return false
    const ways = this.index
    for (let d = depth - 1; d >= 0; d--) if (ways[slot * DEPTH_MAX + d] !== index[d]) return false
    return true
  }

  /** Whether `foundAt` still is what searching the leaf would give. */
  hasFound(slot: number, cells: number): boolean {
    return this.#cells[slot] === cells
  }

  foundAt(slot: number): number {
    return this.#found[slot]!
  }

  /** Only for the key that `depthOf` or `remember` was just called with. */
  keepFound(slot: number, found: number, cells: number): void {
    this.#found[slot] = found
    this.#cells[slot] = cells
  }
}
