import { readU64 } from '../encoding/index.ts'
import type { ClusterSettings } from '../model/index.ts'
import {
  IDEMPOTENCY_ORDER_PREFIX,
  KV_EXPIRY_PREFIX,
  readU64BE,
  ROW_EXPIRY_PREFIX,
  SESSION_EXPIRY_PREFIX,
} from './layers.ts'
import { prefixEnd } from './record-store.ts'
import type { RecordReader } from './record-store.ts'

/** The leader time (us) at which the first key, row, session or idempotency key is due; Infinity = nothing. Throws `ColdPages`. */
export function findEarliestExpiry(reader: RecordReader, settings: ClusterSettings): number {
  let earliest = Number.POSITIVE_INFINITY
  for (const prefix of [KV_EXPIRY_PREFIX, ROW_EXPIRY_PREFIX, SESSION_EXPIRY_PREFIX]) {
    reader.walk(prefix, prefixEnd(prefix), false, key => {
      earliest = Math.min(earliest, readU64BE(key, 2))
      return false
    })
  }
  reader.walk(IDEMPOTENCY_ORDER_PREFIX, prefixEnd(IDEMPOTENCY_ORDER_PREFIX), false, (_key, _metadata, value) => {
    earliest = Math.min(earliest, readU64(value(), 0) + settings.idempotencyLifetimeMs * 1000)
    return false
  })
  return earliest
}
