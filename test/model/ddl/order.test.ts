import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { Ddl } from '../../../src/encoding/index.ts'
import { orderDdl, QuorateError } from '../../../src/model/index.ts'
import { seed } from '../../engine/seed.ts'

const project = 'p'
const id = { name: 'id', type: 'integer' } as const
const at = (table: string, scope = 'app') => ({ project, scope, table })
const create = (table: string, ...refers: string[]): Ddl => ({
  type: 'createTable',
  ...at(table),
  columns: [id],
  primaryKey: ['id'],
  foreignKeys: refers.map((other, i) => ({ name: `f${i}`, columns: ['id'], table: other })),
})
const drop = (table: string): Ddl => ({ type: 'dropTable', ...at(table) })
const alter = (table: string, alteration: Extract<Ddl, { type: 'alterTable' }>['alteration']): Ddl => ({
  type: 'alterTable',
  ...at(table),
  alteration,
})
const addColumn = (table: string, name: string): Ddl =>
  alter(table, { type: 'addColumn', column: { name, type: 'text', nullable: true } })
const dropColumn = (table: string, column: string): Ddl => alter(table, { type: 'dropColumn', column })
const policyOn = (column: string) => ({ op: 'eq', column, value: { caller: true } }) as const

/** Each list is in an order that works, and every other order of it is put into one of those that work. */
const chains: Readonly<Record<string, readonly Ddl[]>> = {
  'the outer before the inner': [
    { type: 'createProject', project },
    { type: 'createScope', project, scope: 's' },
    { type: 'createTable', ...at('t', 's'), columns: [id], primaryKey: ['id'] },
    { type: 'createIndex', ...at('t', 's'), index: { name: 'i', columns: ['id'] } },
  ],
  'what a project begins with': [{ type: 'createProject', project }, create('t')],
  'referred tables first': [create('a'), create('b', 'a'), create('c', 'b', 'a')],
  'a unique index before the key that refers to it': [
    create('a'),
    { type: 'createIndex', ...at('a'), index: { name: 'u', columns: ['y', 'x'], unique: true } },
    alter('b', {
      type: 'addForeignKey',
      foreignKey: { name: 'f', columns: ['p', 'q'], table: 'a', references: ['x', 'y'] },
    }),
  ],
  'columns before what speaks of them': [
    addColumn('t', 'owner'),
    { type: 'setReadPolicy', ...at('t'), policy: policyOn('owner') },
  ],
  'an index before the column goes': [
    { type: 'dropIndex', ...at('t'), name: 'by_c' },
    dropColumn('t', 'c'),
    { type: 'dropTable', ...at('t') },
    { type: 'dropScope', project, scope: 'app' },
    { type: 'dropProject', project },
  ],
  'foreign keys before the table that they refer to': [
    alter('b', { type: 'dropForeignKey', name: 'f' }),
    { type: 'dropIndex', ...at('a'), name: 'u' },
    drop('a'),
  ],
  'a new name before its use': [
    { type: 'renameTable', ...at('old'), to: 'new' },
    addColumn('new', 'c'),
    { type: 'createIndex', ...at('new'), index: { name: 'i', columns: ['c'] } },
  ],
  'a permission after what it is on': [
    create('t'),
    { type: 'grant', caller: 'x', permission: { type: 'tableRead', ...at('t') } },
  ],
}

describe('a list of catalog operations', () => {
  for (const [name, operations] of Object.entries(chains)) {
    it(`is put in order: ${name}`, () => {
      fc.assert(
        fc.property(fc.shuffledSubarray([...operations.keys()], { minLength: operations.length }), shuffled => {
          const given = shuffled.map(i => operations[i]!)
          const ordered = orderDdl(given).map(i => shuffled[i]!)
          for (const [i, j] of pairsOf(operations)) {
            assert.ok(ordered.indexOf(i) < ordered.indexOf(j), `${ordered.join(' ')} of ${shuffled.join(' ')}`)
          }
        }),
        { seed, numRuns: 100 },
      )
    })
  }

  it('keeps its order where nothing depends', () => {
    const operations: Ddl[] = [
      { type: 'setSetting', name: 'mutationsMax', value: 3 },
      create('b'),
      { type: 'setSetting', name: 'mutationsMax', value: 4 },
      create('a'),
      { type: 'grant', caller: 'x', permission: { type: 'admin' } },
      { type: 'revoke', caller: 'x', permission: { type: 'admin' } },
    ]
    assert.deepEqual(orderDdl(operations), [0, 1, 2, 3, 4, 5])
  })

  it('removes and creates anew what it removes first, and creates before it renames away', () => {
    const moved: Ddl = { type: 'renameTable', ...at('t'), to: 'old' }
    assert.deepEqual(orderDdl([addColumn('t', 'c'), drop('t'), create('t')]), [1, 2, 0])
    assert.deepEqual(orderDdl([addColumn('t', 'c'), moved, create('t')]), [1, 2, 0])
    const back: Ddl = { type: 'renameTable', ...at('old'), to: 't' }
    const between: Ddl = { type: 'renameTable', ...at('u'), to: 't' }
    assert.deepEqual(orderDdl([moved, between, back]), [0, 1, 2])
  })

  it('drops of two existing tables the one that refers to the other first', () => {
    const foreignKeys = [{ name: 'f', columns: ['id'], table: 'a' }]
    assert.deepEqual(orderDdl([drop('a'), drop('b')], [{ ...at('b'), foreignKeys }]), [1, 0])
    assert.deepEqual(orderDdl([drop('a'), drop('b')]), [0, 1])
    const elsewhere = [{ ...at('b'), foreignKeys: [{ ...foreignKeys[0]!, scope: 'other' }] }]
    assert.deepEqual(orderDdl([drop('a'), drop('b')], elsewhere), [0, 1])
  })

  it('is refused where it goes in a circle, naming those that are in it', () => {
    const operations = [create('x'), create('b', 'c'), create('d', 'b'), create('c', 'b')]
    assert.throws(
      () => orderDdl(operations),
      (error: unknown) => {
        assert.ok(error instanceof QuorateError)
        assert.equal(error.code, 'invalid_argument')
        assert.equal(error.detail?.index, 1)
        assert.match(error.message, /^operation 1 \(createTable p\/app\/b\) and operation 3 \(createTable p\/app\/c\) /)
        return true
      },
    )
    assert.deepEqual(orderDdl([create('a', 'a')]), [0])
  })

  it('may be as long as a transaction', () => {
    const count = 16_000
    const operations = Array.from({ length: count }, (_, i) => create(`t${i}`, `t${i + 1}`))
    assert.deepEqual(orderDdl(operations).slice(0, 2), [count - 1, count - 2])
  })

  it('is found with few steps where much of it depends on much', () => {
    const many = (operation: (i: number) => Ddl): Ddl[] => Array.from({ length: 20_000 }, (_, i) => operation(i))
    const release = many(i => alter(`r${i}`, { type: 'dropForeignKey', name: 'f' }))
    const named = many(() => ({ type: 'createProject', project, ifNotExists: true }))
    const scopes = many(i => ({ type: 'createScope', project, scope: `s${i}` }))
    const batches = [
      [many(i => drop(`t${i}`)), release],
      [scopes, named],
      [many(() => ({ type: 'dropScope', project, scope: 'app' })), many(i => drop(`t${i}`))],
      [many(() => dropColumn('t', 'c')), many(i => alter('t', { type: 'dropCheck', name: `c${i}` }))],
      [many(() => drop('t')), many(() => addColumn('t', 'c'))],
    ] as const
    for (const [last, first] of batches) {
      const order = orderDdl([...last, ...first])
      assert.equal(new Set(order).size, last.length + first.length)
      assert.ok(order.slice(0, first.length).every(position => position >= last.length))
    }
  })
})

/** Neighbours, and all others that have to do with each other. */
function pairsOf(operations: readonly Ddl[]): [number, number][] {
  return operations.slice(1).map((_, i) => [i, i + 1])
}
