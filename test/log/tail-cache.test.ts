import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { TailCache } from '../../src/log/tail-cache.ts'
import { batch } from './log-world.ts'

/** Batches of three entries each: 1 to 3, 4 to 6, and so on. */
function filled(batches: number): TailCache {
  const cache = new TailCache(1 << 20)
  for (let i = 0; i < batches; i++) cache.push(batch(1 + 3 * i, 3, 1), i + 1, 0)
  return cache
}

describe('the newest entries in memory', () => {
  it('are joined as far as they are asked for, whole batches', () => {
    const cache = filled(5)
    const whole = cache.read(1, 1 << 20)!
    assert.deepEqual([whole.firstSeq, whole.lastSeq], [1, 15])
    for (const [from, through, last] of [
      [1, 6, 6],
      [2, 7, 9],
      [4, 5, 6],
      [4, 1, 6],
      [13, 99, 15],
    ] as const) {
      const part = cache.read(from, 1 << 20, through)!
      assert.deepEqual([part.firstSeq, part.lastSeq], [from, last])
      const skipped = cache.read(from, 1 << 20)!.bytes
      assert.deepEqual(part.bytes, skipped.subarray(0, part.bytes.length))
    }
  })

  it('are not copied where one batch is enough', () => {
    const cache = filled(3)
    const first = cache.read(1, 1 << 20, 3)!
    assert.equal(first.bytes, cache.read(1, 1 << 20, 2)!.bytes)
    assert.equal(cache.read(2, 1 << 20, 3)!.bytes.buffer, first.bytes.buffer)
  })
})
