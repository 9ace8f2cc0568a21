import { deepEqual, equal } from 'node:assert/strict'
import type { Assertion, Ddl, FailedCondition, TransactionEnvelope } from '../../encoding/index.ts'
import type { Database } from '../../model/index.ts'
import type { ConformanceContext, ConformanceSection } from './context.ts'
import { bytes, refused } from './expectations.ts'

const TABLE = { table: 'things' }

/** Rows 1 (of ann, 5) and 2 (of bob, 2^60), and the key `k`; the seq of the row and of the key. */
async function prepared({ database, project, kv }: ConformanceContext): Promise<{ row: number; key: number }> {
  const create: Ddl = {
    type: 'createTable',
    project,
    ...TABLE,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'owner', type: 'text' },
      { name: 'size', type: 'u64', nullable: true },
    ],
    primaryKey: ['id'],
  }
  await database.ddl(create)
  const rows = [
    { id: 1, owner: 'ann', size: 5 },
    { id: 2, owner: 'bob', size: 2n ** 60n },
    { id: 3, owner: 'ann', size: null },
  ]
  const { seq } = await database.commit({ mutations: [{ type: 'insert', project, ...TABLE, rows }] })
  return { row: seq, key: (await kv.set('k', bytes('abc'))).seq }
}

async function conditionOf(database: Database, envelope: TransactionEnvelope): Promise<FailedCondition | undefined> {
  return (await refused(database.commit(envelope), 'assertion_failed')).detail?.condition
}

/** Of a transaction with this assertion behind one that holds. */
async function failing(context: ConformanceContext, assertion: Assertion, as = context.database): Promise<unknown> {
  const { project } = context
  const holds: Assertion = { type: 'keyExists', project, key: bytes('k'), expected: true }
  const mutations = [{ type: 'kvSet', project, key: bytes('x'), value: bytes('1') } as const]
  const condition = await conditionOf(as, { assertions: [holds, assertion], mutations })
  if (condition === undefined) return undefined
  const { path, ...found } = condition
  equal(path, 'assertions[1]')
  return found
}

export const conditionSection: ConformanceSection = {
  title: 'a condition that does not hold',
  cases: [
    {
      name: 'tells what it wanted and what was found in its place',
      async run(context) {
        const seqs = await prepared(context)
        const { project } = context
        const key = { project, key: bytes('k') }
        const none = { project, key: bytes('none') }
        const row = { project, ...TABLE, key: { id: 1 } }
        const nobody = { project, ...TABLE, key: { id: 9 } }
        const all = { project, ...TABLE }
        const eq = { op: 'eq' } as const
        const cases: [Assertion, Omit<FailedCondition, 'path'>][] = [
          [
            { type: 'keyVersion', ...key, seq: 1 },
            { type: 'keyVersion', ...eq, expected: 1, actual: seqs.key },
          ],
          [
            { type: 'keyVersion', ...none, seq: 1 },
            { type: 'keyVersion', ...eq, expected: 1, actual: 0 },
          ],
          [
            { type: 'keyExists', ...none, expected: true },
            { type: 'keyExists', ...eq, expected: true, actual: false },
          ],
          [
            { type: 'keyEquals', ...key, value: bytes('b') },
            { type: 'keyEquals', ...eq, expected: bytes('b'), actual: bytes('abc') },
          ],
          [
            { type: 'keyEquals', ...none, value: bytes('b') },
            { type: 'keyEquals', ...eq, expected: bytes('b') },
          ],
          [
            { type: 'keyCompare', ...key, op: 'lt', threshold: bytes('abc') },
            { type: 'keyCompare', op: 'lt', expected: bytes('abc'), actual: bytes('abc') },
          ],
          [
            { type: 'rowVersion', ...row, seq: 1 },
            { type: 'rowVersion', ...eq, expected: 1, actual: seqs.row },
          ],
          [
            { type: 'rowExists', ...row, expected: false },
            { type: 'rowExists', ...eq, expected: false, actual: true },
          ],
          [
            { type: 'rowCompare', ...row, column: 'size', op: 'gte', value: 6 },
            { type: 'rowCompare', op: 'gte', expected: 6, actual: 5, columnType: 'u64' },
          ],
          [
            { type: 'rowCompare', ...row, key: { id: 2 }, column: 'size', op: 'lt', value: 2n ** 60n },
            { type: 'rowCompare', op: 'lt', expected: 2n ** 60n, actual: 2n ** 60n, columnType: 'u64' },
          ],
          [
            { type: 'rowCompare', ...row, column: 'owner', op: 'eq', value: '1152921504606846976' },
            { type: 'rowCompare', ...eq, expected: '1152921504606846976', actual: 'ann', columnType: 'text' },
          ],
          [
            { type: 'rowCompare', ...row, key: { id: 3 }, column: 'size', op: 'eq', value: 0 },
            { type: 'rowCompare', ...eq, expected: 0, actual: null, columnType: 'u64' },
          ],
          [
            { type: 'rowCompare', ...nobody, column: 'size', op: 'eq', value: 0 },
            { type: 'rowCompare', ...eq, expected: 0, columnType: 'u64' },
          ],
          [
            { type: 'count', ...all, where: { op: 'eq', column: 'owner', value: 'ann' }, op: 'gt', value: 2 },
            { type: 'count', op: 'gt', expected: 2, actual: 2 },
          ],
          [
            { type: 'sum', ...all, column: 'size', op: 'lte', value: 1 },
            { type: 'sum', op: 'lte', expected: 1, actual: 2n ** 60n + 5n },
          ],
        ]
        for (const [assertion, expected] of cases) deepEqual(await failing(context, assertion), expected)
      },
    },
    {
      name: 'is named by its place: in groups, behind mutations, and as the version that a computation expects',
      async run(context) {
        const seqs = await prepared(context)
        const { database, project } = context
        const is = (seq: number): Assertion => ({ type: 'keyVersion', project, key: bytes('k'), seq })
        const [yes, no] = [is(seqs.key), is(1)]
        const set = { type: 'kvSet', project, key: bytes('x'), value: bytes('1') } as const
        const before = async (assertion: Assertion): Promise<string | undefined> => {
          const condition = await conditionOf(database, { assertions: [yes, assertion], mutations: [set] })
          return `${condition?.isNegated === true ? 'not ' : ''}${condition?.path} ${condition?.type}`
        }
        const at = 'assertions[1]'
        equal(await before({ type: 'all', assertions: [yes, no, no] }), `${at}.assertions[1] keyVersion`)
        equal(await before({ type: 'any', assertions: [no, no] }), `${at}.assertions[1] keyVersion`)
        equal(await before({ type: 'not', assertion: yes }), `not ${at}.assertion keyVersion`)
        const notNot: Assertion = { type: 'not', assertion: { type: 'not', assertion: no } }
        equal(await before(notNot), `${at}.assertion.assertion keyVersion`)
        const notAny: Assertion = { type: 'not', assertion: { type: 'any', assertions: [no, yes, no] } }
        equal(await before(notAny), `not ${at}.assertion.assertions[1] keyVersion`)
        const deep: Assertion = { type: 'any', assertions: [no, { type: 'all', assertions: [yes, notAny] }] }
        equal(await before(deep), `not ${at}.assertions[1].assertions[1].assertion.assertions[1] keyVersion`)
        equal(await before({ type: 'any', assertions: [] }), `${at} any`)
        equal(await before({ type: 'not', assertion: { type: 'all', assertions: [] } }), `not ${at}.assertion all`)

        const after = { type: 'postflight', assertions: [yes, { type: 'all', assertions: [no] }] } as const
        equal(
          (await conditionOf(database, { mutations: [set, after] }))?.path,
          'mutations[1].assertions[1].assertions[0]',
        )

        const mutate = { type: 'kvMutate', project, key: bytes('n'), op: 'set', operand: 1n, width: 64 } as const
        deepEqual(await conditionOf(database, { mutations: [set, { ...mutate, expectedSeq: 7 }] }), {
          path: 'mutations[1]',
          type: 'kvMutate',
          op: 'eq',
          expected: 7,
          actual: 0,
        })
      },
    },
    {
      name: 'shows no more of a value than its first 64 bytes, and how many there are',
      async run(context) {
        await prepared(context)
        const { database, project, kv } = context
        await kv.set('k', new Uint8Array(1000).fill(7))
        const value = new Uint8Array(64).fill(8)
        deepEqual(await failing(context, { type: 'keyEquals', project, key: bytes('k'), value }), {
          type: 'keyEquals',
          op: 'eq',
          expected: value,
          actual: new Uint8Array(64).fill(7),
          actualBytes: 1000,
        })
        const long = 'ü'.repeat(31) + 'a€' + 'z'.repeat(100)
        const rows = [{ id: 4, owner: long, size: 1 }]
        await database.commit({ mutations: [{ type: 'insert', project, ...TABLE, rows }] })
        const compare = { type: 'rowCompare', project, ...TABLE, key: { id: 4 }, column: 'owner', op: 'eq' } as const
        deepEqual(await failing(context, { ...compare, value: 'z'.repeat(65) }), {
          type: 'rowCompare',
          op: 'eq',
          expected: 'z'.repeat(64),
          expectedBytes: 65,
          actual: 'ü'.repeat(31) + 'a',
          actualBytes: 62 + 1 + 3 + 100,
          columnType: 'text',
        })
      },
    },
    {
      name: 'tells a caller nothing that it may not read',
      async run(context) {
        await prepared(context)
        const { database, project } = context
        const caller = `${project}-ann`
        const grant = async (permission: Extract<Ddl, { type: 'grant' }>['permission']): Promise<unknown> =>
          database.ddl({ type: 'grant', caller, permission })
        await grant({ type: 'kvWrite', project })
        const ann = database.as(caller)
        const set = { type: 'kvSet', project, key: bytes('x'), value: bytes('1') } as const
        const equals: Assertion = { type: 'keyEquals', project, key: bytes('k'), value: bytes('b') }
        const denied = await refused(ann.commit({ assertions: [equals], mutations: [set] }), 'permission_denied')
        equal(denied.detail?.condition, undefined)
        const after = { type: 'postflight', assertions: [equals] } as const
        const deniedAfter = await refused(ann.commit({ mutations: [set, after] }), 'permission_denied')
        equal(deniedAfter.detail?.condition, undefined)

        await grant({ type: 'kvRead', project })
        await grant({ type: 'tableRead', project, scope: 'app', ...TABLE })
        const policy = { op: 'eq', column: 'owner', value: 'ann' } as const
        await database.ddl({ type: 'setReadPolicy', project, ...TABLE, policy })
        const target = { project, ...TABLE }
        const bobs = { ...target, key: { id: 2 } }
        const compare: Assertion = { type: 'rowCompare', ...bobs, column: 'size', op: 'eq', value: 0 }
        deepEqual(await failing(context, compare, ann), {
          type: 'rowCompare',
          op: 'eq',
          expected: 0,
          columnType: 'u64',
        })
        const version: Assertion = { type: 'rowVersion', ...bobs, seq: 1 }
        deepEqual(await failing(context, version, ann), { type: 'rowVersion', op: 'eq', expected: 1, actual: 0 })
        const count: Assertion = { type: 'count', ...target, op: 'eq', value: 0 }
        deepEqual(await failing(context, count, ann), { type: 'count', op: 'eq', expected: 0, actual: 2 })
        const sum: Assertion = { type: 'sum', ...target, column: 'size', op: 'eq', value: 0 }
        deepEqual(await failing(context, sum, ann), { type: 'sum', op: 'eq', expected: 0, actual: 5 })
      },
    },
    {
      name: 'is told by a preflight too',
      async run(context) {
        const seqs = await prepared(context)
        const { database, project } = context
        const assertions: Assertion[] = [{ type: 'keyVersion', project, key: bytes('k'), seq: 1 }]
        const mutations = [{ type: 'kvSet', project, key: bytes('x'), value: bytes('1') } as const]
        const { error } = await database.preflight({ assertions, mutations })
        const expected = { path: 'assertions[0]', type: 'keyVersion', op: 'eq', expected: 1, actual: seqs.key }
        deepEqual(error?.detail?.condition, expected)
      },
    },
  ],
}
