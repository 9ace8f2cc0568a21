import {
  ddlFromJson as ddlOperationsFromJson,
  decodeEnvelope,
  decodeOutcome,
  encodeEnvelope,
  encodeOutcome,
  integerToJson,
  JSON_DATA,
  MalformedBytes,
  MalformedData,
  readRowData,
  transactionFromJson,
} from '../../encoding/index.ts'
import type { Ddl, Outcome, TransactionEnvelope } from '../../encoding/index.ts'
import type { Change } from '../database.ts'
import { QuorateError, type Applied, type ErrorDetail, type LeaderHint } from '../errors.ts'
import { toBase64 } from './base64.ts'
import { helloFromPlain, statusFromPlain, topologyFromPlain, welcomeFromPlain } from './control.ts'
import { makeError } from './error-body.ts'
import {
  asList,
  asMap,
  booleanField,
  bytesField,
  choiceField,
  field,
  integerField,
  listField,
  optionalField,
  textField,
  type PlainMap,
} from './fields.ts'
import { conditionField } from './json-condition.ts'
import { outcomeFromPlain } from './json-envelope.ts'
import { consistencyFromPlain, readRequestFromPlain, readResultFromPlain, tokenField } from './json-reads.ts'
import { watchedRowsFromPlain } from './watched-rows.ts'
import { GOAWAY_REASONS } from './messages.ts'
import type { ClientMessage, CommitMessage, ServerMessage, WatchMessage, WireWatchEvent } from './messages.ts'
import type { QueryData } from '../query.ts'
import { queryFromJson } from '../query-data.ts'

/**
 * The messages of client-wire as text frames: a JSON array of messages, each an object with `type`, `requestId` and its fields by
 * name. Bytes are {"$b": base64}, integers beyond 2^53 decimal texts, `envelope` and `outcome` are data. For the HTTP door as well.
 */

const U32_MAX = 0xffffffff

/** JSON.stringify with bytes, bigints, errors. `undefined` fields are left out, in lists they are null. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, replaceValue)
}

function replaceValue(this: unknown, key: string, value: unknown): unknown {
  // `value` has been through toJSON, which a Buffer has: look at the original.
  const original = (this as Record<string, unknown>)[key]
  if (original instanceof Uint8Array) return { $b: toBase64(original) }
  if (typeof original === 'bigint') return integerToJson(original)
  if (original instanceof QuorateError) return errorToPlain(original)
  return value
}

/** The body of an error on every JSON door. */
export function errorToPlain(error: QuorateError): Record<string, unknown> {
  const { code, message, retryable, applied, leader, detail, backoffMs } = error
  return { code, message, retryable, applied, leader, detail, backoffMs }
}

export function clientMessagesToJson(messages: readonly ClientMessage[]): string {
  return toJson(
    messages.map(m => {
      if (m.type === 'commit') return { ...m, envelope: decodeEnvelope(m.envelope) }
      if (m.type !== 'read' || m.request.type !== 'preflight') return m
      return { ...m, request: { ...m.request, envelope: decodeEnvelope(m.request.envelope) } }
    }),
  )
}

export function serverMessagesToJson(messages: readonly ServerMessage[]): string {
  return toJson(
    messages.map(m => {
      if (m.type === 'outcome') return { ...m, outcome: decodeOutcome(m.outcome) }
      if (m.type !== 'readResult') return m
      const { result } = m
      if (result.type !== 'outcome' && result.type !== 'preflight') return m
      return result.outcome === undefined ? m : { ...m, result: { ...result, outcome: decodeOutcome(result.outcome) } }
    }),
  )
}

/** @throws QuorateError `malformed_request`, `frame_too_large` */
export function clientMessagesFromJson(text: string, maxFrameBytes: number): ClientMessage[] {
  return fromJson(text, maxFrameBytes, frame => asList(frame, 'frame').map(clientMessage))
}

/** @throws QuorateError `malformed_request`, `frame_too_large` */
export function serverMessagesFromJson(text: string, maxFrameBytes: number): ServerMessage[] {
  return fromJson(text, maxFrameBytes, frame => asList(frame, 'frame').map(serverMessage))
}

/** The body of `POST /v1/commit`. @throws QuorateError `malformed_request`, `frame_too_large` */
export function envelopeFromJson(text: string, maxBytes: number): TransactionEnvelope {
  return fromJson(text, maxBytes, transactionFromJson)
}

/** The body of `POST /v1/ddl`: an operation or a list. @throws QuorateError `malformed_request`, `frame_too_large` */
export function ddlFromJson(text: string, maxBytes: number): Ddl[] {
  return fromJson(text, maxBytes, ddlOperationsFromJson)
}

/** The body of `POST /v1/query`. @throws QuorateError `malformed_request`, `frame_too_large` */
export function queryFromText(text: string, maxBytes: number): QueryData {
  return fromJson(text, maxBytes, queryFromJson)
}

export function outcomeToJson(outcome: Outcome): string {
  return toJson(outcome)
}

function fromJson<T>(text: string, maxBytes: number, read: (value: unknown) => T): T {
  if (text.length > maxBytes) {
    throw new QuorateError('frame_too_large', `${text.length} characters, at most ${maxBytes} are allowed`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new QuorateError('malformed_request', 'not JSON', { cause })
  }
  try {
    return read(value)
  } catch (cause) {
    // RangeError: what the binary form cannot hold (lengths, counts, integers).
    if (cause instanceof MalformedBytes || cause instanceof MalformedData || cause instanceof RangeError) {
      throw new QuorateError('malformed_request', cause.message, { cause })
    }
    throw cause
  }
}

function clientMessage(value: unknown): ClientMessage {
  const map = asMap(value, 'message')
  const requestId = integerField(map, 'requestId', U32_MAX)
  const type = textField(map, 'type')
  switch (type) {
    case 'hello':
      return helloFromPlain(map, requestId)
    case 'commit':
      return commitFromPlain(map, requestId)
    case 'read':
    case 'openView': {
      const timeoutMs = integerField(map, 'timeoutMs', U32_MAX)
      const consistency = consistencyFromPlain(field(map, 'consistency'))
      const common = { requestId, timeoutMs, consistency, caller: textField(map, 'caller') }
      if (type === 'openView') return { type, ...common }
      const viewId = integerField(map, 'viewId', U32_MAX)
      return { type, ...common, viewId, request: readRequestFromPlain(field(map, 'request')) }
    }
    case 'closeView':
      return { type, requestId, viewId: integerField(map, 'viewId', U32_MAX) }
    case 'watch':
      return watchFromPlain(map, requestId)
    case 'cancel':
    case 'ping':
    case 'status':
      return { type, requestId }
    default:
      throw new MalformedBytes(`unknown message ${JSON.stringify(type.slice(0, 80))}`)
  }
}

function commitFromPlain(map: PlainMap, requestId: number): CommitMessage {
  return {
    type: 'commit',
    requestId,
    serial: integerField(map, 'serial'),
    acknowledgedThrough: integerField(map, 'acknowledgedThrough'),
    notAfterMicros: integerField(map, 'notAfterMicros'),
    copy: integerField(map, 'copy', 255),
    caller: textField(map, 'caller'),
    envelope: encodeEnvelope(transactionFromJson(field(map, 'envelope'))),
  }
}

function watchFromPlain(map: PlainMap, requestId: number): WatchMessage {
  return {
    type: 'watch',
    requestId,
    caller: textField(map, 'caller'),
    project: textField(map, 'project'),
    scope: textField(map, 'scope'),
    prefix: bytesField(map, 'prefix'),
    ...watchedTableField(map),
    from: optionalField(map, 'from', tokenField),
    ...(optionalField(map, 'events', booleanField) === true && { events: true }),
  }
}

function watchedTableField(map: PlainMap): Pick<WatchMessage, 'table' | 'key'> {
  const table = optionalField(map, 'table', textField)
  if (table === undefined) return {}
  if (optionalField(map, 'events', booleanField) === true) throw new MalformedBytes('a watch of rows and of events')
  const key = optionalField(map, 'key', field)
  return { table, ...(key !== undefined && { key: readRowData(key, 'key', JSON_DATA) }) }
}

function serverMessage(value: unknown): ServerMessage {
  const map = asMap(value, 'message')
  const requestId = integerField(map, 'requestId', U32_MAX)
  const type = textField(map, 'type')
  switch (type) {
    case 'welcome':
      return welcomeFromPlain(map, requestId)
    case 'topology':
      return { type, requestId, topology: topologyFromPlain(field(map, 'topology')) }
    case 'outcome': {
      const leaderTimeMicros = integerField(map, 'leaderTimeMicros')
      return { type, requestId, leaderTimeMicros, outcome: encodeOutcome(outcomeFromPlain(field(map, 'outcome'))) }
    }
    case 'readResult':
      return { type, requestId, seq: integerField(map, 'seq'), result: readResultFromPlain(field(map, 'result')) }
    case 'viewOpened':
      return { type, requestId, viewId: integerField(map, 'viewId', U32_MAX), seq: integerField(map, 'seq') }
    case 'watchEvents':
      return { type, requestId, events: listField(map, 'events').map(watchEventFromPlain) }
    case 'error':
      return { type, requestId, error: errorFromPlain(field(map, 'error')) }
    case 'goaway': {
      const graceMs = integerField(map, 'graceMs', U32_MAX)
      const leader = optionalField(map, 'leader', leaderField)
      return { type, requestId, reason: choiceField(map, 'reason', GOAWAY_REASONS), graceMs, leader }
    }
    case 'pong':
      return { type, requestId, leaderTimeMicros: integerField(map, 'leaderTimeMicros') }
    case 'status':
      return { type, requestId, status: statusFromPlain(field(map, 'status')) }
    default:
      throw new MalformedBytes(`unknown message ${JSON.stringify(type.slice(0, 80))}`)
  }
}

function watchEventFromPlain(value: unknown): WireWatchEvent {
  const map = asMap(value, 'event')
  const type = choiceField(map, 'type', ['commit', 'rows', 'progress', 'reset'])
  const seq = integerField(map, 'seq')
  if (type === 'progress') return { type, seq }
  if (type === 'reset') return { type, seq, viewId: integerField(map, 'viewId', U32_MAX) }
  if (type === 'rows') return { type, seq, ...watchedRowsFromPlain(map) }
  return { type, seq, changes: listField(map, 'changes').map(change => changeFromPlain(change, seq)) }
}

function changeFromPlain(value: unknown, commitSeq: number): Change {
  const map = asMap(value, 'change')
  const kind = choiceField(map, 'kind', ['put', 'delete', 'expire'])
  const seq = integerField(map, 'seq')
  if (seq !== commitSeq) throw new MalformedBytes('change: seq of another commit')
  return { key: bytesField(map, 'key'), kind, value: kind === 'put' ? bytesField(map, 'value') : undefined, seq }
}

const APPLIED: readonly Applied[] = ['no', 'yes', 'unknown']

export function errorFromPlain(value: unknown): QuorateError {
  const map = asMap(value, 'error')
  const leader = optionalField(map, 'leader', leaderField)
  const backoffMs = optionalField(map, 'backoffMs', integerField)
  const detail = optionalField(map, 'detail', detailField)
  return makeError(textField(map, 'code'), textField(map, 'message'), {
    retryable: booleanField(map, 'retryable'),
    applied: choiceField(map, 'applied', APPLIED),
    ...(leader !== undefined && { leader }),
    ...(backoffMs !== undefined && { backoffMs }),
    ...(detail !== undefined && { detail }),
  })
}

function leaderField(parent: PlainMap, name: string): LeaderHint {
  const map = asMap(field(parent, name), name)
  return {
    nodeId: integerField(map, 'nodeId', U32_MAX),
    clientAddress: textField(map, 'clientAddress'),
    term: integerField(map, 'term'),
  }
}

function detailField(parent: PlainMap, name: string): ErrorDetail {
  const map = asMap(field(parent, name), name)
  const detail: ErrorDetail = {}
  for (const number of ['index', 'actualSeq', 'oldestSeq', 'newestSeq', 'offset'] as const) {
    const given = optionalField(map, number, integerField)
    if (given !== undefined) detail[number] = given
  }
  const file = optionalField(map, 'file', textField)
  if (file !== undefined) detail.file = file
  const condition = optionalField(map, 'condition', conditionField)
  if (condition !== undefined) detail.condition = condition
  return detail
}
