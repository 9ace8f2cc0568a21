import { compareColumnValues, narrow } from '../../encoding/index.ts'
import type { ColumnType, Value } from '../../encoding/index.ts'

/** Values of one class compare with each other, whatever their kinds. */
export type ValueClass = 'number' | 'text' | 'boolean' | 'blob'

const DIGITS = /^(0|-?[1-9]\d{0,77})$/

export function classOf(type: ColumnType): ValueClass {
  switch (type) {
    case 'text':
    case 'json':
      return 'text'
    case 'boolean':
      return 'boolean'
    case 'blob':
      return 'blob'
    case 'u8':
    case 'u64':
    case 'integer':
    case 'float':
    case 'u256':
    case 'i256':
    case 'timestamp':
      return 'number'
    default:
      throw new RangeError(`column type ${String(type satisfies never)}`)
  }
}

/** `literal` as it compares with values of the class; undefined if it does not. Integers may be strings of digits, their JSON form. */
export function literalOf(valueClass: ValueClass, literal: Value): Value | undefined {
  if (literal === null) return null
  switch (valueClass) {
    case 'number':
      if (typeof literal === 'bigint') return narrow(literal)
      if (typeof literal === 'number') return Number.isFinite(literal) ? literal : undefined
      return typeof literal === 'string' && DIGITS.test(literal) ? narrow(BigInt(literal)) : undefined
    case 'text':
      return typeof literal === 'string' ? literal : undefined
    case 'boolean':
      return typeof literal === 'boolean' ? literal : undefined
    case 'blob':
      return literal instanceof Uint8Array ? literal : undefined
    default:
      throw new RangeError(`class ${String(valueClass satisfies never)}`)
  }
}

/** Whether two values of one class, neither of them Null, are equal: numbers by value across kinds. hot path (bench/query) */
export function equalValues(a: Value, b: Value): boolean {
  return typeof a === typeof b && typeof a !== 'object' ? a === b : compareColumnValues(a, b) === 0
}
