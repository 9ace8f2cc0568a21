/**
 * A cluster over the network: sellers who share a stock of tickets, and an audience that watches every sale. Nodes may die meanwhile:
 * nothing is sold twice and no sale is lost.
 * Run: npx quorate dev, and then node dist/examples/remote/tickets.js [ws://127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402]
 */
import { connect, integerCodec } from '../../src/entry/client.ts'
import type { Client } from '../../src/entry/client.ts'

const TICKETS = 60n
const SELLERS = 4

/**
 * Sells one ticket; false when there are none. Serializable: two sellers never sell the same one. All of them want the same key, so
 * somebody loses every race: who lost runs again, as long as the time of a call lasts.
 */
function sell(db: Client, seller: string): Promise<boolean> {
  return db.transaction(async tx => {
    const stock = tx.kv('box-office', { value: integerCodec(64) })
    const left = (await stock.get('left')) ?? 0n
    if (left === 0n) return false
    stock.set('left', left - 1n)
    stock.set(`sold/${seller}`, ((await stock.get(`sold/${seller}`)) ?? 0n) + 1n)
    return true
  })
}

export async function main(endpoints: string, print: (line: string) => void): Promise<void> {
  await using db = await connect(endpoints)
  await db.ddl({ type: 'createProject', project: 'box-office', ifNotExists: true })
  const stock = db.kv('box-office', { value: integerCodec(64) })
  for await (const { key } of stock.scan({ prefix: 'sold/' })) await stock.delete(key)
  const { token } = await stock.set('left', TICKETS)

  const audience = (async () => {
    let events = 0
    for await (const event of stock.watch({ prefix: 'left', from: token })) {
      if (event.type !== 'commit') continue
      events++
      if (integerCodec(64).decode(event.changes[0]!.value!) === 0n) return events
    }
    return events
  })()

  print('selling')
  const sellers = Array.from({ length: SELLERS }, (_, i) => `seller-${i + 1}`)
  await Promise.all(
    sellers.map(async seller => {
      while (await sell(db, seller));
    }),
  )
  let sold = 0n
  for await (const { value } of stock.scan({ prefix: 'sold/' })) sold += value
  print(`${sold} tickets were sold, ${await stock.get('left')} are left`)
  print(`the audience saw ${await audience} sales`)
}

if (process.argv[1] === import.meta.filename) {
  const endpoints = process.argv[2] ?? 'ws://127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402'
  await main(endpoints, line => process.stdout.write(`${line}\n`))
}
