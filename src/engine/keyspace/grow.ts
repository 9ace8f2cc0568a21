import { invariant } from './assert.ts'
import { childPage, childSeq, insertChild } from './branch.ts'
import {
  AT_RUN,
  PAGE_HEADER_BYTES,
  PageKind,
  POINTER_BYTES,
  POINTER_CHECKSUM,
  CHECKSUM_BYTES,
  POINTER_SEQ,
} from './layout.ts'
import type { Path } from './path.ts'
import {
  appendCell,
  birthOf,
  cellBytes,
  cellCount,
  commonLength,
  commonPrefix,
  insertCell,
  keyLength,
  pageLevel,
  packedBytes,
  PageRef,
  prefixLength,
  readKey,
  rebuildPage,
  searchPage,
  setPrefix,
  takeCells,
} from './page.ts'
import { writeU32, writeU64 } from '../../encoding/index.ts'
import { isEndOfRun, splitPoint } from './split-point.ts'
import type { Storage } from './storage.ts'

/** After so many inserts in a row at its end a page is taken for the end of an ascending load. */
const ASCENDING_RUN = 8

/** Inserting where there is room, and splitting where there is none. The path's pages down to `depth` are writable. */

const keyBuffer = new Uint8Array(32768 / 5 + 4)

/**
 * Inserts a cell at `index` of the path's page at `depth`, splitting as needed, and returns where its payload goes;
 * `path.refs[depth]` then is the page that holds it.
 */
export function placeCell(
  storage: Storage,
  path: Path,
  depth: number,
  index: number,
  key: Uint8Array,
  length: number,
  payload: number,
): number {
  const ref = path.refs[depth]!
  const isAtEnd = index === cellCount(ref)
  const run = ref.base + AT_RUN
  const at = insertWidening(storage, ref, index, key, length, payload)
  if (at >= 0) {
    if (!isAtEnd) ref.bytes[run] = 0
    else if (ref.bytes[run]! < 255) ref.bytes[run]!++
    return at
  }
  const isAscending = ref.bytes[run]! >= ASCENDING_RUN || lacksPrefix(ref, key, length)
  if (isAtEnd && isAscending) return appendPage(storage, path, depth, key, length, payload)
  return splitPage(storage, path, depth, index, key, length, payload)
}

/** As `insertCell`, shortening the page's prefix if the key does not have it. Only a key at either end can lack it. */
export function insertWidening(
  storage: Storage,
  ref: PageRef,
  index: number,
  key: Uint8Array,
  length: number,
  payload: number,
): number {
  const prefix = prefixLength(ref)
  const isAtEnd = index <= 1 || index === cellCount(ref) // in a branch what stands first has no key
  if (prefix > 0 && isAtEnd) {
    const shared = sharedPrefix(ref, prefix, key, length)
    if (shared < prefix) {
      const count = cellCount(ref)
      const needed = packedBytes(ref, 0, count, shared) + cellBytes(length, shared, payload)
      if (needed > ref.size - PAGE_HEADER_BYTES) return -1
      rebuildPage(ref, storage.scratch, 0, count, shared)
    }
  }
  return insertCell(ref, index, key, length, payload)
}

function sharedPrefix(ref: PageRef, prefix: number, key: Uint8Array, length: number): number {
  const at = ref.base + ref.size - prefix
  const end = prefix < length ? prefix : length
  let i = 0
  while (i < end && ref.bytes[at + i] === key[i]) i++
  return i
}

function lacksPrefix(ref: PageRef, key: Uint8Array, length: number): boolean {
  const prefix = prefixLength(ref)
  return sharedPrefix(ref, prefix, key, length) < prefix
}

/** A key behind all others gets a page of its own, so that ascending inserts leave full pages behind. */
function appendPage(
  storage: Storage,
  path: Path,
  depth: number,
  key: Uint8Array,
  length: number,
  payload: number,
): number {
  const left = path.refs[depth]!
  const isLeaf = pageLevel(left) === 0
  const lastLength = readKey(left, cellCount(left) - 1, keyBuffer)
  const common = commonLength(keyBuffer, lastLength, key, length)
  const right = new PageRef(storage.pageBytes)
  const page = storage.newPage(isLeaf ? PageKind.leaf : PageKind.branch, pageLevel(left), right)
  // A branch's first key is never looked at, so it is left empty: the parent has it.
  setPrefix(right, key, isLeaf ? common : 0)
  const at = insertCell(right, 0, key, isLeaf ? length : 0, payload)
  right.bytes[right.base + AT_RUN] = ASCENDING_RUN
  const separator = path.separators[depth]!
  const separatorBytes = isLeaf ? common + 1 : length
  separator.set(key.subarray(0, separatorBytes))
  addSibling(storage, path, depth, separator, separatorBytes, page)
  path.refs[depth] = right
  return at
}

/**
 * Splits a page and inserts a cell: by halves of its bytes, counting the new cell where it belongs, or where one of several ascending series
 * grows. The new cell then ends the left page; if that is full, it begins the right one.
 */
function splitPage(
  storage: Storage,
  path: Path,
  depth: number,
  index: number,
  key: Uint8Array,
  length: number,
  payload: number,
): number {
  const left = path.refs[depth]!
  const isLeaf = pageLevel(left) === 0
  const count = cellCount(left)
  const isOdd = lacksPrefix(left, key, length)
  const isRun = isLeaf && !isOdd && isEndOfRun(left, index)
  // A key in front of all others that lacks their prefix would swell each of them: it leaves with one cell only.
  const middle = isOdd ? 1 : isRun ? index : splitPoint(left, index, cellBytes(length, 0, payload))
  const right = new PageRef(storage.pageBytes)
  const page = storage.newPage(isLeaf ? PageKind.leaf : PageKind.branch, pageLevel(left), right)
  const separator = path.separators[depth]!
  const separatorBytes =
    isRun && isFullBefore(left, index, key, length, payload)
      ? separateBefore(left, index, key, length, separator)
      : separate(left, middle, index, key, length, separator)
  fillRight(left, right, middle, count)
  rebuildPage(left, storage.scratch, 0, middle, leadingPrefix(left, middle))
  addSibling(storage, path, depth, separator, separatorBytes, page)
  const order = compareKeys(key, length, separator, separatorBytes)
  const goesRight = order >= 0
  const target = goesRight ? right : left
  path.refs[depth] = target
  const found = ~searchPage(target, key, length, isLeaf ? 0 : 1)
  const at = insertWidening(storage, target, found, key, length, payload)
  invariant(at >= 0, 'half a page has no room for a cell')
  return at
}

/** Whether a page of the cells in front of `index` and the new one, with the prefix that all of these share, would be too large. */
function isFullBefore(ref: PageRef, index: number, key: Uint8Array, length: number, payload: number): boolean {
  readKey(ref, 0, keyBuffer)
  const prefix = commonLength(keyBuffer, commonPrefix(ref, 0, index - 1), key, length)
  const needed = packedBytes(ref, 0, index, prefix) + cellBytes(length, prefix, payload)
  return needed > ref.size - PAGE_HEADER_BYTES
}

/** The separator in front of cell `middle`: its length. A new cell that stands right there is left on the left, where it was counted. */
function separate(
  left: PageRef,
  middle: number,
  index: number,
  key: Uint8Array,
  length: number,
  separator: Uint8Array,
): number {
  const firstLength = readKey(left, middle, keyBuffer)
  separator.set(keyBuffer.subarray(0, firstLength))
  if (pageLevel(left) > 0) return firstLength
  const common =
    index === middle ? commonLength(key, length, keyBuffer, firstLength) : commonPrefix(left, middle - 1, middle)
  return common + 1
}

/** The separator between the cell in front of `index` and the new one: its length. */
function separateBefore(left: PageRef, index: number, key: Uint8Array, length: number, separator: Uint8Array): number {
  const lastLength = readKey(left, index - 1, keyBuffer)
  const bytes = commonLength(keyBuffer, lastLength, key, length) + 1
  separator.set(key.subarray(0, bytes))
  return bytes
}

/** The prefix that the first `end` cells share; a single one keeps the page's, to leave room for its neighbours. */
function leadingPrefix(ref: PageRef, end: number): number {
  const first = pageLevel(ref) === 0 ? 0 : 1
  return end - first < 2 ? Math.min(prefixLength(ref), keyLength(ref, end - 1)) : commonPrefix(ref, first, end - 1)
}

/** Gives `right` the cells [from, to) of `left`. In a branch the first loses its key. */
function fillRight(left: PageRef, right: PageRef, from: number, to: number): void {
  const first = pageLevel(left) === 0 ? from : from + 1
  const prefix = to - first < 2 ? prefixLength(left) : commonPrefix(left, first, to - 1)
  if (first === from && prefix === prefixLength(left)) {
    takeCells(right, left, from, to)
    return
  }
  readKey(left, to - 1, keyBuffer)
  setPrefix(right, keyBuffer, prefix)
  for (let i = from; i < to; i++) appendCell(right, left, i)
}

/** Makes `page` the right neighbour of the path's page at `depth`. It inherits its seq (DESIGN 5: splits inherit). */
function addSibling(
  storage: Storage,
  path: Path,
  depth: number,
  separator: Uint8Array,
  separatorBytes: number,
  page: number,
): void {
  path.structure++
  if (depth === 0) {
    growRoot(storage, path, separator, separatorBytes, page)
    return
  }
  const index = path.index[depth - 1]!
  const seq = storage.mutants.seqLostOnSplit === true ? 0 : childSeq(path.refs[depth - 1]!, index)
  const at = placeCell(storage, path, depth - 1, index + 1, separator, separatorBytes, POINTER_BYTES)
  const parent = path.refs[depth - 1]!
  writeU32(parent.bytes, at, page)
  writeU64(parent.bytes, at + POINTER_SEQ, seq)
  parent.bytes.fill(0, at + POINTER_CHECKSUM, at + POINTER_CHECKSUM + CHECKSUM_BYTES)
}

function growRoot(storage: Storage, path: Path, separator: Uint8Array, separatorBytes: number, page: number): void {
  const level = pageLevel(path.refs[0]!) + 1
  const root = new PageRef(storage.pageBytes)
  const rootPage = storage.newPage(PageKind.branch, level, root)
  insertChild(root, 0, separator, 0, path.rootPage, path.rootSeq)
  insertChild(root, 1, separator, separatorBytes, page, path.rootSeq)
  path.rootPage = rootPage
}

/** A branch that is the root and has one child gives way to it. */
export function collapseRoot(storage: Storage, path: Path): void {
  const ref = new PageRef(storage.pageBytes)
  while (storage.table.locate(path.rootPage, ref) && pageLevel(ref) > 0 && cellCount(ref) === 1) {
    const child = childPage(ref, 0)
    if (!storage.table.isResident(child)) return
    storage.bury(path.rootPage, 1, birthOf(ref))
    path.rootPage = child
    path.structure++
  }
}

export function compareKeys(a: Uint8Array, aLength: number, b: Uint8Array, bLength: number): number {
  const end = aLength < bLength ? aLength : bLength
  for (let i = 0; i < end; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return aLength - bLength
}
