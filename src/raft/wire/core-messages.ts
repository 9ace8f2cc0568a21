import { ByteReader, decodeConfiguration, encodeConfiguration, MalformedBytes } from '../../encoding/index.ts'
import type {
  AppendRequest,
  AppendResponse,
  Digest,
  HeartbeatRequest,
  HeartbeatResponse,
  LogEnd,
  Message,
  OutgoingMessage,
  PreVoteRequest,
  PreVoteResponse,
  SnapshotMeta,
  VoteReason,
  VoteRequest,
  VoteResponse,
  VoterAnswer,
} from '../core/index.ts'
import { fromCoreConfiguration, toCoreConfiguration } from './configuration.ts'
import { describeEntries } from './entry-batch.ts'
import type { PeerFrameCursor } from './frame-cursor.ts'
import type { FrameWriter } from './frame-writer.ts'
import { PeerMessageCode, type EncodedEntries, type PeerHeader } from './messages.ts'

/** The messages of the core in binary. A flag in the header says that the field of that name is there, or is true. */

type CoreOutgoing = Exclude<OutgoingMessage, { type: 'appendRequest' }> | AppendRequest<EncodedEntries>

const VOTE_REASONS: readonly VoteReason[] = [
  'granted',
  'lease',
  'log',
  'voted',
  'term',
  'recovering',
  'embargo',
  'unconfigured',
]
const VOTER_ANSWER_BYTES = 28
const FLAG = 1
const SECOND_FLAG = 2

export function writeCoreMessage(out: FrameWriter, message: CoreOutgoing): void {
  out.begin(PeerMessageCode[message.type], flagsOf(message), message)
  switch (message.type) {
    case 'preVoteRequest':
      out.u64(message.campaignTerm)
      out.u64(message.campaignId)
      return writeLogEnd(out, message.last)
    case 'preVoteResponse':
      writeVoteAnswer(out, message)
      out.u64(message.recoveryId)
      if (message.intactEnd !== null) writeLogEnd(out, message.intactEnd)
      return
    case 'voteRequest':
      out.u64(message.campaignId)
      writeLogEnd(out, message.last)
      out.u16(message.answers.length)
      for (const answer of message.answers) {
        out.u32(answer.voter)
        writeLogEnd(out, answer.end)
        out.u64(answer.recoveryId)
      }
      return
    case 'voteResponse':
      return writeVoteAnswer(out, message)
    case 'appendRequest':
      return writeAppendRequest(out, message)
    case 'appendResponse':
      out.u64(message.matchSeq)
      out.u64(message.rejectedSeq)
      writeLogEnd(out, message.hint)
      out.u64(message.streamId)
      out.f64(message.sentAtMs)
      return out.u64(message.recoveryId)
    case 'heartbeatRequest':
      out.u64(message.commit)
      out.u64(message.readSeq)
      out.f64(message.sentAtMs)
      out.f64(message.wallMicros)
      return writeDigest(out, message.digest)
    case 'heartbeatResponse':
      out.u64(message.readSeq)
      out.f64(message.sentAtMs)
      out.u64(message.syncedSeq)
      out.f64(message.diskStallMs)
      out.f64(message.wallMicros)
      return writeDigest(out, message.digest)
    case 'timeoutNow':
      return writeLogEnd(out, message.last)
    case 'readIndexRequest':
      return out.u64(message.reqId)
    case 'readIndexResponse':
      out.u64(message.reqId)
      if (message.readSeq !== null) out.u64(message.readSeq)
      return
    case 'snapshotOffer':
      return writeSnapshotMeta(out, message.meta)
    default:
      throw new RangeError(`unknown message ${(message satisfies never as { type: string }).type}`)
  }
}

function flagsOf(message: CoreOutgoing): number {
  switch (message.type) {
    case 'preVoteResponse':
      return (message.isGranted ? FLAG : 0) | (message.intactEnd === null ? 0 : SECOND_FLAG)
    case 'voteRequest':
      return message.isTransfer ? FLAG : 0
    case 'voteResponse':
      return message.isGranted ? FLAG : 0
    case 'appendRequest':
      return message.recovery === null ? 0 : FLAG
    case 'appendResponse':
      return message.isAccepted ? FLAG : 0
    case 'heartbeatRequest':
      return message.digest === null ? 0 : FLAG
    case 'heartbeatResponse':
      return (message.digest === null ? 0 : FLAG) | (message.isUnfitToLead ? SECOND_FLAG : 0)
    case 'readIndexResponse':
      return message.readSeq === null ? 0 : FLAG
    default:
      return 0
  }
}

function writeLogEnd(out: FrameWriter, end: LogEnd): void {
  out.u64(end.term)
  out.u64(end.seq)
}

function writeVoteAnswer(out: FrameWriter, message: PreVoteResponse | VoteResponse): void {
  out.u64(message.campaignTerm)
  out.u64(message.campaignId)
  out.u8(VOTE_REASONS.indexOf(message.reason))
}

function writeDigest(out: FrameWriter, digest: Digest | null): void {
  if (digest === null) return
  out.u64(digest.seq)
  out.u32(digest.chain)
  out.text16(digest.s)
}

/** Hot path: bench/wire. The entries go as they are, copied once, into the frame. */
function writeAppendRequest(out: FrameWriter, message: AppendRequest<EncodedEntries>): void {
  const { entries, recovery } = message
  if (entries !== null && entries.firstSeq !== message.prevSeq + 1) {
    throw new RangeError(`entries from ${entries.firstSeq} after ${message.prevSeq}`)
  }
  out.u64(message.prevSeq)
  out.u64(message.prevTerm)
  out.u32(message.prevChain)
  out.u32(entries === null ? 0 : entries.lastSeq - entries.firstSeq + 1)
  out.u64(message.commit)
  out.u64(message.streamId)
  out.f64(message.sentAtMs)
  if (recovery !== null) {
    out.u64(recovery.recoveryId)
    out.u64(recovery.throughSeq)
  }
  if (entries !== null) out.bulk(entries.bytes)
}

function writeSnapshotMeta(out: FrameWriter, meta: SnapshotMeta): void {
  out.u64(meta.seq)
  out.u64(meta.term)
  out.u32(meta.chain)
  out.raw(encodeConfiguration(fromCoreConfiguration(meta.configuration)))
}

/** Flags that a type may have; all others are malformed. */
const FLAGS_ALLOWED: Readonly<Record<number, number>> = {
  [PeerMessageCode.preVoteResponse]: 3,
  [PeerMessageCode.voteRequest]: 1,
  [PeerMessageCode.voteResponse]: 1,
  [PeerMessageCode.appendRequest]: 1,
  [PeerMessageCode.appendResponse]: 1,
  [PeerMessageCode.heartbeatRequest]: 1,
  [PeerMessageCode.heartbeatResponse]: 3,
  [PeerMessageCode.readIndexResponse]: 1,
}

/** The core's message that the cursor stands on. Entries are a view of the frame. @throws MalformedBytes */
export function readCoreMessage(cursor: PeerFrameCursor): Message {
  const { code, flags, from, to, term } = cursor
  if ((flags & ~(FLAGS_ALLOWED[code] ?? 0)) !== 0) throw new MalformedBytes(`flags ${flags} of message ${code}`)
  const header: PeerHeader = { from, to, term }
  const reader = new ByteReader(cursor.bytes, cursor.bodyStart, cursor.bodyEnd)
  const message = readBody(reader, code, flags, header)
  reader.expectEnd()
  return message
}

function readBody(reader: ByteReader, code: number, flags: number, header: PeerHeader): Message {
  const isFlagged = (flags & FLAG) !== 0
  switch (code) {
    case PeerMessageCode.preVoteRequest:
      return readPreVoteRequest(reader, header)
    case PeerMessageCode.preVoteResponse:
      return readPreVoteResponse(reader, header, isFlagged, (flags & SECOND_FLAG) !== 0)
    case PeerMessageCode.voteRequest:
      return readVoteRequest(reader, header, isFlagged)
    case PeerMessageCode.voteResponse:
      return { type: 'voteResponse', ...header, isGranted: isFlagged, ...readVoteAnswer(reader) }
    case PeerMessageCode.appendRequest:
      return readAppendRequest(reader, header, isFlagged)
    case PeerMessageCode.appendResponse:
      return readAppendResponse(reader, header, isFlagged)
    case PeerMessageCode.heartbeatRequest:
      return readHeartbeatRequest(reader, header, isFlagged)
    case PeerMessageCode.heartbeatResponse:
      return readHeartbeatResponse(reader, header, isFlagged, (flags & SECOND_FLAG) !== 0)
    case PeerMessageCode.timeoutNow:
      return { type: 'timeoutNow', ...header, last: readLogEnd(reader) }
    case PeerMessageCode.readIndexRequest:
      return { type: 'readIndexRequest', ...header, reqId: reader.u64() }
    case PeerMessageCode.readIndexResponse:
      return {
        type: 'readIndexResponse',
        ...header,
        reqId: reader.u64(),
        readSeq: isFlagged ? reader.u64() : null,
      }
    case PeerMessageCode.snapshotOffer:
      return { type: 'snapshotOffer', ...header, meta: readSnapshotMeta(reader) }
    default:
      throw new MalformedBytes(`peer message ${code}`)
  }
}

function readLogEnd(reader: ByteReader): LogEnd {
  return { term: reader.u64(), seq: reader.u64() }
}

function readTime(reader: ByteReader): number {
  const value = reader.f64()
  if (!Number.isFinite(value)) throw new MalformedBytes('time')
  return value
}

/** A float, because a wall clock may stand before 1970. */
function readWallMicros(reader: ByteReader): number {
  const value = reader.f64()
  if (!Number.isSafeInteger(value)) throw new MalformedBytes('wall clock')
  return value
}

function readDigest(reader: ByteReader, isThere: boolean): Digest | null {
  return isThere ? { seq: reader.u64(), chain: reader.u32(), s: reader.text16() } : null
}

function readPreVoteRequest(reader: ByteReader, header: PeerHeader): PreVoteRequest {
  return {
    type: 'preVoteRequest',
    ...header,
    campaignTerm: reader.u64(),
    campaignId: reader.u64(),
    last: readLogEnd(reader),
  }
}

function readVoteAnswer(reader: ByteReader): Pick<VoteResponse, 'campaignTerm' | 'campaignId' | 'reason'> {
  const campaignTerm = reader.u64()
  const campaignId = reader.u64()
  const reason = VOTE_REASONS[reader.u8()]
  if (reason === undefined) throw new MalformedBytes('vote reason')
  return { campaignTerm, campaignId, reason }
}

function readPreVoteResponse(
  reader: ByteReader,
  header: PeerHeader,
  isGranted: boolean,
  hasIntactEnd: boolean,
): PreVoteResponse {
  const answer = readVoteAnswer(reader)
  const recoveryId = reader.u64()
  const intactEnd = hasIntactEnd ? readLogEnd(reader) : null
  return { type: 'preVoteResponse', ...header, ...answer, isGranted, recoveryId, intactEnd }
}

function readVoteRequest(reader: ByteReader, header: PeerHeader, isTransfer: boolean): VoteRequest {
  const campaignId = reader.u64()
  const last = readLogEnd(reader)
  const count = reader.u16()
  if (count * VOTER_ANSWER_BYTES > reader.remaining) throw new MalformedBytes('vote request: answers')
  const answers: VoterAnswer[] = []
  for (let i = 0; i < count; i++) {
    answers.push({ voter: reader.u32(), end: readLogEnd(reader), recoveryId: reader.u64() })
  }
  return { type: 'voteRequest', ...header, campaignId, last, isTransfer, answers }
}

/** Hot path: bench/wire. */
function readAppendRequest(reader: ByteReader, header: PeerHeader, hasRecovery: boolean): AppendRequest {
  const prevSeq = reader.u64()
  const prevTerm = reader.u64()
  const prevChain = reader.u32()
  const count = reader.u32()
  const commit = reader.u64()
  const streamId = reader.u64()
  const sentAtMs = readTime(reader)
  const recovery = hasRecovery ? { recoveryId: reader.u64(), throughSeq: reader.u64() } : null
  const previous = { seq: prevSeq, term: prevTerm, chain: prevChain }
  const entries = count === 0 ? null : describeEntries(reader.raw(reader.remaining), count, previous, header.term)
  const { from, to, term } = header
  return {
    type: 'appendRequest',
    from,
    to,
    term,
    prevSeq,
    prevTerm,
    prevChain,
    entries,
    commit,
    streamId,
    sentAtMs,
    recovery,
  }
}

function readAppendResponse(reader: ByteReader, header: PeerHeader, isAccepted: boolean): AppendResponse {
  const { from, to, term } = header
  return {
    type: 'appendResponse',
    from,
    to,
    term,
    isAccepted,
    matchSeq: reader.u64(),
    rejectedSeq: reader.u64(),
    hint: readLogEnd(reader),
    streamId: reader.u64(),
    sentAtMs: readTime(reader),
    recoveryId: reader.u64(),
  }
}

function readHeartbeatRequest(reader: ByteReader, header: PeerHeader, hasDigest: boolean): HeartbeatRequest {
  return {
    type: 'heartbeatRequest',
    ...header,
    commit: reader.u64(),
    readSeq: reader.u64(),
    sentAtMs: readTime(reader),
    wallMicros: readWallMicros(reader),
    digest: readDigest(reader, hasDigest),
  }
}

function readHeartbeatResponse(
  reader: ByteReader,
  header: PeerHeader,
  hasDigest: boolean,
  isUnfitToLead: boolean,
): HeartbeatResponse {
  return {
    type: 'heartbeatResponse',
    ...header,
    readSeq: reader.u64(),
    sentAtMs: readTime(reader),
    syncedSeq: reader.u64(),
    diskStallMs: readTime(reader),
    wallMicros: readWallMicros(reader),
    digest: readDigest(reader, hasDigest),
    isUnfitToLead,
  }
}

function readSnapshotMeta(reader: ByteReader): SnapshotMeta {
  const seq = reader.u64()
  const term = reader.u64()
  const chain = reader.u32()
  const configuration = toCoreConfiguration(decodeConfiguration(reader.raw(reader.remaining)))
  return { seq, term, chain, configuration }
}
