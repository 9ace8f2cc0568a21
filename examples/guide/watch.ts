/** The code of docs/guide/watch.md. */
import { CALLER, createTable, defineTable, Engine, integer, text } from '../../src/entry/engine.ts'

const orders = defineTable('orders', {
  project: 'shop',
  columns: { customer: text(), id: integer(), state: text() },
  primaryKey: ['customer', 'id'],
})

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  const { token } = await db.ddl([
    { type: 'createProject', project: 'shop' },
    createTable(orders),
    {
      type: 'setReadPolicy',
      project: 'shop',
      table: 'orders',
      policy: { op: 'eq', column: 'customer', value: CALLER },
    },
    { type: 'grant', caller: 'ann', permission: { type: 'tableRead', project: 'shop', scope: 'app', table: 'orders' } },
  ])
  await db.table(orders).insertMany([
    { customer: 'ann', id: 1, state: 'new' },
    { customer: 'bob', id: 2, state: 'new' },
  ])
  await db.table(orders).update({ customer: 'ann', id: 1 }, { state: 'paid' })
  await db.table(orders).delete({ customer: 'bob', id: 2 })

  let resumeFrom = token
  const ending = new AbortController()
  // [rows]
  for await (const event of db.table(orders).watch({ from: resumeFrom, signal: ending.signal })) {
    if (event.type === 'commit') {
      for (const { kind, key, row } of event.changes)
        print(`${kind} ${key.customer}/${key.id} ${row?.state ?? ''}`.trim())
    } else if (event.type === 'reset') {
      await using view = event.view
      for await (const row of view.table(orders).scan()) print(`now ${row.customer}/${row.id} ${row.state}`)
    }
    resumeFrom = event.token
    if (event.type === 'commit' && event.changes[0]?.kind === 'delete') ending.abort()
  }
  // [/rows]

  // [caller]
  const ofAnn = db
    .as('ann')
    .table(orders)
    .watch({ from: token, prefix: { customer: 'ann' } })
  // [/caller]
  let commits = 0
  for await (const event of ofAnn) {
    if (event.type !== 'commit') continue
    print(`ann: ${event.changes.map(({ kind, row }) => `${kind} ${row?.state}`).join(', ')}`)
    if (++commits === 2) break
  }

  // [keys]
  const { token: before } = await db.kv('shop').set('cart/ann', new TextEncoder().encode('2 books'))
  await db.kv('shop').delete('cart/ann')
  for await (const event of db.kv('shop').watch({ from: before, prefix: 'cart/' })) {
    if (event.type !== 'commit') continue
    print(event.changes.map(({ kind, key }) => `${kind} ${new TextDecoder().decode(key)}`).join())
    break
  }
  // [/keys]
}
