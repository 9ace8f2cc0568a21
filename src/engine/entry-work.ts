import type { Catalog } from './catalog/index.ts'
import type { Changes } from './changes.ts'
import type { ClusterState } from './cluster-state.ts'
import type { EffectLog } from './events/index.ts'

/** What applying one entry works on; dropped whole if the entry is refused or meets a cold page. */
export interface EntryWork {
  seq: number
  /** The entry's leader time: the only time that apply knows. */
  timeMicros: number
  readonly changes: Changes
  /** Replaced, never changed, by what the entry does to it. */
  state: ClusterState
  /** The clone of the catalog that this entry changes, once it has one. */
  ownCatalog: Catalog | undefined
  readonly effects: EffectLog
  /** The earliest expiry of a KV key that this entry has written, us; Infinity = none. */
  earliestExpiryMicros: number
}
