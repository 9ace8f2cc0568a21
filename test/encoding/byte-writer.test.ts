import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ByteReader, ByteWriter } from '../../src/encoding/index.ts'

describe('ByteWriter', () => {
  it('writes a text as its UTF-8 length and bytes, whatever its length and alphabet', () => {
    const texts = [
      '',
      'a',
      'x'.repeat(64),
      'x'.repeat(65),
      'é',
      'abcé',
      `${'x'.repeat(63)}€`,
      '\u007f\u0080',
      '😀',
      '\0',
    ]
    const out = new ByteWriter(1)
    for (const text of texts) {
      out.u8(0xaa)
      out.text16(text)
    }
    const expected = texts.flatMap(text => {
      const bytes = Buffer.from(text)
      return [0xaa, bytes.length & 255, bytes.length >> 8, ...bytes]
    })
    assert.deepEqual([...out.finish()], expected)
    const reader = new ByteReader(out.finish())
    for (const text of texts) {
      reader.u8()
      assert.equal(reader.text16(), text)
    }
    reader.expectEnd()
  })

  it('takes back what was written from an offset on, and nothing that was not', () => {
    const out = new ByteWriter(2)
    out.u32(1)
    out.u32(2)
    out.truncate(4)
    out.u8(7)
    assert.deepEqual([...out.finish()], [1, 0, 0, 0, 7])
    assert.throws(() => out.truncate(6), RangeError)
    assert.throws(() => out.truncate(-1), RangeError)
  })
})
