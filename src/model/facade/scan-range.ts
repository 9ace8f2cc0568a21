import { compareBytes, prefixSuccessor } from '../../encoding/index.ts'
import type { ScanOptions } from '../database.ts'
import { invalid } from './arguments.ts'
import type { Space } from './space.ts'

/** A scan's range in bytes. */
export interface ScanRange {
  /** Inclusive; undefined = from the first key. */
  readonly start: Uint8Array | undefined
  /** Exclusive; undefined = to the last key. */
  readonly end: Uint8Array | undefined
  readonly reverse: boolean
  /** Infinity = all. */
  readonly limit: number
}

/** The range that lies within the prefix, the start and the end of `options`. @throws QuorateError `invalid_argument` */
export function scanRange<K>(space: Space<K, unknown>, options: ScanOptions<K>): ScanRange {
  const { reverse = false, limit = Infinity } = options
  if (limit !== Infinity && (!Number.isSafeInteger(limit) || limit < 0)) {
    throw invalid(`limit is a whole number from 0, not ${String(limit)}`)
  }
  let start = options.start === undefined ? undefined : space.encodeKey(options.start)
  let end = options.end === undefined ? undefined : space.encodeKey(options.end)
  if (options.prefix !== undefined) {
    const prefix = space.encodeKey(options.prefix)
    const successor = prefixSuccessor(prefix)
    if (start === undefined || compareBytes(start, prefix) < 0) start = prefix
    if (successor !== undefined && (end === undefined || compareBytes(successor, end) < 0)) end = successor
  }
  return { start, end, reverse, limit: isEmptyRange(start, end) ? 0 : limit }
}

export function isEmptyRange(start: Uint8Array | undefined, end: Uint8Array | undefined): boolean {
  return end !== undefined && compareBytes(start ?? new Uint8Array(0), end) >= 0
}

/** The smallest key after `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}
