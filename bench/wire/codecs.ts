// What the wire codecs cost per item: frames of 64 commits, outcomes, reads and answers of the client wire, and of 64 entries and
// requests of the peer wire, 256-byte values. Prints us of processor time per item (median of the rounds).
// Run: node dist/bench/wire/codecs.js
import {
  ByteWriter,
  encodeEntry,
  encodeEnvelope,
  encodePlainCommit,
  encodeRequest,
  EntryKind,
  utf8Bytes,
} from '../../src/encoding/index.ts'
import {
  appendClientMessage,
  appendServerMessage,
  ClientFrameCursor,
  readClientMessage,
  readServerMessage,
  type ClientMessage,
  type ServerMessage,
} from '../../src/model/index.ts'
import {
  PeerFrameCursor,
  PeerFrameWriter,
  readPeerMessage,
  type OutgoingPeerMessage,
} from '../../src/raft/wire/index.ts'

const ITEMS = 64
const ROUNDS = 15
const FRAMES = 1500
const MAX_FRAME_BYTES = 1 << 24

function measure(name: string, target: number | undefined, call: () => unknown): void {
  for (let i = 0; i < FRAMES; i++) call()
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // Processor time, not wall time: other work on the machine does not count.
    const start = process.cpuUsage()
    for (let i = 0; i < FRAMES; i++) call()
    const { user, system } = process.cpuUsage(start)
    rounds.push((user + system) / FRAMES / ITEMS)
  }
  const median = rounds.sort((a, b) => a - b)[ROUNDS >> 1]!
  const verdict = target === undefined ? '' : `   target ${target.toFixed(2)} ${median <= target ? 'met' : 'MISSED'}`
  console.log(`${name.padEnd(44)} ${median.toFixed(3)} us${verdict}`)
}

const value = new Uint8Array(256).fill(7)
const key = utf8Bytes('user/123456')
const envelope = encodeEnvelope({ mutations: [{ type: 'kvSet', project: 'shop', key, value }] })
const numbers = Array.from({ length: ITEMS }, (_, i) => i + 1)

function measureClient(name: string, target: number | undefined, messages: readonly ClientMessage[]): void {
  const out = new ByteWriter(1 << 16)
  const encode = (): Uint8Array => {
    out.reset()
    for (const message of messages) appendClientMessage(out, message)
    return out.finish()
  }
  const cursor = new ClientFrameCursor()
  const frame = encode()
  let seen = 0
  measure(`${name}: encode`, target, encode)
  measure(`${name}: decode`, target, () => {
    for (cursor.open(frame, MAX_FRAME_BYTES); cursor.next();) seen += readClientMessage(cursor).requestId
  })
  if (seen === 0) throw new Error('nothing decoded')
}

function measureServer(name: string, target: number | undefined, messages: readonly ServerMessage[]): void {
  const out = new ByteWriter(1 << 16)
  const encode = (): Uint8Array => {
    out.reset()
    for (const message of messages) appendServerMessage(out, message)
    return out.finish()
  }
  const cursor = new ClientFrameCursor()
  const frame = encode()
  let seen = 0
  measure(`${name}: encode`, target, encode)
  measure(`${name}: decode`, target, () => {
    for (cursor.open(frame, MAX_FRAME_BYTES); cursor.next();) seen += readServerMessage(cursor).requestId
  })
  if (seen === 0) throw new Error('nothing decoded')
}

function measurePeer(name: string, target: number | undefined, message: OutgoingPeerMessage): void {
  const writer = new PeerFrameWriter(1)
  const encode = (): Uint8Array => {
    writer.add(message)
    return writer.finish()
  }
  const cursor = new PeerFrameCursor()
  const frame = encode()
  let seen = 0
  measure(`${name}: encode`, target, encode)
  measure(`${name}: decode`, target, () => {
    for (cursor.open(frame, MAX_FRAME_BYTES); cursor.next();) seen += readPeerMessage(cursor).from
  })
  if (seen === 0) throw new Error('nothing decoded')
}

const TARGET_US = 0.3
const micros = 1_790_000_000_000_000

measureClient(
  'commit',
  TARGET_US,
  numbers.map(n => ({
    type: 'commit',
    requestId: n,
    serial: n,
    acknowledgedThrough: 0,
    notAfterMicros: micros,
    copy: 0,
    caller: '',
    envelope,
  })),
)
const outcome = encodePlainCommit(12_345)
measureServer(
  'outcome',
  TARGET_US,
  numbers.map(n => ({ type: 'outcome', requestId: n, leaderTimeMicros: micros, outcome })),
)
measureClient(
  'get of one key',
  undefined,
  numbers.map(n => ({
    type: 'read',
    requestId: n,
    timeoutMs: 1000,
    viewId: 0,
    consistency: 'linearizable',
    caller: '',
    request: { type: 'get', project: 'shop', scope: 'app', keys: [key] },
  })),
)
const entry = { key, value, seq: 5, createdSeq: 5, expiresAtMicros: undefined }
measureServer(
  'result of a get of one key',
  undefined,
  numbers.map(n => ({ type: 'readResult', requestId: n, seq: 9, result: { type: 'get', entries: [entry] } })),
)
measureServer('entry of a scan', undefined, [
  { type: 'readResult', requestId: 1, seq: 9, result: { type: 'scan', entries: numbers.map(() => entry), more: true } },
])

const request = encodeRequest(
  { caller: 'root', session: 9, serial: 2, acknowledgedThrough: 1, notAfterMicros: micros, copy: 0 },
  envelope,
)
const bytes = new Uint8Array(
  Buffer.concat(
    numbers.map(seq => encodeEntry({ kind: EntryKind.transaction, seq, term: 1, leaderTimeMicros: micros }, request)),
  ),
)
const header = { from: 1, to: 2, term: 1 } as const
measurePeer('entry of an AppendRequest', TARGET_US, {
  ...header,
  type: 'appendRequest',
  prevSeq: 0,
  prevTerm: 0,
  prevChain: 0,
  entries: { firstSeq: 1, lastSeq: ITEMS, byteLength: bytes.length, bytes },
  commit: 0,
  streamId: 1,
  sentAtMs: 1.5,
  recovery: null,
})
measurePeer('forwarded request', TARGET_US, {
  ...header,
  type: 'forward',
  requests: numbers.map(forwardId => ({ forwardId, request })),
})
