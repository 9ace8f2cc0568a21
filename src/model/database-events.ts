import type { CommitResult } from './commit-result.ts'
import type { RequestOptions, Token } from './consistency.ts'
import type { EventCompaction, EventCondition, EventData, EventsSummary } from './reads.ts'

/** What is emitted: `payload` is JSON text, the topic a name, the key not blank. */
export interface NewEvent {
  topic: string
  key: string
  payload: string
}

export interface EventsOptions {
  /** Default `app`. */
  scope?: string
  /** Only events of this topic. */
  topic?: string
}

export interface EventPage {
  /** Those of whole commits, in the order of commits and within one in the order in which they were emitted; in reverse the other way. */
  events: readonly EventData[]
  /** There may be more: go on after `next`. */
  more: boolean
  /** `after` of the next page; undefined without `more`. A page that looked at much and found little may have no events and yet a next one. */
  next: number | undefined
  /** Of the state that was read. Without `more` nothing lies between the last event and it. */
  seq: number
  token: Token
  /** Events up to this seq are removed (`compactEvents`); 0 = none. Whoever goes on after an earlier seq may have missed some. */
  removedThroughSeq: number
}

/** Which events are wanted: those for which all that is given holds. Key, topic, seqs and times are found by order; payloads are looked at. */
export interface EventSelection {
  /** Only events of exactly this key. */
  key?: string
  /** From this seq on, and up to it: both inclusive. */
  fromSeq?: number
  toSeq?: number
  /** Leader times in us: from this one on, and before it. */
  fromMicros?: number
  toMicros?: number
  /** What payloads have, by JSON pointer (RFC 6901): `{ '/customer/id': 17 }`. At most 16. */
  where?: Readonly<Record<string, EventCondition['equals']>>
}

export interface ReadEventsOptions extends RequestOptions, EventSelection {
  /** A seq, exclusive; default 0: from the oldest that is kept, in reverse from the newest. */
  after?: number
  /** Events at most, unless one commit has more; default 256. */
  limit?: number
  reverse?: boolean
}

export interface FollowEventsOptions extends Pick<EventSelection, 'key' | 'where'> {
  /** A seq, exclusive; default 0: from the oldest that is kept. */
  after?: number
  /** Ends the iteration, without an error. */
  signal?: AbortSignal
}

export interface SummaryOptions extends RequestOptions {
  /** Only topics after this one, by name. */
  afterTopic?: string
  /** Topics at most; default 100, the most is 1,000. */
  topics?: number
}

export interface EventSummary extends EventsSummary {
  /** Of the state that was read. */
  seq: number
  token: Token
}

/** What one commit has emitted. */
export interface CommitEvents {
  /** In the order of scopes by name, each with its place. */
  events: readonly EventData[]
  /** There may have been more: in a scope that the caller may read, events up to this commit or further are removed. */
  mayBeRemoved: boolean
}

/** Events of some state. Reading takes the permission to read all keys of their scope. */
export interface EventQuery {
  /**
   * One page. @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied`, `invalid_argument`, `invalid_name`,
   * `scan_bound_exceeded` for more than 10,000 scopes
   */
  read(options?: ReadEventsOptions): Promise<EventPage>
  /** The newest `count` events that fit, the newest first. @throws QuorateError as `read` */
  latest(count: number, options?: RequestOptions & EventSelection): Promise<readonly EventData[]>
}

/** The events of a scope, or of one topic in it, as of some state. */
export interface EventReader extends EventQuery {
  /**
   * How many there are, of which topics, from when to when, and how far they are removed: counted, not looked at.
   * @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied`, `invalid_argument`, `invalid_name`
   */
  summary(options?: SummaryOptions): Promise<EventSummary>
}

export interface CompactOptions extends RequestOptions {
  /** Events that are younger stay. */
  maxAgeMs?: number
  /** So many of the newest stay. */
  keepLast?: number
  /** At most so many go, but never fewer than those of one commit; what else the bounds let go is `left`. */
  maxEvents?: number
}

/** What a compaction removes. Without anything to remove its numbers are 0. */
export interface CompactionReport extends EventCompaction {
  /** Of the commit, that of a compaction without anything to remove too. */
  token: Token
  /** Up to this seq events were removed when the report was made; 0 = none. */
  removedThroughSeq: number
}

/** The events of the newest state, and those to come. Emitting takes the permission to write all keys of the scope. */
export interface EventStream extends EventReader {
  /**
   * Every event after `after`, those to come too, each once and in order; whoever keeps the seq of the last one whose commit it has seen
   * to the end goes on after it.
   * @throws QuorateError as `read`; `seq_unavailable` where events after `after` are removed before they were given out
   */
  follow(options?: FollowEventsOptions): AsyncIterable<EventData>
  /**
   * Emits events in one commit; together with other changes they are `emitEvent` mutations, or `Transaction.emit`.
   * @throws QuorateError `invalid_name`, `invalid_argument`, `value_too_large`, `key_too_large`, `permission_denied`
   */
  emit(events: NewEvent | readonly NewEvent[], options?: RequestOptions): Promise<CommitResult>
  /**
   * Removes the oldest events of the scope, of all topics, that every bound given allows to go; without `maxAgeMs` or `keepLast` none does.
   * Which ones is decided when it commits, and told here; they are removed in the background (`waitForJobs`). It takes the permission to
   * administer the project. @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied`, `invalid_argument`
   */
  compact(options?: CompactOptions): Promise<CompactionReport>
}
