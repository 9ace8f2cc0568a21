/**
 * A durable queue: orders put their mails into it in the same transaction, workers take them, one of the workers dies.
 * Run: node dist/examples/tables/job-queue.js [DIRECTORY]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTable, defineTable, Effects, Engine, integer, openQueue, text } from '../../src/entry/engine.ts'

interface Mail {
  order: number
  to: string
}

const orders = defineTable('orders', {
  project: 'mails',
  columns: { id: integer().primaryKey(), customer: text(), state: text<'new' | 'told'>().default('new') },
})

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl([
    { type: 'createProject', project: 'mails', ifNotExists: true },
    createTable(orders, { ifNotExists: true }),
  ])
  const queue = await openQueue<Mail>(db, { project: 'mails', name: 'outgoing' })
  const sent = new Effects<string>(db, { project: 'mails' })

  // An order and its mail come together or not at all.
  for (const [id, customer] of ['ann', 'bob', 'eve'].entries()) {
    const mutations = [{ type: 'insert', project: 'mails', table: 'orders', rows: [{ id, customer }] }] as const
    await queue.enqueue(
      { order: id, to: `${customer}@example.org` },
      { mutations, priority: customer === 'eve' ? 1 : 0 },
    )
  }

  // This worker takes one and is never seen again; its lease ends at once.
  const [lost] = await queue.claim('worker-1', 1)
  print(`worker-1 took the mail to ${lost?.payload.to}`)

  for (;;) {
    const [task] = await queue.claim('worker-2', 60_000)
    if (task === undefined) {
      if ((await queue.counts()).claimed === 0) break
      continue
    }
    const { order, to } = task.payload
    const key = `mail-${order}`
    const begun = await sent.begin(key)
    // A mail server would be asked under this key, so that a worker that died after sending sends nothing twice.
    const receipt = begun.state === 'done' ? begun.result : `receipt of ${to}`
    await sent.complete(key, receipt)
    const mutations = [
      { type: 'update', project: 'mails', table: 'orders', key: { id: order }, set: { state: { set: 'told' } } },
    ] as const
    if (await queue.complete(task, { mutations })) print(`worker-2 sent to ${to}, attempt ${task.attempt}`)
  }
  if (lost !== undefined) print(`worker-1 comes back: ${(await queue.complete(lost)) ? 'done twice' : 'too late'}`)
  const told = await db.table(orders).count(c => c.state.eq('told'))
  print(`${told} customers were told`)
}

if (process.argv[1] === import.meta.filename) {
  const given = process.argv[2]
  const directory = given ?? (await mkdtemp(join(tmpdir(), 'quorate-queue-')))
  await main(directory, line => console.log(line))
  if (given === undefined) await rm(directory, { recursive: true })
}
