import { deepEqual, equal, ok } from 'node:assert/strict'
import { add, createTable, defineTable, integer, text } from '../../model/index.ts'
import type { TransactionEnvelope } from '../../encoding/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, fails } from './expectations.ts'

const accountsOf = (project: string) =>
  defineTable('accounts', {
    project,
    columns: { id: integer().primaryKey(), owner: text(), cents: integer() },
    checks: [{ name: 'not_below', check: c => c.cents.gte(0) }],
  })

async function accounts({ database, project }: ConformanceContext) {
  const definition = accountsOf(project)
  await database.ddl(createTable(definition))
  const table = database.table(definition)
  await table.insertMany([
    { id: 1, owner: 'ann', cents: 10 },
    { id: 2, owner: 'bob', cents: 20 },
  ])
  return { definition, table, target: { project, scope: 'app', table: 'accounts' } }
}

export const preflightSection: ConformanceSection = {
  title: 'a preflight',
  cases: [
    {
      name: 'tells what a transaction would answer and change, and changes nothing',
      async run(context) {
        const { database, project, kv } = context
        const { table, target } = await accounts(context)
        await kv.set('n', bytes('12345678'))
        const before = (await database.status()).appliedSeq
        const found = await database.preflight({
          mutations: [
            { type: 'updateWhere', ...target, set: { cents: { add: 1 } } },
            { type: 'delete', ...target, key: { id: 1 } },
            { type: 'kvIncrement', project, key: bytes('n'), by: 1n, width: 64 },
            { type: 'kvSet', project, key: bytes('m'), value: bytes('x') },
            { type: 'emitEvent', project, topic: 't', key: 'k', payload: '{}' },
          ],
        })
        equal(found.isValid, true)
        equal(found.error, undefined)
        deepEqual(found.results.slice(0, 2), [2n, true])
        deepEqual([found.rows, found.keys, found.events], [2, 2, 1])
        equal(found.readSet?.points?.length, 4)
        ok(found.seq >= before)
        equal(await table.count(), 2)
        equal((await table.get(1))?.cents, 10)
        equal(await kv.get('m'), undefined)
        deepEqual((await database.events(project).read()).events, [])
      },
    },
    {
      name: 'tells why a transaction would be refused, as a commit would',
      async run(context) {
        const { database, project } = context
        const { target } = await accounts(context)
        const wrong: readonly [TransactionEnvelope, string][] = [
          [{ mutations: [{ type: 'insert', ...target, rows: [{ id: 1, owner: 'x', cents: 1 }] }] }, 'duplicate_key'],
          [
            {
              mutations: [
                { type: 'kvDelete', project, key: bytes('k') },
                { type: 'update', ...target, key: { id: 1 }, set: { cents: { subtract: 11 } } },
              ],
            },
            'check_failed',
          ],
          [
            { assertions: [{ type: 'keyExists', project, key: bytes('none'), expected: true }], mutations: [] },
            'assertion_failed',
          ],
          [{ mutations: [{ type: 'kvDelete', project: 'no-such-project', key: bytes('k') }] }, 'project_not_found'],
          [
            { mutations: [{ type: 'ddl', operation: { type: 'dropScope', project, scope: 'none' } }] },
            'scope_not_found',
          ],
        ]
        for (const [envelope, code] of wrong) {
          const found = await database.preflight(envelope)
          deepEqual([found.isValid, found.error?.code, found.rows, found.keys], [false, code, 0, 0])
          const refusal = await fails(database.commit(envelope), code as 'conflict')
          deepEqual(found.error?.detail, refusal.detail)
        }
        await fails(
          database.preflight({ mutations: [{ type: 'none' }] } as unknown as TransactionEnvelope),
          'invalid_argument',
        )
      },
    },
    {
      name: 'is made in the name of its caller, who hears of no more than it may read',
      async run(context) {
        const { database, project, kv } = context
        const { target } = await accounts(context)
        const caller = `${project}-ann`
        const ann = database.as(caller)
        const update: TransactionEnvelope = {
          mutations: [{ type: 'updateWhere', ...target, set: { cents: { add: 1 } } }],
        }
        equal((await ann.preflight(update)).error?.code, 'permission_denied')
        const policy = { op: 'eq', column: 'owner', value: 'ann' } as const
        await database.ddl([
          { type: 'setReadPolicy', ...target, policy },
          { type: 'grant', caller, permission: { type: 'tableRead', ...target } },
          { type: 'grant', caller, permission: { type: 'tableWrite', ...target } },
          { type: 'grant', caller, permission: { type: 'kvWrite', project } },
        ])
        const found = await ann.preflight(update)
        deepEqual([found.isValid, found.rows, found.readSet?.points?.length], [true, 1, 1])
        equal((await database.preflight(update)).rows, 2)
        const hidden = await ann.preflight({
          mutations: [{ type: 'upsert', ...target, rows: [{ id: 9, owner: 'x', cents: 1 }] }],
        })
        deepEqual([hidden.isValid, hidden.rows, hidden.readSet?.points], [true, 0, []])
        await kv.set('there', bytes('1'))
        for (const key of ['there', 'absent']) {
          const blind = await ann.preflight({
            mutations: [
              { type: 'kvSet', project, key: bytes('k'), value: bytes('1') },
              { type: 'kvDelete', project, key: bytes(key) },
            ],
          })
          deepEqual([blind.isValid, blind.keys, blind.readSet?.points], [true, 0, []], `whether it is ${key}`)
        }
      },
    },
    {
      name: 'with a commit holds until then',
      async run(context) {
        const { database } = context
        const { definition, table, target } = await accounts(context)
        const spend: TransactionEnvelope = {
          mutations: [{ type: 'update', ...target, key: { id: 1 }, set: { cents: { subtract: 7 } } }],
        }
        const { seq } = await database.commitWithPreflight(spend)
        equal((await table.entry(1))?.seq, seq)
        await fails(database.commitWithPreflight(spend), 'check_failed')
        const found = await database.preflight({
          mutations: [{ type: 'update', ...target, key: { id: 2 }, set: { cents: { add: 1 } } }],
        })
        const readSet = found.readSet!
        await database.table(definition).update(2, { cents: add(5) })
        const late = { readSet, mutations: [{ type: 'delete', ...target, key: { id: 2 } }] } as const
        await fails(database.commit(late), 'conflict')
        equal((await table.get(2))?.cents, 25)
      },
    },
  ],
}
