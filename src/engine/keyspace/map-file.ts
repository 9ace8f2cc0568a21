import { readU32, writeU32, writeU64 } from '../../encoding/index.ts'
import { checksumOf, readChecksum, writeChecksum } from './checksum.ts'
import type { Checksum } from './checksum.ts'
import { invariant } from './assert.ts'
import {
  AT_BIRTH,
  AT_FORMAT,
  AT_KIND,
  AT_PAGE,
  CHECKSUM_BYTES,
  PAGE_FORMAT,
  PAGE_HEADER_BYTES,
  PageKind,
} from './layout.ts'
import type { PageFile } from './page-file.ts'
import type { SpaceMap } from './space-map.ts'
import type { Storage } from './storage.ts'
import type { PagePointer } from './superblock.ts'

/**
 * The allocator on file, itself copy-on-write: map pages with one bit for each page that the checkpointed root reaches, a
 * chain of directory pages that point at them, and pages with the digests of all spaces. A checkpoint rewrites the map pages
 * whose bits changed and the directory; an opening reads these and walks no tree.
 */

/** A directory or digest page: header, pointer to the next one (page 0 = none), entry count u32, then its content. */
const NEXT = PAGE_HEADER_BYTES
const COUNT = NEXT + 4 + CHECKSUM_BYTES
const CONTENT = COUNT + 4
const ENTRY_BYTES = 4 + CHECKSUM_BYTES

/** A page complete for the file. */
export interface PlacedPage {
  readonly page: number
  readonly bytes: Uint8Array
  checksum: Checksum
}

/** What a checkpoint wrote beside the tree, so that the next one can replace it. */
export interface MapOnFile {
  /** Page and checksum of each chunk's map page. */
  readonly chunks: { page: number; checksum: Checksum }[]
  readonly directory: number[]
  readonly spaces: number[]
}

export interface CapturedMap extends MapOnFile {
  /** Everything that has to be written. */
  readonly pages: PlacedPage[]
  readonly map: PagePointer
  readonly spacesPointer: PagePointer
  readonly spacesBytes: number
  readonly end: number
}

function blankPage(pageBytes: number, kind: PageKind, page: number, epoch: number): Uint8Array {
  const bytes = new Uint8Array(pageBytes)
  bytes[AT_KIND] = kind
  bytes[AT_FORMAT] = PAGE_FORMAT
  writeU32(bytes, AT_PAGE, page)
  writeU64(bytes, AT_BIRTH, epoch)
  return bytes
}

/**
 * Takes the free-space map of the newest root as it is now, into pages of its own. `before` is the last checkpoint's: its
 * pages die with this one. Synchronous, at a moment when the newest root is all that was written.
 */
export function captureMap(
  storage: Storage,
  before: MapOnFile | undefined,
  beforeEpoch: number,
  epoch: number,
  spaces: Uint8Array,
): CapturedMap {
  const { map, roots, pageBytes, seal } = storage
  const discard = (page: number): void => {
    map.die(page, 1)
    roots.bury(page, 1, beforeEpoch, epoch)
  }
  const take = (): number => {
    const page = map.allocate(1)
    storage.table.coverPage(page)
    return page
  }
  for (const page of [...(before?.directory ?? []), ...(before?.spaces ?? [])]) discard(page)
  const perPage = pageBytes - CONTENT
  const perDirectory = Math.floor(perPage / ENTRY_BYTES)
  const spacePages = Array.from({ length: Math.max(1, Math.ceil(spaces.length / perPage)) }, take)
  const chunks = before === undefined ? [] : before.chunks.map(chunk => ({ ...chunk }))
  const { directory, fresh } = moveChanged(map, chunks, perDirectory, take, discard)
  const pages = [...fresh].map(chunk => {
    const { page } = chunks[chunk]!
    const bytes = blankPage(pageBytes, PageKind.map, page, epoch)
    map.copyChunk(chunk, bytes.subarray(PAGE_HEADER_BYTES))
    chunks[chunk]!.checksum = checksumOf(seal, bytes)
    return { page, bytes, checksum: chunks[chunk]!.checksum }
  })
  const entries = new Uint8Array(chunks.length * ENTRY_BYTES)
  chunks.forEach((chunk, i) => {
    invariant(chunk.page !== 0, `chunk ${i} of the map has no page`)
    writeU32(entries, i * ENTRY_BYTES, chunk.page)
    writeChecksum(entries, i * ENTRY_BYTES + 4, chunk.checksum)
  })
  const directoryPages = chainPages(
    storage,
    PageKind.mapDirectory,
    directory,
    entries,
    perDirectory * ENTRY_BYTES,
    epoch,
  )
  const digestPages = chainPages(storage, PageKind.spaces, spacePages, spaces, perPage, epoch)
  pages.push(...directoryPages, ...digestPages)
  const pointer = (page: PlacedPage): PagePointer => ({ page: page.page, seq: 0, checksum: page.checksum })
  return {
    chunks,
    directory,
    spaces: spacePages,
    pages,
    map: pointer(directoryPages[0]!),
    spacesPointer: pointer(digestPages[0]!),
    spacesBytes: spaces.length,
    end: map.end,
  }
}

/**
 * Gives every changed chunk a new page, and the directory its pages. That changes bits, perhaps in other chunks: it goes on
 * until nothing is left to move.
 */
function moveChanged(
  map: SpaceMap,
  chunks: { page: number; checksum: Checksum }[],
  perDirectory: number,
  take: () => number,
  discard: (page: number) => void,
): { directory: number[]; fresh: Set<number> } {
  const directory: number[] = []
  const fresh = new Set<number>()
  for (let isSettled = false; !isSettled;) {
    isSettled = true
    while (directory.length < Math.max(1, Math.ceil(map.chunkCount / perDirectory))) {
      directory.push(take())
      isSettled = false
    }
    for (const chunk of map.changedChunks) {
      if (fresh.has(chunk)) continue
      const old = chunks[chunk]
      if (old !== undefined && old.page !== 0) discard(old.page)
      while (chunks.length <= chunk) chunks.push({ page: 0, checksum: 0 })
      chunks[chunk]!.page = take()
      fresh.add(chunk)
      isSettled = false
    }
  }
  map.forgetChanges()
  return { directory, fresh }
}

/** Spreads `content` over pages that point at each other, built from the last to the first because pointers hold checksums. */
function chainPages(
  { pageBytes, seal }: Storage,
  kind: PageKind,
  numbers: readonly number[],
  content: Uint8Array,
  perPage: number,
  epoch: number,
): PlacedPage[] {
  const pages: PlacedPage[] = []
  for (let i = numbers.length - 1; i >= 0; i--) {
    const bytes = blankPage(pageBytes, kind, numbers[i]!, epoch)
    const next = pages[0]
    if (next !== undefined) {
      writeU32(bytes, NEXT, next.page)
      writeChecksum(bytes, NEXT + 4, next.checksum)
    }
    const piece = content.subarray(i * perPage, (i + 1) * perPage)
    writeU32(bytes, COUNT, piece.length)
    bytes.set(piece, CONTENT)
    pages.unshift({ page: numbers[i]!, bytes, checksum: checksumOf(seal, bytes) })
  }
  return pages
}

/** Reads a chain of pages back; `visit` is told of each. */
export async function readChain(
  file: PageFile,
  first: PagePointer,
  kind: PageKind,
): Promise<{ content: Uint8Array; pages: number[] }> {
  const pieces: Uint8Array[] = []
  const pages: number[] = []
  let { page, checksum } = first
  while (page !== 0) {
    const bytes = await file.readPage(page, checksum, kind)
    pages.push(page)
    pieces.push(bytes.subarray(CONTENT, CONTENT + readU32(bytes, COUNT)))
    page = readU32(bytes, NEXT)
    checksum = readChecksum(bytes, NEXT + 4)
  }
  const content = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    content.set(piece, at)
    at += piece.length
  }
  return { content, pages }
}

/** Reads the map that a superblock points at. `visit` gets each chunk's bits. */
export async function readMap(
  file: PageFile,
  pointer: PagePointer,
  visit: (chunk: number, bits: Uint8Array) => void,
): Promise<Pick<MapOnFile, 'chunks' | 'directory'>> {
  const { content, pages } = await readChain(file, pointer, PageKind.mapDirectory)
  const chunks: { page: number; checksum: Checksum }[] = []
  for (let at = 0; at < content.length; at += ENTRY_BYTES) {
    const page = readU32(content, at)
    const checksum = readChecksum(content, at + 4)
    const bytes = await file.readPage(page, checksum, PageKind.map)
    visit(chunks.length, bytes.subarray(PAGE_HEADER_BYTES))
    chunks.push({ page, checksum })
  }
  return { chunks, directory: pages }
}
