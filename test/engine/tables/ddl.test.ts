import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl, Expr, TableAlteration, TableDefinitionData } from '../../../src/encoding/index.ts'
import { loadClusterState } from '../../../src/engine/cluster-state.ts'
import { decodeTable, encodeTable } from '../../../src/engine/tables/index.ts'
import { Bed, hex, insert, SECOND, T, update, upsert } from './bed.ts'

const PLAIN: TableDefinitionData = {
  columns: [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'text', nullable: true },
    { name: 'n', type: 'integer', default: 1 },
  ],
  primaryKey: ['id'],
}

function create(definition: Partial<TableDefinitionData> = {}, table = 't'): Ddl {
  return { type: 'createTable', project: 'p', table, ...PLAIN, ...definition }
}

function alter(alteration: TableAlteration): Ddl {
  return { type: 'alterTable', ...T, alteration }
}

function withRows(definition: Partial<TableDefinitionData> = {}, rows = 5): Bed {
  const bed = new Bed()
  bed.ddl(create(definition))
  const filled = Array.from({ length: rows }, (_, id) => ({ id, name: `n${id}`, n: id % 3 }))
  if (rows > 0) bed.commit(insert('t', ...filled))
  return bed
}

const positive: Expr = { op: 'gte', column: 'n', value: 0 }

describe('a table', () => {
  it('is created once, with ids that are never given again', () => {
    const bed = new Bed()
    assert.deepEqual(bed.ddl(create()), [true])
    const { id } = bed.table('t')
    assert.equal(bed.ddlRefusal(create()), 'already_exists')
    assert.deepEqual(bed.ddl({ ...create(), ifNotExists: true } as Ddl), [false])
    assert.deepEqual(bed.ddl({ type: 'dropTable', ...T }, create()), [true, true])
    assert.ok(bed.table('t').id > id)
  })

  it('is refused for what it cannot be', () => {
    const bed = new Bed()
    const { columns } = PLAIN
    const cases: [Ddl, string][] = [
      [create({}, 'a b'), 'invalid_name'],
      [create({}, '__kv_index'), 'invalid_name'],
      [{ ...create(), project: 'q' } as Ddl, 'project_not_found'],
      [{ ...create(), scope: 's' } as Ddl, 'scope_not_found'],
      [create({ columns: [...columns, { name: 'n', type: 'text' }] }), 'already_exists'],
      [create({ columns: [...columns, { name: 'a.b', type: 'text' }] }), 'invalid_name'],
      [create({ columns: [...columns, { name: '__proto__', type: 'text' }] }), 'invalid_name'],
      [create({ columns: [...columns, { name: 'x', type: 'u8', default: 256 }] }), 'type_mismatch'],
      [create({ columns: [...columns, { name: 'x', type: 'integer', defaultNow: true }] }), 'type_mismatch'],
      [
        create({ columns: [...columns, { name: 'x', type: 'timestamp', default: 1, defaultNow: true }] }),
        'invalid_argument',
      ],
      [create({ primaryKey: [] }), 'invalid_argument'],
      [create({ primaryKey: ['nope'] }), 'column_not_found'],
      [create({ primaryKey: ['id', 'id'] }), 'already_exists'],
      [create({ primaryKey: ['name'] }), 'invalid_argument'],
      [create({ indexes: [{ name: 'i', columns: ['nope'] }] }), 'column_not_found'],
      [create({ indexes: [{ name: 'i', columns: ['n', 'n'] }] }), 'already_exists'],
      [
        create({
          indexes: [
            { name: 'i', columns: ['n'] },
            { name: 'i', columns: ['id'] },
          ],
        }),
        'already_exists',
      ],
      [
        create({ indexes: [{ name: 'i', columns: ['n'], where: { op: 'eq', column: 'n', value: 'x' } }] }),
        'type_mismatch',
      ],
      [
        create({
          indexes: [{ name: 'i', columns: ['n'], where: { op: 'eq', column: 'name', value: { caller: true } } }],
        }),
        'invalid_query',
      ],
      [create({ checks: [{ name: 'c', check: { op: 'isNull', column: 'x' } }] }), 'column_not_found'],
      [
        create({
          checks: [
            { name: 'c', check: positive },
            { name: 'c', check: positive },
          ],
        }),
        'already_exists',
      ],
    ]
    for (const [operation, code] of cases) assert.equal(bed.ddlRefusal(operation), code)
    for (const type of ['dropTable', 'clearReadPolicy'] as const) {
      assert.equal(bed.ddlRefusal({ type, ...T }), 'table_not_found')
    }
    assert.deepEqual(bed.ddl({ type: 'dropTable', ...T, ifExists: true }), [false])
  })

  it('is renamed, and its rows stay', () => {
    const bed = withRows()
    bed.ddl(create({}, 'other'))
    assert.equal(bed.ddlRefusal({ type: 'renameTable', ...T, to: 'other' }), 'already_exists')
    assert.equal(bed.ddlRefusal({ type: 'renameTable', ...T, to: 'a b' }), 'invalid_name')
    assert.deepEqual(bed.ddl({ type: 'renameTable', ...T, to: 't' }), [false])
    bed.ddl({ type: 'renameTable', ...T, to: 'u' })
    assert.equal(bed.rows('u').length, 5)
    assert.equal(bed.refusal(insert('t', { id: 9 })), 'table_not_found')
  })

  it('is dropped with its rows, entries, policy and permissions; one of the same name inherits nothing', () => {
    const bed = withRows({ indexes: [{ name: 'i', columns: ['n'] }] }, 30)
    bed.commit({ ...upsert('t', { id: 99 }), ttlMs: 1_000 } as never)
    const permission = { type: 'tableWrite', project: 'p', scope: 'app', table: 't' } as const
    bed.ddl(
      { type: 'setReadPolicy', ...T, policy: positive },
      { type: 'grant', caller: 'al', permission },
      { type: 'grant', caller: 'al', permission: { ...permission, type: 'tableRead' } },
      { type: 'grant', caller: 'bo', permission: { type: 'tableWrite', project: 'p' } },
    )
    bed.commit(insert('t', { id: 50 }))
    bed.ddl({ type: 'dropTable', ...T })
    bed.ddl(create())
    assert.deepEqual(bed.rows('t'), [])
    assert.equal(bed.table('t').parts.readPolicy, undefined)
    assert.equal(bed.refusal(insert('t', { id: 1 }), 'al'), 'permission_denied')
    assert.equal(bed.submit({ mutations: [insert('t', { id: 1 })] }, 'bo').status, 'committed')
    assert.deepEqual(bed.applier.state.access.of('al').grants, [])
    for (let ticks = 0; bed.applier.state.jobs.length > 0; ticks++) {
      assert.ok(ticks < 40)
      bed.tick(7)
    }
    assert.equal(bed.records().filter(record => record.startsWith('11')).length, 1)
    assert.equal(bed.records().filter(record => /^(12|0803)/.test(record)).length, 0)
    bed.checkIndexes()
  })

  it('goes with its scope and its project', () => {
    const bed = withRows({ indexes: [{ name: 'i', columns: ['n'] }] })
    bed.ddl({ type: 'createScope', project: 'p', scope: 's' }, { ...create(), scope: 's' } as Ddl)
    bed.ddl({ type: 'dropScope', project: 'p', scope: 's' })
    bed.ddl({ type: 'dropProject', project: 'p' })
    bed.settle()
    assert.deepEqual(
      bed.records().filter(record => /^(02|09|11|12)/.test(record)),
      [],
    )
  })

  it('is read back as it was stored', () => {
    const bed = new Bed()
    bed.ddl(
      create({
        columns: [
          ...PLAIN.columns,
          { name: 'big', type: 'u256', default: (1n << 255n) + 1n },
          { name: 'at', type: 'timestamp', defaultNow: true },
        ],
        indexes: [{ name: 'i', columns: ['n', 'name'], kind: 'hash', unique: true, where: positive }],
        checks: [{ name: 'c', check: { op: 'not', arg: { op: 'eq', column: 'name', value: 'x' } } }],
        foreignKeys: [{ name: 'f', columns: ['n'], table: 't', onDelete: 'cascade', onUpdate: 'setDefault' }],
      }),
      { type: 'setReadPolicy', ...T, policy: { op: 'eq', column: 'name', value: { caller: true } } },
    )
    const { parts } = bed.table('t')
    assert.deepEqual(decodeTable(parts.id, encodeTable(parts)), parts)
    assert.deepEqual(loadClusterState(bed.store).catalog.tableById(parts.id)!.parts, parts)
    assert.equal(bed.table('t').parts.indexes.length, 2, 'one was made for the foreign key')
  })

  it('has exactly this record', () => {
    const bed = new Bed()
    bed.ddl(create({ indexes: [{ name: 'i', columns: ['n'] }], checks: [{ name: 'c', check: positive }] }))
    const record = bed.records().find(line => line.startsWith('0203'))!
    assert.equal(
      record.split(' ')[1],
      [
        '01 01000000 01000000 0100 74 0000 04000000',
        '0300 01000000 0200 6964 03 00 00 00',
        '02000000 0400 6e616d65 00 01 00 00',
        '03000000 0100 6e 03 00 04 01000000 00',
        '0100 01000000',
        '0100 0100 0200 02000000 00 03000000 03',
        '0100 01000000 0100 69 04 0100 03000000',
        '0100 0100 63 01 05 0100 6e 04 00000000',
        '0000 00 0000',
      ]
        .join('')
        .replaceAll(' ', ''),
    )
    assert.equal(record.split(':')[0], '02030000000000000001')
    assert.ok(hex(encodeTable(bed.table('t').parts)).length > 0)
  })
})

describe('a column', () => {
  it('is added without a write of any row, which have its default', () => {
    const bed = withRows()
    const before = bed.records().filter(record => record.startsWith('11'))
    bed.ddl(alter({ type: 'addColumn', column: { name: 'x', type: 'text', default: 'd' } }))
    bed.ddl(alter({ type: 'addColumn', column: { name: 'at', type: 'timestamp', defaultNow: true } }))
    const at = bed.timeMicros
    bed.timeMicros += SECOND
    assert.deepEqual(
      bed.records().filter(record => record.startsWith('11')),
      before,
    )
    bed.ddl(alter({ type: 'setDefault', column: 'x', default: 'e' }))
    bed.commit(insert('t', { id: 7 }), update('t', { id: 0 }, { n: { set: 5 } }))
    const rows = bed.rows('t')
    assert.deepEqual(
      rows.map(({ x }) => x),
      ['d', 'd', 'd', 'd', 'd', 'e'],
    )
    assert.deepEqual(
      rows.map(row => row['at']),
      [at, at, at, at, at, bed.timeMicros],
    )
    assert.equal(bed.ddlRefusal(alter({ type: 'addColumn', column: { name: 'x', type: 'text' } })), 'already_exists')
    assert.equal(
      bed.ddlRefusal(alter({ type: 'addColumn', column: { name: 'y', type: 'text' } })),
      'not_null_violation',
    )
    bed.ddl(alter({ type: 'addColumn', column: { name: 'y', type: 'text', nullable: true } }))
    assert.deepEqual(bed.rows('t')[0]!['y'], null)
  })

  it('is dropped and forgotten: another of the same name has nothing of it', () => {
    const bed = withRows()
    bed.ddl(alter({ type: 'dropColumn', column: 'name' }))
    assert.deepEqual(bed.rows('t')[1], { id: 1, n: 1 })
    bed.ddl(alter({ type: 'addColumn', column: { name: 'name', type: 'integer', nullable: true } }))
    assert.deepEqual(bed.rows('t')[1], { id: 1, n: 1, name: null })
    bed.commit(upsert('t', { id: 1, name: 4 }))
    assert.deepEqual(bed.rows('t')[1], { id: 1, n: 1, name: 4 })
    assert.equal(bed.ddlRefusal(alter({ type: 'dropColumn', column: 'nope' })), 'column_not_found')
  })

  it('is protected while anything names it', () => {
    const bed = new Bed()
    bed.ddl(create({}, 'parent'))
    const column = (name: string): TableDefinitionData['columns'][number] => ({ name, type: 'integer', nullable: true })
    bed.ddl(
      create({
        columns: [...PLAIN.columns, ...['i', 'w', 'c', 'f', 'r', 'free'].map(column)],
        indexes: [{ name: 'i', columns: ['n', 'i'], where: { op: 'gt', column: 'w', value: 1 } }],
        checks: [{ name: 'c', check: { op: 'lt', column: 'n', value: { column: 'c' } } }],
        foreignKeys: [{ name: 'f', columns: ['f'], table: 'parent' }],
      }),
      { type: 'setReadPolicy', ...T, policy: { op: 'or', args: [{ op: 'isNull', column: 'r' }] } },
    )
    for (const name of ['id', 'i', 'w', 'c', 'f', 'r']) {
      assert.equal(bed.ddlRefusal(alter({ type: 'dropColumn', column: name })), 'invalid_argument', name)
    }
    bed.ddl(alter({ type: 'dropColumn', column: 'free' }))
  })

  it('is renamed in every condition that names it', () => {
    const bed = withRows({
      indexes: [{ name: 'i', columns: ['id'], where: positive }],
      checks: [{ name: 'c', check: positive }],
    })
    bed.ddl({ type: 'setReadPolicy', ...T, policy: positive }, alter({ type: 'renameColumn', column: 'n', to: 'm' }))
    assert.equal(bed.refusal(insert('t', { id: 9, m: -1 })), 'check_failed')
    bed.commit(insert('t', { id: 9, m: 1 }))
    const renamed = { ...positive, column: 'm' }
    const { parts } = bed.table('t')
    assert.deepEqual([parts.indexes[0]!.where, parts.checks[0]!.check, parts.readPolicy], [renamed, renamed, renamed])
    bed.checkIndexes()
    assert.equal(bed.ddlRefusal(alter({ type: 'renameColumn', column: 'm', to: 'id' })), 'already_exists')
    assert.equal(bed.ddlRefusal(alter({ type: 'renameColumn', column: 'n', to: 'x' })), 'column_not_found')
  })

  it('that may not be null any more is in force when its rows were looked at', () => {
    const bed = withRows({}, 600)
    bed.ddl(alter({ type: 'setNullable', column: 'name', nullable: false }))
    assert.equal(bed.refusal(upsert('t', { id: 1 })), 'not_null_violation')
    assert.equal(bed.table('t').columns[1]!.isNullable, true)
    bed.tick(200)
    assert.equal(bed.table('t').columns[1]!.isNullable, true)
    bed.settle(200)
    assert.equal(bed.table('t').columns[1]!.isNullable, false)
    bed.ddl(alter({ type: 'setNullable', column: 'name', nullable: true }))
    bed.commit(upsert('t', { id: 599 }))
    bed.ddl(alter({ type: 'setNullable', column: 'name', nullable: false }))
    bed.settle()
    assert.equal(bed.table('t').columns[1]!.isNullable, true)
    assert.deepEqual(bed.table('t').parts.failures, [{ name: 'name', message: 'a row has null', seq: bed.seq }])
    bed.commit(upsert('t', { id: 1 }))
    assert.equal(bed.ddlRefusal(alter({ type: 'setNullable', column: 'id', nullable: true })), 'invalid_argument')
  })
})

describe('a check', () => {
  it('refuses rows for which it is false, and passes the unknown', () => {
    const bed = withRows({ checks: [{ name: 'c', check: { op: 'like', column: 'name', pattern: 'n%' } }] })
    assert.equal(bed.refusal(insert('t', { id: 9, name: 'x' })), 'check_failed')
    bed.commit(insert('t', { id: 9 }))
    bed.ddl(alter({ type: 'dropCheck', name: 'c' }))
    bed.commit(insert('t', { id: 10, name: 'x' }))
    assert.equal(bed.ddlRefusal(alter({ type: 'dropCheck', name: 'c' })), 'not_found')
  })

  it('is added if all rows pass it, and holds writers from the beginning', () => {
    const bed = withRows({}, 600)
    const add = (value: number): Ddl =>
      alter({ type: 'addCheck', check: { name: 'c', check: { op: 'lte', column: 'n', value } } })
    bed.ddl(add(2))
    assert.equal(bed.refusal(insert('t', { id: 900, n: 3 })), 'check_failed')
    assert.equal(bed.table('t').parts.checks[0]!.isValid, false)
    bed.settle(100)
    assert.equal(bed.table('t').parts.checks[0]!.isValid, true)
    bed.ddl(alter({ type: 'dropCheck', name: 'c' }), add(1))
    bed.settle(100)
    assert.deepEqual(bed.table('t').parts.checks, [])
    assert.deepEqual(
      bed.table('t').parts.failures.map(({ name }) => name),
      ['c'],
    )
    bed.ddl(add(1), alter({ type: 'dropCheck', name: 'c' }), add(5))
    assert.equal(bed.applier.state.jobs.length, 1, 'that of a dropped check is gone')
  })
})

describe('an index', () => {
  const index = (unique = false, where?: Expr): Ddl => ({
    type: 'createIndex',
    ...T,
    index: { name: 'i', columns: ['name'], unique, ...(where !== undefined && { where }) },
  })

  it('is built by steps while writers keep it', () => {
    const bed = withRows({}, 1_000)
    bed.ddl(index())
    assert.equal(bed.table('t').index('i')!.isReady, false)
    const steps: number[] = []
    while (bed.applier.state.jobs.length > 0) {
      const id = steps.length
      bed.commit(update('t', { id: 999 - id * 100 }, { name: { set: `new${id}` } }))
      bed.commit(update('t', { id }, { name: { set: `old${id}` } }))
      bed.commit({ type: 'delete', ...T, key: { id: 500 + id } }, insert('t', { id: -1 - id, name: 'in front' }))
      bed.checkIndexes()
      bed.tick(150)
      steps.push(bed.records().filter(record => record.startsWith('12')).length)
    }
    assert.ok(steps.length > 5)
    assert.equal(bed.table('t').index('i')!.isReady, true)
    bed.checkIndexes()
  })

  it('is ready at once where there are no rows', () => {
    const bed = withRows({}, 0)
    bed.ddl(index())
    assert.equal(bed.table('t').index('i')!.isReady, true)
    const other = withRows({}, 0)
    other.commit(insert('t', { id: 1 }), { type: 'ddl', operation: index() })
    assert.equal(other.table('t').index('i')!.isReady, false, 'rows of the same transaction count')
    other.settle()
    other.checkIndexes()
  })

  it('fails if it is to be unique and two rows have the same values, and is gone then', () => {
    const bed = withRows({}, 600)
    bed.commit(update('t', { id: 590 }, { name: { set: 'n3' } }))
    bed.ddl(index(true))
    assert.equal(
      bed.refusal([insert('t', { id: 900, name: 'z' }), insert('t', { id: 901, name: 'z' })]),
      'unique_violation',
    )
    bed.settle(100)
    const { parts } = bed.table('t')
    assert.deepEqual(parts.indexes, [])
    assert.deepEqual(
      parts.failures.map(({ name, message }) => [name, message]),
      [['i', 'two rows have the same values']],
    )
    assert.equal(bed.records().filter(record => record.startsWith('12')).length, 0)
    bed.ddl(index(true, { op: 'ne', column: 'id', value: 590 }))
    bed.settle(100)
    assert.equal(bed.table('t').index('i')!.isReady, true)
    bed.checkIndexes()
  })

  it('that is unique ignores nulls and rows that it does not have', () => {
    const bed = withRows({ indexes: [{ name: 'i', columns: ['name', 'n'], unique: true, where: positive }] }, 0)
    bed.commit(
      insert(
        't',
        { id: 1, name: null },
        { id: 2, name: null },
        { id: 3, name: 'a', n: -1 },
        { id: 4, name: 'a', n: -1 },
      ),
    )
    bed.commit(insert('t', { id: 5, name: 'a' }))
    assert.equal(bed.refusal(insert('t', { id: 6, name: 'a' })), 'unique_violation')
    assert.equal(bed.refusal(update('t', { id: 3 }, { n: { set: 1 } })), 'unique_violation')
    bed.commit(update('t', { id: 5 }, { n: { set: -1 } }), update('t', { id: 3 }, { n: { set: 1 } }))
    bed.commit(insert('t', { id: 7, name: 'a\0b' }, { id: 8, name: 'a\0' }))
    bed.checkIndexes()
  })

  it('is not written when none of its columns has changed', () => {
    const bed = withRows({
      indexes: [
        { name: 'i', columns: ['name'] },
        { name: 'w', columns: ['id'], where: positive },
      ],
    })
    const before = bed.records().filter(record => record.startsWith('12'))
    bed.commit(update('t', { id: 1 }, { name: { set: 'n1' } }))
    assert.deepEqual(
      bed.records().filter(record => record.startsWith('12')),
      before,
    )
    bed.commit(update('t', { id: 1 }, { n: { set: -1 } }))
    assert.equal(bed.records().filter(record => record.startsWith('12')).length, before.length - 1)
    bed.checkIndexes()
  })

  it('is dropped by name, and its build with it', () => {
    const bed = withRows({}, 600)
    bed.ddl(index())
    bed.tick(100)
    assert.deepEqual(bed.ddl({ ...index(), ifNotExists: true } as Ddl), [false])
    assert.equal(bed.ddlRefusal(index()), 'already_exists')
    bed.ddl({ type: 'dropIndex', ...T, name: 'i' })
    assert.deepEqual(
      bed.applier.state.jobs.map(({ task }) => task.kind),
      ['removeIndex'],
    )
    bed.settle(100)
    bed.checkIndexes()
    assert.equal(bed.ddlRefusal({ type: 'dropIndex', ...T, name: 'i' }), 'index_not_found')
    assert.deepEqual(bed.ddl({ type: 'dropIndex', ...T, name: 'i', ifExists: true }), [false])
  })
})
