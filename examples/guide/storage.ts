/** The code of docs/guide/storage.md. */
import { open as openFile } from 'node:fs/promises'
import { createTable, defineTable, Engine, integer, PagedStore, QuorateError, text } from '../../src/entry/engine.ts'

const notes = defineTable('notes', {
  project: 'app',
  columns: { id: integer().primaryKey(), body: text() },
  indexes: [{ columns: ['body'] }],
})

async function fill(db: Engine, round: number): Promise<void> {
  for (let first = 0; first < 1_600; first += 400) {
    const ids = Array.from({ length: 400 }, (_, i) => first + i)
    const rows = ids.map(id => ({ id, body: `note ${id} of ${round}, ${'-'.repeat(300)}` }))
    await patiently(db, () => db.table(notes).upsertMany(rows))
  }
  await patiently(db, () => db.kv('app').set('picture', new Uint8Array(30_000).fill(round)))
}

// [busy]
async function patiently(db: Engine, write: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await write()
      return
    } catch (error) {
      if (!(error instanceof QuorateError && error.code === 'busy')) throw error
      await db.checkpoint()
    }
  }
}
// [/busy]

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  const data = `${directory}/data`

  // [budget]
  const options = { budgetBytes: 512 << 10 }
  const db = await Engine.open(data, options)
  await db.ddl([{ type: 'createProject', project: 'app' }, createTable(notes)])
  await fill(db, 0)
  await db.checkpoint()
  const { memory, pages } = db.metrics()
  const isBelow = memory.bytes <= memory.budgetBytes
  print(`${pages.used * pages.bytes > 3 * memory.budgetBytes} ${isBelow}`)
  // [/budget]

  // [checkpoint]
  const seq = await db.checkpoint()
  print(`${seq === (await db.head()).visibleSeq} ${db.metrics().checkpoints.seq === seq}`)
  // [/checkpoint]

  // [reclaim]
  const before = db.metrics().pages
  for (let round = 1; round <= 2; round++) {
    await fill(db, round)
    await db.checkpoint()
  }
  const after = db.metrics().pages
  print(`${after.used < before.used * 3} ${after.file < before.file * 3}`)
  await db.close()
  // [/reclaim]

  // [paged]
  const store = await PagedStore.open(`${directory}/blobs`, { pageBytes: 4096, cachePages: 16 })
  const place = store.append(new TextEncoder().encode('a page that never changes'))
  print(new TextDecoder().decode(store.read(place)))
  await store.close()
  // [/paged]

  // [keys]
  const key = new Uint8Array(32).fill(1) // from a key service or a file, never from the program
  const sealed = await Engine.open(`${directory}/sealed`, { ...options, keys: { encryption: [key], integrity: [key] } })
  await sealed.ddl({ type: 'createProject', project: 'app' })
  await sealed.close()
  await Engine.open(`${directory}/sealed`).catch((error: unknown) => print((error as { code: string }).code))
  // [/keys]

  const again = await Engine.open(data, options)
  await again.kv('app').set('kept', new TextEncoder().encode('well'))
  await again.close()
  await damage(`${data}/pages/data`)

  // [damage]
  await Engine.open(data).catch((error: unknown) => print((error as { code: string }).code))
  const rescued = await Engine.openPermissively(data)
  const [found] = rescued.recovery.diagnostics
  print(`${found?.kind} of ${found?.file.split('/').at(-1)}; complete: ${rescued.recovery.isComplete}`)
  print(new TextDecoder().decode(await rescued.kv('app').get('kept')))
  await rescued.backup(`${directory}/rescued`)
  await rescued.close()
  await Engine.open(data).catch((error: unknown) => print((error as { code: string }).code))
  // [/damage]
}

/** Overwrites the newer of the two superblocks, as a failing disk would. */
async function damage(path: string): Promise<void> {
  const file = await openFile(path, 'r+')
  const numbers = await Promise.all(
    [0, 32_768].map(async at => (await file.read(Buffer.alloc(8), 0, 8, at + 40)).buffer.readUInt32LE(0)),
  )
  await file.write(Buffer.from('not what was written'), 0, 20, (numbers[0]! > numbers[1]! ? 0 : 32_768) + 100)
  await file.close()
}
