import { QuorateError, requireName, type EventCondition } from '../../model/index.ts'
import type { HttpCall } from './options.ts'
import { commitOfPath, eventNames } from './paths.ts'
import { parseQuery } from './query.ts'
import { eventsQuery, eventSummaryQuery, readQuery } from './schemas.ts'
import { answered, readFor, unfit } from './table-routes.ts'

/**
 * GET /v1/events/{project}/{scope}: events that transactions have emitted, page by page; without the scope those of all scopes; with
 * `/summary` behind it what there is.
 */
export async function eventsRoute(call: HttpCall, path: string): Promise<Response> {
  const { project, scope, isSummary } = eventNames(path)
  requireName('project', project)
  if (scope === undefined) return listEvents(call, { project })
  requireName('scope', scope)
  return isSummary ? summarize(call, { project, scope }) : listEvents(call, { project, scope })
}

async function listEvents(call: HttpCall, place: { project: string; scope?: string }): Promise<Response> {
  const query = parseQuery(eventsQuery, call.query)
  const { topic, key, from_seq, to_seq, from_micros, to_micros, where, after, limit, reverse, ...reads } = query
  if (topic !== undefined) requireName('topic', topic)
  const read = await readFor(call, reads, {
    type: 'events',
    ...place,
    ...(topic !== undefined && { topic }),
    ...(key !== undefined && { key }),
    ...(from_seq !== undefined && { fromSeq: from_seq }),
    ...(to_seq !== undefined && { toSeq: to_seq }),
    ...(from_micros !== undefined && { fromMicros: from_micros }),
    ...(to_micros !== undefined && { toMicros: to_micros }),
    ...(where !== undefined && { where: conditionsOf(where) }),
    afterSeq: after,
    limit,
    ...(reverse && { reverse }),
  })
  if (read.result.type !== 'events') throw unfit(read.result.type)
  const { events, nextSeq, removedThroughSeq } = read.result
  const more = nextSeq > 0
  return answered(read, { events, more, ...(more && { next: nextSeq }), removedThroughSeq })
}

async function summarize(call: HttpCall, place: { project: string; scope: string }): Promise<Response> {
  const { topic, after_topic: afterTopic, topics, ...reads } = parseQuery(eventSummaryQuery, call.query)
  for (const name of [topic, afterTopic]) if (name !== undefined) requireName('topic', name)
  const read = await readFor(call, reads, {
    type: 'eventSummary',
    ...place,
    ...(topic !== undefined && { topic }),
    ...(afterTopic !== undefined && { afterTopic }),
    topics,
  })
  if (read.result.type !== 'eventSummary') throw unfit(read.result.type)
  return answered(read, read.result.summary)
}

/** GET /v1/commits/{seq}/events: what a commit has emitted, into whatever scope that the caller may read. */
export async function commitEventsRoute(call: HttpCall, path: string): Promise<Response> {
  const reads = parseQuery(readQuery, call.query)
  const seq = commitOfPath(path)
  const read = await readFor(call, reads, { type: 'events', fromSeq: seq, toSeq: seq, afterSeq: 0, limit: 1 })
  if (read.result.type !== 'events') throw unfit(read.result.type)
  if (seq > read.seq) throw new QuorateError('seq_unavailable', `seq ${seq} is not in the state of seq ${read.seq}`)
  const { events, removedThroughSeq } = read.result
  return answered(read, { events, mayBeRemoved: removedThroughSeq >= seq })
}

/** @throws QuorateError `invalid_argument` */
function conditionsOf(text: string): EventCondition[] {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch (cause) {
    throw new QuorateError('invalid_argument', 'where is not JSON', { cause })
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new QuorateError('invalid_argument', 'where is a JSON object of JSON pointers and values')
  }
  return Object.entries(data).map(([pointer, equals]: [string, unknown]) => {
    if (equals === null || typeof equals === 'string' || typeof equals === 'number' || typeof equals === 'boolean') {
      return { pointer, equals }
    }
    throw new QuorateError(
      'invalid_argument',
      `where: ${pointer} is compared with a text, a number, true, false or null`,
    )
  })
}
