import type { ClusterSettings } from '../model/index.ts'
import { refuse } from './refusal.ts'
import type { Refusal } from './refusal.ts'

/** What is left to one transaction of what it may look at and change: replicated limits that keep an entry short (DESIGN 7). */
export interface WorkBudget {
  /** Records that ranges, conditions and referential actions may still visit. */
  recordsLeft: number
  /** Rows that may still be changed. */
  rowsLeft: number
}

export function fullBudget({ scanRecordsMax, rowsMax }: ClusterSettings): WorkBudget {
  return { recordsLeft: scanRecordsMax, rowsLeft: rowsMax }
}

export function scanTooLarge(): Refusal {
  return refuse('scan_bound_exceeded', 'the transaction would look at too many records')
}

export function tooManyRows(): Refusal {
  return refuse('transaction_too_large', 'the transaction would change too many rows')
}
