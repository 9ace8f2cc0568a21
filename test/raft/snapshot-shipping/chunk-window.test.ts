import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkWindow } from '../../../src/raft/snapshot-shipping/chunk-window.ts'

const fence = (number: number): Uint8Array => Uint8Array.of(number)

function windowOf(chunks: number, sent: number, start?: Uint8Array): ChunkWindow {
  const window = new ChunkWindow(100, start)
  for (let i = 0; i < chunks; i++) window.push({ bytes: new Uint8Array(30), fence: fence(i) })
  for (let i = 0; i < sent; i++) window.markSent()
  return window
}

describe('a window of chunks', () => {
  it('is full by bytes, and has room again when the receiver has taken some', () => {
    const window = windowOf(4, 4)
    assert.ok(window.isFull)
    assert.ok(window.acknowledge(0))
    assert.ok(!window.isFull)
    assert.deepEqual([window.acknowledgedChunks, window.acknowledgedBytes, window.pushed], [1, 30, 4])
  })

  it('takes an acknowledgement twice, and none of what was never pushed', () => {
    const window = windowOf(3, 2)
    assert.ok(window.acknowledge(1))
    assert.ok(window.acknowledge(0))
    assert.equal(window.acknowledgedChunks, 2)
    assert.ok(!window.acknowledge(3))
    assert.equal(window.next?.number, 2)
  })

  it('goes back to the chunk after any fence that it keeps, numbers unchanged', () => {
    const window = windowOf(4, 4)
    window.acknowledge(1)
    for (const [after, number] of [
      [1, 2],
      [2, 3],
    ] as const) {
      assert.ok(window.rewindAfter(fence(after)))
      assert.equal(window.next?.number, number)
    }
    assert.ok(window.rewindAfter(fence(3)))
    assert.equal(window.next, undefined)
    assert.ok(!window.rewindAfter(fence(0)), 'what was acknowledged is gone')
    assert.ok(!window.rewindAfter(undefined))
  })

  it('begins where the transfer began', () => {
    assert.ok(windowOf(2, 2).rewindAfter(undefined))
    const window = windowOf(2, 2, fence(9))
    assert.ok(!window.rewindAfter(undefined))
    assert.ok(window.rewindAfter(fence(9)))
    assert.equal(window.next?.number, 0)
  })

  it('does not send again what was acknowledged after it went back', () => {
    const window = windowOf(3, 3)
    window.rewindAfter(undefined)
    window.acknowledge(1)
    assert.equal(window.next?.number, 2)
  })
})
