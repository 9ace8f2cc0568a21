/** The code of docs/guide/access.md. */
import { CALLER, createTable, defineTable, Engine, integer, QuorateError, text } from '../../src/entry/engine.ts'

const notes = defineTable('notes', {
  project: 'desk',
  columns: { id: integer().primaryKey(), owner: text(), body: text() },
  indexes: [{ columns: ['owner'] }],
})

export async function main(directory: string, print: (line: string) => void): Promise<void> {
  await using db = await Engine.open(directory)
  await db.ddl([{ type: 'createProject', project: 'desk' }, createTable(notes)])

  // [grant]
  await db.ddl([
    { type: 'grant', caller: 'ann', permission: { type: 'tableRead', project: 'desk', scope: 'app', table: 'notes' } },
    { type: 'grant', caller: 'ann', permission: { type: 'tableWrite', project: 'desk', scope: 'app', table: 'notes' } },
    { type: 'grant', caller: 'chief', permission: { type: 'projectAdmin', project: 'desk' } },
  ])
  // [/grant]

  // [as]
  const asAnn = db.as('ann')
  await asAnn.table(notes).insert({ id: 1, owner: 'ann', body: 'buy milk' })
  const asBob = db.as('bob')
  try {
    await asBob.table(notes).get(1)
  } catch (error) {
    if (!(error instanceof QuorateError)) throw error
    print(`bob: ${error.code}`)
  }
  // [/as]
  await db.table(notes).insert({ id: 2, owner: 'chief', body: 'raise nobody' })

  // [policy]
  await db.ddl({
    type: 'setReadPolicy',
    project: 'desk',
    table: 'notes',
    policy: { op: 'eq', column: 'owner', value: CALLER },
  })
  // [/policy]
  print(`ann sees ${await asAnn.table(notes).count()} of ${await db.table(notes).count()}`)
  print(`ann reads note 2: ${(await asAnn.table(notes).get(2))?.body ?? 'nothing'}`)

  // [bypass]
  await db.ddl({
    type: 'grant',
    caller: 'ann',
    permission: { type: 'policyBypass', project: 'desk', scope: 'app', table: 'notes' },
  })
  // [/bypass]
  print(`ann sees ${await asAnn.table(notes).count()} now`)
  await db.ddl({
    type: 'revoke',
    caller: 'ann',
    permission: { type: 'policyBypass', project: 'desk', scope: 'app', table: 'notes' },
  })
}
