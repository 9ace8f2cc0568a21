import type { EntryWork } from '../entry-work.ts'
import { KV_EXPIRY_PREFIX, kvKeyOfExpiry, readU32BE, readU64BE } from '../layers.ts'
import { isMutant } from '../mutants.ts'
import { prefixEnd } from '../record-store.ts'
import type { StoredMetadata } from '../record-store.ts'

/** Expiries beyond this leader time (us) are never: 2^53 - 1. */
const LATEST_MICROS = Number.MAX_SAFE_INTEGER

/** Whether a record no longer exists for readers whose time is `timeMicros`. */
export function isExpired(record: Pick<StoredMetadata, 'expiresAtMicros'>, timeMicros: number): boolean {
  return record.expiresAtMicros !== 0 && record.expiresAtMicros <= ownTime(timeMicros)
}

let ownClockSkewMicros = 0

/** For the mutant `expiry_by_own_clock` only: how far this node's clock is off. */
export function setOwnClockSkew(micros: number): void {
  ownClockSkewMicros = micros
}

function ownTime(timeMicros: number): number {
  return isMutant('expiry_by_own_clock') ? timeMicros + ownClockSkewMicros : timeMicros
}

export function expiryFrom(timeMicros: number, ttlMs: number): number {
  const expiresAt = timeMicros + ttlMs * 1000
  return expiresAt < LATEST_MICROS ? expiresAt : LATEST_MICROS
}

/** What a tick found out about expiry rows. */
export interface ExpiryStep {
  removed: number
  /** The earliest expiry that is left, us; Infinity = none. */
  nextMicros: number
}

/** Removes at most `keysMax` due keys in the order of (expiry, key). */
export function expireKeys(work: EntryWork, keysMax: number): ExpiryStep {
  const { changes, effects, timeMicros } = work
  let removed = 0
  let nextMicros = Number.POSITIVE_INFINITY
  changes.walk(KV_EXPIRY_PREFIX, prefixEnd(KV_EXPIRY_PREFIX), false, row => {
    const expiresAt = readU64BE(row, 2)
    if (expiresAt > timeMicros || removed === keysMax) {
      nextMicros = expiresAt
      return false
    }
    const own = row.slice()
    const key = kvKeyOfExpiry(own)
    changes.delete(own)
    changes.delete(key)
    effects.expire(readU32BE(key, 1), key)
    removed++
    return true
  })
  return { removed, nextMicros }
}
