import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { CoreOptions } from '../database.ts'
import type { FinishedJob, JobPlace } from '../database-jobs.ts'
import { QuorateError } from '../errors.ts'
import { requireName } from '../names.ts'
import type { JobData, ReadRequest, TableDescription } from '../reads.ts'
import { invalid } from './arguments.ts'
import { Budget, coreOptions, type Connection } from './connection.ts'

const POLL_MS_MIN = 10
const POLL_MS_MAX = 250

type JobsRequest = Extract<ReadRequest, { type: 'jobs' }>

export function readJobs(
  connection: Connection,
  place: JobPlace,
  options: RequestOptions = {},
): Promise<readonly JobData[]> {
  return readOnce(connection, jobsRequest(place), coreOptions(connection, options))
}

async function readOnce({ core }: Connection, request: JobsRequest, options: CoreOptions): Promise<readonly JobData[]> {
  const { result } = await core.read(request, options)
  if (result.type !== 'jobs') throw new QuorateError('internal', `a read of jobs was answered by ${result.type}`)
  return result.jobs
}

/** Waits until the jobs that there are now have ended. */
export async function waitForJobs(
  connection: Connection,
  place: JobPlace,
  options: RequestOptions = {},
): Promise<readonly FinishedJob[]> {
  const request = jobsRequest(place)
  const budget = new Budget(connection, options)
  const { time } = connection.core
  const awaited = await readOnce(connection, request, budget.next())
  const latest = new Map(awaited.map(job => [job.id, job]))
  for (let isBusy = awaited.length > 0, waitMs = POLL_MS_MIN; isBusy; waitMs = Math.min(2 * waitMs, POLL_MS_MAX)) {
    await time.delay(Math.min(waitMs, Math.max(1, budget.remainingMs)), options.signal)
    // Wherever they are by now: a table may be renamed or dropped meanwhile.
    const left = (await readOnce(connection, { type: 'jobs' }, budget.next())).filter(({ id }) => latest.has(id))
    for (const job of left) latest.set(job.id, { ...latest.get(job.id)!, ...job })
    isBusy = left.length > 0
  }
  const tables = new Map<string, TableDescription | undefined>()
  const finished: FinishedJob[] = []
  for (const job of latest.values()) finished.push({ ...job, ...(await failureOf(connection, job, budget, tables)) })
  return finished
}

/** @throws QuorateError `invalid_argument`, `invalid_name` */
export function jobsRequest({ project, scope, table }: JobPlace): JobsRequest {
  if (project === undefined) {
    if (scope !== undefined || table !== undefined) throw invalid('a scope or a table is named with its project')
    return { type: 'jobs' }
  }
  requireName('project', project)
  if (scope !== undefined) requireName('scope', scope)
  if (table === undefined) return { type: 'jobs', project, ...(scope !== undefined && { scope }) }
  requireName('table', table)
  return { type: 'jobs', project, scope: scope ?? DEFAULT_SCOPE, table }
}

/** What the table says about a build or a validation that rows have refused. */
async function failureOf(
  { core }: Connection,
  { project, scope, table, name, seq }: JobData,
  budget: Budget,
  tables: Map<string, TableDescription | undefined>,
): Promise<{ failure?: string }> {
  if (project === undefined || scope === undefined || table === undefined) return {}
  const path = `${project}/${scope}/${table}`
  if (!tables.has(path)) {
    try {
      const { result } = await core.read({ type: 'tables', project, scope, table }, budget.next())
      tables.set(path, result.type === 'tables' ? result.tables[0] : undefined)
    } catch (error) {
      // What is gone meanwhile has refused nothing.
      const isGone = error instanceof QuorateError && error.code.endsWith('_not_found')
      if (!isGone) throw error
      tables.set(path, undefined)
    }
  }
  const failure = tables.get(path)?.failures.find(failed => failed.name === name && failed.seq > seq)
  return failure === undefined ? {} : { failure: failure.message }
}
