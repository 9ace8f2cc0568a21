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

const FORMAT = 1

export function formatCursor({ token, reverse, prefix, lastKey }: ListCursor): string {
  const writer = new ByteWriter(128)
  writer.u8(FORMAT)
  writer.u8(reverse ? 1 : 0)
  writer.text16(token)
  writer.bytes16(prefix)
  writer.bytes16(lastKey)
  return toBase64(writer.finish()).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** @throws QuorateError `invalid_argument` for what is no cursor of the same list */
export function parseCursor(text: string, list: { reverse: boolean; prefix: Uint8Array }): ListCursor {
  const wrong = (cause?: unknown): QuorateError =>
    new QuorateError('invalid_argument', 'this is no cursor of this list', { cause })
  const padded = text.replaceAll('-', '+').replaceAll('_', '/') + '='.repeat((4 - (text.length % 4)) % 4)
  try {
    const bytes = fromBase64(padded)
    const reader = new ByteReader(bytes)
    if (reader.u8() !== FORMAT) throw wrong()
    const reverse = reader.u8() === 1
    const token = reader.text16()
    const prefix = reader.bytes16()
    const lastKey = reader.bytes16()
    reader.expectEnd()
    parseToken(token)
    if (reverse !== list.reverse || !equalBytes(prefix, list.prefix)) throw wrong()
    return { token, reverse, prefix, lastKey }
  } catch (error) {
    if (error instanceof QuorateError || error instanceof MalformedBytes) throw wrong(error)
    throw error
  }
}
