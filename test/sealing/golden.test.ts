import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { bytesToHex, utf8Bytes } from '../../src/encoding/index.ts'
import { nodeCiphers } from '../../src/platform/node/index.ts'
import { SeededRandom, SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { keyId, openSeal, Seal } from '../../src/sealing/index.ts'

const CONFIGURED = Uint8Array.from({ length: 32 }, (_, i) => i)

describe('the bytes of docs/formats/keys.md', () => {
  it('the id of a configured key', () => {
    assert.equal(keyId(nodeCiphers(), CONFIGURED), '9620d7a80c8b6161')
  })

  it('keys.json with both keys', async () => {
    const disk = new SimulatedDisk({ seed: 1 })
    const files = disk.files()
    await files.makeDirectory('/d')
    const place = { files, random: new SeededRandom(1), ciphers: nodeCiphers(), path: '/d' }
    const directoryId = '000102030405060708090a0b0c0d0e0f'
    await openSeal({ ...place, directoryId, keys: { encryption: [CONFIGURED], integrity: [CONFIGURED] } }, 'create')
    assert.equal(new TextDecoder().decode(disk.contents('/d/keys.json')), KEYS_JSON)
  })

  it('a box, encrypted, signed, and both', () => {
    const key = new Uint8Array(32).fill(1)
    const integrity = new Uint8Array(32).fill(2)
    const encryption = { current: 3, keys: new Map([[3, key]]) }
    const boxes = [{ encryption }, { integrity }, { encryption, integrity }].map(keys => {
      const seal = new Seal(nodeCiphers(), new SeededRandom(1), keys)
      return bytesToHex(seal.wrap(utf8Bytes('context'), utf8Bytes('text')))
    })
    assert.deepEqual(boxes, BOXES)
  })
})

const KEYS_JSON = `{
  "format": 1,
  "directoryId": "000102030405060708090a0b0c0d0e0f",
  "keys": [
    {
      "purpose": "encryption",
      "number": 1,
      "isCurrent": true,
      "wrappedBy": "9620d7a80c8b6161",
      "nonce": "3d227cd7d1b33c599ad457fd",
      "wrapped": "1ecffc083fdf5d2ff0b69104ee3664de071d794936866f25a2a78d4e212e5bcb",
      "tag": "4c68de9421cb1b4fbf698c9a0e01c18f"
    },
    {
      "purpose": "integrity",
      "number": 1,
      "isCurrent": true,
      "wrappedBy": "9620d7a80c8b6161",
      "nonce": "78f38d5d979633c12676faed",
      "wrapped": "8905fe63af798681676e4d04ae622b1032cd744362167b8feb63981a745779f1",
      "tag": "b5e4fd0425e7828e5dff3e618363a9a1"
    }
  ],
  "checksum": "88fee673"
}
`

const NONCE = '0300dc3036206751b1a0df0e73b88ba90100000000000000'
const TAG = 'ddad1da29cb6ab8bfec038b30da213f1'
const BOXES: readonly string[] = [
  `${NONCE}${TAG}${'00'.repeat(16)}0d15cda4`,
  `${'00'.repeat(40)}676a626a7b61186ee8e7442c0f786b0f74657874`,
  `${NONCE}${TAG}9c6b9723e1433c07e78a80ba42d890ca0d15cda4`,
]
