import type { ClusterSettings } from '../model/index.ts'
import { DEFAULT_SETTINGS } from '../model/index.ts'
import { readU64, writeU64 } from '../encoding/index.ts'
import { Access } from './access/index.ts'
import { Catalog, FIRST_COUNTERS, loadCounters, loadSettings } from './catalog/index.ts'
import type { Counters } from './catalog/index.ts'
import type { Changes } from './changes.ts'
import { loadJobs } from './jobs.ts'
import type { Job } from './jobs.ts'
import { SESSION_FLOOR_KEY } from './layers.ts'
import type { RecordReader } from './record-store.ts'

/**
 * The small replicated state that every entry looks at, in memory beside the records that it mirrors. Immutable: an entry that
 * changes it replaces fields of its own copy, which becomes the state when the entry is applied, and views keep the one of their
 * root.
 */
export interface ClusterState {
  readonly catalog: Catalog
  readonly access: Access
  readonly settings: ClusterSettings
  readonly counters: Counters
  /** No session ends before this leader time (us); set by each term's first entry. */
  readonly sessionFloorMicros: number
  readonly jobs: readonly Job[]
}

const NOTHING: ClusterState = {
  catalog: Catalog.empty(),
  access: Access.empty(),
  settings: DEFAULT_SETTINGS,
  counters: FIRST_COUNTERS,
  sessionFloorMicros: 0,
  jobs: [],
}

export const EMPTY_STATE: ClusterState = changedState(NOTHING, {})

/**
 * A state that differs in some fields. hot paths read states: all of them are made by the one literal here, so that they have one shape
 * (a spread gives another one, and code that was compiled for states of the one kind would be thrown away at the first of the other).
 */
export function changedState(
  state: ClusterState,
  {
    catalog = state.catalog,
    access = state.access,
    settings = state.settings,
    counters = state.counters,
    sessionFloorMicros = state.sessionFloorMicros,
    jobs = state.jobs,
  }: Partial<ClusterState>,
): ClusterState {
  return { catalog, access, settings, counters, sessionFloorMicros, jobs }
}

/** Throws `ColdPages`. */
export function loadClusterState(reader: RecordReader): ClusterState {
  const floor = reader.get(SESSION_FLOOR_KEY)
  return changedState(EMPTY_STATE, {
    catalog: Catalog.load(reader),
    access: Access.load(reader),
    settings: loadSettings(reader),
    counters: loadCounters(reader),
    sessionFloorMicros: floor === undefined ? 0 : readU64(floor.value, 0),
    jobs: loadJobs(reader),
  })
}

export function putSessionFloor(changes: Changes, floorMicros: number): void {
  const bytes = new Uint8Array(8)
  writeU64(bytes, 0, floorMicros)
  changes.put(SESSION_FLOOR_KEY, bytes, changes.metadata(SESSION_FLOOR_KEY)?.createdSeq)
}
