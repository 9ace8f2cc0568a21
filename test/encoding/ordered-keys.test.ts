import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  bytesToHex,
  compareBytes,
  decodeOrderedKey,
  encodeOrderedKey,
  KeyTag,
  MalformedBytes,
  utf8Bytes,
  type KeyPart,
} from '../../src/encoding/index.ts'
import { check, keyPart } from './arbitraries.ts'

const hex = (...parts: KeyPart[]): string => bytesToHex(encodeOrderedKey(parts))

/** The order that the encoding must keep, said without bytes wherever values have an order of their own. */
function compareParts(a: KeyPart, b: KeyPart): number {
  if (a.type !== b.type) return KeyTag[a.type] - KeyTag[b.type]
  if (a.type === 'null' || b.type === 'null') return 0
  if (a.type === 'blob' && b.type === 'blob') {
    return a.value.length - b.value.length || compareBytes(a.value, b.value)
  }
  if (typeof a.value === 'string' && typeof b.value === 'string') {
    const [left, right] = [Array.from(a.value), Array.from(b.value)]
    for (let i = 0; i < Math.min(left.length, right.length); i++) {
      const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!
      if (difference !== 0) return difference
    }
    return left.length - right.length
  }
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0
}

function compareKeys(a: readonly KeyPart[], b: readonly KeyPart[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareParts(a[i]!, b[i]!)
    if (order !== 0) return order
  }
  return a.length - b.length
}

describe('ordered keys', () => {
  it('have golden bytes', () => {
    assert.equal(hex({ type: 'u8', value: 7 }), '0f07')
    assert.equal(hex({ type: 'integer', value: -1n }), '107fffffffffffffff')
    assert.equal(hex({ type: 'integer', value: 1n }), '108000000000000001')
    assert.equal(hex({ type: 'timestamp', value: 0n }), '118000000000000000')
    assert.equal(hex({ type: 'u256', value: 258n }), `12${'00'.repeat(30)}0102`)
    assert.equal(hex({ type: 'i256', value: -1n }), `137f${'ff'.repeat(31)}`)
    assert.equal(hex({ type: 'text', value: 'a\0b' }), '146100ff6200')
    assert.equal(hex({ type: 'json', value: '{}' }), '157b7d00')
    assert.equal(hex({ type: 'boolean', value: true }), '1601')
    assert.equal(hex({ type: 'float', value: 1 }), '17bff0000000000000')
    assert.equal(hex({ type: 'float', value: -1 }), '17400fffffffffffff')
    assert.equal(hex({ type: 'float', value: -0 }), hex({ type: 'float', value: 0 }))
    assert.equal(hex({ type: 'blob', value: Uint8Array.of(0, 255) }), '180000000200ff')
    assert.equal(hex({ type: 'u64', value: (1n << 64n) - 1n }), `19${'ff'.repeat(8)}`)
    assert.equal(hex({ type: 'null' }), 'fe')
    assert.equal(hex({ type: 'text', value: 'a' }, { type: 'null' }), '146100fe')
  })

  it('sort as their values do', () => {
    const sameType = keyPart.chain(part =>
      fc.tuple(
        fc.constant(part),
        keyPart.filter(other => other.type === part.type),
      ),
    )
    check(sameType, 3000, ([a, b]) => {
      assert.equal(Math.sign(compareBytes(encodeOrderedKey([a]), encodeOrderedKey([b]))), Math.sign(compareParts(a, b)))
    })
  })

  it('of several parts sort by the first that differs, and the key of the first parts is a prefix', () => {
    const key = fc.array(keyPart, { maxLength: 3 })
    const pair = fc.tuple(fc.array(keyPart, { maxLength: 2 }), key, key)
    check(pair, 2000, ([shared, a, b]) => {
      const [left, right] = [
        [...shared, ...a],
        [...shared, ...b],
      ]
      const order = compareBytes(encodeOrderedKey(left), encodeOrderedKey(right))
      assert.equal(Math.sign(order), Math.sign(compareKeys(left, right)))
      const prefix = encodeOrderedKey(shared)
      assert.deepEqual(encodeOrderedKey(left).subarray(0, prefix.length), prefix)
    })
  })

  it('decode to their values', () => {
    check(fc.array(keyPart, { maxLength: 5 }), 1000, parts => {
      assert.deepEqual(decodeOrderedKey(encodeOrderedKey(parts)), parts)
    })
  })

  it('have one encoding each: what decodes encodes to the same bytes, the rest is malformed', () => {
    const seeded = fc.tuple(fc.array(keyPart, { maxLength: 3 }), fc.nat(), fc.nat(255)).map(([parts, at, byte]) => {
      const bytes = encodeOrderedKey(parts)
      if (bytes.length > 0) bytes[at % bytes.length] = byte
      return bytes
    })
    check(fc.oneof(seeded, fc.uint8Array({ maxLength: 30 })), 3000, bytes => {
      let parts: KeyPart[]
      try {
        parts = decodeOrderedKey(bytes)
      } catch (error) {
        assert.ok(error instanceof MalformedBytes)
        return
      }
      assert.deepEqual(encodeOrderedKey(parts), bytes)
    })
  })

  it('refuse values outside their type', () => {
    for (const part of [
      { type: 'u8', value: 256 },
      { type: 'u8', value: 0.5 },
      { type: 'integer', value: 1n << 63n },
      { type: 'u64', value: -1n },
      { type: 'i256', value: -(1n << 255n) - 1n },
      { type: 'float', value: Number.NaN },
      { type: 'float', value: Infinity },
    ] as const) {
      assert.throws(() => encodeOrderedKey([part]), RangeError)
    }
    assert.ok(utf8Bytes('').length === 0)
  })
})
