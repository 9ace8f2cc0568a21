import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl, ForeignKeyDefinition, Mutation, TableDefinitionData } from '../../../src/encoding/index.ts'
import { Bed, insert, remove, SECOND, update, upsert } from './bed.ts'

const COLUMNS: TableDefinitionData['columns'] = [
  { name: 'id', type: 'integer' },
  { name: 'code', type: 'text', nullable: true },
  { name: 'up', type: 'integer', nullable: true, default: 0 },
  { name: 'upCode', type: 'text', nullable: true, default: 'none' },
]

function create(table: string, ...foreignKeys: ForeignKeyDefinition[]): Ddl {
  return {
    type: 'createTable',
    project: 'p',
    table,
    columns: COLUMNS,
    primaryKey: ['id'],
    indexes: [{ name: 'code', columns: ['code'], unique: true }],
    foreignKeys,
  }
}

function addKey(table: string, foreignKey: ForeignKeyDefinition): Ddl {
  return { type: 'alterTable', project: 'p', table, alteration: { type: 'addForeignKey', foreignKey } }
}

function toParent(onDelete: ForeignKeyDefinition['onDelete'], table = 'parent'): ForeignKeyDefinition {
  return { name: 'fk', columns: ['up'], table, ...(onDelete !== undefined && { onDelete }) }
}

function byCode(
  onUpdate: ForeignKeyDefinition['onUpdate'],
  onDelete: ForeignKeyDefinition['onDelete'],
): ForeignKeyDefinition {
  return {
    name: 'byCode',
    columns: ['upCode'],
    table: 'parent',
    references: ['code'],
    ...(onUpdate !== undefined && { onUpdate }),
    ...(onDelete !== undefined && { onDelete }),
  }
}

/** Rows 1..3 of `parent`, and a table `child`. */
function family(...foreignKeys: ForeignKeyDefinition[]): Bed {
  const bed = new Bed()
  bed.ddl(create('parent'), create('child', ...foreignKeys))
  bed.commit(insert('parent', ...[0, 1, 2, 3].map(id => ({ id, code: `c${id}`, up: null }))))
  return bed
}

const ids = (bed: Bed, table: string): unknown[] => bed.rows(table).map(({ id }) => id)

describe('a foreign key', () => {
  it('wants a row to refer to, or a null', () => {
    const bed = family(toParent('restrict'))
    assert.equal(bed.refusal(insert('child', { id: 1, up: 9 })), 'foreign_key_violation')
    bed.commit(insert('child', { id: 1, up: 1 }, { id: 2, up: null }))
    assert.equal(bed.refusal(update('child', { id: 1 }, { up: { set: 9 } })), 'foreign_key_violation')
    assert.equal(bed.refusal(upsert('child', { id: 2, up: 9 })), 'foreign_key_violation')
    bed.commit(update('child', { id: 2 }, { up: { set: 2 } }))
    bed.checkIndexes()
  })

  it('holds rows in place by restrict and by noAction', () => {
    for (const action of ['restrict', 'noAction', undefined] as const) {
      const bed = family(toParent(action))
      bed.commit(insert('child', { id: 1, up: 1 }))
      assert.equal(bed.refusal(remove('parent', { id: 1 })), 'foreign_key_violation')
      assert.equal(bed.refusal({ type: 'deleteWhere', project: 'p', table: 'parent' }), 'foreign_key_violation')
      bed.commit(remove('child', { id: 1 }), remove('parent', { id: 1 }))
    }
  })

  it('takes rows along by cascade, up to eight tables deep', () => {
    const bed = new Bed()
    bed.ddl(create('parent'))
    for (let i = 1; i <= 9; i++) bed.ddl(create(`t${i}`, toParent('cascade', i === 1 ? 'parent' : `t${i - 1}`)))
    bed.commit(insert('parent', { id: 1, up: null }))
    for (let i = 1; i <= 8; i++) bed.commit(insert(`t${i}`, { id: 1, up: 1 }, { id: 2, up: 1 }))
    bed.commit(insert('t9', { id: 1, up: 1 }))
    assert.equal(bed.refusal(remove('parent', { id: 1 })), 'foreign_key_violation')
    bed.commit(remove('t9', { id: 1 }), remove('parent', { id: 1 }))
    for (let i = 1; i <= 8; i++) assert.deepEqual(bed.rows(`t${i}`), [])
    bed.checkIndexes()
  })

  it('gives its columns null or their default, with their index entries', () => {
    const bed = family(toParent('setNull'))
    bed.commit(insert('child', { id: 1, up: 1 }, { id: 2, up: 1, code: 'x' }), remove('parent', { id: 1 }))
    assert.deepEqual(
      bed.rows('child').map(({ up }) => up),
      [null, null],
    )
    bed.checkIndexes()
    const other = family(toParent('setDefault'))
    other.commit(insert('child', { id: 1, up: 1 }), remove('parent', { id: 1 }))
    assert.deepEqual(
      other.rows('child').map(({ up }) => up),
      [0],
    )
    assert.equal(other.refusal(remove('parent', { id: 0 })), 'foreign_key_violation', 'the default is gone too')
    other.checkIndexes()
  })

  it('follows, clears or forbids changes of what it refers to', () => {
    const rename: Mutation = update('parent', { id: 1 }, { code: { set: 'new' } })
    const run = (onUpdate: ForeignKeyDefinition['onUpdate']): unknown[] => {
      const bed = family(byCode(onUpdate, 'cascade'))
      bed.commit(insert('parent', { id: 9, code: 'none', up: null }))
      bed.commit(insert('child', { id: 1, upCode: 'c1', up: null }, { id: 2, upCode: null, up: null }))
      bed.commit(update('parent', { id: 1 }, { up: { set: 4 } }), rename)
      bed.checkIndexes()
      return bed.rows('child').map(({ upCode }) => upCode)
    }
    assert.deepEqual(run('cascade'), ['new', null])
    assert.deepEqual(run('setNull'), [null, null])
    assert.deepEqual(run('setDefault'), ['none', null])
    const bed = family(byCode('restrict', 'cascade'))
    bed.commit(insert('child', { id: 1, upCode: 'c1', up: null }))
    assert.equal(bed.refusal(rename), 'foreign_key_violation')
    bed.commit(remove('parent', { id: 1 }))
    assert.deepEqual(bed.rows('child'), [])
  })

  it('of a table to itself holds when the mutation is done', () => {
    const bed = new Bed()
    bed.ddl(create('parent', toParent('restrict')))
    bed.commit(insert('parent', { id: 1, up: 2 }, { id: 2, up: 1 }, { id: 3, up: 3 }, { id: 4, up: 3 }))
    assert.equal(bed.refusal(insert('parent', { id: 5, up: 6 })), 'foreign_key_violation')
    assert.equal(bed.refusal(remove('parent', { id: 1 })), 'foreign_key_violation')
    assert.equal(bed.refusal(remove('parent', { id: 3 })), 'foreign_key_violation')
    bed.commit(remove('parent', { id: 4 }), remove('parent', { id: 3 }))
    bed.commit({ type: 'deleteWhere', project: 'p', table: 'parent' })
    assert.deepEqual(bed.rows('parent'), [])
    bed.checkIndexes()
  })

  it('of a table to itself may cascade in a circle', () => {
    const bed = new Bed()
    bed.ddl(create('parent', toParent('cascade')))
    bed.commit(insert('parent', { id: 1, up: 3 }, { id: 2, up: 1 }, { id: 3, up: 2 }, { id: 4, up: null }))
    assert.deepEqual(bed.commit(remove('parent', { id: 1 })), [true])
    assert.deepEqual(ids(bed, 'parent'), [4])
    bed.commit(insert('parent', { id: 1, up: 1 }, { id: 2, up: 1 }))
    assert.deepEqual(bed.commit({ type: 'deleteWhere', project: 'p', table: 'parent' }), [2n], 'a row that went along')
  })

  it('is kept by rows whose table is reached on two ways', () => {
    const bed = family(toParent('cascade'))
    bed.ddl(
      create(
        'grandchild',
        { name: 'a', columns: ['up'], table: 'child', onDelete: 'cascade' },
        {
          name: 'b',
          columns: ['upCode'],
          table: 'parent',
          references: ['code'],
        },
      ),
    )
    bed.commit(insert('child', { id: 1, up: 1 }))
    bed.commit(insert('grandchild', { id: 1, up: 1, upCode: 'c1' }))
    bed.commit(remove('parent', { id: 1 }))
    assert.deepEqual([ids(bed, 'child'), ids(bed, 'grandchild')], [[], []])
    bed.commit(insert('grandchild', { id: 1, up: null, upCode: 'c2' }))
    assert.equal(bed.refusal(remove('parent', { id: 2 })), 'foreign_key_violation')
  })

  it('does not refer to rows that expire, nor lets rows expire that are referred to', () => {
    const bed = family(toParent('cascade'))
    const mortal = (id: number): Mutation => ({ ...upsert('parent', { id, up: null }), ttlMs: 1_000 }) as Mutation
    bed.commit(mortal(9))
    assert.equal(bed.refusal(insert('child', { id: 1, up: 9 })), 'foreign_key_violation')
    bed.commit(insert('child', { id: 1, up: 1 }))
    assert.equal(bed.refusal(mortal(1)), 'foreign_key_violation')
    bed.commit(mortal(2))
    bed.timeMicros += SECOND
    bed.tick()
    bed.checkIndexes()
    const childless: Mutation = { ...upsert('child', { id: 2, up: 1 }), ttlMs: 10 } as Mutation
    bed.commit(childless)
    bed.timeMicros += SECOND
    bed.commit(remove('child', { id: 1 }), remove('parent', { id: 1 }))
    bed.tick()
    bed.checkIndexes()
  })

  it('holds its table and what it refers to', () => {
    const bed = family(toParent('restrict'))
    const drop = (table: string): Ddl => ({ type: 'dropTable', project: 'p', table })
    assert.equal(bed.ddlRefusal({ type: 'dropIndex', project: 'p', table: 'child', name: 'fk' }), 'invalid_argument')
    bed.commit(insert('child', { id: 1, up: null }))
    assert.equal(bed.ddlRefusal(drop('parent')), 'foreign_key_violation')
    bed.commit(remove('child', { id: 1 }))
    bed.ddl(drop('parent'))
    assert.deepEqual(bed.table('child').parts.foreignKeys, [])
    assert.deepEqual(
      bed.table('child').parts.indexes.map(({ name }) => name),
      ['code'],
    )
    bed.commit(insert('child', { id: 1, up: 5 }))
    const codes = family(byCode('cascade', 'cascade'))
    assert.equal(
      codes.ddlRefusal({ type: 'dropIndex', project: 'p', table: 'parent', name: 'code' }),
      'invalid_argument',
    )
    codes.ddl({
      type: 'alterTable',
      project: 'p',
      table: 'child',
      alteration: { type: 'dropForeignKey', name: 'byCode' },
    })
    codes.ddl({ type: 'dropIndex', project: 'p', table: 'parent', name: 'code' })
    codes.settle()
    codes.checkIndexes()
  })

  it('is refused for what it cannot be', () => {
    const bed = family(toParent('restrict'))
    bed.ddl({ type: 'createProject', project: '_global' }, { type: 'createProject', project: 'q' })
    bed.ddl({ ...create('shared'), project: '_global' } as Ddl, { ...create('far'), project: 'q' } as Ddl)
    const base = { name: 'k', columns: ['up'], table: 'parent' }
    const cases: [ForeignKeyDefinition, string][] = [
      [{ ...base, name: 'a b' }, 'invalid_name'],
      [{ ...base, name: 'fk' }, 'already_exists'],
      [{ ...base, name: 'code', columns: ['upCode'], references: ['code'] }, 'already_exists'],
      [{ ...base, columns: ['nope'] }, 'column_not_found'],
      [{ ...base, columns: [] }, 'invalid_argument'],
      [{ ...base, columns: ['up', 'id'] }, 'invalid_argument'],
      [{ ...base, table: 'nope' }, 'table_not_found'],
      [{ ...base, project: 'q', table: 'far' }, 'invalid_argument'],
      [{ ...base, scope: 'nope' }, 'scope_not_found'],
      [{ ...base, references: ['up'] }, 'invalid_argument'],
      [{ ...base, references: ['nope'] }, 'column_not_found'],
      [{ ...base, columns: ['upCode'] }, 'type_mismatch'],
      [{ ...base, columns: ['id'], onDelete: 'setNull' }, 'invalid_argument'],
      [{ ...base, columns: ['id'], onDelete: 'setDefault' }, 'invalid_argument'],
      [{ ...base, project: '_global', table: 'shared', onDelete: 'cascade' }, 'invalid_argument'],
    ]
    for (const [foreignKey, code] of cases) assert.equal(bed.ddlRefusal(addKey('child', foreignKey)), code)
    bed.ddl(addKey('child', { ...base, project: '_global', table: 'shared' }))
    assert.equal(bed.refusal(insert('child', { id: 5, up: 1 })), 'foreign_key_violation')
    const fromGlobal = addKey('shared', { ...base, project: 'p' })
    assert.equal(bed.ddlRefusal({ ...fromGlobal, project: '_global' } as Ddl), 'invalid_argument')
  })

  it('never goes in a circle of tables', () => {
    const bed = family(toParent('restrict'))
    bed.ddl(create('grandchild', { ...toParent('restrict'), table: 'child' }))
    assert.equal(
      bed.ddlRefusal(addKey('parent', { name: 'k', columns: ['up'], table: 'grandchild' })),
      'invalid_argument',
    )
    bed.ddl(addKey('parent', { name: 'k', columns: ['up'], table: 'parent' }))
    bed.ddl(addKey('grandchild', { name: 'k', columns: ['up'], table: 'parent' }))
  })

  it('is added to a table with rows: in force when all have been looked at, gone if one refers to none', () => {
    const bed = new Bed()
    bed.ddl(create('parent'), create('child'))
    const many = Array.from({ length: 600 }, (_, id) => ({ id, up: id % 10 }))
    bed.commit(insert('parent', ...Array.from({ length: 10 }, (_, id) => ({ id, up: null }))), insert('child', ...many))
    bed.ddl(addKey('child', toParent('cascade')))
    assert.equal(bed.refusal(insert('child', { id: 900, up: 99 })), 'foreign_key_violation')
    while (bed.applier.state.jobs[0]?.task.kind === 'buildIndex') bed.tick(100)
    bed.tick(100)
    assert.equal(bed.refusal(remove('parent', { id: 3 })), 'foreign_key_violation', 'not yet a cascade')
    bed.settle(100)
    bed.commit(remove('parent', { id: 3 }))
    assert.equal(bed.rows('child').length, 540)
    bed.checkIndexes()
    bed.ddl({ type: 'alterTable', project: 'p', table: 'child', alteration: { type: 'dropForeignKey', name: 'fk' } })
    bed.settle()
    bed.commit(insert('child', { id: 899, up: 77 }))
    bed.ddl(addKey('child', toParent('cascade')))
    bed.settle(100)
    const { parts } = bed.table('child')
    assert.deepEqual(parts.foreignKeys, [])
    assert.deepEqual(
      parts.failures.map(({ name, message }) => [name, message]),
      [['fk', 'a row refers to none']],
    )
    assert.deepEqual(
      parts.indexes.map(({ name }) => name),
      ['code'],
    )
    bed.checkIndexes()
  })

  it('takes an index that serves, and makes one only without', () => {
    const bed = new Bed()
    const index = (name: string, columns: string[], more = {}): Ddl => ({
      type: 'createIndex',
      project: 'p',
      table: 'child',
      index: { name, columns, ...more },
    })
    bed.ddl(create('parent'), create('child'))
    bed.ddl(index('partial', ['up'], { where: { op: 'isNotNull', column: 'up' } }), index('wrong', ['code', 'up']))
    bed.ddl(index('wide', ['up', 'code']), addKey('child', toParent('cascade')))
    const { indexes, foreignKeys } = bed.table('child').parts
    assert.deepEqual(
      indexes.map(({ name }) => name),
      ['code', 'partial', 'wrong', 'wide'],
    )
    assert.equal(indexes.find(({ id }) => id === foreignKeys[0]!.lookupIndexId)!.name, 'wide')
    bed.commit(insert('parent', { id: 1, up: null }), insert('child', { id: 1, up: 1, code: 'a\0' }, { id: 2, up: 1 }))
    bed.commit(remove('parent', { id: 1 }))
    assert.deepEqual(bed.rows('child'), [])
    assert.equal(bed.ddlRefusal({ type: 'dropIndex', project: 'p', table: 'child', name: 'wide' }), 'invalid_argument')
  })

  it('of several columns refers in any order of the key', () => {
    const bed = new Bed()
    const columns: TableDefinitionData['columns'] = [
      { name: 'a', type: 'integer' },
      { name: 'b', type: 'text' },
    ]
    const foreignKey = {
      name: 'fk',
      columns: ['b', 'a'],
      table: 'parent',
      references: ['b', 'a'],
      onDelete: 'cascade',
    } as const
    bed.ddl({ type: 'createTable', project: 'p', table: 'parent', columns, primaryKey: ['a', 'b'] })
    bed.ddl({
      type: 'createTable',
      project: 'p',
      table: 'child',
      columns: [{ name: 'id', type: 'integer' }, ...columns],
      primaryKey: ['id'],
      indexes: [{ name: 'i', columns: ['a', 'b', 'id'] }],
      foreignKeys: [foreignKey],
    })
    bed.commit(insert('parent', { a: 1, b: 'x' }, { a: 2, b: 'y' }), insert('child', { id: 1, a: 1, b: 'x' }))
    assert.equal(bed.refusal(insert('child', { id: 2, a: 1, b: 'y' })), 'foreign_key_violation')
    bed.commit(insert('child', { id: 2, a: 2, b: 'y' }), remove('parent', { a: 1, b: 'x' }))
    assert.deepEqual(ids(bed, 'child'), [2])
  })

  it('goes where the index by which its rows are found cannot be built', () => {
    const long = 'x'.repeat(500)
    const text = (table: string, ...foreignKeys: ForeignKeyDefinition[]): Ddl => ({
      type: 'createTable',
      project: 'p',
      table,
      columns: [
        { name: 'id', type: 'text' },
        { name: 'up', type: 'text', nullable: true },
      ],
      primaryKey: ['id'],
      foreignKeys,
    })
    const index: Ddl = { type: 'createIndex', project: 'p', table: 'child', index: { name: 'i', columns: ['up'] } }
    const toParents = (name: string): Ddl =>
      addKey('child', { name, columns: ['up'], table: 'parent', onDelete: 'cascade' })
    const cases: [Ddl[], string[]][] = [
      [
        [toParents('fk'), toParents('other')],
        ['fk', 'fk', 'other'],
      ],
      [
        [index, toParents('fk')],
        ['i', 'fk'],
      ],
    ]
    for (const [operations, expected] of cases) {
      const bed = new Bed()
      bed.ddl(text('parent'), text('child'))
      bed.commit(insert('parent', { id: long }), insert('child', { id: long, up: long }))
      bed.ddl(...operations)
      bed.settle()
      const { indexes, foreignKeys, failures } = bed.table('child').parts
      assert.deepEqual([indexes, foreignKeys], [[], []])
      assert.deepEqual(
        failures.map(({ name }) => name),
        expected,
      )
      bed.commit(remove('parent', { id: long }))
      bed.checkIndexes()
    }
  })

  it('is bounded by what one transaction may change', () => {
    const bed = family(toParent('cascade'))
    bed.commit(insert('child', ...Array.from({ length: 20 }, (_, id) => ({ id, up: 1 }))))
    bed.ddl({ type: 'setSetting', name: 'rowsMax', value: 20 })
    assert.equal(bed.refusal(remove('parent', { id: 1 })), 'transaction_too_large')
    bed.ddl({ type: 'setSetting', name: 'rowsMax', value: 21 })
    bed.commit(remove('parent', { id: 1 }))
  })
})
