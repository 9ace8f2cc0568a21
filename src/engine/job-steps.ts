import { changedState } from './cluster-state.ts'
import type { EntryWork } from './entry-work.ts'
import { withTask } from './jobs.ts'
import type { Job, JobTask } from './jobs.ts'
import { kvExpiryKey, kvPrefix } from './layers.ts'
import { compactStep, removeEvents } from './outbox/index.ts'
import { prefixEnd } from './record-store.ts'
import { removeStep } from './rows/index.ts'
import { completeTable, endJobs, failTable, stepTable } from './table-steps.ts'
import { indexPrefix, rowsPrefix } from './tables/index.ts'

/** Rows of one step of a build or a validation: about 2 ms of apply. */
const STEP_ROWS_MAX = 128

/** Does a part of the oldest job, at most `recordsMax` records of it. Returns how many. */
export function stepJobs(work: EntryWork, recordsMax: number): number {
  const job = work.state.jobs[0]
  if (job === undefined || recordsMax <= 0) return 0
  const { task } = job
  switch (task.kind) {
    case 'removeScope':
      return finishRemoval(work, job, removeKeys(work, task.scopeId, recordsMax))
    case 'removeRows':
      return finishRemoval(work, job, removeStep(work, rowsPrefix(task.tableId), true, recordsMax))
    case 'removeIndex':
      return finishRemoval(work, job, removeStep(work, indexPrefix(task.indexId), false, recordsMax))
    case 'removeEvents':
      return finishRemoval(work, job, removeEvents(work, task.scopeId, recordsMax))
    case 'compactEvents':
      return finishRemoval(work, job, compactStep(work, task, recordsMax))
    case 'buildIndex':
    case 'validate':
      return walkTable(work, job, task, Math.min(recordsMax, STEP_ROWS_MAX))
    default:
      throw new RangeError(`job ${String(task satisfies never)}`)
  }
}

interface Removal {
  removed: number
  isDone: boolean
}

function removeKeys({ changes }: EntryWork, scopeId: number, recordsMax: number): Removal {
  let removed = 0
  let isDone = true
  const prefix = kvPrefix(scopeId)
  changes.walk(prefix, prefixEnd(prefix), false, (key, { expiresAtMicros }) => {
    if (removed === recordsMax) {
      isDone = false
      return false
    }
    const own = key.slice()
    if (expiresAtMicros !== 0) changes.delete(kvExpiryKey(expiresAtMicros, own))
    changes.delete(own)
    removed++
    return true
  })
  return { removed, isDone }
}

function finishRemoval(work: EntryWork, job: Job, { removed, isDone }: Removal): number {
  if (isDone) endJob(work, job)
  return removed + 1
}

function walkTable(
  work: EntryWork,
  job: Job,
  task: Extract<JobTask, { kind: 'buildIndex' | 'validate' }>,
  rowsMax: number,
): number {
  const step = stepTable(work, task, rowsMax)
  if (step?.failure === undefined && step?.cursor !== undefined) {
    const next = { ...task, cursor: step.cursor, done: task.done + step.visited }
    work.state = changedState(work.state, { jobs: withTask(work.changes, work.state.jobs, job, next) })
    return step.visited + 1
  }
  endJob(work, job)
  if (step === undefined) return 1
  if (step.failure === undefined) completeTable(work, task)
  else failTable(work, task, step.failure)
  return step.visited + 1
}

function endJob(work: EntryWork, job: Job): void {
  endJobs(work, task => task === job.task)
}
