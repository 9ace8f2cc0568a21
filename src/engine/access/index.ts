/** Who may do what: grants by caller, kept by ids. */
export { Access, CallerAccess, equalGrants, grantOf, isInForce } from './grants.ts'
export type { Grant, TableUse } from './grants.ts'
