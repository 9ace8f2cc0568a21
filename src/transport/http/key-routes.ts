import { encodeEnvelope } from '../../encoding/index.ts'
import type { Assertion, Mutation } from '../../encoding/index.ts'
import { formatToken, QuorateError } from '../../model/index.ts'
import { DEFAULT_TIMEOUT_MS } from './options.ts'
import type { HttpCall } from './options.ts'
import { consistencyOf, parseQuery } from './query.ts'
import { readBody } from './request.ts'
import { deleteQuery, putQuery, readQuery } from './schemas.ts'
import { idempotencyKeyOf, submit, written } from './transaction-routes.ts'

/** Bytes of the answer as they are; what else is known of the key stands in headers. */
export async function getKey(call: HttpCall, project: string, scope: string, key: Uint8Array): Promise<Response> {
  const { options, request, caller } = call
  const query = parseQuery(readQuery, call.query)
  const { result, seq, historyId } = await options.core.read(
    { type: 'get', project, scope, keys: [key] },
    {
      caller,
      signal: request.signal,
      timeoutMs: query.timeout_ms ?? DEFAULT_TIMEOUT_MS,
      consistency: consistencyOf(query, options.service.historyId),
    },
  )
  const entry = result.type === 'get' ? result.entries[0] : undefined
  const token = formatToken(historyId, seq)
  if (entry === undefined) throw new AbsentKey(token)
  return new Response(entry.value.slice(), {
    headers: {
      'content-type': 'application/octet-stream',
      'quorate-token': token,
      'quorate-seq': String(entry.seq),
      'quorate-created-seq': String(entry.createdSeq),
      ...(entry.expiresAtMicros !== undefined && { 'quorate-expires-at-micros': String(entry.expiresAtMicros) }),
    },
  })
}

/** A key that is absent; its absence has a token too. */
export class AbsentKey extends QuorateError {
  readonly token: string
  constructor(token: string) {
    super('not_found', 'there is no such key')
    this.token = token
  }
}

export async function putKey(call: HttpCall, project: string, scope: string, key: Uint8Array): Promise<Response> {
  const { ttl_ms: ttlMs, if_seq: ifSeq, timeout_ms: timeoutMs } = parseQuery(putQuery, call.query)
  const { valueBytesMax } = call.options.service.settings
  const value = await readBody(call, valueBytesMax)
  const mutation: Mutation = { type: 'kvSet', project, scope, key, value, ...(ttlMs !== undefined && { ttlMs }) }
  return writeKey(call, mutation, ifSeq, timeoutMs)
}

export async function deleteKey(call: HttpCall, project: string, scope: string, key: Uint8Array): Promise<Response> {
  const { if_seq: ifSeq, timeout_ms: timeoutMs } = parseQuery(deleteQuery, call.query)
  return writeKey(call, { type: 'kvDelete', project, scope, key }, ifSeq, timeoutMs)
}

async function writeKey(
  call: HttpCall,
  mutation: Extract<Mutation, { type: 'kvSet' | 'kvDelete' }>,
  ifSeq: number | undefined,
  timeoutMs: number | undefined,
): Promise<Response> {
  const { project, scope = 'app', key } = mutation
  const assertion: Assertion[] = ifSeq === undefined ? [] : [{ type: 'keyVersion', project, scope, key, seq: ifSeq }]
  const idempotencyKey = idempotencyKeyOf(call)
  const envelope = encodeEnvelope({
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(assertion.length > 0 && { assertions: assertion }),
    mutations: [mutation],
  })
  const { seq, token, isDuplicate } = await submit(call, envelope, timeoutMs)
  return written(token, { seq, token, isDuplicate })
}
