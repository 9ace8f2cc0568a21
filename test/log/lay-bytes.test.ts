import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { layBytes } from '../../src/log/lay-bytes.ts'

const source = Uint8Array.from({ length: 150_000 }, (_, i) => (i * 31) ^ (i >>> 8))

describe('laying bytes into memory', () => {
  for (const [kind, memory] of [
    ['of this thread', new ArrayBuffer(160_000)],
    ['that threads share', new SharedArrayBuffer(160_000)],
  ] as const) {
    it(`copies them, and nothing beside them, into memory ${kind}, however both sides lie`, () => {
      const all = new Uint8Array(memory)
      const target = new Uint8Array(memory, 16)
      for (const length of [0, 1, 1_023, 1_024, 1_025, 65_535, 65_536, 65_537, 131_072, 140_001]) {
        for (const [from, at] of [
          [0, 0],
          [3, 0],
          [0, 5],
          [6, 2],
          [9, 1],
        ] as const) {
          all.fill(0xee)
          const bytes = source.subarray(from, from + length)
          layBytes(target, at, bytes)
          const expected = new Uint8Array(160_000).fill(0xee)
          expected.set(bytes, 16 + at)
          assert.ok(Buffer.compare(all, expected) === 0, `${length} bytes from ${from} to ${at}`)
        }
      }
    })
  }
})
