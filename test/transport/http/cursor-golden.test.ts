import assert from 'node:assert/strict'
import { it } from 'node:test'
import * as fc from 'fast-check'
import { bytesToHex, fromBase64 } from '../../../src/encoding/index.ts'
import { formatToken, QuorateError } from '../../../src/model/index.ts'
import { formatCursor, formatScopesCursor, parseCursor, parseScopesCursor } from '../../../src/transport/http/cursor.ts'
import { check } from '../../encoding/arbitraries.ts'

const TOKEN = formatToken('0123456789abcdef0123456789abcdef', 42)
const TOKEN_HEX = `2300${Buffer.from(TOKEN).toString('hex')}`
const bytesOf = (text: string): string => bytesToHex(fromBase64(Buffer.from(text, 'base64url').toString('base64')))
const list = { token: TOKEN, reverse: true, prefix: Uint8Array.of(0x61) }

it('cursors of lists have the bytes that their page says', () => {
  const lastKey = Uint8Array.of(0x61, 0xff)
  assert.equal(bytesOf(formatCursor({ ...list, lastKey })), `0101${TOKEN_HEX}010061020061ff`)
  assert.equal(
    bytesOf(formatScopesCursor({ ...list, scope: 'app', lastKey })),
    `0201${TOKEN_HEX}010061030061707001020061ff`,
  )
  const none = formatScopesCursor({ ...list, reverse: false, scope: 'app', lastKey: undefined })
  assert.equal(bytesOf(none), `0200${TOKEN_HEX}010061030061707000`)
})

it('cursors of lists give back what was put in, for the same list alone', () => {
  const bytes = fc.uint8Array({ maxLength: 40 })
  check(fc.tuple(bytes, bytes, fc.boolean(), fc.string()), 300, ([prefix, lastKey, reverse, scope]) => {
    const given = { token: TOKEN, reverse, prefix, lastKey }
    const isRefused = (error: unknown): boolean => error instanceof QuorateError && error.code === 'invalid_argument'
    const ofScopes = formatScopesCursor({ ...given, scope })
    for (const parsed of [parseCursor(formatCursor(given), given), parseScopesCursor(ofScopes, given)]) {
      assert.deepEqual([parsed.token, parsed.reverse], [TOKEN, reverse])
      assert.deepEqual(
        [bytesToHex(parsed.prefix), bytesToHex(parsed.lastKey!)],
        [bytesToHex(prefix), bytesToHex(lastKey)],
      )
    }
    assert.equal(parseScopesCursor(ofScopes, given).scope, scope)
    assert.throws(() => parseCursor(formatCursor(given), { reverse: !reverse, prefix }), isRefused)
    assert.throws(() => parseCursor(formatCursor(given), { reverse, prefix: Uint8Array.of(...prefix, 1) }), isRefused)
    assert.throws(() => parseCursor(ofScopes, { reverse, prefix }), isRefused)
  })
})

it('what is no cursor of a list is refused, whatever it is', () => {
  check(fc.oneof(fc.string(), fc.base64String()), 500, text => {
    for (const parse of [parseCursor, parseScopesCursor]) {
      assert.throws(
        () => parse(text, list),
        (error: unknown) => error instanceof QuorateError && error.code === 'invalid_argument',
      )
    }
  })
})
