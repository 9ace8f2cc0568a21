/** The code of docs/guide/backup.md. */
import {
  copyNamespace,
  createTable,
  defineTable,
  Engine,
  extractArchive,
  integer,
  openForReading,
  parityOf,
  QuorateError,
  rehearseRestore,
  restoreBackup,
  restoreMember,
  text,
  verifyBackup,
  writeArchive,
} from '../../src/entry/engine.ts'

const orders = defineTable('orders', {
  project: 'shop',
  columns: { id: integer().primaryKey(), article: text() },
})

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  const at = (name: string): string => `${directory}/${name}`
  const db = await Engine.open(at('data'))
  await db.ddl([{ type: 'createProject', project: 'shop' }, createTable(orders)])
  await db.table(orders).insertMany([1, 2, 3].map(id => ({ id, article: 'lamp' })))

  // [take]
  const monday = await db.backup(at('monday'))
  await db.table(orders).insert({ id: 4, article: 'chair' })
  const tuesday = await db.backup(at('tuesday'), { parent: at('monday') })
  print(`${monday.type} and ${tuesday.type}`)
  // [/take]

  // [mistake]
  const { seq: before } = await db.table(orders).insert({ id: 5, article: 'table' })
  await db.ddl({ type: 'dropTable', project: 'shop', table: 'orders' })
  await db.backup(at('wednesday'), { parent: at('tuesday') })
  // [/mistake]
  await db.close()

  // [verify]
  const chain = [at('monday'), at('tuesday'), at('wednesday')]
  for (const backup of chain) await verifyBackup(backup)
  const { digest } = await rehearseRestore(chain, at('scratch'))
  // [/verify]
  print(`the digest has ${digest.length} digits`)

  // [restore]
  const restored = await restoreBackup(chain, at('restored'), { seq: before })
  await using copy = await Engine.open(at('restored'))
  print(
    `${await copy.table(orders).count()} orders, and the history is another: ${restored.historyId !== monday.historyId}`,
  )
  // [/restore]

  // [refused]
  try {
    await restoreBackup(chain, at('other'), { seq: 1 })
  } catch (error) {
    if (!(error instanceof QuorateError) || error.code !== 'seq_unavailable') throw error
    print(`not before ${error.detail?.oldestSeq === monday.state.seq ? 'monday' : '?'}`)
  }
  // [/refused]

  // [project]
  await restoreBackup([at('monday')], at('of-monday'))
  await using source = await openForReading(at('of-monday'))
  const result = await copyNamespace(
    source,
    copy,
    { project: 'shop' },
    { id: 'monday', to: { project: 'shop_monday' } },
  )
  print(`${result.rows} rows`)
  // [/project]
  print((await copy.projects()).map(({ name }) => name).join(' '))

  // [archive]
  const key = new Uint8Array(32).fill(7)
  await writeArchive(at('monday'), at('monday.archive'), { key })
  await extractArchive(at('monday.archive'), at('unpacked'), { key })
  // [/archive]
  await verifyBackup(at('unpacked'))

  // [cluster]
  const members = ['n0', 'n1', 'n2'].map(name => ({
    name,
    peerAddress: `${name}.example:7410`,
    clientAddress: `${name}.example:7400`,
  }))
  for (const { name } of members) {
    await restoreMember(chain, at(name), name, { members, restoreId: 'after the fire' })
  }
  // [/cluster]

  // [parity]
  const [one, other] = [await parityOf(at('n0')), await parityOf(at('n1'))]
  print(`the members hold the same: ${one.parity.all === other.parity.all}`)
  // [/parity]
}
