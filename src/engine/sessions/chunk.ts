import {
  addDigest,
  digestView,
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
 * Outcome slots of 32 consecutive serials of a session in one record (docs/formats/layers.md); slot i is that of serial
 * 32 chunk + i and begins at 24 i:
 *
 *   0 u8 kind   1 u56 seq   8 u64 result   16 u64 leader time (us) at which it was recorded
 *
 * The record stays inline on every page size, so that a slot is written in place.
 */
export const SLOTS_PER_CHUNK = 32
export const SLOT_BYTES = 24
export const CHUNK_BYTES: number = SLOTS_PER_CHUNK * SLOT_BYTES
/** Bytes of a chunk's key. */
const KEY_BYTES = 18

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

/** The largest serial of chunk `number` that has an outcome; a chunk has at least one. */
export function lastSerialOf(number: number, bytes: Uint8Array): number {
  let last = SLOTS_PER_CHUNK - 1
  while (last > 0 && bytes[last * SLOT_BYTES] === SlotKind.unused) last--
  return number * SLOTS_PER_CHUNK + last
}

export function slotOffset(serial: number): number {
  return (serial % SLOTS_PER_CHUNK) * SLOT_BYTES
}

/** hot path (bench/apply): lays a slot at the start of `slot`. `result` is 0 unless the kind is `number`. */
export function writeSlot(slot: Uint8Array, kind: number, seq: number, result: bigint, timeMicros: number): void {
  writeU64(slot, 1, seq)
  slot[0] = kind
  // The seq has seven bytes: its eighth, always zero, is where the result begins.
  for (let i = 8; i < 16; i++) slot[i] = 0
  if (kind === SlotKind.number)
    for (let i = 8, rest = result; rest > 0n; i++, rest >>= 8n) slot[i] = Number(rest & 0xffn)
  writeU64(slot, 16, timeMicros)
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
  return results.length === 1 && typeof results[0] === 'bigint' && results[0] >= 0n && results[0] < 1n << 64n
}

const scratch = new Uint8Array(KEY_BYTES + 1 + SLOT_BYTES)
const scratchView = new DataView(scratch.buffer)
const part = zeroDigest()

/**
 * What a chunk adds to S: each used slot counts as a record of its own, so that writing a slot costs a digest of the slot and
 * not of the chunk. `key` is the chunk's full key.
 */
export function digestChunk(out: Digest64, key: Uint8Array, value: Uint8Array): void {
  out.lo = 0
  out.hi = 0
  if (isMutant('slot_not_in_digest')) return
  for (let i = 0; i < KEY_BYTES; i++) scratch[i] = key[i]!
  for (let at = 0; at < CHUNK_BYTES; at += SLOT_BYTES) {
    if (value[at] === SlotKind.unused) continue
    digestAfterKey(part, at, value, at)
    addDigest(out, part)
  }
}

/** The chunks among the records of the keyspace. */
export const SLOTTED_RECORDS: SlottedRecords = {
  isSlotted: key => key[0] === Layer.sessionOutcomes && key[1] === 1,
  digest: (out, key, bytes, start, end) => digestChunk(out, key, bytes.subarray(start, end)),
}

/** hot path (bench/apply): the digest of the slot `bytes[at, at + SLOT_BYTES)`, whose place in its chunk is `offset`. */
export function digestSlot(out: Digest64, key: Uint8Array, offset: number, bytes: Uint8Array, at: number): void {
  if (isMutant('slot_not_in_digest')) {
    out.lo = 0
    out.hi = 0
    return
  }
  for (let i = 0; i < KEY_BYTES; i++) scratch[i] = key[i]!
  digestAfterKey(out, offset, bytes, at)
}

/** As `digestSlot` where the key stands in `scratch` already. */
function digestAfterKey(out: Digest64, offset: number, bytes: Uint8Array, at: number): void {
  scratch[KEY_BYTES] = offset / SLOT_BYTES
  for (let i = 0; i < SLOT_BYTES; i++) scratch[KEY_BYTES + 1 + i] = bytes[at + i]!
  digestView(out, scratchView, 0, scratch.length, Layer.sessionOutcomes, 0)
}

/** Leader time (us) of the newest outcome in a chunk. */
export function chunkTime(value: Uint8Array): number {
  let newest = 0
  for (let at = 0; at < CHUNK_BYTES; at += SLOT_BYTES) {
    if (value[at] !== SlotKind.unused) newest = Math.max(newest, readU64(value, at + 16))
  }
  return newest
}
