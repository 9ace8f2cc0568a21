import { encodeOutcome } from '../../../src/encoding/index.ts'
import type { FailedCondition } from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { ServerMessage } from '../../../src/model/index.ts'
import { bytes, HISTORY, plan, topology } from './samples.ts'

/** Of a server, at least one message of every type and kind, in the form in which decoders give it. */

const entry = { key: bytes(1), value: bytes(5, 6), seq: 8, createdSeq: 7, expiresAtMicros: undefined }
const committed = encodeOutcome({ status: 'committed', seq: 55, results: [undefined, true, false, 9n, 2n ** 100n] })
const repeated = encodeOutcome({ status: 'committed', seq: 55, results: [9n], isDuplicate: true })
const refused = encodeOutcome({
  status: 'refused',
  seq: 56,
  code: 'assertion_failed',
  message: 'no',
  detail: {
    index: 1,
    actualSeq: 0,
    condition: {
      path: 'assertions[1].assertion',
      type: 'rowCompare',
      op: 'eq',
      isNegated: true,
      expected: 5n,
      actual: null,
      columnType: 'u256',
    },
  },
})
const key = { path: 'assertions[0]', type: 'keyEquals', op: 'eq', expected: bytes(1), actual: bytes(2, 3) } as const
const conditions: FailedCondition[] = [
  { path: 'mutations[0].assertions[1]', type: 'sum', op: 'lt', expected: 2 ** 40, actual: 2n ** 200n },
  {
    path: 'assertions[0]',
    type: 'rowCompare',
    op: 'ne',
    expected: '9007199254740993',
    actual: '1',
    columnType: 'text',
  },
  { path: 'assertions[0]', type: 'rowCompare', op: 'ne', expected: 1, actual: bytes(1), columnType: 'blob' },
  { path: 'assertions[0]', type: 'keyExists', op: 'eq', expected: true, actual: false },
  { ...key, expectedBytes: 90, actualBytes: 91 },
]

export const serverSamples: ServerMessage[] = [
  {
    type: 'welcome',
    requestId: 1,
    protocol: 1,
    serverVersion: '0.1.0',
    historyId: HISTORY,
    nodeId: 1,
    caller: 'root',
    session: { id: 42, window: 1024, lifetimeMs: 60_000 },
    leaderTimeMicros: 1_790_000_000_000_000,
    topology,
    maxFrameBytes: 16_777_216,
    limits: {
      keyBytesMax: 768,
      valueBytesMax: 1,
      transactionBytesMax: 2,
      mutationsMax: 3,
      assertionsMax: 4,
      readSetMax: 5,
    },
  },
  { type: 'topology', requestId: 0, topology },
  { type: 'outcome', requestId: 2, leaderTimeMicros: 1_790_000_000_000_001, outcome: committed },
  { type: 'outcome', requestId: 2, leaderTimeMicros: 1_790_000_000_000_001, outcome: repeated },
  { type: 'outcome', requestId: 3, leaderTimeMicros: 0, outcome: refused },
  ...(
    [
      { type: 'get', entries: [entry, undefined, { ...entry, expiresAtMicros: 99 }] },
      { type: 'scan', entries: [entry, { ...entry, key: bytes(), value: bytes() }], more: true },
      { type: 'projects', projects: [{ name: 'shop', id: 4, createdAtMicros: 1_790_000_000_000_000 }] },
      { type: 'scopes', scopes: [] },
      { type: 'count', keys: 2 ** 40 },
      {
        type: 'jobs',
        jobs: [
          { id: '7.1', seq: 7, kind: 'removeRows', left: 9 },
          {
            id: '8.2',
            seq: 8,
            kind: 'buildIndex',
            project: 'shop',
            scope: 'app',
            table: 'orders',
            name: 'by_note',
            done: 128,
            left: 2 ** 40,
          },
        ],
      },
      { type: 'audit', rows: [], isIntact: true, count: 0, headHash: '0'.repeat(64) },
      {
        type: 'audit',
        rows: [
          {
            seq: 9,
            timeMicros: 2 ** 50,
            kind: 'granted',
            actor: 'ann',
            caller: 'root',
            code: '',
            operation: {
              type: 'grant',
              caller: 'bob',
              permission: { type: 'kvRead', project: 'shop', scope: 'app', prefix: bytes(1) },
            },
            hash: 'ab'.repeat(32),
            previousHash: '0'.repeat(64),
          },
          {
            seq: 8,
            timeMicros: 1,
            kind: 'assertionFailed',
            actor: 'a',
            caller: 'a',
            code: 'assertion_failed',
            assertion: { index: 2, actualSeq: 7 },
            hash: 'cd'.repeat(32),
            previousHash: 'ef'.repeat(32),
          },
          { seq: 7, timeMicros: 1, kind: 'denied', actor: 'a', caller: 'b', code: 'permission_denied' },
        ],
        isIntact: false,
        count: 3,
        headHash: '01'.repeat(32),
      },
      { type: 'preflight', outcome: refused, rows: 0, keys: 0, events: 0 },
      {
        type: 'preflight',
        outcome: committed,
        rows: 1,
        keys: 2,
        events: 3,
        readSet: { points: [{ project: 'shop', scope: 'app', key: bytes(1), seq: 0 }], ranges: [] },
      },
      {
        type: 'usage',
        projects: [
          {
            name: 'shop',
            id: 4,
            createdAtMicros: 7,
            owner: 'ann',
            keys: 1,
            rows: 2 ** 40,
            events: 3,
            bytes: 2 ** 50,
            quota: {},
          },
          {
            name: 'two',
            id: 5,
            createdAtMicros: 8,
            keys: 0,
            rows: 0,
            events: 0,
            bytes: 0,
            quota: { bytes: 1, records: 2 },
          },
          { name: 'one', id: 6, createdAtMicros: 8, keys: 0, rows: 0, events: 0, bytes: 0, quota: { records: 0 } },
        ],
      },
      {
        type: 'events',
        events: [{ seq: 3, timeMicros: 4, topic: 't', key: 'k', payload: '{}' }],
        nextSeq: 3,
        removedThroughSeq: 1,
      },
      {
        type: 'events',
        events: [{ project: 'shop', scope: 'app', seq: 3, timeMicros: 4, topic: 't', key: 'k', payload: '1' }],
        nextSeq: 0,
        removedThroughSeq: 0,
      },
      {
        type: 'eventSummary',
        summary: {
          events: 1,
          bytes: 4,
          removed: 2,
          removedThroughSeq: 1,
          first: { seq: 3, timeMicros: 4 },
          last: { seq: 3, timeMicros: 4 },
          topics: [{ topic: 't', events: 1, bytes: 4, firstSeq: 3, last: { seq: 3, timeMicros: 4 } }],
          compaction: { seq: 5, events: 2, fromSeq: 1, throughSeq: 1, left: 0, isDone: false },
          moreTopics: false,
        },
      },
      { type: 'settings', settings: { sessionLifetimeMs: 60_000, leaseReads: 0 } },
      {
        type: 'grants',
        grants: [
          { caller: 'ann', permission: { type: 'admin' } },
          { caller: 'bob', permission: { type: 'kvWrite', project: 'shop' } },
          {
            caller: 'cy',
            permission: { type: 'tableRead', project: 'shop', scope: 'app', table: 'orders' },
            delegable: true,
          },
        ],
      },
      {
        type: 'query',
        result: {
          columns: ['id', 'amount'],
          types: ['u64', 'u256'],
          rows: [
            [1, 2n],
            [2n ** 64n - 1n, null],
          ],
          cursor: 'next',
          examined: 3,
          seq: 60,
        },
        readSet: {
          points: [{ project: 'shop', scope: 'app', table: 'orders', key: bytes(1), seq: 7 }],
          ranges: [
            {
              project: 'shop',
              scope: 'app',
              table: 'orders',
              index: 'by_customer',
              start: bytes(1),
              reverse: false,
              limit: 0,
              digest: '00000001000000ff',
            },
          ],
        },
      },
      { type: 'query', result: { columns: ['x'], rows: [['text'], [true], [1.5], [bytes(1)]], examined: 0, seq: 0 } },
      {
        type: 'explain',
        plan,
      },
      {
        type: 'query',
        result: { columns: ['x'], rows: [], examined: 0, seq: 9 },
        diagnostics: { plan, stages: [{ read: 4, rows: 2, heldBytes: 0 }], pageBytes: 80 },
      },
      {
        type: 'rows',
        columns: ['id', 'note'],
        types: ['integer', 'text'],
        rows: [
          { cells: [1, null], seq: 8, createdSeq: 7, expiresAtMicros: 99 },
          undefined,
          { cells: [2n ** 62n, '12345678901234567890'], seq: 8, createdSeq: 8, expiresAtMicros: undefined },
        ],
      },
      {
        type: 'tables',
        tables: [
          {
            name: 'orders',
            id: 4,
            owner: 'ann',
            definition: {
              columns: [
                { name: 'id', type: 'integer' },
                { name: 'note', type: 'text', nullable: true, default: 'x' },
              ],
              primaryKey: ['id'],
              indexes: [{ name: 'by_note', columns: ['note'], unique: true }],
              checks: [{ name: 'positive', check: { op: 'gt', column: 'id', value: 0 } }],
              foreignKeys: [{ name: 'f', columns: ['note'], table: 'notes', onDelete: 'cascade' }],
            },
            readPolicy: { op: 'eq', column: 'note', value: { caller: true } },
            rows: 12,
            indexes: [{ name: 'by_note', isReady: false }],
            failures: [{ name: 'by_id', message: 'two rows', seq: 9 }],
          },
        ],
      },
      { type: 'outcome', outcome: refused, sessionEnded: false },
      { type: 'outcome', outcome: undefined, sessionEnded: true },
    ] as const
  ).map(result => ({ type: 'readResult' as const, requestId: 4, seq: 60, result })),
  { type: 'viewOpened', requestId: 8, viewId: 3, seq: 60 },
  {
    type: 'watchEvents',
    requestId: 10,
    events: [
      {
        type: 'commit',
        seq: 61,
        changes: [
          { key: bytes(1), kind: 'put', value: bytes(2), seq: 61 },
          { key: bytes(3), kind: 'delete', value: undefined, seq: 61 },
          { key: bytes(4), kind: 'expire', value: undefined, seq: 61 },
        ],
      },
      { type: 'progress', seq: 62 },
      { type: 'reset', seq: 63, viewId: 4 },
      {
        type: 'rows',
        seq: 64,
        columns: ['id', 'owner', 'worth'],
        types: ['u64', 'text', 'u256'],
        keyColumns: ['owner', 'id'],
        changes: [
          { kind: 'put', cells: [2n ** 63n, 'ann', 2n ** 200n] },
          { kind: 'delete', cells: ['bob', 1] },
          { kind: 'expire', cells: ['eve', 2] },
        ],
      },
    ],
  },
  { type: 'error', requestId: 5, error: new QuorateError('not_found', 'no such thing') },
  ...conditions.map(condition => ({
    type: 'error' as const,
    requestId: 5,
    error: new QuorateError('assertion_failed', 'no', { detail: { condition } }),
  })),
  {
    type: 'error',
    requestId: 6,
    error: new QuorateError('unavailable', 'no majority', {
      retryable: true,
      applied: 'unknown',
      leader: { nodeId: 2, clientAddress: 'h2:7400', term: 9 },
      backoffMs: 20,
      detail: { index: 1, actualSeq: 2, oldestSeq: 3, newestSeq: 4, file: 'log/1', offset: 5, condition: key },
    }),
  },
  { type: 'error', requestId: 6, error: new QuorateError('conflict', 'again', { applied: 'yes', retryable: true }) },
  { type: 'goaway', requestId: 0, reason: 'draining', graceMs: 5000, leader: undefined },
  {
    type: 'goaway',
    requestId: 0,
    reason: 'lost_leader',
    graceMs: 0,
    leader: { nodeId: 3, clientAddress: 'h3:7400', term: 10 },
  },
  { type: 'pong', requestId: 11, leaderTimeMicros: 5 },
  {
    type: 'status',
    requestId: 12,
    status: {
      deployment: 'replica',
      historyId: HISTORY,
      appliedSeq: 60,
      commitSeq: 61,
      term: 3,
      role: 'leader',
      nodeId: 1,
      leader: { nodeId: 1, name: 'n1', clientAddress: 'h1:7400' },
      members: [{ nodeId: 1, name: 'n1', peerAddress: 'h1:7410', clientAddress: 'h1:7400', role: 'voter' }],
    },
  },
  {
    type: 'status',
    requestId: 12,
    status: {
      deployment: 'engine',
      historyId: '',
      appliedSeq: 0,
      commitSeq: 0,
      term: 0,
      role: 'unjoined',
      nodeId: 0,
      leader: undefined,
      members: [],
    },
  },
]
