import type { Seal } from '../../sealing/index.ts'
import { AT_NONCE, AT_TAG, PAGE_HEADER_BYTES } from './layout.ts'

const AT_END = AT_TAG + 16

/** Encrypts a page, or an extent with its header, in place for the file; what of the header comes before the nonce stays readable. */
export function sealPage(seal: Seal, bytes: Uint8Array): void {
  seal.encrypt(
    bytes.subarray(0, AT_NONCE),
    [bytes.subarray(PAGE_HEADER_BYTES)],
    bytes.subarray(AT_NONCE, AT_TAG),
    bytes.subarray(AT_TAG, AT_END),
  )
}

/** The reverse, in place: bytes as they were before, nonce and tag zero. False if they are not this directory's. */
export function openPage(seal: Seal, bytes: Uint8Array): boolean {
  const [nonce, tag] = [bytes.slice(AT_NONCE, AT_TAG), bytes.slice(AT_TAG, AT_END)]
  const isWhole = seal.decrypt(bytes.subarray(0, AT_NONCE), [bytes.subarray(PAGE_HEADER_BYTES)], nonce, tag)
  bytes.fill(0, AT_NONCE, AT_END)
  return isWhole
}
