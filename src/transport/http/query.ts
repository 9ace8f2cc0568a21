import type { z } from 'zod'
import { formatToken, QuorateError } from '../../model/index.ts'
import type { Consistency, Token } from '../../model/index.ts'
import { percentDecode } from './paths.ts'
import type { ReadQuery } from './schemas.ts'

/** Parameters whose values are bytes: they reach their schema still encoded. */
const BYTES = new Set(['prefix'])
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The query of a request by its schema. Unknown and repeated parameters are refused: a misspelt condition must not be dropped in silence.
 * @throws QuorateError `malformed_request`, `invalid_argument`
 */
export function parseQuery<S extends z.ZodType>(schema: S, query: string): z.output<S> {
  const values = Object.create(null) as Record<string, string> // a parameter `__proto__` is one that is not known
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = at < 0 ? pair : pair.slice(0, at)
    const value = at < 0 ? '' : pair.slice(at + 1)
    if (Object.hasOwn(values, name)) throw new QuorateError('malformed_request', `the parameter ${name} is given twice`)
    values[name] = BYTES.has(name) ? value : textOf(value)
  }
  const parsed = schema.safeParse(values)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  throw new QuorateError(
    'invalid_argument',
    `query${where === '' ? '' : ` parameter ${where}`}: ${issue?.message ?? ''}`,
  )
}

function textOf(encoded: string): string {
  try {
    return utf8.decode(queryBytes(encoded))
  } catch (cause) {
    if (cause instanceof QuorateError) throw cause
    throw new QuorateError('malformed_request', 'a query parameter is not UTF-8', { cause })
  }
}

/** As `percentDecode`, where + is a space. */
export function queryBytes(encoded: string): Uint8Array {
  return percentDecode(encoded.replaceAll('+', ' '))
}

/** @throws QuorateError `invalid_argument` if more than one level is asked for */
export function consistencyOf(query: ReadQuery, historyId: string): Consistency {
  const { consistency, min_seq: minSeq, at_seq: atSeq, max_stale_ms: maxStaleMs } = query
  if ([consistency, minSeq, atSeq, maxStaleMs].filter(value => value !== undefined).length > 1) {
    throw new QuorateError('invalid_argument', 'give one of consistency, min_seq, at_seq and max_stale_ms')
  }
  if (minSeq !== undefined) return { minSeq: tokenOf(minSeq, historyId) }
  if (atSeq !== undefined) return { atSeq: tokenOf(atSeq, historyId) }
  if (maxStaleMs !== undefined) return { maxStaleMs }
  return consistency ?? 'linearizable'
}

/** A bare seq is one of the present history. */
function tokenOf(text: string, historyId: string): Token {
  return text.includes(':') ? text : formatToken(historyId, Number(text))
}
