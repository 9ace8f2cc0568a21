import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Expr } from '../../../src/encoding/index.ts'
import { describePlan, planQuery, QueryRun, runToEnd } from '../../../src/engine/query/index.ts'
import type { QueryContext } from '../../../src/engine/query/index.ts'
import type { QueryData, QueryDiagnostics, QueryStage, StageRun } from '../../../src/model/index.ts'
import { contextFor, makeTable, memoryOf, recordsOf } from './fixture.ts'

const people = makeTable(1, {
  name: 'p',
  columns: { id: 'integer', city: 'text?', age: 'integer', mail: 'text?' },
  primaryKey: ['id'],
  indexes: [
    { name: 'by_city', columns: ['city'] },
    { name: 'by_mail', columns: ['mail'], isUnique: true },
  ],
})
const visits = makeTable(2, {
  name: 'v',
  columns: { id: 'integer', person: 'integer', at: 'integer' },
  primaryKey: ['id'],
  indexes: [{ name: 'by_person', columns: ['person'] }],
})
const secret = makeTable(3, {
  name: 's',
  columns: { id: 'integer', owner: 'text' },
  primaryKey: ['id'],
  readPolicy: { op: 'eq', column: 'owner', value: { caller: true } },
})
const ROWS = {
  p: Array.from({ length: 40 }, (_, id) => ({ id, city: `c${id % 4}`, age: id, mail: id < 10 ? `m${id}` : null })),
  v: Array.from({ length: 120 }, (_, id) => ({ id, person: id % 40, at: id })),
  s: Array.from({ length: 30 }, (_, id) => ({ id, owner: id % 10 === 0 ? 'anna' : 'ben' })),
}
const TABLES = [people, visits, secret]
const COUNTS = new Map(TABLES.map(table => [table, ROWS[table.name as 'p' | 'v' | 's'].length]))
const context: QueryContext = contextFor(
  TABLES,
  memoryOf(TABLES.flatMap(table => ROWS[table.name as 'p' | 'v' | 's'].flatMap(row => recordsOf(table, row)))),
  { rowCount: table => COUNTS.get(table) },
)

function stagesOf(query: Omit<QueryData, 'project'>): readonly QueryStage[] {
  const data = { project: 'p', ...query }
  return describePlan(planQuery(data, context), context).stages
}

function run(query: Omit<QueryData, 'project'>): { rows: number; examined: number; diagnostics: QueryDiagnostics } {
  const made = new QueryRun(planQuery({ project: 'p', ...query }, context), context, undefined, true)
  const { rows, examined } = runToEnd(made)
  return { rows: rows.length, examined, diagnostics: made.diagnostics! }
}

function byKind({ plan, stages }: QueryDiagnostics): { [K in QueryStage['kind']]?: StageRun } {
  assert.equal(plan.stages.length, stages.length)
  return Object.fromEntries(plan.stages.map(({ kind }, i) => [kind, stages[i]!]))
}

const eq = (column: string, value: string | number): Expr => ({ op: 'eq', column, value })

describe('explain', () => {
  it('names the state, and the bounds that hold for the query', () => {
    const explain = (query: Partial<QueryData>): ReturnType<typeof describePlan> =>
      describePlan(planQuery({ project: 'p', from: 'p', ...query }, context), context)
    const bounded = explain({ limit: 7 })
    assert.equal(bounded.seq, 9)
    assert.deepEqual(bounded.bounds, { pageRows: 7, pageBytes: 1 << 20, scanRows: 100_000, heldBytes: 1 << 26 })
    const free = explain({ allowFullScan: true })
    assert.deepEqual(free.bounds, { pageRows: 100, pageBytes: 1 << 20, heldBytes: 1 << 26 })
  })

  it('expects no more rows than a unique key can find, and knows that many may have Null in it', () => {
    const most = (where: Expr): number | undefined => stagesOf({ from: 'p', where, limit: 9 })[0]!.maxRows
    assert.equal(most(eq('id', 3)), 1)
    assert.equal(most({ op: 'in', column: 'id', values: [1, 2, 3] }), 3)
    assert.equal(most(eq('mail', 'm1')), 1)
    assert.equal(most({ op: 'isNull', column: 'mail' }), 40)
    assert.equal(most(eq('city', 'c1')), 40)
    assert.equal(most({ op: 'between', column: 'id', low: 1, high: 2 }), 40)
  })

  it('takes conditions to leave less, and stages to pass on what they leave', () => {
    const all = stagesOf({ from: 'p', allowFullScan: true })[0]!
    assert.deepEqual([all.estimatedRows, all.maxRows], [40, 40])
    const some = stagesOf({ from: 'p', where: eq('city', 'c1'), limit: 9 })[0]!
    assert.ok(some.estimatedRows! < 40)
    const grouped = stagesOf({ from: 'p', aggregates: [{ function: 'max', column: 'age' }] })
    assert.deepEqual(grouped.find(({ kind }) => kind === 'aggregate')!.maxRows, 1)
    const limit = stagesOf({ from: 'p', orderBy: [{ column: 'age' }], limit: 5 })
    assert.deepEqual(
      limit.map(({ kind, maxRows }) => `${kind} ${maxRows}`),
      ['scan 40', 'topK 40', 'project 40', 'limit 5'],
    )
    const on: Expr = { op: 'eq', column: 'v.person', value: { column: 'p.id' } }
    const join = (type: 'left' | 'full', where?: Expr): number | undefined =>
      stagesOf({ from: 'p', joins: [{ type, table: 'v', on }], ...(where && { where }), limit: 9 })[1]!.maxRows
    assert.equal(join('full'), 40 * 120)
    assert.equal(join('left', eq('p.id', 1)), 120)
  })

  it('tells no number of rows that a read policy hides', () => {
    const stages = stagesOf({ from: 's', where: eq('id', 3), limit: 4 })
    assert.ok(stages.every(({ estimatedRows, maxRows }) => estimatedRows === undefined && maxRows === undefined))
    const joined = stagesOf({ from: 'p', joins: [{ type: 'cross', table: 's' }], limit: 4 })
    assert.equal(joined[0]!.maxRows, 40)
    assert.ok(joined.slice(1).every(({ estimatedRows }) => estimatedRows === undefined))
  })
})

describe('a run with diagnostics', () => {
  it('says what each stage read, gave and held', () => {
    const { diagnostics, examined, rows } = run({
      from: 'p',
      joins: [{ type: 'inner', table: 'v', on: { op: 'eq', column: 'v.person', value: { column: 'p.id' } } }],
      where: { op: 'and', args: [eq('p.city', 'c1'), { op: 'ne', column: 'v.at', value: { column: 'p.age' } }] },
      orderBy: [{ column: 'v.at', direction: 'desc' }],
      limit: 6,
    })
    const { scan, join, topK, project, limit } = byKind(diagnostics)
    assert.equal(scan!.rows, 10)
    assert.ok(scan!.read >= 10 && scan!.read <= 20, 'entries and rows')
    assert.equal(join!.rows, 20, 'three visits each, one of them at the age')
    assert.ok(join!.read >= 30)
    assert.equal(examined, scan!.read + join!.read)
    assert.deepEqual(
      [topK!.rows, topK!.read, project!.rows, limit!.rows, rows],
      [7, 0, 7, 6, 6],
      'one more tells of a next page',
    )
    assert.ok(topK!.heldBytes > 0 && scan!.heldBytes === 0)
    assert.ok(diagnostics.pageBytes > 0)
    assert.deepEqual(diagnostics.plan.indexes, ['by_city', 'by_person'])
  })

  it('says what a hash holds, and how many groups there were before having', () => {
    const { diagnostics } = run({
      from: 'p',
      joins: [{ type: 'full', table: 'v', on: { op: 'eq', column: 'v.person', value: { column: 'p.id' } } }],
      groupBy: ['p.city'],
      aggregates: [{ function: 'count', as: 'n' }],
      having: { op: 'gt', column: 'n', value: 30 },
    })
    const { join, aggregate, having } = byKind(diagnostics)
    assert.equal(join!.rows, 120)
    assert.equal(join!.read, 120)
    assert.ok(join!.heldBytes > 120 * 8)
    assert.deepEqual([aggregate!.rows, having!.rows], [4, 0])
    const distinct = byKind(run({ from: 'p', select: ['city'], distinct: true, allowFullScan: true }).diagnostics)
    assert.deepEqual([distinct.project!.rows, distinct.distinct!.rows], [40, 4])
  })

  it('counts only what the caller may see', () => {
    const { diagnostics, examined } = run({ from: 's', allowFullScan: true })
    assert.deepEqual(byKind(diagnostics).scan, { read: 3, rows: 3, heldBytes: 0 })
    assert.equal(examined, 3)
    const on: Expr = { op: 'eq', column: 's.id', value: { column: 'p.id' } }
    const joined = run({ from: 'p', joins: [{ type: 'right', table: 's', on }], allowFullScan: true }).diagnostics
    assert.deepEqual(byKind(joined).join!.read, 3)
  })
})
