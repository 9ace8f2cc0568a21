import { utf8Bytes } from './bytes.ts'
import { crc32 } from './crc32.ts'

/** The text of a small file: one JSON object whose last field `checksum` holds for the others, so that a changed digit is damage, not another content. */
export function writeCheckedJson(content: object): string {
  return `${JSON.stringify({ ...content, checksum: checksumOf(content) }, null, 2)}\n`
}

/** The object without its checksum; undefined for anything else than what `writeCheckedJson` has written, whatever its layout. */
export function readCheckedJson(text: string): Record<string, unknown> | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (value === null || typeof value !== 'object') return undefined
  const { checksum, ...content } = value as Record<string, unknown>
  return checksum === checksumOf(content) ? content : undefined
}

/** CRC-32 of the JSON without spaces, eight hexadecimal digits. */
function checksumOf(content: object): string {
  return crc32(utf8Bytes(JSON.stringify(content)))
    .toString(16)
    .padStart(8, '0')
}
