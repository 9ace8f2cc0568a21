import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { planSchema, queryResultSchema, querySchema, tablesSchema } from '../../../src/transport/http/table-schemas.ts'
import { HttpRig } from './http-rig.ts'

const ORDERS = {
  type: 'createTable',
  project: 'p',
  table: 'orders',
  columns: [
    { name: 'id', type: 'u64' },
    { name: 'customer', type: 'text' },
    { name: 'amount', type: 'u256' },
    { name: 'seal', type: 'blob', nullable: true },
  ],
  primaryKey: ['id'],
  indexes: [{ name: 'by_customer', columns: ['customer'] }],
}
const BIG = '18446744073709551615'

async function shop(): Promise<HttpRig> {
  const rig = await HttpRig.open()
  assert.equal((await rig.ask('POST', '/v1/ddl', { body: JSON.stringify(ORDERS) })).status, 200)
  const rows = [
    { id: 1, customer: 'ann', amount: '5', seal: { $b: 'AAE=' } },
    { id: 2, customer: 'bob', amount: 7 },
    { id: BIG, customer: 'ann', amount: 2 ** 53 - 1 },
  ]
  const mutations = [{ type: 'insert', project: 'p', table: 'orders', rows }]
  const { status, body } = await rig.ask('POST', '/v1/commit', { body: JSON.stringify({ mutations }) })
  assert.equal(status, 200, JSON.stringify(body))
  return rig
}

describe('tables over HTTP', () => {
  it('are queried page by page, with integers beyond 2^53 as texts and bytes in base64', async () => {
    const rig = await shop()
    const query = { project: 'p', from: 'orders', orderBy: [{ column: 'id' }], limit: 2 }
    const ask = (data: object): ReturnType<HttpRig['ask']> =>
      rig.ask('POST', '/v1/query', { body: JSON.stringify(data) })
    const first = await ask(query)
    assert.equal(first.status, 200, JSON.stringify(first.body))
    assert.deepEqual(first.body.columns, ['id', 'customer', 'amount', 'seal'])
    assert.deepEqual(first.body.rows, [
      [1, 'ann', 5, { $b: 'AAE=' }],
      [2, 'bob', 7, null],
    ])
    assert.equal(first.headers.get('quorate-token'), first.body.token)
    assert.equal(queryResultSchema.safeParse(first.body).error, undefined)
    await rig.ask('POST', '/v1/commit', {
      body: JSON.stringify({ mutations: [{ type: 'deleteWhere', project: 'p', table: 'orders' }] }),
    })
    const second = await ask({ ...query, cursor: first.body.cursor })
    assert.deepEqual(second.body.rows, [[BIG, 'ann', Number.MAX_SAFE_INTEGER, null]])
    assert.equal(second.body.cursor, undefined)
    assert.equal(second.body.seq, first.body.seq)
    assert.deepEqual((await ask(query)).body.rows, [])
    const earlier = await rig.ask('POST', `/v1/query?at_seq=${first.body.token}`, { body: JSON.stringify(query) })
    assert.equal(earlier.body.rows.length, 2)
  })

  it('answer who may read them, and refuse with a code and a fitting status', async () => {
    const rig = await shop()
    const ask = (data: object, headers = {}): ReturnType<HttpRig['ask']> =>
      rig.ask('POST', '/v1/query', { body: JSON.stringify(data), headers })
    const query = { project: 'p', from: 'orders', where: { op: 'eq', column: 'customer', value: 'ann' } }
    assert.equal((await ask(query)).body.rows.length, 2)
    const cases: readonly [object, number, string][] = [
      [{ ...query, from: 'nothing' }, 404, 'table_not_found'],
      [{ ...query, where: { op: 'eq', column: 'nothing', value: 1 } }, 400, 'column_not_found'],
      [{ ...query, where: { op: 'eq', column: 'customer', value: 1 } }, 422, 'type_mismatch'],
      [{ ...query, where: { op: 'equals', column: 'customer', value: 'x' } }, 400, 'malformed_request'],
      [{ ...query, cursor: 'nonsense' }, 400, 'invalid_cursor'],
      [{ project: 'p', from: 'orders' }, 400, 'invalid_query'],
    ]
    for (const [data, status, code] of cases) {
      const answer = await ask(data)
      assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body))
    }
    const other = await ask(query, { authorization: 'Bearer ann' })
    assert.deepEqual([other.status, other.body.code], [403, 'permission_denied'])
  })

  it('explain themselves, and are listed and described', async () => {
    const rig = await shop()
    const query = { project: 'p', from: 'orders', where: { op: 'eq', column: 'customer', value: 'ann' } }
    const plan = await rig.ask('POST', '/v1/query?explain=true', { body: JSON.stringify(query) })
    assert.deepEqual([plan.body.path, plan.body.indexes], ['index', ['by_customer']])
    assert.equal(planSchema.safeParse(plan.body).error, undefined)
    const run = await rig.ask('POST', '/v1/query?diagnostics=true', { body: JSON.stringify(query) })
    assert.equal(queryResultSchema.safeParse(run.body).error, undefined, JSON.stringify(run.body))
    assert.equal(run.body.rows.length, 2)
    const { diagnostics, elapsedMs } = run.body
    assert.deepEqual([diagnostics.plan.path, diagnostics.stages[0].rows], ['index', 2])
    assert.equal(typeof elapsedMs, 'number')
    const both = await rig.ask('POST', '/v1/query?diagnostics=true&explain=true', { body: JSON.stringify(query) })
    assert.deepEqual([both.status, both.body.code], [400, 'invalid_argument'])
    const listed = await rig.ask('GET', '/v1/tables/p/app')
    assert.equal(tablesSchema.safeParse(listed.body).error, undefined, JSON.stringify(listed.body))
    assert.deepEqual([listed.body.tables[0].name, listed.body.tables[0].rows], ['orders', 3])
    const one = await rig.ask('GET', '/v1/tables/p/app/orders')
    assert.deepEqual(one.body.tables, listed.body.tables)
    assert.match(one.headers.get('quorate-token') ?? '', /:\d+$/)
    assert.equal((await rig.ask('GET', '/v1/tables/p/app/nothing')).body.code, 'table_not_found')
    assert.equal((await rig.ask('GET', '/v1/tables/p/nowhere')).body.code, 'scope_not_found')
  })

  it('take the queries that their description takes', () => {
    const query = {
      project: 'p',
      from: 'orders',
      joins: [{ type: 'left', table: 't', on: [{ left: 'a', right: 'b' }] }],
    }
    assert.equal(querySchema.safeParse(query).success, true)
    assert.equal(querySchema.safeParse({ ...query, limits: 5 }).success, false)
  })
})
