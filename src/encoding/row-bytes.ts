import { MalformedBytes, readU16, readU32, utf8Bytes, utf8Text, writeU16, writeU32 } from './bytes.ts'
import { narrow } from './values.ts'
import type { ColumnType, Value } from './values.ts'

/**
 * A row's value (docs/formats/rows.md): all cells but those of the primary key, which are in the record's key. A cell is found without
 * reading the others.
 *
 *   0 u8 form (1: ends are u16, 2: ends are u32)   1 u16 layout   3 null bitmap, a bit for each column of the layout
 *   then the fixed cells at offsets that the layout gives (zero where Null), then for each variable cell the end of its bytes, counted
 *   from the first one's start, then the bytes
 */
const FORM_SHORT = 1
const FORM_LONG = 2
const HEADER_BYTES = 3
const TWO_32 = 4294967296

const FIXED_BYTES: { readonly [K in ColumnType]?: number } = {
  u8: 1,
  boolean: 1,
  u64: 8,
  integer: 8,
  timestamp: 8,
  float: 8,
  u256: 32,
  i256: 32,
}

/** Which columns a row's bytes have, and where. Rows name theirs by its number, so that a table's columns can change under them. */
export class RowLayout {
  readonly version: number
  readonly types: readonly ColumnType[]
  /** Per column: offset of its cell from the row's start, or -1 - i for the i-th variable one. */
  readonly places: readonly number[]
  /** Where the ends of the variable cells begin. */
  readonly endsAt: number
  readonly variableCount: number

  constructor(version: number, types: readonly ColumnType[]) {
    this.version = version
    this.types = types
    let at = HEADER_BYTES + ((types.length + 7) >> 3)
    let variables = 0
    this.places = types.map(type => {
      const size = FIXED_BYTES[type]
      if (size === undefined) return -1 - variables++
      at += size
      return at - size
    })
    this.endsAt = at
    this.variableCount = variables
  }
}

/** The number of the layout that a row's bytes have. */
export function rowLayoutOf(bytes: Uint8Array, start: number): number {
  return readU16(bytes, start + 1)
}

export function isNullCell(slot: number, bytes: Uint8Array, start: number): boolean {
  return (bytes[start + HEADER_BYTES + (slot >> 3)]! & (1 << (slot & 7))) !== 0
}

/** The cell of column `slot` of the layout; `bytes` hold the row from `start` on. hot path (bench/query) */
export function readCell(layout: RowLayout, slot: number, bytes: Uint8Array, start: number): Value {
  if (isNullCell(slot, bytes, start)) return null
  const place = layout.places[slot]!
  const type = layout.types[slot]!
  if (place < 0) return readVariable(layout, -1 - place, type, bytes, start)
  const at = start + place
  switch (type) {
    case 'u8':
      return bytes[at]!
    case 'boolean':
      return bytes[at] === 1
    case 'integer':
    case 'timestamp':
      return integer64(readU32(bytes, at + 4) | 0, readU32(bytes, at))
    case 'u64':
      return integer64(readU32(bytes, at + 4), readU32(bytes, at))
    case 'float':
      return readFloat(bytes, at)
    case 'u256':
      return integer256(bytes, at, false)
    case 'i256':
      return integer256(bytes, at, true)
    default:
      throw new MalformedBytes(`fixed cell of type ${type}`)
  }
}

const floatBytes = new Uint8Array(8)
const floatView = new DataView(floatBytes.buffer)

function readFloat(bytes: Uint8Array, at: number): number {
  for (let i = 0; i < 8; i++) floatBytes[i] = bytes[at + i]!
  return floatView.getFloat64(0, true)
}

function integer64(high: number, low: number): number | bigint {
  const value = high * TWO_32 + low
  return Number.isSafeInteger(value) ? value : narrow((BigInt(high) << 32n) | BigInt(low))
}

function integer256(bytes: Uint8Array, at: number, isSigned: boolean): bigint {
  let value = BigInt(isSigned ? readU32(bytes, at + 28) | 0 : readU32(bytes, at + 28))
  for (let i = 24; i >= 0; i -= 4) value = (value << 32n) | BigInt(readU32(bytes, at + i))
  return value
}

function readVariable(layout: RowLayout, index: number, type: ColumnType, bytes: Uint8Array, start: number): Value {
  const isLong = bytes[start] === FORM_LONG
  const width = isLong ? 4 : 2
  const endsAt = start + layout.endsAt
  const dataAt = endsAt + layout.variableCount * width
  const endAt = endsAt + index * width
  const end = dataAt + (isLong ? readU32(bytes, endAt) : readU16(bytes, endAt))
  const from = index === 0 ? dataAt : dataAt + (isLong ? readU32(bytes, endAt - width) : readU16(bytes, endAt - width))
  return type === 'blob' ? bytes.slice(from, end) : utf8Text(bytes, from, end)
}

/** The bytes of a row; `cells` in the order of the layout, in the form of their types. hot path (bench/apply) */
export function encodeRow(layout: RowLayout, cells: readonly Value[]): Uint8Array {
  const { types, places, endsAt, variableCount } = layout
  const variable: Uint8Array[] = []
  let variableBytes = 0
  for (let i = 0; i < types.length; i++) {
    if (places[i]! >= 0) continue
    const cell = cells[i]!
    const bytes = cell === null ? NO_BYTES : typeof cell === 'string' ? utf8Bytes(cell) : (cell as Uint8Array)
    variable.push(bytes)
    variableBytes += bytes.length
  }
  const isLong = variableBytes > 0xffff
  const width = isLong ? 4 : 2
  const row = new Uint8Array(endsAt + variableCount * width + variableBytes)
  row[0] = isLong ? FORM_LONG : FORM_SHORT
  writeU16(row, 1, layout.version)
  for (let i = 0; i < types.length; i++) {
    const cell = cells[i]!
    if (cell === null) row[HEADER_BYTES + (i >> 3)]! |= 1 << (i & 7)
    else if (places[i]! >= 0) writeFixed(row, places[i]!, types[i]!, cell)
  }
  let end = 0
  const dataAt = endsAt + variableCount * width
  variable.forEach((bytes, i) => {
    row.set(bytes, dataAt + end)
    end += bytes.length
    if (isLong) writeU32(row, endsAt + i * 4, end)
    else writeU16(row, endsAt + i * 2, end)
  })
  return row
}

const NO_BYTES = new Uint8Array(0)

function writeFixed(row: Uint8Array, at: number, type: ColumnType, cell: Value): void {
  switch (type) {
    case 'u8':
      row[at] = cell as number
      return
    case 'boolean':
      row[at] = cell === true ? 1 : 0
      return
    case 'float':
      new DataView(row.buffer, row.byteOffset + at, 8).setFloat64(0, cell as number, true)
      return
    case 'integer':
    case 'timestamp':
    case 'u64': {
      if (typeof cell === 'number') {
        const high = Math.floor(cell / TWO_32)
        writeU32(row, at, cell - high * TWO_32)
        writeU32(row, at + 4, high)
      } else writeWords(row, at, cell as bigint, 2)
      return
    }
    default:
      writeWords(row, at, cell as bigint, 8)
  }
}

/** Little-endian, two's complement. */
function writeWords(row: Uint8Array, at: number, value: bigint, words: number): void {
  let rest = value
  for (let i = 0; i < words; i++, rest >>= 32n) writeU32(row, at + 4 * i, Number(rest & 0xffffffffn))
}

/** A reader may only be given whole rows: of a layout that the table has, and long enough for its fixed part. */
export function checkRowBytes(layout: RowLayout, bytes: Uint8Array, start: number, end: number): void {
  const form = bytes[start]
  if (form !== FORM_SHORT && form !== FORM_LONG) throw new MalformedBytes(`row of form ${form}`)
  const dataAt = layout.endsAt + layout.variableCount * (form === FORM_LONG ? 4 : 2)
  if (end - start < dataAt) throw new MalformedBytes('row cut')
}
