/** The code of docs/guide/transactions.md. */
import {
  add,
  createTable,
  defineTable,
  Effects,
  Engine,
  integer,
  Leases,
  openQueue,
  QuorateError,
  text,
} from '../../src/entry/engine.ts'
import type { Database } from '../../src/entry/engine.ts'

const accounts = defineTable('accounts', {
  project: 'bank',
  columns: { owner: text().primaryKey(), balance: integer(), branch: text().default('main') },
  indexes: [{ columns: ['branch'] }],
})

// [body]
async function transfer(db: Database, from: string, to: string, amount: number): Promise<number> {
  return db.transaction(async tx => {
    const table = tx.table(accounts)
    const account = await table.get(from)
    if (account === undefined || account.balance < amount) throw new Error(`${from} has not got ${amount}`)
    table.update(from, { balance: add(-amount) })
    table.update(to, { balance: add(amount) })
    return account.balance - amount
  })
}
// [/body]

// [assertion]
async function pay(db: Database, from: string, to: string, amount: number, reference: string): Promise<void> {
  const target = { project: 'bank', table: 'accounts' }
  await db.commit({
    idempotencyKey: reference,
    assertions: [{ type: 'rowCompare', ...target, key: { owner: from }, column: 'balance', op: 'gte', value: amount }],
    mutations: [
      { type: 'update', ...target, key: { owner: from }, set: { balance: { subtract: amount } } },
      { type: 'update', ...target, key: { owner: to }, set: { balance: { add: amount } } },
    ],
  })
}
// [/assertion]

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl([{ type: 'createProject', project: 'bank' }, createTable(accounts)])
  const table = db.table(accounts)
  await table.insertMany([
    { owner: 'ann', balance: 100 },
    { owner: 'bob', balance: 0 },
  ])
  print(`${await transfer(db, 'ann', 'bob', 30)}`)
  await transfer(db, 'bob', 'ann', 1_000).catch((error: unknown) => print(String(error)))

  // [refused]
  try {
    await pay(db, 'ann', 'bob', 500, 'invoice-7')
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'assertion_failed') throw error
    print(`refused: assertion ${error.detail?.index} does not hold`)
  }
  // [/refused]
  await pay(db, 'ann', 'bob', 20, 'invoice-8')
  await pay(db, 'ann', 'bob', 20, 'invoice-8')
  print(`${(await table.get('ann'))?.balance}`)

  // [swap]
  const entry = await table.entry('ann')
  if (entry !== undefined) await table.update('ann', { balance: 0 }, { ifSeq: entry.seq })
  await table.compareAndSet('eve', 0, { owner: 'eve', balance: 5 })
  // [/swap]

  // [conflict]
  await table.insert({ owner: 'eve', balance: 7 }, { onConflict: { action: { update: { balance: add(7) } } } })
  const west = await table.updateWhere(c => c.balance.gt(10), { branch: 'west' }, { limit: 100 })
  const claimed = await table.claimOne(c => c.branch.eq('west'), { branch: 'taken' })
  // [/conflict]
  print(`${(await table.get('eve'))?.balance} ${west} ${claimed?.before.owner}`)

  // [phantoms]
  const isOpened = await db.transaction(async tx => {
    const inside = tx.table(accounts)
    if ((await inside.count(c => c.branch.eq('north'))) > 0) return false
    inside.insert({ owner: 'zoe', balance: 0, branch: 'north' })
    return true
  })
  // [/phantoms]
  print(`${isOpened}`)

  // [layers]
  const queue = await openQueue<{ to: string }>(db, { project: 'bank', name: 'mails' })
  await queue.enqueue({ to: 'ann' }, { priority: 1, attemptsMax: 3 })
  const [task] = await queue.claim('worker-1', 30_000)
  if (task !== undefined) await queue.complete(task)

  const leases = new Leases(db, { project: 'bank' })
  const lease = await leases.acquire('nightly-report', 'worker-1', 30_000)
  if (lease !== undefined) await leases.release(lease)

  const payments = new Effects<string>(db, { project: 'bank' })
  if ((await payments.begin('invoice-7')).state === 'fresh') await payments.complete('invoice-7', 'paid')
  // [/layers]
  print(`${task?.payload.to} ${lease?.owner} ${(await payments.status('invoice-7'))?.state}`)

  // [locks]
  {
    await using locks = db.lockScope()
    await locks.lockAll(
      [
        { project: 'bank', key: 'ann' },
        { project: 'bank', key: 'bob' },
      ],
      { timeoutMs: 5_000 },
    )
    await transfer(db, 'bob', 'ann', 1)
  }
  // [/locks]
}
