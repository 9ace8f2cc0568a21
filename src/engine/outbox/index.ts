/** Events of a scope: emitted by transactions, read in the order of commits, removed where nobody needs them any more. */
export { compactStep, hasEvents, planCompaction, removeEvents } from './compaction.ts'
export { emitEvent } from './emit.ts'
export { decodeHead, decodeTopicCount, eventBytes, placeOf, putCompaction } from './event-record.ts'
export { readCompaction, readEventState } from './event-record.ts'
export type { EventPlace, TopicCount } from './event-record.ts'
export { EVENT_SCOPES_MAX, EventScan, EVENTS_BYTES_MAX } from './event-scan.ts'
export { noteProject, noteScope, noteTable } from './lifecycle.ts'
export { summarizeEvents } from './event-summary.ts'
