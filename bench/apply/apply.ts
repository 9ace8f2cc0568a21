// What a replica pays to apply a write: encoded batches straight to the state machine, as a follower gets them, each entry a set of
// 256 bytes on one of 100k keys within a node session. Prints us of processor time per entry for batches of 1, 16 and 64 entries, in
// turn (median and quickest of the rounds).
// Run: node dist/bench/apply/apply.js [--without-session] [--rounds N] [--batch N] [--keys N]
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

const KEYS = numberAfter('--keys', 100_000)
const LOAD_BATCH = 64
const ENTRIES_PER_ROUND = 9_600
const hasSession = !process.argv.includes('--without-session')
const rounds = numberAfter('--rounds', 15)
const onlyBatch = numberAfter('--batch', 0)
const batchSizes = onlyBatch === 0 ? [1, 16, 64] : [onlyBatch]

const { machine } = await openStateMachine({
  files: new SimulatedDisk({ seed: 1 }).files(),
  directory: '/data',
  directoryId: '0'.repeat(32),
  groupId: 1,
  pageBytes: 8192,
  budgetBytes: 512 << 20,
  clock: { monotonicMs: () => performance.now(), wallMicros: () => 0 },
  timers: { endOfTurn: setImmediate },
})

let session = 0
let serial = 0
let seq = 0
let random = 12_345

function numberAfter(flag: string, otherwise: number): number {
  const at = process.argv.indexOf(flag)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

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

function randomSet(): Uint8Array {
  random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0
  return set(random % KEYS)
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
// Twice, because a record that was changed is longer than a new one.
for (let at = 0; at < 2 * KEYS; at += LOAD_BATCH) {
  const entries = Array.from({ length: Math.min(LOAD_BATCH, 2 * KEYS - at) }, (_, i) => set((at + i) % KEYS))
  machine.apply(batchOf(entries), isDone)
}

/** us of processor time per entry. */
function round(batchSize: number): number {
  const batches = Array.from({ length: ENTRIES_PER_ROUND / batchSize }, () =>
    batchOf(Array.from({ length: batchSize }, randomSet)),
  )
  const before = process.cpuUsage()
  for (const batch of batches) machine.apply(batch, isDone)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / ENTRIES_PER_ROUND
}

const taken = batchSizes.map((): number[] => [])
for (let i = 0; i < rounds; i++) batchSizes.forEach((size, at) => taken[at]!.push(round(size)))
console.log(`apply, us of processor time per entry, ${hasSession ? 'in' : 'without'} a session:`)
batchSizes.forEach((size, at) => {
  const sorted = taken[at]!.sort((a, b) => a - b)
  const middle = sorted[rounds >> 1]!
  console.log(`  batches of ${String(size).padStart(2)}: ${middle.toFixed(2)} (quickest ${sorted[0]!.toFixed(2)})`)
})
