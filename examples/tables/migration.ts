/**
 * A table that changes with its program: two versions of it, the migrations between them, a backfill, and the way back.
 * Run: node dist/examples/tables/migration.js [DIRECTORY]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  backfillTable,
  defineTable,
  Engine,
  integer,
  rollbackMigrations,
  runMigrations,
  tableMigration,
  text,
} from '../../src/entry/engine.ts'
import type { Migration } from '../../src/entry/engine.ts'

const usersThen = defineTable('users', {
  project: 'people',
  columns: { id: integer().primaryKey(), name: text(), age: integer().nullable() },
  indexes: [{ columns: ['name'] }],
})

/** Ages have another name, and every user has initials that nobody had to give. */
const users = defineTable('users', {
  project: 'people',
  columns: { id: integer().primaryKey(), name: text(), years: integer().nullable(), initials: text().default('') },
  indexes: [{ columns: ['name'] }, { columns: ['initials'] }],
  checks: [{ name: 'is_born', check: c => c.years.gte(0) }],
})

const target = { project: 'people', scope: 'app', table: 'users' }
const migrations: readonly Migration[] = [
  tableMigration(1, 'create-users', { to: usersThen }),
  {
    version: 2,
    name: 'first-users',
    up: [{ type: 'insert', ...target, rows: [{ id: 1, name: 'Ada Lovelace', age: 36 }] }],
    down: [{ type: 'delete', ...target, key: { id: 1 } }],
  },
  tableMigration(3, 'years-and-initials', { from: usersThen, to: users }, { renamed: { age: 'years' } }),
]

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl({ type: 'createProject', project: 'people', ifNotExists: true })
  // Every instance of a program does this when it starts; one of them does the work.
  const { done } = await runMigrations(db, { project: 'people' }, migrations)
  print(`applied: ${done.map(({ version, name }) => `${version} ${name}`).join(', ') || 'nothing'}`)

  const initialsOf = (name: string): string => name.replaceAll(/(\p{L})\p{L}*\s*/gu, '$1')
  const report = await backfillTable(
    db,
    users,
    row => (row.initials === '' ? { initials: initialsOf(row.name) } : undefined),
    { name: 'initials' },
  )
  print(`backfilled ${report.changed} of ${report.seen}`)
  for await (const { name, years, initials } of db.table(users).scan()) print(`${initials}: ${name}, ${years}`)

  const back = await rollbackMigrations(db, { project: 'people' }, migrations, 2)
  print(`rolled back to ${back.version}: ${(await db.table(usersThen).get(1))?.age}`)
}

if (process.argv[1] === import.meta.filename) {
  const given = process.argv[2]
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'quorate-people-')))
  await main(directory, line => console.log(line))
  if (given === undefined) await rm(directory, { recursive: true })
}
