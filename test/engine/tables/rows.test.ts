import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ColumnDefinition, Ddl, Expr, Mutation, Value } from '../../../src/encoding/index.ts'
import { rowKey } from '../../../src/engine/tables/index.ts'
import { Bed, insert, remove, SECOND, T, update, upsert } from './bed.ts'

const COLUMNS: ColumnDefinition[] = [
  { name: 'id', type: 'integer' },
  { name: 'name', type: 'text', nullable: true },
  { name: 'amount', type: 'integer', default: 7 },
  { name: 'at', type: 'timestamp', defaultNow: true },
]

function created(extra: Partial<Extract<Ddl, { type: 'createTable' }>> = {}): Bed {
  const bed = new Bed()
  bed.ddl({ type: 'createTable', ...T, columns: COLUMNS, primaryKey: ['id'], ...extra })
  return bed
}

describe('rows', () => {
  it('of a layout that their table never had stop apply, whatever the request', () => {
    const bed = created()
    bed.commit(insert('t', { id: 1 }))
    const key = rowKey(bed.table('t'), [1])
    const { value, createdSeq } = bed.store.get(key)!
    const wrong = Uint8Array.of(value[0]!, 99, 0, ...value.subarray(3))
    bed.store.put(key, wrong, 0, wrong.length, bed.seq, createdSeq, 0)
    for (const mutation of [update('t', { id: 1 }, { amount: { set: 1 } }), insert('t', { id: 1 })]) {
      assert.throws(() => bed.submit({ mutations: [mutation] }), { name: 'InvariantError', message: /layout 99/ })
    }
  })

  it('whose keys have no form stop apply, whatever the request', () => {
    const bed = created()
    bed.commit(insert('t', { id: 1 }))
    const { value, createdSeq } = bed.store.get(rowKey(bed.table('t'), [1]))!
    const wrong = Uint8Array.of(...rowKey(bed.table('t'), []), 0x77)
    bed.store.put(wrong, value, 0, value.length, bed.seq, createdSeq, 0)
    const all: Mutation = { type: 'deleteWhere', ...T }
    assert.throws(() => bed.submit({ mutations: [all] }), { name: 'InvariantError', message: /tag 119/ })
  })

  it('are inserted with defaults and leader time, in the order of their keys', () => {
    const bed = created()
    const at = bed.timeMicros
    bed.commit(insert('t', { id: 2, name: 'b' }, { id: -1, amount: 5, at: 3 }))
    assert.deepEqual(bed.rows('t'), [
      { id: -1, name: null, amount: 5, at: 3 },
      { id: 2, name: 'b', amount: 7, at },
    ])
    bed.checkIndexes()
  })

  it('are refused for columns, types, nulls and keys that do not fit', () => {
    const bed = created()
    bed.commit(insert('t', { id: 1 }))
    const cases: [Mutation, string][] = [
      [insert('x', { id: 1 }), 'table_not_found'],
      [{ ...insert('t', { id: 1 }), project: 'q' } as Mutation, 'project_not_found'],
      [{ ...insert('t', { id: 1 }), scope: 's' } as Mutation, 'scope_not_found'],
      [insert('t'), 'invalid_argument'],
      [insert('t', { id: 2, nope: 1 }), 'column_not_found'],
      [insert('t', { id: 'x' }), 'type_mismatch'],
      [insert('t', { id: 2.5 }), 'type_mismatch'],
      [insert('t', { id: 2, name: 5 }), 'type_mismatch'],
      [insert('t', { name: 'without key' }), 'not_null_violation'],
      [insert('t', { id: 2, amount: null }), 'not_null_violation'],
      [insert('t', { id: 2, at: null }), 'not_null_violation'],
      [insert('t', { id: 1 }), 'duplicate_key'],
      [insert('t', { id: 3 }, { id: 3 }), 'duplicate_key'],
      [update('t', { id: 9 }, { amount: { set: 1 } }), 'row_not_found'],
      [update('t', { id: 1 }, { id: { set: 1 } }), 'invalid_argument'],
      [update('t', { id: 1 }, { nope: { set: 1 } }), 'column_not_found'],
      [update('t', { id: 1 }, { amount: { set: 'x' } }), 'type_mismatch'],
      [update('t', { id: 1 }, { amount: { set: null } }), 'not_null_violation'],
      [update('t', { id: 1 }, { amount: { copy: 'name' } }), 'type_mismatch'],
      [update('t', { id: 1 }, { name: { add: 1 } }), 'type_mismatch'],
      [update('t', { id: 1 }, { amount: { proposed: 'amount' } }), 'invalid_argument'],
      [update('t', { id: 1 }, { amount: { add: (1n << 63n) - 1n } }), 'overflow'],
      [update('t', { id: 1 }, { amount: { subtract: (1n << 63n) + 8n } }), 'underflow'],
      [update('t', {}, { amount: { set: 1 } }), 'invalid_argument'],
      [update('t', { id: 1, name: null }, { amount: { set: 1 } }), 'invalid_argument'],
      [remove('t', { name: 'x' }), 'invalid_argument'],
      [{ type: 'deleteWhere', ...T, limit: 0 }, 'invalid_argument'],
      [{ type: 'deleteWhere', ...T, where: { op: 'eq', column: 'nope', value: 1 } }, 'column_not_found'],
      [{ type: 'deleteWhere', ...T, where: { op: 'eq', column: 'name', value: 1 } }, 'type_mismatch'],
    ]
    for (const [mutation, code] of cases) assert.equal(bed.refusal(mutation), code, JSON.stringify(mutation.type))
  })

  it('have keys and values within the limits', () => {
    const bed = new Bed()
    const columns: ColumnDefinition[] = [
      { name: 'k', type: 'text' },
      { name: 'v', type: 'blob', nullable: true },
    ]
    bed.ddl({ type: 'createTable', ...T, columns, primaryKey: ['k'] })
    bed.commit(insert('t', { k: 'x'.repeat(766) }))
    assert.equal(bed.refusal(insert('t', { k: 'x'.repeat(767) })), 'key_too_large')
    bed.commit(remove('t', { k: 'x'.repeat(766) }))
    bed.ddl({ type: 'createIndex', ...T, index: { name: 'v', columns: ['v'] } })
    bed.commit(insert('t', { k: 'y', v: new Uint8Array(760) }))
    assert.equal(bed.refusal(insert('t', { k: 'y', v: new Uint8Array(761) })), 'duplicate_key')
    assert.equal(bed.refusal(upsert('t', { k: 'y', v: new Uint8Array(761) })), 'key_too_large')
    bed.commit(remove('t', { k: 'y' }))
    bed.ddl({ type: 'dropIndex', ...T, name: 'v' }, { type: 'setSetting', name: 'valueBytesMax', value: 1_000 })
    bed.commit(insert('t', { k: 'y', v: new Uint8Array(990) }))
    assert.equal(bed.refusal(insert('t', { k: 'z', v: new Uint8Array(1_000) })), 'value_too_large')
    assert.equal(bed.refusal(insert('t', { k: 'z', v: new Uint8Array(1_001) })), 'value_too_large')
  })

  it('are replaced whole by upserts, and keep when they were created', () => {
    const bed = created()
    bed.commit(insert('t', { id: 1, name: 'a', amount: 1 }))
    const first = bed.seq
    bed.commit(upsert('t', { id: 1, at: 0 }, { id: 2, at: 0 }))
    assert.deepEqual(bed.rows('t'), [
      { id: 1, name: null, amount: 7, at: 0 },
      { id: 2, name: null, amount: 7, at: 0 },
    ])
    assert.ok(bed.records().some(record => record.startsWith('11') && record.endsWith(` ${bed.seq} ${first} 0`)))
  })

  it('are updated by expressions, later ones seeing what earlier ones have set', () => {
    const bed = created()
    bed.commit(insert('t', { id: 1, amount: 5, at: 40 }))
    bed.commit(update('t', { id: 1 }, { amount: { add: 2n }, at: { subtract: 41 }, name: { coalesce: 'n' } }))
    assert.deepEqual(bed.rows('t'), [{ id: 1, name: 'n', amount: 7, at: -1 }])
    bed.commit(update('t', { id: 1 }, { name: { coalesce: 'other' }, amount: { set: 1 } }))
    assert.deepEqual(bed.rows('t'), [{ id: 1, name: 'n', amount: 1, at: -1 }])
    bed.ddl({
      type: 'alterTable',
      ...T,
      alteration: { type: 'addColumn', column: { name: 'z', type: 'integer', default: 0 } },
    })
    bed.commit(update('t', { id: 1 }, { amount: { add: 1 }, z: { copy: 'amount' } }))
    assert.equal(bed.rows('t')[0]!['z'], 2)
  })

  it('answer whether there was one to delete, and how many were found', () => {
    const bed = created()
    bed.commit(insert('t', { id: 1 }, { id: 2, amount: 1 }, { id: 3, amount: 1 }, { id: 4, amount: 1 }))
    assert.deepEqual(bed.commit(remove('t', { id: 1 }), remove('t', { id: 1 })), [true, false])
    const where = { op: 'eq', column: 'amount', value: 1 } as const
    assert.deepEqual(bed.commit({ type: 'updateWhere', ...T, where, set: { amount: { add: 1 } }, limit: 2 }), [2n])
    assert.deepEqual(
      bed.rows('t').map(({ amount }) => amount),
      [2, 2, 1],
    )
    assert.deepEqual(bed.commit({ type: 'deleteWhere', ...T, where }), [1n])
    assert.deepEqual(bed.commit({ type: 'deleteWhere', ...T }), [2n])
    assert.deepEqual(bed.rows('t'), [])
  })

  it('are seen by the mutations of the same transaction that follow', () => {
    const bed = created({ indexes: [{ name: 'name', columns: ['name'], unique: true }] })
    const where = { op: 'eq', column: 'name', value: 'a' } as const
    assert.deepEqual(
      bed.commit(
        insert('t', { id: 1, name: 'a' }),
        { type: 'updateWhere', ...T, where, set: { amount: { set: 9 } } },
        remove('t', { id: 1 }),
        insert('t', { id: 2, name: 'a' }),
        { type: 'updateWhere', ...T, where, set: { amount: { set: 8 } } },
      ),
      [undefined, 1n, true, undefined, 1n],
    )
    assert.deepEqual(
      bed.rows('t').map(({ id, amount }) => [id, amount]),
      [[2, 8]],
    )
    assert.equal(
      bed.refusal([insert('t', { id: 3, name: 'b' }), insert('t', { id: 4, name: 'b' })]),
      'unique_violation',
    )
    bed.checkIndexes()
  })

  it('are found by equalities on the first columns of the key without a look at the others', () => {
    const bed = new Bed()
    const columns: ColumnDefinition[] = [
      { name: 'a', type: 'text' },
      { name: 'b', type: 'integer' },
      { name: 'n', type: 'integer', default: 0 },
    ]
    bed.ddl({ type: 'createTable', ...T, columns, primaryKey: ['a', 'b'] })
    for (const a of ['x', 'x\0y', 'z']) bed.commit(insert('t', ...Array.from({ length: 150 }, (_, b) => ({ a, b }))))
    bed.ddl({ type: 'setSetting', name: 'scanRecordsMax', value: 200 })
    const set = { n: { add: 1 } } as const
    const ofX = { op: 'eq', column: 'a', value: 'x' } as const
    assert.deepEqual(bed.commit({ type: 'updateWhere', ...T, where: ofX, set }), [150n])
    assert.equal(bed.refusal({ type: 'updateWhere', ...T, set }), 'scan_bound_exceeded')
    const ofOne = { op: 'and', args: [ofX, { op: 'eq', column: 'b', value: 3n }] } as const
    assert.deepEqual(
      bed.commit(...Array.from({ length: 100 }, () => ({ type: 'updateWhere', ...T, where: ofOne, set }) as const)),
      Array.from({ length: 100 }, () => 1n),
    )
    const others = { op: 'ne', column: 'n', value: 0 } as const
    bed.ddl({ type: 'setSetting', name: 'scanRecordsMax', value: 1_000 })
    assert.deepEqual(bed.commit({ type: 'deleteWhere', ...T, where: others }), [150n])
  })

  it('are found by an index whose columns the condition bounds, and changed in the order of their keys', () => {
    const bed = created({
      indexes: [
        { name: 'both', columns: ['name', 'amount'] },
        { name: 'amount', columns: ['amount'] },
        { name: 'partial', columns: ['at'], where: { op: 'gte', column: 'at', value: 0 } },
      ],
    })
    const rows = Array.from({ length: 900 }, (_, id) => ({ id, name: `n${id % 9}`, amount: id % 100, at: id }))
    bed.commit(insert('t', ...rows))
    bed.ddl({ type: 'setSetting', name: 'scanRecordsMax', value: 250 })
    const eq = (column: string, value: Value): Expr => ({ op: 'eq', column, value })
    const change = (where: Expr, limit?: number): Mutation => ({
      type: 'updateWhere',
      ...T,
      where,
      set: { name: { set: 'hit' } },
      ...(limit !== undefined && { limit }),
    })
    const hits = (): unknown[] => bed.rows('t').flatMap(({ id, name }) => (name === 'hit' ? [id] : []))
    assert.deepEqual(bed.commit(change(eq('amount', 7))), [9n])
    assert.deepEqual(hits(), [7, 107, 207, 307, 407, 507, 607, 707, 807])
    assert.deepEqual(bed.commit(change({ op: 'and', args: [eq('name', 'n3'), eq('amount', 3)] })), [1n])
    assert.deepEqual(hits().slice(0, 2), [3, 7])
    assert.deepEqual(
      bed.commit(change(eq('name', 'n0'), 2)),
      [2n],
      'entries of equal names are not in the order of keys',
    )
    assert.deepEqual(hits().slice(0, 3), [0, 3, 7])
    assert.deepEqual(hits().includes(9), true)
    assert.deepEqual(bed.commit(change({ op: 'between', column: 'amount', low: 10, high: 11 }, 3)), [3n])
    assert.deepEqual(hits().slice(0, 6), [0, 3, 7, 9, 10, 11])
    assert.equal(bed.refusal(change({ op: 'lt', column: 'amount', value: 60 })), 'scan_bound_exceeded')
    assert.equal(bed.refusal(change(eq('at', 5))), 'scan_bound_exceeded', 'not every row has an entry')
    assert.equal(bed.refusal(change(eq('amount', 2.5))), 'scan_bound_exceeded', 'no value of the column')
    bed.checkIndexes()
  })

  it('are not looked for in an index that is being built', () => {
    const bed = created()
    bed.commit(insert('t', ...Array.from({ length: 300 }, (_, id) => ({ id, name: 'n' }))))
    bed.ddl({ type: 'createIndex', ...T, index: { name: 'name', columns: ['name'] } })
    bed.tick(100)
    const where: Expr = { op: 'eq', column: 'name', value: 'n' }
    assert.deepEqual(bed.commit({ type: 'updateWhere', ...T, where, set: { amount: { set: 1 } } }), [300n])
  })

  it('may be changed up to a number in one transaction', () => {
    const bed = created()
    bed.ddl({ type: 'setSetting', name: 'rowsMax', value: 10 })
    const rows = Array.from({ length: 11 }, (_, id) => ({ id }))
    assert.equal(bed.refusal(insert('t', ...rows)), 'transaction_too_large')
    bed.commit(insert('t', ...rows.slice(1)))
    assert.equal(bed.refusal([insert('t', { id: 0 }), { type: 'deleteWhere', ...T }]), 'transaction_too_large')
  })
})

describe('a conflict', () => {
  const NAMED = { indexes: [{ name: 'name', columns: ['name'], unique: true }] }
  const row = { id: 1, name: 'a', amount: 1, at: 0 }

  it('is ignored, merged or resolved by updates, and counted', () => {
    const bed = created(NAMED)
    bed.commit(insert('t', row))
    const on = (action: 'nothing' | 'merge', ...rows: Record<string, string | number | null>[]): Mutation => ({
      type: 'insert',
      ...T,
      rows,
      onConflict: { action },
    })
    assert.deepEqual(bed.commit(on('nothing', { id: 1, name: 'x' }, { id: 2, name: 'b', at: 0 })), [1n])
    assert.deepEqual(bed.commit(on('merge', { id: 1, amount: 5, name: null })), [1n])
    assert.deepEqual(bed.rows('t'), [
      { ...row, amount: 5 },
      { id: 2, name: 'b', amount: 7, at: 0 },
    ])
    const update = { amount: { addProposed: 'amount' }, name: { proposed: 'name' } } as const
    bed.commit({ type: 'insert', ...T, rows: [{ id: 1, amount: 10, name: 'c' }], onConflict: { action: { update } } })
    assert.deepEqual(bed.rows('t')[0], { id: 1, name: 'c', amount: 15, at: 0 })
    bed.checkIndexes()
  })

  it('is looked for where it is told', () => {
    const bed = created(NAMED)
    bed.commit(insert('t', row))
    const by = (target: { index: string } | { columns: string[] }, id: number, name: string | null): Mutation => ({
      type: 'insert',
      ...T,
      rows: [{ id, name, amount: 3 }],
      onConflict: { target, action: 'merge' },
    })
    bed.commit(by({ index: 'name' }, 2, 'a'), by({ columns: ['name'] }, 3, 'a'), by({ columns: ['id'] }, 1, 'a'))
    assert.deepEqual(bed.rows('t'), [{ ...row, amount: 3 }])
    bed.commit(by({ index: 'name' }, 2, null))
    assert.equal(bed.rows('t').length, 2)
    assert.equal(bed.refusal(by({ index: 'name' }, 1, 'other')), 'duplicate_key')
    assert.equal(bed.refusal(by({ columns: ['id'] }, 3, 'a')), 'unique_violation')
    assert.equal(bed.refusal(by({ index: 'nope' }, 3, 'a')), 'index_not_found')
    assert.equal(bed.refusal(by({ columns: ['amount'] }, 3, 'a')), 'invalid_argument')
    assert.equal(bed.refusal(by({ columns: ['nope'] }, 3, 'a')), 'column_not_found')
  })
})

describe('rows that expire', () => {
  const put = (id: number, ttlMs: number, name = 'a'): Mutation => ({
    type: 'upsert',
    ...T,
    rows: [{ id, name }],
    ttlMs,
  })

  it('are gone for everybody when their time has come, and removed with their entries by ticks', () => {
    const bed = created({
      indexes: [
        { name: 'name', columns: ['name'], unique: true },
        { name: 'n', columns: ['amount'] },
      ],
    })
    bed.commit(put(1, 1_000))
    assert.equal(bed.refusal(insert('t', { id: 2, name: 'a' })), 'unique_violation')
    bed.timeMicros += SECOND
    assert.equal(bed.refusal(update('t', { id: 1 }, { amount: { set: 1 } })), 'row_not_found')
    assert.deepEqual(bed.commit(remove('t', { id: 1 }), { type: 'deleteWhere', ...T }), [false, 0n])
    assert.equal(bed.holds([{ type: 'rowExists', ...T, key: { id: 1 }, expected: false }]), true)
    bed.commit(insert('t', { id: 2, name: 'a' }))
    bed.checkIndexes()
    assert.ok(bed.applier.earliestExpiryMicros <= bed.timeMicros)
    bed.tick()
    assert.deepEqual(
      bed.rows('t').map(({ id }) => id),
      [2],
    )
    assert.ok(bed.records().every(record => !record.startsWith('0803')))
    bed.checkIndexes()
  })

  it('leave a record that an insert takes over as a new row', () => {
    const bed = created({ indexes: [{ name: 'name', columns: ['name'] }] })
    bed.commit(put(1, 1_000))
    bed.timeMicros += SECOND
    bed.commit(insert('t', { id: 1, name: 'b' }))
    const row = bed.records().find(record => record.startsWith('11'))!
    assert.ok(row.endsWith(` ${bed.seq} ${bed.seq} 0`))
    bed.checkIndexes()
    bed.tick()
    assert.equal(bed.rows('t').length, 1)
  })

  it('keep their time when they are updated, and lose it to an upsert without one', () => {
    const bed = created({ indexes: [{ name: 'name', columns: ['name'] }] })
    bed.commit(put(1, 1_000), put(2, 1_000))
    bed.commit(update('t', { id: 1 }, { amount: { set: 0 } }), upsert('t', { id: 2 }))
    const merge = { type: 'insert', ...T, onConflict: { action: 'merge' } } as const
    bed.commit({ ...merge, rows: [{ id: 1, name: 'z' }] })
    bed.checkIndexes()
    bed.timeMicros += SECOND
    bed.tick()
    assert.deepEqual(
      bed.rows('t').map(({ id }) => id),
      [2],
    )
    bed.commit({ ...merge, rows: [{ id: 2, name: 'z' }], ttlMs: 5 })
    bed.timeMicros += SECOND
    bed.tick(1)
    assert.deepEqual(bed.rows('t'), [])
    bed.checkIndexes()
  })
})
