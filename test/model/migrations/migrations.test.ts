import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  appliedMigrations,
  backfillTable,
  defineTable,
  integer,
  rollbackMigrations,
  runMigrations,
  tableDifference,
  tableMigration,
  text,
  timestamp,
  type Migration,
} from '../../../src/model/index.ts'
import { failure, open } from '../facade-support.ts'

const NAMESPACE = { project: 'shop' }
const first = defineTable('users', {
  project: 'shop',
  columns: { id: integer().primaryKey(), name: text(), age: integer().nullable() },
  indexes: [{ columns: ['name'] }, { name: 'grown', columns: ['age'], where: c => c.age.gt(17) }],
  checks: [{ name: 'has_age', check: c => c.age.gte(0) }],
})
const second = defineTable('users', {
  project: 'shop',
  columns: {
    id: integer().primaryKey(),
    title: text().default('none'),
    years: integer().nullable(),
    seen: timestamp().nullable(),
  },
  indexes: [
    { columns: ['title'], unique: true },
    { name: 'grown', columns: ['years'], where: c => c.years.gt(17) },
  ],
  checks: [{ name: 'has_age', check: c => c.years.gte(1) }],
})
const target = { project: 'shop', scope: 'app', table: 'users' }

describe('the difference of two definitions', () => {
  it('is nothing where they mean the same, however they say it', () => {
    assert.deepEqual(tableDifference(target, first.data, first.data), [])
    const said = {
      ...first.data,
      columns: first.data.columns.map(column => ({ nullable: false, ...column })),
      indexes: first.data.indexes!.map(index => ({ unique: false, kind: 'ordered' as const, ...index })),
      foreignKeys: [],
    }
    assert.deepEqual(tableDifference(target, first.data, said), [])
    assert.deepEqual(tableDifference(target, said, first.data), [])
  })

  it('leads from one to the other, in an order that works', () => {
    const steps = tableDifference(target, first.data, second.data, { renamed: { age: 'years' } })
    assert.deepEqual(
      steps.map(step => {
        if (step.type === 'createIndex') return `+index ${step.index.name}`
        if (step.type === 'dropIndex') return `-index ${step.name}`
        if (step.type !== 'alterTable') return step.type
        const { alteration } = step
        const what = 'column' in alteration ? alteration.column : 'check' in alteration ? alteration.check : alteration
        return `${alteration.type} ${typeof what === 'string' ? what : 'name' in what ? what.name : ''}`
      }),
      [
        'dropCheck has_age',
        '-index name',
        'renameColumn age',
        'dropColumn name',
        'addColumn title',
        'addColumn seen',
        'addCheck has_age',
        '+index title',
      ],
    )
  })

  it('is refused where no alteration leads', () => {
    const keyed = { ...first.data, primaryKey: ['name'] }
    assert.throws(() => tableDifference(target, first.data, keyed), /primary key/)
    const typed = {
      ...first.data,
      columns: first.data.columns.map(c => (c.name === 'age' ? { ...c, type: 'u8' as const } : c)),
    }
    assert.throws(() => tableDifference(target, first.data, typed), /from integer to u8/)
    assert.throws(() => tableDifference(target, first.data, second.data, { renamed: { elsewhere: 'x' } }), /no column/)
  })

  it('sees other defaults and whether Null is allowed', () => {
    const column = (more: object) => ({
      ...first.data,
      columns: [...first.data.columns, { name: 'x', type: 'integer' as const, ...more }],
    })
    const types = (from: object, to: object): string[] =>
      tableDifference(target, column(from), column(to)).map(step =>
        step.type === 'alterTable' ? step.alteration.type : '',
      )
    assert.deepEqual(types({}, { default: 5 }), ['setDefault'])
    assert.deepEqual(types({ default: 5 }, {}), ['setDefault'])
    assert.deepEqual(types({ default: 5 }, { default: 6, nullable: true }), ['setDefault', 'setNullable'])
    assert.deepEqual(types({ nullable: true }, {}), ['setNullable'])
  })
})

const migrations: readonly Migration[] = [
  tableMigration(1, 'create-users', { to: first }),
  {
    version: 2,
    name: 'first-user',
    up: [{ type: 'insert', ...target, rows: [{ id: 1, name: 'ann', age: 30 }] }],
    down: [{ type: 'delete', ...target, key: { id: 1 } }],
  },
  tableMigration(5, 'titles', { from: first, to: second }, { renamed: { age: 'years' } }),
]

describe('migrations', () => {
  it('are applied once, in order, with their records', async () => {
    const { database } = await open()
    const report = await runMigrations(database, NAMESPACE, migrations)
    assert.deepEqual(
      report.done.map(({ version }) => version),
      [1, 2, 5],
    )
    assert.equal(report.version, 5)
    assert.deepEqual(await database.table(second).get(1), { id: 1, title: 'none', years: 30, seen: null })
    assert.deepEqual(await runMigrations(database, NAMESPACE, migrations), { done: [], version: 5 })
    const applied = await appliedMigrations(database, NAMESPACE)
    assert.deepEqual(
      applied.map(({ name }) => name),
      ['create-users', 'first-user', 'titles'],
    )
    assert.ok(applied.every(({ checksum }) => /^[0-9a-f]{64}$/.test(checksum)))
    assert.deepEqual(applied, report.done)
  })

  it('are applied as far as asked, and rolled back', async () => {
    const { database } = await open()
    assert.equal((await runMigrations(database, NAMESPACE, migrations, { to: 2 })).version, 2)
    await runMigrations(database, NAMESPACE, migrations)
    const back = await rollbackMigrations(database, NAMESPACE, migrations, 1)
    assert.deepEqual(
      back.done.map(({ version }) => version),
      [5, 2],
    )
    assert.equal(back.version, 1)
    assert.equal(await database.table(first).count(), 0)
    assert.deepEqual((await database.table(first).describe()).definition.columns.map(({ name }) => name).toSorted(), [
      'age',
      'id',
      'name',
    ])
    assert.equal((await runMigrations(database, NAMESPACE, migrations)).version, 5)
    assert.equal((await rollbackMigrations(database, NAMESPACE, migrations, 0)).version, 0)
    assert.deepEqual(await database.tables('shop'), [])
  })

  it('by many at once are applied once', async () => {
    const { database } = await open()
    const reports = await Promise.all([1, 2, 3, 4].map(() => runMigrations(database, NAMESPACE, migrations)))
    assert.deepEqual(
      reports.map(({ version }) => version),
      [5, 5, 5, 5],
    )
    const done = reports.flatMap(report => report.done.map(({ version }) => version))
    assert.deepEqual(
      done.toSorted((a, b) => a - b),
      [1, 2, 5],
    )
  })

  it('that are refused leave nothing, and those before stay', async () => {
    const { database } = await open()
    const broken: Migration = {
      version: 3,
      name: 'broken',
      up: [...migrations[1]!.up, { type: 'dropTable', project: 'shop', table: 'none' }],
    }
    const list = [...migrations.slice(0, 2), broken]
    await failure(runMigrations(database, NAMESPACE, list), 'duplicate_key')
    assert.equal((await appliedMigrations(database, NAMESPACE)).at(-1)?.version, 2)
    await failure(
      rollbackMigrations(database, NAMESPACE, [migrations[0]!, { ...migrations[1]!, down: undefined as never }], 0),
      'invalid_argument',
    )
    assert.equal(await database.table(first).count(), 1)
  })

  it('are recognised: another one under the number of one that was applied is an error', async () => {
    const { database } = await open()
    await runMigrations(database, NAMESPACE, migrations)
    const changed = { ...migrations[1]!, up: [{ type: 'delete' as const, ...target, key: { id: 2 } }] }
    await failure(runMigrations(database, NAMESPACE, [migrations[0]!, changed, migrations[2]!]), 'migration_mismatch')
    await failure(runMigrations(database, NAMESPACE, [migrations[0]!, migrations[2]!]), 'migration_mismatch')
    const late = { version: 3, name: 'late', up: changed.up }
    await failure(
      runMigrations(database, NAMESPACE, [...migrations.slice(0, 2), late, migrations[2]!]),
      'migration_mismatch',
    )
    // An older program meets what a newer one has applied.
    assert.deepEqual(await runMigrations(database, NAMESPACE, migrations.slice(0, 2)), { done: [], version: 5 })
    await failure(runMigrations(database, NAMESPACE, [migrations[1]!, migrations[0]!]), 'invalid_argument')
    await failure(runMigrations(database, NAMESPACE, [{ version: 9, name: 'nothing', up: [] }]), 'invalid_argument')
  })
})

describe('a backfill', () => {
  it('changes every row once, in batches, and goes on where it stopped', async () => {
    const { database } = await open()
    await runMigrations(database, NAMESPACE, migrations, { to: 1 })
    const users = database.table(first)
    await users.insertMany(Array.from({ length: 25 }, (_, id) => ({ id, name: `n${id}`, age: id })))
    let calls = 0
    const grow = (row: { age: number | null }): { age: number } | undefined => {
      if (++calls === 15) throw new Error('power is gone')
      return row.age === null || row.age % 2 === 1 ? undefined : { age: row.age + 100 }
    }
    const options = { name: 'grow', batchRows: 10 }
    await assert.rejects(backfillTable(database, first, grow, options), /power is gone/)
    const report = await backfillTable(database, first, grow, options)
    assert.deepEqual(report, { seen: 15, changed: 8 })
    const ages = (await users.query(q => q.orderBy('id').limit(50)).all()).map(row => row.age)
    assert.deepEqual(
      ages,
      Array.from({ length: 25 }, (_, id) => (id % 2 === 1 ? id : id + 100)),
    )
    assert.deepEqual(await backfillTable(database, first, grow, options), { seen: 0, changed: 0 })
  })

  it('by many at once changes no row twice, whatever the key is made of', async () => {
    const { database } = await open()
    const places = defineTable('places', {
      project: 'shop',
      columns: { x: integer({ as: 'bigint' }), y: text(), n: integer().default(0) },
      primaryKey: ['x', 'y'],
    })
    await database.ddl({ type: 'createTable', ...target, table: 'places', ...places.data })
    const table = database.table(places)
    const big = 2n ** 60n
    await table.insertMany(Array.from({ length: 30 }, (_, i) => ({ x: big + BigInt(i % 3), y: `y${i}` })))
    const once = (row: { n: number }): { n: number } => ({ n: row.n + 1 })
    const reports = await Promise.all(
      [1, 2, 3].map(() => backfillTable(database, places, once, { name: 'once', batchRows: 4 })),
    )
    assert.equal(
      reports.reduce((sum, { seen }) => sum + seen, 0),
      30,
    )
    assert.equal(await table.count(c => c.n.eq(1)), 30)
  })
})
