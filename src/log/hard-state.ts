import { assertLog } from './errors.ts'
import type { HardState } from './positions.ts'

/** Terms never fall and a term's vote never changes once given (raft.md 7.7, invariant 1). */
export function assertHardState(previous: HardState, next: HardState): void {
  assertLog(next.term >= previous.term, `term ${next.term} after ${previous.term}`)
  if (next.term !== previous.term || previous.votedFor === 0) return
  assertLog(next.votedFor === previous.votedFor, `second vote in term ${next.term}`)
}
