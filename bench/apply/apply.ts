// What the leader pays to apply a write: entries through the state machine in batches of 64, each a set of 256 bytes on one of 100k
// keys within a node session. Prints us of processor time per entry (median of the rounds) and entries per second.
// Run: node dist/bench/apply/apply.js [--without-session]
import {
  encodeEntry,
  encodeEnvelope,
  encodeRequest,
  encodeSessionOpening,
  EntryKind,
  utf8Bytes,
} from '../../src/encoding/index.ts'
import type { EntryBatch, TransactionEnvelope } from '../../src/encoding/index.ts'
import { openStateMachine } from '../../src/engine/index.ts'
import { SimulatedDisk } from '../../src/platform/simulated/index.ts'

const KEYS = 100_000
const BATCH = 64
const ROUNDS = 9
const BATCHES_PER_ROUND = 300
const hasSession = !process.argv.includes('--without-session')

const { machine } = await openStateMachine({
  files: new SimulatedDisk({ seed: 1 }).files(),
  directory: '/data',
  directoryId: '0'.repeat(32),
  groupId: 1,
  pageBytes: 8192,
  budgetBytes: 512 << 20,
  clock: { monotonicMs: () => performance.now(), wallMicros: () => 0 },
})

let session = 0
let serial = 0
let seq = 0
let random = 12_345

function entry(kind: EntryKind, payload: Uint8Array): Uint8Array {
  return encodeEntry({ kind, seq: ++seq, term: 1, leaderTimeMicros: 1_000_000 }, payload)
}

function transaction(envelope: TransactionEnvelope): Uint8Array {
  const header = { caller: 'root', session, serial: session === 0 ? 0 : ++serial, copy: 0, notAfterMicros: 0 }
  const payload = encodeRequest({ ...header, acknowledgedThrough: Math.max(0, serial - 64) }, encodeEnvelope(envelope))
  return entry(EntryKind.transaction, payload)
}

function set(key: number): Uint8Array {
  const target = { project: 'p', key: utf8Bytes(`user/${String(key).padStart(8, '0')}`) }
  return transaction({ mutations: [{ type: 'kvSet', ...target, value: new Uint8Array(256).fill(key) }] })
}

function batchOf(entries: Uint8Array[]): EntryBatch {
  const joined = Buffer.concat(entries)
  const bytes = new Uint8Array(joined.buffer, joined.byteOffset, joined.length)
  return { firstSeq: seq - entries.length + 1, lastSeq: seq, bytes }
}

const isDone = (): boolean => false
machine.apply(
  batchOf([transaction({ mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] })]),
  isDone,
)
if (hasSession) {
  const opening = encodeSessionOpening({ caller: 'root', kind: 'node', nonce: new Uint8Array(16), notAfterMicros: 0 })
  session = machine.apply(batchOf([entry(EntryKind.openSession, opening)]), isDone).outcomes[0]!.session
}
for (let key = 0; key < KEYS; key += BATCH) {
  machine.apply(batchOf(Array.from({ length: Math.min(BATCH, KEYS - key) }, (_, i) => set(key + i))), isDone)
}

const work = Array.from({ length: ROUNDS }, () =>
  Array.from({ length: BATCHES_PER_ROUND }, () =>
    batchOf(
      Array.from({ length: BATCH }, () => {
        random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0
        return set(random % KEYS)
      }),
    ),
  ),
)
const rounds = work.map(batches => {
  const before = process.cpuUsage()
  for (const batch of batches) machine.apply(batch, isDone)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / (BATCHES_PER_ROUND * BATCH)
})
const median = rounds.sort((a, b) => a - b)[ROUNDS >> 1]!
console.log(
  `apply: ${median.toFixed(2)} us per entry, ${Math.round(1e6 / median)} entries/s (${hasSession ? 'in' : 'without'} a session)`,
)
console.log(`rounds: ${rounds.map(us => us.toFixed(2)).join(' ')}`)
