import { randomFillSync } from 'node:crypto'
import type { Random } from '../index.ts'

const POOL_BYTES = 4096

/** The operating system's randomness, fetched some kilobytes at a time. */
export function nodeRandom(): Random {
  const pool = new DataView(new ArrayBuffer(POOL_BYTES))
  let used = POOL_BYTES
  const take = (): number => {
    if (used === POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    const word = pool.getUint32(used)
    pool.setUint32(used, 0) // what was given away is not kept
    used += 4
    return word
  }
  return {
    u32: take,
    float: () => (take() * 2 ** 21 + (take() >>> 11)) / 2 ** 53,
    bytes: length => randomFillSync(new Uint8Array(length)),
  }
}
