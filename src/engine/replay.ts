import { checkEntry } from '../encoding/index.ts'
import type { EntryBatch } from '../encoding/index.ts'
import { invariant } from '../model/index.ts'
import type { EntryApplier } from './entry-applier.ts'
import type { EffectLog } from './events/index.ts'
import { withLoading } from './record-store.ts'
import type { Slice } from './slice.ts'

/** Entries that are applied again to reach an older seq (`at_seq.max_replay_entries`). */
export const REPLAY_ENTRIES_MAX = 65_536
/**
 * So many entries, or bytes of entries, lie between two roots that are kept, and no more than one batch beyond: every seq of the window
 * can be reached (docs/adr/0008-old-roots.md).
 */
export const GAP_ENTRIES = 45_056
export const GAP_BYTES = 16_777_216
/** So many are asked for at a time. */
const PIECE_ENTRIES = 1_024

/** Log entries as whoever has the log reads them; rejects where it no longer reaches back so far. */
export type ReadEntries = (fromSeq: number, throughSeq: number) => Promise<EntryBatch>

/**
 * Applies the entries `fromSeq` to `throughSeq` again, in private: `applier` works on a store that nobody else sees. `onApplied` is called
 * after each entry, with its effects in `effects`, and begins the log of effects anew when it has seen enough. Gives the loop back whenever
 * `slice` is over: entries from memory would otherwise hold it to the end.
 */
export async function replay(
  applier: EntryApplier,
  fromSeq: number,
  throughSeq: number,
  entries: ReadEntries,
  slice: Slice,
  onApplied: (seq: number) => void,
): Promise<void> {
  for (let next = fromSeq; next <= throughSeq;) {
    const batch = await entries(next, Math.min(throughSeq, next + PIECE_ENTRIES - 1))
    const bytes = plainBytes(batch.bytes)
    invariant(batch.firstSeq === next && batch.lastSeq >= next, `entries ${next} to ${throughSeq} are not there`)
    for (let at = 0; at < bytes.length && next <= throughSeq; next++) {
      const start = at
      const end = at + checkEntry(bytes, at, bytes.length)
      const entry = next
      await withLoading(() => applier.applyEntry(entry, bytes, start, end))
      at = end
      onApplied(entry)
      if (slice.isOver) await slice.next()
    }
  }
}

/** Forgets the effects so far; the chain goes on. */
export function beginAgain(effects: EffectLog): void {
  effects.beginEpoch(effects.chain)
}

/** Layers copy with `slice`, which on a Buffer would not copy. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}
