import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import type { Ddl, EntryBatch, Expr, Mutation, ReadSet, Row, Value } from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import type { QueryData, ReadRequest, ReadResult, StateView } from '../../../src/model/index.ts'
import { Harness, SECOND } from '../harness.ts'

const T = { project: 'p', table: 'orders' }
const Q: QueryData = { project: 'p', from: 'orders' }

function ddl(...operations: Ddl[]): Mutation[] {
  return operations.map(operation => ({ type: 'ddl', operation }))
}

function insert(rows: readonly Row[], ttlMs?: number): Mutation {
  return { type: 'insert', ...T, rows, ...(ttlMs !== undefined && { ttlMs }) }
}

const CREATE: Ddl[] = [
  {
    type: 'createTable',
    ...T,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'owner', type: 'text' },
      { name: 'amount', type: 'u256', nullable: true },
      { name: 'note', type: 'text', nullable: true },
    ],
    primaryKey: ['id'],
    indexes: [{ name: 'by_owner', columns: ['owner'] }],
  },
]

function ordersOf(from: number, to: number): Row[] {
  return Array.from({ length: to - from }, (_, i) => {
    const id = from + i
    return { id, owner: ['anna', 'ben'][id % 2]!, amount: BigInt(id), note: `note ${id}` }
  })
}

async function bed(options: { budgetBytes?: number; monotonicMs?: () => number } = {}): Promise<Harness> {
  const harness = await Harness.withProject({ pageBytes: 4096, ...options })
  await committed(harness, ddl(...CREATE))
  await committed(harness, [insert(ordersOf(0, 40))])
  return harness
}

async function committed(harness: Harness, mutations: Mutation[], readSet?: ReadSet): Promise<void> {
  const outcome = await harness.commit({ mutations, ...(readSet !== undefined && { readSet }) })
  assert.equal(outcome.status, 'committed', JSON.stringify(outcome, stringify))
}

async function read<T extends ReadResult['type']>(
  view: StateView,
  request: ReadRequest & { type: T },
  caller = 'root',
): Promise<Extract<ReadResult, { type: T }>> {
  const result = await view.read(request, caller)
  assert.equal(result.type, request.type)
  return result as Extract<ReadResult, { type: T }>
}

async function rowsOf(view: StateView, query: QueryData, caller = 'root'): Promise<readonly (readonly Value[])[]> {
  return (await read(view, { type: 'query', query }, caller)).result.rows
}

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    if (error instanceof QuorateError) return error.code
    throw error
  }
  return 'none'
}

describe('queries of a state machine', () => {
  it('see rows, their indexes and the types of what they answer', async () => {
    const { core } = await bed()
    const view = core.view()
    const where: Expr = { op: 'eq', column: 'owner', value: 'ben' }
    const { result } = await read(view, { type: 'query', query: { ...Q, where, select: ['id', 'amount'], limit: 3 } })
    assert.deepEqual(result.rows, [
      [1, 1n],
      [3, 3n],
      [5, 5n],
    ])
    assert.deepEqual(result.types, ['integer', 'u256'])
    assert.equal(result.seq, view.seq)
    assert.equal((await read(view, { type: 'explain', query: { ...Q, where } })).plan.path, 'index')
    view.release()
    await core.close()
  })

  it('read rows by key, with their versions and expiry', async () => {
    const harness = await bed()
    await committed(harness, [insert([{ id: 100, owner: 'cy' }], 5_000)])
    const view = harness.core.view()
    const request = {
      type: 'rows' as const,
      project: 'p',
      scope: 'app',
      table: 'orders',
      keys: [{ id: 100 }, { id: 7 }, { id: 999 }],
    }
    const { columns, rows } = await read(view, request)
    assert.deepEqual(columns, ['id', 'owner', 'amount', 'note'])
    assert.deepEqual(rows[0]?.cells, [100, 'cy', null, null])
    assert.equal(rows[0]?.expiresAtMicros, harness.timeMicros + 5 * SECOND)
    assert.deepEqual(rows[1]?.cells, [7, 'ben', 7n, 'note 7'])
    assert.equal(rows[2], undefined)
    assert.equal(await codeOf(() => read(view, { ...request, keys: [{ id: 'x' }] })), 'type_mismatch')
    view.release()
    await harness.core.close()
  })

  it('describe tables as createTable would take them', async () => {
    const { core } = await bed()
    const view = core.view()
    const { tables } = await read(view, { type: 'tables', project: 'p', scope: 'app' })
    assert.equal(tables.length, 1)
    const [{ definition, rows, indexes }] = tables as [(typeof tables)[number]]
    const { columns, primaryKey, indexes: defined } = CREATE[0] as Extract<Ddl, { type: 'createTable' }>
    assert.deepEqual(definition, { columns, primaryKey, indexes: defined })
    assert.deepEqual([rows, indexes], [40, [{ name: 'by_owner', isReady: true }]])
    const one = { type: 'tables' as const, project: 'p', scope: 'app', table: 'none' }
    assert.equal(await codeOf(() => read(view, one)), 'table_not_found')
    view.release()
    await core.close()
  })

  it('count rows as of their view, also of one between two roots and after a restart', async () => {
    const harness = await bed()
    const count = async (view: StateView): Promise<number> => {
      const { tables } = await read(view, { type: 'tables', project: 'p', scope: 'app' })
      view.release()
      return tables[0]!.rows!
    }
    const seqs: [seq: number, rows: number][] = [[harness.core.appliedSeq, 40]]
    const views = [harness.core.view()]
    await committed(harness, [insert(ordersOf(40, 43))])
    seqs.push([harness.core.appliedSeq, 43])
    views.push(harness.core.view())
    await committed(harness, [{ type: 'deleteWhere', ...T, where: { op: 'lt', column: 'id', value: 10 } }])
    seqs.push([harness.core.appliedSeq, 33])
    views.push(harness.core.view())
    for (const [i, view] of views.entries()) assert.equal(await count(view), seqs[i]![1])
    const entries = (from: number, through: number): Promise<EntryBatch> =>
      Promise.resolve(harness.batch(from, through))
    for (const [seq, rows] of seqs) assert.equal(await count(await harness.core.viewAt(seq, entries)), rows)
    await harness.checkpoint()
    const reopened = await harness.reopen()
    assert.equal(await count(reopened.core.view()), 33)
    await reopened.core.close()
  })

  it('have the state of a page that is not the last kept, so that the next page has little to apply again', async () => {
    let nowMs = 0
    const harness = await bed({ monotonicMs: () => nowMs })
    const { retainedRoots } = harness.core.keyspaceStats
    for (const limit of [50, 25]) {
      nowMs += 1_500
      await committed(harness, [insert(ordersOf(limit * 10, limit * 10 + 1))])
      const view = harness.core.view()
      const page = await read(view, { type: 'query', query: { ...Q, limit } })
      assert.equal(page.result.cursor !== undefined, limit === 25)
      view.release()
      await committed(harness, [insert(ordersOf(limit * 10 + 1, limit * 10 + 2))])
      assert.equal(harness.core.keyspaceStats.retainedRoots, retainedRoots + (limit === 25 ? 1 : 0))
    }
    await harness.core.close()
  })

  it('go on in the state of their first page, also where pages have left memory', async () => {
    const harness = await bed({ budgetBytes: 4096 * 14 })
    const first = harness.core.view()
    const page = await read(first, { type: 'query', query: { ...Q, limit: 25, orderBy: [{ column: 'note' }] } })
    const query = { ...Q, limit: 25, orderBy: [{ column: 'note' }], cursor: page.result.cursor! }
    await committed(harness, [{ type: 'deleteWhere', ...T }])
    const rest = await read(first, { type: 'query', query })
    assert.equal(rest.result.rows.length, 15)
    assert.equal(rest.result.cursor, undefined)
    const later = harness.core.view()
    assert.equal(await codeOf(() => read(later, { type: 'query', query })), 'invalid_cursor')
    first.release()
    later.release()
    await harness.core.close()
  })
})

describe('permissions of queries', () => {
  let harness: Harness
  before(async () => {
    harness = await bed()
    const policy: Expr = { op: 'eq', column: 'owner', value: { caller: true } }
    await committed(
      harness,
      ddl(
        {
          type: 'createTable',
          project: 'p',
          table: 'other',
          columns: [{ name: 'id', type: 'integer' }],
          primaryKey: ['id'],
        },
        { type: 'setReadPolicy', ...T, policy },
        { type: 'grant', caller: 'ben', permission: { type: 'tableRead', ...T, scope: 'app' } },
        { type: 'grant', caller: 'auditor', permission: { type: 'tableRead', project: 'p' } },
        { type: 'grant', caller: 'auditor', permission: { type: 'policyBypass', project: 'p' } },
      ),
    )
  })

  it('hide what the policy hides, by any index, in aggregates, joins and reads by key', async () => {
    const view = harness.core.view()
    const count: QueryData = { ...Q, aggregates: [{ function: 'count' }] }
    assert.deepEqual(await rowsOf(view, count, 'ben'), [[20]])
    assert.deepEqual(await rowsOf(view, count, 'auditor'), [[40]])
    assert.deepEqual(await rowsOf(view, { ...Q, where: { op: 'eq', column: 'owner', value: 'anna' } }, 'ben'), [])
    assert.deepEqual(await rowsOf(view, { ...Q, where: { op: 'eq', column: 'id', value: 2 } }, 'ben'), [])
    const request = { type: 'rows' as const, project: 'p', scope: 'app', table: 'orders', keys: [{ id: 2 }, { id: 3 }] }
    const { rows } = await read(view, request, 'ben')
    assert.deepEqual(
      rows.map(row => row?.cells[0]),
      [undefined, 3],
    )
    view.release()
  })

  it('are asked for every table, the joined ones included', async () => {
    const view = harness.core.view()
    const joined: QueryData = { ...Q, joins: [{ type: 'cross', table: 'other' }], limit: 5 }
    assert.equal(await codeOf(() => rowsOf(view, joined, 'ben')), 'permission_denied')
    assert.equal(await codeOf(() => rowsOf(view, { ...Q, limit: 5 }, 'nobody')), 'permission_denied')
    assert.equal(await codeOf(() => rowsOf(view, joined, 'auditor')), 'none')
    const tables = (caller: string): Promise<string[]> =>
      read(view, { type: 'tables', project: 'p', scope: 'app' }, caller).then(result =>
        result.tables.map(({ name }) => name),
      )
    assert.deepEqual(await tables('ben'), ['orders'])
    assert.deepEqual(await tables('nobody'), [])
    view.release()
  })

  it('bind the newest policy to reads of the past', async () => {
    const past = harness.core.view()
    await committed(harness, ddl({ type: 'setReadPolicy', ...T, policy: { op: 'lt', column: 'id', value: 4 } }))
    assert.deepEqual(await rowsOf(past, { ...Q, select: ['id'], limit: 9 }, 'ben'), [[0], [1], [2], [3]])
    past.release()
  })
})

describe('the read set of a query', () => {
  const WHERE: Expr = { op: 'eq', column: 'owner', value: 'ben' }
  const QUERIES: readonly QueryData[] = [
    { ...Q, where: WHERE, limit: 3 },
    { ...Q, where: { op: 'between', column: 'id', low: 3, high: 9 } },
    { ...Q, where: WHERE, select: ['id'], limit: 50 },
    { ...Q, aggregates: [{ function: 'sum', column: 'amount' }] },
    { ...Q, where: { op: 'in', column: 'id', values: [3, 77] } },
    { ...Q, where: { op: 'or', args: [WHERE, { op: 'eq', column: 'id', value: 2 }] }, limit: 4 },
    { ...Q, where: { op: 'and', args: [WHERE, { op: 'like', column: 'note', pattern: '%5' }] }, limit: 40 },
    { ...Q, orderBy: [{ column: 'id', direction: 'desc' }], limit: 2 },
    {
      ...Q,
      as: 'a',
      joins: [{ type: 'inner', table: 'orders', as: 'b', on: [{ left: 'a.amount', right: 'b.id' }] }],
      where: { op: 'lt', column: 'a.id', value: 4 },
    },
  ]
  const CHANGES: readonly Mutation[] = [
    { type: 'update', ...T, key: { id: 3 }, set: { note: { set: 'other' } } },
    { type: 'update', ...T, key: { id: 2 }, set: { owner: { set: 'ben' } } },
    { type: 'update', ...T, key: { id: 39 }, set: { owner: { set: 'anna' } } },
    { type: 'update', ...T, key: { id: 38 }, set: { note: { set: 'other' } } },
    { type: 'delete', ...T, key: { id: 5 } },
    insert([{ id: 77, owner: 'anna' }]),
    insert([{ id: -1, owner: 'ben' }]),
  ]

  it('holds as long as nothing has changed, and breaks with every change of the answer', async () => {
    for (const query of QUERIES) {
      for (const change of CHANGES) {
        const harness = await bed()
        const view = harness.core.view()
        const { result, readSet } = await read(view, { type: 'query', query, readSet: true })
        view.release()
        await committed(
          harness,
          [{ type: 'kvSet', project: 'p', key: Uint8Array.of(1), value: Uint8Array.of(1) }],
          readSet,
        )
        await committed(harness, [change])
        const after = harness.core.view()
        const isSame = JSON.stringify(await rowsOf(after, query), stringify) === JSON.stringify(result.rows, stringify)
        after.release()
        const outcome = await harness.commit({
          mutations: [{ type: 'kvSet', project: 'p', key: Uint8Array.of(2), value: Uint8Array.of(1) }],
          readSet: readSet!,
        })
        if (!isSame)
          assert.equal(
            outcome.status === 'refused' && outcome.code,
            'conflict',
            JSON.stringify({ query, change }, stringify),
          )
        await harness.core.close()
      }
    }
  })

  it('does not break with what the query did not come to see', async () => {
    const unseen: readonly [QueryData, Mutation][] = [
      [QUERIES[0]!, CHANGES[2]!],
      [QUERIES[0]!, CHANGES[3]!],
      [QUERIES[1]!, CHANGES[1]!],
      [QUERIES[1]!, CHANGES[5]!],
      // Entries alone have answered: the rest of their rows does not matter.
      [QUERIES[2]!, CHANGES[0]!],
      [QUERIES[4]!, CHANGES[3]!],
      [QUERIES[7]!, CHANGES[0]!],
      [QUERIES[7]!, CHANGES[6]!],
    ]
    for (const [query, change] of unseen) {
      const harness = await bed()
      const view = harness.core.view()
      const { readSet } = await read(view, { type: 'query', query, readSet: true })
      view.release()
      await committed(harness, [change])
      await committed(
        harness,
        [{ type: 'kvSet', project: 'p', key: Uint8Array.of(1), value: Uint8Array.of(1) }],
        readSet,
      )
      await harness.core.close()
    }
  })

  it('takes rows that a policy hides for absent', async () => {
    const harness = await bed()
    await committed(
      harness,
      ddl(
        { type: 'setReadPolicy', ...T, policy: { op: 'eq', column: 'owner', value: { caller: true } } },
        { type: 'grant', caller: 'ben', permission: { type: 'tableRead', project: 'p' } },
        { type: 'grant', caller: 'ben', permission: { type: 'kvWrite', project: 'p' } },
      ),
    )
    const view = harness.core.view()
    const query: QueryData = { ...Q, where: { op: 'in', column: 'id', values: [2, 3] } }
    const { result, readSet } = await read(view, { type: 'query', query, readSet: true }, 'ben')
    assert.equal(result.rows.length, 1)
    assert.deepEqual(
      readSet!.points?.map(({ seq }) => seq === 0),
      [true, false],
    )
    const rows = { type: 'rows' as const, project: 'p', scope: 'app', table: 'orders', keys: [{ id: 2 }, { id: 3 }] }
    assert.deepEqual((await read(view, { ...rows, readSet: true }, 'ben')).readSet?.points, readSet!.points)
    view.release()
    const write: Mutation = { type: 'kvSet', project: 'p', key: Uint8Array.of(1), value: Uint8Array.of(1) }
    const outcome = await harness.commit({ mutations: [write], readSet: readSet! }, { caller: 'ben' })
    assert.equal(outcome.status, 'committed', JSON.stringify(outcome, stringify))
    await harness.core.close()
  })
})

function stringify(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value
}
