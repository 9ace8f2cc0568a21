import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesToHex, utf8Bytes } from '../../src/encoding/index.ts'
import { BOX_BYTES, NONCE_BYTES, Seal, TAG_BYTES } from '../../src/sealing/index.ts'
import { SeededRandom, simulatedCiphers } from '../../src/platform/simulated/index.ts'
import { holdsText, testSeal } from './test-seal.ts'

const CONTEXT = utf8Bytes('context')

function encrypt(seal: Seal, text: string): { body: Uint8Array; nonce: Uint8Array; tag: Uint8Array } {
  const [body, nonce, tag] = [utf8Bytes(text), new Uint8Array(NONCE_BYTES), new Uint8Array(TAG_BYTES)]
  seal.encrypt(CONTEXT, [body], nonce, tag)
  return { body, nonce, tag }
}

describe('a seal', () => {
  it('never uses a nonce twice, nor another opening the same ones', () => {
    const seen = new Set<string>()
    for (const seed of [1, 2, 3]) {
      const seal = testSeal({ seed })
      for (let i = 0; i < 300; i++) seen.add(bytesToHex(encrypt(seal, 'same').nonce))
    }
    assert.equal(seen.size, 900)
  })

  it('gives each opening a key of its own: the same counter and text look different', () => {
    const [one, other] = [encrypt(testSeal({ seed: 1 }), 'same'), encrypt(testSeal({ seed: 2 }), 'same')]
    assert.deepEqual(one.nonce.subarray(16), other.nonce.subarray(16))
    assert.notDeepEqual(one.body, other.body)
  })

  it('reads what other openings wrote, more of them than it keeps keys for', () => {
    const reader = testSeal({ seed: 99 })
    const written = Array.from({ length: 600 }, (_, seed) => encrypt(testSeal({ seed: 1000 + seed }), `text ${seed}`))
    for (const [i, { body, nonce, tag }] of written.entries()) {
      assert.equal(reader.decrypt(CONTEXT, [body], nonce, tag), true)
      assert.deepEqual(body, utf8Bytes(`text ${i}`))
    }
    const { body, nonce, tag } = encrypt(reader, 'and still writes')
    assert.equal(testSeal({ seed: 5 }).decrypt(CONTEXT, [body], nonce, tag), true)
  })

  it('writes with the current data key, and reads what former ones wrote; an unknown number is no text', () => {
    const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
    const make = (current: number, numbers: number[]): Seal =>
      new Seal(simulatedCiphers(), new SeededRandom(current), {
        encryption: { current, keys: new Map(numbers.map(number => [number, key(number)])) },
      })
    const former = encrypt(make(1, [1]), 'former')
    const latest = encrypt(make(2, [1, 2]), 'latest')
    assert.equal(latest.nonce[0], 2)
    assert.equal(make(2, [1, 2]).decrypt(CONTEXT, [former.body], former.nonce, former.tag), true)
    assert.equal(make(1, [1]).decrypt(CONTEXT, [latest.body], latest.nonce, latest.tag), false)
  })

  it('signs what is signed as what it is', () => {
    const seal = testSeal()
    const mac = seal.sign(utf8Bytes('frame'), [utf8Bytes('text')])
    assert.equal(mac.length, 16)
    assert.equal(seal.holds(utf8Bytes('frame'), [utf8Bytes('te'), utf8Bytes('xt')], mac), true)
    assert.equal(seal.holds(utf8Bytes('vote'), [utf8Bytes('text')], mac), false)
    for (let i = 0; i < 16; i++) {
      const changed = mac.slice()
      changed[i]! ^= 0x80
      assert.equal(seal.holds(utf8Bytes('frame'), [utf8Bytes('text')], changed), false)
    }
  })
})

describe('a box', () => {
  const text = utf8Bytes('the quick brown fox')
  for (const [name, options] of Object.entries({
    'encrypted and signed': {},
    'only encrypted': { isSigning: false },
    'only signed': { isEncrypting: false },
  })) {
    it(`${name} gives its text back, and only whole, in its place`, () => {
      const box = testSeal(options).wrap(CONTEXT, text)
      assert.equal(box.length, BOX_BYTES + text.length)
      assert.equal(holdsText(box, 'quick'), name === 'only signed')
      const reader = testSeal({ ...options, seed: 2 })
      const before = box.slice()
      assert.deepEqual(reader.unwrap(CONTEXT, box), text)
      assert.deepEqual(box, before, 'a box is not changed by looking')
      assert.equal(reader.unwrap(utf8Bytes('elsewhere'), box), undefined)
      for (let at = 0; at < box.length; at++) {
        const changed = box.slice()
        changed[at]! ^= 4
        assert.equal(reader.unwrap(CONTEXT, changed), undefined, `byte ${at}`)
        assert.equal(reader.unwrap(CONTEXT, box.subarray(0, at)), undefined, `${at} bytes`)
      }
    })
  }

  it('of a seal of another kind is none', () => {
    const kinds = [{}, { isSigning: false }, { isEncrypting: false }]
    for (const one of kinds) {
      for (const other of kinds) {
        const found = testSeal(other).unwrap(CONTEXT, testSeal(one).wrap(CONTEXT, text))
        assert.equal(found !== undefined, one === other)
      }
    }
  })
})
