import {
  ByteReader,
  crc32,
  decodeSessionOpening,
  encodeSessionOpening,
  EntryKind,
  equalBytes,
  MalformedBytes,
  readEntryHeader,
  sha256,
} from '../../encoding/index.ts'
import { readError, writeError } from '../../model/index.ts'
import type { PeerFrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import {
  PeerMessageCode,
  type BootstrapMessage,
  type DriverMessage,
  type ForwardedRequest,
  type ForwardResult,
  type MembershipNotice,
  type OpenSessionMessage,
  type PeerHeader,
  type SnapshotChunkMessage,
  type SnapshotManifestMessage,
  type SnapshotRequestMessage,
  type SnapshotResumeMessage,
} from './messages.ts'
import { decodeManifest, encodeManifest } from './snapshot-manifest.ts'

/** The messages of the driver in binary. */

const HASH_BYTES = 32
const NOTICE_STATES = ['removed', 'unjoined'] as const
const RESULT_OUTCOME = 0
const RESULT_ERROR = 1
const FLAG = 1
const FLAGGED_CODES: ReadonlySet<number> = new Set([
  PeerMessageCode.snapshotRequest,
  PeerMessageCode.snapshotResume,
  PeerMessageCode.snapshotFailed,
])

export function writeDriverMessage(out: FrameWriter, message: DriverMessage): void {
  out.begin(PeerMessageCode[message.type], flagsOf(message), message)
  switch (message.type) {
    case 'forward':
      return writeRequests(out, message.requests)
    case 'openSession': {
      out.u64(message.forwardId)
      return out.raw(encodeSessionOpening(message.opening))
    }
    case 'forwardResults':
      return writeResults(out, message.results)
    case 'bootstrap':
      return out.bulk(message.entry)
    case 'membershipNotice':
      out.u8(NOTICE_STATES.indexOf(message.state))
      return out.u64(message.configurationSeq)
    case 'snapshotWanted':
      return out.u64(message.seq)
    default:
      out.u64(message.transferId)
      return writeSnapshotBody(out, message)
  }
}

function flagsOf(message: DriverMessage): number {
  if (message.type === 'snapshotRequest') return message.base === undefined ? 0 : FLAG
  if (message.type === 'snapshotResume') return message.afterFence === undefined ? 0 : FLAG
  if (message.type === 'snapshotFailed') return message.isMismatch ? FLAG : 0
  return 0
}

/** Hot path: bench/wire. Each request stays where it is until the frame is made. */
function writeRequests(out: FrameWriter, requests: readonly ForwardedRequest[]): void {
  out.u32(requests.length)
  for (const { forwardId, request } of requests) {
    out.u64(forwardId)
    out.u32(request.length)
    out.bulk(request)
  }
}

function writeResults(out: FrameWriter, results: readonly ForwardResult[]): void {
  out.u32(results.length)
  for (const result of results) {
    out.u64(result.forwardId)
    if ('outcome' in result) {
      out.u8(RESULT_OUTCOME)
      out.u32(result.outcome.length)
      out.raw(result.outcome)
    } else {
      out.u8(RESULT_ERROR)
      writeError(out.fields, result.error)
    }
  }
}

function writeSnapshotBody(out: FrameWriter, message: Extract<DriverMessage, { transferId: number }>): void {
  switch (message.type) {
    case 'snapshotRequest':
      out.u64(message.seq)
      if (message.base === undefined) return
      out.u64(message.base.seq)
      out.u32(message.base.sum.lo)
      out.u32(message.base.sum.hi)
      return out.u32(message.base.effectChain)
    case 'snapshotManifest': {
      const manifest = encodeManifest(message.manifest)
      out.raw(sha256(manifest))
      return out.raw(manifest)
    }
    case 'snapshotResume':
      if (message.manifestHash.length !== HASH_BYTES) throw new RangeError(`manifest hash: ${HASH_BYTES} bytes`)
      out.raw(message.manifestHash)
      if (message.afterFence !== undefined) out.bytes16(message.afterFence)
      return
    case 'snapshotChunk':
      out.u32(message.number)
      out.u32(crc32(message.bytes, crc32(message.fence)))
      out.bytes16(message.fence)
      out.u32(message.bytes.length)
      return out.bulk(message.bytes)
    case 'snapshotChunkAck':
      return out.u32(message.number)
    case 'snapshotEnd':
      return out.u32(message.chunks)
    case 'snapshotInstalled':
      return out.u64(message.seq)
    case 'snapshotFailed':
      return writeError(out.fields, message.error)
    default:
      throw new RangeError(`unknown message ${(message satisfies never as { type: string }).type}`)
  }
}

/** The driver's message that the cursor stands on. Bulk is a view of the frame. @throws MalformedBytes */
export function readDriverMessage(cursor: PeerFrameCursor): DriverMessage {
  const { code, flags, from, to, term } = cursor
  if (flags > (FLAGGED_CODES.has(code) ? FLAG : 0)) throw new MalformedBytes(`flags ${flags} of message ${code}`)
  const reader = new ByteReader(cursor.bytes, cursor.bodyStart, cursor.bodyEnd)
  const message = readBody(reader, code, flags === FLAG, { from, to, term })
  reader.expectEnd()
  return message
}

function readBody(reader: ByteReader, code: number, isFlagged: boolean, header: PeerHeader): DriverMessage {
  switch (code) {
    case PeerMessageCode.forward:
      return { type: 'forward', ...header, requests: readRequests(reader) }
    case PeerMessageCode.openSession:
      return readOpenSession(reader, header)
    case PeerMessageCode.forwardResults:
      return { type: 'forwardResults', ...header, results: readResults(reader) }
    case PeerMessageCode.bootstrap:
      return readBootstrap(reader, header)
    case PeerMessageCode.membershipNotice:
      return readNotice(reader, header)
    case PeerMessageCode.snapshotWanted:
      return { type: 'snapshotWanted', ...header, seq: reader.u64() }
    case PeerMessageCode.snapshotRequest:
      return readSnapshotRequest(reader, header, isFlagged)
    case PeerMessageCode.snapshotManifest:
      return readSnapshotManifest(reader, header)
    case PeerMessageCode.snapshotResume:
      return readSnapshotResume(reader, header, isFlagged)
    case PeerMessageCode.snapshotChunk:
      return readSnapshotChunk(reader, header)
    case PeerMessageCode.snapshotChunkAck:
      return { type: 'snapshotChunkAck', ...header, transferId: reader.u64(), number: reader.u32() }
    case PeerMessageCode.snapshotEnd:
      return { type: 'snapshotEnd', ...header, transferId: reader.u64(), chunks: reader.u32() }
    case PeerMessageCode.snapshotInstalled:
      return { type: 'snapshotInstalled', ...header, transferId: reader.u64(), seq: reader.u64() }
    case PeerMessageCode.snapshotFailed: {
      const transferId = reader.u64()
      return { type: 'snapshotFailed', ...header, transferId, isMismatch: isFlagged, error: readError(reader) }
    }
    default:
      throw new MalformedBytes(`peer message ${code}`)
  }
}

function readRequests(reader: ByteReader): ForwardedRequest[] {
  const count = readCount(reader, 12)
  const requests: ForwardedRequest[] = []
  for (let i = 0; i < count; i++) requests.push({ forwardId: reader.u64(), request: reader.bytes32() })
  return requests
}

function readCount(reader: ByteReader, itemBytesMin: number): number {
  const count = reader.u32()
  if (count * itemBytesMin > reader.remaining) throw new MalformedBytes(`${count} items in ${reader.remaining} bytes`)
  return count
}

function readResults(reader: ByteReader): ForwardResult[] {
  const count = readCount(reader, 13)
  const results: ForwardResult[] = []
  for (let i = 0; i < count; i++) {
    const forwardId = reader.u64()
    const kind = reader.u8()
    if (kind === RESULT_OUTCOME) results.push({ forwardId, outcome: reader.bytes32() })
    else if (kind === RESULT_ERROR) results.push({ forwardId, error: readError(reader) })
    else throw new MalformedBytes(`forward result ${kind}`)
  }
  return results
}

function readOpenSession(reader: ByteReader, header: PeerHeader): OpenSessionMessage {
  const forwardId = reader.u64()
  const opening = decodeSessionOpening(reader.raw(reader.remaining))
  return { type: 'openSession', ...header, forwardId, opening }
}

function readBootstrap(reader: ByteReader, header: PeerHeader): BootstrapMessage {
  const entry = reader.raw(reader.remaining)
  const { length, seq, kind } = readEntryHeader(entry, 0, entry.length)
  if (length !== entry.length || seq !== 1 || kind !== EntryKind.configuration) {
    throw new MalformedBytes('bootstrap: not entry 1')
  }
  return { type: 'bootstrap', ...header, entry }
}

function readNotice(reader: ByteReader, header: PeerHeader): MembershipNotice {
  const state = NOTICE_STATES[reader.u8()]
  if (state === undefined) throw new MalformedBytes('membership notice')
  return { type: 'membershipNotice', ...header, state, configurationSeq: reader.u64() }
}

function readSnapshotRequest(reader: ByteReader, header: PeerHeader, hasBase: boolean): SnapshotRequestMessage {
  const transferId = reader.u64()
  const seq = reader.u64()
  const base = hasBase
    ? { seq: reader.u64(), sum: { lo: reader.u32(), hi: reader.u32() }, effectChain: reader.u32() }
    : undefined
  return { type: 'snapshotRequest', ...header, transferId, seq, base }
}

function readSnapshotManifest(reader: ByteReader, header: PeerHeader): SnapshotManifestMessage {
  const transferId = reader.u64()
  const hash = reader.raw(HASH_BYTES)
  const bytes = reader.raw(reader.remaining)
  if (!equalBytes(hash, sha256(bytes))) throw new MalformedBytes('manifest hash')
  return { type: 'snapshotManifest', ...header, transferId, manifest: decodeManifest(bytes) }
}

function readSnapshotResume(reader: ByteReader, header: PeerHeader, hasFence: boolean): SnapshotResumeMessage {
  const transferId = reader.u64()
  const manifestHash = reader.raw(HASH_BYTES).slice()
  const afterFence = hasFence ? reader.bytes16().slice() : undefined
  return { type: 'snapshotResume', ...header, transferId, manifestHash, afterFence }
}

function readSnapshotChunk(reader: ByteReader, header: PeerHeader): SnapshotChunkMessage {
  const transferId = reader.u64()
  const number = reader.u32()
  const crc = reader.u32()
  const fence = reader.bytes16()
  const bytes = reader.bytes32()
  if (crc32(bytes, crc32(fence)) !== crc) throw new MalformedBytes(`snapshot chunk ${number}: CRC`)
  return { type: 'snapshotChunk', ...header, transferId, number, fence, bytes }
}
