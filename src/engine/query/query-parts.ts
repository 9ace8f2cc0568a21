import { QuorateError } from '../../model/index.ts'
import type { QueryData } from '../../model/index.ts'
import type { Expr } from '../../encoding/index.ts'
import { conditionColumns } from '../conditions/index.ts'
import type { ColumnNames } from '../conditions/index.ts'
import { flatten } from './conjuncts.ts'
import type { CellPlaces } from './join-sources.ts'
import { withoutAlias } from './names.ts'
import type { BoundTable } from './names.ts'
import type { Outputs } from './outputs.ts'

/** What is done where. */
export interface QueryParts {
  /** By table: conditions that its own rows can be judged by, in its own names. */
  readonly pushed: readonly (readonly Expr[])[]
  readonly afterJoins: readonly Expr[]
  /** By table: positions of the columns that the query reads. */
  readonly needed: readonly ReadonlySet<number>[]
}

/** @throws QuorateError `column_not_found` */
export function partsOf(
  query: QueryData,
  tables: readonly BoundTable[],
  names: ColumnNames,
  outputs: Outputs,
): QueryParts {
  const pushed: Expr[][] = tables.map(() => [])
  const afterJoins: Expr[] = []
  const read = new Set(outputs.needs)
  for (const expr of flatten([query.where])) {
    const columns = [...conditionColumns(expr)]
    for (const name of columns) read.add(name)
    const owners = new Set(columns.map(name => ownerOf(tables, names, name)))
    const [owner] = owners
    if (owner !== undefined && owners.size === 1 && !mayBeMissing(query, owner)) {
      pushed[owner]!.push(withoutAlias(expr, tables[owner]!.alias))
    } else if (tables.length === 1) pushed[0]!.push(expr)
    else afterJoins.push(expr)
  }
  for (const { on = [] } of query.joins ?? []) {
    for (const { left, right } of on) {
      read.add(left)
      read.add(right)
    }
  }
  const needed: Set<number>[] = tables.map(() => new Set())
  for (const name of read) {
    const position = names.position(name)
    if (position === undefined) throw new QuorateError('column_not_found', `there is no column ${name}`)
    const owner = ownerOf(tables, names, name)
    needed[owner]!.add(position - tables[owner]!.offset)
  }
  tables.forEach(({ policy, table }, i) => {
    if (policy !== undefined) for (const name of conditionColumns(policy)) needed[i]!.add(table.position(name)!)
  })
  return { pushed, afterJoins, needed }
}

function ownerOf(tables: readonly BoundTable[], names: ColumnNames, name: string): number {
  const position = names.position(name)!
  return tables.findLastIndex(({ offset }) => offset <= position)
}

/** Whether a joined row may lack its part of this table: then conditions on it are judged on the joined row alone. */
function mayBeMissing({ joins = [] }: QueryData, table: number): boolean {
  return joins.some(({ type }, i) => {
    if (i + 1 === table) return type === 'left' || type === 'full'
    return i + 1 > table && (type === 'right' || type === 'full')
  })
}

/** By table: which cells of it go where in the joined row. */
export function cellPlaces(tables: readonly BoundTable[], { needed }: QueryParts): CellPlaces[] {
  return tables.map(({ offset }, i) => {
    const from = [...needed[i]!].sort((a, b) => a - b)
    return { from, to: from.map(position => offset + position) }
  })
}
