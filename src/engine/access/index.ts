/** Who may do what: grants by caller, kept by ids. */
export { Access, CallerAccess, equalGrants, isServedPermission, grantOf } from './grants.ts'
export type { Grant } from './grants.ts'
