import { unwrittenBytes, utf8Bytes, writeU16, writeU32 } from './bytes.ts'
import { ENVELOPE_FORMAT, ENVELOPE_HEADER_BYTES } from './envelope-cursor.ts'
import { Op } from './envelope-ops.ts'

/**
 * The envelope of one kvSet without conditions, written straight into its bytes: the commonest write. The result is byte for byte
 * what `encodeEnvelope` gives. Hot path: bench/facade.
 */

/** Where the number of mutations stands. */
const COUNT_OFFSET = 12
/** Of an item's header what stands before the length: what it is, flags and the number of the namespace, 0. */
const ITEM_START_BYTES = 4

/** What all such envelopes of one namespace begin with: header, namespace and the first half of the item's header. */
export function singleSetTemplate(project: string, scope: string): Uint8Array {
  const names = [utf8Bytes(project), utf8Bytes(scope)]
  const nameBytes = names[0]!.length + names[1]!.length + 2
  const template = new Uint8Array(ENVELOPE_HEADER_BYTES + nameBytes + ITEM_START_BYTES)
  template[0] = ENVELOPE_FORMAT
  writeU16(template, 2, 1)
  writeU32(template, COUNT_OFFSET, 1)
  let at = ENVELOPE_HEADER_BYTES
  for (const name of names) {
    if (name.length > 255) throw new RangeError(`name of ${name.length} bytes`)
    template[at] = name.length
    template.set(name, at + 1)
    at += 1 + name.length
  }
  template[at] = Op.kvSet
  return template
}

/** The envelope of `set(key, value)` in the template's namespace. RangeError if the key exceeds the format. */
export function encodeSingleSet(template: Uint8Array, key: Uint8Array, value: Uint8Array): Uint8Array {
  const { length } = key
  if (length > 0xffff) throw new RangeError(`${length} bytes do not fit a 16-bit length`)
  const bytes = begin(template, length, value)
  bytes.set(key, template.length + 6)
  return bytes
}

/** As `encodeSingleSet` for a key of ASCII characters only; undefined for any other key. */
export function encodeSingleSetAscii(template: Uint8Array, key: string, value: Uint8Array): Uint8Array | undefined {
  const { length } = key
  if (length > 0xffff) return undefined
  const bytes = begin(template, length, value)
  const at = template.length + 6
  for (let i = 0; i < length; i++) {
    const unit = key.charCodeAt(i)
    if (unit > 0x7f) return undefined
    bytes[at + i] = unit
  }
  return bytes
}

function begin(template: Uint8Array, keyLength: number, value: Uint8Array): Uint8Array {
  const at = template.length
  const bytes = unwrittenBytes(at + 6 + keyLength + value.length)
  bytes.set(template)
  writeU32(bytes, at, 2 + keyLength + value.length)
  writeU16(bytes, at + 4, keyLength)
  bytes.set(value, at + 6 + keyLength)
  return bytes
}

/**
 * As `encodeSingleSet` for several keys, set together: byte for byte what `encodeEnvelope` gives. RangeError if a key exceeds the format.
 * Hot path: bench/gate.
 */
export function encodeSets(
  template: Uint8Array,
  keys: readonly Uint8Array[],
  values: readonly Uint8Array[],
): Uint8Array {
  const names = template.length - ITEM_START_BYTES
  let length = names
  for (let i = 0; i < keys.length; i++) length += ITEM_START_BYTES + 6 + keys[i]!.length + values[i]!.length
  const bytes = unwrittenBytes(length)
  bytes.set(template.subarray(0, names))
  writeU32(bytes, COUNT_OFFSET, keys.length)
  let at = names
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    const value = values[i]!
    if (key.length > 0xffff) throw new RangeError(`${key.length} bytes do not fit a 16-bit length`)
    bytes[at] = Op.kvSet
    bytes.fill(0, at + 1, at + ITEM_START_BYTES)
    at += ITEM_START_BYTES
    writeU32(bytes, at, 2 + key.length + value.length)
    writeU16(bytes, at + 4, key.length)
    bytes.set(key, at + 6)
    bytes.set(value, at + 6 + key.length)
    at += 6 + key.length + value.length
  }
  return bytes
}
