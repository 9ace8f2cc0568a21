import * as zlib from 'node:zlib'
import type { InputType } from 'node:zlib'
import { QuorateError } from '../../model/index.ts'

/** How a chunk of an archive is packed. Values are on disk: never reused. */
export const Codec = { stored: 0, deflate: 1, zstd: 2 } as const
export type Codec = (typeof Codec)[keyof typeof Codec]

/** Of the quick levels the one that packs what repeats itself best and soonest (docs/adr/0006-archive-compression.md). */
const DEFLATE_LEVEL = 3
const OUTPUT_BYTES = 1 << 20

type Done = (error: Error | null, result: Uint8Array) => void

/** What newer versions of Node have. */
interface Zstd {
  zstdCompress?: (bytes: InputType, done: Done) => void
  zstdDecompress?: (bytes: InputType, options: { maxOutputLength: number }, done: Done) => void
}

const { zstdCompress, zstdDecompress } = zlib as Zstd

/** The best codec of this process. */
export const OWN_CODEC: Codec = zstdCompress === undefined ? Codec.deflate : Codec.zstd

/** Packs on a thread of the pool; what does not become smaller is `stored`. */
export async function pack(
  bytes: Uint8Array,
  codec: Codec = OWN_CODEC,
): Promise<{ codec: Codec; payload: Uint8Array }> {
  const stored = { codec: Codec.stored, payload: bytes }
  if (bytes.length === 0 || codec === Codec.stored) return stored
  const payload = await promised(done => {
    if (codec === Codec.zstd && zstdCompress !== undefined) zstdCompress(bytes, done)
    else zlib.deflateRaw(bytes, { level: DEFLATE_LEVEL, chunkSize: OUTPUT_BYTES }, done)
  })
  if (payload.length >= bytes.length) return stored
  return { codec: codec === Codec.zstd && zstdCompress !== undefined ? Codec.zstd : Codec.deflate, payload }
}

/** The reverse. @throws QuorateError `unsupported_version` for a codec that this version of Node lacks; whatever the codec throws of bad bytes */
export function unpack(codec: number, payload: Uint8Array, rawBytes: number): Promise<Uint8Array> {
  switch (codec) {
    case Codec.stored:
      return Promise.resolve(payload)
    case Codec.deflate: {
      const options = {
        maxOutputLength: Math.max(rawBytes, 1),
        chunkSize: Math.max(64, Math.min(rawBytes + 1, 4 << 20)),
      }
      return promised(done => zlib.inflateRaw(payload, options, done))
    }
    case Codec.zstd: {
      if (zstdDecompress === undefined) {
        throw new QuorateError('unsupported_version', 'this archive is packed by zstd, which needs Node 22.15 or later')
      }
      return promised(done => zstdDecompress(payload, { maxOutputLength: Math.max(rawBytes, 1) }, done))
    }
    default:
      throw new QuorateError('unsupported_version', `codec ${codec} is not known to this version`)
  }
}

function promised(start: (done: Done) => void): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error === null ? resolve(result) : reject(error)))
  })
}
