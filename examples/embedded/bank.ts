/**
 * An embedded database: accounts, transfers that hold together or not at all, a counter, and keys that expire.
 * Run: node dist/examples/embedded/bank.js [DIRECTORY]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Engine, integerCodec, QuorateError } from '../../src/entry/engine.ts'
import type { Database } from '../../src/entry/engine.ts'

/** Moves money between two accounts; serializable, whoever else moves money at the same time. */
async function transfer(db: Database, from: string, to: string, amount: bigint): Promise<void> {
  await db.transaction(async tx => {
    const accounts = tx.kv('bank', { scope: 'accounts', value: integerCodec(64) })
    const balance = (await accounts.get(from)) ?? 0n
    if (balance < amount) throw new Error(`${from} has ${balance}, not ${amount}`)
    accounts.set(from, balance - amount)
    accounts.set(to, ((await accounts.get(to)) ?? 0n) + amount)
  })
}

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl([
    { type: 'createProject', project: 'bank', ifNotExists: true },
    { type: 'createScope', project: 'bank', scope: 'accounts', ifNotExists: true },
  ])
  const accounts = db.kv('bank', { scope: 'accounts', value: integerCodec(64) })
  await accounts.set('alice', 100n)
  await accounts.set('bob', 50n)

  // Ten transfers at once: each sees the others' or is run again.
  await Promise.all(Array.from({ length: 10 }, () => transfer(db, 'alice', 'bob', 5n)))
  for await (const { key, value } of accounts.scan()) print(`${key}: ${value}`)

  await transfer(db, 'alice', 'bob', 1_000n).catch((error: unknown) => print(String(error)))

  const visits = await db.kv('bank').increment('visits')
  print(`visits: ${visits}`)

  const { seq } = (await accounts.entry('alice'))!
  await accounts.compareAndSet('alice', seq, 60n)
  await accounts.compareAndSet('alice', seq, 70n).catch((error: unknown) => {
    if (error instanceof QuorateError) print(`${error.code}: the key has changed since seq ${seq}`)
  })

  // An embedded read of a pinned state needs no promise.
  using view = db.snapshot()
  print(`alice, synchronously: ${integerCodec(64).decode(view.kv('bank', { scope: 'accounts' }).get('alice')!)}`)
}

if (process.argv[1] === import.meta.filename) {
  const given = process.argv[2]
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'quorate-example-')))
  await main(directory, line => process.stdout.write(`${line}\n`))
  if (given === undefined) await rm(directory, { recursive: true })
}
