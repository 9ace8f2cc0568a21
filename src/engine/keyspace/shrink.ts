import { childPage, childSeq, setChildSeq } from './branch.ts'
import { PAGE_HEADER_BYTES, POINTER_BYTES } from './layout.ts'
import {
  appendCell,
  birthOf,
  cellBytes,
  cellCount,
  clearPage,
  commonLength,
  commonPrefix,
  copyPage,
  copyRange,
  freeBytes,
  insertCell,
  keyLength,
  packedBytes,
  pageLevel,
  PageRef,
  payloadAt,
  payloadLength,
  prefixLength,
  readKey,
  removeCell,
  usedBytes,
} from './page.ts'
import type { Path } from './path.ts'
import type { Storage } from './storage.ts'

/**
 * What a delete leaves behind. An emptied page is dropped and its neighbour takes its range over; one below a third merges
 * with a neighbour if both fit into nine tenths; a leaf below a quarter otherwise borrows. Whoever takes a range over takes
 * the later of both seqs, which also covers the delete that caused it. Only pages in memory take part: how pages are shaped
 * is no part of the state.
 */

const keyBuffer = new Uint8Array(32768 / 5 + 4)
const lastBuffer = new Uint8Array(32768 / 5 + 4)

export function rebalance(storage: Storage, path: Path, depth: number, seq: number): void {
  if (depth === 0) return
  const page = path.refs[depth]!
  const parent = path.refs[depth - 1]!
  const index = path.index[depth - 1]!
  if (cellCount(parent) < 2) return
  if (cellCount(page) === 0) {
    // The heir is not touched: its pointer here holds the seq, and this page is a leaf (a branch never empties).
    const heir = index === 0 ? 1 : index - 1
    raiseSeq(storage, parent, heir, childSeq(parent, index), seq)
    storage.bury(path.pages[depth]!, 1, birthOf(page))
    removeCell(parent, index)
    path.structure++
    rebalance(storage, path, depth - 1, seq)
    return
  }
  const capacity = page.size - PAGE_HEADER_BYTES
  if (usedBytes(page) >= capacity / 3) return
  for (const left of [index - 1, index]) {
    if (left < 0 || left + 1 >= cellCount(parent)) continue
    if (mergePages(storage, path, depth, left, capacity * 0.9, seq)) {
      path.structure++
      rebalance(storage, path, depth - 1, seq)
      return
    }
  }
  if (pageLevel(page) > 0 || usedBytes(page) >= capacity / 4) return
  for (const left of [index - 1, index]) {
    if (left < 0 || left + 1 >= cellCount(parent)) continue
    if (borrow(storage, path, depth, left, seq)) {
      path.structure++
      return
    }
  }
}

/** The pointer at `index` takes the later of its own seq, the taken-over page's and the causing entry's. */
function raiseSeq(storage: Storage, parent: PageRef, index: number, other: number, seq: number): void {
  if (storage.mutants.seqLostOnMerge === true) return
  const latest = Math.max(childSeq(parent, index), other, seq)
  setChildSeq(parent, index, latest)
}

/** Both children at `left` and `left + 1` of the path's page at `depth - 1`, writable; undefined if one is not in memory. */
function ownPair(storage: Storage, path: Path, depth: number, left: number): [PageRef, PageRef] | undefined {
  const parent = path.refs[depth - 1]!
  const { table } = storage
  if (!table.isResident(childPage(parent, left)) || !table.isResident(childPage(parent, left + 1))) return undefined
  const pair: [PageRef, PageRef] = [new PageRef(storage.pageBytes), new PageRef(storage.pageBytes)]
  path.ownChild(depth - 1, left, pair[0])
  path.ownChild(depth - 1, left + 1, pair[1])
  return pair
}

function locatePair(storage: Storage, parent: PageRef, left: number): [PageRef, PageRef] | undefined {
  const pair: [PageRef, PageRef] = [new PageRef(storage.pageBytes), new PageRef(storage.pageBytes)]
  if (!storage.table.locate(childPage(parent, left), pair[0])) return undefined
  return storage.table.locate(childPage(parent, left + 1), pair[1]) ? pair : undefined
}

/** Moves all cells of child `left + 1` into child `left` if they fit into `limit` bytes. */
function mergePages(storage: Storage, path: Path, depth: number, left: number, limit: number, seq: number): boolean {
  const parent = path.refs[depth - 1]!
  const seen = locatePair(storage, parent, left)
  if (seen === undefined) return false
  const separatorBytes = readKey(parent, left + 1, path.separators[depth]!)
  const prefix = mergedPrefix(seen[0], seen[1], path.separators[depth]!, separatorBytes)
  const isLeaf = pageLevel(seen[0]) === 0
  const leftBytes = packedBytes(seen[0], 0, cellCount(seen[0]), prefix)
  const rightBytes = packedBytes(seen[1], isLeaf ? 0 : 1, cellCount(seen[1]), prefix) - prefix
  const pulled = isLeaf ? 0 : cellBytes(separatorBytes, prefix, POINTER_BYTES)
  if (leftBytes + rightBytes + pulled > limit) return false
  const [to, from] = ownPair(storage, path, depth, left)!
  copyPage(storage.scratch, to)
  readLast(from, isLeaf, path.separators[depth]!, separatorBytes)
  clearPage(to, lastBuffer, prefix)
  for (let i = 0; i < cellCount(storage.scratch); i++) appendCell(to, storage.scratch, i)
  moveCells(to, from, 0, cellCount(from), path.separators[depth]!, separatorBytes)
  raiseSeq(storage, parent, left, childSeq(parent, left + 1), seq)
  storage.bury(childPage(parent, left + 1), 1, birthOf(from))
  removeCell(parent, left + 1)
  return true
}

/** Appends cells [start, end) of `from`; the first cell of a branch comes with the separator as its key. */
function moveCells(
  to: PageRef,
  from: PageRef,
  start: number,
  end: number,
  separator: Uint8Array,
  separatorBytes: number,
): void {
  for (let i = start; i < end; i++) {
    if (i > 0 || pageLevel(from) === 0) {
      appendCell(to, from, i)
      continue
    }
    const length = payloadLength(from, 0)
    const source = payloadAt(from, 0)
    const at = insertCell(to, cellCount(to), separator, separatorBytes, length)
    copyRange(to, at, from, source, length)
  }
}

/** The prefix of all keys of two neighbours; in a branch the separator stands for the right one's first. */
function mergedPrefix(left: PageRef, right: PageRef, separator: Uint8Array, separatorBytes: number): number {
  const isLeaf = pageLevel(left) === 0
  const lastLength = readLast(right, isLeaf, separator, separatorBytes)
  const firstAt = isLeaf ? 0 : 1
  if (cellCount(left) > firstAt)
    return commonLength(keyBuffer, readKey(left, firstAt, keyBuffer), lastBuffer, lastLength)
  if (!isLeaf) return commonLength(separator, separatorBytes, lastBuffer, lastLength)
  if (cellCount(right) === 0) return 0
  return commonLength(keyBuffer, readKey(right, 0, keyBuffer), lastBuffer, lastLength)
}

function readLast(right: PageRef, isLeaf: boolean, separator: Uint8Array, separatorBytes: number): number {
  const count = cellCount(right)
  if (count > (isLeaf ? 0 : 1)) return readKey(right, count - 1, lastBuffer)
  lastBuffer.set(separator.subarray(0, separatorBytes))
  return separatorBytes
}

/** Evens out two neighbouring leaves by bytes, if the parent has room for their new separator. */
function borrow(storage: Storage, path: Path, depth: number, left: number, seq: number): boolean {
  const parent = path.refs[depth - 1]!
  const seen = locatePair(storage, parent, left)
  if (seen === undefined) return false
  const move = cellsToMove(seen[0], seen[1])
  if (move === 0) return false
  const [boundaryPage, boundary] = move > 0 ? [seen[1], move] : [seen[0], cellCount(seen[0]) + move]
  const common = commonPrefix(boundaryPage, boundary - 1, boundary)
  const separator = path.separators[depth]!
  readKey(boundaryPage, boundary, separator)
  const length = common + 1
  const prefix = prefixLength(parent)
  readKey(parent, left + 1, keyBuffer)
  if (commonLength(keyBuffer, prefix, separator, length) < prefix) return false
  if (freeBytes(parent) < cellBytes(length, prefix, POINTER_BYTES)) return false
  const [leftPage, rightPage] = ownPair(storage, path, depth, left)!
  if (!shiftCells(leftPage, rightPage, move)) return false
  raiseSeq(storage, parent, left, childSeq(parent, left + 1), seq)
  raiseSeq(storage, parent, left + 1, childSeq(parent, left), seq)
  replaceSeparator(parent, left + 1, separator, length)
  return true
}

/** How many cells the right leaf gives to the left one; negative: the other way. Neither gives its last. */
function cellsToMove(left: PageRef, right: PageRef): number {
  const isToLeft = usedBytes(left) < usedBytes(right)
  const from = isToLeft ? right : left
  const wanted = Math.abs(usedBytes(right) - usedBytes(left)) / 2
  const count = cellCount(from)
  let bytes = 0
  let moved = 0
  while (moved < count - 1) {
    const at = isToLeft ? moved : count - 1 - moved
    bytes += cellBytes(keyLength(from, at), prefixLength(from), payloadLength(from, at))
    if (bytes > wanted) break
    moved++
  }
  return isToLeft ? moved : -moved
}

/** Rebuilds both leaves with `move` cells on the other side; false, nothing changed, if longer suffixes do not fit. */
function shiftCells(left: PageRef, right: PageRef, move: number): boolean {
  const oldLeft = PageRef.scratch(left.size)
  const oldRight = PageRef.scratch(right.size)
  copyPage(oldLeft, left)
  copyPage(oldRight, right)
  const leftCount = cellCount(oldLeft)
  const rightCount = cellCount(oldRight)
  const leftKeeps = leftCount + Math.min(move, 0)
  const rightFrom = Math.max(move, 0)
  const leftPrefix = pairPrefix(oldLeft, 0, leftKeeps, oldRight, 0, rightFrom)
  const rightPrefix = pairPrefix(oldLeft, leftKeeps, leftCount, oldRight, rightFrom, rightCount)
  const capacity = left.size - PAGE_HEADER_BYTES
  const leftNeeds =
    packedBytes(oldLeft, 0, leftKeeps, leftPrefix) + packedBytes(oldRight, 0, rightFrom, leftPrefix) - leftPrefix
  const rightNeeds =
    packedBytes(oldLeft, leftKeeps, leftCount, rightPrefix) +
    packedBytes(oldRight, rightFrom, rightCount, rightPrefix) -
    rightPrefix
  if (leftNeeds > capacity || rightNeeds > capacity) return false
  readKey(leftKeeps > 0 ? oldLeft : oldRight, 0, keyBuffer)
  clearPage(left, keyBuffer, leftPrefix)
  for (let i = 0; i < leftKeeps; i++) appendCell(left, oldLeft, i)
  for (let i = 0; i < rightFrom; i++) appendCell(left, oldRight, i)
  if (rightCount > rightFrom) readKey(oldRight, rightCount - 1, keyBuffer)
  else readKey(oldLeft, leftCount - 1, keyBuffer)
  clearPage(right, keyBuffer, rightPrefix)
  for (let i = leftKeeps; i < leftCount; i++) appendCell(right, oldLeft, i)
  for (let i = rightFrom; i < rightCount; i++) appendCell(right, oldRight, i)
  return true
}

/** The prefix of cells [aFrom, aTo) of `a` followed by [bFrom, bTo) of `b`. */
function pairPrefix(a: PageRef, aFrom: number, aTo: number, b: PageRef, bFrom: number, bTo: number): number {
  const first = aTo > aFrom ? readKey(a, aFrom, keyBuffer) : readKey(b, bFrom, keyBuffer)
  const last = bTo > bFrom ? readKey(b, bTo - 1, lastBuffer) : readKey(a, aTo - 1, lastBuffer)
  return commonLength(keyBuffer, first, lastBuffer, last)
}

/** Gives the pointer at `index` another key; the room was looked at before. */
function replaceSeparator(parent: PageRef, index: number, key: Uint8Array, length: number): void {
  const from = payloadAt(parent, index)
  const pointer = parent.bytes.slice(from, from + POINTER_BYTES)
  removeCell(parent, index)
  const at = insertCell(parent, index, key, length, POINTER_BYTES)
  parent.bytes.set(pointer, at)
}
