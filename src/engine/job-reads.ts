import { QuorateError, SYSTEM_PLACE } from '../model/index.ts'
import type { JobData, ReadRequest, ReadResult } from '../model/index.ts'
import { jobKindOf } from './jobs.ts'
import type { Job, JobTask } from './jobs.ts'
import { eventsPrefix, kvPrefix, readU64BE, SYSTEM_SCOPE_ID } from './layers.ts'
import { maySeeRows, maySeeTable } from './table-reads.ts'
import type { TableReadContext } from './table-reads.ts'
import { indexPrefix, rowsPrefix } from './tables/index.ts'
import type { Table } from './tables/index.ts'

type JobsRequest = Extract<ReadRequest, { type: 'jobs' }>

/**
 * The work that is not done yet, the oldest first, as far as the caller has to do with what it is about; removals of what is dropped
 * are for administrators of the database.
 * @throws QuorateError `project_not_found`, `scope_not_found`, `table_not_found` for a place that is named and missing
 */
export function readJobs(context: TableReadContext, request: JobsRequest): ReadResult {
  requirePlace(context, request)
  const jobs = context.state.jobs.map(job => describe(context, job)).filter(job => job !== undefined)
  const { project, scope, table } = request
  const isWanted = (job: JobData): boolean =>
    (project === undefined || job.project === project) &&
    (scope === undefined || job.scope === scope) &&
    (table === undefined || job.table === table)
  return { type: 'jobs', jobs: jobs.filter(isWanted) }
}

function requirePlace({ state }: TableReadContext, { project, scope, table }: JobsRequest): void {
  if (project === undefined) return
  const { catalog } = state
  if (project === SYSTEM_PLACE.project && (scope ?? SYSTEM_PLACE.scope) === SYSTEM_PLACE.scope && table === undefined)
    return
  const found = catalog.project(project)
  if (found === undefined) throw new QuorateError('project_not_found', `there is no project ${project}`)
  if (scope === undefined) return
  const inner = found.scopes.get(scope)
  if (inner === undefined) throw new QuorateError('scope_not_found', `project ${project} has no scope ${scope}`)
  if (table === undefined || catalog.table(inner.id, table) !== undefined) return
  throw new QuorateError('table_not_found', `${project}/${scope} has no table ${table}`)
}

/** Undefined where the caller has nothing to do with it. */
function describe(context: TableReadContext, { key, task }: Job): JobData | undefined {
  const { access, reader, state } = context
  const [seq, number] = [readU64BE(key, 2), readU64BE(key, 10)]
  const job = { id: `${seq}.${number}`, seq }
  const left = (space: Uint8Array): { left?: number } => {
    const usage = reader.usage?.(space)
    return usage === undefined ? {} : { left: usage.records }
  }
  switch (task.kind) {
    case 'removeScope':
      return access.isAdmin ? { ...job, kind: task.kind, ...left(kvPrefix(task.scopeId)) } : undefined
    case 'removeRows':
      return access.isAdmin ? { ...job, kind: task.kind, ...left(rowsPrefix(task.tableId)) } : undefined
    case 'removeIndex':
      return access.isAdmin ? { ...job, kind: task.kind, ...left(indexPrefix(task.indexId)) } : undefined
    case 'removeEvents':
      return access.isAdmin ? { ...job, kind: task.kind, ...left(eventsPrefix(task.scopeId)) } : undefined
    case 'compactEvents': {
      if (task.scopeId === SYSTEM_SCOPE_ID)
        return access.isAdmin ? { ...job, kind: task.kind, ...SYSTEM_PLACE } : undefined
      const scope = state.catalog.scopeById(task.scopeId)
      if (scope === undefined || !access.administersScope(scope.projectId, scope.id)) return undefined
      return { ...job, kind: task.kind, project: projectName(context, scope.projectId), scope: scope.name }
    }
    case 'buildIndex':
    case 'validate':
      return describeOfTable(context, task, job)
    default:
      throw new RangeError(`job ${String(task satisfies never)}`)
  }
}

function describeOfTable(
  context: TableReadContext,
  task: Extract<JobTask, { kind: 'buildIndex' | 'validate' }>,
  job: Pick<JobData, 'id' | 'seq'>,
): JobData | undefined {
  const { reader, state } = context
  const table = state.catalog.tableById(task.tableId)
  if (table === undefined || !maySeeTable(context, table)) return undefined
  const rows = maySeeRows(context, table) ? reader.usage?.(rowsPrefix(table.id)).records : undefined
  return {
    ...job,
    kind: jobKindOf(task),
    project: projectName(context, table.parts.projectId),
    scope: state.catalog.scopeById(table.parts.scopeId)!.name,
    table: table.name,
    name: nameOf(table, task),
    ...(rows !== undefined && { done: task.done, left: Math.max(0, rows - task.done) }),
  }
}

function nameOf(table: Table, task: Extract<JobTask, { kind: 'buildIndex' | 'validate' }>): string {
  if (task.kind === 'buildIndex') return table.indexOfId(task.indexId)?.name ?? ''
  if (task.what !== 'notNull') return task.name
  const position = table.positionOfId(Number(task.name))
  return position === undefined ? '' : table.columns[position]!.name
}

function projectName({ state }: TableReadContext, id: number): string {
  return state.catalog.projectById(id)!.name
}
