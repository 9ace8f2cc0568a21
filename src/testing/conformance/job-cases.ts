import { deepEqual, equal, ok } from 'node:assert/strict'
import { createTable, defineTable, integer, text } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { fails } from './expectations.ts'

const ROWS = 300

const itemsOf = (project: string) =>
  defineTable('items', { project, columns: { id: integer().primaryKey(), size: integer(), name: text() } })

async function items({ database, project }: ConformanceContext) {
  const definition = itemsOf(project)
  await database.ddl(createTable(definition))
  const table = database.table(definition)
  await table.insertMany(Array.from({ length: ROWS }, (_, id) => ({ id, size: id, name: `n${id % 7}` })))
  return { definition, table, target: { project, scope: 'app', table: 'items' } }
}

export const jobSection: ConformanceSection = {
  title: 'work in the background',
  cases: [
    {
      name: 'is waited for: an index serves queries then',
      async run(context) {
        const { database, project } = context
        const { table, target } = await items(context)
        await database.ddl({ type: 'createIndex', ...target, index: { name: 'by_size', columns: ['size'] } })
        for (const job of await database.jobs({ project })) {
          deepEqual([job.kind, job.scope, job.table, job.name], ['buildIndex', 'app', 'items', 'by_size'])
          ok(job.done! + job.left! >= ROWS)
        }
        for (const { failure } of await database.waitForJobs({ project, table: 'items' })) equal(failure, undefined)
        deepEqual(await database.jobs(target), [])
        deepEqual((await table.describe()).indexes, [{ name: 'by_size', isReady: true }])
        deepEqual(await database.waitForJobs(target), [])
      },
    },
    {
      name: 'that rows refuse says so to those who may see all of them',
      async run(context) {
        const { database, project } = context
        const { table, target } = await items(context)
        const caller = `${project}-ann`
        await database.ddl([
          { type: 'setReadPolicy', ...target, policy: { op: 'lt', column: 'size', value: 10 } },
          { type: 'grant', caller, permission: { type: 'tableRead', ...target } },
        ])
        const rule = { name: 'small', check: { op: 'lt', column: 'size', value: ROWS - 1 } } as const
        await database.ddl([
          { type: 'createIndex', ...target, index: { name: 'names', columns: ['name'], unique: true } },
          { type: 'alterTable', ...target, alteration: { type: 'addCheck', check: rule } },
        ])
        const finished = await database.waitForJobs(target)
        for (const { name, failure } of finished) ok(failure !== undefined, `${name} has failed`)
        if (finished.length > 0) {
          const { indexes, definition, failures } = await table.describe()
          deepEqual([indexes, definition.checks], [[], undefined])
          deepEqual(
            failures.map(({ name }) => name),
            ['names', 'small'],
          )
        }
        const [seen] = await database.as(caller).tables(project)
        deepEqual([seen?.rows, seen?.failures], [undefined, []])
      },
    },
    {
      name: 'is asked for by place, and told to those who have to do with it',
      async run(context) {
        const { database, project } = context
        const { target } = await items(context)
        await fails(database.jobs({ project: 'no-such-project' }), 'project_not_found')
        await fails(database.jobs({ project, scope: 'none' }), 'scope_not_found')
        await fails(database.jobs({ project, table: 'none' }), 'table_not_found')
        await fails(database.jobs({ table: 'items' }), 'invalid_argument')
        await database.ddl({ type: 'createIndex', ...target, index: { name: 'by_size', columns: ['size'] } })
        deepEqual(await database.as(`${project}-nobody`).jobs(), [])
        await database.waitForJobs()
        await database.ddl({ type: 'dropTable', ...target })
        for (const { kind, table } of await database.jobs()) {
          ok(['removeRows', 'removeIndex', 'removeScope', 'removeEvents'].includes(kind))
          equal(table, undefined)
        }
        await database.waitForJobs()
        deepEqual(await database.jobs({ project }), [])
      },
    },
  ],
}
