import type { Cold } from './cold.ts'
import type { Cursor, Range } from './cursor.ts'
import type { RecordMetadata, RecordView } from './record.ts'

/** Reads that never wait: what is not in memory is answered by `Cold`, to be given to `Keyspace.load`. */
export interface Reader {
  get(key: Uint8Array): RecordView | undefined | Cold
  /** As `get` without the value's bytes; never cold because of a large value. */
  metadata(key: Uint8Array): RecordMetadata | undefined | Cold
  has(key: Uint8Array): boolean | Cold
  cursor(range: Range): Cursor
}
