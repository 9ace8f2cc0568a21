/**
 * Accounts as rows: transfers as single commits with assertions, which need no reading before, and a statement of all that happened.
 * Run: node dist/examples/tables/bank.js [DIRECTORY]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTable, defineTable, Engine, QuorateError, text, timestamp, u256 } from '../../src/entry/engine.ts'
import type { Database } from '../../src/entry/engine.ts'

const accounts = defineTable('accounts', {
  project: 'bank',
  columns: { owner: text().primaryKey(), balance: u256() },
})

const transfers = defineTable('transfers', {
  project: 'bank',
  columns: {
    reference: text().primaryKey(),
    source: text(),
    destination: text(),
    amount: u256(),
    at: timestamp().defaultNow(),
  },
  indexes: [{ columns: ['source', 'at'] }, { columns: ['destination', 'at'] }],
  foreignKeys: [
    { columns: ['source'], table: accounts },
    { columns: ['destination'], table: accounts },
  ],
})

/**
 * Moves money. Nothing is read before: the assertion holds when the transfer is applied, or nothing of it happens. The reference makes it
 * happen once, however often it is sent.
 */
async function transfer(db: Database, reference: string, from: string, to: string, amount: bigint): Promise<void> {
  const table = { project: 'bank', table: 'accounts' }
  await db.commit({
    idempotencyKey: reference,
    assertions: [{ type: 'rowCompare', ...table, key: { owner: from }, column: 'balance', op: 'gte', value: amount }],
    mutations: [
      { type: 'update', ...table, key: { owner: from }, set: { balance: { subtract: amount } } },
      { type: 'update', ...table, key: { owner: to }, set: { balance: { add: amount } } },
      {
        type: 'insert',
        project: 'bank',
        table: 'transfers',
        rows: [{ reference, source: from, destination: to, amount }],
      },
    ],
  })
}

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl([
    { type: 'createProject', project: 'bank', ifNotExists: true },
    createTable(accounts, { ifNotExists: true }),
    createTable(transfers, { ifNotExists: true }),
  ])
  await db.table(accounts).upsertMany([
    { owner: 'alice', balance: 10n ** 18n },
    { owner: 'bob', balance: 0n },
  ])

  const tenth = 10n ** 17n
  // Twelve of a tenth each, all at once: ten find the money, two do not.
  const results = await Promise.allSettled(
    Array.from({ length: 12 }, (_, i) => transfer(db, `t-${i}`, 'alice', 'bob', tenth)),
  )
  const refused = results.filter(result => result.status === 'rejected')
  for (const { reason } of refused) {
    if (!(reason instanceof QuorateError) || reason.code !== 'assertion_failed') throw reason
  }
  print(`${results.length - refused.length} transfers, ${refused.length} refused`)
  // Sent again after a lost answer: it has happened already.
  await transfer(db, 't-0', 'alice', 'bob', tenth)

  for await (const { owner, balance } of db.table(accounts).scan()) print(`${owner}: ${balance}`)
  const [total] = await db
    .table(transfers)
    .query(q => q.where(c => c.source.eq('alice')).aggregate(of => ({ count: of.count(), sum: of.sum('amount') })))
    .all()
  print(`alice has sent ${total?.count} times: ${total?.sum}`)
  await transfer(db, 't-nobody', 'bob', 'nobody', 1n).catch((error: unknown) => {
    if (!(error instanceof QuorateError)) throw error
    print(`to nobody: ${error.code}`)
  })
}

if (process.argv[1] === import.meta.filename) {
  const given = process.argv[2]
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'quorate-bank-')))
  await main(directory, line => console.log(line))
  if (given === undefined) await rm(directory, { recursive: true })
}
