import { MalformedBytes } from './bytes.ts'
import { fromBase64 } from './json-values.ts'
import type { Value } from './values.ts'
import { narrow } from './values.ts'

/** Data from outside that does not have the form it must have; `path` names the field, as in `transaction.mutations[2].key`. */
export class MalformedData extends Error {
  override readonly name = 'MalformedData'
  readonly path: string
  constructor(path: string, expected: string, options?: ErrorOptions) {
    super(`${path}: ${expected}`, options)
    this.path = path
  }
}

export function dataError(path: string, expected: string): MalformedData {
  return new MalformedData(path, expected)
}

/** How bytes and large integers are written in the data. */
export interface DataForm {
  /** Whether null in the place of an optional field is no field. */
  readonly isNullAbsent: boolean
  bytes(value: unknown, path: string): Uint8Array
  integer(value: unknown, path: string): bigint
}

const LARGEST_DIGITS = 80

/** {"$b": base64}; integers as numbers up to 2^53 or strings of digits. */
export const JSON_DATA: DataForm = {
  isNullAbsent: true,
  bytes(value, path) {
    const text = isObject(value) && Object.keys(value).length === 1 ? value['$b'] : undefined
    if (typeof text !== 'string') throw new MalformedData(path, 'bytes are {"$b": base64}')
    try {
      return fromBase64(text)
    } catch (cause) {
      if (!(cause instanceof MalformedBytes)) throw cause
      throw new MalformedData(path, cause.message, { cause })
    }
  },
  integer(value, path) {
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
    if (typeof value === 'string' && value.length <= LARGEST_DIGITS && /^(0|-?[1-9]\d*)$/.test(value))
      return BigInt(value)
    throw new MalformedData(path, 'an integer is needed, as a string of digits beyond 2^53')
  },
}

/** Uint8Array; integers as numbers or bigints. */
export const NATIVE_DATA: DataForm = {
  isNullAbsent: false,
  bytes(value, path) {
    if (!(value instanceof Uint8Array)) throw new MalformedData(path, 'a Uint8Array is needed')
    return value
  },
  integer(value, path) {
    if (typeof value === 'bigint') return value
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
    throw new MalformedData(path, 'an integer is needed, as a bigint beyond 2^53')
  },
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const LONE_SURROGATE = /\p{Surrogate}/u
const INTEGER_END = 1n << 256n
const INTEGER_MIN = -(1n << 255n)

/** A literal or a cell. In JSON integers beyond 2^53 are texts of digits, which the type of their column makes integers again. */
export function readValueData(value: unknown, path: string, form: DataForm): Value {
  switch (typeof value) {
    case 'boolean':
      return value
    case 'number':
      if (Number.isFinite(value)) return value === 0 ? 0 : value
      break
    case 'string':
      if (!LONE_SURROGATE.test(value)) return value
      break
    case 'bigint':
      if (form === NATIVE_DATA && value >= INTEGER_MIN && value < INTEGER_END) return value
      break
    default:
      if (value === null) return null
      if (typeof value === 'object') return form.bytes(value, path)
  }
  throw new MalformedData(path, 'a value is needed')
}

/** Reads the fields of one object, each once; `end` refuses those that nobody asked for. Throws only `MalformedData`. */
export class DataReader {
  readonly #fields: Record<string, unknown>
  readonly #path: string
  readonly #form: DataForm
  readonly #asked = new Set<string>()

  constructor(value: unknown, path: string, form: DataForm) {
    if (!isObject(value) || value instanceof Uint8Array) throw new MalformedData(path, 'an object is needed')
    this.#fields = value
    this.#path = path
    this.#form = form
  }

  /** Marks the field as read; null where absent and null are the same is undefined. */
  #optional(name: string): unknown {
    const value = this.#take(name)
    return value === null && this.#form.isNullAbsent ? undefined : value
  }

  wrong(name: string, expected: string): MalformedData {
    return new MalformedData(`${this.#path}.${name}`, expected)
  }

  #take(name: string): unknown {
    this.#asked.add(name)
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined
  }

  /** The path of a field, for errors of what is read from it. */
  pathOf(name: string): string {
    return `${this.#path}.${name}`
  }

  /** No field is left that the format does not know. */
  end(): void {
    for (const name of Object.keys(this.#fields)) {
      if (!this.#asked.has(name) && this.#fields[name] !== undefined)
        throw this.wrong(name.slice(0, 80), 'unknown field')
    }
  }

  optionalText(name: string): string | undefined {
    const value = this.#optional(name)
    if (value === undefined) return undefined
    if (typeof value !== 'string' || LONE_SURROGATE.test(value)) throw this.wrong(name, 'a text is needed')
    return value
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#missing(name)
  }

  optionalBytes(name: string): Uint8Array | undefined {
    const value = this.#optional(name)
    return value === undefined ? undefined : this.#form.bytes(value, `${this.#path}.${name}`)
  }

  bytes(name: string): Uint8Array {
    return this.optionalBytes(name) ?? this.#missing(name)
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.#optional(name)
    if (value !== undefined && typeof value !== 'boolean') throw this.wrong(name, 'true or false')
    return value
  }

  boolean(name: string): boolean {
    return this.optionalBoolean(name) ?? this.#missing(name)
  }

  /** A whole number from 0 to `max`. */
  optionalCount(name: string, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.#optional(name)
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
      throw this.wrong(name, `a whole number from 0 to ${max} is needed`)
    }
    return value
  }

  count(name: string, max?: number): number {
    return this.optionalCount(name, max) ?? this.#missing(name)
  }

  finite(name: string): number {
    const value = this.#take(name)
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.wrong(name, 'a number is needed')
    return value
  }

  /** An integer of at most 256 bits: a number if it is safe. */
  amount(name: string): number | bigint {
    const value = this.#take(name)
    const integer = this.#form.integer(value, `${this.#path}.${name}`)
    if (integer < INTEGER_MIN || integer >= INTEGER_END) throw this.wrong(name, 'an integer has at most 256 bits')
    return typeof value === 'bigint' ? value : narrow(integer)
  }

  /** A signed integer of 64 bits. */
  optionalSigned(name: string): bigint | undefined {
    const value = this.#optional(name)
    if (value === undefined) return undefined
    const integer = this.#form.integer(value, `${this.#path}.${name}`)
    if (BigInt.asIntN(64, integer) !== integer) throw this.wrong(name, 'a signed 64-bit integer is needed')
    return integer
  }

  signed(name: string): bigint {
    return this.optionalSigned(name) ?? this.#missing(name)
  }

  /** An unsigned integer of at most `width` bits. */
  unsigned(name: string, width: number): bigint {
    const value = this.#form.integer(this.#take(name), `${this.#path}.${name}`)
    if (value < 0n || value >= 1n << BigInt(width)) throw this.wrong(name, `an unsigned ${width}-bit integer is needed`)
    return value
  }

  optionalOneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.#optional(name)
    if (value === undefined) return undefined
    const choice = choices.find(choice => choice === value)
    return choice ?? this.#fail(name, `one of ${choices.join(', ')}`)
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    return this.optionalOneOf(name, choices) ?? this.#missing(name)
  }

  object<T>(name: string, read: (reader: DataReader) => T): T {
    return this.optionalObject(name, read) ?? this.#missing(name)
  }

  optionalObject<T>(name: string, read: (reader: DataReader) => T): T | undefined {
    const value = this.#optional(name)
    return value === undefined ? undefined : read(new DataReader(value, `${this.#path}.${name}`, this.#form))
  }

  list<T>(name: string, read: (reader: DataReader) => T): T[] {
    return this.optionalList(name, read) ?? this.#missing(name)
  }

  optionalList<T>(name: string, read: (reader: DataReader) => T): T[] | undefined {
    return this.optionalItems(name, (item, path, form) => read(new DataReader(item, path, form)))
  }

  /** A list of anything. */
  optionalItems<T>(name: string, read: (item: unknown, path: string, form: DataForm) => T): T[] | undefined {
    const value = this.#optional(name)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) throw this.wrong(name, 'a list is needed')
    return value.map((item: unknown, index) => read(item, `${this.#path}.${name}[${index}]`, this.#form))
  }

  items<T>(name: string, read: (item: unknown, path: string, form: DataForm) => T): T[] {
    return this.optionalItems(name, read) ?? this.#missing(name)
  }

  optionalTexts(name: string): string[] | undefined {
    return this.optionalItems(name, (item, path) => {
      if (typeof item !== 'string' || LONE_SURROGATE.test(item)) throw new MalformedData(path, 'a text is needed')
      return item
    })
  }

  texts(name: string): string[] {
    return this.optionalTexts(name) ?? this.#missing(name)
  }

  /** Null is a value. */
  optionalValue(name: string): Value | undefined {
    const value = this.#take(name)
    return value === undefined ? undefined : readValueData(value, `${this.#path}.${name}`, this.#form)
  }

  value(name: string): Value {
    const value = this.optionalValue(name)
    return value === undefined ? this.#missing(name) : value
  }

  /** A field of any form. */
  any<T>(name: string, read: (value: unknown, path: string, form: DataForm) => T): T {
    const value = this.#take(name)
    return value === undefined ? this.#missing(name) : read(value, `${this.#path}.${name}`, this.#form)
  }

  optional<T>(name: string, read: (value: unknown, path: string, form: DataForm) => T): T | undefined {
    const value = this.#optional(name)
    return value === undefined ? undefined : read(value, `${this.#path}.${name}`, this.#form)
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#fields, name) && this.#fields[name] !== undefined
  }

  /** All fields, whatever their names, in their order: rows, and updates by column. */
  all<T>(read: (value: unknown, path: string, form: DataForm) => T): Record<string, T> {
    const read_: Record<string, T> = {}
    for (const name of Object.keys(this.#fields)) {
      this.#asked.add(name)
      const path = `${this.#path}.${name.slice(0, 80)}`
      if (name === '__proto__' || LONE_SURROGATE.test(name)) throw new MalformedData(path, 'no name of a column')
      const value = this.#fields[name]
      if (value !== undefined) read_[name] = read(value, path, this.#form)
    }
    return read_
  }

  #missing(name: string): never {
    return this.#fail(name, 'missing')
  }

  #fail(name: string, expected: string): never {
    throw this.wrong(name, expected)
  }
}
