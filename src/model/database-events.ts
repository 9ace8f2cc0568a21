import type { CommitResult } from './commit-result.ts'
import type { RequestOptions, Token } from './consistency.ts'
import type { EventData } from './reads.ts'

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
  /** There are more: go on after the last one's seq. */
  more: boolean
  /** Of the state that was read. Without `more` nothing lies between the last event and it. */
  seq: number
  token: Token
  /** Events up to this seq are removed (`compactEvents`); 0 = none. Whoever goes on after an earlier seq may have missed some. */
  removedThroughSeq: number
}

export interface ReadEventsOptions extends RequestOptions {
  /** A seq, exclusive; default 0: from the oldest that is kept, in reverse from the newest. */
  after?: number
  /** Events at most, unless one commit has more; default 256. */
  limit?: number
  reverse?: boolean
}

export interface FollowEventsOptions {
  /** A seq, exclusive; default 0: from the oldest that is kept. */
  after?: number
  /** Ends the iteration, without an error. */
  signal?: AbortSignal
}

/** The events of a scope, or of one topic in it, as of some state. Reading takes the permission to read all keys of the scope. */
export interface EventReader {
  /**
   * One page. @throws QuorateError `project_not_found`, `scope_not_found`, `permission_denied`, `invalid_argument`, `invalid_name`
   */
  read(options?: ReadEventsOptions): Promise<EventPage>
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
}
