import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  chainEntry,
  crc32,
  crc32ByTable,
  crc32From,
  crc32OfView,
  dataViewOf,
  RecentView,
  utf8Bytes,
} from '../../src/encoding/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 7)

describe('a part of an array', () => {
  it('is the one asked for, whatever was asked for before', () => {
    const [one, other] = [utf8Bytes('abcdef'), utf8Bytes('ABCDEF')]
    const view = new RecentView()
    for (const [bytes, start, end] of [
      [one, 1, 3],
      [one, 1, 3],
      [one, 1, 4],
      [one, 2, 4],
      [other, 2, 4],
    ] as const) {
      assert.deepEqual(view.of(bytes, start, end), bytes.slice(start, end))
    }
    other[2] = 0x78
    assert.deepEqual(view.of(other, 2, 4), utf8Bytes('xD'))
  })
})

describe('CRC-32', () => {
  it('is that of zlib, by table and of a part too', () => {
    assert.equal(crc32(utf8Bytes('123456789')), 0xcbf43926)
    assert.equal(crc32ByTable(utf8Bytes('123456789')), 0xcbf43926)
    assert.equal(crc32ByTable(utf8Bytes('--123456789--'), 0, 2, 11), 0xcbf43926)
    assert.equal(crc32ByTable(utf8Bytes('6789'), crc32(utf8Bytes('12345'))), 0xcbf43926)
  })

  it('is the same of a part through a view of the whole, however long it is and wherever it lies', () => {
    const random = new SeededRandom(seed)
    const whole = random.bytes(3_000).subarray(7)
    const view = dataViewOf(whole)
    for (let length = 0; length < 1_000; length += length < 100 ? 1 : 37) {
      const [start, from] = [random.u32() % 1_500, random.u32()]
      const expected = crc32(whole.slice(start, start + length), from)
      assert.equal(crc32OfView(view, start, start + length, from), expected, `seed ${seed}, ${length} bytes`)
    }
  })

  it('chains entries of any length, in one piece with others or alone', () => {
    const random = new SeededRandom(seed)
    const whole = random.bytes(5_000)
    for (const length of [32, 33, 340, 447, 448, 449, 450, 2_000]) {
      const from = random.u32()
      const expected = crc32(whole.slice(9, 9 + length), from)
      assert.equal(chainEntry(from, whole, 9, 9 + length), expected)
      assert.equal(chainEntry(from, whole.slice(9, 9 + length), 0, length), expected)
      assert.equal(chainEntry(from, whole.subarray(9, 9 + length), 0, length), expected)
    }
  })

  it('from another seed is had without the bytes, however many there are', () => {
    const random = new SeededRandom(seed)
    const lengths = [0, 1, 2, 3, 255, 256, 257, 511, 512, 65_537, 1 << 20]
    while (lengths.length < 400) lengths.push(random.u32() % 3_000)
    for (const length of lengths) {
      const bytes = random.bytes(length)
      const [from, to] = [random.u32(), length % 3 === 0 ? 0 : random.u32()]
      const found = crc32From(crc32(bytes, from), from, to, length)
      assert.equal(found, crc32(bytes, to), `seed ${seed}, ${length} bytes`)
    }
  })
})
