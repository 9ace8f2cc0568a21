import { MISMATCH, toColumnValue } from '../../encoding/index.ts'
import type { ColumnType, Value } from '../../encoding/index.ts'
import { QuorateError } from '../errors.ts'

/** How a program sees the cells of a column that are not Null: their conversion to and from values. */
export interface CellCodec<T> {
  /** The program sees values as they are: there is nothing to decode. */
  readonly isPlain?: boolean
  /** @throws QuorateError `type_mismatch` */
  encode(value: T): Value
  /** @throws QuorateError `overflow` for an integer that the declared type cannot hold, `type_mismatch` */
  decode(value: Value): T
}

const U256_END = 1n << 256n
const I256_MIN = -(1n << 255n)

/** Values as they are: of tables that are used by name. */
export const rawCell: CellCodec<unknown> = {
  isPlain: true,
  encode(value) {
    const isFit =
      isValue(value) &&
      (typeof value !== 'number' || Number.isFinite(value)) &&
      (typeof value !== 'bigint' || (value >= I256_MIN && value < U256_END))
    if (!isFit) throw new QuorateError('type_mismatch', `${describe(value)} is no value`)
    return value
  },
  decode: value => value,
}

function strict(type: ColumnType, value: unknown): Value {
  const cell = isValue(value) ? toColumnValue(type, value) : MISMATCH
  if (cell === MISMATCH) throw new QuorateError('type_mismatch', `${describe(value)} is no ${type}`)
  return cell
}

function isValue(value: unknown): value is Value {
  if (value === null || value instanceof Uint8Array) return true
  return (
    typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
  )
}

function describe(value: unknown): string {
  if (typeof value === 'string') return 'a text'
  if (value === null || typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') {
    return String(value)
  }
  return value instanceof Uint8Array ? 'a blob' : typeof value
}

/** Cells whose values are what the program sees. */
export function plainCell<T extends Value>(type: ColumnType): CellCodec<T> {
  return {
    isPlain: true,
    encode: value => strict(type, value),
    decode: value => value as T,
  }
}

/** 64-bit integers as numbers: what is not safe throws instead of being rounded. */
export function numberCell(type: ColumnType): CellCodec<number> {
  return {
    encode: value => strict(type, value),
    decode(value) {
      if (typeof value === 'number') return value
      const number = Number(value)
      if (typeof value === 'bigint' && Number.isSafeInteger(number)) return number
      throw new QuorateError('overflow', `${String(value)} is beyond 2^53: declare the column as 'bigint'`)
    },
  }
}

export function bigintCell(type: ColumnType): CellCodec<bigint> {
  return {
    encode: value => strict(type, value),
    decode: value => BigInt(value as number | bigint),
  }
}

export function jsonCell<T>(): CellCodec<T> {
  return {
    encode(value) {
      const text = jsonText(value)
      if (text === undefined) throw new QuorateError('type_mismatch', `${typeof value} has no JSON`)
      return strict('json', text)
    },
    decode(value) {
      try {
        return JSON.parse(value as string) as T
      } catch (cause) {
        throw new QuorateError('type_mismatch', 'the text of a json column is no JSON', { cause })
      }
    },
  }
}

function jsonText(value: unknown): string | undefined {
  try {
    // Undefined for functions, symbols and undefined, whatever the declared type says.
    const text: string | undefined = JSON.stringify(value)
    return text
  } catch (cause) {
    throw new QuorateError('type_mismatch', 'the value has no JSON', { cause })
  }
}
