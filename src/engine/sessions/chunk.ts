import {
  addDigest,
  digestBytes,
  encodeOutcome,
  encodePlainCommit,
  readU64,
  writeU64,
  zeroDigest,
} from '../../encoding/index.ts'
import type { Digest64, MutationResult } from '../../encoding/index.ts'
import type { SlottedRecords } from '../keyspace/index.ts'
import { Layer } from '../layers.ts'
import { isMutant } from '../mutants.ts'

/**
 * Outcome slots of 32 consecutive serials of a session in one record (docs/formats/layers.md):
 *
 *   0 u64 leader time (us) of the newest outcome in this chunk   8 + 16 i: slot of serial 32 chunk + i
 *   a slot: 0 u8 kind, 1 u56 seq, 8 u64 result
 *
 * The record stays inline on every page size, so that a slot is written in place.
 */
export const SLOTS_PER_CHUNK = 32
export const SLOT_BYTES = 16
export const SLOTS_START = 8
export const CHUNK_BYTES: number = SLOTS_START + SLOTS_PER_CHUNK * SLOT_BYTES

/** What a slot says. Values are on disk: never reused. */
export const SlotKind = {
  unused: 0,
  /** Committed; no mutation answered anything. */
  committed: 1,
  /** Committed with one mutation, whose answer is the number in the slot. */
  number: 2,
  /** The outcome has a record of its own. */
  record: 3,
} as const

export function chunkOf(serial: number): number {
  return Math.floor(serial / SLOTS_PER_CHUNK)
}

export function slotOffset(serial: number): number {
  return SLOTS_START + (serial % SLOTS_PER_CHUNK) * SLOT_BYTES
}

/** Writes the slot of a committed or recorded outcome at `at`. */
export function writeSlot(bytes: Uint8Array, at: number, kind: number, seq: number, result: bigint): void {
  writeU64(bytes, at + 1, seq)
  bytes[at] = kind
  // The seq has seven bytes: its eighth, always zero, is where the result begins.
  bytes.fill(0, at + 8, at + SLOT_BYTES)
  for (let i = at + 8, rest = result; rest > 0n; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
}

export function slotKind(bytes: Uint8Array, at: number): number {
  return bytes[at]!
}

/** The outcome that a slot holds; undefined if it is unused or the outcome has a record of its own. */
export function outcomeOfSlot(bytes: Uint8Array, at: number): Uint8Array | undefined {
  const kind = bytes[at]
  if (kind !== SlotKind.committed && kind !== SlotKind.number) return undefined
  const seq = slotSeq(bytes, at)
  if (kind === SlotKind.committed) return encodePlainCommit(seq)
  let number = 0n
  for (let i = 15; i >= 8; i--) number = (number << 8n) | BigInt(bytes[at + i]!)
  return encodeOutcome({ status: 'committed', seq, results: [number] })
}

export function slotSeq(bytes: Uint8Array, at: number): number {
  let seq = 0
  for (let i = 7; i >= 1; i--) seq = seq * 256 + bytes[at + i]!
  return seq
}

export function fitsSlot(results: readonly MutationResult[]): boolean {
  return results.length === 1 && typeof results[0] === 'bigint' && results[0] < 1n << 64n
}

const scratch = new Uint8Array(18 + 1 + SLOT_BYTES)
const part = zeroDigest()

/**
 * What a chunk adds to S: its time and each used slot count as records of their own, so that writing a slot costs a digest of
 * the slot and not of the chunk. `key` is the chunk's full key.
 */
export function digestChunk(out: Digest64, key: Uint8Array, value: Uint8Array): void {
  out.lo = 0
  out.hi = 0
  digestTime(part, key, value)
  addDigest(out, part)
  if (isMutant('slot_not_in_digest')) return
  for (let i = 0; i < SLOTS_PER_CHUNK; i++) {
    if (value[SLOTS_START + i * SLOT_BYTES] === SlotKind.unused) continue
    digestSlot(part, key, value, SLOTS_START + i * SLOT_BYTES)
    addDigest(out, part)
  }
}

/** The chunks among the records of the keyspace. */
export const SLOTTED_RECORDS: SlottedRecords = {
  isSlotted: key => key[0] === Layer.sessionOutcomes && key[1] === 1,
  digest: (out, key, bytes, start, end) => digestChunk(out, key, bytes.subarray(start, end)),
}

export function digestTime(out: Digest64, key: Uint8Array, value: Uint8Array): void {
  scratch.set(key, 0)
  scratch[18] = 0xff
  for (let i = 0; i < 8; i++) scratch[19 + i] = value[i]!
  digestBytes(out, scratch, 0, 27, Layer.sessionOutcomes, 0)
}

export function digestSlot(out: Digest64, key: Uint8Array, value: Uint8Array, at: number): void {
  if (isMutant('slot_not_in_digest')) {
    out.lo = 0
    out.hi = 0
    return
  }
  scratch.set(key, 0)
  scratch[18] = (at - SLOTS_START) / SLOT_BYTES
  for (let i = 0; i < SLOT_BYTES; i++) scratch[19 + i] = value[at + i]!
  digestBytes(out, scratch, 0, 35, Layer.sessionOutcomes, 0)
}

export function chunkTime(value: Uint8Array): number {
  return readU64(value, 0)
}
