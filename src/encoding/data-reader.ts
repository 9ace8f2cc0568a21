import { MalformedBytes } from './bytes.ts'
import { fromBase64 } from './json-values.ts'

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
  bytes(value: unknown, path: string): Uint8Array
  integer(value: unknown, path: string): bigint
}

const LARGEST_DIGITS = 80

/** {"$b": base64}; integers as numbers up to 2^53 or strings of digits. */
export const JSON_DATA: DataForm = {
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
    if (typeof value === 'string' && value.length <= LARGEST_DIGITS && /^(0|[1-9]\d*)$/.test(value))
      return BigInt(value)
    throw new MalformedData(path, 'an integer is needed, as a string of digits beyond 2^53')
  },
}

/** Uint8Array; integers as numbers or bigints. */
export const NATIVE_DATA: DataForm = {
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

  wrong(name: string, expected: string): MalformedData {
    return new MalformedData(`${this.#path}.${name}`, expected)
  }

  #take(name: string): unknown {
    this.#asked.add(name)
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined
  }

  /** No field is left that the format does not know. */
  end(): void {
    for (const name of Object.keys(this.#fields)) {
      if (!this.#asked.has(name) && this.#fields[name] !== undefined)
        throw this.wrong(name.slice(0, 80), 'unknown field')
    }
  }

  optionalText(name: string): string | undefined {
    const value = this.#take(name)
    if (value === undefined) return undefined
    if (typeof value !== 'string' || LONE_SURROGATE.test(value)) throw this.wrong(name, 'a text is needed')
    return value
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#missing(name)
  }

  optionalBytes(name: string): Uint8Array | undefined {
    const value = this.#take(name)
    return value === undefined ? undefined : this.#form.bytes(value, `${this.#path}.${name}`)
  }

  bytes(name: string): Uint8Array {
    return this.optionalBytes(name) ?? this.#missing(name)
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.#take(name)
    if (value !== undefined && typeof value !== 'boolean') throw this.wrong(name, 'true or false')
    return value
  }

  boolean(name: string): boolean {
    return this.optionalBoolean(name) ?? this.#missing(name)
  }

  /** A whole number from 0 to `max`. */
  optionalCount(name: string, max: number = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.#take(name)
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

  /** An unsigned integer of at most `width` bits. */
  unsigned(name: string, width: number): bigint {
    const value = this.#form.integer(this.#take(name), `${this.#path}.${name}`)
    if (value < 0n || value >= 1n << BigInt(width)) throw this.wrong(name, `an unsigned ${width}-bit integer is needed`)
    return value
  }

  optionalOneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.#take(name)
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
    const value = this.#take(name)
    return value === undefined ? undefined : read(new DataReader(value, `${this.#path}.${name}`, this.#form))
  }

  list<T>(name: string, read: (reader: DataReader) => T): T[] {
    return this.optionalList(name, read) ?? this.#missing(name)
  }

  optionalList<T>(name: string, read: (reader: DataReader) => T): T[] | undefined {
    const value = this.#take(name)
    if (value === undefined) return undefined
    if (!Array.isArray(value)) throw this.wrong(name, 'a list is needed')
    return value.map((item: unknown, index) =>
      read(new DataReader(item, `${this.#path}.${name}[${index}]`, this.#form)),
    )
  }

  #missing(name: string): never {
    return this.#fail(name, 'missing')
  }

  #fail(name: string, expected: string): never {
    throw this.wrong(name, expected)
  }
}
