import { compareColumnValues } from '../../encoding/index.ts'
import type { Expr, Value } from '../../encoding/index.ts'
import type { QueryData, QueryResult } from '../../model/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import { PROJECT, SCOPE } from './names.ts'
import { evaluate } from './reference-conditions.ts'
import type { ReferenceTable } from './reference-tables.ts'

type Cells = Readonly<Record<string, Value>>

/** The tables as a reader has them: those of a seq, and of each row whether it is there and shown. */
export interface SeenTables {
  readonly tables: readonly ReferenceTable[]
  /** Whether the row is unexpired and the caller sees it. */
  readonly isSeen: (table: ReferenceTable, row: ReferenceTable['rows'][number]) => boolean
}

const FROM = { project: PROJECT, scope: SCOPE } as const
const ACCOUNT_IDS = 8
const LIMITS = [3, 20, 200]

/** Queries by primary key, by index, over all rows, with groups and joined: what an index says must be what the rows say. */
export function drawQuery(random: SeededRandom): QueryData {
  const limit = random.pick(LIMITS)
  const byId = [{ column: 'id' }]
  switch (random.below(8)) {
    case 0: {
      const where = { op: 'eq', column: 'account', value: random.below(ACCOUNT_IDS) } as const
      return { ...FROM, from: 'entries', where, orderBy: byId, limit }
    }
    case 1: {
      const low = random.below(15)
      const where = between('amount', low, low + random.pick([1, 4, 20]))
      const orderBy = random.chance(0.5) ? byId : [{ column: 'amount' }, { column: 'id' }]
      return { ...FROM, from: 'entries', where, orderBy, limit, select: ['id', 'amount', 'account'] }
    }
    case 2: {
      const where = { op: 'eq', column: 'owner', value: `o${random.below(6)}` } as const
      return { ...FROM, from: 'accounts', where, orderBy: byId, limit }
    }
    case 3: {
      const first = random.below(30)
      return { ...FROM, from: 'entries', where: between('id', first, first + 10), orderBy: byId, limit }
    }
    case 4:
      return {
        ...FROM,
        from: 'entries',
        groupBy: ['account'],
        aggregates: [
          { function: 'sum', column: 'amount', as: 'total' },
          { function: 'count', as: 'entries' },
        ],
        orderBy: [{ column: 'account' }],
        limit: 200,
        allowFullScan: true,
      }
    case 5:
      return { ...FROM, from: 'accounts', orderBy: byId, limit, allowFullScan: true }
    case 6:
      // Answered by the count that the keyspace keeps, where nothing hides rows.
      return {
        ...FROM,
        from: random.pick(['accounts', 'entries']),
        aggregates: [{ function: 'count' }],
        limit,
        allowFullScan: true,
      }
    default:
      return {
        ...FROM,
        from: 'accounts',
        as: 'a',
        joins: [{ type: 'inner', table: 'entries', as: 'e', on: [{ left: 'a.id', right: 'e.account' }] }],
        select: ['a.id', 'e.id', 'e.amount'],
        orderBy: [{ column: 'a.id' }, { column: 'e.id' }],
        limit,
        allowFullScan: true,
      }
  }
}

function between(column: string, low: number, end: number): Expr {
  return {
    op: 'and',
    args: [
      { op: 'gte', column, value: low },
      { op: 'lt', column, value: end },
    ],
  }
}

/** The tables that a query reads. */
export function tablesOf({ from, joins = [] }: QueryData): readonly string[] {
  return [from, ...joins.map(({ table }) => table)]
}

/** Why the answer cannot be; undefined = it is what the tables say. */
export function findQueryFault(query: QueryData, result: QueryResult, seen: SeenTables): string | undefined {
  const wanted = answerOf(query, seen)
  const { rows, cursor } = result
  if (cursor === undefined && rows.length !== Math.min(wanted.length, query.limit!)) {
    return `${rows.length} rows of ${wanted.length}`
  }
  const wrong = rows.findIndex((row, at) => show(row) !== show(wanted[at]))
  return wrong < 0 ? undefined : `row ${wrong} is ${show(rows[wrong])}, not ${show(wanted[wrong])}`
}

function answerOf(query: QueryData, seen: SeenTables): readonly (readonly Value[])[] {
  if (query.joins !== undefined) return joined(query, seen)
  const table = seen.tables.find(({ name }) => name === query.from)!
  const cells = selected(query, table, seen)
  if (query.groupBy !== undefined) return grouped(cells)
  if (query.aggregates !== undefined) return [[cells.length]]
  const columns = query.select ?? table.columns.map(({ name }) => name)
  return cells.map(row => columns.map(name => row[name as string]!))
}

function selected(query: QueryData, table: ReferenceTable, { isSeen }: SeenTables): readonly Cells[] {
  const { where, orderBy = [] } = query
  const rows = table.rows.filter(
    row => isSeen(table, row) && (where === undefined || evaluate(where, row.cells) === true),
  )
  return sortedBy(
    rows.map(({ cells }) => cells),
    orderBy.map(({ column }) => column),
  )
}

/** Null is last. */
function sortedBy(rows: readonly Cells[], columns: readonly string[]): Cells[] {
  return rows.toSorted((a, b) => {
    for (const column of columns) {
      const [x, y] = [a[column]!, b[column]!]
      if (x === null || y === null) {
        if (x !== y) return x === null ? 1 : -1
        continue
      }
      const order = compareColumnValues(x, y)
      if (order !== 0) return order
    }
    return 0
  })
}

function grouped(rows: readonly Cells[]): readonly (readonly Value[])[] {
  const groups = new Map<Value, { total: number; entries: number }>()
  for (const { account, amount } of rows) {
    const group = groups.get(account!) ?? { total: 0, entries: 0 }
    group.total += Number(amount)
    group.entries++
    groups.set(account!, group)
  }
  const cells = [...groups].map(([account, { total, entries }]) => ({ account, total, entries }))
  return sortedBy(cells, ['account']).map(({ account, total, entries }) => [account!, total!, entries!])
}

function joined({ from, joins }: QueryData, { tables, isSeen }: SeenTables): readonly (readonly Value[])[] {
  const rowsOf = (name: string): Cells[] => {
    const table = tables.find(other => other.name === name)!
    const rows = table.rows.filter(row => isSeen(table, row))
    return sortedBy(
      rows.map(({ cells }) => cells),
      ['id'],
    )
  }
  const entries = rowsOf(joins![0]!.table)
  return rowsOf(from).flatMap(({ id }) =>
    entries.filter(({ account }) => account === id).map(entry => [id!, entry['id']!, entry['amount']!]),
  )
}

function show(row: readonly Value[] | undefined): string {
  return row === undefined ? 'none' : JSON.stringify(row.map(cell => (typeof cell === 'bigint' ? Number(cell) : cell)))
}
