import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeSessionOpening, EntryKind, utf8Bytes, writeU64 } from '../../src/encoding/index.ts'
import { checkInvariants, FINDINGS_MAX } from '../../src/engine/invariants/index.ts'
import type { Inconsistency } from '../../src/engine/invariants/index.ts'
import {
  AUDIT_COUNT_KEY,
  compactionKey,
  COUNTERS_KEY,
  eventLogPrefix,
  eventsPrefix,
  eventStateKey,
  IDEMPOTENCY_ORDER_PREFIX,
  jobKey,
  keyedKey,
  KV_EXPIRY_PREFIX,
  kvKey,
  kvPrefix,
  outcomeChunkKey,
  outcomeKey,
  projectKey,
  ROW_EXPIRY_PREFIX,
  scopeKey,
  SESSION_EXPIRY_PREFIX,
  SYSTEM_SCOPE_ID,
  sessionNonceKey,
  tableKey,
  topicCountKey,
  topicCountsPrefix,
  topicKey,
} from '../../src/engine/layers.ts'
import { placeOf } from '../../src/engine/outbox/index.ts'
import { ColdPages, prefixEnd } from '../../src/engine/record-store.ts'
import type { RecordReader } from '../../src/engine/record-store.ts'
import { CHUNK_BYTES, SlotKind } from '../../src/engine/sessions/index.ts'
import { encodeTable, indexKey, indexPrefix, rowKey } from '../../src/engine/tables/index.ts'
import { Bed, hex, insert } from './tables/bed.ts'

const NONCE = new Uint8Array(16).fill(7)
const NOTHING = new Uint8Array(0)

/** Two tables that refer to each other's rows, keys, events, a session and an idempotency key. */
function populated(): Bed {
  const bed = new Bed()
  bed.ddl(
    {
      type: 'createTable',
      project: 'p',
      table: 'parent',
      columns: [
        { name: 'id', type: 'integer' },
        { name: 'code', type: 'text', nullable: true },
      ],
      primaryKey: ['id'],
      indexes: [{ name: 'code', columns: ['code'], unique: true }],
    },
    {
      type: 'createTable',
      project: 'p',
      table: 'child',
      columns: [
        { name: 'id', type: 'integer' },
        { name: 'up', type: 'integer', nullable: true },
        { name: 'state', type: 'text' },
      ],
      primaryKey: ['id'],
      indexes: [{ name: 'open', columns: ['state'], where: { op: 'eq', column: 'state', value: 'open' } }],
      checks: [{ name: 'known', check: { op: 'in', column: 'state', values: ['open', 'done'] } }],
      foreignKeys: [{ name: 'up', columns: ['up'], table: 'parent' }],
    },
  )
  bed.commit(insert('parent', { id: 1, code: 'a' }, { id: 2, code: 'b' }, { id: 3 }, { id: 4 }))
  bed.commit(
    insert('child', { id: 1, up: 1, state: 'open' }, { id: 2, up: 2, state: 'done' }, { id: 3, state: 'open' }),
  )
  bed.commit({ ...insert('child', { id: 9, state: 'open' }), ttlMs: 5_000 } as ReturnType<typeof insert>)
  bed.commit({ type: 'kvSet', project: 'p', scope: 'app', key: utf8Bytes('k'), value: utf8Bytes('v'), ttlMs: 5_000 })
  bed.commit({ type: 'kvSet', project: 'p', scope: 'app', key: utf8Bytes('l'), value: utf8Bytes('v') })
  const event = { type: 'emitEvent', project: 'p', scope: 'app', payload: '1' } as const
  bed.commit({ ...event, topic: 'orders', key: 'x' })
  bed.commit({ ...event, topic: 'orders', key: 'y' }, { ...event, topic: 'bills', key: 'x' })
  bed.submit({ mutations: [insert('parent', { id: 7 })], idempotencyKey: 'once' })
  bed.apply(
    EntryKind.openSession,
    encodeSessionOpening({ nonce: NONCE, caller: 'root', kind: 'client', notAfterMicros: 0 }),
  )
  return bed
}

async function found(bed: Bed): Promise<readonly Inconsistency[]> {
  return (await checkInvariants(bed.store, bed.timeMicros)).named
}

/** What is found once `plant` has changed records behind the back of apply: rules and the names that go with them. */
async function planted(plant: (bed: Bed) => void): Promise<string[]> {
  const bed = populated()
  plant(bed)
  return (await found(bed)).map(({ invariant, table, index, reason }) =>
    [invariant, table, index, reason].filter(part => part !== undefined).join(': '),
  )
}

function put(bed: Bed, key: Uint8Array, value: Uint8Array = NOTHING, expiresAtMicros = 0): void {
  bed.store.put(key, value, 0, value.length, bed.seq, bed.seq, expiresAtMicros)
}

function keysOf(bed: Bed, prefix: Uint8Array): Uint8Array[] {
  const keys: Uint8Array[] = []
  bed.store.walk(prefix, prefixEnd(prefix), false, key => {
    keys.push(key.slice())
    return true
  })
  return keys
}

function entries(bed: Bed, table: string, index: string): Uint8Array[] {
  return keysOf(bed, indexPrefix(bed.table(table).index(index)!.id))
}

const scopeId = (bed: Bed): number => bed.applier.state.catalog.scope('p', 'app')!.id

/** What is found where a scope with everything in it is not there. */
const NOTHING_OF_A_SCOPE = [
  'catalog: parent: there is no scope of this table',
  'catalog: child: there is no scope of this table',
  'orphan: keys of nothing that is there',
  'orphan: rows of nothing that is there',
  'orphan: rows of nothing that is there',
  ...Array.from({ length: 3 }, () => 'orphan: index entries of nothing that is there'),
  'orphan: events of nothing that is there',
  'orphan: counts of events of nothing that is there',
]

describe('invariants of a state', () => {
  it('hold for what apply has written, at any point of a build and of a removal', async () => {
    const bed = populated()
    assert.deepEqual(await found(bed), [])
    const index = { name: 'late', columns: ['code'] }
    bed.ddl({ type: 'createIndex', project: 'p', table: 'parent', index })
    bed.ddl({ type: 'dropTable', project: 'p', table: 'child' })
    for (let ticks = 0; ticks < 30; ticks++) {
      assert.deepEqual(await found(bed), [], `after ${ticks} ticks`)
      bed.tick(1)
    }
    bed.timeMicros += 3_600_000_000
    bed.settle()
    assert.deepEqual(await found(bed), [])
  })

  const row = (bed: Bed, table: string, id: number): Uint8Array => rowKey(bed.table(table), [id])
  const drop = (bed: Bed, key: Uint8Array | undefined): void => bed.store.delete(key!)
  /** A second row's bytes under the key of a first, so that its cells change while its entries stay. */
  const overwrite = (bed: Bed, table: string, id: number, other: number): void =>
    put(bed, row(bed, table, id), bed.store.get(row(bed, table, other))!.value)
  const changeTable = (bed: Bed, name: string, change: Partial<Parameters<typeof encodeTable>[0]>): void => {
    const { id, parts } = bed.table(name)
    put(bed, tableKey(id), encodeTable({ ...parts, ...change }))
  }
  const counters = (bed: Bed, at: number): void => {
    const value = bed.store.get(COUNTERS_KEY)!.value.slice()
    value[at] = value[at]! + 1
    put(bed, COUNTERS_KEY, value)
  }

  /** What is done to the records, and everything that must be said of it. */
  const cases: readonly [string, (bed: Bed) => void, readonly string[]][] = [
    [
      'a row without its entry in an index',
      bed => drop(bed, entries(bed, 'parent', 'code')[2]),
      ['index: parent: code: the row has no entry'],
    ],
    [
      'an entry of a partial index too many',
      bed => {
        const table = bed.table('child')
        put(bed, indexKey(table, table.index('open')!, ['open'], row(bed, 'child', 2)))
      },
      ['index: child: open: the row is not one of this index'],
    ],
    [
      'as many entries as rows, but not theirs',
      bed => {
        const table = bed.table('parent')
        drop(bed, entries(bed, 'parent', 'code').at(-1))
        put(bed, indexKey(table, table.index('code')!, ['z'], row(bed, 'parent', 1)))
      },
      ['index: parent: code: the row has no entry', 'index: parent: code: the row has other values'],
    ],
    [
      'an entry that expires while its row does not',
      bed => put(bed, entries(bed, 'child', 'open')[0]!, NOTHING, 99_000_000_000),
      ['index: child: open: the entry expires at 99000000000, its row at 0'],
    ],
    [
      'two rows with the same values of a unique index',
      bed => {
        const table = bed.table('parent')
        overwrite(bed, 'parent', 2, 1)
        drop(bed, indexKey(table, table.index('code')!, ['b'], row(bed, 'parent', 2)))
        put(bed, indexKey(table, table.index('code')!, ['a'], row(bed, 'parent', 2)))
      },
      ['unique: parent: code: two rows have the same values'],
    ],
    [
      'a row of a layout that the table never had',
      bed => put(bed, row(bed, 'parent', 3), Uint8Array.of(99, 0, 0, 0)),
      [
        'row: parent: the row cannot be read: table 1 has a row of layout 0',
        'index: parent: code: the entry, or its row, cannot be read',
      ],
    ],
    [
      'a row that a check forbids',
      bed => {
        const check = { op: 'in', column: 'state', values: ['open'] } as const
        changeTable(bed, 'child', { checks: [{ name: 'known', check, isValid: true }] })
      },
      ['row: child: check known does not hold'],
    ],
    [
      'a reference to a row that is gone',
      bed => {
        const table = bed.table('parent')
        drop(bed, row(bed, 'parent', 2))
        drop(bed, indexKey(table, table.index('code')!, ['b'], row(bed, 'parent', 2)))
      },
      ['foreign_key: child: foreign key up: there is no row that it refers to'],
    ],
    ['a table whose scope is gone', bed => drop(bed, scopeKey(scopeId(bed))), [...NOTHING_OF_A_SCOPE]],
    [
      'a scope whose project is gone',
      bed => drop(bed, projectKey(1)),
      ['catalog: there is no project of this scope', ...NOTHING_OF_A_SCOPE],
    ],
    [
      'an index that is not ready and that nothing builds',
      bed => {
        const { indexes } = bed.table('parent').parts
        changeTable(bed, 'parent', { indexes: indexes.map(index => ({ ...index, isReady: false })) })
      },
      ['catalog: parent: index code is not ready, and nothing builds it'],
    ],
    [
      'a foreign key without its index',
      bed => {
        const { indexes } = bed.table('child').parts
        changeTable(bed, 'child', { indexes: indexes.filter(({ name }) => name === 'open') })
      },
      [
        'catalog: child: foreign key up has lost the index that it needs',
        'orphan: index entries of nothing that is there',
      ],
    ],
    [
      'an id that was never given',
      bed => put(bed, projectKey(77), bed.store.get(projectKey(1))!.value),
      ['catalog: two projects have this name', 'catalog: the project id 77 was never given'],
    ],
    [
      'a job about a table that is not there',
      bed => put(bed, jobKey(1, 1), Uint8Array.of(4, 99, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
      ['job: buildIndex: there is no such table'],
    ],
    [
      'a job that cannot be read',
      bed => put(bed, jobKey(1, 1), Uint8Array.of(200)),
      ['catalog: catalog, settings, permissions or jobs cannot be read: job 200'],
    ],
    [
      'keys of a scope that never was',
      bed => put(bed, kvKey(500, utf8Bytes('x'), 0, 1)),
      ['orphan: keys of nothing that is there'],
    ],
    [
      'a key that nothing would remove at its time',
      bed => drop(bed, keysOf(bed, KV_EXPIRY_PREFIX)[0]),
      ['expiry: the key expires at 1005000000, and nothing would remove it'],
    ],
    [
      'a place in the order of expiry that is no row’s',
      bed => {
        const [expiry] = keysOf(bed, ROW_EXPIRY_PREFIX)
        const later = expiry!.slice()
        later[9] = later[9]! ^ 1
        drop(bed, expiry)
        put(bed, later)
      },
      ['expiry: the row expires at 1005000000, and nothing would remove it', 'expiry: no row expires then'],
    ],
    [
      'an event that its topic does not have',
      bed => drop(bed, keysOf(bed, entriesOf(bed, 2)).at(-1)),
      ['event: topic orders does not have the event', 'event: topic orders is counted otherwise'],
    ],
    [
      'an entry of a topic too many',
      bed => put(bed, topicKey(scopeId(bed), utf8Bytes('orders'), 3, 0)),
      ['event: the topic has no such event', 'event: topic orders is counted otherwise'],
    ],
    [
      'an event that its key does not have',
      bed => drop(bed, keysOf(bed, entriesOf(bed, 3))[0]),
      ['event: key x does not have the event'],
    ],
    [
      'as many entries of keys as events, but not theirs',
      bed => {
        const [entry] = keysOf(bed, entriesOf(bed, 3))
        drop(bed, entry)
        const { seq, number } = placeOf(entry!)
        put(bed, keyedKey(scopeId(bed), utf8Bytes('z'), seq, number))
      },
      ['event: key x does not have the event', 'event: the key has no such event'],
    ],
    [
      'entries without their event',
      bed => drop(bed, keysOf(bed, eventLogPrefix(scopeId(bed)))[1]),
      [
        'event: the number is 2, not 1',
        'event: 3 events of 23 bytes are counted, 2 of 15 are there',
        'event: the topic has no such event',
        'event: the key has no such event',
        'event: topic orders is counted otherwise',
      ],
    ],
    [
      'an event that is older than the one before it',
      bed => rewrite(bed, keysOf(bed, eventLogPrefix(scopeId(bed)))[2], value => writeU64(value, 1, 5)),
      ['event: it is older than the event before it, of 1000000000', 'event: topic bills is counted otherwise'],
    ],
    [
      'an event that cannot be read',
      bed => put(bed, keysOf(bed, eventLogPrefix(scopeId(bed)))[2]!, Uint8Array.of(1, 2)),
      [
        'event: the event cannot be read',
        'event: 3 events of 23 bytes are counted, 3 of 1 are there',
        'event: the topic has no such event',
        'event: the key has no such event',
        'event: topic bills is counted otherwise',
      ],
    ],
    [
      'an event whose number was never given',
      bed => rewrite(bed, eventStateKey(scopeId(bed)), value => writeU64(value, 1, 2)),
      ['event: the number is 0, not -1', 'event: the number 2 was never given'],
    ],
    [
      'an event that is removed',
      bed => {
        const { seq } = placeOf(keysOf(bed, eventLogPrefix(scopeId(bed)))[0]!)
        rewrite(bed, eventStateKey(scopeId(bed)), value => writeU64(value, 9, seq))
      },
      ['event: events up to seq 8 are removed'],
    ],
    [
      'events that a compaction was to remove',
      bed => putCompacted(bed),
      ['event: events up to seq 8 are to be removed, and nothing does'],
    ],
    [
      'a job that removes events that never were',
      bed => {
        putCompacted(bed)
        put(bed, jobKey(2, 1), Uint8Array.of(7, scopeId(bed), 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0))
      },
      ['event: a job removes events that never were'],
    ],
    [
      'a lifecycle event that is gone',
      bed => drop(bed, keysOf(bed, eventLogPrefix(SYSTEM_SCOPE_ID)).at(-1)),
      [
        'event: 4 events of 330 bytes are counted, 3 of 224 are there',
        'event: the topic has no such event',
        'event: the key has no such event',
        'event: topic tableCreated is counted otherwise',
      ],
    ],
    [
      'events counted wrongly',
      bed => rewrite(bed, eventStateKey(scopeId(bed)), value => writeU64(value, 25, 24)),
      ['event: 3 events of 24 bytes are counted, 3 of 23 are there'],
    ],
    [
      'events of a topic counted wrongly',
      bed => rewrite(bed, topicCountKey(scopeId(bed), utf8Bytes('bills')), value => writeU64(value, 1, 2)),
      ['event: topic bills is counted otherwise'],
    ],
    [
      'a topic whose newest event is another',
      bed => rewrite(bed, topicCountKey(scopeId(bed), utf8Bytes('orders')), value => writeU64(value, 17, 8)),
      ['event: topic orders is counted otherwise'],
    ],
    [
      'events of a topic that are not counted, and counts without events',
      bed => {
        const [bills] = keysOf(bed, topicCountsPrefix(scopeId(bed)))
        put(bed, topicCountKey(scopeId(bed), utf8Bytes('none')), bed.store.get(bills!)!.value)
        drop(bed, bills)
      },
      ['event: topic bills is counted otherwise', 'event: topic none is counted and has no event'],
    ],
    ['sessions counted wrongly', bed => counters(bed, 9), ['session: 2 are counted, 1 are there']],
    ['idempotency keys counted wrongly', bed => counters(bed, 13), ['idempotency: 2 are counted, 1 are there']],
    [
      'an idempotency key that is never forgotten',
      bed => drop(bed, keysOf(bed, IDEMPOTENCY_ORDER_PREFIX)[0]),
      ['idempotency: 1 keys have 0 places in the order'],
    ],
    [
      'a session that nothing would end',
      bed => drop(bed, keysOf(bed, SESSION_EXPIRY_PREFIX)[0]),
      ['session: nothing would end the session'],
    ],
    [
      'a session that its nonce does not lead to',
      bed => drop(bed, sessionNonceKey(NONCE)),
      ['session: its nonce does not lead to the session'],
    ],
    [
      'outcomes of no session, one without its record',
      bed => put(bed, outcomeChunkKey(12_345, 0), new Uint8Array(CHUNK_BYTES).fill(SlotKind.record, 0, 1)),
      ['session: these outcomes belong to no session', 'session: the outcome of serial 0 is missing'],
    ],
    ['an outcome that no slot names', bed => put(bed, outcomeKey(12_345, 0)), ['session: no slot names the outcome']],
    [
      'audit rows counted wrongly',
      bed => put(bed, AUDIT_COUNT_KEY, Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0)),
      ['audit: 3 rows are counted, 0 are there'],
    ],
  ]

  for (const [what, plant, expected] of cases) {
    it(`name ${what}`, async () => assert.deepEqual(await planted(plant), expected))
  }

  it('name the table, the index and the key', async () => {
    const bed = populated()
    const [entry] = entries(bed, 'child', 'open')
    drop(bed, entry)
    const key = hex(row(bed, 'child', 1))
    const place = { project: 'p', scope: 'app', table: 'child', index: 'open', key }
    assert.deepEqual(await found(bed), [{ invariant: 'index', reason: 'the row has no entry', ...place }])
  })

  it('are that spaces hold as many records and bytes as is counted', async () => {
    const bed = populated()
    const space = kvPrefix(scopeId(bed))
    const reader: RecordReader = {
      get: key => bed.store.get(key),
      metadata: key => bed.store.metadata(key),
      walk: (...range) => bed.store.walk(...range),
      usage: asked => {
        const usage = bed.store.usage(asked)
        return hex(asked) === hex(space) ? { ...usage, bytes: usage.bytes + 1 } : usage
      },
    }
    const { named } = await checkInvariants(reader, bed.timeMicros)
    const reason = '2 records and 5 bytes are counted, 2 and 4 are there'
    assert.deepEqual(named, [{ invariant: 'usage', reason, project: 'p', scope: 'app', key: hex(space) }])
  })

  it('name so many breaches and count the others', async () => {
    const bed = populated()
    for (let id = 0; id < FINDINGS_MAX + 5; id++) put(bed, kvKey(1_000 + id, NOTHING, 0, 0))
    const { named, count } = await checkInvariants(bed.store, bed.timeMicros)
    assert.deepEqual([named.length, count], [FINDINGS_MAX, FINDINGS_MAX + 5])
  })

  it('are found although pages are cold: each record is met once', async () => {
    const bed = populated()
    drop(bed, entries(bed, 'parent', 'code')[2])
    drop(bed, row(bed, 'parent', 2))
    const expected = await found(bed)
    assert.ok(expected.length >= 2)
    let loads = 0
    const met = new Set<string>()
    /** What is asked for the first time is not in memory. */
    const cold = (asked: Uint8Array): typeof bed.store => {
      if (met.has(hex(asked))) return bed.store
      met.add(hex(asked))
      throw new ColdPages(() => Promise.resolve(void loads++))
    }
    const reader: RecordReader = {
      get: key => cold(key).get(key),
      metadata: key => cold(key).metadata(key),
      walk: (...range) => cold(range[0]).walk(...range),
    }
    assert.deepEqual((await checkInvariants(reader, bed.timeMicros)).named, expected)
    assert.ok(loads > 10)
  })
})

/** A compaction of the first event, of which there is only the report. */
function putCompacted(bed: Bed): void {
  const { seq } = placeOf(keysOf(bed, eventLogPrefix(scopeId(bed)))[0]!)
  const value = new Uint8Array(41).fill(1, 0, 1)
  for (const at of [1, 17, 25]) writeU64(value, at, seq)
  put(bed, compactionKey(scopeId(bed)), value)
}

/** Of topics (2) or of keys (3). */
function entriesOf(bed: Bed, kind: number): Uint8Array {
  return Uint8Array.of(...eventsPrefix(scopeId(bed)), kind)
}

function rewrite(bed: Bed, key: Uint8Array | undefined, change: (value: Uint8Array) => unknown): void {
  const value = bed.store.get(key!)!.value.slice()
  change(value)
  put(bed, key!, value)
}
