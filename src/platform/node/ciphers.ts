import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto'
import type { Ciphers } from '../index.ts'

const ALGORITHM = 'aes-256-gcm'

/** OpenSSL's, as this Node has it. */
export function nodeCiphers(): Ciphers {
  return {
    sha256(parts) {
      const hash = createHash('sha256')
      for (const part of parts) hash.update(part)
      return hash.digest()
    },
    hmacSha256(key, parts) {
      const mac = createHmac('sha256', key)
      for (const part of parts) mac.update(part)
      return mac.digest()
    },
    encrypt(key, nonce, associated, parts) {
      const cipher = createCipheriv(ALGORITHM, key, nonce)
      cipher.setAAD(associated)
      for (const part of parts) part.set(cipher.update(part))
      cipher.final()
      return cipher.getAuthTag()
    },
    decrypt(key, nonce, associated, tag, parts) {
      const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: 16 })
      decipher.setAAD(associated)
      decipher.setAuthTag(tag)
      for (const part of parts) part.set(decipher.update(part))
      try {
        decipher.final()
        return true
      } catch {
        // Node has no other way to say that the tag does not hold.
        return false
      }
    },
  }
}
