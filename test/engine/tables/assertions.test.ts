import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ByteWriter, rangeDigest, writeKeyValue } from '../../../src/encoding/index.ts'
import type { Assertion, Ddl, Expr, Mutation, ReadSet, Value } from '../../../src/encoding/index.ts'
import { decodeEffects } from '../../../src/engine/events/index.ts'
import { indexPrefix, rowsPrefix } from '../../../src/engine/tables/index.ts'
import { prefixEnd } from '../../../src/engine/record-store.ts'
import { Bed, hex, insert, remove, SECOND, T, update, upsert } from './bed.ts'

const TABLE: Extract<Ddl, { type: 'createTable' }> = {
  type: 'createTable',
  ...T,
  columns: [
    { name: 'id', type: 'integer' },
    { name: 'owner', type: 'text', nullable: true },
    { name: 'n', type: 'integer', nullable: true },
    { name: 'f', type: 'float', nullable: true },
    { name: 'w', type: 'u256', nullable: true },
  ],
  primaryKey: ['id'],
  indexes: [{ name: 'n', columns: ['n'] }],
}

function filled(): Bed {
  const bed = new Bed()
  bed.ddl(TABLE)
  bed.commit(
    insert(
      't',
      { id: 1, owner: 'al', n: 1, f: 0.5 },
      { id: 2, owner: 'bo', n: 2, f: 0.25 },
      { id: 3, owner: 'al', n: null },
    ),
  )
  return bed
}

function key(...cells: number[]): Uint8Array {
  const writer = new ByteWriter(32)
  for (const cell of cells) writeKeyValue(writer, 'integer', cell)
  return writer.finish()
}

const version = (id: number, seq: number): Assertion => ({ type: 'rowVersion', ...T, key: { id }, seq })
const compare = (id: number, column: string, value: Value): Assertion => ({
  type: 'rowCompare',
  ...T,
  key: { id },
  column,
  op: 'gte',
  value,
})
const count = (value: number, where?: Expr): Assertion => ({
  type: 'count',
  ...T,
  op: 'eq',
  value,
  ...(where !== undefined && { where }),
})
const sum = (column: string, value: Value, where?: Expr): Assertion => ({
  type: 'sum',
  ...T,
  column,
  op: 'eq',
  value,
  ...(where !== undefined && { where }),
})
const yes = count(3)
const no = count(4)

describe('an assertion on rows', () => {
  it('holds as the rows are', () => {
    const bed = filled()
    const written = bed.seq
    const ofAl: Expr = { op: 'eq', column: 'owner', value: 'al' }
    const cases: [Assertion, boolean | string][] = [
      [version(1, written), true],
      [version(1, written + 1), false],
      [version(9, 0), true],
      [version(1, 0), false],
      [{ type: 'rowExists', ...T, key: { id: 1 }, expected: true }, true],
      [{ type: 'rowExists', ...T, key: { id: 9 }, expected: true }, false],
      [{ type: 'rowExists', ...T, key: { id: 9 }, expected: false }, true],
      [compare(1, 'n', 1), true],
      [compare(1, 'n', 0.5), true],
      [compare(1, 'n', 1.5), false],
      [compare(3, 'n', 0), false],
      [compare(9, 'n', 0), false],
      [compare(1, 'n', 'x'), 'type_mismatch'],
      [compare(1, 'nope', 1), 'column_not_found'],
      [yes, true],
      [no, false],
      [count(2, ofAl), true],
      [count(0, { op: 'gt', column: 'n', value: 5 }), true],
      [sum('n', 3), true],
      [sum('n', 1n, ofAl), true],
      [sum('f', 0.75), true],
      [sum('w', 0), true],
      [sum('owner', 0), 'type_mismatch'],
      [sum('nope', 0), 'column_not_found'],
      [{ ...yes, table: 'x' } as Assertion, 'table_not_found'],
      [{ type: 'rowExists', ...T, key: { n: 1 }, expected: false }, 'invalid_argument'],
    ]
    for (const [assertion, expected] of cases)
      assert.equal(
        bed.holds([assertion]),
        expected,
        JSON.stringify(assertion, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v)),
      )
  })

  it('sums exactly, and refuses what 256 bits do not hold', () => {
    const bed = filled()
    const most = (1n << 256n) - 1n
    bed.commit(update('t', { id: 1 }, { w: { set: most } }), update('t', { id: 2 }, { n: { set: (1n << 63n) - 1n } }))
    bed.commit(update('t', { id: 3 }, { n: { set: (1n << 63n) - 1n } }))
    assert.equal(bed.holds([sum('n', (1n << 64n) - 1n)]), true)
    assert.equal(bed.holds([sum('w', most)]), true)
    bed.commit(insert('t', { id: 4, f: 1e300 }, { id: 5, f: -1e300 }))
    assert.equal(bed.holds([sum('f', 0.75)]), true, 'floats are rounded once')
    bed.commit(update('t', { id: 2 }, { w: { set: 1n } }))
    assert.equal(bed.holds([sum('w', 0)]), 'overflow')
  })

  it('may hold others, which count as all', () => {
    const bed = filled()
    assert.equal(bed.holds([{ type: 'all', assertions: [yes, yes] }]), true)
    assert.equal(bed.holds([{ type: 'all', assertions: [yes, no] }]), false)
    assert.equal(bed.holds([{ type: 'all', assertions: [] }]), true)
    assert.equal(bed.holds([{ type: 'any', assertions: [no, yes] }]), true)
    assert.equal(bed.holds([{ type: 'any', assertions: [no, no] }]), false)
    assert.equal(bed.holds([{ type: 'any', assertions: [] }]), false)
    assert.equal(
      bed.holds([
        { type: 'not', assertion: no },
        { type: 'not', assertion: { type: 'not', assertion: yes } },
      ]),
      true,
    )
    const keyed: Assertion = { type: 'keyExists', project: 'p', key: new Uint8Array(1), expected: false }
    assert.equal(
      bed.holds([
        { type: 'all', assertions: [keyed, { type: 'not', assertion: { type: 'any', assertions: [no, no] } }, yes] },
        yes,
      ]),
      true,
    )
    assert.equal(bed.holds([{ type: 'not', assertion: yes }, yes]), false)
    bed.ddl({ type: 'setSetting', name: 'assertionsMax', value: 3 })
    assert.equal(bed.holds([{ type: 'all', assertions: [yes, yes] }]), true)
    assert.equal(bed.holds([{ type: 'all', assertions: [yes, yes, yes] }]), 'transaction_too_large')
  })

  it('after mutations sees what they have made, and refuses all', () => {
    const bed = filled()
    const after = (...assertions: Assertion[]): Mutation => ({ type: 'postflight', assertions })
    bed.commit(insert('t', { id: 4 }), after(count(4)), remove('t', { id: 4 }), after(count(3)))
    assert.equal(bed.refusal([insert('t', { id: 4 }), after(count(3))]), 'assertion_failed')
    bed.commit(update('t', { id: 1 }, { n: { set: 5 } }), after({ ...sum('n', 7) }, version(1, bed.seq + 1)))
  })

  it('looks at a bounded number of rows', () => {
    const bed = filled()
    bed.commit(insert('t', ...Array.from({ length: 120 }, (_, i) => ({ id: 100 + i }))))
    bed.ddl({ type: 'setSetting', name: 'scanRecordsMax', value: 100 })
    assert.equal(bed.holds([count(123)]), 'scan_bound_exceeded')
  })
})

describe('a read set of rows', () => {
  const reads = (bed: Bed, readSet: ReadSet, caller = 'root'): string => {
    const outcome = bed.submit({ readSet, mutations: [] }, caller)
    return outcome.status === 'committed' ? 'committed' : outcome.code
  }

  it('holds points by their versions', () => {
    const bed = filled()
    const written = bed.seq
    const point = (id: number, seq: number): ReadSet => ({ points: [{ ...T, key: key(id), seq }] })
    assert.equal(reads(bed, point(1, written)), 'committed')
    assert.equal(reads(bed, point(1, written - 1)), 'conflict')
    assert.equal(reads(bed, point(9, 0)), 'committed')
    bed.commit(update('t', { id: 2 }, { n: { set: 9 } }))
    assert.equal(reads(bed, point(1, written)), 'committed', 'a neighbour does not matter')
    bed.commit(update('t', { id: 1 }, { n: { set: 9 } }))
    assert.equal(reads(bed, point(1, written)), 'conflict')
    bed.commit({ ...upsert('t', { id: 1 }), ttlMs: 1 } as Mutation)
    bed.timeMicros += SECOND
    assert.equal(reads(bed, point(1, bed.seq)), 'conflict')
    assert.equal(reads(bed, point(1, 0)), 'committed')
  })

  it('holds ranges of rows and of index entries', () => {
    const bed = filled()
    const written = bed.seq
    const rows = [1, 2, 3].map(id => ({ key: key(id), seq: written }))
    const range = { ...T, start: key(1), end: key(9), limit: 0, digest: rangeDigest(rows) }
    assert.equal(reads(bed, { ranges: [range] }), 'committed')
    assert.equal(
      reads(bed, { ranges: [{ ...range, reverse: true, limit: 1, digest: rangeDigest(rows.slice(2)) }] }),
      'committed',
    )
    assert.equal(reads(bed, { ranges: [{ ...T, limit: 2, digest: rangeDigest(rows.slice(0, 2)) }] }), 'committed')
    assert.equal(reads(bed, { ranges: [{ ...range, table: 'x' }] }), 'table_not_found')
    assert.equal(reads(bed, { ranges: [{ ...range, index: 'x' }] }), 'index_not_found')
    const entries: { key: Uint8Array; seq: number }[] = []
    const prefix = indexPrefix(bed.table('t').index('n')!.id)
    bed.store.walk(prefix, prefixEnd(prefix), false, (entry, { versionSeq }) => {
      entries.push({ key: entry.slice(5), seq: versionSeq })
      return true
    })
    const ofIndex = { ...T, index: 'n', limit: 0, digest: rangeDigest(entries) }
    bed.commit(update('t', { id: 1 }, { f: { set: 1 } }))
    assert.equal(reads(bed, { ranges: [ofIndex] }), 'committed', 'its entries are as they were')
    assert.equal(reads(bed, { ranges: [range] }), 'conflict')
    bed.commit(insert('t', { id: 50, n: 2 }))
    assert.equal(reads(bed, { ranges: [ofIndex] }), 'conflict')
  })

  it('needs the permission to read the table', () => {
    const bed = filled()
    const readSet = { points: [{ ...T, key: key(9), seq: 0 }] }
    assert.equal(reads(bed, readSet, 'al'), 'permission_denied')
    bed.ddl({ type: 'grant', caller: 'al', permission: { type: 'tableRead', project: 'p', scope: 'app', table: 't' } })
    assert.equal(reads(bed, readSet, 'al'), 'committed')
    assert.equal(reads(bed, { ranges: [{ ...T, limit: 1, digest: rangeDigest([]) }] }, 'bo'), 'permission_denied')
  })
})

describe('a read policy', () => {
  function governed(): Bed {
    const bed = filled()
    const all = { project: 'p', scope: 'app', table: 't' }
    bed.ddl(
      { type: 'setReadPolicy', ...T, policy: { op: 'eq', column: 'owner', value: { caller: true } } },
      ...(['al', 'bo', 'boss'] as const).flatMap(caller =>
        (['tableRead', 'tableWrite'] as const).map(
          type => ({ type: 'grant', caller, permission: { type, ...all } }) as const,
        ),
      ),
      { type: 'grant', caller: 'boss', permission: { type: 'policyBypass', ...all } },
    )
    return bed
  }

  it('hides rows from assertions and read sets', () => {
    const bed = governed()
    for (const [caller, rows] of [
      ['al', 2],
      ['bo', 1],
      ['boss', 3],
      ['root', 3],
    ] as const) {
      assert.equal(bed.holds([count(rows)], caller), true, caller)
      assert.equal(bed.holds([{ type: 'rowExists', ...T, key: { id: 2 }, expected: caller !== 'al' }], caller), true)
    }
    assert.equal(bed.holds([version(2, 0), { type: 'not', assertion: compare(2, 'n', 0) }, sum('n', 1)], 'al'), true)
    const point = { readSet: { points: [{ ...T, key: key(2), seq: 0 }] }, mutations: [] }
    assert.equal(bed.submit(point, 'al').status, 'committed')
    assert.equal(bed.submit(point, 'bo').status, 'refused')
  })

  it('hides rows from ranges of read sets, of rows and of index entries', () => {
    const bed = governed()
    const table = bed.table('t')
    const recordsOf = (prefix: Uint8Array): { key: Uint8Array; seq: number }[] => {
      const found: { key: Uint8Array; seq: number }[] = []
      bed.store.walk(prefix, prefixEnd(prefix), false, (whole, { versionSeq }) => {
        found.push({ key: whole.slice(5), seq: versionSeq })
        return true
      })
      return found
    }
    for (const [index, prefix] of [
      [undefined, rowsPrefix(table.id)],
      ['n', indexPrefix(table.index('n')!.id)],
    ] as const) {
      const all = recordsOf(prefix)
      const isOfBo = ({ key: own }: { key: Uint8Array }): boolean => hex(own).endsWith(hex(key(2)))
      const judge = (caller: string, limit: number, records: { key: Uint8Array; seq: number }[]): string => {
        const range = { ...T, ...(index !== undefined && { index }), limit, digest: rangeDigest(records) }
        return bed.submit({ readSet: { ranges: [range] }, mutations: [] }, caller).status
      }
      assert.equal(judge('boss', 0, all), 'committed')
      assert.equal(judge('bo', 0, all), 'refused')
      assert.equal(judge('bo', 0, all.filter(isOfBo)), 'committed')
      assert.equal(judge('bo', 1, all.filter(isOfBo)), 'committed', 'nor do they count in a limit')
      assert.equal(
        judge(
          'al',
          0,
          all.filter(record => !isOfBo(record)),
        ),
        'committed',
      )
    }
  })

  it('hides rows from mutations, whoever was looked at before', () => {
    const bed = governed()
    const as = (caller: string, mutation: Mutation): unknown => {
      const outcome = bed.submit({ mutations: [mutation] }, caller)
      return outcome.status === 'committed' ? outcome.results : outcome.code
    }
    const everywhere: Mutation = { type: 'updateWhere', ...T, set: { f: { set: 2 } } }
    assert.deepEqual(as('bo', everywhere), [1n])
    assert.deepEqual(as('al', everywhere), [2n])
    assert.equal(as('al', update('t', { id: 2 }, { f: { set: 3 } })), 'row_not_found')
    assert.deepEqual(as('al', remove('t', { id: 2 })), [false])
    assert.equal(as('al', upsert('t', { id: 2, owner: 'al' })), 'permission_denied')
    const merge = { type: 'insert', ...T, rows: [{ id: 2, n: 9 }] } as const
    assert.equal(as('al', { ...merge, onConflict: { action: 'merge' } }), 'permission_denied')
    assert.deepEqual(as('al', { ...merge, onConflict: { action: 'nothing' } }), [0n])
    assert.equal(as('al', { ...merge }), 'duplicate_key')
    assert.deepEqual(as('boss', everywhere), [3n])
    assert.deepEqual(as('al', { type: 'deleteWhere', ...T }), [2n])
    assert.deepEqual(
      bed.rows('t').map(({ id }) => id),
      [2],
    )
    bed.ddl({ type: 'clearReadPolicy', ...T })
    assert.deepEqual(as('al', { type: 'deleteWhere', ...T }), [1n])
  })
})

describe('permissions on tables', () => {
  const grant = (
    caller: string,
    permission: Extract<Ddl, { type: 'grant' }>['permission'],
    delegable = false,
  ): Ddl => ({
    type: 'grant',
    caller,
    permission,
    ...(delegable && { delegable }),
  })
  const code = (bed: Bed, caller: string, ...mutations: Mutation[]): string => {
    const outcome = bed.submit({ mutations }, caller)
    return outcome.status === 'committed' ? 'committed' : outcome.code
  }
  const byDdl = (bed: Bed, caller: string, ...operations: Ddl[]): string =>
    code(bed, caller, ...operations.map(operation => ({ type: 'ddl', operation }) as const))

  it('reach a table, a scope, a project or everything', () => {
    const bed = filled()
    bed.ddl(
      { ...TABLE, table: 'u' },
      { type: 'createScope', project: 'p', scope: 's' },
      {
        ...TABLE,
        scope: 's',
      },
    )
    const of = { project: 'p', scope: 'app', table: 't' }
    bed.ddl(
      grant('one', { type: 'tableWrite', ...of }),
      grant('scope', { type: 'tableWrite', project: 'p', scope: 'app' }),
    )
    bed.ddl(grant('project', { type: 'tableWrite', project: 'p' }), grant('all', { type: 'tableWrite' }))
    bed.ddl(
      grant('reader', { type: 'tableRead' }),
      grant('kv', { type: 'kvWrite' }),
      grant('pa', { type: 'projectAdmin', project: 'p' }),
    )
    bed.ddl(grant('sa', { type: 'scopeAdmin', project: 'p', scope: 'app' }))
    const here = upsert('t', { id: 1 })
    const other = upsert('u', { id: 1 })
    const far = { ...here, scope: 's' } as Mutation
    const allowed = (caller: string): boolean[] =>
      [here, other, far].map(mutation => code(bed, caller, mutation) === 'committed')
    assert.deepEqual(allowed('one'), [true, false, false])
    assert.deepEqual(allowed('scope'), [true, true, false])
    assert.deepEqual(allowed('sa'), [true, true, false])
    for (const caller of ['project', 'all', 'pa']) assert.deepEqual(allowed(caller), [true, true, true], caller)
    for (const caller of ['reader', 'kv', 'nobody']) assert.deepEqual(allowed(caller), [false, false, false], caller)
    assert.equal(code(bed, 'one', { type: 'deleteWhere', ...T }), 'permission_denied', 'a condition reads')
    bed.ddl(grant('one', { type: 'tableRead', ...of }))
    assert.equal(code(bed, 'one', { type: 'deleteWhere', ...T }), 'committed')
  })

  it('follow a renamed table, and are not lent to another of its name', () => {
    const bed = filled()
    bed.ddl({ ...TABLE, table: 'secret' })
    bed.ddl(
      grant('al', { type: 'tableWrite', project: 'p', scope: 'app', table: 't' }),
      grant('al', { type: 'tableDdl', project: 'p' }),
    )
    const rename = (table: string, to: string): Mutation => ({
      type: 'ddl',
      operation: { type: 'renameTable', project: 'p', table, to },
    })
    assert.equal(code(bed, 'al', rename('t', 'x'), rename('secret', 't'), upsert('t', { id: 1 })), 'permission_denied')
    bed.ddl(
      grant('al', { type: 'tableWrite', project: 'p', scope: 'app' }),
      grant('al', { type: 'tableRead', project: 'p', scope: 'app', table: 't' }, true),
    )
    const swap = [rename('t', 'x'), rename('secret', 't')] as const
    assert.equal(code(bed, 'al', ...swap, upsert('t', { id: 1 })), 'committed')
    assert.equal(code(bed, 'al', rename('t', 'secret'), rename('x', 't')), 'committed')
    assert.equal(code(bed, 'al', ...swap, { type: 'deleteWhere', ...T }), 'permission_denied', 'a condition reads')
    const read = grant('al', { type: 'tableRead', project: 'p', scope: 'app', table: 't' })
    assert.equal(code(bed, 'al', ...swap, { type: 'ddl', operation: read }), 'permission_denied', 'nor given on')
    const { access, catalog } = bed.applier.state
    assert.deepEqual(
      access.list(catalog, 'al').filter(({ permission }) => permission.type === 'tableRead'),
      [{ caller: 'al', permission: read.type === 'grant' && read.permission, delegable: true }],
    )
    assert.equal(code(bed, 'al', rename('t', 'x')), 'committed')
    assert.equal(code(bed, 'al', upsert('x', { id: 1 })), 'committed')
  })

  it('allow definitions where they reach', () => {
    const bed = filled()
    bed.ddl({ type: 'createProject', project: 'q' }, { type: 'createScope', project: 'p', scope: 's' })
    bed.ddl(grant('d', { type: 'tableDdl', project: 'p' }), grant('ds', { type: 'tableDdl', project: 'p', scope: 's' }))
    bed.ddl(grant('pa', { type: 'projectAdmin', project: 'p' }), grant('w', { type: 'tableWrite', project: 'p' }))
    const create = (table: string, more = {}): Ddl => ({ ...TABLE, table, ...more })
    assert.equal(byDdl(bed, 'd', create('a'), create('b', { scope: 's' })), 'committed')
    assert.equal(byDdl(bed, 'd', create('a', { project: 'q' })), 'permission_denied')
    assert.equal(byDdl(bed, 'ds', create('c')), 'permission_denied')
    assert.equal(byDdl(bed, 'ds', create('c', { scope: 's' })), 'committed')
    assert.equal(byDdl(bed, 'w', create('c')), 'permission_denied')
    const foreignKeys = [{ name: 'fk', columns: ['n'], table: 't', scope: 'app' }]
    assert.equal(byDdl(bed, 'ds', create('e', { scope: 's', foreignKeys })), 'permission_denied')
    bed.ddl(grant('ds', { type: 'tableRead', project: 'p', scope: 'app', table: 't' }))
    assert.equal(byDdl(bed, 'ds', create('e', { scope: 's', foreignKeys })), 'committed')
    assert.equal(
      byDdl(bed, 'pa', { type: 'createScope', project: 'p', scope: 'new' }, create('f', { scope: 'new' })),
      'committed',
    )
    assert.equal(byDdl(bed, 'pa', { type: 'createProject', project: 'z' }), 'permission_denied')
    assert.equal(byDdl(bed, 'd', { type: 'dropScope', project: 'p', scope: 's' }), 'permission_denied')
    assert.equal(byDdl(bed, 'pa', { type: 'dropProject', project: 'q' }), 'permission_denied')
    assert.equal(byDdl(bed, 'pa', { type: 'setSetting', name: 'rowsMax', value: 5 }), 'permission_denied')
  })

  it('are given on by who administers or may delegate', () => {
    const bed = filled()
    const write = { type: 'tableWrite', project: 'p', scope: 'app', table: 't' } as const
    bed.ddl(
      grant('pa', { type: 'projectAdmin', project: 'p' }),
      grant('sa', { type: 'scopeAdmin', project: 'p', scope: 'app' }),
    )
    bed.ddl(grant('del', { ...write }, true), grant('plain', write))
    bed.ddl({ type: 'createProject', project: 'q' })
    assert.equal(byDdl(bed, 'plain', grant('x', write)), 'permission_denied')
    assert.equal(byDdl(bed, 'del', grant('x', write)), 'committed')
    assert.equal(code(bed, 'x', upsert('t', { id: 1 })), 'committed')
    assert.equal(byDdl(bed, 'del', grant('x', { ...write, type: 'tableRead' })), 'permission_denied')
    assert.equal(byDdl(bed, 'del', grant('x', { type: 'tableWrite', project: 'p', scope: 'app' })), 'permission_denied')
    assert.equal(byDdl(bed, 'del', grant('x', { type: 'tableWrite' })), 'permission_denied')
    assert.equal(byDdl(bed, 'sa', grant('y', { type: 'kvWrite', project: 'p', scope: 'app' })), 'committed')
    assert.equal(byDdl(bed, 'sa', grant('y', { type: 'projectAdmin', project: 'p' })), 'permission_denied')
    assert.equal(byDdl(bed, 'sa', grant('y', { type: 'tableWrite', project: 'p' })), 'permission_denied')
    assert.equal(byDdl(bed, 'pa', grant('y', { type: 'scopeAdmin', project: 'p', scope: 'app' })), 'committed')
    assert.equal(byDdl(bed, 'pa', grant('y', { type: 'admin' })), 'permission_denied')
    assert.equal(byDdl(bed, 'pa', grant('y', { type: 'kvRead', project: 'q' })), 'permission_denied')
    assert.equal(byDdl(bed, 'del', { type: 'revoke', caller: 'x', permission: write }), 'committed')
    assert.equal(code(bed, 'x', upsert('t', { id: 1 })), 'permission_denied')
    const { access, catalog } = bed.applier.state
    assert.deepEqual(access.list(catalog, 'del'), [{ caller: 'del', permission: write, delegable: true }])
    assert.deepEqual(bed.ddl(grant('del', write), grant('del', write)), [true, false], 'no longer delegable')
    assert.equal(byDdl(bed, 'del', grant('x', write)), 'permission_denied')
  })
})

describe('the effects of rows', () => {
  it('have the id of their table and the key and bytes of the row', () => {
    const bed = filled()
    const { id } = bed.table('t')
    const of = (...mutations: Mutation[]): unknown => {
      bed.commit(...mutations)
      return decodeEffects(bed.effects.bytes).map(({ seq, effects }) => [
        seq === bed.seq,
        ...effects.map(effect => [effect.kind, effect.scopeId, effect.tableId, hex(effect.key), effect.value?.length]),
      ])
    }
    const one = hex(key(1))
    assert.deepEqual(of(update('t', { id: 1 }, { owner: { set: 'z' } }), remove('t', { id: 1 })), [
      [true, ['put', 0, id, one, 55], ['delete', 0, id, one, undefined]],
    ])
    bed.commit({ ...upsert('t', { id: 1 }), ttlMs: 1 } as Mutation)
    bed.timeMicros += SECOND
    bed.tick()
    assert.deepEqual(
      decodeEffects(bed.effects.bytes).flatMap(({ effects }) => effects.map(({ kind, tableId }) => [kind, tableId])),
      [['expire', id]],
    )
  })
})
