import { bigEndianToBigint, bigintToBigEndian, utf8Bytes } from '../../encoding/index.ts'
import type { Codec } from '../database.ts'
import { QuorateError } from '../errors.ts'

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const LONE_SURROGATE = /\p{Surrogate}/u

/** Strings as UTF-8: the default for keys. A string with a lone surrogate has no UTF-8 form and is refused (`invalid_argument`). */
export const textCodec: Codec<string> = {
  encode(text: string): Uint8Array {
    if (typeof text !== 'string') throw new QuorateError('invalid_argument', `a string is needed, not ${kindOf(text)}`)
    const bytes = utf8Bytes(text)
    // As many bytes as characters: all are ASCII.
    if (bytes.length !== text.length && LONE_SURROGATE.test(text)) {
      throw new QuorateError('invalid_argument', 'a string with a lone surrogate')
    }
    return bytes
  },
  decode(bytes: Uint8Array): string {
    try {
      return strictUtf8.decode(bytes)
    } catch (cause) {
      throw new QuorateError('invalid_argument', 'stored bytes are not UTF-8: read them with bytesCodec', { cause })
    }
  },
}

/** Bytes as they are: the default for values. */
export const bytesCodec: Codec<Uint8Array> = {
  encode(bytes: Uint8Array): Uint8Array {
    if (!(bytes instanceof Uint8Array)) {
      throw new QuorateError('invalid_argument', `a Uint8Array is needed, not ${kindOf(bytes)}`)
    }
    return bytes
  },
  decode: bytes => bytes,
}

/** Values as JSON text. `T` is what the caller promises to store; nothing checks it on reading. */
export function jsonCodec<T>(): Codec<T> {
  return {
    encode(value: T): Uint8Array {
      const text = JSON.stringify(value) as string | undefined
      if (text === undefined) throw new QuorateError('invalid_argument', `${kindOf(value)} has no JSON form`)
      return utf8Bytes(text)
    },
    decode: bytes => JSON.parse(textCodec.decode(bytes)) as T,
  }
}

/** Unsigned integers as 8 or 32 big-endian bytes: what `increment` stores. */
export function integerCodec(width: 64 | 256 = 64): Codec<bigint> {
  return {
    encode(value: bigint): Uint8Array {
      if (typeof value !== 'bigint' || value < 0n || value >= 1n << BigInt(width)) {
        throw new QuorateError('invalid_argument', `an unsigned ${width}-bit bigint is needed`)
      }
      return bigintToBigEndian(value, width)
    },
    decode(bytes: Uint8Array): bigint {
      if (bytes.length !== width / 8) {
        throw new QuorateError('not_a_number', `${bytes.length} bytes are no ${width}-bit integer`)
      }
      return bigEndianToBigint(bytes)
    },
  }
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : typeof value
}
