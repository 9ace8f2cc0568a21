import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { bytesToHex, fromBase64, hmacSha256By } from '../../../src/encoding/index.ts'
import { decodeCursor, encodeCursor } from '../../../src/engine/query/cursor.ts'
import type { CursorParts } from '../../../src/engine/query/cursor.ts'
import { seqOfCursor } from '../../../src/model/index.ts'
import { check } from '../../encoding/arbitraries.ts'

const sign = hmacSha256By(new Uint8Array(32).fill(7))
const fingerprint = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const HEAD = '0105000000000000000102030405060708'

function bodyOf(mark: CursorParts['mark']): string {
  const text = encodeCursor({ seq: 5, fingerprint, mark }, sign)
  const bytes = fromBase64(
    text
      .replaceAll('-', '+')
      .replaceAll('_', '/')
      .padEnd(Math.ceil(text.length / 4) * 4, '='),
  )
  const body = bytes.subarray(0, -16)
  assert.equal(bytesToHex(bytes.subarray(-16)), bytesToHex(sign(body).subarray(0, 16)))
  return bytesToHex(body)
}

it('cursors have the bytes that their page says', () => {
  assert.equal(bodyOf({ kind: 'key', key: Uint8Array.of(0x11, 0, 0, 0, 9) }), `${HEAD}011100000009`)
  assert.equal(bodyOf({ kind: 'count', rows: 258 }), `${HEAD}030201000000000000`)
  assert.equal(bodyOf({ kind: 'joined', rows: 3, key: Uint8Array.of(0x11, 9) }), `${HEAD}0403000000000000001109`)
  const keys = [null, false, true, 1.5, -3n, 'a', Uint8Array.of(255)]
  const values = ['00', '01', '02', '03000000000000f83f', '0402002d33', '050100000061', '0601000000ff'].join('')
  assert.equal(bodyOf({ kind: 'sort', keys, tie: Uint8Array.of(0x11) }), `${HEAD}0207${values}11`)
})

it('cursors give back what was put in, and say their seq', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  const value = fc.oneof(fc.constant(null), fc.boolean(), fc.double({ noNaN: true }), fc.bigInt(), fc.string(), bytes)
  const mark: fc.Arbitrary<CursorParts['mark']> = fc.oneof(
    fc.record({ kind: fc.constant('key' as const), key: bytes }),
    fc.record({ kind: fc.constant('count' as const), rows: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('joined' as const), key: bytes, rows: fc.maxSafeNat() }),
    fc.record({ kind: fc.constant('sort' as const), keys: fc.array(value, { maxLength: 32 }), tie: bytes }),
  )
  check(fc.tuple(fc.maxSafeNat(), mark), 500, ([seq, given]) => {
    const text = encodeCursor({ seq, fingerprint, mark: given }, sign)
    const parts = decodeCursor(text, sign)
    assert.equal(parts.seq, seq)
    assert.deepEqual(parts.fingerprint, fingerprint)
    assert.deepEqual({ ...parts.mark }, { ...given })
    assert.equal(seqOfCursor(text), seq)
  })
})
