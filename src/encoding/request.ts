import {
  ByteReader,
  ByteWriter,
  MalformedBytes,
  readU16,
  readU64,
  unwrittenBytes,
  utf8Bytes,
  writeU16,
  writeU32,
  writeU64,
} from './bytes.ts'

/**
 * What a door puts before an envelope to make the payload of a transaction entry (docs/formats/envelope.md).
 *
 *   0 u8 format (1)   1 u8 copy   2 u16 caller length   4 u32 zero
 *   8 u64 session   16 u64 serial   24 u64 acknowledged through   32 u64 not after (us of leader time, 0 = no bound)
 *   40 caller, UTF-8   then the envelope to the end
 */
export const REQUEST_HEADER_BYTES = 40
const REQUEST_FORMAT = 1

export interface RequestHeader {
  caller: string
  /** Seq of the entry that opened the session; 0 = none (the request has no exactly-once window). */
  session: number
  /** The request's number within its session, from 1. */
  serial: number
  /** All serials up to this one have been answered; their outcomes may be forgotten. */
  acknowledgedThrough: number
  /** Leader time after which the request must not be applied any more; 0 = no bound. The same in all copies. */
  notAfterMicros: number
  /** 0 on first sending; raised by whoever sends again. Saturates at 255. */
  copy: number
}

/** What `notAfterMicros` is for a request that has `leftMs` left; 0, no bound, where that is longer than a field can say. */
export function notAfterOf(leaderTimeMicros: number, leftMs: number): number {
  const micros = leaderTimeMicros + Math.ceil(leftMs * 1000)
  return Number.isSafeInteger(micros) ? micros : 0
}

/** Most requests of a process have the caller of the one before. */
let lastCaller = ''
let lastCallerBytes: Uint8Array = new Uint8Array(0)

function callerBytes(caller: string): Uint8Array {
  if (caller !== lastCaller) {
    lastCallerBytes = utf8Bytes(caller)
    lastCaller = caller
  }
  return lastCallerBytes
}

/**
 * The payload of a transaction entry: header, caller, envelope. One copy of the envelope's bytes. `headroom`: so many bytes are left in
 * front, of any content, for the header of the entry. hot path: bench/embedded.
 */
export function encodeRequest(header: RequestHeader, envelope: Uint8Array, headroom: number = 0): Uint8Array {
  const caller = callerBytes(header.caller)
  const callerAt = headroom + REQUEST_HEADER_BYTES
  const bytes = unwrittenBytes(callerAt + caller.length + envelope.length)
  bytes[headroom] = REQUEST_FORMAT
  bytes[headroom + 1] = Math.min(header.copy, 255)
  writeU16(bytes, headroom + 2, caller.length)
  writeU32(bytes, headroom + 4, 0)
  writeU64(bytes, headroom + 8, header.session)
  writeU64(bytes, headroom + 16, header.serial)
  writeU64(bytes, headroom + 24, header.acknowledgedThrough)
  writeU64(bytes, headroom + 32, header.notAfterMicros)
  for (let i = 0; i < caller.length; i++) bytes[callerAt + i] = caller[i]!
  bytes.set(envelope, callerAt + caller.length)
  return bytes
}

/** Raises the copy number in place; what a forwarder does before it sends a request again. */
export function raiseCopy(request: Uint8Array): void {
  if (request[1]! < 255) request[1] = request[1]! + 1
}

export function requestCopy(request: Uint8Array, at: number = 0): number {
  return request[at + 1]!
}

export function requestSession(request: Uint8Array, at: number = 0): number {
  return readU64(request, at + 8)
}

export function requestSerial(request: Uint8Array, at: number = 0): number {
  return readU64(request, at + 16)
}

export function requestAcknowledgedThrough(request: Uint8Array, at: number = 0): number {
  return readU64(request, at + 24)
}

export function requestNotAfterMicros(request: Uint8Array, at: number = 0): number {
  return readU64(request, at + 32)
}

/** Where the caller's UTF-8 bytes end and the envelope starts. */
export function requestEnvelopeStart(request: Uint8Array, at: number, end: number): number {
  if (end - at < REQUEST_HEADER_BYTES || request[at] !== REQUEST_FORMAT) throw new MalformedBytes('request header')
  const start = at + REQUEST_HEADER_BYTES + readU16(request, at + 2)
  if (start > end) throw new MalformedBytes('request header: caller')
  return start
}

export function decodeRequestHeader(request: Uint8Array): RequestHeader & { envelope: Uint8Array } {
  const start = requestEnvelopeStart(request, 0, request.length)
  return {
    caller: decodeCaller(request, start),
    session: requestSession(request),
    serial: requestSerial(request),
    acknowledgedThrough: requestAcknowledgedThrough(request),
    notAfterMicros: requestNotAfterMicros(request),
    copy: requestCopy(request),
    envelope: request.subarray(start),
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decodeCaller(request: Uint8Array, end: number): string {
  try {
    return strictUtf8.decode(request.subarray(REQUEST_HEADER_BYTES, end))
  } catch (cause) {
    throw new MalformedBytes('caller is not UTF-8', { cause })
  }
}

/** The payload of an openSession entry. */
export interface SessionOpening {
  caller: string
  /** `node` sessions belong to a process that serves doors without sessions of their own: their window is wider. */
  kind: 'client' | 'node'
  /** Random, 16 bytes, chosen once per opening: a copy of the same opening finds the session it opened. */
  nonce: Uint8Array
  notAfterMicros: number
}

export function encodeSessionOpening(opening: SessionOpening): Uint8Array {
  if (opening.nonce.length !== 16) throw new RangeError('session nonce: 16 bytes')
  const writer = new ByteWriter(64)
  writer.u8(1)
  writer.u8(opening.kind === 'node' ? 1 : 0)
  writer.u64(opening.notAfterMicros)
  writer.raw(opening.nonce)
  writer.text16(opening.caller)
  return writer.finish()
}

export function decodeSessionOpening(bytes: Uint8Array): SessionOpening {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== 1) throw new MalformedBytes('session opening: format')
  const kind = reader.u8()
  if (kind > 1) throw new MalformedBytes('session opening: kind')
  const notAfterMicros = reader.u64()
  const nonce = reader.raw(16).slice()
  const caller = reader.text16()
  reader.expectEnd()
  return { kind: kind === 1 ? 'node' : 'client', notAfterMicros, nonce, caller }
}

/** The payload of a tick entry: at most how many due keys it removes. */
export function encodeTick(maxKeys: number): Uint8Array {
  const writer = new ByteWriter(8)
  writer.u32(maxKeys)
  return writer.finish()
}

export function decodeTick(bytes: Uint8Array): number {
  const reader = new ByteReader(bytes)
  const maxKeys = reader.u32()
  reader.expectEnd()
  return maxKeys
}
