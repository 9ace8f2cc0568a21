/** What must hold between the records of a whole state, and what does not. */
export { checkInvariants } from './check-invariants.ts'
export { FINDINGS_MAX } from './findings.ts'
export type { Inconsistency } from './findings.ts'
