import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ByteWriter, MalformedBytes } from '../../../src/encoding/index.ts'
import {
  appendClientMessage,
  appendServerMessage,
  ClientFrameCursor,
  QuorateError,
  type ClientMessage,
  type QueryData,
  type ReadRequest,
  type ReadResult,
  type ServerMessage,
} from '../../../src/model/index.ts'
import { clientFrame, readClientFrame, readServerFrame, serverFrame } from './frames.ts'
import { bytes, clientSamples, HISTORY } from './samples.ts'
import { serverSamples } from './server-samples.ts'

const hex = (frame: Uint8Array): string => Buffer.from(frame).toString('hex')
/** The bytes in groups as the format page has them. */
const assertHex = (actual: string, expected: string): void => assert.equal(actual, expected.replaceAll(' ', ''))
const encode = (message: ClientMessage): string => hex(clientFrame([message]))

describe('the binary client wire', () => {
  it('gives back every message of a client, many in one frame', () => {
    assert.deepEqual(readClientFrame(clientFrame(clientSamples)), clientSamples)
  })

  it('gives back every message of a server, many in one frame', () => {
    assert.deepEqual(readServerFrame(serverFrame(serverSamples)), serverSamples)
  })

  it('gives plain Uint8Arrays for a Buffer, and copies of keys and values that do not change with it', () => {
    const frame = Buffer.from(serverFrame(serverSamples))
    const messages = readServerFrame(frame)
    frame.fill(0)
    const found = messages.find(m => m.type === 'readResult')
    assert.ok(found?.type === 'readResult' && found.result.type === 'get')
    assert.equal(found.result.entries[0]?.value.constructor, Uint8Array)
    assert.deepEqual(found.result.entries[0]?.value, bytes(5, 6))
  })

  it('gives a session nonce that does not change with the frame', () => {
    const frame = clientFrame(clientSamples.slice(0, 1))
    const messages = readClientFrame(frame)
    frame.fill(0)
    assert.deepEqual(messages, clientSamples.slice(0, 1))
  })

  it('takes an empty frame as no messages', () => {
    assert.deepEqual(readClientFrame(bytes()), [])
  })

  it('refuses a frame above its bound, a message of the other side, and unknown flags', () => {
    const cursor = new ClientFrameCursor()
    assert.throws(() => cursor.open(new Uint8Array(11), 10), MalformedBytes)
    assert.throws(() => readServerFrame(clientFrame(clientSamples.slice(-1))), MalformedBytes)
    assert.throws(
      () => readClientFrame(serverFrame([{ type: 'pong', requestId: 1, leaderTimeMicros: 1 }])),
      MalformedBytes,
    )
    const ping = clientFrame([{ type: 'ping', requestId: 1 }])
    ping[5] = 1
    assert.throws(() => readClientFrame(ping), MalformedBytes)
  })

  it('refuses bytes after the last field of a message', () => {
    const frame = new Uint8Array([...clientFrame([{ type: 'closeView', requestId: 1, viewId: 2 }]), 0])
    frame[0] = frame[0]! + 1
    assert.throws(() => readClientFrame(frame), MalformedBytes)
  })

  it('refuses a change that is not of its commit, and an entry count that the frame cannot hold', () => {
    const changes = [{ key: bytes(1), kind: 'delete', value: undefined, seq: 3 }] as const
    const event = { type: 'commit', seq: 4, changes } as const
    assert.throws(() => serverFrame([{ type: 'watchEvents', requestId: 1, events: [event] }]), RangeError)
    const scan = serverFrame([
      { type: 'readResult', requestId: 1, seq: 1, result: { type: 'scan', entries: [], more: false } },
    ])
    scan.fill(0xff, scan.length - 4)
    assert.throws(() => readServerFrame(scan), MalformedBytes)
  })

  it('does not let a number wrap into its opposite', () => {
    const request = { type: 'scan', project: 'p', scope: 's', limit: Infinity } as const
    const read = {
      type: 'read',
      requestId: 1,
      timeoutMs: 2 ** 32,
      viewId: 0,
      consistency: 'local',
      caller: '',
      request,
    } as const
    const [message] = readClientFrame(clientFrame([{ ...read, consistency: { maxStaleMs: 2 ** 40 } }]))
    assert.ok(message?.type === 'read' && message.request.type === 'scan')
    assert.deepEqual(
      [message.timeoutMs, message.request.limit, message.consistency],
      [0xffffffff, 0xffffffff, { maxStaleMs: 0xffffffff }],
    )
    assert.throws(() => clientFrame([{ ...read, consistency: { maxStaleMs: -1 } }]), RangeError)
    assert.throws(() => clientFrame([{ ...read, timeoutMs: Number.NaN }]), RangeError)
    assert.throws(() => clientFrame([{ ...read, request: { ...request, limit: -1 } }]), RangeError)
  })

  it('leaves the frame of the turn as it was when a message cannot be written', () => {
    const out = new ByteWriter(16)
    appendClientMessage(out, { type: 'ping', requestId: 1 })
    const open = { type: 'openView', requestId: 2, timeoutMs: 0.4, caller: '' } as const
    assert.throws(() => appendClientMessage(out, { ...open, consistency: { minSeq: 'no token' } }), {
      code: 'invalid_argument',
    })
    assert.throws(
      () => appendClientMessage(out, { ...open, consistency: 'local', caller: 'x'.repeat(70_000) }),
      RangeError,
    )
    appendClientMessage(out, { ...open, consistency: 'local' })
    assert.deepEqual(readClientFrame(out.finish()), [
      { type: 'ping', requestId: 1 },
      { ...open, consistency: 'local', timeoutMs: 1 },
    ])
    const change = { key: bytes(1), kind: 'put', value: undefined, seq: 4 } as const
    const events = [{ type: 'commit', seq: 4, changes: [change] }] as const
    out.reset()
    assert.throws(() => appendServerMessage(out, { type: 'watchEvents', requestId: 1, events }), RangeError)
    assert.equal(out.length, 0)
  })

  it('keeps what the server decided about an error whose code this version does not know', () => {
    const known = new QuorateError('conflict', 'm', { retryable: true, applied: 'unknown' })
    const frame = serverFrame([{ type: 'error', requestId: 1, error: known }])
    frame.set(new TextEncoder().encode('conflicx'), 14)
    const [message] = readServerFrame(frame)
    assert.ok(message?.type === 'error')
    assert.equal(message.error.code, 'internal')
    assert.equal(message.error.message, 'conflicx: m')
    assert.deepEqual([message.error.retryable, message.error.applied], [true, 'unknown'])
  })
})

describe('the bytes of the client wire (docs/formats/client-wire.md)', () => {
  it('of a commit', () => {
    const commit = {
      type: 'commit',
      requestId: 0x01020304,
      serial: 5,
      acknowledgedThrough: 4,
      notAfterMicros: 2 ** 40,
      copy: 1,
      caller: 'al',
      envelope: bytes(0xee, 0xff),
    } as const
    assertHex(
      encode(commit),
      '2b000000 02 00 0000 04030201 0500000000000000 0400000000000000 0000000000010000 01 0200616c eeff',
    )
  })

  it('of a read: get at a token, scan in a view', () => {
    const common = { type: 'read', requestId: 7, timeoutMs: 1000, caller: '' } as const
    const get = { type: 'get', project: 'p', scope: 'app', keys: [bytes(1, 2)] } as const
    assertHex(
      encode({ ...common, viewId: 0, consistency: { minSeq: `${HISTORY}:9` }, request: get }),
      `40000000 03 000000 07000000 e8030000 00000000 03 ${HISTORY} 0900000000000000 0000 01 010070 0300617070 01000000 02000102`,
    )
    const scan = { type: 'scan', project: 'p', scope: 'app', limit: 10, end: bytes(9), reverse: true } as const
    assertHex(
      encode({ ...common, viewId: 2, consistency: 'linearizable', request: scan }),
      '28000000 03 000000 07000000 e8030000 02000000 00 0000 02 06 010070 0300617070 0a000000 010009',
    )
  })

  it('of a watch, and of messages without a body', () => {
    const watch = {
      type: 'watch',
      requestId: 1,
      caller: '',
      project: 'p',
      scope: 's',
      prefix: bytes(7),
      from: undefined,
    } as const
    assertHex(encode(watch), '18000000 06 000000 01000000 00 0000 010070 010073 010007')
    assertHex(encode({ ...watch, events: true }), '18000000 06 000000 01000000 02 0000 010070 010073 010007')
    const rows = { ...watch, prefix: bytes(), table: 't', key: { k: true } }
    assertHex(encode(rows), '1f000000 06 000000 01000000 04 0000 010070 010073 0000 010074 01 00 016b 02')
    assertHex(encode({ type: 'cancel', requestId: 1 }), '0c00000007000000 01000000')
    assertHex(encode({ type: 'ping', requestId: 2 }), '0c00000008000000 02000000')
    assertHex(encode({ type: 'status', requestId: 3 }), '0c00000009000000 03000000')
  })

  it('of a hello, whose body is MessagePack', () => {
    const body = encode({ type: 'hello', requestId: 1, protocol: 1, clientName: 'c', clientVersion: 'v' }).slice(24)
    const text = (value: string): string => (0xa0 + value.length).toString(16) + hex(Buffer.from(value))
    const map = text('protocol') + '01' + text('clientName') + text('c') + text('clientVersion') + text('v')
    assert.ok(body === `83${map}` || body === `de0003${map}`)
  })

  it('of reads of tables', () => {
    const read = (request: ReadRequest): string =>
      encode({
        type: 'read',
        requestId: 1,
        timeoutMs: 0,
        viewId: 0,
        consistency: 'local',
        caller: '',
        request,
      }).slice(46)
    const where = { op: 'isNull', column: 'c' } as const
    const full: QueryData = {
      project: 'p',
      scope: 's',
      from: 't',
      as: 'a',
      joins: [
        { type: 'cross', table: 'u' },
        { type: 'full', table: 'v', as: 'w', on: [{ left: 'l', op: 'gte', right: 'r' }] },
      ],
      where,
      select: ['c', { column: 'c', as: 'd' }, { compute: { column: 'c' }, as: 'e' }],
      distinct: true,
      groupBy: ['c'],
      aggregates: [{ function: 'count' }, { function: 'avg', column: 'c', as: 'd' }],
      having: where,
      orderBy: [{ column: 'c' }, { column: 'd', direction: 'desc' }],
      limit: 2,
      offset: 3,
      cursor: 'k',
      allowFullScan: true,
      useIndex: 'i',
    }
    const cases: [ReadRequest, string][] = [
      [
        { type: 'query', query: full, readSet: true },
        '08 01 ff7f 010070 010073 010074 010061' +
          '0200 05 00 010075  04 03 010076 010077 0100 01006c 06 010072' +
          '08 010063  0300 00 010063 01 010063 010064 02 00 010063 010065' +
          '0100 010063  0200 01 00 06 03 010063 010064  08 010063' +
          '0200 010063 00 010064 02  02000000 03000000 010000006b 010069',
      ],
      [
        {
          type: 'query',
          query: { project: 'p', from: 't', joins: [{ type: 'left', table: 'u', as: 'w', on: where }] },
        },
        '08 00 0400 010070 010074 0100 02 05 010075 010077 08 010063',
      ],
      [{ type: 'query', query: { project: 'p', from: 't' } }, '08 00 0000 010070 010074'],
      [
        { type: 'query', query: { project: 'p', from: 't', distinct: false, allowFullScan: false } },
        '08 00 0000 010070 010074',
      ],
      [{ type: 'query', query: { project: 'p', from: 't' }, diagnostics: true }, '08 02 0000 010070 010074'],
      [{ type: 'explain', query: { project: 'p', from: 't' } }, '09 0000 010070 010074'],
      [
        { type: 'rows', project: 'p', scope: 's', table: 't', keys: [{ c: true }, {}], readSet: true },
        '0a 01 010070 010073 010074 02000000 0100 0163 02 0000',
      ],
      [{ type: 'tables', project: 'p', scope: 's' }, '0b 00 010070 010073'],
      [{ type: 'jobs' }, '0f 00'],
      [{ type: 'jobs', project: 'p', scope: 's', table: 't' }, '0f 03 010070 010073 010074'],
      [{ type: 'preflight', envelope: bytes(1, 2) }, '10 02000000 0102'],
      [{ type: 'audit', beforeSeq: 7, limit: 2 }, '11 0700000000000000 02000000'],
      [{ type: 'tables', project: 'p', scope: 's', table: 't' }, '0b 01 010070 010073 010074'],
      [
        { type: 'events', project: 'p', scope: 's', afterSeq: 7, limit: 2 },
        '0c 0300 010070 010073 0700000000000000 02000000',
      ],
      [
        { type: 'events', project: 'p', scope: 's', topic: 't', afterSeq: 0, limit: 1, reverse: true },
        '0c 0702 010070 010073 010074 0000000000000000 01000000',
      ],
      [
        {
          type: 'events',
          key: 'k',
          fromSeq: 1,
          toSeq: 2,
          fromMicros: 3,
          toMicros: 4,
          where: [
            { pointer: '/a', equals: null },
            { pointer: '', equals: true },
            { pointer: '', equals: 0.5 },
            { pointer: '', equals: 'x' },
          ],
          afterSeq: 7,
          limit: 2,
        },
        '0c f801 01006b 0100000000000000 0200000000000000 0300000000000000 0400000000000000' +
          ' 04000000 02002f61 00 0000 02 0000 03 000000000000e03f 0000 04 01000000 78 0700000000000000 02000000',
      ],
      [{ type: 'eventSummary', project: 'p', scope: 's', topics: 2 }, '12 00 010070 010073 02000000'],
      [
        { type: 'eventSummary', project: 'p', scope: 's', topic: 't', afterTopic: 'u', topics: 2 },
        '12 03 010070 010073 010074 010075 02000000',
      ],
    ]
    for (const [request, expected] of cases) assertHex(read(request), expected)
  })

  it('of what is read of tables', () => {
    const answer = (result: ReadResult): string =>
      hex(serverFrame([{ type: 'readResult', requestId: 1, seq: 5, result }])).slice(40)
    const readSet = { points: [{ project: 'p', scope: 's', table: 't', key: bytes(1), seq: 2 }], ranges: [] }
    const setHex =
      '29000000 01 00 0100 0000 0100 0000 0000 00000000 01 70 01 73  22 00 0000 0d000000 01 74 0100 01 0200000000000000'
    const definition = { columns: [], primaryKey: [] }
    const cases: [ReadResult, string][] = [
      [
        {
          type: 'events',
          events: [{ seq: 5, timeMicros: 6, topic: 't', key: 'k', payload: '{}' }],
          nextSeq: 5,
          removedThroughSeq: 4,
        },
        '0c 00 0500000000000000 0400000000000000 01000000 0500000000000000 0600000000000000 010074 01006b 02000000 7b7d',
      ],
      [
        {
          type: 'events',
          events: [{ project: 'p', scope: 's', seq: 5, timeMicros: 6, topic: 't', key: 'k', payload: '{}' }],
          nextSeq: 0,
          removedThroughSeq: 0,
        },
        '0c 01 0000000000000000 0000000000000000 01000000 010070 010073' +
          ' 0500000000000000 0600000000000000 010074 01006b 02000000 7b7d',
      ],
      [
        {
          type: 'eventSummary',
          summary: {
            events: 1,
            bytes: 2,
            removed: 3,
            removedThroughSeq: 4,
            first: { seq: 5, timeMicros: 6 },
            last: { seq: 7, timeMicros: 8 },
            compaction: { seq: 1, events: 2, fromSeq: 3, throughSeq: 4, left: 5, isDone: true },
            topics: [{ topic: 't', events: 9, bytes: 10, firstSeq: 11, last: { seq: 12, timeMicros: 13 } }],
            moreTopics: true,
          },
        },
        '12 1f 0100000000000000 0200000000000000 0300000000000000 0400000000000000' +
          ' 0500000000000000 0600000000000000 0700000000000000 0800000000000000' +
          ' 0100000000000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000 01000000 010074' +
          ' 0900000000000000 0a00000000000000 0b00000000000000 0c00000000000000 0d00000000000000',
      ],
      [
        {
          type: 'query',
          result: { columns: ['c'], types: ['u8'], rows: [[1], [null]], cursor: 'k', examined: 2, seq: 5 },
          readSet,
        },
        `08 07 0100 010063 01 02000000 04 01000000 00 010000006b 0200000000000000 0500000000000000 ${setHex}`,
      ],
      [
        { type: 'query', result: { columns: ['c'], rows: [], examined: 0, seq: 5 } },
        '08 00 0100 010063 00000000 0000000000000000 0500000000000000',
      ],
      [
        {
          type: 'explain',
          plan: {
            path: 'index',
            indexes: ['i'],
            stages: [
              { kind: 'scan', text: 's', estimatedRows: 2, maxRows: 3 },
              { kind: 'limit', text: 't' },
            ],
            isOrderedByScan: true,
            isBounded: true,
            seq: 5,
            bounds: { pageRows: 1, pageBytes: 2, heldBytes: 3, scanRows: 4 },
          },
        },
        '09 02 07 0500000000000000 0100000000000000 0200000000000000 0300000000000000 0400000000000000' +
          '01000000 010069 02000000 00 03 010073 0200000000000000 0300000000000000 09 00 010074',
      ],
      [
        {
          type: 'query',
          result: { columns: ['c'], rows: [], examined: 0, seq: 5 },
          diagnostics: {
            plan: {
              path: 'rowCount',
              indexes: [],
              stages: [{ kind: 'count', text: 's', maxRows: 1 }],
              isOrderedByScan: false,
              isBounded: false,
              seq: 5,
              bounds: { pageRows: 1, pageBytes: 2, heldBytes: 3 },
            },
            stages: [{ read: 6, rows: 7, heldBytes: 8 }],
            pageBytes: 9,
          },
        },
        '08 08 0100 010063 00000000 0000000000000000 0500000000000000' +
          '07 00 0500000000000000 0100000000000000 0200000000000000 0300000000000000 00000000' +
          '01000000 0a 02 010073 0100000000000000 0600000000000000 0700000000000000 0800000000000000 0900000000000000',
      ],
      [
        {
          type: 'rows',
          columns: ['c'],
          types: ['boolean'],
          rows: [undefined, { cells: [true], seq: 3, createdSeq: 2, expiresAtMicros: 1 }],
          readSet,
        },
        `0a 04 0100 010063 05 02000000 00 01 0300000000000000 0200000000000000 0100000000000000 02 ${setHex}`,
      ],
      [
        {
          type: 'tables',
          tables: [
            {
              name: 't',
              id: 7,
              owner: 'o',
              definition,
              readPolicy: { op: 'isNull', column: 'c' },
              rows: 9,
              indexes: [{ name: 'i', isReady: true }],
              failures: [{ name: 'j', message: 'm', seq: 4 }],
            },
          ],
        },
        '0b 01000000 010074 0700000000000000 01006f 0000 0000 00 01 08 010063 0900000000000000' +
          '01000000 010069 01 01000000 01006a 01006d 0400000000000000',
      ],
      [
        {
          type: 'jobs',
          jobs: [
            { id: 'i', seq: 1, kind: 'removeRows', left: 2 },
            {
              id: 'j',
              seq: 3,
              kind: 'validateCheck',
              project: 'p',
              scope: 's',
              table: 't',
              name: 'n',
              done: 4,
              left: 5,
            },
          ],
        },
        '0f 02000000 010069 0100000000000000 05 20 0200000000000000' +
          '01006a 0300000000000000 02 3f 010070 010073 010074 01006e 0400000000000000 0500000000000000',
      ],
      [
        {
          type: 'audit',
          rows: [
            {
              seq: 9,
              timeMicros: 5,
              kind: 'assertionFailed',
              actor: 'a',
              caller: 'b',
              code: 'c',
              assertion: { index: 2, actualSeq: 7 },
              hash: 'ab'.repeat(32),
              previousHash: 'cd'.repeat(32),
            },
          ],
          isIntact: true,
          count: 3,
          headHash: '01'.repeat(32),
        },
        `11 01 0300000000000000 ${'01'.repeat(32)} 01000000 0900000000000000 0500000000000000 08 010061 010062 010063 06 02000000 0700000000000000 ${'ab'.repeat(32)} ${'cd'.repeat(32)}`,
      ],
      [
        { type: 'preflight', outcome: bytes(1), rows: 2, keys: 3, events: 4, readSet },
        `10 01 01000000 01 0200000000000000 0300000000000000 0400000000000000 ${setHex}`,
      ],
      [
        { type: 'tables', tables: [{ name: 't', id: 7, owner: '', definition, indexes: [], failures: [] }] },
        '0b 01000000 010074 0700000000000000 0000 0000 0000 00 02 00000000 00000000',
      ],
      [
        { type: 'grants', grants: [{ caller: 'c', permission: { type: 'admin' }, delegable: true }] },
        '06 01000000 010063 00 00 01',
      ],
    ]
    for (const [result, expected] of cases) assertHex(answer(result), expected)
  })

  it('of answers', () => {
    const answers: [ServerMessage, string][] = [
      [
        { type: 'outcome', requestId: 2, leaderTimeMicros: 3, outcome: bytes(1) },
        '1500000042000000 02000000 0300000000000000 01',
      ],
      [{ type: 'viewOpened', requestId: 2, viewId: 4, seq: 5 }, '1800000044000000 02000000 04000000 0500000000000000'],
      [{ type: 'pong', requestId: 2, leaderTimeMicros: 3 }, '1400000048000000 02000000 0300000000000000'],
      [
        {
          type: 'goaway',
          requestId: 0,
          reason: 'lost_leader',
          graceMs: 1,
          leader: { nodeId: 2, term: 3, clientAddress: 'h' },
        },
        '2100000047000000 00000000 01 01 01000000 02000000 0300000000000000 010068',
      ],
      [
        {
          type: 'readResult',
          requestId: 2,
          seq: 5,
          result: {
            type: 'get',
            entries: [undefined, { key: bytes(1), value: bytes(2), seq: 3, createdSeq: 4, expiresAtMicros: 6 }],
          },
        },
        '3b00000043000000 02000000 0500000000000000 01 02000000 00 01 0300000000000000 0400000000000000 0600000000000000 010001 0100000002',
      ],
      [
        {
          type: 'watchEvents',
          requestId: 2,
          events: [
            { type: 'commit', seq: 5, changes: [{ key: bytes(1), kind: 'put', value: bytes(2), seq: 5 }] },
            { type: 'progress', seq: 6 },
          ],
        },
        '2b00000045000000 02000000 00 0500000000000000 01000000 00 010001 0100000002 01 0600000000000000',
      ],
      [
        {
          type: 'error',
          requestId: 2,
          error: new QuorateError('busy', 'm', {
            retryable: true,
            applied: 'unknown',
            backoffMs: 7,
            detail: { actualSeq: 8 },
          }),
        },
        '2300000046000000 02000000 040062757379 01006d 35 07000000 02 0800000000000000',
      ],
    ]
    for (const [message, expected] of answers) assertHex(hex(serverFrame([message])), expected)
  })
})
