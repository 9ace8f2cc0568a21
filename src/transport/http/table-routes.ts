import {
  formatToken,
  jobsRequest,
  QuorateError,
  queryFromText,
  requireName,
  type CoreRead,
  type JobPlace,
  type ReadRequest,
} from '../../model/index.ts'
import { DEFAULT_TIMEOUT_MS } from './options.ts'
import type { HttpCall } from './options.ts'
import { scopesProject, tableNames, usageName } from './paths.ts'
import { consistencyOf, parseQuery } from './query.ts'
import { bodyText, readBody } from './request.ts'
import { jobsQuery, queryQuery, readQuery, type ReadQuery } from './schemas.ts'
import { written } from './transaction-routes.ts'

/** A condition may hold thousands of values. */
const QUERY_BYTES_MAX = 1 << 20

/** POST /v1/query: a `QueryData`; with `explain=true` how it would be run, with `diagnostics=true` also how it was. */
export async function queryRoute(call: HttpCall): Promise<Response> {
  const { explain, diagnostics, ...reads } = parseQuery(queryQuery, call.query)
  if (explain && diagnostics) throw new QuorateError('invalid_argument', 'a query is explained or run')
  const query = queryFromText(bodyText(await readBody(call, QUERY_BYTES_MAX)), QUERY_BYTES_MAX)
  const request: ReadRequest = explain
    ? { type: 'explain', query }
    : { type: 'query', query, ...(diagnostics && { diagnostics }) }
  const { time } = call.options.core
  const startMs = time.monotonicMs()
  const read = await readFor(call, reads, request)
  const elapsedMs = time.monotonicMs() - startMs
  const { result } = read
  if (result.type === 'query') {
    const { columns, types, rows, cursor, examined } = result.result
    const page = { columns, types, rows, cursor, examined }
    return answered(read, diagnostics ? { ...page, diagnostics: result.diagnostics, elapsedMs } : page)
  }
  if (result.type === 'explain') return answered(read, result.plan)
  throw unfit(result.type)
}

/** GET /v1/tables/{project}/{scope}: the tables of the scope, and with `/{table}` one of them. */
export async function tablesRoute(call: HttpCall, path: string): Promise<Response> {
  const reads = parseQuery(readQuery, call.query)
  const { project, scope, table } = tableNames(path)
  requireName('project', project)
  requireName('scope', scope)
  if (table !== undefined) requireName('table', table)
  const read = await readFor(call, reads, {
    type: 'tables',
    project,
    scope,
    ...(table !== undefined && { table }),
  })
  if (read.result.type !== 'tables') throw unfit(read.result.type)
  return answered(read, { tables: read.result.tables })
}

/** GET /v1/projects: those in which the caller may do something. */
export async function projectsRoute(call: HttpCall): Promise<Response> {
  const read = await readFor(call, parseQuery(readQuery, call.query), { type: 'projects' })
  if (read.result.type !== 'projects') throw unfit(read.result.type)
  return answered(read, { projects: read.result.projects })
}

/** GET /v1/scopes/{project}: those of the project in which the caller may do something. */
export async function scopesRoute(call: HttpCall, path: string): Promise<Response> {
  const reads = parseQuery(readQuery, call.query)
  const project = scopesProject(path)
  requireName('project', project)
  const read = await readFor(call, reads, { type: 'scopes', project })
  if (read.result.type !== 'scopes') throw unfit(read.result.type)
  return answered(read, { scopes: read.result.scopes })
}

/** GET /v1/usage: what each project holds that the caller may ask about, and with `/{project}` one of them. */
export async function usageRoute(call: HttpCall, path: string): Promise<Response> {
  const reads = parseQuery(readQuery, call.query)
  const project = usageName(path)
  if (project !== undefined) requireName('project', project)
  const read = await readFor(call, reads, { type: 'usage', ...(project !== undefined && { project }) })
  if (read.result.type !== 'usage') throw unfit(read.result.type)
  return answered(read, { projects: read.result.projects })
}

/** GET /v1/settings: the replicated settings by name. */
export async function settingsRoute(call: HttpCall): Promise<Response> {
  const read = await readFor(call, parseQuery(readQuery, call.query), { type: 'settings' })
  if (read.result.type !== 'settings') throw unfit(read.result.type)
  return answered(read, { settings: read.result.settings })
}

/** GET /v1/head: how far reads see, and what a majority has synced; with `min_seq` it waits for that. */
export async function headRoute(call: HttpCall): Promise<Response> {
  const { seq, historyId } = await readFor(call, parseQuery(readQuery, call.query), { type: 'settings' })
  const token = formatToken(historyId, seq)
  return written(token, { visibleSeq: seq, durableSeq: seq, token })
}

/** GET /v1/jobs: what the database still does in the background. */
export async function jobsRoute(call: HttpCall): Promise<Response> {
  const { project, scope, table, ...reads } = parseQuery(jobsQuery, call.query)
  const place: JobPlace = {
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scope }),
    ...(table !== undefined && { table }),
  }
  const read = await readFor(call, reads, jobsRequest(place))
  if (read.result.type !== 'jobs') throw unfit(read.result.type)
  return answered(read, { jobs: read.result.jobs })
}

/** One read of the request's caller, by its consistency and within its time. */
export function readFor(call: HttpCall, query: ReadQuery, request: ReadRequest): Promise<CoreRead> {
  const { options, caller } = call
  return options.core.read(request, {
    caller,
    signal: call.request.signal,
    timeoutMs: query.timeout_ms ?? DEFAULT_TIMEOUT_MS,
    consistency: consistencyOf(query, options.service.historyId),
  })
}

/** A body with the seq that was read, and its token. */
export function answered({ seq, historyId }: CoreRead, body: object): Response {
  const token = formatToken(historyId, seq)
  return written(token, { ...body, seq, token })
}

export function unfit(answer: string): QuorateError {
  return new QuorateError('internal', `the read was answered by ${answer}`)
}
