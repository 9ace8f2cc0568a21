import { END_NUMBER } from './archive-seal.ts'
import type { Place } from './archive-seal.ts'

/** What an archive consists of (docs/formats/archive.md). */
export const ARCHIVE_MAGIC = 'QARCHIV\u0001'
export const ARCHIVE_FORMAT = 1
export const ARCHIVE_HEADER_BYTES = 64
export const CHUNK_BYTES: number = 4 << 20

/** What begins. Values are on disk: never reused. */
export const Item = { file: 1, chunk: 2, end: 255 } as const

/** What the end is bound to: how many files there are. */
export function endPlace(files: number): Place {
  return { file: END_NUMBER, chunk: files, path: '', fileBytes: 0, codec: 0, rawBytes: 0 }
}
