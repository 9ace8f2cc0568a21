import {
  NUMBER_MISSING_REJECT,
  NUMBER_RANGE_SHIFT,
  NUMBER_WIDE,
  Op,
  RangePolicy,
  readU64,
  SET_HAS_TTL,
} from '../../encoding/index.ts'
import type { EnvelopeCursor, MutationResult } from '../../encoding/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { KV_PREFIX_BYTES, kvExpiryKey, layKvKey } from '../layers.ts'
import type { StoredMetadata } from '../record-store.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'
import { addNumbers, subtractNumbers } from './numbers.ts'
import { expiryFrom, isExpired } from './expiry.ts'

const NO_VALUE = new Uint8Array(0)

/** What a mutation gave: a refusal, or in `result` what it answers. */
export interface MutationOutcome {
  result: MutationResult
}

/** hot path (bench/apply): the full key that the cursor stands on, for this entry only. */
function keyUnder({ changes }: EntryWork, { bytes, keyStart, keyEnd }: EnvelopeCursor, scopeId: number): Uint8Array {
  const key = changes.keyOf(KV_PREFIX_BYTES + keyEnd - keyStart)
  layKvKey(key, scopeId, bytes, keyStart, keyEnd)
  return key
}

/** hot path (bench/apply): sets the key that the cursor stands on. */
export function applySet(work: EntryWork, cursor: EnvelopeCursor, scopeId: number): Refusal | undefined {
  const { bytes, restStart, bodyEnd } = cursor
  const hasTtl = (cursor.flags & SET_HAS_TTL) !== 0
  const valueStart = hasTtl ? restStart + 8 : restStart
  const limit = work.state.settings.valueBytesMax
  if (bodyEnd - valueStart > limit) return refuse('value_too_large', `a value has at most ${limit} bytes`)
  const expiresAtMicros = hasTtl ? expiryFrom(work.timeMicros, readU64(bytes, restStart)) : 0
  const key = keyUnder(work, cursor, scopeId)
  writeKey(work, scopeId, key, work.changes.metadata(key), bytes, valueStart, bodyEnd, expiresAtMicros)
  return undefined
}

/** Removes the key that the cursor stands on; a missing one is fine. */
export function applyDelete(work: EntryWork, cursor: EnvelopeCursor, scopeId: number): void {
  const key = keyUnder(work, cursor, scopeId)
  const old = work.changes.metadata(key)
  if (old === undefined || isExpired(old, work.timeMicros)) return
  if (old.expiresAtMicros !== 0) work.changes.delete(kvExpiryKey(old.expiresAtMicros, key))
  work.changes.delete(key)
  work.effects.delete(scopeId, key)
}

/** Adds to or subtracts from the number under the key that the cursor stands on. */
export function applyNumber(
  work: EntryWork,
  cursor: EnvelopeCursor,
  scopeId: number,
  outcome: MutationOutcome,
): Refusal | undefined {
  const { bytes, flags, restStart, bodyEnd } = cursor
  const width = (flags & NUMBER_WIDE) === 0 ? 8 : 32
  const key = keyUnder(work, cursor, scopeId)
  const found = work.changes.get(key)
  const old = found === undefined || isExpired(found, work.timeMicros) ? undefined : found
  if (old === undefined && (flags & NUMBER_MISSING_REJECT) !== 0) return refuse('key_missing', 'there is no such key')
  if (old !== undefined && old.value.length !== width) {
    return refuse('not_a_number', `the value has ${old.value.length} bytes, a number of this width ${width}`)
  }
  const present = old === undefined ? new Uint8Array(width) : old.value
  const operand = bytes.subarray(restStart, bodyEnd)
  const isIncrement = cursor.op === Op.kvIncrement
  const sum = new Uint8Array(width)
  const isInRange = isIncrement ? addNumbers(present, operand, sum) : subtractNumbers(present, operand, sum)
  if (!isInRange) {
    const policy = flags >> NUMBER_RANGE_SHIFT
    if (policy === RangePolicy.reject) {
      return isIncrement
        ? refuse('overflow', 'the number would exceed its width')
        : refuse('underflow', 'the number would be negative')
    }
    if (policy === RangePolicy.ignore) {
      outcome.result = toBigint(present)
      return undefined
    }
    sum.fill(isIncrement ? 0xff : 0)
  }
  outcome.result = toBigint(sum)
  writeKey(work, scopeId, key, found, sum, 0, width, old?.expiresAtMicros ?? 0)
  return undefined
}

/** Writes `source[start, end)` over `found`, what is stored now (expired or not), and keeps the expiry rows in step. */
export function writeKey(
  work: EntryWork,
  scopeId: number,
  key: Uint8Array,
  found: StoredMetadata | undefined,
  source: Uint8Array,
  start: number,
  end: number,
  expiresAtMicros: number,
): void {
  const { changes } = work
  let createdSeq = work.seq
  if (found !== undefined) {
    if (!isExpired(found, work.timeMicros)) createdSeq = found.createdSeq
    if (found.expiresAtMicros !== 0 && found.expiresAtMicros !== expiresAtMicros) {
      changes.delete(kvExpiryKey(found.expiresAtMicros, key))
    }
  }
  if (expiresAtMicros !== 0) {
    changes.put(kvExpiryKey(expiresAtMicros, key), NO_VALUE)
    if (expiresAtMicros < work.earliestExpiryMicros) work.earliestExpiryMicros = expiresAtMicros
  }
  changes.putPart(key, source, start, end, createdSeq, expiresAtMicros)
  work.effects.put(scopeId, key, source, start, end)
}

function toBigint(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}
