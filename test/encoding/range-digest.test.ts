import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { rangeDigest, RangeDigest, utf8Bytes } from '../../src/encoding/index.ts'

const record = (key: string, seq: number): { key: Uint8Array; seq: number } => ({ key: utf8Bytes(key), seq })
const apple = record('apple', 7)
const pear = record('pear', 2 ** 40 + 3)

describe('the digest of a range', () => {
  it('has golden values', () => {
    assert.equal(rangeDigest([]), '0000000000000000')
    assert.equal(rangeDigest([apple]), '292acae6c83f2e61')
    assert.equal(rangeDigest([apple, pear]), '9c858b7a476f6120')
    assert.equal(rangeDigest([pear, apple]), '1bce848d46fec9ea')
  })

  it('changes with every key, every version, the order and the number of records', () => {
    const variants = [
      [apple, pear],
      [pear, apple],
      [apple],
      [pear],
      [apple, pear, record('', 0)],
      [record('apple', 8), pear],
      [apple, record('pear', 2 ** 40 + 4)],
      [apple, record('pear', 3)],
      [record('applep', 7), record('ear', 2 ** 40 + 3)],
      [apple, apple, pear],
    ]
    assert.equal(new Set(variants.map(records => rangeDigest(records))).size, variants.length)
  })

  it('reads keys in place and compares by lanes', () => {
    const digest = new RangeDigest()
    digest.add(utf8Bytes('..apple..'), 2, 7, 7)
    assert.equal(digest.records, 1)
    assert.equal(digest.toHex(), rangeDigest([apple]))
    const hex = digest.toHex()
    assert.ok(digest.equals(Number.parseInt(hex.slice(8), 16), Number.parseInt(hex.slice(0, 8), 16)))
    assert.ok(!digest.equals(0, 0))
  })
})
