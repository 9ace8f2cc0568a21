import { isReference } from '../../encoding/index.ts'
import type { Expr } from '../../encoding/index.ts'
import type { QueryData } from '../../model/index.ts'
import { operandsOf } from '../conditions/index.ts'
import type { ColumnNames, Comparison } from '../conditions/index.ts'
import { classify, flatten } from './conjuncts.ts'
import type { BoundTable } from './names.ts'
import { isInner, ownerOf } from './outer-joins.ts'

/** Two columns that are equal in rows that are joined; `left` is of an earlier table. Positions in the joined row. */
export interface Equality {
  readonly left: number
  readonly right: number
}

/** The equality that a condition of the join with table `added` is; undefined if it is something else. */
export function equalityOf(
  expr: Expr,
  names: ColumnNames,
  tables: readonly BoundTable[],
  added: number,
): Equality | undefined {
  if (expr.op !== 'eq' || !isReference(expr.value) || !('column' in expr.value)) return undefined
  const [a, b] = [names.position(expr.column)!, names.position(expr.value.column)!]
  const [isOfA, isOfB] = [ownerOf(tables, a) === added, ownerOf(tables, b) === added]
  if (isOfA === isOfB) return undefined
  return isOfB ? { left: a, right: b } : { left: b, right: a }
}

/** A column compared with constants: it is true of whatever equals the column. */
interface Constant {
  readonly expr: Comparison
  readonly position: number
}

/** Rounds of implying; a constant passes one join in a round. */
const ROUNDS_MAX = 8

/**
 * By table: the constants that its columns are compared with because columns that they must equal are: of `a.x = b.y and a.x = 5` that b.y is
 * 5. What is implied for a table only leaves out rows that join nothing, so it is not implied where such rows are kept: of the table added by a
 * right or full join, and of those before a left or full join. What a later join implies of an earlier table goes to `pushed` itself, since
 * nothing else says it there; the other way round the equality says it too.
 */
export function implyConstants(
  query: QueryData,
  tables: readonly BoundTable[],
  names: ColumnNames,
  pushed: readonly Expr[][],
  on: readonly (readonly Expr[])[],
): Expr[][] {
  const implied: Expr[][] = tables.map(() => [])
  const { joins = [] } = query
  const equalities = joins.map((_, i) =>
    on[i]!.map(expr => equalityOf(expr, names, tables, i + 1)).filter(equality => equality !== undefined),
  )
  const known = tables.map((bound, i) => constantsIn(bound, [...pushed[i]!, bound.policy]))
  const imply = (from: number, to: number, into: readonly Expr[][]): boolean => {
    const [owner, other] = [ownerOf(tables, from), ownerOf(tables, to)]
    const position = to - tables[other]!.offset
    const { name } = tables[other]!.table.columns[position]!
    let isNew = false
    for (const { expr, position: at } of known[owner]!) {
      if (at !== from - tables[owner]!.offset) continue
      const same: Comparison = { ...expr, column: name }
      if (known[other]!.some(constant => constant.position === position && isSame(constant.expr, same))) continue
      known[other]!.push({ expr: same, position })
      into[other]!.push(same)
      isNew = true
    }
    return isNew
  }
  for (let round = 0; round < ROUNDS_MAX; round++) {
    let isNew = false
    joins.forEach(({ type }, i) => {
      for (const { left, right } of equalities[i]!) {
        if (isInner(type) || type === 'left') isNew = imply(left, right, implied) || isNew
        // Rows that lack the left part, or lose it by this, have Null there: that joins nothing either.
        if (isInner(type) || type === 'right') isNew = imply(right, left, pushed) || isNew
      }
    })
    if (!isNew) break
  }
  return implied
}

function constantsIn({ table }: BoundTable, exprs: readonly (Expr | undefined)[]): Constant[] {
  const constants: Constant[] = []
  for (const each of flatten(exprs)) {
    const { expr, position, use } = classify(each, table, name => table.position(name))
    // Null equals nothing, and that a column is not Null its equality says already.
    if (use === 'none' || use === 'some' || expr.op === 'isNull' || !('column' in expr)) continue
    if (operandsOf(expr).some(operand => isReference(operand) && 'column' in operand)) continue
    constants.push({ expr, position })
  }
  return constants
}

/** Whether two conditions on one column come from the same one. */
function isSame(a: Comparison, b: Comparison): boolean {
  if (a.op !== b.op) return false
  if (a.op === 'like') return b.op === 'like' && a.pattern === b.pattern
  const [own, others] = [operandsOf(a), operandsOf(b)]
  return own.length === others.length && own.every((operand, i) => operand === others[i])
}
