import type { ImageSource } from '../snapshots.ts'

const CHUNK_BYTES = 1 << 20

/** All images of a source, in chunks of about 1 MiB; does not close it. */
export async function* chunksOf(source: ImageSource): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = await source.next(CHUNK_BYTES)
    if (chunk === undefined) return
    yield chunk.bytes
  }
}
