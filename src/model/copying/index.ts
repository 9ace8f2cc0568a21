/** Copies of projects, scopes and tables from one database into another. */
export { copyNamespace } from './copy-namespace.ts'
export type { CopyOptions, CopyResult } from './copy-namespace.ts'
export type { CopyPlan, Namespace, PlannedScope, PlannedTable } from './copy-plan.ts'
