import { ByteReader, MalformedBytes, readU64, writeU64, type ByteWriter } from '../../encoding/index.ts'
import { statusFromPlain, topologyFromPlain, welcomeFromPlain } from './control.ts'
import { readError, readLeader, writeError, writeLeader } from './error-body.ts'
import {
  beginMessage,
  endMessage,
  MESSAGE_HEADER_BYTES,
  MessageCode,
  writeMessageHeader,
  type ClientFrameCursor,
} from './frame.ts'
import { GOAWAY_REASONS, type GoawayMessage, type OutcomeMessage, type ServerMessage } from './messages.ts'
import { readPlain, writePlain } from './plain.ts'
import { writeMs } from './read-request.ts'
import { readReadResult, writeReadResult } from './read-result.ts'
import { readWatchEvents, writeWatchEvents } from './watch-events.ts'

/** What nodes say to clients, in binary. */

/** Appends a message to the frame that `out` collects. A throw leaves `out` as it was. @throws RangeError for what the format cannot hold */
export function appendServerMessage(out: ByteWriter, message: ServerMessage): void {
  if (message.type === 'outcome') {
    return appendOutcome(out, message.requestId, message.leaderTimeMicros, message.outcome)
  }
  const at = beginMessage(out, MessageCode[message.type], message.requestId)
  try {
    writeBody(out, message)
  } catch (error) {
    out.truncate(at) // the other messages of the turn are whole
    throw error
  }
  return endMessage(out, at)
}

/** An `OutcomeMessage` by its parts. Hot path: bench/wire. */
export function appendOutcome(out: ByteWriter, requestId: number, leaderTimeMicros: number, outcome: Uint8Array): void {
  const length = MESSAGE_HEADER_BYTES + 8 + outcome.length
  const at = out.reserve(length)
  const bytes = out.buffer
  writeMessageHeader(bytes, at, length, MessageCode.outcome, requestId)
  writeU64(bytes, at + MESSAGE_HEADER_BYTES, leaderTimeMicros)
  bytes.set(outcome, at + MESSAGE_HEADER_BYTES + 8)
}

function writeBody(out: ByteWriter, message: Exclude<ServerMessage, OutcomeMessage>): void {
  switch (message.type) {
    case 'welcome': {
      const { type: _type, requestId: _requestId, session, ...rest } = message
      return writePlain(out, session === undefined ? rest : { ...rest, session })
    }
    case 'topology':
      return writePlain(out, message.topology)
    case 'status':
      return writePlain(out, message.status)
    case 'readResult':
      out.u64(message.seq)
      return writeReadResult(out, message.result)
    case 'viewOpened':
      out.u32(message.viewId)
      return out.u64(message.seq)
    case 'watchEvents':
      return writeWatchEvents(out, message.events)
    case 'error':
      return writeError(out, message.error)
    case 'goaway':
      out.u8(GOAWAY_REASONS.indexOf(message.reason))
      out.u8(message.leader === undefined ? 0 : 1)
      writeMs(out, message.graceMs)
      if (message.leader !== undefined) writeLeader(out, message.leader)
      return
    case 'pong':
      return out.u64(message.leaderTimeMicros)
    default:
      throw new RangeError(`unknown message ${(message satisfies never as { type: string }).type}`)
  }
}

/** The message that the cursor stands on. Outcomes are views of the frame, keys and values are copies. @throws MalformedBytes */
export function readServerMessage(cursor: ClientFrameCursor): ServerMessage {
  const { code, requestId, bytes, bodyStart, bodyEnd } = cursor
  switch (code) {
    case MessageCode.outcome:
      if (bodyEnd - bodyStart < 8) throw new MalformedBytes('outcome cut')
      return {
        type: 'outcome',
        requestId,
        leaderTimeMicros: readU64(bytes, bodyStart),
        outcome: bytes.subarray(bodyStart + 8, bodyEnd),
      }
    case MessageCode.welcome:
      return welcomeFromPlain(readPlain(bytes, bodyStart, bodyEnd), requestId)
    case MessageCode.topology:
      return { type: 'topology', requestId, topology: topologyFromPlain(readPlain(bytes, bodyStart, bodyEnd)) }
    case MessageCode.status:
      return { type: 'status', requestId, status: statusFromPlain(readPlain(bytes, bodyStart, bodyEnd)) }
    default: {
      const reader = new ByteReader(bytes, bodyStart, bodyEnd)
      const message = readBody(reader, code, requestId)
      reader.expectEnd()
      return message
    }
  }
}

function readBody(reader: ByteReader, code: number, requestId: number): ServerMessage {
  switch (code) {
    case MessageCode.readResult:
      return { type: 'readResult', requestId, seq: reader.u64(), result: readReadResult(reader) }
    case MessageCode.viewOpened:
      return { type: 'viewOpened', requestId, viewId: reader.u32(), seq: reader.u64() }
    case MessageCode.watchEvents:
      return { type: 'watchEvents', requestId, events: readWatchEvents(reader) }
    case MessageCode.error:
      return { type: 'error', requestId, error: readError(reader) }
    case MessageCode.goaway:
      return readGoaway(reader, requestId)
    case MessageCode.pong:
      return { type: 'pong', requestId, leaderTimeMicros: reader.u64() }
    default:
      throw new MalformedBytes(`server message ${code}`)
  }
}

function readGoaway(reader: ByteReader, requestId: number): GoawayMessage {
  const reason = GOAWAY_REASONS[reader.u8()]
  const hasLeader = reader.u8()
  if (reason === undefined || hasLeader > 1) throw new MalformedBytes('goaway')
  const graceMs = reader.u32()
  return { type: 'goaway', requestId, reason, graceMs, leader: hasLeader === 1 ? readLeader(reader) : undefined }
}
