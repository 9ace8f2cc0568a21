import { Seal } from '../../src/sealing/index.ts'
import { SeededRandom, simulatedCiphers } from '../../src/platform/simulated/index.ts'

export interface TestSealOptions {
  /** Of salts: another one stands for another opening of the directory. */
  seed?: number
  isEncrypting?: boolean
  isSigning?: boolean
}

/** A seal with keys that every test has. */
export function testSeal({ seed = 1, isEncrypting = true, isSigning = true }: TestSealOptions = {}): Seal {
  return new Seal(simulatedCiphers(), new SeededRandom(seed), {
    ...(isEncrypting && { encryption: { current: 1, keys: new Map([[1, new Uint8Array(32).fill(7)]]) } }),
    ...(isSigning && { integrity: new Uint8Array(32).fill(9) }),
  })
}

/** Whether `text` stands somewhere in `bytes`. */
export function holdsText(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(text)
}
