import { ByteWriter, compareBytes, KeyTag, prefixSuccessor, utf8Bytes, writeKeyValue } from '../../encoding/index.ts'
import type { ColumnType } from '../../encoding/index.ts'
import { prefixEnd } from '../record-store.ts'
import type { Band, Bound } from './bands.ts'

/** Keys in [start, end). */
export interface KeyRange {
  readonly start: Uint8Array
  readonly end: Uint8Array
}

/** Behind every key that begins with a prefix of whole parts: no part has this tag. */
const AFTER_PARTS = 0xff
/** Points of leading columns are multiplied out up to this many ranges; what is beyond is left to the filter. */
export const RANGES_MAX = 10_000

const writer = new ByteWriter(256)

/**
 * The keys of a space (rows or entries) whose leading parts are within `bands`: points of any number of columns, and at last one range,
 * prefix or nothing. In key order, and disjoint.
 */
export function keyRanges(space: Uint8Array, types: readonly ColumnType[], bands: readonly Band[]): KeyRange[] {
  let prefixes: Uint8Array[] = [space]
  for (let i = 0; i < bands.length; i++) {
    const band = bands[i]!
    const type = types[i]!
    if (band.kind !== 'points') return prefixes.map(prefix => rangeIn(prefix, type, band)).filter(isNotEmpty)
    prefixes = multiply(prefixes, type, band)
  }
  if (bands.length === 0) return [{ start: space, end: prefixEnd(space) }]
  return prefixes.map(start => ({ start, end: after(start) }))
}

/** The whole keys that bands of points name. */
export function keyPoints(space: Uint8Array, types: readonly ColumnType[], bands: readonly Band[]): Uint8Array[] {
  let keys: Uint8Array[] = [space]
  bands.forEach((band, i) => {
    keys = band.kind === 'points' ? multiply(keys, types[i]!, band) : []
  })
  return keys
}

function multiply(
  prefixes: readonly Uint8Array[],
  type: ColumnType,
  band: Extract<Band, { kind: 'points' }>,
): Uint8Array[] {
  const longer: Uint8Array[] = []
  for (const prefix of prefixes) {
    for (const value of band.values) {
      writer.reset()
      writer.raw(prefix)
      writeKeyValue(writer, type, value)
      longer.push(writer.finish())
    }
  }
  return longer
}

function rangeIn(prefix: Uint8Array, type: ColumnType, band: Exclude<Band, { kind: 'points' }>): KeyRange {
  if (band.kind === 'prefix') {
    writer.reset()
    writer.raw(prefix)
    writer.u8(KeyTag[type])
    for (const byte of utf8Bytes(band.prefix)) {
      writer.u8(byte)
      // A NUL within a text is followed by FF.
      if (byte === 0) writer.u8(0xff)
    }
    const start = writer.finish()
    return { start, end: prefixSuccessor(start)! }
  }
  const { low, high } = band
  const start = low === undefined ? prefix : low.isIncluded ? keyOf(prefix, type, low) : after(keyOf(prefix, type, low))
  // Null is last, and within no range.
  const end = high === undefined ? withByte(prefix, KeyTag.null) : keyOf(prefix, type, high)
  return { start, end: high?.isIncluded === true ? after(end) : end }
}

function keyOf(prefix: Uint8Array, type: ColumnType, { value }: Bound): Uint8Array {
  writer.reset()
  writer.raw(prefix)
  writeKeyValue(writer, type, value)
  return writer.finish()
}

/** Behind every key that begins with these parts. */
export function after(parts: Uint8Array): Uint8Array {
  return withByte(parts, AFTER_PARTS)
}

function withByte(bytes: Uint8Array, byte: number): Uint8Array {
  const longer = new Uint8Array(bytes.length + 1)
  longer.set(bytes)
  longer[bytes.length] = byte
  return longer
}

function isNotEmpty({ start, end }: KeyRange): boolean {
  return compareBytes(start, end) < 0
}

/** What is left of ranges behind `position` (in the direction of the walk), which is excluded. */
export function rangesBehind(ranges: readonly KeyRange[], position: Uint8Array, reverse: boolean): KeyRange[] {
  const rest: KeyRange[] = []
  for (const { start, end } of ranges) {
    const range = reverse
      ? { start, end: compareBytes(position, end) < 0 ? position : end }
      : { start: compareBytes(position, start) >= 0 ? withByte(position, 0) : start, end }
    if (isNotEmpty(range)) rest.push(range)
  }
  return rest
}
