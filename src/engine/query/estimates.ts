import type { QueryData, QueryStage } from '../../model/index.ts'
import { QUERY_LIMITS } from '../../model/index.ts'
import { shareOfCondition } from './access-path.ts'
import type { JoinPlan } from './joins.ts'
import type { Plan } from './plan.ts'
import type { TableAccess } from './table-access.ts'

/** How many rows a stage is taken to give, and how many it may give. */
export interface RowEstimate {
  readonly rows: number
  readonly max: number
}

/** Undefined: nothing may be said, since a policy hides rows. */
export type Estimate = RowEstimate | undefined

/** Groups that rows are taken to fall into, and what `having` is taken to leave. */
const GROUPS_SHARE = 0.1
const HAVING_SHARE = 0.3

function estimate(rows: number, max: number): RowEstimate {
  const most = Math.min(max, Number.MAX_SAFE_INTEGER)
  return { rows: Math.min(Math.ceil(rows), most), max: most }
}

/** @param tableRows rows (or a few more: expired ones) that the table has; undefined if that is not told */
export function scanEstimate(access: TableAccess, tableRows: number | undefined): Estimate {
  return tableRows === undefined ? undefined : estimate(tableRows * access.share, access.mostRows(tableRows))
}

/** `left`: what is joined to the table. */
export function joinEstimate(left: Estimate, join: JoinPlan, tableRows: number | undefined): Estimate {
  const right = scanEstimate(join.access, tableRows)
  if (left === undefined || right === undefined || tableRows === undefined) return undefined
  const share = join.others.reduce((product, expr) => product * shareOfCondition(expr), 1)
  // Keys that are equal are taken to be unique on the side that has fewer rows.
  const partners =
    join.kind === 'lookUp' || join.kind === 'nested' ? left.rows * right.rows : Math.max(left.rows, right.rows)
  const pairs = left.max * right.max
  const { type } = join
  const [keepsLeft, keepsRight] = [type === 'left' || type === 'full', type === 'right' || type === 'full']
  const rows = Math.max(partners * share, keepsLeft ? left.rows : 0, keepsRight ? right.rows : 0)
  // Each side may stay alone, or have partners.
  const alone = (keepsLeft ? left.max : 0) + (keepsRight ? right.max : 0)
  return estimate(rows, Math.max(pairs, alone))
}

export function filterEstimate(source: Estimate, { query }: Plan): Estimate {
  if (source === undefined) return undefined
  return estimate(source.rows * (query.where === undefined ? 1 : shareOfCondition(query.where)), source.max)
}

export function groupsEstimate(source: Estimate, { outputs }: Plan): Estimate {
  if (outputs.grouping?.keys.length === 0) return estimate(1, 1)
  return source === undefined ? undefined : estimate(source.rows * GROUPS_SHARE, source.max)
}

export function havingEstimate(source: Estimate): Estimate {
  return source === undefined ? undefined : estimate(source.rows * HAVING_SHARE, source.max)
}

/** What a limit leaves is bounded by it, whatever may be told of the rest. */
export function limitEstimate(source: Estimate, { limit = QUERY_LIMITS.defaultPageRows }: QueryData): Estimate {
  return source === undefined ? undefined : estimate(Math.min(source.rows, limit), Math.min(source.max, limit))
}

export function told(found: Estimate): Pick<QueryStage, 'estimatedRows' | 'maxRows'> {
  return found === undefined ? {} : { estimatedRows: found.rows, maxRows: found.max }
}
