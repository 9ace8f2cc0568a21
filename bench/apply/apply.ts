// What a replica pays to apply a write: encoded batches straight to the state machine, as a follower gets them, each entry a set of
// 256 bytes on one of 100k keys within a node session. Prints us of processor time per entry for batches of 1, 16 and 64 entries, in
// turn (quickest twentieth, quarter and half of the rounds). Between rounds the event loop turns, which is not counted. A round is short, so
// that on a machine that others use some are left in peace.
// Another build beside this one, in the same process, round about: the same batches, and the ratio of the two.
// `--sets N`: entries of N sets of eight bytes each on new keys, those of an entry one after the other in order, of 16 writers in turn
// (what bench/gate/saturated.ts sends); us are then of a set.
// Run: node dist/bench/apply/apply.js [--against DIST] [--without-session] [--without-old-roots] [--rounds N] [--batch N] [--keys N] [--sets N]
import { resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
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
import type { EngineStateMachine } from '../../src/engine/index.ts'
import { SimulatedDisk } from '../../src/platform/simulated/index.ts'

const KEYS = numberAfter('--keys', 100_000)
const LOAD_BATCH = 64
const ENTRIES_PER_ROUND = 960
const hasSession = !process.argv.includes('--without-session')
const keepsOldRoots = !process.argv.includes('--without-old-roots')
const rounds = numberAfter('--rounds', 200)
const onlyBatch = numberAfter('--batch', 0)
const sets = numberAfter('--sets', 0)
const batchSizes = onlyBatch === 0 ? [1, 16, 64] : [onlyBatch]
const against = process.argv.includes('--against') ? process.argv[process.argv.indexOf('--against') + 1] : undefined

/** The parts of a build that make a state machine. */
interface Build {
  openStateMachine: typeof openStateMachine
  SimulatedDisk: typeof SimulatedDisk
}

async function open(build: Build): Promise<EngineStateMachine> {
  const { machine } = await build.openStateMachine({
    files: new build.SimulatedDisk({ seed: 1 }).files(),
    directory: '/data',
    directoryId: '0'.repeat(32),
    groupId: 1,
    pageBytes: 8192,
    budgetBytes: 512 << 20,
    clock: { monotonicMs: () => (keepsOldRoots ? performance.now() : 0), wallMicros: () => 0 },
    timers: { endOfTurn: setImmediate },
  })
  return machine
}

async function buildAt(dist: string): Promise<Build> {
  const part = (path: string): Promise<Build> =>
    import(pathToFileURL(resolve(dist, 'src', path, 'index.js')).href) as Promise<Build>
  const [engine, simulated] = [await part('engine'), await part('platform/simulated')]
  return { openStateMachine: engine.openStateMachine, SimulatedDisk: simulated.SimulatedDisk }
}

const machines = [await open({ openStateMachine, SimulatedDisk })]
if (against !== undefined) machines.push(await open(await buildAt(against)))

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

let written = 0

/** Of one writer, whose turn it is. */
function newKeys(): Uint8Array {
  const [writer, n] = [written % 16, Math.floor(written / 16)]
  written++
  const mutations = Array.from({ length: sets }, (_, item) => {
    const key = utf8Bytes(`sm-batch:${writer}:${n}:${item}`)
    return { type: 'kvSet', project: 'p', key, value: new Uint8Array(8).fill(n) } as const
  })
  return transaction({ mutations })
}

const isDone = (): boolean => false

/** Applied by all. Returns what the first entry gave. */
function applyAll(batch: EntryBatch): number | undefined {
  return machines.map(machine => machine.apply(batch, isDone).outcomes[0]?.session)[0]
}

applyAll(batchOf([transaction({ mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] })]))
if (hasSession) {
  const opening = encodeSessionOpening({ caller: 'root', kind: 'node', nonce: new Uint8Array(16), notAfterMicros: 0 })
  session = applyAll(batchOf([entry(EntryKind.openSession, opening)]))!
}
// Twice, because a record that was changed is longer than a new one.
for (let at = 0; at < 2 * KEYS; at += LOAD_BATCH) {
  applyAll(batchOf(Array.from({ length: Math.min(LOAD_BATCH, 2 * KEYS - at) }, (_, i) => set((at + i) % KEYS))))
}

/** us of processor time per entry, of each machine. */
async function round(batchSize: number, isSwapped: boolean): Promise<number[]> {
  const batches = Array.from({ length: ENTRIES_PER_ROUND / batchSize }, () =>
    batchOf(Array.from({ length: batchSize }, sets === 0 ? randomSet : newKeys)),
  )
  const taken = machines.map(() => 0)
  for (const at of isSwapped ? [1, 0] : machines.keys()) {
    await turn()
    const before = process.cpuUsage()
    for (const batch of batches) machines[at]!.apply(batch, isDone)
    const { user, system } = process.cpuUsage(before)
    taken[at] = (user + system) / ENTRIES_PER_ROUND / Math.max(1, sets)
  }
  return taken
}

function parts(times: number[]): number[] {
  const sorted = times.toSorted((a, b) => a - b)
  return [0.05, 0.25, 0.5].map(part => sorted[Math.floor(sorted.length * part)]!)
}

function shown(numbers: number[]): string {
  return numbers.map(number => number.toFixed(2)).join(' / ')
}

console.log(
  `apply, us of processor time per ${sets === 0 ? 'entry' : 'set'}, ${hasSession ? 'in' : 'without'} a session (p5 / p25 / p50):`,
)
const taken = batchSizes.map((): number[][] => [])
for (let i = 0; i < rounds; i++) {
  for (const [at, size] of batchSizes.entries()) taken[at]!.push(await round(size, i % 2 === 1 && machines.length > 1))
}
batchSizes.forEach((size, at) => {
  const [own, other] = machines.map((_, which) => parts(taken[at]!.map(times => times[which]!)))
  const ratio = other && `; the other build ${shown(other)}, ratio ${shown(own!.map((time, i) => time / other[i]!))}`
  console.log(`  batches of ${String(size).padStart(2)}: ${shown(own!)}${ratio ?? ''}`)
})
const sums = machines.map(machine => JSON.stringify(machine.digest))
if (new Set(sums).size > 1) throw new Error(`the builds have come to different states: ${sums.join(', ')}`)
