import { z } from 'zod'
import { COMPARISONS, CONDITION_TYPES } from '../../encoding/index.ts'
import { JOB_KINDS } from '../../model/index.ts'
import { tableAssertion, tableDdl, tableMutation } from './table-schemas.ts'

/** What the HTTP door takes, as schemas: requests are checked against them and `/v1/openapi.json` is made of them. */

const whole = (min: number, max: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'not a whole number')
    .transform(Number)
    .pipe(z.number().int().min(min).max(max))

const yesOrNo = z
  .enum(['true', 'false'])
  .transform(value => value === 'true')
  .pipe(z.boolean())

const point = z.string().regex(/^([0-9a-f]{32}:)?\d{1,16}$/, 'not a seq, nor a token history:seq')

const TTL_MS_MAX = 10 * 365 * 86_400_000
const TIMEOUT_MS_MAX = 120_000

const timeout = { timeout_ms: whole(1, TIMEOUT_MS_MAX).optional().describe('Time for the whole request, ms; 10,000') }

const reads = {
  ...timeout,
  consistency: z.enum(['linearizable', 'lease', 'checkpoint', 'local']).optional().describe('How fresh; linearizable'),
  min_seq: point.optional().describe('At least this seq or token: read your writes on any node'),
  at_seq: point.optional().describe('Exactly the state after this seq or token'),
  max_stale_ms: whole(0, 86_400_000).optional().describe('At most so old'),
}

export interface TimedQuery {
  timeout_ms?: number | undefined
}

export interface ReadQuery extends TimedQuery {
  consistency?: 'linearizable' | 'lease' | 'checkpoint' | 'local' | undefined
  min_seq?: string | undefined
  at_seq?: string | undefined
  max_stale_ms?: number | undefined
}

export const readQuery: z.ZodType<ReadQuery> = z.strictObject(reads)

export interface QueryQuery extends ReadQuery {
  explain: boolean
  diagnostics: boolean
}

export const queryQuery: z.ZodType<QueryQuery> = z.strictObject({
  ...reads,
  explain: yesOrNo.default(false).describe('How the query would be run, instead of its rows'),
  diagnostics: yesOrNo.default(false).describe('Also what each stage of the query did, and how long the read took'),
})

export interface JobsQuery extends ReadQuery {
  project?: string | undefined
  scope?: string | undefined
  table?: string | undefined
}

export const jobsQuery: z.ZodType<JobsQuery> = z.strictObject({
  ...reads,
  project: z.string().optional().describe('Only jobs of this project'),
  scope: z.string().optional().describe('And of this scope in it'),
  table: z.string().optional().describe('And of this table; the scope is app by itself'),
})

export interface EventsQuery extends ReadQuery {
  topic?: string | undefined
  key?: string | undefined
  from_seq?: number | undefined
  to_seq?: number | undefined
  from_micros?: number | undefined
  to_micros?: number | undefined
  where?: string | undefined
  after: number
  limit: number
  reverse: boolean
}

const anySeq = whole(0, Number.MAX_SAFE_INTEGER)

export const eventsQuery: z.ZodType<EventsQuery> = z.strictObject({
  ...reads,
  topic: z.string().optional().describe('Only events of this topic'),
  key: z.string().optional().describe('Only events of this key'),
  from_seq: anySeq.optional().describe('From this seq on'),
  to_seq: anySeq.optional().describe('Up to this seq, which is included'),
  from_micros: anySeq.optional().describe('From this leader time on, us'),
  to_micros: anySeq.optional().describe('Before this leader time, us'),
  where: z
    .string()
    .max(16_384)
    .optional()
    .describe('What payloads have: a JSON object of JSON pointers and values, such as {"/customer/id":17}'),
  after: anySeq.default(0).describe('A seq, exclusive; 0: from the oldest, in reverse from the newest'),
  limit: whole(1, 1_000).default(100).describe('Events at most, unless one commit has more'),
  reverse: yesOrNo.default(false).describe('From the newest on'),
})

export interface EventSummaryQuery extends ReadQuery {
  topic?: string | undefined
  after_topic?: string | undefined
  topics: number
}

export const eventSummaryQuery: z.ZodType<EventSummaryQuery> = z.strictObject({
  ...reads,
  topic: z.string().optional().describe('Only this topic'),
  after_topic: z.string().optional().describe('Topics after this one, by name'),
  topics: whole(0, 1_000).default(100).describe('Topics at most'),
})

export interface ListQuery extends ReadQuery {
  prefix?: string | undefined
  limit: number
  cursor?: string | undefined
  reverse: boolean
  values: boolean
}

export const listQuery: z.ZodType<ListQuery> = z.strictObject({
  ...reads,
  prefix: z.string().optional().describe('Keys that begin with these bytes, percent-encoded'),
  limit: whole(1, 1_000).default(100).describe('Entries at most; a page may hold fewer'),
  cursor: z.string().min(1).max(8_192).optional().describe('Of the page before; all pages show the same seq'),
  reverse: yesOrNo.default(false).describe('From the last key'),
  values: yesOrNo.default(true).describe('false leaves the values out'),
})

/** What these say is so of every commit of a cluster; a program that also uses an embedded engine may say it here too. */
const durability = {
  write_class: z
    .enum(['standard', 'economic'])
    .optional()
    .describe('Every commit of a cluster is synced: both are the same here'),
  finality: z
    .enum(['visible', 'durable'])
    .optional()
    .describe('Every answer of a cluster is durable: both are the same here'),
}

export interface CommitQuery extends TimedQuery {
  write_class?: 'standard' | 'economic' | undefined
  finality?: 'visible' | 'durable' | undefined
}

const condition = {
  ...timeout,
  ...durability,
  if_seq: whole(0, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe('Only if the last change of the key has this seq; 0 = absent'),
}

export interface DeleteQuery extends CommitQuery {
  if_seq?: number | undefined
}

export interface PutQuery extends DeleteQuery {
  ttl_ms?: number | undefined
}

export const deleteQuery: z.ZodType<DeleteQuery> = z.strictObject(condition)
export const putQuery: z.ZodType<PutQuery> = z.strictObject({
  ...condition,
  ttl_ms: whole(1, TTL_MS_MAX).optional().describe('The key expires so long after the write'),
})

export const transactionQuery: z.ZodType<TimedQuery> = z.strictObject(timeout)
export const commitQuery: z.ZodType<CommitQuery> = z.strictObject({ ...timeout, ...durability })

export interface DdlQuery extends TimedQuery {
  order?: 'given' | 'dependencies' | undefined
}

export const ddlQuery: z.ZodType<DdlQuery> = z.strictObject({
  ...timeout,
  order: z
    .enum(['given', 'dependencies'])
    .optional()
    .describe('`dependencies`: each operation after those that it rests on; default: as given'),
})

/** 1..128 bytes of visible ASCII: what a header can carry. */
export const idempotencyKeyHeader: z.ZodType<string> = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'not 1 to 128 visible characters')

const bytes = z.strictObject({ $b: z.base64() }).describe('Bytes in base64')
const integer = z.number().int().nonnegative()
const bigInteger = z.union([integer, z.string().regex(/^\d{1,78}$/)])
const target = { project: z.string(), scope: z.string().default('app'), key: bytes }

const keyAssertion = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('keyVersion'), ...target, seq: integer }),
  z.strictObject({ type: z.literal('keyExists'), ...target, expected: z.boolean() }),
  z.strictObject({ type: z.literal('keyEquals'), ...target, value: bytes }),
  z.strictObject({
    type: z.literal('keyCompare'),
    ...target,
    op: z.enum(['eq', 'ne', 'lt', 'lte', 'gt', 'gte']),
    threshold: bytes,
  }),
])

/** Groups are described as objects: the reader that checks them bounds their depth. */
const nestedAssertion = z.record(z.string(), z.unknown()).describe('An assertion of the same form')
const assertion = z.union([
  keyAssertion,
  tableAssertion,
  z.strictObject({ type: z.enum(['all', 'any']), assertions: z.array(nestedAssertion) }),
  z.strictObject({ type: z.literal('not'), assertion: nestedAssertion }),
])

const permission = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('admin') }),
  z.strictObject({ type: z.literal('impersonate') }),
  z.strictObject({
    type: z.enum(['kvRead', 'kvWrite']),
    project: z.string().optional(),
    scope: z.string().optional(),
    prefix: bytes.optional(),
  }),
  z.strictObject({ type: z.literal('projectAdmin'), project: z.string() }),
  z.strictObject({ type: z.literal('scopeAdmin'), project: z.string(), scope: z.string() }),
  z.strictObject({
    type: z.enum(['tableRead', 'tableWrite', 'policyBypass']),
    project: z.string().optional(),
    scope: z.string().optional(),
    table: z.string().optional(),
  }),
  z.strictObject({ type: z.literal('tableDdl'), project: z.string().optional(), scope: z.string().optional() }),
])

const catalogDdl = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('createProject'),
    project: z.string(),
    ifNotExists: z.boolean().optional(),
    owner: z.string().optional().describe('The caller who may give permissions within it'),
  }),
  z.strictObject({ type: z.literal('renameProject'), project: z.string(), to: z.string() }),
  z.strictObject({ type: z.literal('dropProject'), project: z.string(), ifExists: z.boolean().optional() }),
  z.strictObject({
    type: z.literal('createScope'),
    project: z.string(),
    scope: z.string(),
    ifNotExists: z.boolean().optional(),
  }),
  z.strictObject({ type: z.literal('renameScope'), project: z.string(), scope: z.string(), to: z.string() }),
  z.strictObject({
    type: z.literal('dropScope'),
    project: z.string(),
    scope: z.string(),
    ifExists: z.boolean().optional(),
  }),
  z.strictObject({
    type: z.literal('grant'),
    caller: z.string(),
    permission,
    delegable: z.boolean().optional().describe('The caller may grant the same to others'),
  }),
  z.strictObject({ type: z.literal('revoke'), caller: z.string(), permission }),
  z.strictObject({ type: z.literal('setSetting'), name: z.string(), value: z.number() }),
  z.strictObject({
    type: z.literal('transferOwnership'),
    project: z.string(),
    scope: z.string().optional(),
    table: z.string().optional(),
    to: z.string().describe('Empty: nobody'),
  }),
  z.strictObject({
    type: z.literal('setQuota'),
    project: z.string(),
    bytes: integer.optional().describe('Absent: any number'),
    records: integer.optional().describe('Keys and rows; absent: any number'),
  }),
  z.strictObject({
    type: z.literal('compactEvents'),
    project: z.string(),
    scope: z.string().default('app'),
    maxAgeMs: integer.optional().describe('Events that are younger stay'),
    keepLast: integer.optional().describe('So many of the newest stay'),
    maxEvents: integer.optional().describe('At most so many go, but never fewer than those of one commit'),
  }),
])

export const ddlSchema: z.ZodType = z.union([catalogDdl, tableDdl])

const width = z.union([z.literal(64), z.literal(256)])
const signedInteger = z.union([z.number().int(), z.string().regex(/^-?\d{1,19}$/)])
const counter = {
  ...target,
  by: bigInteger,
  width,
  onMissing: z.enum(['zero', 'reject']).optional(),
}

const keyMutation = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('kvSet'), ...target, value: bytes, ttlMs: integer.optional() }),
  z.strictObject({ type: z.literal('kvDelete'), ...target }),
  z.strictObject({ type: z.literal('kvIncrement'), ...counter, onOverflow: z.enum(['reject', 'saturate']).optional() }),
  z.strictObject({
    type: z.literal('kvDecrement'),
    ...counter,
    onUnderflow: z.enum(['reject', 'saturate', 'ignore']).optional(),
  }),
  z.strictObject({
    type: z.enum(['kvMax', 'kvMin']),
    ...target,
    value: bigInteger,
    width,
    onMissing: z.enum(['set', 'zero', 'reject']).optional(),
  }),
  z.strictObject({
    type: z.literal('kvMutate'),
    ...target,
    op: z.enum(['set', 'add', 'subtract']),
    operand: bigInteger,
    width,
    expectedSeq: integer.optional(),
  }),
  z.strictObject({
    type: z.literal('kvAddSigned'),
    ...target,
    by: signedInteger,
    min: signedInteger.optional(),
    max: signedInteger.optional(),
    onMissing: z.enum(['zero', 'reject']).optional(),
  }),
  z.strictObject({
    type: z.literal('counterAdd'),
    ...target,
    by: bigInteger,
    shards: z.number().int().min(1).max(4_096),
    shard: integer,
  }),
])

const mutation = z.union([
  keyMutation,
  tableMutation,
  z.strictObject({
    type: z.literal('emitEvent'),
    project: z.string(),
    scope: z.string().default('app'),
    topic: z.string(),
    key: z.string(),
    payload: z.string().describe('JSON text'),
  }),
  z.strictObject({ type: z.literal('postflight'), assertions: z.array(assertion) }),
  z.strictObject({ type: z.literal('ddl'), operation: ddlSchema }),
])

export const envelopeSchema: z.ZodType = z.strictObject({
  idempotencyKey: z.string().min(1).max(128).optional(),
  assertions: z.array(assertion).optional(),
  readSet: z
    .strictObject({
      points: z.array(z.strictObject({ ...target, table: z.string().optional(), seq: integer })).optional(),
      ranges: z
        .array(
          z.strictObject({
            project: z.string(),
            scope: z.string().optional(),
            table: z.string().optional(),
            index: z.string().optional(),
            start: bytes.optional(),
            end: bytes.optional(),
            reverse: z.boolean().optional(),
            limit: integer,
            digest: z.string().regex(/^[0-9a-f]{16}$/),
          }),
        )
        .optional(),
    })
    .optional(),
  mutations: z.array(mutation),
})

const written = { seq: integer, token: z.string() }
const repeated = { isDuplicate: z.boolean().describe('It had been applied before, at seq, and was not applied again') }
export const writtenSchema: z.ZodType = z.object({ ...written, ...repeated })
export const commitSchema: z.ZodType = z.object({
  ...written,
  ...repeated,
  results: z
    .array(z.union([signedInteger, z.string().regex(/^\d{1,78}$/), z.boolean(), z.null()]))
    .describe('One per mutation; empty if none answers anything'),
})
export const preflightSchema: z.ZodType = z.object({
  ...written,
  isValid: z.boolean(),
  error: z.unknown().optional().describe('Why it would be refused: the body of that error'),
  results: z.array(z.unknown()),
  rows: integer.describe('That would change, of which the caller may hear'),
  keys: integer,
  events: integer,
  readSet: z.unknown().optional().describe('As of a transaction: the versions of what would change'),
})
const jobSchema = z.object({
  id: z.string(),
  seq: integer,
  kind: z.enum(JOB_KINDS),
  project: z.string().optional(),
  scope: z.string().optional(),
  table: z.string().optional(),
  name: z.string().optional(),
  done: integer.optional(),
  left: integer.optional(),
})
export const jobsSchema: z.ZodType = z.object({ ...written, jobs: z.array(jobSchema) })
const eventSchema = z.object({
  project: z.string().optional().describe('Where several scopes were asked for'),
  scope: z.string().optional(),
  seq: integer,
  timeMicros: integer,
  topic: z.string(),
  key: z.string(),
  payload: z.string().describe('JSON text'),
})
export const eventsSchema: z.ZodType = z.object({
  ...written,
  events: z.array(eventSchema),
  more: z.boolean(),
  next: integer.optional().describe('With more: the after of the next page'),
  removedThroughSeq: integer.describe('Events up to here are removed; 0 = none'),
})
const eventPoint = z.object({ seq: integer, timeMicros: integer })
export const eventSummarySchema: z.ZodType = z.object({
  ...written,
  events: integer,
  bytes: integer.describe('Of topics, keys and payloads'),
  removed: integer.describe('How many there were that are removed'),
  removedThroughSeq: integer.describe('Events up to here are removed; 0 = none'),
  first: eventPoint.optional(),
  last: eventPoint.optional(),
  compaction: z
    .object({
      seq: integer,
      events: integer.describe('So many go'),
      fromSeq: integer,
      throughSeq: integer,
      left: integer.describe('So many more its bounds would let go'),
      isDone: z.boolean(),
    })
    .optional()
    .describe('The last that has found something to remove'),
  topics: z.array(
    z.object({ topic: z.string(), events: integer, bytes: integer, firstSeq: integer, last: eventPoint }),
  ),
  moreTopics: z.boolean(),
})
export const commitEventsSchema: z.ZodType = z.object({
  ...written,
  events: z.array(eventSchema),
  mayBeRemoved: z.boolean().describe('In one of the scopes events of this seq or later are removed'),
})
export const ddlResultSchema: z.ZodType = z.object({ ...written, changed: z.array(z.boolean()) })
const listedEntry = {
  key: bytes,
  text: z.string().optional().describe('The key, if it is UTF-8'),
  value: bytes.optional(),
  seq: integer,
  createdSeq: integer,
  expiresAtMicros: integer.optional(),
}
const nextCursor = z.string().optional().describe('For the next page; absent on the last one')
export const listSchema: z.ZodType = z.object({
  ...written,
  entries: z.array(z.object(listedEntry)),
  cursor: nextCursor,
})
export const scopesListSchema: z.ZodType = z.object({
  ...written,
  entries: z.array(z.object({ scope: z.string(), ...listedEntry })),
  cursor: nextCursor,
})
export const errorSchema: z.ZodType = z.object({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  applied: z.enum(['no', 'yes', 'unknown']),
  leader: z.object({ nodeId: integer, clientAddress: z.string(), term: integer }).optional(),
  detail: z
    .object({
      index: integer.optional(),
      actualSeq: integer.optional(),
      condition: z
        .object({
          path: z.string().describe('Where it stands in the transaction, as in assertions[2].assertions[0]'),
          type: z.enum(CONDITION_TYPES),
          op: z.enum(COMPARISONS),
          isNegated: z.boolean().optional(),
          expected: z.unknown(),
          actual: z.unknown().describe('What was found; absent where nothing is'),
          expectedBytes: integer.optional().describe('Of all of it, where only the first 64 bytes are shown'),
          actualBytes: integer.optional(),
          columnType: z.string().optional(),
        })
        .optional()
        .describe('Of assertion_failed'),
      oldestSeq: integer.optional(),
      newestSeq: integer.optional(),
      file: z.string().optional(),
      offset: integer.optional(),
    })
    .optional(),
})
export const settingsSchema: z.ZodType = z.object({ ...written, settings: z.record(z.string(), integer) })
export const headSchema: z.ZodType = z.object({
  visibleSeq: integer.describe('Reads see everything through it'),
  durableSeq: integer.describe('A majority has everything through it synced'),
  token: z.string(),
})
const role = z.enum(['voter', 'learner'])
export const statusSchema: z.ZodType = z.object({
  deployment: z.enum(['engine', 'replica', 'client']),
  historyId: z.string(),
  appliedSeq: integer,
  commitSeq: integer,
  term: integer,
  role: z.string(),
  nodeId: integer,
  leader: z.object({ nodeId: integer, name: z.string(), clientAddress: z.string() }).optional(),
  members: z.array(
    z.object({ nodeId: integer, name: z.string(), peerAddress: z.string(), clientAddress: z.string(), role }),
  ),
})

const place = {
  name: z.string(),
  id: integer,
  createdAtMicros: integer.describe('Leader time of its creation, us'),
  owner: z.string().optional(),
}
const answeredAt = { seq: integer, token: z.string() }

export const projectsSchema: z.ZodType = z.object({ projects: z.array(z.object(place)), ...answeredAt })
export const scopesSchema: z.ZodType = z.object({ scopes: z.array(z.object(place)), ...answeredAt })

const usageSchema = z.object({
  ...place,
  keys: integer,
  rows: integer,
  events: integer,
  bytes: integer.describe('Of keys, rows, index entries and events'),
  quota: z.object({ bytes: integer.optional(), records: integer.optional() }),
})

export const usagesSchema: z.ZodType = z.object({ projects: z.array(usageSchema), seq: integer, token: z.string() })
