import { prefixSuccessor } from '../../encoding/index.ts'
import { formatToken, toJson } from '../../model/index.ts'
import type { KvEntry, ReadRequest } from '../../model/index.ts'
import { formatCursor, parseCursor } from './cursor.ts'
import { DEFAULT_TIMEOUT_MS } from './options.ts'
import type { HttpCall } from './options.ts'
import type { KeyPath } from './paths.ts'
import { consistencyOf, parseQuery, queryBytes } from './query.ts'
import { listQuery } from './schemas.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** GET /v1/kv/{project}/{scope}: one page. The cursor names the seq of the first page, so that all pages show the same state. */
export async function listKeys(call: HttpCall, { project, scope }: KeyPath): Promise<Response> {
  const { options, request, caller } = call
  const query = parseQuery(listQuery, call.query)
  const { limit, reverse, values } = query
  const prefix = queryBytes(query.prefix ?? '')
  const cursor = query.cursor === undefined ? undefined : parseCursor(query.cursor, { reverse, prefix })
  const consistency = consistencyOf(
    cursor === undefined ? query : { ...query, at_seq: cursor.token },
    options.service.historyId,
  )
  const scan: ReadRequest = {
    type: 'scan',
    project,
    scope,
    ...range(prefix, cursor?.lastKey, reverse),
    reverse,
    limit,
    keysOnly: !values,
  }
  const { result, seq, historyId } = await options.core.read(scan, {
    caller,
    signal: request.signal,
    timeoutMs: query.timeout_ms ?? DEFAULT_TIMEOUT_MS,
    consistency,
  })
  const { entries, more } = result.type === 'scan' ? result : { entries: [], more: false }
  const token = formatToken(historyId, seq)
  const lastKey = entries.at(-1)?.key
  const next = more && lastKey !== undefined ? formatCursor({ token, reverse, prefix, lastKey }) : undefined
  const body = { seq, token, entries: entries.map(entry => plainEntry(entry, values)), cursor: next }
  return new Response(toJson(body), { headers: { 'content-type': 'application/json', 'quorate-token': token } })
}

/** The keys that are left of a list. */
export function range(
  prefix: Uint8Array,
  lastKey: Uint8Array | undefined,
  reverse: boolean,
): { start?: Uint8Array; end?: Uint8Array } {
  const end = prefix.length === 0 ? undefined : prefixSuccessor(prefix)
  if (lastKey !== undefined && reverse) return { start: prefix, end: lastKey }
  const start = lastKey === undefined ? prefix : after(lastKey)
  return { start, ...(end !== undefined && { end }) }
}

/** The smallest key greater than `key`. */
function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

/** An entry as lists tell it. */
export function plainEntry(
  { key, value, seq, createdSeq, expiresAtMicros }: KvEntry,
  values: boolean,
): Record<string, unknown> {
  return { key, text: textOf(key), ...(values && { value }), seq, createdSeq, expiresAtMicros }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
