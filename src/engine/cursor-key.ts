import { ByteWriter, hmacSha256, hmacSha256By, utf8Bytes } from '../encoding/index.ts'

const PURPOSE = 'quorate query cursor'

/** Signs cursors of queries with a key of one history and of whoever has the secret. */
export class CursorKey {
  readonly #secret: Uint8Array
  #history = ''
  #sign: ((bytes: Uint8Array) => Uint8Array) | undefined

  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  sign(historyId: string, bytes: Uint8Array): Uint8Array {
    if (this.#sign === undefined || this.#history !== historyId) {
      const writer = new ByteWriter(64)
      writer.raw(utf8Bytes(PURPOSE))
      writer.raw(utf8Bytes(historyId))
      this.#sign = hmacSha256By(hmacSha256(this.#secret, writer.finish()))
      this.#history = historyId
    }
    return this.#sign(bytes)
  }
}
