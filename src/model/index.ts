/** What everybody speaks: the Database surface, errors, consistency, settings, and the StateMachine that a sequencer drives. */
export * from './audit.ts'
export * from './client-wire/index.ts'
export { orderDdl } from './ddl/order.ts'
export type { ReferringTable } from './ddl/order.ts'
export * from './consistency.ts'
export * from './database-events.ts'
export type * from './database-head.ts'
export type * from './database-jobs.ts'
export type * from './database-preflight.ts'
export * from './database.ts'
export { DurationHistogram } from './duration-histogram.ts'
export type { DurationSummary } from './duration-histogram.ts'
export * from './errors.ts'
export * from './http-status.ts'
export { LatencyHistogram } from './latency-histogram.ts'
export * from './layers/index.ts'
export * from './lifecycle.ts'
export * from './links.ts'
export { bytesCodec, integerCodec, jsonCodec, textCodec } from './facade/codecs.ts'
export { createDatabase } from './facade/create-database.ts'
export type { DatabaseDetails } from './facade/create-database.ts'
export { jobsRequest } from './facade/jobs.ts'
export { commitResult, refusalError } from './facade/outcome-result.ts'
export type { HeldLock, LockKey, LockOptions, LockScope } from './locks/lock-scope.ts'
export * from './copying/index.ts'
export * from './migrations/index.ts'
export * from './names.ts'
export { NumberMap } from './number-map.ts'
export { PinnedView } from './pinned-view.ts'
export { checkedQuery, queryFromJson } from './query-data.ts'
export * from './query-plan.ts'
export * from './query.ts'
export * from './query-cursor.ts'
export * from './reads.ts'
export * from './request-content.ts'
export * from './running-requests.ts'
export * from './slow-requests.ts'
export * from './service.ts'
export * from './settings.ts'
export * from './state-machine.ts'
export * from './state-view.ts'
export { VERSION } from './version.ts'
export * from './database-table-writes.ts'
export * from './database-tables.ts'
export {
  add,
  addProposed,
  and,
  blob,
  boolean,
  CALLER,
  coalesce,
  column,
  ColumnReference,
  ColumnUpdate,
  ComputedValue,
  copyOf,
  createTable,
  defineTable,
  float,
  from,
  i256,
  integer,
  json,
  not,
  or,
  proposed,
  QueryBuilder,
  QueryFrom,
  subtract,
  TableColumn,
  text,
  timestamp,
  u256,
  u64,
  u8,
} from './tables/index.ts'
export type {
  Aggregate,
  Aggregates,
  BuiltQuery,
  ColumnMap,
  ColumnParts,
  Condition,
  IntegerOptions,
  JoinColumns,
  JoinedFrom,
  KeyOf,
  NewRowOf,
  PlainColumn,
  QuerySource,
  References,
  RowOf,
  Scalar,
  ShapeOf,
  TableDefinition,
  TableOptions,
  TableShape,
  UntypedShape,
} from './tables/index.ts'
export { watchedBytes, watchState } from './watch-iterable.ts'
export type { WatchSource } from './watch-iterable.ts'
export { isOtherPage } from './web-page.ts'
export type { PageHeaders } from './web-page.ts'
