import { EntryKind, chainEntry, encodeEntry } from '../../src/encoding/index.ts'
import type { EntryBatch } from '../../src/encoding/index.ts'
import { createLog, openLog } from '../../src/log/index.ts'
import type { Log, LogError, LogOptions, Recovered } from '../../src/log/index.ts'
import type { Threads } from '../../src/platform/index.ts'
import { SeededRandom, SimulatedDisk } from '../../src/platform/simulated/index.ts'

export const DIRECTORY_ID: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => i + 1)
export const GROUP_ID = 7
export const SEGMENT_BYTES = 8192

const noThreads: Threads = {
  start: () => {
    throw new Error('the inline lane needs no thread')
  },
}

/** The seed of randomised tests: QUORATE_SEED or a fixed one. */
export function testSeed(): number {
  return Number(process.env['QUORATE_SEED'] ?? 20_240_501)
}

/** A payload that is recognisable by its seq and contains long runs of zeros when `length` allows. */
export function payloadOf(seq: number, term: number, length: number): Uint8Array {
  const payload = new Uint8Array(length)
  const filled = seq % 3 === 0 ? Math.min(length, 16) : length
  for (let i = 0; i < filled; i++) payload[i] = (seq * 31 + term * 7 + i) % 251
  return payload
}

export function entry(seq: number, term: number, length = 40): Uint8Array {
  const header = { kind: EntryKind.transaction, seq, term, leaderTimeMicros: seq * 1000 }
  return encodeEntry(header, payloadOf(seq, term, length))
}

/** `count` entries from `firstSeq` in one batch. */
export function batch(firstSeq: number, count: number, term: number, length = 40): EntryBatch {
  const entries = Array.from({ length: count }, (_, i) => entry(firstSeq + i, term, length))
  return { firstSeq, lastSeq: firstSeq + count - 1, bytes: concat(entries) }
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** The entry chain over whole entries, from `chain` on. */
export function chainOver(entries: readonly Uint8Array[], chain = 0): number {
  return entries.reduce((previous, bytes) => chainEntry(previous, bytes, 0, bytes.length), chain)
}

export interface Opened {
  readonly log: Log
  readonly recovered: Recovered
  /** Every ioSeq that `onSynced` told, in order. */
  readonly synced: number[]
  readonly failures: LogError[]
}

/** A disk with one log directory, and the ways to come to its log. */
export class LogWorld {
  readonly disk: SimulatedDisk
  readonly random: SeededRandom
  readonly options: Partial<LogOptions>

  constructor(seed: number = testSeed(), options: Partial<LogOptions> = {}, tear: 'sector' | 'byte' = 'sector') {
    this.random = new SeededRandom(seed)
    this.disk = new SimulatedDisk({ seed: this.random.split('disk'), tear })
    this.options = options
  }

  create(hardState = { term: 1, votedFor: 0, commitSeq: 0 }): Promise<Opened> {
    return this.#open(options => createLog({ ...options, hardState }))
  }

  open(options: Partial<LogOptions> = {}): Promise<Opened> {
    return this.#open(given => openLog({ ...given, ...options }))
  }

  async #open(how: (options: LogOptions) => Promise<{ log: Log; recovered: Recovered }>): Promise<Opened> {
    const synced: number[] = []
    const failures: LogError[] = []
    const { log, recovered } = await how({
      files: this.disk.files(),
      threads: noThreads,
      directory: '/data',
      directoryId: DIRECTORY_ID,
      groupId: GROUP_ID,
      lane: 'inline',
      segmentBytes: SEGMENT_BYTES,
      onSynced: ioSeq => synced.push(ioSeq),
      onFailed: error => failures.push(error),
      ...this.options,
    })
    return { log, recovered, synced, failures }
  }
}

export function segmentPath(segment: number): string {
  return `/data/log/segment-${String(segment).padStart(10, '0')}`
}

/** All entries of a log after its base, read back one by one. */
export async function readAll(log: Log): Promise<Uint8Array[]> {
  const entries: Uint8Array[] = []
  for await (const part of log.entriesAfter(log.base.seq, 700)) {
    let at = 0
    for (let seq = part.firstSeq; seq <= part.lastSeq; seq++) {
      const length = new DataView(part.bytes.buffer, part.bytes.byteOffset + at).getUint32(0, true)
      entries.push(part.bytes.slice(at, at + length))
      at += length
    }
  }
  return entries
}

/** Lets the background work of the log (preparing segments) finish. */
export function settle(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}

/** Puts other bytes on the medium, as no log would. */
export async function tamper(world: LogWorld, path: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await world.disk.files().open(path, 'readWrite')
  file.writeSync(bytes, offset)
  file.syncSync()
  await file.close()
}
