import type { ColumnType, Expr, Permission, ReadSet, Row, TableDefinitionData, Value } from '../encoding/index.ts'
import type { AuditPage } from './audit.ts'
import type { QueryDiagnostics, QueryPlan } from './query-plan.ts'
import type { QueryData, QueryResult } from './query.ts'

/** A key's record as readers see it. */
export interface KvEntry {
  key: Uint8Array
  value: Uint8Array
  /** Seq of the last change. */
  seq: number
  /** Seq of the change that created the key. */
  createdSeq: number
  /** Leader time in us from which the key no longer exists; undefined = never. */
  expiresAtMicros: number | undefined
}

/** `delegable`: the caller may grant the same permission to others. */
export interface CallerGrant {
  caller: string
  permission: Permission
  delegable?: boolean
}

/** A project or a scope. */
export interface NamedPlace {
  name: string
  id: number
  /** Leader time of the transaction that created it, us; 0 = not known: of a version that did not note it. */
  createdAtMicros: number
  /** Caller; absent = nobody. */
  owner?: string
}

/** What a project may hold at most; absent = any number. */
export interface Quota {
  /** As `ProjectUsage.bytes`. */
  readonly bytes?: number
  /** Keys and rows. */
  readonly records?: number
}

/** What a project holds, exactly. What has expired counts until a tick has removed it; what is dropped does not count any more. */
export interface ProjectUsage extends NamedPlace {
  readonly keys: number
  readonly rows: number
  readonly events: number
  /** Of keys, rows, index entries and events as they are stored, without what storage adds (versions, pages, checksums). */
  readonly bytes: number
  readonly quota: Quota
}

/** What a project holds, and what a node has done for it since it began. */
export interface ProjectFigures extends ProjectUsage {
  /** Transactions that changed it last of all projects that they changed, as applied here. */
  readonly committed: number
  readonly refused: number
  /** Reads, but those of an embedded database that copy nothing. */
  readonly reads: number
}

/** A row as readers see it; its cells are in the order of the columns that come with it. */
export interface RowEntryData {
  cells: readonly Value[]
  /** Seq of the last change. */
  seq: number
  /** Seq of the change that created the row. */
  createdSeq: number
  /** Leader time in us from which the row no longer exists; undefined = never. */
  expiresAtMicros: number | undefined
}

export interface TableDescription {
  name: string
  id: number
  /** '' = nobody's. */
  owner: string
  /** As `createTable` would take it now. */
  definition: TableDefinitionData
  readPolicy?: Expr
  /** How many rows the table has in the view; absent for callers who may not see all of them. */
  rows?: number
  /** An index that is not ready is still being built: queries do not use it. */
  indexes: readonly { name: string; isReady: boolean }[]
  /** The last builds and validations that existing rows refused; none for callers who may not see all rows. */
  failures: readonly { name: string; message: string; seq: number }[]
}

/** An event that a transaction has emitted. */
export interface EventData {
  /** Of the commit. */
  seq: number
  /** Leader time of the commit, us. */
  timeMicros: number
  topic: string
  key: string
  /** JSON text. */
  payload: string
  /** Where it was emitted; absent where only one scope was asked for. */
  project?: string
  scope?: string
}

/** What a payload has at a place. */
export interface EventCondition {
  /** A JSON pointer (RFC 6901): `/customer/id`, empty = the whole payload. */
  pointer: string
  /** Numbers are compared as JavaScript has them. */
  equals: string | number | boolean | null
}

/** A commit that has emitted events. */
export interface EventPoint {
  seq: number
  /** Leader time, us. */
  timeMicros: number
}

/** What a compaction removes. */
export interface EventCompaction {
  /** Of the commit that asked for it. */
  seq: number
  /** How many events go; they are removed in the background, the oldest first. */
  events: number
  /** Of the first and of the last of them. */
  fromSeq: number
  throughSeq: number
  /** How many more its bounds would let go, were it not for `maxEvents`. */
  left: number
  /** All of them are removed. */
  isDone: boolean
}

export interface TopicSummary {
  topic: string
  events: number
  /** As `EventsSummary.bytes`. */
  bytes: number
  firstSeq: number
  last: EventPoint
}

/** What there is of the events of a scope, counted as they come and go. */
export interface EventsSummary {
  /** Those that are there. */
  events: number
  /** Of their topics, keys and payloads. */
  bytes: number
  /** How many were there and are removed. */
  removed: number
  /** Events up to this seq are removed; 0 = none. */
  removedThroughSeq: number
  /** Absent where there is no event. */
  first?: EventPoint
  last?: EventPoint
  /** The last that has found something to remove. */
  compaction?: EventCompaction
  /** By name; of a stream of one topic that topic, if it has events. */
  topics: readonly TopicSummary[]
  /** There are more topics after the last of these. */
  moreTopics: boolean
}

export const JOB_KINDS = [
  'buildIndex',
  'validateNotNull',
  'validateCheck',
  'validateForeignKey',
  'removeScope',
  'removeRows',
  'removeIndex',
  'removeEvents',
  'compactEvents',
] as const

/** Work that the database does in the background, in small steps, the oldest first. */
export interface JobData {
  /** Never used again. */
  id: string
  /** Of the transaction that has made it. */
  seq: number
  kind: (typeof JOB_KINDS)[number]
  /** What it is about; absent where that is dropped already. */
  project?: string
  scope?: string
  table?: string
  /** The index, check, foreign key or column. */
  name?: string
  /** Rows that it has come by; absent for removals and for callers who may not see all rows. */
  done?: number
  /** About how many records are left. */
  left?: number
}

/** What can be asked of a view; the same through every door. */
export type ReadRequest =
  | { type: 'get'; project: string; scope: string; keys: readonly Uint8Array[] }
  | {
      type: 'scan'
      project: string
      scope: string
      /** Inclusive; absent = from the first key. */
      start?: Uint8Array
      /** Exclusive; absent = to the last key. */
      end?: Uint8Array
      reverse?: boolean
      /** Records at most; the answer may hold fewer and still have more to come. */
      limit: number
      keysOnly?: boolean
    }
  | { type: 'projects' }
  | { type: 'scopes'; project: string }
  /** How many keys a scope has. */
  | { type: 'count'; project: string; scope: string }
  | { type: 'settings' }
  /** What a project holds, or each that the caller may ask about: owner, administrator of the project, or of the database. */
  | { type: 'usage'; project?: string }
  | { type: 'grants'; caller?: string }
  /**
   * Events of a scope in the order of commits, `afterSeq` exclusive; in reverse those before it, 0 = from the newest. A page has whole
   * commits: at most `limit` events, but never fewer than those of one commit. Without a scope the events of all scopes of the project,
   * without a project of all, as far as the caller may read them.
   */
  | {
      type: 'events'
      project?: string
      scope?: string
      /** Only of this topic. */
      topic?: string
      /** Only of this key. */
      key?: string
      /** Inclusive, both. */
      fromSeq?: number
      toSeq?: number
      /** Leader times in us: from inclusive, to exclusive. */
      fromMicros?: number
      toMicros?: number
      /** What payloads have, all of it. */
      where?: readonly EventCondition[]
      afterSeq: number
      limit: number
      reverse?: boolean
    }
  /** `topics` at most, by name, those after `afterTopic`. */
  | {
      type: 'eventSummary'
      project: string
      scope: string
      /** Only this one is told of. */
      topic?: string
      afterTopic?: string
      topics: number
    }
  /** The recorded outcome of a request, while its session lives. */
  | { type: 'outcome'; session: number; serial: number }
  /** `readSet`: also what a transaction that rests on the answer must find unchanged. `diagnostics`: also what each of its stages did. */
  | { type: 'query'; query: QueryData; readSet?: boolean; diagnostics?: boolean }
  /** How the query would be run. */
  | { type: 'explain'; query: QueryData }
  /** Rows by the cells of their primary keys. */
  | { type: 'rows'; project: string; scope: string; table: string; keys: readonly Row[]; readSet?: boolean }
  /** The tables of a scope by name, or one of them. */
  | { type: 'tables'; project: string; scope: string; table?: string }
  /** The jobs that are not done, the oldest first: all, or those of a place. */
  | { type: 'jobs'; project?: string; scope?: string; table?: string }
  /** The newest audit rows below `beforeSeq` (0 = all), newest first, whole entries: takes the admin permission. */
  | { type: 'audit'; beforeSeq: number; limit: number }
  /** What a transaction (its binary form) would do if it were applied now. */
  | { type: 'preflight'; envelope: Uint8Array }

export type ReadResult =
  | { type: 'get'; entries: readonly (KvEntry | undefined)[] }
  /** `more`: the scan stopped at `limit` or a page bound before the end of the range; go on after the last key. */
  | { type: 'scan'; entries: readonly KvEntry[]; more: boolean }
  | { type: 'projects'; projects: readonly NamedPlace[] }
  | { type: 'scopes'; scopes: readonly NamedPlace[] }
  /** By name. */
  | { type: 'usage'; projects: readonly ProjectUsage[] }
  | { type: 'count'; keys: number }
  | { type: 'settings'; settings: Readonly<Record<string, number>> }
  | { type: 'grants'; grants: readonly CallerGrant[] }
  /** There may be more after `nextSeq` (0 = there is no more), also where there are no events. What lies up to `removedThroughSeq` is removed. */
  | { type: 'events'; events: readonly EventData[]; nextSeq: number; removedThroughSeq: number }
  | { type: 'eventSummary'; summary: EventsSummary }
  /** `unknown`: nothing is recorded (never applied, trimmed, or the session has ended, which `sessionEnded` tells). */
  | { type: 'outcome'; outcome: Uint8Array | undefined; sessionEnded: boolean }
  | { type: 'query'; result: QueryResult; readSet?: ReadSet; diagnostics?: QueryDiagnostics }
  | { type: 'explain'; plan: QueryPlan }
  /** As many rows as keys; undefined = absent, or hidden by the read policy. `columns` are all of the table. */
  | {
      type: 'rows'
      columns: readonly string[]
      types: readonly ColumnType[]
      rows: readonly (RowEntryData | undefined)[]
      readSet?: ReadSet
    }
  | { type: 'tables'; tables: readonly TableDescription[] }
  | { type: 'jobs'; jobs: readonly JobData[] }
  | ({ type: 'audit' } & AuditPage)
  /**
   * `outcome` (encoding/outcome.ts) as it would be recorded, with the seq of the view. How many rows and keys would change, and events be
   * emitted, as far as the caller may hear of them. `readSet`: the versions of what would change, as far as the caller may
   * read it; absent if there are more than a read set may have.
   */
  | { type: 'preflight'; outcome: Uint8Array; rows: number; keys: number; events: number; readSet?: ReadSet }
