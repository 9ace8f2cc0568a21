import { END_NUMBER } from './archive-seal.ts'
import type { Place } from './archive-seal.ts'

/** What an archive consists of (docs/formats/archive.md). */
export const ARCHIVE_MAGIC = 'QARCHIV\u0001'
/** Every file says how long it is. */
export const ARCHIVE_FORMAT = 1
/** A file may end where its chunks do, and the archive where its source has failed: what is sent while it is made. */
export const STREAM_FORMAT = 2
export const ARCHIVE_HEADER_BYTES = 64
export const CHUNK_BYTES: number = 4 << 20

/** What begins. Values are on disk: never reused. */
export const Item = { file: 1, chunk: 2, failure: 254, end: 255 } as const

/** In place of a file's length: its last chunk is the first that is not full. */
export const UNKNOWN_BYTES: number = Number.MAX_SAFE_INTEGER

/** What the end is bound to: how many files there are. */
export function endPlace(files: number): Place {
  return { file: END_NUMBER, chunk: files, path: '', fileBytes: 0, codec: 0, rawBytes: 0 }
}
