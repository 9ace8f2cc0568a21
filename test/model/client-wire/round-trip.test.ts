import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { ByteWriter, encodeOutcome } from '../../../src/encoding/index.ts'
import {
  appendClientMessage,
  appendServerMessage,
  ClientFrameCursor,
  clientMessagesFromJson,
  clientMessagesToJson,
  ERROR_CODES,
  JOB_KINDS,
  QuorateError,
  readClientMessage,
  readServerMessage,
  serverMessagesFromJson,
  serverMessagesToJson,
  type ClientMessage,
  type Consistency,
  type ReadRequest,
  type ReadResult,
  type ServerMessage,
} from '../../../src/model/index.ts'
import { seed } from './random.ts'
import { envelope } from './samples.ts'
import { keyRow, tableRequest, tableResult, watchedRows } from './table-arbitraries.ts'

/** Any message that the types allow comes out of both forms as it went in. */

const RUNS = { seed, numRuns: 300 }
const MAX = 1 << 24

/** Plain objects, as decoders make them, with every field. */
const record = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>

const u32 = fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 0xffffffff }))
const u64 = fc.oneof(fc.nat(3), fc.maxSafeNat())
// A copy: fast-check's arrays may be views into larger ones.
const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Uint8Array.from(array))
const text = fc.string({ unit: 'binary', maxLength: 80 })
const history = fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: 32, maxLength: 32 })
const token = fc.tuple(history, u64).map(([historyId, seq]) => `${historyId}:${seq}`)
const optional = <T>(name: string, arbitrary: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.option(arbitrary, { nil: undefined }).map(value => (value === undefined ? {} : { [name]: value }))

const consistency: fc.Arbitrary<Consistency> = fc.oneof(
  fc.constantFrom('linearizable', 'lease', 'checkpoint', 'local'),
  u32.map(maxStaleMs => ({ maxStaleMs })),
  token.map(minSeq => ({ minSeq })),
  token.map(atSeq => ({ atSeq })),
)

const scan = fc
  .tuple(
    record({ project: text, scope: text, limit: u32 }),
    optional('start', bytes),
    optional('end', bytes),
    optional('reverse', fc.constant(true)),
    optional('keysOnly', fc.constant(true)),
  )
  .map(parts => Object.assign({ type: 'scan' }, ...parts) as ReadRequest)

const scalar = fc.oneof(fc.constant(null), fc.boolean(), text, fc.double({ noNaN: true, noDefaultInfinity: true }))

const request: fc.Arbitrary<ReadRequest> = fc.oneof(
  record({ type: fc.constant('get'), project: text, scope: text, keys: fc.array(bytes, { maxLength: 20 }) }),
  scan,
  fc.constantFrom<ReadRequest>({ type: 'projects' }, { type: 'settings' }, { type: 'grants' }),
  fc.constant<ReadRequest>({ type: 'usage' }),
  text.map(project => ({ type: 'usage', project }) as const),
  record({ type: fc.constant('count'), project: text, scope: text }),
  fc.constant<ReadRequest>({ type: 'jobs' }),
  record({ type: fc.constant('jobs'), project: text }),
  record({ type: fc.constant('jobs'), project: text, scope: text, table: text }),
  fc.constant<ReadRequest>({ type: 'preflight', envelope }),
  record({ type: fc.constant('audit'), beforeSeq: u64, limit: u32 }),
  text.map(project => ({ type: 'scopes', project }) as const),
  text.map(caller => ({ type: 'grants', caller }) as const),
  record({ type: fc.constant('outcome'), session: u64, serial: u64 }),
  fc
    .tuple(
      record({ afterSeq: u64, limit: u32 }),
      ...['project', 'scope', 'topic', 'key'].map(part => optional(part, text)),
      ...['fromSeq', 'toSeq', 'fromMicros', 'toMicros'].map(part => optional(part, u64)),
      optional('where', fc.array(record({ pointer: text, equals: scalar }), { maxLength: 3 })),
      optional('reverse', fc.constant(true)),
    )
    .map(parts => Object.assign({ type: 'events' }, ...parts) as ReadRequest),
  fc
    .tuple(record({ project: text, scope: text, topics: u32 }), optional('topic', text), optional('afterTopic', text))
    .map(parts => Object.assign({ type: 'eventSummary' }, ...parts) as ReadRequest),
  tableRequest,
)

const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  record({
    type: fc.constant('commit'),
    requestId: u32,
    serial: u64,
    acknowledgedThrough: u64,
    notAfterMicros: u64,
    copy: fc.nat(255),
    caller: text,
    envelope: fc.constant(envelope),
  }),
  record({
    type: fc.constant('read'),
    requestId: u32,
    timeoutMs: u32,
    viewId: u32,
    consistency,
    caller: text,
    request,
  }),
  record({ type: fc.constant('openView'), requestId: u32, timeoutMs: u32, consistency, caller: text }),
  record({
    type: fc.constant('watch'),
    requestId: u32,
    caller: text,
    project: text,
    scope: text,
    prefix: bytes,
    from: fc.option(token, { nil: undefined }),
  }),
  record({
    type: fc.constant('watch'),
    requestId: u32,
    caller: text,
    project: text,
    scope: text,
    prefix: bytes,
    from: fc.option(token, { nil: undefined }),
    events: fc.constant(true),
  }),
  record({
    type: fc.constant('watch'),
    requestId: u32,
    caller: text,
    project: text,
    scope: text,
    prefix: fc.constant(new Uint8Array(0)),
    table: text,
    key: keyRow,
    from: fc.option(token, { nil: undefined }),
  }),
  record({
    type: fc.constant('hello'),
    requestId: u32,
    protocol: u32,
    clientName: text,
    clientVersion: text,
    token: fc.option(text, { nil: undefined }),
    session: fc.option(
      record({ id: u64, nonce: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(a => Uint8Array.from(a)) }),
      { nil: undefined },
    ),
    as: fc.option(text, { nil: undefined }),
  }),
)

const entry = record({
  key: bytes,
  value: bytes,
  seq: u64,
  createdSeq: u64,
  expiresAtMicros: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
})
const namedId = fc.oneof(
  record({ name: text, id: u64, createdAtMicros: u64 }),
  record({ name: text, id: u64, createdAtMicros: u64, owner: text.filter(owner => owner !== '') }),
)
const outcome = fc.oneof(
  fc
    .array(fc.oneof(fc.constant(undefined), fc.boolean(), fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })), {
      maxLength: 9,
    })
    .map(results => encodeOutcome({ status: 'committed', seq: 7, results })),
  fc.tuple(text, text).map(([code, message]) => encodeOutcome({ status: 'refused', seq: 8, code, message })),
)
const job = fc.record(
  {
    id: text,
    seq: u64,
    kind: fc.constantFrom(...JOB_KINDS),
    project: text,
    scope: text,
    table: text,
    name: text,
    done: u64,
    left: u64,
  },
  { requiredKeys: ['id', 'seq', 'kind'], noNullPrototype: true },
)
const eventPoint = record({ seq: u64, timeMicros: u64 })

const result: fc.Arbitrary<ReadResult> = fc.oneof(
  record({ type: fc.constant('get'), entries: fc.array(fc.option(entry, { nil: undefined }), { maxLength: 9 }) }),
  record({ type: fc.constant('scan'), entries: fc.array(entry, { maxLength: 9 }), more: fc.boolean() }),
  fc.array(namedId, { maxLength: 5 }).map(projects => ({ type: 'projects', projects }) as const),
  u64.map(keys => ({ type: 'count', keys }) as const),
  fc.array(job, { maxLength: 5 }).map(jobs => ({ type: 'jobs', jobs }) as const),
  record({ type: fc.constant('preflight'), outcome, rows: u64, keys: u64, events: u64 }),
  fc
    .array(
      fc.tuple(
        namedId,
        record({ keys: u64, rows: u64, events: u64, bytes: u64 }),
        fc.record({ bytes: u64, records: u64 }, { requiredKeys: [], noNullPrototype: true }),
      ),
      { maxLength: 5 },
    )
    .map(usages => {
      const projects = usages.map(([place, held, quota]) => ({ ...place, ...held, quota }))
      return { type: 'usage', projects } as const
    }),
  fc.array(namedId, { maxLength: 5 }).map(scopes => ({ type: 'scopes', scopes }) as const),
  record({
    type: fc.constant('outcome'),
    outcome: fc.option(outcome, { nil: undefined }),
    sessionEnded: fc.boolean(),
  }),
  ...[record({}), record({ project: text, scope: text })].map(place =>
    record({
      type: fc.constant('events'),
      events: fc.array(
        fc
          .tuple(place, record({ seq: u64, timeMicros: u64, topic: text, key: text, payload: text }))
          .map(([names, event]) => ({ ...names, ...event })),
        { maxLength: 9 },
      ),
      nextSeq: u64,
      removedThroughSeq: u64,
    }),
  ),
  fc
    .tuple(
      record({ events: u64, bytes: u64, removed: u64, removedThroughSeq: u64, moreTopics: fc.boolean() }),
      optional('first', eventPoint),
      optional('last', eventPoint),
      optional(
        'compaction',
        record({ seq: u64, events: u64, fromSeq: u64, throughSeq: u64, left: u64, isDone: fc.boolean() }),
      ),
      fc.array(record({ topic: text, events: u64, bytes: u64, firstSeq: u64, last: eventPoint }), { maxLength: 5 }),
    )
    .map(([counts, first, last, compaction, topics]) => ({
      type: 'eventSummary' as const,
      summary: { ...counts, ...first, ...last, ...compaction, topics },
    })),
  tableResult,
)

const leader = record({ nodeId: u32, clientAddress: text, term: u64 })
const error = fc
  .tuple(
    fc.constantFrom(...ERROR_CODES),
    text,
    record({ retryable: fc.boolean(), applied: fc.constantFrom('no', 'yes', 'unknown') }),
    optional('leader', leader),
    optional('backoffMs', u32),
    optional(
      'detail',
      fc.record(
        { index: u32, actualSeq: u64, oldestSeq: u64, newestSeq: u64, file: text, offset: u64 },
        { requiredKeys: [], noNullPrototype: true },
      ),
    ),
  )
  .map(([code, message, ...options]) => new QuorateError(code, message, Object.assign({}, ...options) as object))

const watchEvent = fc.oneof(
  record({ type: fc.constant('progress'), seq: u64 }),
  record({ type: fc.constant('reset'), seq: u64, viewId: u32 }),
  fc.tuple(u64, watchedRows).map(([seq, rows]) => ({ type: 'rows' as const, seq, ...rows })),
  fc
    .tuple(u64, fc.array(fc.tuple(fc.constantFrom('put', 'delete', 'expire'), bytes, bytes), { maxLength: 9 }))
    .map(([seq, changes]) => ({
      type: 'commit' as const,
      seq,
      changes: changes.map(([kind, key, value]) => ({ key, kind, value: kind === 'put' ? value : undefined, seq })),
    })),
)

const serverMessage: fc.Arbitrary<ServerMessage> = fc.oneof(
  record({ type: fc.constant('outcome'), requestId: u32, leaderTimeMicros: u64, outcome }),
  record({ type: fc.constant('readResult'), requestId: u32, seq: u64, result }),
  record({ type: fc.constant('error'), requestId: u32, error }),
  record({ type: fc.constant('watchEvents'), requestId: u32, events: fc.array(watchEvent, { maxLength: 9 }) }),
  record({
    type: fc.constant('goaway'),
    requestId: u32,
    reason: fc.constantFrom('draining', 'lost_leader', 'overloaded', 'closing'),
    graceMs: u32,
    leader: fc.option(leader, { nil: undefined }),
  }),
)

describe('any messages of one turn', () => {
  it('of a client come out of a binary frame and of JSON as they went in', () => {
    const cursor = new ClientFrameCursor()
    const check = (messages: ClientMessage[]): void => {
      const out = new ByteWriter(16)
      for (const message of messages) appendClientMessage(out, message)
      const read: ClientMessage[] = []
      for (cursor.open(out.finish(), MAX); cursor.next();) read.push(readClientMessage(cursor))
      assert.deepEqual(read, messages)
      assert.deepEqual(clientMessagesFromJson(clientMessagesToJson(messages), MAX), messages)
    }
    fc.assert(fc.property(fc.array(clientMessage, { maxLength: 6 }), check), RUNS)
  })

  it('of a server come out of a binary frame and of JSON as they went in', () => {
    const cursor = new ClientFrameCursor()
    const check = (messages: ServerMessage[]): void => {
      const out = new ByteWriter(16)
      for (const message of messages) appendServerMessage(out, message)
      const read: ServerMessage[] = []
      for (cursor.open(out.finish(), MAX); cursor.next();) read.push(readServerMessage(cursor))
      assert.deepEqual(read, messages)
      assert.deepEqual(serverMessagesFromJson(serverMessagesToJson(messages), MAX), messages)
    }
    fc.assert(fc.property(fc.array(serverMessage, { maxLength: 6 }), check), RUNS)
  })
})
