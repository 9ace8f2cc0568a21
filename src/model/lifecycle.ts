import type { RequestOptions, Token } from './consistency.ts'
import { QuorateError } from './errors.ts'
import type { EventData } from './reads.ts'

/** What happens to projects, scopes and tables: topics of the events in `_system`. */
export const LIFECYCLE_TYPES = [
  'projectCreated',
  'projectRenamed',
  'projectDropped',
  'scopeCreated',
  'scopeRenamed',
  'scopeDropped',
  'tableCreated',
  'tableRenamed',
  'tableAltered',
  'tableDropped',
] as const

export type LifecycleType = (typeof LIFECYCLE_TYPES)[number]

/** Something that has happened to a project, scope or table, emitted by the commit that did it. Names are those after it, or the last. */
export interface LifecycleEvent {
  /** Of the commit; of what ends in the background that of the tick. */
  seq: number
  /** Leader time of the commit, us. */
  timeMicros: number
  type: LifecycleType
  project: string
  projectId: number
  /** Of a scope or table. */
  scope?: string
  scopeId?: number
  table?: string
  tableId?: number
  /** The name before: of a `..Renamed`. */
  from?: string
  /**
   * Of `tableAltered`: the operation or alteration (`addColumn`, `createIndex`, `setReadPolicy`), or the job that has ended, as
   * `buildIndexCompleted` or `validateCheckFailed`.
   */
  change?: string
}

export interface LifecycleOptions {
  /** Only of this type. */
  type?: LifecycleType
  /** Only of this project, by its name at the time, and what is in it. */
  project?: string
}

export interface ReadLifecycleOptions extends RequestOptions {
  /** A seq, exclusive; default 0: from the oldest that is kept, in reverse from the newest. */
  after?: number
  /** From this seq on, and up to it: both inclusive. */
  fromSeq?: number
  toSeq?: number
  /** Leader times in us: from this one on, and before it. */
  fromMicros?: number
  toMicros?: number
  /** Events at most, unless one commit has more; default 256. */
  limit?: number
  reverse?: boolean
}

export interface LifecyclePage {
  /** Those of whole commits, in the order of commits and within one in the order in which it happened; in reverse the other way. */
  events: readonly LifecycleEvent[]
  /** There may be more: go on after `next`. */
  more: boolean
  next: number | undefined
  seq: number
  token: Token
  /** Lifecycle events up to this seq are removed; 0 = none. */
  removedThroughSeq: number
}

/**
 * What has happened to projects, scopes and tables, as far as the caller sees these in the catalog: who may do something in a project or
 * scope, or owns it or something in it, hears of it, and of a table who may use or change it. Of what is dropped hears who may administer the
 * database, or still has a permission there.
 */
export interface LifecycleReader {
  /** @throws QuorateError `invalid_argument`, `invalid_name` */
  read(options?: ReadLifecycleOptions): Promise<LifecyclePage>
}

export interface LifecycleStream extends LifecycleReader {
  /**
   * Every event after `after` (a seq, exclusive; 0 = from the oldest kept), those to come too, each once and in order; whoever keeps the seq of
   * the last one whose commit it has seen to the end goes on after it.
   * @throws QuorateError as `read`; `seq_unavailable` where events after `after` are removed before they were given out
   */
  follow(options?: { after?: number; signal?: AbortSignal }): AsyncIterable<LifecycleEvent>
}

/** @throws QuorateError `internal` for an event that the database has not made */
export function lifecycleEventOf({ seq, timeMicros, topic, payload }: EventData): LifecycleEvent {
  const type = LIFECYCLE_TYPES.find(known => known === topic)
  if (type === undefined) throw new QuorateError('internal', `no lifecycle event: ${topic.slice(0, 80)}`)
  return { seq, timeMicros, type, ...(JSON.parse(payload) as Omit<LifecycleEvent, 'seq' | 'timeMicros' | 'type'>) }
}
