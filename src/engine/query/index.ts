/** Queries: planned against the tables of a pinned state, and pulled row by row. */
export { describePlan } from './explain.ts'
export type { QueryContext } from './names.ts'
export { planQuery } from './plan.ts'
export type { Plan } from './plan.ts'
export { ReadCapture } from './read-capture.ts'
export type { CapturedPoint, CapturedRange } from './read-capture.ts'
export { QueryRun, runToEnd } from './run.ts'
export type { WorkLimits } from './work.ts'
