import type { JoinData, QueryData } from '../../model/index.ts'
import type { BoundTable } from './names.ts'

/** Whether only rows with a partner are joined. */
export function isInner(type: JoinData['type']): boolean {
  return type === 'inner' || type === 'cross'
}

/** Whether a row of the first `count` joins may lack its part of this table: then conditions on it are judged on the joined row alone. */
export function mayBeMissing({ joins = [] }: QueryData, table: number, count: number): boolean {
  return joins.slice(0, count).some(({ type }, i) => {
    if (i + 1 === table) return type === 'left' || type === 'full'
    return i + 1 > table && (type === 'right' || type === 'full')
  })
}

/** The table that a column of the joined row belongs to. */
export function ownerOf(tables: readonly BoundTable[], position: number): number {
  return tables.findLastIndex(({ offset }) => offset <= position)
}
