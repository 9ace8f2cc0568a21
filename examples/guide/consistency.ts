/** The code of docs/guide/consistency.md. */
import { createTable, defineTable, Engine, integer, parseToken, QuorateError, text } from '../../src/entry/engine.ts'

const stock = defineTable('stock', {
  project: 'shop',
  columns: { item: text().primaryKey(), pieces: integer() },
})

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory, { durability: 'batch' })
  await db.ddl([{ type: 'createProject', project: 'shop' }, createTable(stock)])

  // [token]
  const { token } = await db.table(stock).insert({ item: 'pen', pieces: 10 })
  const seen = await db.table(stock).get('pen', { consistency: { minSeq: token } })
  // [/token]
  print(`${seen?.pieces}`)

  // [past]
  await db.table(stock).update('pen', { pieces: 7 })
  const then = await db.table(stock).get('pen', { consistency: { atSeq: token } })
  const now = await db.table(stock).get('pen')
  // [/past]
  print(`${then?.pieces} then, ${now?.pieces} now`)

  // [window]
  try {
    const { historyId, seq } = parseToken(token)
    await db.table(stock).get('pen', { consistency: { atSeq: `${historyId}:${seq + 1_000_000}` } })
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'seq_unavailable') throw error
    print(`${error.code}: up to ${error.detail!.newestSeq! - parseToken(token).seq} after the insert`)
  }
  // [/window]

  // [view]
  {
    await using view = await db.view()
    await db.table(stock).update('pen', { pieces: 0 })
    const pieces = (await view.table(stock).get('pen'))?.pieces
    await using again = await db.view({ consistency: { atSeq: view.token } })
    print(`${pieces} and ${(await again.table(stock).get('pen'))?.pieces} in views, ${again.seq === view.seq}`)
  }
  // [/view]

  // [checkpoint]
  const checkpointed = await db.checkpoint()
  await db.table(stock).update('pen', { pieces: 99 })
  await using report = await db.view({ consistency: 'checkpoint' })
  // [/checkpoint]
  print(`${(await report.table(stock).get('pen'))?.pieces} in the checkpoint, ${report.seq === checkpointed}`)

  // [durable]
  const { seq } = await db.table(stock).update('pen', { pieces: 100 })
  const { durableSeq } = await db.waitForDurable(seq)
  // [/durable]
  print(`durable: ${durableSeq >= seq}`)
}
