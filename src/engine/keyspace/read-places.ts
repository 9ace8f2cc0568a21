import type { Checksum } from './checksum.ts'
import type { PageFile } from './page-file.ts'
import { PageRef } from './page.ts'

/** Neighbours up to so many bytes are read at once. */
const READ_BYTES_MAX = 1 << 20

/** A place in the file that has to be read: a page, or an extent with its header. */
export interface Place {
  readonly page: number
  readonly pages: number
  readonly bytes: number
  readonly checksum: Checksum
}

/** Reads places past the cache, neighbours together. Nothing is checked. `memory` gives what a run is read into. */
export async function readPlaces(
  file: PageFile,
  places: readonly Place[],
  memory: (length: number) => Uint8Array = length => new Uint8Array(length),
): Promise<[Place, Uint8Array][]> {
  const { pageBytes } = file
  const sorted = places.toSorted((a, b) => a.page - b.page)
  const reads: Promise<[Place, Uint8Array][]>[] = []
  for (let start = 0; start < sorted.length;) {
    const first = sorted[start]!
    let end = start + 1
    while (end < sorted.length) {
      const { page, pages } = sorted[end - 1]!
      const next = sorted[end]!
      if (next.page !== page + pages || (next.page + next.pages - first.page) * pageBytes > READ_BYTES_MAX) break
      end++
    }
    reads.push(readRun(file, sorted.slice(start, end), memory))
    start = end
  }
  return (await Promise.all(reads)).flat()
}

async function readRun(
  file: PageFile,
  run: readonly Place[],
  memory: (length: number) => Uint8Array,
): Promise<[Place, Uint8Array][]> {
  const { pageBytes } = file
  const first = run[0]!.page
  const last = run.at(-1)!
  const bytes = memory((last.page - first) * pageBytes + last.bytes)
  bytes.fill(0, await file.read(bytes, first * pageBytes))
  return run.map(place => {
    const at = (place.page - first) * pageBytes
    return [place, bytes.subarray(at, at + place.bytes)]
  })
}

/** A page of the tree where it was read to. */
export function pageIn(bytes: Uint8Array): PageRef {
  const ref = new PageRef(bytes.length, new Uint8Array(bytes.buffer), new Uint32Array(bytes.buffer))
  ref.base = bytes.byteOffset
  return ref
}
