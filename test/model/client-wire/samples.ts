import { encodeEnvelope, encodeOutcome } from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { ClientMessage, QueryData, ServerMessage, Topology } from '../../../src/model/index.ts'

/** At least one message of every type and kind, in the form in which decoders give it. */

export const HISTORY = '00112233445566778899aabbccddeeff'
export const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const nonce = Uint8Array.from({ length: 16 }, (_, i) => i)

export const envelope = encodeEnvelope({
  idempotencyKey: 'once',
  assertions: [
    { type: 'keyVersion', project: 'shop', scope: 'app', key: bytes(1), seq: 7 },
    { type: 'keyExists', project: 'shop', scope: 'app', key: bytes(2), expected: false },
    { type: 'keyEquals', project: 'shop', scope: 'app', key: bytes(2), value: bytes(0, 255) },
    { type: 'keyCompare', project: 'shop', scope: 'app', key: bytes(3), op: 'lte', threshold: bytes(9) },
  ],
  readSet: {
    points: [{ project: 'shop', scope: 'app', key: bytes(1), seq: 7 }],
    ranges: [
      {
        project: 'shop',
        scope: 'app',
        start: bytes(1),
        end: bytes(9),
        reverse: true,
        limit: 3,
        digest: '00000001000000ff',
      },
    ],
  },
  mutations: [
    { type: 'kvSet', project: 'shop', scope: 'app', key: bytes(1), value: bytes(1, 2, 3), ttlMs: 60_000 },
    { type: 'kvDelete', project: 'shop', scope: 'orders', key: bytes(4) },
    {
      type: 'kvIncrement',
      project: 'shop',
      scope: 'app',
      key: bytes(5),
      by: 2n ** 200n,
      width: 256,
      onOverflow: 'saturate',
    },
    { type: 'kvDecrement', project: 'shop', scope: 'app', key: bytes(6), by: 5n, width: 64, onUnderflow: 'ignore' },
    { type: 'ddl', operation: { type: 'createScope', project: 'shop', scope: 'new', ifNotExists: true } },
    {
      type: 'ddl',
      operation: {
        type: 'grant',
        caller: 'ann',
        permission: { type: 'kvRead', project: 'shop', scope: 'app', prefix: bytes(1) },
      },
    },
    { type: 'ddl', operation: { type: 'setSetting', name: 'leaseReads', value: 1 } },
    { type: 'ddl', operation: { type: 'setQuota', project: 'shop', bytes: 2 ** 40 } },
    { type: 'insert', project: 'shop', scope: 'app', table: 'orders', rows: [{ id: 1, note: 'é' }, { id: 2 }] },
    {
      type: 'updateWhere',
      project: 'shop',
      scope: 'app',
      table: 'orders',
      where: { op: 'not', arg: { op: 'in', column: 'id', values: [1, { column: 'other' }, { caller: true }] } },
      set: { id: { add: 1 } },
    },
  ],
})

export const topology: Topology = {
  historyId: HISTORY,
  term: 3,
  version: 9_000_000_000,
  leaderId: 2,
  nodeId: 1,
  members: [
    { nodeId: 1, name: 'n1', clientAddress: '127.0.0.1:7400', role: 'voter' },
    { nodeId: 2, name: 'n2', clientAddress: '127.0.0.1:7401', role: 'learner' },
  ],
}

export const query: QueryData = {
  project: 'shop',
  scope: 'app',
  from: 'orders',
  as: 'o',
  joins: [{ type: 'left', table: 'customers', as: 'c', on: [{ left: 'o.customer', op: 'eq', right: 'c.id' }] }],
  where: {
    op: 'and',
    args: [
      { op: 'between', column: 'o.amount', low: 1, high: 2.5 },
      { op: 'like', column: 'c.name', pattern: 'a%' },
    ],
  },
  select: [
    'o.id',
    { column: 'c.name', as: 'name' },
    { compute: { op: 'add', left: { column: 'o.id' }, right: { value: 1 } }, as: 'n' },
  ],
  distinct: true,
  groupBy: ['o.id'],
  aggregates: [{ function: 'sum', column: 'o.amount', as: 'total' }, { function: 'count' }],
  having: { op: 'gt', column: 'total', value: 10 },
  orderBy: [{ column: 'total', direction: 'desc' }, { column: 'o.id' }],
  limit: 20,
  offset: 40,
  cursor: 'c',
  allowFullScan: true,
  useIndex: 'by_customer',
}

export const clientSamples: ClientMessage[] = [
  {
    type: 'hello',
    requestId: 1,
    protocol: 1,
    clientName: 'quorate-js',
    clientVersion: '0.1.0',
    token: 'secret',
    session: { id: 0, nonce },
    as: 'ann',
  },
  {
    type: 'hello',
    requestId: 1,
    protocol: 1,
    clientName: 'x',
    clientVersion: '',
    token: undefined,
    session: undefined,
    as: undefined,
  },
  {
    type: 'commit',
    requestId: 2,
    serial: 3,
    acknowledgedThrough: 2,
    notAfterMicros: 1_790_000_000_000_000,
    copy: 1,
    caller: '',
    envelope,
  },
  {
    type: 'commit',
    requestId: 0xffffffff,
    serial: Number.MAX_SAFE_INTEGER,
    acknowledgedThrough: 0,
    notAfterMicros: 0,
    copy: 255,
    caller: 'zoë',
    envelope,
  },
  {
    type: 'read',
    requestId: 4,
    timeoutMs: 1000,
    viewId: 0,
    consistency: 'linearizable',
    caller: '',
    request: { type: 'get', project: 'shop', scope: 'app', keys: [bytes(1), bytes()] },
  },
  {
    type: 'read',
    requestId: 5,
    timeoutMs: 0,
    viewId: 12,
    consistency: { maxStaleMs: 250 },
    caller: 'bob',
    request: {
      type: 'scan',
      project: 'shop',
      scope: 'app',
      limit: 100,
      start: bytes(1),
      end: bytes(2),
      reverse: true,
      keysOnly: true,
    },
  },
  {
    type: 'read',
    requestId: 6,
    timeoutMs: 0,
    viewId: 0,
    consistency: { minSeq: `${HISTORY}:77` },
    caller: '',
    request: { type: 'scan', project: 'shop', scope: 'app', limit: 1 },
  },
  ...(
    [
      { type: 'projects' },
      { type: 'scopes', project: 'shop' },
      { type: 'settings' },
      { type: 'grants' },
      { type: 'grants', caller: 'ann' },
      { type: 'outcome', session: 11, serial: 4 },
      { type: 'query', query, readSet: true },
      { type: 'explain', query: { project: 'shop', from: 'orders' } },
      { type: 'rows', project: 'shop', scope: 'app', table: 'orders', keys: [{ id: 1 }, { id: 2, part: 'a' }] },
      { type: 'tables', project: 'shop', scope: 'app' },
      { type: 'tables', project: 'shop', scope: 'app', table: 'orders' },
      { type: 'usage' },
      { type: 'usage', project: 'shop' },
      { type: 'count', project: 'shop', scope: 'app' },
      { type: 'events', project: 'shop', scope: 'app', afterSeq: 0, limit: 10 },
      { type: 'events', project: 'shop', scope: 'app', topic: 'orders', afterSeq: 9, limit: 1, reverse: true },
    ] as const
  ).map(request => ({
    type: 'read' as const,
    requestId: 7,
    timeoutMs: 9,
    viewId: 0,
    consistency: 'lease' as const,
    caller: '',
    request,
  })),
  { type: 'openView', requestId: 8, timeoutMs: 50, consistency: { atSeq: `${HISTORY}:9007199254740991` }, caller: '' },
  { type: 'openView', requestId: 8, timeoutMs: 50, consistency: 'checkpoint', caller: 'ann' },
  { type: 'openView', requestId: 8, timeoutMs: 50, consistency: 'local', caller: 'ann' },
  { type: 'closeView', requestId: 9, viewId: 3 },
  {
    type: 'watch',
    requestId: 10,
    caller: '',
    project: 'shop',
    scope: 'app',
    prefix: bytes(1, 2),
    from: `${HISTORY}:5`,
  },
  { type: 'watch', requestId: 10, caller: 'ann', project: 'shop', scope: 'app', prefix: bytes(), from: undefined },
  {
    type: 'watch',
    requestId: 10,
    caller: '',
    project: 'shop',
    scope: 'app',
    prefix: bytes(1),
    from: undefined,
    events: true,
  },
  {
    type: 'watch',
    requestId: 10,
    caller: '',
    project: 'shop',
    scope: 'app',
    prefix: bytes(),
    table: 'orders',
    key: { customer: 'ann', id: 7 },
    from: `${HISTORY}:5`,
  },
  { type: 'cancel', requestId: 10 },
  { type: 'ping', requestId: 11 },
  { type: 'status', requestId: 12 },
]

const entry = { key: bytes(1), value: bytes(5, 6), seq: 8, createdSeq: 7, expiresAtMicros: undefined }
const committed = encodeOutcome({ status: 'committed', seq: 55, results: [undefined, true, false, 9n, 2n ** 100n] })
const refused = encodeOutcome({
  status: 'refused',
  seq: 56,
  code: 'assertion_failed',
  message: 'no',
  detail: { index: 1, actualSeq: 0 },
})

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
  { type: 'outcome', requestId: 3, leaderTimeMicros: 0, outcome: refused },
  ...(
    [
      { type: 'get', entries: [entry, undefined, { ...entry, expiresAtMicros: 99 }] },
      { type: 'scan', entries: [entry, { ...entry, key: bytes(), value: bytes() }], more: true },
      { type: 'projects', projects: [{ name: 'shop', id: 4 }] },
      { type: 'scopes', scopes: [] },
      { type: 'count', keys: 2 ** 40 },
      {
        type: 'usage',
        projects: [
          { name: 'shop', id: 4, owner: 'ann', keys: 1, rows: 2 ** 40, events: 3, bytes: 2 ** 50, quota: {} },
          { name: 'two', id: 5, keys: 0, rows: 0, events: 0, bytes: 0, quota: { bytes: 1, records: 2 } },
          { name: 'one', id: 6, keys: 0, rows: 0, events: 0, bytes: 0, quota: { records: 0 } },
        ],
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
        plan: { path: 'index', indexes: ['by_customer'], stages: ['scan'], isOrderedByScan: true, isBounded: false },
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
  {
    type: 'error',
    requestId: 6,
    error: new QuorateError('unavailable', 'no majority', {
      retryable: true,
      applied: 'unknown',
      leader: { nodeId: 2, clientAddress: 'h2:7400', term: 9 },
      backoffMs: 20,
      detail: { index: 1, actualSeq: 2, oldestSeq: 3, newestSeq: 4, file: 'log/1', offset: 5 },
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
