/** Copies of projects, scopes and tables from one database into another, and commits that another run goes on behind. */
export { copyNamespace } from './copy-namespace.ts'
export type { CopyOptions, CopyResult } from './copy-namespace.ts'
export type { CopyPlan, Namespace, PlannedScope, PlannedTable } from './copy-plan.ts'
export { bytesOfFields, NotedCommits, timeLeft } from './noted-commits.ts'
export type { NotedCommitsOptions } from './noted-commits.ts'
