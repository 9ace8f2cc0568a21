import { stored } from '../as-stored.ts'
import { changedState } from '../cluster-state.ts'
import { ByteReader, ByteWriter, digestBytes, equalDigests, zeroDigest } from '../../encoding/index.ts'
import type { Digest64 } from '../../encoding/index.ts'
import { changedCounters, putCounters } from '../catalog/index.ts'
import type { EntryWork } from '../entry-work.ts'
import { IDEMPOTENCY_ORDER_PREFIX, idempotencyOrderKey, readU64BE } from '../layers.ts'
import { prefixEnd } from '../record-store.ts'
import { refuse } from '../refusal.ts'
import type { Refusal } from '../refusal.ts'

/** Digest of an envelope in two lanes pairs, 128 bits: it tells a repeated transaction from another one under the same key. */
export interface Fingerprint {
  readonly first: Digest64
  readonly second: Digest64
}

export function fingerprint(bytes: Uint8Array, start: number, end: number): Fingerprint {
  const first = zeroDigest()
  const second = zeroDigest()
  digestBytes(first, bytes, start, end)
  digestBytes(second, bytes, start, end, first.lo ^ 0x5bd1e995, first.hi ^ 0x27d4eb2f)
  return { first, second }
}

/**
 * What an idempotency key was used for: undefined if it is free, the recorded outcome of the same transaction, or a refusal
 * because it belongs to another one. `key` is the full key. Throws `ColdPages`.
 */
export function findIdempotent(work: EntryWork, key: Uint8Array, print: Fingerprint): Uint8Array | Refusal | undefined {
  const record = work.changes.get(key)
  if (record === undefined) return undefined
  return stored(value => judgeRecord(work, value, print), record.value)
}

function judgeRecord(work: EntryWork, value: Uint8Array, print: Fingerprint): Uint8Array | Refusal | undefined {
  const reader = new ByteReader(value)
  reader.u8()
  const recordedAtMicros = reader.u64()
  if (isForgotten(work, recordedAtMicros)) return undefined
  const first = { lo: reader.u32(), hi: reader.u32() }
  const second = { lo: reader.u32(), hi: reader.u32() }
  if (equalDigests(first, print.first) && equalDigests(second, print.second)) return reader.bytes32().slice()
  return refuse('idempotency_mismatch', 'the idempotency key was used for another transaction')
}

function isForgotten(work: EntryWork, recordedAtMicros: number): boolean {
  return recordedAtMicros + work.state.settings.idempotencyLifetimeMs * 1000 <= work.timeMicros
}

/** Remembers a committed outcome under a key; the oldest one goes if there are too many. Throws `ColdPages`. */
export function rememberIdempotent(work: EntryWork, key: Uint8Array, print: Fingerprint, outcome: Uint8Array): void {
  const { changes, seq, timeMicros } = work
  let count = work.state.counters.idempotencyKeys
  const old = changes.metadata(key)
  if (old === undefined) count++
  else changes.delete(idempotencyOrderKey(old.versionSeq))
  const surplus = count - work.state.settings.idempotencyKeysMax
  if (surplus > 0) count -= forgetOldest(work, Math.min(surplus, 2))
  const writer = new ByteWriter(64)
  writer.u8(1)
  writer.u64(timeMicros)
  for (const { lo, hi } of [print.first, print.second]) {
    writer.u32(lo)
    writer.u32(hi)
  }
  writer.bytes32(outcome)
  changes.put(key, writer.finish())
  const order = new ByteWriter(64)
  order.u64(timeMicros)
  order.bytes16(key)
  changes.put(idempotencyOrderKey(seq), order.finish())
  const due = timeMicros + work.state.settings.idempotencyLifetimeMs * 1000
  work.earliestExpiryMicros = Math.min(work.earliestExpiryMicros, due)
  setCount(work, count)
}

/** Removes the oldest keys whatever their age. Rows that this entry itself has removed do not count. */
function forgetOldest(work: EntryWork, keysMax: number): number {
  let removed = 0
  walkOldest(work, (rowKey, _recordedAtMicros, key) => {
    if (removed === keysMax) return false
    if (work.changes.metadata(rowKey) === undefined) return true
    work.changes.delete(rowKey)
    work.changes.delete(key)
    removed++
    return true
  })
  return removed
}

/** Removes at most `keysMax` keys whose time is over. */
export function expireIdempotent(work: EntryWork, keysMax: number): { removed: number; nextMicros: number } {
  let removed = 0
  let nextMicros = Number.POSITIVE_INFINITY
  walkOldest(work, (rowKey, recordedAtMicros, key) => {
    if (removed === keysMax || !isForgotten(work, recordedAtMicros)) {
      nextMicros = recordedAtMicros + work.state.settings.idempotencyLifetimeMs * 1000
      return false
    }
    work.changes.delete(rowKey)
    work.changes.delete(key)
    removed++
    return true
  })
  if (removed > 0) setCount(work, work.state.counters.idempotencyKeys - removed)
  return { removed, nextMicros }
}

function walkOldest(work: EntryWork, visit: (row: Uint8Array, atMicros: number, key: Uint8Array) => boolean): void {
  const end = prefixEnd(IDEMPOTENCY_ORDER_PREFIX)
  work.changes.walk(IDEMPOTENCY_ORDER_PREFIX, end, false, (rowKey, _, value) => {
    const reader = new ByteReader(value())
    const recordedAtMicros = reader.u64()
    return visit(idempotencyOrderKey(readU64BE(rowKey, 2)), recordedAtMicros, reader.bytes16())
  })
}

function setCount(work: EntryWork, idempotencyKeys: number): void {
  if (idempotencyKeys === work.state.counters.idempotencyKeys) return
  const counters = changedCounters(work.state.counters, { idempotencyKeys })
  putCounters(work.changes, counters)
  work.state = changedState(work.state, { counters })
}
