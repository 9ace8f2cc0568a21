import type { Value } from '../encoding/index.ts'
import type { Token } from './consistency.ts'
import type { View } from './database-reads.ts'
import type { TableShape } from './tables/index.ts'

/** What watches select and tell of. */

export interface WatchOptions {
  /** Resumes after this point (exclusive); absent = from now. */
  from?: Token
  /** Ends the iteration, without an error. */
  signal?: AbortSignal
}

export interface Change {
  key: Uint8Array
  kind: 'put' | 'delete' | 'expire'
  /** The new value; undefined for delete and expire. */
  value: Uint8Array | undefined
  seq: number
}

export type WatchEvent =
  /** All selected changes of one commit. */
  | { type: 'commit'; seq: number; token: Token; changes: readonly Change[] }
  /** Nothing selected happened up to here: a point to resume from. */
  | { type: 'progress'; seq: number; token: Token }
  /** What happened after `from` is no longer known: read the state from `view`, then the watch goes on after it. */
  | { type: 'reset'; seq: number; token: Token; view: View }

export interface TableWatchOptions<S extends TableShape> extends WatchOptions {
  /** Only rows whose key begins with these cells, given in the order of the key. */
  prefix?: Partial<Pick<S['row'], S['keyColumns'] & keyof S['row']>>
}

/** The cells of a primary key by name. */
export type KeyCells<S extends TableShape> = [S['keyColumns']] extends [never]
  ? Readonly<Record<string, Value>>
  : Pick<S['row'], S['keyColumns'] & keyof S['row']>

export interface RowChange<S extends TableShape> {
  /** Under a read policy a row that goes out of sight is deleted, and one that comes into it is put. */
  kind: Change['kind']
  key: KeyCells<S>
  /** The new row, with the columns that the table has when it is told; undefined for delete and expire. */
  row: S['row'] | undefined
  seq: number
}

export type TableWatchEvent<S extends TableShape> =
  /** All changes of watched rows in one commit, in the order in which they were made. */
  | { type: 'commit'; seq: number; token: Token; changes: readonly RowChange<S>[] }
  | Exclude<WatchEvent, { type: 'commit' }>
