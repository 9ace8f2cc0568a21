import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { copyWords, dataViewOf, digestBytes, digestView, zeroDigest } from '../../src/encoding/index.ts'

const whole = Uint8Array.from({ length: 4_096 }, (_, i) => (i * 37) ^ (i >>> 5))
/** One that does not begin where its buffer does. */
const part = whole.subarray(11, 2_011)

describe('a view of an array', () => {
  it('is of exactly that array, whichever arrays were asked for before', () => {
    const arrays = [whole, part, whole.subarray(5, 900), new Uint8Array(7)]
    for (const index of [0, 1, 0, 1, 2, 0, 2, 3, 1, 1, 3, 0]) {
      const view = dataViewOf(arrays[index]!)
      assert.deepEqual([view.byteOffset, view.byteLength], [arrays[index]!.byteOffset, arrays[index]!.byteLength])
      assert.equal(view.buffer, arrays[index]!.buffer)
    }
  })

  it('copies any run to any place, and nothing beside it', () => {
    for (const length of [0, 1, 3, 4, 15, 16, 17, 48, 63, 64, 131, 256, 640, 641]) {
      for (const [at, start] of [
        [0, 0],
        [3, 1],
        [17, 30],
      ] as const) {
        const target = new Uint8Array(800).fill(0xee)
        const expected = target.slice()
        expected.set(part.subarray(start, start + length), at)
        copyWords(dataViewOf(target), at, dataViewOf(part), start, length)
        assert.deepEqual(target, expected, `${length} bytes from ${start} to ${at}`)
      }
    }
  })

  it('gives the digest of the bytes, short and long', () => {
    const [viewed, plain] = [zeroDigest(), zeroDigest()]
    for (let length = 0; length < 300; length++) {
      digestView(viewed, dataViewOf(part), 9, 9 + length, length, 0xfedc_ba98)
      digestBytes(plain, part.slice(9, 9 + length), 0, length, length, 0xfedc_ba98)
      assert.deepEqual(viewed, plain, `${length} bytes`)
      assert.ok(viewed.lo >= 0 && viewed.hi >= 0, 'unsigned')
    }
  })
})
