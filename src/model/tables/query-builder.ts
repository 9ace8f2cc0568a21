import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { ComparisonOperator, TableTarget, Value } from '../../encoding/index.ts'
import type { AggregateData, JoinData, JoinPair, OrderItem, QueryData, SelectItem } from '../query.ts'
import { invalid } from '../facade/arguments.ts'
import { numberCell, plainCell, rawCell, type CellCodec } from './cells.ts'
import {
  and,
  anyColumns,
  conditionFor,
  lookupOf,
  referencesTo,
  scalarExpr,
  type CodecLookup,
  type Condition,
  type References,
  type Scalar,
} from './conditions.ts'
import { targetOf, type Plain, type RowOf, type TableDefinition } from './definition.ts'

type Names<T> = keyof T & string

/** `column`, or `column as name`. */
type Selection<Columns> = Names<Columns> | `${Names<Columns>} as ${string}`
type SelectedColumn<S> = S extends `${infer Column} as ${string}` ? Column : S
type SelectedName<S> = S extends `${string} as ${infer Name}` ? Name : S
type Selected<Columns, S extends string> = Plain<{
  [Item in S as SelectedName<Item> & string]: Columns[SelectedColumn<Item> & keyof Columns]
}>

/** Columns of a joined table: `alias.column`. */
type Qualified<Alias extends string, Row> = { [K in Names<Row> as `${Alias}.${K}`]: Row[K] }
type OrNull<Row> = { [K in keyof Row]: Row[K] | null }

/** What an aggregate gives. `T` is the type of its result. */
export interface Aggregate<T> {
  readonly data: Omit<AggregateData, 'as'>
  readonly codec: CellCodec<unknown>
  readonly $result?: T
}
/** Of a grouping without aggregates. */
type NoAggregates = { readonly [K in never]: Aggregate<unknown> }
type AggregateResults<A> = { [K in keyof A]: A[K] extends Aggregate<infer T> ? T : never }

/** Aggregates over the rows of a group. Nulls are ignored; over no row `count` is 0 and the others are Null. */
export interface Aggregates<Columns> {
  /** Rows, or the cells of a column that are not Null. */
  count(column?: Names<Columns>): Aggregate<number>
  countDistinct(column: Names<Columns>): Aggregate<number>
  /** Exact for integers of all widths. @throws QuorateError `overflow` from the query beyond 256 bits */
  sum<C extends Names<Columns>>(column: C): Aggregate<NonNullable<Columns[C]> | null>
  min<C extends Names<Columns>>(column: C): Aggregate<NonNullable<Columns[C]> | null>
  max<C extends Names<Columns>>(column: C): Aggregate<NonNullable<Columns[C]> | null>
  avg(column: Names<Columns>): Aggregate<number | null>
}

function aggregatesOf(lookup: CodecLookup): Aggregates<Record<string, unknown>> {
  const count = numberCell('u64')
  const average = plainCell<number>('float')
  return {
    count: column => ({ data: { function: 'count', ...(column !== undefined && { column }) }, codec: count }),
    countDistinct: column => ({ data: { function: 'countDistinct', column }, codec: count }),
    sum: column => ({ data: { function: 'sum', column }, codec: lookup.codec(column) }),
    min: column => ({ data: { function: 'min', column }, codec: lookup.codec(column) }),
    max: column => ({ data: { function: 'max', column }, codec: lookup.codec(column) }),
    avg: column => ({ data: { function: 'avg', column }, codec: average }),
  }
}

/** A query as data, and how the cells of its result are read: what every builder is. */
export interface BuiltQuery<Row> {
  readonly data: QueryData
  /** Codec of a column of the result. */
  outputCodec(name: string): CellCodec<unknown>
  readonly $row?: Row
}

interface BuilderState {
  readonly data: QueryData
  readonly lookup: CodecLookup
  readonly outputs: ReadonlyMap<string, CellCodec<unknown>>
}

/**
 * Builds a query step by step, without running it; every step makes another builder. `Columns` are those that conditions may name, `Row` is
 * what the query gives.
 */
export class QueryBuilder<Columns, Row> implements BuiltQuery<Row> {
  readonly $row?: Row
  readonly #state: BuilderState

  constructor(state: BuilderState) {
    this.#state = state
  }

  get data(): QueryData {
    return this.#state.data
  }

  outputCodec(name: string): CellCodec<unknown> {
    return this.#state.outputs.get(name) ?? this.#state.lookup.codec(name)
  }

  #with<NextRow = Row>(
    data: Partial<QueryData>,
    outputs: ReadonlyMap<string, CellCodec<unknown>> = this.#state.outputs,
  ): QueryBuilder<Columns, NextRow> {
    return new QueryBuilder({ ...this.#state, data: { ...this.data, ...data }, outputs })
  }

  /** Only rows for which the condition is true; several hold together. */
  where(condition: Condition<Columns>): QueryBuilder<Columns, Row> {
    const expr = conditionFor(condition, this.#state.lookup)
    return this.#with({ where: this.data.where === undefined ? expr : and(this.data.where, expr) })
  }

  /** The columns of the result; `column as name` renames one. */
  select<const S extends readonly Selection<Columns>[]>(
    ...items: S
  ): QueryBuilder<Columns, Selected<Columns, S[number]>> {
    if (this.data.select !== undefined || this.data.aggregates !== undefined) throw invalid('a query selects once')
    const outputs = new Map(this.#state.outputs)
    const select = items.map((item): SelectItem => {
      const [column = '', as] = item.split(' as ', 2)
      outputs.set(as ?? column, this.#state.lookup.codec(column))
      return as === undefined ? column : { column, as }
    })
    return this.#with({ select }, outputs)
  }

  /** Adds a computed column to the result. */
  compute<Name extends string>(
    as: Name,
    value: (columns: References<Columns>) => Scalar,
  ): QueryBuilder<Columns, Plain<Row & Record<Name, number | bigint | null>>> {
    const { lookup } = this.#state
    const compute = scalarExpr(value(referencesTo(lookup) as References<Columns>))
    const select = this.data.select ?? lookup.names
    if (select === undefined) throw invalid('the columns of a table that is used by name are selected first')
    return this.#with({ select: [...select, { compute, as }] }, new Map([...this.#state.outputs, [as, rawCell]]))
  }

  /** One row for each group of rows that have equal cells in `columns`. */
  groupBy<const G extends readonly Names<Columns>[], A extends Record<string, Aggregate<unknown>> = NoAggregates>(
    columns: G,
    aggregates?: (of: Aggregates<Columns>) => A,
  ): QueryBuilder<Columns, Plain<Pick<Columns, G[number]> & AggregateResults<A>>> {
    return this.#grouped(columns, aggregates)
  }

  /** One row for all rows. */
  aggregate<A extends Record<string, Aggregate<unknown>>>(
    aggregates: (of: Aggregates<Columns>) => A,
  ): QueryBuilder<Columns, Plain<AggregateResults<A>>> {
    return this.#grouped([], aggregates)
  }

  #grouped<NextRow>(
    groupBy: readonly string[],
    make: ((of: Aggregates<Columns>) => Record<string, Aggregate<unknown>>) | undefined,
  ): QueryBuilder<Columns, NextRow> {
    if (this.data.select !== undefined || this.data.aggregates !== undefined) throw invalid('a query selects once')
    const { lookup } = this.#state
    const made = Object.entries(make?.(aggregatesOf(lookup) as Aggregates<Columns>) ?? {})
    const outputs = new Map(groupBy.map(name => [name, lookup.codec(name)]))
    for (const [as, { codec }] of made) outputs.set(as, codec)
    const aggregates = made.map(([as, { data }]): AggregateData => ({ ...data, as }))
    return this.#with({ ...(groupBy.length > 0 && { groupBy }), aggregates }, outputs)
  }

  /** Only groups for which the condition on the result's columns is true. */
  having(condition: Condition<Row>): QueryBuilder<Columns, Row> {
    const { outputs, lookup } = this.#state
    const codec = (name: string): CellCodec<unknown> => outputs.get(name) ?? lookup.codec(name)
    const expr = conditionFor(condition, { names: [...outputs.keys()], codec })
    return this.#with({ having: this.data.having === undefined ? expr : and(this.data.having, expr) })
  }

  /** By a column, a computed column or an aggregate; further calls order what is equal. Null is last, first when descending. */
  orderBy(column: Names<Columns> | Names<Row>, direction: 'asc' | 'desc' = 'asc'): QueryBuilder<Columns, Row> {
    const item: OrderItem = direction === 'asc' ? { column } : { column, direction }
    return this.#with({ orderBy: [...(this.data.orderBy ?? []), item] })
  }

  distinct(): QueryBuilder<Columns, Row> {
    return this.#with({ distinct: true })
  }

  /** Rows at most, or of a page. */
  limit(limit: number): QueryBuilder<Columns, Row> {
    return this.#with({ limit: requireCount('limit', limit, 1) })
  }

  /** Leaves out the first rows; needs a limit. */
  offset(offset: number): QueryBuilder<Columns, Row> {
    return this.#with({ offset: requireCount('offset', offset, 0) })
  }

  /** Takes this index or fails. */
  useIndex(useIndex: string): QueryBuilder<Columns, Row> {
    return this.#with({ useIndex })
  }

  /** Allows what no index bounds and no limit ends. */
  allowFullScan(): QueryBuilder<Columns, Row> {
    return this.#with({ allowFullScan: true })
  }
}

function requireCount(what: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw invalid(`${what} is a whole number from ${least}, not ${String(value)}`)
}

/** A table in a query: its definition, or where it lies. */
export type QuerySource = TableDefinition | TableTarget

type SourceRow<T> = T extends TableDefinition ? RowOf<T> : Record<string, Value>
type SourceName<T> = T extends TableDefinition ? string : T extends { table: infer Name extends string } ? Name : string

/** Pairs of columns that are equal in joined rows, or that compare as the operator between them says. Null never joins. */
export type JoinColumns<Left, Right> = readonly (
  | readonly [left: Names<Left>, right: Names<Right>]
  | readonly [left: Names<Left>, op: ComparisonOperator, right: Names<Right>]
)[]

/** What joins rows: pairs of columns, or any condition on the columns of both sides; see `JoinData.on`. */
export type JoinOn<Left, Right> = JoinColumns<Left, Right> | Condition<Left & Right>

interface JoinedTable {
  readonly alias: string
  readonly lookup: CodecLookup
}

/**
 * Tables joined so far; every join makes another. A builder's steps end the joining: columns of all of them are then named `alias.column`,
 * those of a table alone by their names.
 */
export class QueryFrom<Single, Joined> extends QueryBuilder<Single, Single> {
  readonly #base: QueryData
  readonly #tables: readonly JoinedTable[]

  constructor(base: QueryData, tables: readonly JoinedTable[]) {
    super({ data: base, lookup: tables.length === 1 ? tables[0]!.lookup : qualified(tables), outputs: new Map() })
    this.#base = base
    this.#tables = tables
  }

  innerJoin<T extends QuerySource, A extends string>(
    table: T,
    alias: A,
    on: JoinOn<Joined, Qualified<A, SourceRow<T>>>,
  ): JoinedFrom<Joined & Qualified<A, SourceRow<T>>> {
    return this.#join('inner', table, alias, on)
  }

  /** Rows without a partner have Null in the columns of `table`. */
  leftJoin<T extends QuerySource, A extends string>(
    table: T,
    alias: A,
    on: JoinOn<Joined, Qualified<A, SourceRow<T>>>,
  ): JoinedFrom<Joined & OrNull<Qualified<A, SourceRow<T>>>> {
    return this.#join('left', table, alias, on)
  }

  /** Rows of `table` without a partner have Null in the columns of the others. */
  rightJoin<T extends QuerySource, A extends string>(
    table: T,
    alias: A,
    on: JoinOn<Joined, Qualified<A, SourceRow<T>>>,
  ): JoinedFrom<OrNull<Joined> & Qualified<A, SourceRow<T>>> {
    return this.#join('right', table, alias, on)
  }

  fullJoin<T extends QuerySource, A extends string>(
    table: T,
    alias: A,
    on: JoinOn<Joined, Qualified<A, SourceRow<T>>>,
  ): JoinedFrom<OrNull<Joined> & OrNull<Qualified<A, SourceRow<T>>>> {
    return this.#join('full', table, alias, on)
  }

  /** Every row with every row. */
  crossJoin<T extends QuerySource, A extends string>(
    table: T,
    alias: A,
  ): JoinedFrom<Joined & Qualified<A, SourceRow<T>>> {
    return this.#join('cross', table, alias, undefined)
  }

  #join<Next>(
    type: JoinData['type'],
    table: QuerySource,
    alias: string,
    on: readonly (readonly string[])[] | Condition<Next> | undefined,
  ): JoinedFrom<Next> {
    if (this.#tables.some(other => other.alias === alias)) throw invalid(`two tables of the query are called ${alias}`)
    const tables = [...this.#tables, { alias, lookup: sourceLookup(table) }]
    const join: JoinData = {
      type,
      table: tableName(table, this.#base),
      as: alias,
      ...(on !== undefined && { on: isListOfPairs(on) ? on.map(joinPair) : conditionFor(on, qualified(tables)) }),
    }
    const base = { ...this.#base, joins: [...(this.#base.joins ?? []), join] }
    return new QueryFrom(base, tables)
  }
}

export type JoinedFrom<Columns> = QueryFrom<Plain<Columns>, Plain<Columns>>

function isListOfPairs<Columns>(
  on: readonly (readonly string[])[] | Condition<Columns>,
): on is readonly (readonly string[])[] {
  return Array.isArray(on)
}

function joinPair(pair: readonly string[]): JoinPair {
  const [left = '', second = '', third] = pair
  return third === undefined ? { left, right: second } : { left, op: second as ComparisonOperator, right: third }
}

function qualified(tables: readonly JoinedTable[]): CodecLookup {
  const byAlias = new Map(tables.map(({ alias, lookup }) => [alias, lookup]))
  const isKnown = tables.every(({ lookup }) => lookup.names !== undefined)
  return {
    names: isKnown ? tables.flatMap(({ alias, lookup }) => lookup.names!.map(name => `${alias}.${name}`)) : undefined,
    codec(name) {
      const dot = name.indexOf('.')
      return byAlias.get(name.slice(0, dot))?.codec(name.slice(dot + 1)) ?? rawCell
    },
  }
}

export function sourceLookup(source: QuerySource): CodecLookup {
  return 'kind' in source ? lookupOf(source.columns) : anyColumns
}

export function sourceTarget(source: QuerySource): TableTarget {
  return 'kind' in source ? targetOf(source) : source
}

const GLOBAL = '_global'

/** How a query of a namespace names a table: one of `_global` from everywhere, others only from their own. */
function tableName(source: QuerySource, { project, scope = DEFAULT_SCOPE }: QueryData): string {
  const target = sourceTarget(source)
  const other = target.scope ?? DEFAULT_SCOPE
  if (target.project === project && other === scope) return target.table
  if (target.project === GLOBAL && other === DEFAULT_SCOPE) return `${GLOBAL}.${target.table}`
  throw invalid(`${target.table} is in another scope: a query sees its own and those of ${GLOBAL}`)
}

/**
 * A query on one table, or the first of several that are joined. `alias` names it in joins; default: its name.
 * `from(orders).where(c => c.customer.eq('ann')).orderBy('createdAt', 'desc').limit(10)`
 */
export function from<T extends QuerySource, A extends string = SourceName<T>>(
  source: T,
  alias?: A,
): QueryFrom<SourceRow<T>, Qualified<A, SourceRow<T>>> {
  const { project, scope, table } = sourceTarget(source)
  const base: QueryData = {
    project,
    ...(scope !== undefined && { scope }),
    from: table,
    ...(alias !== undefined && { as: alias }),
  }
  return new QueryFrom(base, [{ alias: alias ?? table, lookup: sourceLookup(source) }])
}

export function isBuiltQuery<Row>(query: BuiltQuery<Row> | QueryData): query is BuiltQuery<Row> {
  return 'outputCodec' in query
}

/** Where the tables of a query lie. */
export function queriedTables(query: QueryData): Required<TableTarget>[] {
  const { project, scope = DEFAULT_SCOPE, from: first, joins = [] } = query
  return [first, ...joins.map(({ table }) => table)].map(table =>
    table.startsWith(`${GLOBAL}.`)
      ? { project: GLOBAL, scope: DEFAULT_SCOPE, table: table.slice(GLOBAL.length + 1) }
      : { project, scope, table },
  )
}
