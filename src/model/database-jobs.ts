import type { JobData } from './reads.ts'

/** Whose jobs: of everything, of a project, of a scope in it, or of a table (scope default `app`). */
export interface JobPlace {
  project?: string
  scope?: string
  table?: string
}

/** A job that was waited for. */
export interface FinishedJob extends JobData {
  /** Why a row refused it: what it was for is dropped again. Absent = it has come to its end, or what it was about is gone. */
  failure?: string
}
