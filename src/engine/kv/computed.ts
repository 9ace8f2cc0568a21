import {
  bigEndianToBigint,
  bigEndianToSigned,
  bigintToBigEndian,
  counterShardKey,
  EXTREME_MISSING_SHIFT,
  failedCondition,
  MUTATE_HAS_SEQ,
  MUTATE_OP_SHIFT,
  MUTATE_OPS,
  NUMBER_WIDE,
  Op,
  readSignedAmount,
  readU16,
  readU64,
  signedToBigEndian,
} from '../../encoding/index.ts'
import type { EnvelopeCursor } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { kvKey } from '../layers.ts'
import type { StoredRecord } from '../record-store.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { isExpired } from './expiry.ts'
import { writeKey } from './mutations.ts'
import type { MutationOutcome } from './mutations.ts'

/** Mutations that compute a number: largest and smallest, set under a version, signed sums, counters in shards. */

const OVERFLOW: Refusal = refuse('overflow', 'the number would exceed its width')
const UNDERFLOW: Refusal = refuse('underflow', 'the number would be negative')
const MISSING: Refusal = refuse('key_missing', 'there is no such key')
const I64_MIN = -(1n << 63n)
const I64_MAX = (1n << 63n) - 1n

/** What a number is stored under, and what is stored there now, expired or not. */
interface Place {
  key: Uint8Array
  found: StoredRecord | undefined
  /** `found`, unless it has expired. */
  old: StoredRecord | undefined
}

/** Applies the operation of kvMax to counterAdd that the cursor stands on. */
export function applyComputed(
  work: EntryWork,
  cursor: EnvelopeCursor,
  scopeId: number,
  outcome: MutationOutcome,
): Refusal | undefined {
  switch (cursor.op) {
    case Op.kvMax:
    case Op.kvMin:
      return applyExtreme(work, cursor, scopeId, outcome)
    case Op.kvMutate:
      return applyMutate(work, cursor, scopeId, outcome)
    case Op.kvAddSigned:
      return applySigned(work, cursor, scopeId, outcome)
    default:
      return applyCounter(work, cursor, scopeId, outcome)
  }
}

function placeOf(work: EntryWork, key: Uint8Array, bytes: number): Place | Refusal {
  const found = work.changes.get(key)
  const old = found === undefined || isExpired(found, work.timeMicros) ? undefined : found
  if (old === undefined || old.value.length === bytes) return { key, found, old }
  return refuse('not_a_number', `the value has ${old.value.length} bytes, a number of this width ${bytes}`)
}

function placeOfCursor(work: EntryWork, cursor: EnvelopeCursor, scopeId: number, bytes: number): Place | Refusal {
  return placeOf(work, kvKey(scopeId, cursor.bytes, cursor.keyStart, cursor.keyEnd), bytes)
}

function write(work: EntryWork, scopeId: number, place: Place, value: Uint8Array): void {
  writeKey(work, scopeId, place.key, place.found, value, 0, value.length, place.old?.expiresAtMicros ?? 0)
}

/** A number that stays as it is is not written again. */
function applyExtreme(
  work: EntryWork,
  cursor: EnvelopeCursor,
  scopeId: number,
  outcome: MutationOutcome,
): Refusal | undefined {
  const width = widthOf(cursor)
  const place = placeOfCursor(work, cursor, scopeId, width / 8)
  if ('code' in place) return place
  const candidate = bigEndianToBigint(cursor.bytes.subarray(cursor.restStart, cursor.bodyEnd))
  const onMissing = cursor.flags >> EXTREME_MISSING_SHIFT
  if (place.old === undefined && onMissing === 2) return MISSING
  const isMax = cursor.op === Op.kvMax
  const present = place.old === undefined ? (onMissing === 1 ? 0n : candidate) : bigEndianToBigint(place.old.value)
  const next = candidate > present === isMax ? candidate : present
  outcome.result = next
  if (place.old === undefined || next !== present) write(work, scopeId, place, bigintToBigEndian(next, width))
  return undefined
}

function widthOf(cursor: EnvelopeCursor): 64 | 256 {
  return (cursor.flags & NUMBER_WIDE) === 0 ? 64 : 256
}

function applyMutate(
  work: EntryWork,
  cursor: EnvelopeCursor,
  scopeId: number,
  outcome: MutationOutcome,
): Refusal | undefined {
  const { bytes, flags, restStart, bodyEnd } = cursor
  const width = widthOf(cursor)
  const place = placeOfCursor(work, cursor, scopeId, width / 8)
  if ('code' in place) return place
  const hasSeq = (flags & MUTATE_HAS_SEQ) !== 0
  const actualSeq = place.old?.versionSeq ?? 0
  const expectedSeq = hasSeq ? readU64(bytes, restStart) : actualSeq
  if (expectedSeq !== actualSeq) {
    const condition = failedCondition('kvMutate', 'eq', false, expectedSeq, actualSeq)
    return refuse('assertion_failed', 'the key has another version than expected', { index: 0, actualSeq, condition })
  }
  const operand = bigEndianToBigint(bytes.subarray(hasSeq ? restStart + 8 : restStart, bodyEnd))
  const present = place.old === undefined ? 0n : bigEndianToBigint(place.old.value)
  const operation = MUTATE_OPS[(flags & ~MUTATE_HAS_SEQ) >> MUTATE_OP_SHIFT]!
  const next = operation === 'set' ? operand : operation === 'add' ? present + operand : present - operand
  if (next < 0n) return UNDERFLOW
  if (next >= 1n << BigInt(width)) return OVERFLOW
  outcome.result = next
  write(work, scopeId, place, bigintToBigEndian(next, width))
  return undefined
}

function applySigned(
  work: EntryWork,
  cursor: EnvelopeCursor,
  scopeId: number,
  outcome: MutationOutcome,
): Refusal | undefined {
  const { by, min = I64_MIN, max = I64_MAX, onMissing } = readSignedAmount(cursor)
  if (min > max) return refuse('invalid_argument', 'the least value is above the greatest')
  const place = placeOfCursor(work, cursor, scopeId, 8)
  if ('code' in place) return place
  if (place.old === undefined && onMissing === 'reject') return MISSING
  const next = (place.old === undefined ? 0n : bigEndianToSigned(place.old.value)) + by
  if (next > max) return refuse('overflow', `the number would be above ${max}`)
  if (next < min) return refuse('underflow', `the number would be below ${min}`)
  outcome.result = next
  write(work, scopeId, place, signedToBigEndian(next))
  return undefined
}

/** The shard's key is longer than the counter's, which the caller has judged. */
function applyCounter(
  work: EntryWork,
  cursor: EnvelopeCursor,
  scopeId: number,
  outcome: MutationOutcome,
): Refusal | undefined {
  const { bytes, keyStart, keyEnd, restStart, bodyEnd } = cursor
  const shardKey = counterShardKey(bytes.subarray(keyStart, keyEnd), readU16(bytes, restStart + 2))
  const { keyBytesMax } = work.state.settings
  if (shardKey.length > keyBytesMax) return refuse('key_too_large', `a key has at most ${keyBytesMax} bytes`)
  const place = placeOf(work, kvKey(scopeId, shardKey, 0, shardKey.length), 8)
  if ('code' in place) return place
  const by = bigEndianToBigint(bytes.subarray(restStart + 4, bodyEnd))
  const next = (place.old === undefined ? 0n : bigEndianToBigint(place.old.value)) + by
  if (next >= 1n << 64n) return OVERFLOW
  outcome.result = next
  write(work, scopeId, place, bigintToBigEndian(next, 64))
  return undefined
}
