import { compareBytes } from '../../encoding/index.ts'
import type { Expr } from '../../encoding/index.ts'
import type { Cells, Condition } from '../conditions/index.ts'
import { compileCondition, InvalidExpression } from '../conditions/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { isExpired } from '../kv/index.ts'
import { isMutant } from '../mutants.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { rowKeyOfEntry } from '../tables/index.ts'
import type { Table } from '../tables/index.ts'
import { scanTooLarge } from '../work-budget.ts'
import type { WorkBudget } from '../work-budget.ts'
import { planOf } from './plan.ts'
import { chooseWalk } from './row-walk.ts'
import type { RowWalk } from './row-walk.ts'

/** Entries of an index whose rows are looked at before the next ones are taken. */
const ENTRIES_OF_PART = 64

/** Who reads or changes rows, and how much of that is left. */
export interface RowCaller {
  readonly caller: string
  /** Sees rows that the table's policy hides. */
  readonly bypassesPolicy: boolean
}

/** What a row must be for the caller to see it; undefined = anything. */
export function policyOf(table: Table, { caller, bypassesPolicy }: RowCaller): Condition | undefined {
  return bypassesPolicy ? undefined : planOf(table).policyFor(caller)
}

/** A condition of a mutation or an assertion, or why it is none. */
export function conditionOf(table: Table, where: Expr | undefined, caller: string): Condition | undefined | Refusal {
  if (where === undefined) return undefined
  const condition = compileCondition(where, table, caller)
  return condition instanceof InvalidExpression ? refuse(condition.code, condition.message) : condition
}

/**
 * Visits the unexpired rows that the caller sees and `where` is true for, in the order of the primary key, until `visit` gives false. Its
 * arguments are valid during the call only. Throws `ColdPages`.
 */
export function scanRows(
  work: EntryWork,
  table: Table,
  where: Expr | undefined,
  caller: RowCaller,
  budget: WorkBudget,
  visit: (key: Uint8Array, row: Cells) => boolean,
): Refusal | undefined {
  const condition = conditionOf(table, where, caller.caller)
  if (typeof condition === 'object') return condition
  const policy = isMutant('policy_ignored_by_conditions') ? undefined : policyOf(table, caller)
  const isSelected = (row: Cells): boolean =>
    (condition === undefined || condition(row) === true) && (policy === undefined || policy(row) === true)
  const walk = chooseWalk(table, where, caller.caller)
  const isWithin =
    walk.index === undefined
      ? walkRows(work, table, walk, budget, isSelected, visit)
      : walkIndex(work, table, walk, budget, isSelected, visit)
  return isWithin ? undefined : scanTooLarge()
}

/** False if the budget has run out; so does `walkIndex`. */
function walkRows(
  work: EntryWork,
  table: Table,
  { start, end }: RowWalk,
  budget: WorkBudget,
  isSelected: (row: Cells) => boolean,
  visit: (key: Uint8Array, row: Cells) => boolean,
): boolean {
  const { view } = planOf(table)
  let isWithin = true
  work.changes.walk(start, end, false, (key, metadata, value) => {
    if (budget.recordsLeft-- <= 0) {
      isWithin = false
      return false
    }
    if (isExpired(metadata, work.timeMicros)) return true
    view.open(key, value())
    return isSelected(view) ? visit(key, view) : true
  })
  return isWithin
}

/** Entries are taken in parts, so that a limit is not preceded by all of them; where they are not in key order, all at once. */
function walkIndex(
  work: EntryWork,
  table: Table,
  walk: RowWalk,
  budget: WorkBudget,
  isSelected: (row: Cells) => boolean,
  visit: (key: Uint8Array, row: Cells) => boolean,
): boolean {
  const { view } = planOf(table)
  const partMax = walk.isInOrder ? ENTRIES_OF_PART : Number.POSITIVE_INFINITY
  let from = walk.start
  while (compareBytes(from, walk.end) < 0) {
    const part = takeEntries(work, table, walk, from, partMax, budget)
    if (part === undefined) return false
    if (!walk.isInOrder) part.keys.sort(compareBytes)
    for (const key of part.keys) {
      if (budget.recordsLeft-- <= 0) return false
      const record = work.changes.get(key)
      if (record === undefined || isExpired(record, work.timeMicros)) continue
      view.open(key, record.value)
      if (isSelected(view) && !visit(key, view)) return true
    }
    if (part.next === undefined) return true
    from = part.next
  }
  return true
}

interface EntryPart {
  /** Of the rows. */
  readonly keys: Uint8Array[]
  /** Where the next part begins; undefined = nowhere. */
  next: Uint8Array | undefined
}

/** The rows of at most `most` entries; undefined if the budget has run out. */
function takeEntries(
  work: EntryWork,
  table: Table,
  { index, end }: RowWalk,
  from: Uint8Array,
  most: number,
  budget: WorkBudget,
): EntryPart | undefined {
  const part: EntryPart = { keys: [], next: undefined }
  const columns = index!.columns.length
  let isWithin = true
  work.changes.walk(from, end, false, entry => {
    if (part.keys.length === most) {
      part.next = entry.slice()
      return false
    }
    if (budget.recordsLeft-- <= 0) {
      isWithin = false
      return false
    }
    part.keys.push(rowKeyOfEntry(table.id, entry, columns))
    return true
  })
  return isWithin ? part : undefined
}
