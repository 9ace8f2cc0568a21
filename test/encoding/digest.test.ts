import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestBytes, digestToHex, zeroDigest } from '../../src/encoding/index.ts'

const LENGTHS = [0, 3, 100, 127, 128, 129, 131, 256, 1_001]

const GOLDEN = [
  '97636fb6b3908561',
  'd72fb012f6ae20db',
  '0a0627fc9f969202',
  'ed3b2d69372be039',
  'f94f991c80d7c613',
  'bc913bbefe3e3fe7',
  '0d96e6c3184c7c4e',
  '979c532f8f0ce7ba',
  '7e3e7d00b6f6faa6',
]

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * seed) ^ (i >>> 7))
}

function digest(bytes: Uint8Array, start: number, end: number): string {
  const out = zeroDigest()
  digestBytes(out, bytes, start, end)
  return digestToHex(out)
}

describe('the digest of bytes', () => {
  it('depends on the bytes alone: not on the array that they lie in, on its place in a buffer, or on what was digested before', () => {
    const whole = pattern(4_096, 7)
    const arrays = [whole, whole.subarray(13, 3_000), pattern(2_500, 11), pattern(1_500, 13).subarray(5)]
    // Every array after every other, so that each is found as the last, as the one before, and not at all.
    const order = [0, 1, 0, 1, 2, 0, 2, 1, 3, 3, 1, 2, 3, 0, 3, 2, 2, 0, 0]
    for (const [step, index] of order.entries()) {
      const array = arrays[index]!
      const length = LENGTHS[step % LENGTHS.length]!
      const start = (step * 31) % 400
      const copy = array.slice(start, start + length)
      assert.equal(digest(array, start, start + length), digest(copy, 0, length), `step ${step}`)
    }
  })

  it('has these values, for short bytes and for long ones', () => {
    const bytes = pattern(1_001, 7)
    const values = LENGTHS.map(length => digest(bytes, 0, length))
    assert.deepEqual(values, GOLDEN)
  })
})
