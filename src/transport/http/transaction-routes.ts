import { encodeEnvelope } from '../../encoding/index.ts'
import type { TransactionEnvelope } from '../../encoding/index.ts'
import { commitResult, createDatabase, ddlFromJson, envelopeFromJson, QuorateError, toJson } from '../../model/index.ts'
import type { CommitResult, Token } from '../../model/index.ts'
import { DEFAULT_TIMEOUT_MS } from './options.ts'
import type { HttpCall } from './options.ts'
import { parseQuery } from './query.ts'
import { bodyText, readBody } from './request.ts'
import { commitQuery, ddlQuery, idempotencyKeyHeader, transactionQuery } from './schemas.ts'

/** JSON of a transaction is longer than its binary form: base64, names, quotes. */
const JSON_FACTOR = 2

/** POST /v1/commit: a `TransactionEnvelope`. */
export async function commitRoute(call: HttpCall): Promise<Response> {
  const { timeout_ms: timeoutMs } = parseQuery(commitQuery, call.query)
  const bytesMax = call.options.service.settings.transactionBytesMax * JSON_FACTOR
  const envelope = envelopeFromJson(bodyText(await readBody(call, bytesMax)), bytesMax)
  const result = await submit(call, encoded(withKeyOfHeader(call, envelope)), timeoutMs)
  const { seq, token, results, isDuplicate } = result
  return written(token, { seq, token, results, isDuplicate })
}

/** POST /v1/preflight: what a `TransactionEnvelope` would do; nothing is changed. */
export async function preflightRoute(call: HttpCall): Promise<Response> {
  const { timeout_ms: timeoutMs = DEFAULT_TIMEOUT_MS } = parseQuery(transactionQuery, call.query)
  const bytesMax = call.options.service.settings.transactionBytesMax * JSON_FACTOR
  const envelope = envelopeFromJson(bodyText(await readBody(call, bytesMax)), bytesMax)
  const found = await createDatabase(call.options.core, { caller: call.caller }).preflight(envelope, {
    timeoutMs,
    signal: call.request.signal,
  })
  return written(found.token, found)
}

/** POST /v1/ddl: an operation or a list of them, applied all or none; `order` as of `DdlOptions`. */
export async function ddlRoute(call: HttpCall): Promise<Response> {
  const { timeout_ms: timeoutMs = DEFAULT_TIMEOUT_MS, order } = parseQuery(ddlQuery, call.query)
  const { transactionBytesMax, mutationsMax } = call.options.service.settings
  const bytesMax = transactionBytesMax * JSON_FACTOR
  const operations = ddlFromJson(bodyText(await readBody(call, bytesMax)), bytesMax)
  // Before they are ordered, which the node does.
  if (operations.length > mutationsMax) {
    throw new QuorateError('transaction_too_large', `at most ${mutationsMax} mutations`)
  }
  const idempotencyKey = idempotencyKeyOf(call)
  const { seq, token, changed } = await createDatabase(call.options.core, { caller: call.caller }).ddl(operations, {
    timeoutMs,
    signal: call.request.signal,
    ...(order !== undefined && { order }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  })
  return written(token, { seq, token, changed })
}

function withKeyOfHeader(call: HttpCall, envelope: TransactionEnvelope): TransactionEnvelope {
  const idempotencyKey = idempotencyKeyOf(call)
  if (idempotencyKey === undefined) return envelope
  if (envelope.idempotencyKey !== undefined && envelope.idempotencyKey !== idempotencyKey) {
    throw new QuorateError('invalid_argument', 'Idempotency-Key and idempotencyKey of the body differ')
  }
  return { ...envelope, idempotencyKey }
}

function encoded(envelope: TransactionEnvelope): Uint8Array {
  try {
    return encodeEnvelope(envelope)
  } catch (cause) {
    if (cause instanceof RangeError) throw new QuorateError('malformed_request', cause.message, { cause })
    throw cause
  }
}

/** @throws QuorateError `invalid_argument` */
export function idempotencyKeyOf({ request }: HttpCall): string | undefined {
  const header = request.headers.get('idempotency-key')
  if (header === null) return undefined
  const parsed = idempotencyKeyHeader.safeParse(header)
  if (!parsed.success) throw new QuorateError('invalid_argument', 'Idempotency-Key: 1 to 128 visible characters')
  return parsed.data
}

/** Resolves when it is durable and applied. @throws QuorateError also for refusals */
export async function submit(
  call: HttpCall,
  envelope: Uint8Array,
  timeoutMs: number = DEFAULT_TIMEOUT_MS,
): Promise<CommitResult> {
  const { options, request, caller } = call
  const answer = await options.core.submit(envelope, { caller, signal: request.signal, timeoutMs })
  return commitResult(answer)
}

export function written(token: Token, body: unknown): Response {
  return new Response(toJson(body), { headers: { 'content-type': 'application/json', 'quorate-token': token } })
}
