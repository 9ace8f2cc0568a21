import { formatToken, QuorateError, toJson } from '../../model/index.ts'
import type { CoreRead, KvEntry, ReadRequest, Token } from '../../model/index.ts'
import { formatScopesCursor, parseScopesCursor } from './cursor.ts'
import type { ScopesCursor } from './cursor.ts'
import { plainEntry, range } from './list-route.ts'
import { DEFAULT_TIMEOUT_MS } from './options.ts'
import type { HttpCall } from './options.ts'
import { consistencyOf, parseQuery, queryBytes } from './query.ts'
import { listQuery } from './schemas.ts'
import type { ListQuery } from './schemas.ts'

/** One request looks at so many scopes, and its page ends at the first scope after so many bytes. */
const SCOPES_MAX = 64
const PAGE_BYTES_MAX = 1_048_576

type Found = KvEntry & { readonly scope: string }
type Read = (request: ReadRequest) => Promise<CoreRead>

interface Page {
  readonly entries: Found[]
  /** Where the next page begins; undefined = this is the last one. */
  next: Pick<ScopesCursor, 'scope' | 'lastKey'> | undefined
}

/**
 * GET /v1/kv/{project}: one page of the keys of all scopes that the caller may read in this range, scope by scope by name. A page may hold fewer
 * entries than asked for, none even, and still have a cursor.
 */
export async function listScopes(call: HttpCall, project: string): Promise<Response> {
  const { options, request, caller } = call
  const query = parseQuery(listQuery, call.query)
  const { reverse } = query
  const prefix = queryBytes(query.prefix ?? '')
  const cursor = query.cursor === undefined ? undefined : parseScopesCursor(query.cursor, { reverse, prefix })
  const asked = cursor === undefined ? query : { ...query, at_seq: cursor.token }
  const { core, service } = options
  const timeoutMs = query.timeout_ms ?? DEFAULT_TIMEOUT_MS
  const reading = { caller, signal: request.signal, timeoutMs }
  const endMs = core.time.monotonicMs() + timeoutMs
  // One state for all scopes: an older one is made once.
  const view = await core.openView({ ...reading, consistency: consistencyOf(asked, service.historyId) })
  const read = (wanted: ReadRequest): Promise<CoreRead> => {
    if (request.signal.aborted) throw new QuorateError('aborted', 'the caller stopped waiting')
    if (core.time.monotonicMs() >= endMs) {
      throw new QuorateError('timeout', 'the time given is used up', { retryable: true })
    }
    return core.read(wanted, { ...reading, view })
  }
  try {
    const places = await read({ type: 'scopes', project })
    const token = formatToken(places.historyId, places.seq)
    const page = await readPage(read, { project, prefix, query, cursor }, scopeNames(places, reverse))
    return answered(page, { token, seq: places.seq, reverse, prefix, values: query.values })
  } finally {
    await view.close()
  }
}

function answered(
  { entries, next }: Page,
  {
    token,
    seq,
    reverse,
    prefix,
    values,
  }: { token: Token; seq: number; reverse: boolean; prefix: Uint8Array; values: boolean },
): Response {
  const cursor = next === undefined ? undefined : formatScopesCursor({ token, reverse, prefix, ...next })
  const body = {
    seq,
    token,
    entries: entries.map(entry => ({ scope: entry.scope, ...plainEntry(entry, values) })),
    cursor,
  }
  return new Response(toJson(body), { headers: { 'content-type': 'application/json', 'quorate-token': token } })
}

function scopeNames({ result }: CoreRead, reverse: boolean): string[] {
  if (result.type !== 'scopes') throw new QuorateError('internal', `the read was answered by ${result.type}`)
  const names = result.scopes.map(({ name }) => name)
  return reverse ? names.toReversed() : names
}

interface Asked {
  readonly project: string
  readonly prefix: Uint8Array
  readonly query: ListQuery
  readonly cursor: ScopesCursor | undefined
}

async function readPage(
  read: Read,
  { project, prefix, query, cursor }: Asked,
  names: readonly string[],
): Promise<Page> {
  const { reverse, limit, values } = query
  const page: Page = { entries: [], next: undefined }
  const first = cursor === undefined ? 0 : names.indexOf(cursor.scope)
  if (first < 0) throw new QuorateError('invalid_argument', 'this is no cursor of this list')
  let bytes = 0
  let denied: QuorateError | undefined
  let isAnyRead = cursor !== undefined
  for (let at = first; at < names.length; at++) {
    const scope = names[at]!
    if (page.entries.length === limit || bytes > PAGE_BYTES_MAX || at - first === SCOPES_MAX) {
      page.next = { scope, lastKey: undefined }
      return page
    }
    const lastKey = at === first ? cursor?.lastKey : undefined
    const left = limit - page.entries.length
    const found = await scanOf(read, {
      type: 'scan',
      project,
      scope,
      ...range(prefix, lastKey, reverse),
      reverse,
      limit: left,
      keysOnly: !values,
    })
    if (found instanceof QuorateError) {
      denied = found
      continue
    }
    isAnyRead = true
    for (const entry of found.entries) {
      bytes += entry.key.length + entry.value.length
      page.entries.push({ ...entry, scope })
    }
    const last = found.entries.at(-1)
    if (found.more && last !== undefined) {
      page.next = { scope, lastKey: last.key }
      return page
    }
  }
  if (!isAnyRead && denied !== undefined) throw denied
  return page
}

/** The refusal of a scope that the caller may not read is an answer. */
async function scanOf(
  read: Read,
  request: ReadRequest,
): Promise<{ entries: readonly KvEntry[]; more: boolean } | QuorateError> {
  try {
    const { result } = await read(request)
    if (result.type !== 'scan') throw new QuorateError('internal', `the read was answered by ${result.type}`)
    return result
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'permission_denied') return error
    throw error
  }
}
