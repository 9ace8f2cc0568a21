import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hexToBytes, bytesToHex, utf8Bytes } from '../../src/encoding/index.ts'
import type { Ciphers } from '../../src/platform/index.ts'
import { nodeCiphers } from '../../src/platform/node/index.ts'
import { simulatedCiphers } from '../../src/platform/simulated/index.ts'

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i)
const NONCE = Uint8Array.from({ length: 12 }, (_, i) => 100 + i)

describe('ciphers on Node', () => {
  const ciphers = nodeCiphers()

  it('SHA-256 is that of FIPS 180-4, whatever the parts', () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    assert.equal(bytesToHex(ciphers.sha256([utf8Bytes('abc')])), abc)
    assert.equal(bytesToHex(ciphers.sha256([utf8Bytes('a'), utf8Bytes(''), utf8Bytes('bc')])), abc)
  })

  it('HMAC-SHA-256 is that of RFC 4231, case 2', () => {
    const mac = ciphers.hmacSha256(utf8Bytes('Jefe'), [utf8Bytes('what do ya want '), utf8Bytes('for nothing?')])
    assert.equal(bytesToHex(mac), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  })

  it('AES-256-GCM is that of the GCM specification, test case 16', () => {
    const key = hexToBytes('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308')
    const text = hexToBytes(
      'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
    )
    const associated = hexToBytes('feedfacedeadbeeffeedfacedeadbeefabaddad2')
    const tag = ciphers.encrypt(key, hexToBytes('cafebabefacedbaddecaf888'), associated, [text])
    assert.equal(bytesToHex(tag), '76fc6ece0f4e1768cddf8853bb2d551b')
    assert.equal(
      bytesToHex(text),
      '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662',
    )
  })
})

const IMPLEMENTATIONS: readonly [string, Ciphers][] = [
  ['Node', nodeCiphers()],
  ['the simulator', simulatedCiphers()],
]

for (const [name, ciphers] of IMPLEMENTATIONS) {
  describe(`ciphers of ${name}`, () => {
    const plain = utf8Bytes('a text of some length, longer than one block')
    const associated = utf8Bytes('where it belongs')

    function encrypted(): { text: Uint8Array; tag: Uint8Array } {
      const text = plain.slice()
      const tag = ciphers.encrypt(KEY, NONCE, associated, [text.subarray(0, 5), text.subarray(5)])
      return { text, tag }
    }

    it('give the text back, whatever the parts, and hide it', () => {
      const { text, tag } = encrypted()
      assert.ok(!Buffer.from(text).includes('text'))
      assert.equal(tag.length, 16)
      const whole = plain.slice()
      assert.deepEqual([...ciphers.encrypt(KEY, NONCE, associated, [whole])], [...tag])
      assert.deepEqual(whole, text)
      assert.equal(ciphers.decrypt(KEY, NONCE, associated, tag, [text.subarray(0, 20), text.subarray(20)]), true)
      assert.deepEqual(text, plain)
    })

    it('refuse a changed bit of text, tag, associated bytes, nonce or key', () => {
      const changes: ((parts: Uint8Array[]) => Uint8Array)[] = [0, 1, 2, 3, 4].map(i => parts => parts[i]!)
      for (const choose of changes) {
        for (const bit of [0, 7, 93]) {
          const { text, tag } = encrypted()
          const parts = [text, tag.slice(), associated.slice(), NONCE.slice(), KEY.slice()]
          const changed = choose(parts)
          changed[(bit >>> 3) % changed.length]! ^= 1 << (bit & 7)
          const [body, ownTag, context, nonce, key] = parts as [
            Uint8Array,
            Uint8Array,
            Uint8Array,
            Uint8Array,
            Uint8Array,
          ]
          assert.equal(ciphers.decrypt(key, nonce, context, ownTag, [body]), false)
        }
      }
    })

    it('hash every bit, and the key of a MAC counts', () => {
      const base = bytesToHex(ciphers.sha256([plain]))
      const changed = plain.slice()
      changed[40]! ^= 2
      assert.notEqual(bytesToHex(ciphers.sha256([changed])), base)
      assert.equal(base.length, 64)
      const other = KEY.slice()
      other[31]! ^= 1
      assert.notEqual(bytesToHex(ciphers.hmacSha256(KEY, [plain])), bytesToHex(ciphers.hmacSha256(other, [plain])))
    })
  })
}
