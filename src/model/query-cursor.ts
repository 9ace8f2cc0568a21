import { fromBase64, readU64 } from '../encoding/index.ts'
import { formatToken } from './consistency.ts'
import type { Consistency } from './consistency.ts'
import { QuorateError } from './errors.ts'
import type { ReadRequest } from './reads.ts'

/** First byte of a cursor (docs/formats/query-cursor.md). */
export const CURSOR_VERSION = 1

const SEQ_AT = 1
/** Characters that hold the version and the seq. */
const HEAD_CHARACTERS = 12

/**
 * The seq that the pages of a query are of, as its cursor says: the next page must be read there. Undefined for what is no cursor; that
 * it is a true one is seen by who made it.
 */
export function seqOfCursor(cursor: string): number | undefined {
  const head = cursor.slice(0, HEAD_CHARACTERS)
  if (head.length < HEAD_CHARACTERS || !/^[\w-]+$/.test(head)) return undefined
  const bytes = fromBase64(head.replaceAll('-', '+').replaceAll('_', '/'))
  if (bytes[0] !== CURSOR_VERSION) return undefined
  const seq = readU64(bytes, SEQ_AT)
  return Number.isSafeInteger(seq) ? seq : undefined
}

/**
 * Which state a read without a view is of: the one that is asked for, or of a further page of a query that of its first page.
 * @throws QuorateError `invalid_cursor`
 */
export function consistencyOfRead(request: ReadRequest, asked: Consistency, historyId: string): Consistency {
  if (request.type !== 'query' || request.query.cursor === undefined) return asked
  const seq = seqOfCursor(request.query.cursor)
  if (seq === undefined) throw new QuorateError('invalid_cursor', 'the cursor is no cursor')
  return { atSeq: formatToken(historyId, seq) }
}
