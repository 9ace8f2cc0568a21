import { ByteReader, ByteWriter, equalBytes, fromBase64, MalformedBytes, toBase64 } from '../../encoding/index.ts'
import { parseToken, QuorateError } from '../../model/index.ts'
import type { Token } from '../../model/index.ts'

/** Where a list goes on: after `lastKey`, in the state after `token`. Opaque to callers; it gives no rights. */
export interface ListCursor {
  token: Token
  reverse: boolean
  prefix: Uint8Array
  lastKey: Uint8Array
}

/** As `ListCursor`, of a list of all scopes: goes on in `scope`, after `lastKey` if there is one. */
export interface ScopesCursor extends Omit<ListCursor, 'lastKey'> {
  scope: string
  lastKey: Uint8Array | undefined
}

const FORMAT = 1
const SCOPES_FORMAT = 2

export function formatCursor(cursor: ListCursor): string {
  const writer = begin(FORMAT, cursor)
  writer.bytes16(cursor.lastKey)
  return urlText(writer)
}

export function formatScopesCursor(cursor: ScopesCursor): string {
  const writer = begin(SCOPES_FORMAT, cursor)
  writer.text16(cursor.scope)
  writer.u8(cursor.lastKey === undefined ? 0 : 1)
  if (cursor.lastKey !== undefined) writer.bytes16(cursor.lastKey)
  return urlText(writer)
}

/** @throws QuorateError `invalid_argument` for what is no cursor of the same list */
export function parseCursor(text: string, list: List): ListCursor {
  return parse(text, FORMAT, list, (start, reader) => ({ ...start, lastKey: reader.bytes16() }))
}

/** @throws QuorateError `invalid_argument` for what is no cursor of the same list */
export function parseScopesCursor(text: string, list: List): ScopesCursor {
  return parse(text, SCOPES_FORMAT, list, (start, reader) => {
    const scope = reader.text16()
    return { ...start, scope, lastKey: reader.u8() === 0 ? undefined : reader.bytes16() }
  })
}

interface List {
  readonly reverse: boolean
  readonly prefix: Uint8Array
}

type Start = Omit<ListCursor, 'lastKey'>

function begin(format: number, { token, reverse, prefix }: Start): ByteWriter {
  const writer = new ByteWriter(128)
  writer.u8(format)
  writer.u8(reverse ? 1 : 0)
  writer.text16(token)
  writer.bytes16(prefix)
  return writer
}

function urlText(writer: ByteWriter): string {
  return toBase64(writer.finish()).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function parse<T>(text: string, format: number, list: List, rest: (start: Start, reader: ByteReader) => T): T {
  const wrong = (cause?: unknown): QuorateError =>
    new QuorateError('invalid_argument', 'this is no cursor of this list', { cause })
  const padded = text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (text.length % 4)) % 4)
  try {
    const reader = new ByteReader(fromBase64(padded))
    if (reader.u8() !== format) throw wrong()
    const reverse = reader.u8() === 1
    const token = reader.text16()
    const prefix = reader.bytes16()
    const cursor = rest({ token, reverse, prefix }, reader)
    reader.expectEnd()
    parseToken(token)
    if (reverse !== list.reverse || !equalBytes(prefix, list.prefix)) throw wrong()
    return cursor
  } catch (error) {
    if (error instanceof QuorateError || error instanceof MalformedBytes) throw wrong(error)
    throw error
  }
}
