import {
  ByteReader,
  MalformedBytes,
  readCells,
  readU64,
  utf8Bytes,
  writeCells,
  writeU16,
  writeU64,
} from '../../encoding/index.ts'
import type { ByteWriter } from '../../encoding/index.ts'
import { helloFromPlain } from './control.ts'
import {
  beginMessage,
  endMessage,
  MESSAGE_HEADER_BYTES,
  MessageCode,
  writeMessageHeader,
  type ClientFrameCursor,
} from './frame.ts'
import type { ClientMessage, CommitMessage, HelloMessage, ReadMessage, WatchMessage } from './messages.ts'
import { readPlain, writePlain } from './plain.ts'
import {
  readConsistency,
  readReadRequest,
  readToken,
  writeConsistency,
  writeMs,
  writeReadRequest,
  writeToken,
} from './read-request.ts'

/** What clients say, in binary. */

const COMMIT_FIXED_BYTES = 27
const NO_BYTES = new Uint8Array(0)

/**
 * Appends a message to the frame that `out` collects; the frame of a turn is `out.finish()`. A throw leaves `out` as it was.
 * @throws RangeError for what the format cannot hold, QuorateError `invalid_argument` for a token that is none
 */
export function appendClientMessage(out: ByteWriter, message: ClientMessage): void {
  if (message.type === 'commit') return appendCommit(out, message)
  const at = beginMessage(
    out,
    message.type === 'status' ? MessageCode.statusRequest : MessageCode[message.type],
    message.requestId,
  )
  try {
    writeBody(out, message)
  } catch (error) {
    out.truncate(at) // the other messages of the turn are whole
    throw error
  }
  return endMessage(out, at)
}

/** Hot path: bench/wire. */
function appendCommit(out: ByteWriter, message: CommitMessage): void {
  const caller = message.caller === '' ? NO_BYTES : utf8Bytes(message.caller)
  if (caller.length > 0xffff) throw new RangeError('caller too long')
  const { envelope } = message
  const length = MESSAGE_HEADER_BYTES + COMMIT_FIXED_BYTES + caller.length + envelope.length
  const at = out.reserve(length)
  const bytes = out.buffer
  writeMessageHeader(bytes, at, length, MessageCode.commit, message.requestId)
  const body = at + MESSAGE_HEADER_BYTES
  writeU64(bytes, body, message.serial)
  writeU64(bytes, body + 8, message.acknowledgedThrough)
  writeU64(bytes, body + 16, message.notAfterMicros)
  bytes[body + 24] = Math.min(message.copy, 255)
  writeU16(bytes, body + 25, caller.length)
  if (caller.length > 0) bytes.set(caller, body + COMMIT_FIXED_BYTES)
  bytes.set(envelope, body + COMMIT_FIXED_BYTES + caller.length)
}

function writeBody(out: ByteWriter, message: Exclude<ClientMessage, CommitMessage>): void {
  switch (message.type) {
    case 'hello':
      return writePlain(out, plainHello(message))
    case 'read':
      writeMs(out, message.timeoutMs)
      out.u32(message.viewId)
      writeConsistency(out, message.consistency)
      out.text16(message.caller)
      return writeReadRequest(out, message.request)
    case 'openView':
      writeMs(out, message.timeoutMs)
      writeConsistency(out, message.consistency)
      return out.text16(message.caller)
    case 'closeView':
      return out.u32(message.viewId)
    case 'watch':
      out.u8(
        (message.from === undefined ? 0 : WATCH_HAS_FROM) |
          (message.events === true ? WATCH_EVENTS : 0) |
          (message.table === undefined ? 0 : WATCH_ROWS),
      )
      out.text16(message.caller)
      out.text16(message.project)
      out.text16(message.scope)
      out.bytes16(message.prefix)
      if (message.table !== undefined) {
        out.text16(message.table)
        writeCells(out, message.key ?? {})
      }
      if (message.from !== undefined) writeToken(out, message.from)
      return
    case 'cancel':
    case 'ping':
    case 'status':
      return
    default:
      throw new RangeError(`unknown message ${(message satisfies never as { type: string }).type}`)
  }
}

function plainHello(hello: HelloMessage): unknown {
  const { protocol, clientName, clientVersion, token, session, as } = hello
  return {
    protocol,
    clientName,
    clientVersion,
    ...(token !== undefined && { token }),
    ...(session !== undefined && { session }),
    ...(as !== undefined && { as }),
  }
}

/** To be overwritten by `readClientMessage`. */
export function emptyCommitMessage(): CommitMessage {
  return {
    type: 'commit',
    requestId: 0,
    serial: 0,
    acknowledgedThrough: 0,
    notAfterMicros: 0,
    copy: 0,
    caller: '',
    envelope: NO_BYTES,
  }
}

/**
 * The message that the cursor stands on. Keys, prefixes and envelopes are views of the frame. A commit is written to `commit`: whoever
 * gives the same one again has done with the one before. @throws MalformedBytes
 */
export function readClientMessage(
  cursor: ClientFrameCursor,
  commit: CommitMessage = emptyCommitMessage(),
): ClientMessage {
  if (cursor.code === MessageCode.commit) return readCommit(cursor, commit)
  const { requestId } = cursor
  if (cursor.code === MessageCode.hello) {
    return helloFromPlain(readPlain(cursor.bytes, cursor.bodyStart, cursor.bodyEnd), requestId)
  }
  const reader = new ByteReader(cursor.bytes, cursor.bodyStart, cursor.bodyEnd)
  const message = readBody(reader, cursor.code, requestId)
  reader.expectEnd()
  return message
}

/** Hot path: bench/wire. The envelope itself is checked by whoever takes it (`checkEnvelope`). */
function readCommit(cursor: ClientFrameCursor, message: CommitMessage): CommitMessage {
  const { bytes, bodyStart: at, bodyEnd } = cursor
  if (bodyEnd - at < COMMIT_FIXED_BYTES) throw new MalformedBytes('commit cut')
  const callerLength = bytes[at + 25]! | (bytes[at + 26]! << 8)
  const envelopeStart = at + COMMIT_FIXED_BYTES + callerLength
  if (envelopeStart > bodyEnd) throw new MalformedBytes('commit: caller')
  message.requestId = cursor.requestId
  message.serial = readU64(bytes, at)
  message.acknowledgedThrough = readU64(bytes, at + 8)
  message.notAfterMicros = readU64(bytes, at + 16)
  message.copy = bytes[at + 24]!
  message.caller = callerLength === 0 ? '' : new ByteReader(bytes, at + 25, envelopeStart).text16()
  message.envelope = bytes.subarray(envelopeStart, bodyEnd)
  return message
}

function readBody(reader: ByteReader, code: number, requestId: number): ClientMessage {
  switch (code) {
    case MessageCode.read:
      return readRead(reader, requestId)
    case MessageCode.openView:
      return {
        type: 'openView',
        requestId,
        timeoutMs: reader.u32(),
        consistency: readConsistency(reader),
        caller: reader.text16(),
      }
    case MessageCode.closeView:
      return { type: 'closeView', requestId, viewId: reader.u32() }
    case MessageCode.watch:
      return readWatch(reader, requestId)
    case MessageCode.cancel:
      return { type: 'cancel', requestId }
    case MessageCode.ping:
      return { type: 'ping', requestId }
    case MessageCode.statusRequest:
      return { type: 'status', requestId }
    default:
      throw new MalformedBytes(`client message ${code}`)
  }
}

function readRead(reader: ByteReader, requestId: number): ReadMessage {
  return {
    type: 'read',
    requestId,
    timeoutMs: reader.u32(),
    viewId: reader.u32(),
    consistency: readConsistency(reader),
    caller: reader.text16(),
    request: readReadRequest(reader),
  }
}

/** Flags of a watch. */
const WATCH_HAS_FROM = 1
const WATCH_EVENTS = 2
const WATCH_ROWS = 4

function readWatch(reader: ByteReader, requestId: number): WatchMessage {
  const flags = reader.u8()
  if (flags > 7 || (flags & (WATCH_EVENTS | WATCH_ROWS)) === (WATCH_EVENTS | WATCH_ROWS)) {
    throw new MalformedBytes('watch flags')
  }
  return {
    type: 'watch',
    requestId,
    caller: reader.text16(),
    project: reader.text16(),
    scope: reader.text16(),
    prefix: reader.bytes16(),
    ...((flags & WATCH_ROWS) !== 0 && { table: reader.text16(), key: readCells(reader) }),
    from: (flags & WATCH_HAS_FROM) !== 0 ? readToken(reader) : undefined,
    ...((flags & WATCH_EVENTS) !== 0 && { events: true }),
  }
}
