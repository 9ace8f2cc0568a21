import { ByteWriter, hmacSha256, utf8Bytes } from '../encoding/index.ts'

const PURPOSE = 'quorate query cursor'

/** The key that signs cursors of queries: of one history, and of whoever has the secret. */
export class CursorKey {
  readonly #secret: Uint8Array
  #history = ''
  #key: Uint8Array = new Uint8Array(0)

  constructor(secret: Uint8Array) {
    this.#secret = secret
  }

  of(historyId: string): Uint8Array {
    if (this.#history !== historyId) {
      const writer = new ByteWriter(64)
      writer.raw(utf8Bytes(PURPOSE))
      writer.raw(utf8Bytes(historyId))
      this.#key = hmacSha256(this.#secret, writer.finish())
      this.#history = historyId
    }
    return this.#key
  }
}
