import { compareBytes } from '../../encoding/index.ts'
import type { ScanRange } from './scan-range.ts'

/** A write of a transaction that is not committed yet. */
export interface OwnWrite {
  readonly key: Uint8Array
  /** Undefined = the key is deleted. */
  readonly value: Uint8Array | undefined
  readonly ttlMs: number | undefined
  /** Place among the transaction's mutations. */
  readonly position: number
}

/** Key bytes as a map key: one character per byte. */
export function mapKey(key: Uint8Array): string {
  let text = ''
  for (const byte of key) text += String.fromCharCode(byte)
  return text
}

/** A transaction's own writes in one scope: what its reads see before the view. The last write of a key counts. */
export class OwnWrites {
  readonly #byKey = new Map<string, OwnWrite>()
  #sorted: OwnWrite[] | undefined

  find(id: string): OwnWrite | undefined {
    return this.#byKey.get(id)
  }

  put(id: string, write: OwnWrite): void {
    this.#byKey.set(id, write)
    this.#sorted = undefined
  }

  get all(): Iterable<OwnWrite> {
    return this.#byKey.values()
  }

  /** The writes within `range`, in its direction; later writes do not change the answer. */
  within(range: ScanRange): readonly OwnWrite[] {
    if (this.#byKey.size === 0) return []
    this.#sorted ??= [...this.#byKey.values()].sort((a, b) => compareBytes(a.key, b.key))
    const { start, end, reverse } = range
    const inside = this.#sorted.filter(
      ({ key }) =>
        (start === undefined || compareBytes(key, start) >= 0) && (end === undefined || compareBytes(key, end) < 0),
    )
    return reverse ? inside.reverse() : inside
  }
}
