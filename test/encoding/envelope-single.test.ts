import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  encodeEnvelope,
  encodeSets,
  encodeSingleSet,
  encodeSingleSetAscii,
  singleSetTemplate,
  utf8Bytes,
} from '../../src/encoding/index.ts'

const template = singleSetTemplate('shop', 'app')
const value = utf8Bytes('a value')

function general(key: Uint8Array, scope: string = 'app'): Uint8Array {
  return encodeEnvelope({ mutations: [{ type: 'kvSet', project: 'shop', scope, key, value }] })
}

describe('the envelope of a single set', () => {
  it('has the bytes that the general encoder gives', () => {
    for (const key of ['', 'k', 'a longer key/with 0123 signs', 'x'.repeat(65_535)]) {
      assert.deepEqual(encodeSingleSet(template, utf8Bytes(key), value), general(utf8Bytes(key)))
      assert.deepEqual(encodeSingleSetAscii(template, key, value), general(utf8Bytes(key)))
    }
    assert.deepEqual(
      encodeSingleSet(singleSetTemplate('shop', 'other'), Uint8Array.of(255, 0), value),
      general(Uint8Array.of(255, 0), 'other'),
    )
  })

  it('has the same bytes for several sets at once', () => {
    const keys = ['', 'k', 'a longer key', 'k'].map(utf8Bytes)
    const values = [value, new Uint8Array(0), new Uint8Array(3_000).fill(7), utf8Bytes('last')]
    const mutations = keys.map(
      (key, i) => ({ type: 'kvSet', project: 'shop', scope: 'app', key, value: values[i]! }) as const,
    )
    assert.deepEqual(encodeSets(template, keys, values), encodeEnvelope({ mutations }))
    assert.deepEqual(encodeSets(template, keys.slice(1, 2), [value]), encodeSingleSet(template, keys[1]!, value))
    assert.throws(() => encodeSets(template, [new Uint8Array(65_536)], [value]), RangeError)
  })

  it('leaves keys beyond ASCII and keys beyond the format to the caller', () => {
    assert.equal(encodeSingleSetAscii(template, 'Zürich', value), undefined)
    assert.equal(encodeSingleSetAscii(template, 'x'.repeat(65_536), value), undefined)
    assert.throws(() => encodeSingleSet(template, new Uint8Array(65_536), value), RangeError)
  })
})
