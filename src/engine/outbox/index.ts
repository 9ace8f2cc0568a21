/** Events of a scope: emitted by transactions, read in the order of commits, removed where nobody needs them any more. */
export { compactionOf, compactStep, hasEvents, removeEvents } from './compaction.ts'
export { emitEvent } from './emit.ts'
export { decodeHead, placeOf, readEventState } from './event-record.ts'
export { EventScan, EVENTS_BYTES_MAX } from './event-scan.ts'
