import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { ByteWriter, crc32, utf8Bytes, writeU32 } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'

export const KEY_BYTES = 32
export const SALT_BYTES = 16
const CONTEXT = utf8Bytes('quorate archive 1')
const CIPHER = 'aes-256-gcm'
const TAG_BYTES = 16
const CRC_BYTES = 4
/** In place of a file's number: the end of the archive. */
export const END_NUMBER = 0xffffffff

/** What a payload is bound to besides its own bytes: moved, exchanged or left out, it does not open. */
export interface Place {
  /** The number of its file in the archive, from 0, and its own in the file. */
  readonly file: number
  readonly chunk: number
  readonly path: string
  /** Of the whole file. */
  readonly fileBytes: number
  readonly codec: number
  readonly rawBytes: number
}

/** Seals payloads of one archive, and opens them. Without a key only accidents are noticed. */
export interface Seal {
  readonly checkBytes: number
  /** The payload as it is stored, and the check behind it. */
  close(place: Place, payload: Uint8Array): { payload: Uint8Array; check: Uint8Array }
  /** Undefined if it is not what was closed at this place. */
  open(place: Place, payload: Uint8Array, check: Uint8Array): Uint8Array | undefined
}

function boundTo({ file, chunk, path, fileBytes, codec, rawBytes }: Place): Uint8Array {
  const writer = new ByteWriter(64 + path.length)
  writer.u32(file)
  writer.u32(chunk)
  writer.u64(fileBytes)
  writer.u8(codec)
  writer.u32(rawBytes)
  writer.bytes16(utf8Bytes(path))
  return writer.finish()
}

/** The archive's own key, so that numbers can be nonces: no two archives share one. */
export function keyedSeal(key: Uint8Array, salt: Uint8Array): Seal {
  if (key.length !== KEY_BYTES)
    throw new QuorateError('invalid_argument', `a key has ${KEY_BYTES} bytes, not ${key.length}`)
  const own = new Uint8Array(hkdfSync('sha256', key, salt, CONTEXT, KEY_BYTES))
  return {
    checkBytes: TAG_BYTES,
    close: (place, payload) => {
      const cipher = createCipheriv(CIPHER, own, nonceOf(place)).setAAD(boundTo(place))
      const sealed = cipher.update(payload)
      cipher.final()
      return { payload: sealed, check: cipher.getAuthTag() }
    },
    open: (place, payload, check) => {
      const decipher = createDecipheriv(CIPHER, own, nonceOf(place), { authTagLength: TAG_BYTES })
      decipher.setAAD(boundTo(place)).setAuthTag(check)
      const opened = decipher.update(payload)
      try {
        decipher.final()
        return opened
      } catch {
        return undefined
      }
    },
  }
}

function nonceOf({ file, chunk }: Place): Uint8Array {
  const nonce = new Uint8Array(12)
  writeU32(nonce, 0, file)
  writeU32(nonce, 4, chunk)
  return nonce
}

export function plainSeal(): Seal {
  const checkOf = (place: Place, payload: Uint8Array): Uint8Array => {
    const check = new Uint8Array(CRC_BYTES)
    writeU32(check, 0, crc32(payload, crc32(boundTo(place))))
    return check
  }
  return {
    checkBytes: CRC_BYTES,
    close: (place, payload) => ({ payload, check: checkOf(place, payload) }),
    open: (place, payload, check) =>
      checkOf(place, payload).every((byte, i) => byte === check[i]) ? payload : undefined,
  }
}
