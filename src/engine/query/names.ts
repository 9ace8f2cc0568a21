import { mapColumns } from '../../encoding/index.ts'
import type { ColumnType, Expr, ScalarExpr } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { QueryData } from '../../model/index.ts'
import type { ColumnNames, Condition } from '../conditions/index.ts'
import { allOf, compileCondition, forEachComparison, InvalidExpression, operandsOf } from '../conditions/index.ts'
import type { RecordReader } from '../record-store.ts'
import type { Table } from '../tables/index.ts'
import type { SignCursor } from './cursor.ts'
import type { WorkLimits } from './work.ts'

/** What a query is run against: a pinned state, and who asks. */
export interface QueryContext {
  readonly reader: RecordReader
  /** Rows that expire at this leader time or before are gone. */
  readonly timeMicros: number
  readonly seq: number
  readonly caller: string
  readonly limits: WorkLimits
  /** Signs cursors: the same on all nodes of a cluster, and in all lives of an engine. */
  readonly signCursor: SignCursor
  /** @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found` */
  table(project: string, scope: string, name: string): Table
  mayRead(table: Table): boolean
  /** How many rows the table has, if that is known; a few more may be counted: they have expired. */
  rowCount?(table: Table): number | undefined
  /** What rows must be for the caller to see them, in names of the table; undefined = anything. */
  policyOf(table: Table): Expr | undefined
}

/** A table of a query. */
export interface BoundTable {
  readonly table: Table
  readonly alias: string
  /** Where its columns begin in the joined row. */
  readonly offset: number
  /** What rows must fulfil to exist for the caller. */
  readonly policy: Expr | undefined
}

const GLOBAL_PROJECT = '_global'
const GLOBAL_PREFIX = '_global.'
const DEFAULT_SCOPE = 'app'

export function invalidQuery(message: string): QuorateError {
  return new QuorateError('invalid_query', message)
}

/** The valid part of what a compilation gave. @throws QuorateError */
export function valid<T>(compiled: T | InvalidExpression): T {
  if (compiled instanceof InvalidExpression) throw new QuorateError(compiled.code, compiled.message)
  return compiled
}

/** All of `exprs` as one condition; undefined of none. Each may be as deep as a condition may be. @throws QuorateError */
export function compileAll(exprs: readonly Expr[], names: ColumnNames, caller: string): Condition | undefined {
  if (exprs.length === 0) return undefined
  return allOf(exprs.map(expr => valid(compileCondition(expr, names, caller))))
}

/** @throws QuorateError for missing names, lacking permission and an alias given twice */
export function bindTables(query: QueryData, context: QueryContext): BoundTable[] {
  const bound: BoundTable[] = []
  let offset = 0
  const bind = (name: string, as: string | undefined): void => {
    const isGlobal = name.startsWith(GLOBAL_PREFIX)
    const own = isGlobal ? name.slice(GLOBAL_PREFIX.length) : name
    const table = isGlobal
      ? context.table(GLOBAL_PROJECT, DEFAULT_SCOPE, own)
      : context.table(query.project, query.scope ?? DEFAULT_SCOPE, own)
    if (!context.mayRead(table)) throw new QuorateError('permission_denied', `no permission to read table ${own}`)
    const alias = as ?? own
    if (bound.some(other => other.alias === alias)) throw invalidQuery(`two tables are called ${alias}`)
    bound.push({ table, alias, offset, policy: context.policyOf(table) })
    offset += table.columns.length
  }
  bind(query.from, query.as)
  for (const { table, as } of query.joins ?? []) bind(table, as)
  return bound
}

/** The names of one table alone: bare, or with its alias. */
export class TableNames implements ColumnNames {
  readonly #table: Table
  readonly #prefix: string

  constructor({ table, alias }: BoundTable) {
    this.#table = table
    this.#prefix = `${alias}.`
  }

  get columns(): readonly { readonly type: ColumnType }[] {
    return this.#table.columns
  }

  position(name: string): number | undefined {
    return (
      this.#table.position(name) ??
      (name.startsWith(this.#prefix) ? this.#table.position(name.slice(this.#prefix.length)) : undefined)
    )
  }
}

/** The names of joined tables: `alias.column`, by position in the joined row. */
export class JoinNames implements ColumnNames {
  readonly columns: readonly { readonly type: ColumnType }[]
  readonly #tables: ReadonlyMap<string, BoundTable>

  constructor(tables: readonly BoundTable[]) {
    this.#tables = new Map(tables.map(bound => [bound.alias, bound]))
    this.columns = tables.flatMap(({ table }) => table.columns)
  }

  position(name: string): number | undefined {
    const dot = name.indexOf('.')
    const bound = dot < 0 ? undefined : this.#tables.get(name.slice(0, dot))
    const position = bound?.table.position(name.slice(dot + 1))
    return position === undefined ? undefined : bound!.offset + position
  }
}

/** Names that a result or a group gives its columns. */
export class GivenNames implements ColumnNames {
  readonly columns: readonly { readonly type: ColumnType }[]
  readonly #positions = new Map<string, number>()

  constructor(columns: readonly { readonly name: string; readonly type: ColumnType }[]) {
    this.columns = columns
    columns.forEach(({ name }, position) => {
      if (!this.#positions.has(name)) this.#positions.set(name, position)
    })
  }

  position(name: string): number | undefined {
    return this.#positions.get(name)
  }
}

/** The condition with the table's alias taken off its names. */
export function withoutAlias(expr: Expr, alias: string): Expr {
  const prefix = `${alias}.`
  let isPlain = true
  forEachComparison(expr, comparison => {
    isPlain &&=
      !comparison.column.startsWith(prefix) && operandsOf(comparison).every(operand => typeof operand !== 'object')
  })
  if (isPlain) return expr
  return mapColumns(expr, name => (name.startsWith(prefix) ? name.slice(prefix.length) : name))
}

/** The names of the columns that a computed value reads. */
export function scalarColumns(expr: ScalarExpr): string[] {
  if ('column' in expr) return [expr.column]
  return 'value' in expr ? [] : [...scalarColumns(expr.left), ...scalarColumns(expr.right)]
}
