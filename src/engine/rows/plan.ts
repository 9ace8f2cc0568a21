import { compareColumnValues } from '../../encoding/index.ts'
import type { Expr, Value } from '../../encoding/index.ts'
import { InvariantError } from '../../model/index.ts'
import { CellList, compileCondition, conditionColumns, InvalidExpression } from '../conditions/index.ts'
import type { Condition } from '../conditions/index.ts'
import { RowView } from '../tables/index.ts'
import type { ForeignKey, Table, TableIndex } from '../tables/index.ts'

export interface IndexPlan {
  readonly index: TableIndex
  /** Positions of the indexed columns. */
  readonly positions: readonly number[]
  readonly where: Condition | undefined
  /** Positions of all columns that decide about the entry. */
  readonly watched: readonly number[]
}

export interface CheckPlan {
  readonly name: string
  readonly condition: Condition
}

export interface ForeignKeyPlan {
  readonly foreignKey: ForeignKey
  /** Positions of the referring columns, in the order of `ForeignKey.references`. */
  readonly positions: readonly number[]
}

/** A table's rules in the form in which rows are held to them. */
export class TablePlan {
  readonly table: Table
  readonly indexes: readonly IndexPlan[]
  readonly checks: readonly CheckPlan[]
  readonly foreignKeys: readonly ForeignKeyPlan[]
  /** For rows that are read whole; each reading moves it. */
  readonly view: RowView
  #policyCaller: string | undefined
  #policy: Condition | undefined

  constructor(table: Table) {
    this.table = table
    this.view = new RowView(table)
    this.indexes = table.parts.indexes.map(index => planIndex(table, index))
    this.checks = table.parts.checks.map(({ name, check }) => ({ name, condition: storedCondition(table, check, '') }))
    this.foreignKeys = table.parts.foreignKeys.map(foreignKey => ({
      foreignKey,
      positions: table.positions(foreignKey.columns),
    }))
  }

  /** What a row must be for it to exist for `caller`; undefined = anything. */
  policyFor(caller: string): Condition | undefined {
    const { readPolicy } = this.table.parts
    if (readPolicy === undefined) return undefined
    if (this.#policyCaller !== caller) {
      this.#policy = storedCondition(this.table, readPolicy, caller)
      this.#policyCaller = caller
    }
    return this.#policy
  }
}

const plans = new WeakMap<Table, TablePlan>()

/** The plan of a table; made once for each version of it. */
export function planOf(table: Table): TablePlan {
  let plan = plans.get(table)
  if (plan === undefined) {
    plan = new TablePlan(table)
    plans.set(table, plan)
  }
  return plan
}

export function planIndex(table: Table, index: TableIndex): IndexPlan {
  const positions = table.positions(index.columns)
  const watched = new Set(positions)
  for (const name of index.where === undefined ? [] : conditionColumns(index.where)) watched.add(table.position(name)!)
  return {
    index,
    positions,
    where: index.where === undefined ? undefined : storedCondition(table, index.where, ''),
    watched: [...watched],
  }
}

/** A condition of the catalog: it was checked when it was stored. */
export function storedCondition(table: Table, expr: Expr, caller: string): Condition {
  const condition = compileCondition(expr, table, caller)
  if (condition instanceof InvalidExpression) {
    throw new InvariantError(`table ${table.id} has a condition that it cannot have: ${condition.message}`)
  }
  return condition
}

const list = new CellList([])

/** What a condition says of a row in memory. */
export function testCells(condition: Condition, cells: readonly Value[]): boolean | null {
  list.cells = cells
  return condition(list)
}

/** Whether a row with these cells has an entry in the index. */
export function isIndexed({ where }: IndexPlan, cells: readonly Value[]): boolean {
  return where === undefined || testCells(where, cells) === true
}

/** The cells at some positions. */
export function cellsAt(cells: readonly Value[], positions: readonly number[]): Value[] {
  return positions.map(position => cells[position]!)
}

export function isSameCell(a: Value, b: Value): boolean {
  return a === b || compareColumnValues(a, b) === 0
}
