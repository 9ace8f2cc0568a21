import type { Cold } from './cold.ts'
import type { Cursor, Range } from './cursor.ts'
import type { RecordMetadata, RecordRef, RecordView } from './record.ts'
import type { SpaceUsage } from './spaces.ts'

/** Reads that never wait: what is not in memory is answered by `Cold`, to be given to `Keyspace.load`. */
export interface Reader {
  get(key: Uint8Array): RecordView | undefined | Cold
  /** As `get` without the value's bytes; never cold because of a large value. */
  metadata(key: Uint8Array): RecordMetadata | undefined | Cold
  /** As `get` where the record lies, valid until anything else of the keyspace is called; of a large value the pointer only. */
  peek?(key: Uint8Array, length?: number): RecordRef | undefined | Cold
  /** What a space holds, given by the prefix of its keys. */
  usage(space: Uint8Array): SpaceUsage
  has(key: Uint8Array): boolean | Cold
  cursor(range: Range): Cursor
}
