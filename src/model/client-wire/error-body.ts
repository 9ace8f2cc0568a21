import {
  MalformedBytes,
  readCondition,
  writeCondition,
  type ByteReader,
  type ByteWriter,
} from '../../encoding/index.ts'
import { isErrorCode, QuorateError, type Applied, type ErrorDetail, type LeaderHint } from '../errors.ts'

/**
 * A `QuorateError` in binary, for clients and between peers (docs/formats/client-wire.md):
 *
 *   text16 code, text16 message, u8 flags, [leader], [u32 backoff in ms], [detail]
 *   flags: bit 0 retryable, bits 1-2 applied (no, yes, unknown), bit 3 leader, bit 4 backoff, bit 5 detail
 *   detail: u8 which of index (u32), actual seq, oldest seq, newest seq (u64), file (text16), offset (u64), condition (outcome.md)
 */
const APPLIED: readonly Applied[] = ['no', 'yes', 'unknown']
const RETRYABLE = 1
const HAS_LEADER = 8
const HAS_BACKOFF = 16
const HAS_DETAIL = 32
const TEXT_BYTES_MAX = 4096

export function writeError(out: ByteWriter, error: QuorateError): void {
  out.text16(error.code)
  out.text16(bounded(error.message))
  out.u8(
    (error.retryable ? RETRYABLE : 0) |
      (APPLIED.indexOf(error.applied) << 1) |
      (error.leader === undefined ? 0 : HAS_LEADER) |
      (error.backoffMs === undefined ? 0 : HAS_BACKOFF) |
      (error.detail === undefined ? 0 : HAS_DETAIL),
  )
  if (error.leader !== undefined) writeLeader(out, error.leader)
  if (error.backoffMs !== undefined) out.u32(Math.min(Math.ceil(error.backoffMs), 0xffffffff))
  if (error.detail !== undefined) writeDetail(out, error.detail)
}

/** A message that names somebody's input may be long; a quarter of its bound in characters fits in any alphabet. */
function bounded(message: string): string {
  return message.length > TEXT_BYTES_MAX / 4 ? `${message.slice(0, TEXT_BYTES_MAX / 4)}...` : message
}

/** A code that this version does not know becomes `internal`, named in the message; what the server decided stays. */
export function readError(reader: ByteReader): QuorateError {
  const code = reader.text16()
  const message = reader.text16()
  const flags = reader.u8()
  const applied = APPLIED[(flags >> 1) & 3]
  if (flags > 63 || applied === undefined) throw new MalformedBytes('error flags')
  return makeError(code, message, {
    retryable: (flags & RETRYABLE) !== 0,
    applied,
    ...((flags & HAS_LEADER) !== 0 && { leader: readLeader(reader) }),
    ...((flags & HAS_BACKOFF) !== 0 && { backoffMs: reader.u32() }),
    ...((flags & HAS_DETAIL) !== 0 && { detail: readDetail(reader) }),
  })
}

export function makeError(
  code: string,
  message: string,
  options: { retryable: boolean; applied: Applied; leader?: LeaderHint; backoffMs?: number; detail?: ErrorDetail },
): QuorateError {
  return isErrorCode(code)
    ? new QuorateError(code, message, options)
    : new QuorateError('internal', `${code}: ${message}`, options)
}

/** u32 node id, u64 term, text16 client address. */
export function writeLeader(out: ByteWriter, leader: LeaderHint): void {
  out.u32(leader.nodeId)
  out.u64(leader.term)
  out.text16(leader.clientAddress)
}

export function readLeader(reader: ByteReader): LeaderHint {
  return { nodeId: reader.u32(), term: reader.u64(), clientAddress: reader.text16() }
}

function writeDetail(out: ByteWriter, detail: ErrorDetail): void {
  const { index, actualSeq, oldestSeq, newestSeq, file, offset, condition } = detail
  const which = [index, actualSeq, oldestSeq, newestSeq, file, offset, condition]
  out.u8(which.reduce<number>((bits, value, i) => (value === undefined ? bits : bits | (1 << i)), 0))
  if (index !== undefined) out.u32(index)
  if (actualSeq !== undefined) out.u64(actualSeq)
  if (oldestSeq !== undefined) out.u64(oldestSeq)
  if (newestSeq !== undefined) out.u64(newestSeq)
  if (file !== undefined) out.text16(bounded(file))
  if (offset !== undefined) out.u64(offset)
  if (condition !== undefined) writeCondition(out, condition)
}

function readDetail(reader: ByteReader): ErrorDetail {
  const which = reader.u8()
  if (which > 127) throw new MalformedBytes('error detail')
  return {
    ...((which & 1) !== 0 && { index: reader.u32() }),
    ...((which & 2) !== 0 && { actualSeq: reader.u64() }),
    ...((which & 4) !== 0 && { oldestSeq: reader.u64() }),
    ...((which & 8) !== 0 && { newestSeq: reader.u64() }),
    ...((which & 16) !== 0 && { file: reader.text16() }),
    ...((which & 32) !== 0 && { offset: reader.u64() }),
    ...((which & 64) !== 0 && { condition: readCondition(reader) }),
  }
}
