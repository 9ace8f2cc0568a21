import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addInflight, clearInflights, createInflights, freeInflightsThrough } from '../../../src/raft/core/inflights.ts'

describe('the inflight window', () => {
  it('counts messages, entries and bytes through many laps of the ring', () => {
    const window = createInflights(4)
    let seq = 0
    for (let lap = 0; lap < 50; lap++) {
      for (let i = 0; i < 4; i++) addInflight(window, (seq += 3), 3, 100 + i)
      assert.deepEqual([window.length, window.entries, window.bytes], [4, 12, 406])
      freeInflightsThrough(window, seq - 6)
      assert.deepEqual([window.length, window.entries, window.bytes], [2, 6, 205])
      freeInflightsThrough(window, seq - 1)
      assert.equal(window.length, 1, 'a request is freed only as a whole')
      freeInflightsThrough(window, seq)
      assert.deepEqual([window.length, window.entries, window.bytes], [0, 0, 0])
    }
  })

  it('forgets its bytes when it is cleared (L12)', () => {
    const window = createInflights(2)
    addInflight(window, 5, 5, 500)
    clearInflights(window)
    assert.deepEqual([window.length, window.entries, window.bytes], [0, 0, 0])
  })

  it('refuses to overflow', () => {
    const window = createInflights(1)
    addInflight(window, 1, 1, 1)
    assert.throws(() => addInflight(window, 2, 1, 1))
  })
})
