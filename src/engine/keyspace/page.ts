import {
  AT_BIRTH,
  AT_COUNT,
  AT_FORMAT,
  AT_FRAGMENTED,
  AT_HEAP,
  AT_KIND,
  AT_LEVEL,
  AT_PAGE,
  AT_PREFIX,
  CELL_HEADER_BYTES,
  HEAD_BYTES,
  PAGE_FORMAT,
  PAGE_HEADER_BYTES,
  SLOT_BYTES,
} from './layout.ts'
import { copyWords, readU16, WORD_COPY_BYTES_MAX, writeU16 } from '../../encoding/index.ts'

/**
 * Slotted, prefix-compressed pages. A slot carries the four key bytes after the page's prefix as a number, so that a binary
 * search compares words and touches a cell only where these tie. Slots grow up behind the header, cells grow down from the
 * prefix, which ends the page. Leaves and branches share this form; what a payload means is for their readers.
 */

/** Where a page lies in memory. Reused by its owner: one object a reader, none a page. */
export class PageRef {
  bytes: Uint8Array
  words: Uint32Array
  /** Of `bytes`. */
  view: DataView
  base: number
  readonly size: number

  constructor(
    size: number,
    bytes: Uint8Array = EMPTY_BYTES,
    words: Uint32Array = EMPTY_WORDS,
    view: DataView = bytes === EMPTY_BYTES
      ? EMPTY_VIEW
      : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  ) {
    this.size = size
    this.bytes = bytes
    this.words = words
    this.view = view
    this.base = 0
  }

  /** A page of its own, outside the slabs. */
  static scratch(size: number): PageRef {
    const buffer = new ArrayBuffer(size)
    return new PageRef(size, new Uint8Array(buffer), new Uint32Array(buffer))
  }
}

const EMPTY_BYTES = new Uint8Array(0)
const EMPTY_WORDS = new Uint32Array(0)
const EMPTY_VIEW = new DataView(EMPTY_BYTES.buffer)
const SLOT_WORDS = SLOT_BYTES / 4
const SHORT_MOVE_WORDS = 48
const FIRST_SLOT_WORD = PAGE_HEADER_BYTES / 4

export function initPage(ref: PageRef, kind: number, level: number, page: number, epoch: number): void {
  const { bytes, base } = ref
  bytes.fill(0, base, base + PAGE_HEADER_BYTES)
  bytes[base + AT_KIND] = kind
  bytes[base + AT_FORMAT] = PAGE_FORMAT
  bytes[base + AT_LEVEL] = level
  writeU16(bytes, base + AT_HEAP, ref.size)
  stampPage(ref, page, epoch)
}

/** Gives a copied page its own number and birth epoch. */
export function stampPage(ref: PageRef, page: number, epoch: number): void {
  const { words, base } = ref
  words[(base + AT_PAGE) >>> 2] = page
  const birth = (base + AT_BIRTH) >>> 2
  words[birth] = epoch
  words[birth + 1] = epoch / 4294967296
}

export function birthOf(ref: PageRef): number {
  const word = (ref.base + AT_BIRTH) >>> 2
  return ref.words[word]! + ref.words[word + 1]! * 4294967296
}

export function pageKind(ref: PageRef): number {
  return ref.bytes[ref.base + AT_KIND]!
}

export function pageLevel(ref: PageRef): number {
  return ref.bytes[ref.base + AT_LEVEL]!
}

export function cellCount(ref: PageRef): number {
  return ref.words[(ref.base + AT_COUNT) >>> 2]! >>> 16
}

export function prefixLength(ref: PageRef): number {
  return ref.words[(ref.base + AT_PREFIX) >>> 2]! & 0xffff
}

/** Fixes the prefix of an empty page. */
export function setPrefix(ref: PageRef, key: Uint8Array, length: number): void {
  const { bytes, base, size } = ref
  const at = base + size - length
  for (let i = 0; i < length; i++) bytes[at + i] = key[i]!
  writeU16(bytes, base + AT_PREFIX, length)
  writeU16(bytes, base + AT_HEAP, size - length)
}

/** Bytes that a page can still take, fragmented ones included. */
export function freeBytes(ref: PageRef): number {
  const { bytes, base } = ref
  const slotsEnd = PAGE_HEADER_BYTES + cellCount(ref) * SLOT_BYTES
  return readU16(bytes, base + AT_HEAP) - slotsEnd + readU16(bytes, base + AT_FRAGMENTED)
}

/** Bytes in use behind the header: slots, cells and prefix. */
export function usedBytes(ref: PageRef): number {
  return ref.size - PAGE_HEADER_BYTES - freeBytes(ref)
}

/** Offset of cell `index` in `ref.bytes`. */
export function cellAt(ref: PageRef, index: number): number {
  return ref.base + (ref.words[(ref.base >>> 2) + FIRST_SLOT_WORD + index * SLOT_WORDS + 1]! & 0xffff)
}

export function suffixLength(ref: PageRef, index: number): number {
  return ref.words[(ref.base >>> 2) + FIRST_SLOT_WORD + index * SLOT_WORDS + 1]! >>> 16
}

export function payloadAt(ref: PageRef, index: number): number {
  return cellAt(ref, index) + CELL_HEADER_BYTES
}

export function payloadLength(ref: PageRef, index: number): number {
  return readU16(ref.bytes, cellAt(ref, index))
}

export function keyLength(ref: PageRef, index: number): number {
  return prefixLength(ref) + suffixLength(ref, index)
}

/** Slot and cell bytes of a cell, as a page with a prefix of `prefix` bytes would need them. */
export function cellBytes(keyBytes: number, prefix: number, payload: number): number {
  const suffix = keyBytes - prefix
  return SLOT_BYTES + CELL_HEADER_BYTES + payload + (suffix > HEAD_BYTES ? suffix - HEAD_BYTES : 0)
}

/** The four key bytes from `at` as a big-endian number, padded with zeros. */
export function keyHead(key: Uint8Array, at: number, length: number): number {
  const left = length - at
  if (left >= HEAD_BYTES) {
    return ((key[at]! << 24) | (key[at + 1]! << 16) | (key[at + 2]! << 8) | key[at + 3]!) >>> 0
  }
  let head = 0
  for (let i = 0; i < HEAD_BYTES; i++) head = (head << 8) | (i < left ? key[at + i]! : 0)
  return head >>> 0
}

/**
 * hot path (bench/apply): reads where the search of a page will: header, slots and prefix lie in lines of their own, mostly in several pages of
 * the system, and a processor that is asked for all of them at once waits for them once.
 */
export function touchPage(ref: PageRef): number {
  const { words, base, size } = ref
  const first = base >>> 2
  return words[first]! ^ words[first + 31]! ^ words[first + 63]! ^ words[((base + size) >>> 2) - 1]!
}

const LINE_WORDS = 16

/**
 * hot path (bench/keyspace): reads every line of a page that a walk will go through. Its cells lie in the order in which they were written, so that
 * a walk would wait for most of them one by one.
 */
export function touchLines(ref: PageRef): number {
  const { words, base, size } = ref
  const end = (base + size) >>> 2
  let read = 0
  for (let word = base >>> 2; word < end; word += LINE_WORDS) read ^= words[word]!
  return read
}

/**
 * hot path (bench/keyspace): the index of `key` among the cells from `lo` on, or ~(index where it would be inserted).
 * Equal heads are decided by the rest of the key in the cell, or by length if one of the two ends within its head.
 */
export function searchPage(ref: PageRef, key: Uint8Array, length: number, lo: number): number {
  const { bytes, words, base } = ref
  const prefix = prefixLength(ref)
  let hi = cellCount(ref)
  if (prefix > 0 && !hasPrefix(ref, prefix, key, length)) return isBelowPrefix(ref, prefix, key, length) ? ~lo : ~hi
  const head = keyHead(key, prefix, length)
  const suffix = length - prefix
  const slots = (base >>> 2) + FIRST_SLOT_WORD
  while (lo < hi) {
    const middle = (lo + hi) >>> 1
    const other = words[slots + middle * SLOT_WORDS]!
    if (other < head) lo = middle + 1
    else if (other > head) hi = middle
    else {
      const order = compareRest(bytes, base, words[slots + middle * SLOT_WORDS + 1]!, key, prefix, suffix)
      if (order < 0) lo = middle + 1
      else if (order > 0) hi = middle
      else return middle
    }
  }
  return ~lo
}

/** hot path (bench/apply --sets): whether `key` comes before that of cell `index`. */
export function isBeforeCell(ref: PageRef, index: number, key: Uint8Array, length: number): boolean {
  const prefix = prefixLength(ref)
  if (prefix > 0 && !hasPrefix(ref, prefix, key, length)) return isBelowPrefix(ref, prefix, key, length)
  const slot = (ref.base >>> 2) + FIRST_SLOT_WORD + index * SLOT_WORDS
  const head = keyHead(key, prefix, length)
  const other = ref.words[slot]!
  if (other !== head) return head < other
  return compareRest(ref.bytes, ref.base, ref.words[slot + 1]!, key, prefix, length - prefix) > 0
}

/**
 * Whether the key begins with the page's prefix, which ends the page and so lies in whole words of it, counted from the end. A loop over
 * its bytes takes a sixth of a read.
 */
function hasPrefix(ref: PageRef, prefix: number, key: Uint8Array, length: number): boolean {
  if (length < prefix) return false
  const { bytes, words } = ref
  const end = ref.base + ref.size
  const at = end - prefix
  if (prefix < 4) {
    for (let i = 0; i < prefix; i++) if (bytes[at + i] !== key[i]) return false
    return true
  }
  let word = end >>> 2
  let i = prefix
  for (; i >= 4; i -= 4) {
    word--
    if ((words[word]! ^ (key[i - 4]! | (key[i - 3]! << 8) | (key[i - 2]! << 16) | (key[i - 1]! << 24))) !== 0)
      return false
  }
  // None to three bytes are left: all three are compared, because not to ask how many there are is quicker.
  return ((bytes[at]! ^ key[0]!) | (bytes[at + 1]! ^ key[1]!) | (bytes[at + 2]! ^ key[2]!)) === 0
}

/** For a key that does not begin with the prefix: whether it lies below all that do. */
function isBelowPrefix(ref: PageRef, prefix: number, key: Uint8Array, length: number): boolean {
  const at = ref.base + ref.size - prefix
  const common = prefix < length ? prefix : length
  for (let i = 0; i < common; i++) {
    const difference = key[i]! - ref.bytes[at + i]!
    if (difference !== 0) return difference < 0
  }
  return length < prefix
}

/** Cell against key, their heads being equal. */
function compareRest(
  bytes: Uint8Array,
  base: number,
  slot: number,
  key: Uint8Array,
  prefix: number,
  suffix: number,
): number {
  const cellSuffix = slot >>> 16
  const shorter = cellSuffix < suffix ? cellSuffix : suffix
  if (shorter > HEAD_BYTES) {
    const cell = base + (slot & 0xffff)
    const at = cell + CELL_HEADER_BYTES + readU16(bytes, cell) - HEAD_BYTES
    for (let i = HEAD_BYTES; i < shorter; i++) {
      const difference = bytes[at + i]! - key[prefix + i]!
      if (difference !== 0) return difference
    }
  }
  return cellSuffix - suffix
}

/** Copies the key of cell `index` to the start of `target` (which must be large enough) and returns its length. */
export function readKey(ref: PageRef, index: number, target: Uint8Array): number {
  const { bytes, base } = ref
  const prefix = prefixLength(ref)
  const prefixFrom = base + ref.size - prefix
  for (let i = 0; i < prefix; i++) target[i] = bytes[prefixFrom + i]!
  return readSuffix(ref, index, target, prefix)
}

/** The key of cell `index`, as bytes of its own. */
export function copyKey(ref: PageRef, index: number): Uint8Array {
  const key = new Uint8Array(keyLength(ref, index) + HEAD_BYTES)
  return key.slice(0, readKey(ref, index, key))
}

/** As `readKey` where the first `prefix` bytes already stand in `target`. */
export function readSuffix(ref: PageRef, index: number, target: Uint8Array, prefix: number): number {
  const { bytes, words, base } = ref
  const slotWord = (base >>> 2) + FIRST_SLOT_WORD + index * SLOT_WORDS
  const head = words[slotWord]!
  const slot = words[slotWord + 1]!
  const suffix = slot >>> 16
  target[prefix] = head >>> 24
  target[prefix + 1] = head >>> 16
  target[prefix + 2] = head >>> 8
  target[prefix + 3] = head
  if (suffix > HEAD_BYTES) {
    const cell = base + (slot & 0xffff)
    const from = cell + CELL_HEADER_BYTES + readU16(bytes, cell) - HEAD_BYTES
    for (let i = HEAD_BYTES; i < suffix; i++) target[prefix + i] = bytes[from + i]!
  }
  return prefix + suffix
}

/**
 * Makes room for a cell at `index` and writes its key; the caller fills the payload at the offset returned.
 * The key must start with the page's prefix. Returns -1, with nothing changed, if there is no room.
 */
export function insertCell(ref: PageRef, index: number, key: Uint8Array, length: number, payload: number): number {
  const { bytes, words, base } = ref
  const prefix = prefixLength(ref)
  const needed = cellBytes(length, prefix, payload)
  if (freeBytes(ref) < needed) return -1
  const count = cellCount(ref)
  if (readU16(bytes, base + AT_HEAP) - PAGE_HEADER_BYTES - count * SLOT_BYTES < needed) compactPage(ref)
  const heap = readU16(bytes, base + AT_HEAP) - (needed - SLOT_BYTES)
  writeU16(bytes, base + AT_HEAP, heap)
  writeU16(bytes, base + AT_COUNT, count + 1)
  const slots = (base >>> 2) + FIRST_SLOT_WORD
  const slot = slots + index * SLOT_WORDS
  if (index < count) makeSlot(words, slot, slots + count * SLOT_WORDS)
  words[slot] = keyHead(key, prefix, length)
  words[slot + 1] = heap | ((length - prefix) << 16)
  const cell = base + heap
  writeU16(bytes, cell, payload)
  const at = cell + CELL_HEADER_BYTES
  const rest = at + payload - HEAD_BYTES - prefix
  for (let i = prefix + HEAD_BYTES; i < length; i++) bytes[rest + i] = key[i]!
  return at
}

/** Moves the slots [slot, end) up by one; a loop is quicker for few of them. */
function makeSlot(words: Uint32Array, slot: number, end: number): void {
  if (end - slot > SHORT_MOVE_WORDS) words.copyWithin(slot + SLOT_WORDS, slot, end)
  else for (let i = end - 1; i >= slot; i--) words[i + SLOT_WORDS] = words[i]!
}

export function removeCell(ref: PageRef, index: number): void {
  const { bytes, words, base } = ref
  const count = cellCount(ref)
  const prefix = prefixLength(ref)
  const gone = cellBytes(prefix + suffixLength(ref, index), prefix, payloadLength(ref, index)) - SLOT_BYTES
  const slots = (base >>> 2) + FIRST_SLOT_WORD
  const slot = slots + index * SLOT_WORDS
  words.copyWithin(slot, slot + SLOT_WORDS, slots + count * SLOT_WORDS)
  writeU16(bytes, base + AT_COUNT, count - 1)
  writeU16(bytes, base + AT_FRAGMENTED, readU16(bytes, base + AT_FRAGMENTED) + gone)
}

/**
 * Appends cell `index` of `from`, whose key must lie behind all in `to` and start with its prefix. Room must be there.
 * A branch's first cell loses its key, at which nobody looks.
 */
export function appendCell(to: PageRef, from: PageRef, index: number): void {
  const payload = payloadLength(from, index)
  const source = payloadAt(from, index)
  if (cellCount(to) === 0 && pageLevel(to) > 0) {
    const at = insertCell(to, 0, keyScratch, prefixLength(to), payload)
    copyRange(to, at, from, source, payload)
    return
  }
  if (prefixLength(from) === prefixLength(to)) {
    appendAlike(to, from, index, payload)
    return
  }
  const length = readKey(from, index, keyScratch)
  const at = insertCell(to, cellCount(to), keyScratch, length, payload)
  copyRange(to, at, from, source, payload)
}

/** Appends a cell whose slot and bytes stay what they are, because both pages have the same prefix. */
function appendAlike(to: PageRef, from: PageRef, index: number, payload: number): void {
  const source = cellAt(from, index)
  const suffix = suffixLength(from, index)
  const length = CELL_HEADER_BYTES + payload + (suffix > HEAD_BYTES ? suffix - HEAD_BYTES : 0)
  const { bytes, words, base } = to
  const heap = readU16(bytes, base + AT_HEAP) - length
  const count = cellCount(to)
  const slot = (base >>> 2) + FIRST_SLOT_WORD + count * SLOT_WORDS
  words[slot] = from.words[(from.base >>> 2) + FIRST_SLOT_WORD + index * SLOT_WORDS]!
  words[slot + 1] = heap | (suffix << 16)
  copyRange(to, base + heap, from, source, length)
  writeU16(bytes, base + AT_HEAP, heap)
  writeU16(bytes, base + AT_COUNT, count + 1)
}

/**
 * As `insertCell` behind all others, of a key that stands at `keyAt` in `keys`: for pages that are built in order and in which
 * nothing was removed. Room must be there. A branch's first cell is given a key of just the prefix.
 */
export function appendFreshCell(
  ref: PageRef,
  keys: Uint8Array,
  keyAt: number,
  length: number,
  payload: number,
): number {
  const { bytes, words, base } = ref
  const prefix = prefixLength(ref)
  const suffix = length - prefix
  const rest = suffix > HEAD_BYTES ? suffix - HEAD_BYTES : 0
  const count = cellCount(ref)
  const heap = readU16(bytes, base + AT_HEAP) - CELL_HEADER_BYTES - payload - rest
  const slot = (base >>> 2) + FIRST_SLOT_WORD + count * SLOT_WORDS
  words[slot] = keyHead(keys, keyAt + prefix, keyAt + length)
  words[slot + 1] = heap | (suffix << 16)
  writeU16(bytes, base + AT_HEAP, heap)
  writeU16(bytes, base + AT_COUNT, count + 1)
  writeU16(bytes, base + heap, payload)
  const at = base + heap + CELL_HEADER_BYTES
  const from = keyAt + prefix + HEAD_BYTES
  for (let i = 0; i < rest; i++) bytes[at + payload + i] = keys[from + i]!
  return at
}

/** Keys are at most a fifth of the largest page; the head may write three bytes past the end of a short key. */
const keyScratch = new Uint8Array(32768 / 5 + HEAD_BYTES)
const otherKeyScratch = new Uint8Array(32768 / 5 + HEAD_BYTES)

/** Moves the bytes of a page into `scratch`, header and all. */
export function copyPage(to: PageRef, from: PageRef): void {
  to.bytes.set(from.bytes.subarray(from.base, from.base + from.size), to.base)
}

/**
 * hot path (bench/keyspace): copies what a page uses; the bytes between its slots and its cells are not copied, and mean nothing
 * until `clearGap`.
 */
export function copyUsed(to: PageRef, from: PageRef): void {
  const { bytes, base, size } = from
  const low = PAGE_HEADER_BYTES + cellCount(from) * SLOT_BYTES
  const heap = readU16(bytes, base + AT_HEAP)
  copyRange(to, to.base, from, base, low)
  copyRange(to, to.base + heap, from, base + heap, size - heap)
}

/** Copies `length` bytes at `source` of another page, or of another part of its slab. */
export function copyRange(to: PageRef, at: number, from: PageRef, source: number, length: number): void {
  if (length <= WORD_COPY_BYTES_MAX) copyWords(to.view, at, from.view, source, length)
  else if (to.bytes === from.bytes) to.bytes.copyWithin(at, source, source + length)
  else to.bytes.set(from.bytes.subarray(source, source + length), at)
}

/** Zeroes what a page does not use between slots and cells: what is written says nothing of what was there before. */
export function clearGap(ref: PageRef): void {
  const { bytes, base } = ref
  const low = PAGE_HEADER_BYTES + cellCount(ref) * SLOT_BYTES
  bytes.fill(0, base + low, base + readU16(bytes, base + AT_HEAP))
}

/** Empties a page, keeping its number, birth and level; the prefix becomes the first `prefix` bytes of `key`. */
export function clearPage(ref: PageRef, key: Uint8Array, prefix: number): void {
  writeU16(ref.bytes, ref.base + AT_COUNT, 0)
  writeU16(ref.bytes, ref.base + AT_FRAGMENTED, 0)
  setPrefix(ref, key, prefix)
}

/** Rebuilds a page from its cells [start, end) with a prefix of `prefix` bytes, which these keys must share. */
export function rebuildPage(ref: PageRef, scratch: PageRef, start: number, end: number, prefix: number): void {
  if (start === 0 && prefix === prefixLength(ref)) {
    writeU16(ref.bytes, ref.base + AT_COUNT, end)
    compactPage(ref)
    return
  }
  copyPage(scratch, ref)
  const sample = end > start ? readKey(scratch, end - 1, otherKeyScratch) : 0
  clearPage(ref, otherKeyScratch, Math.min(prefix, sample))
  for (let i = start; i < end; i++) appendCell(ref, scratch, i)
}

/** An empty leaf takes the cells [start, end) of another one, and its prefix. */
export function takeCells(to: PageRef, from: PageRef, start: number, end: number): void {
  const heap = readU16(from.bytes, from.base + AT_HEAP)
  copyRange(to, to.base + heap, from, from.base + heap, from.size - heap)
  const source = (from.base >>> 2) + FIRST_SLOT_WORD
  const target = (to.base >>> 2) + FIRST_SLOT_WORD - start * SLOT_WORDS
  for (let i = start * SLOT_WORDS; i < end * SLOT_WORDS; i++) to.words[target + i] = from.words[source + i]!
  writeU16(to.bytes, to.base + AT_PREFIX, prefixLength(from))
  writeU16(to.bytes, to.base + AT_COUNT, end - start)
  compactPage(to)
}

/** Cells in the order in which they lie: place in the page << 16 | index. As many as the largest page can have. */
const placeScratch = new Uint32Array(32768 / (SLOT_BYTES + CELL_HEADER_BYTES))
/** So many are put in order by inserting them. */
const INSERTED_MAX = 64

/**
 * gathers the free bytes. Cells move up within the page, neighbours together: where one cell was taken out, all
 * that lie below it are one move. The prefix stays, in an empty page too: whoever inserts has counted on it.
 */
export function compactPage(ref: PageRef): void {
  const { bytes, words, base } = ref
  const count = cellCount(ref)
  const slots = (base >>> 2) + FIRST_SLOT_WORD
  const places = placesInOrder(ref, count)
  let heap = ref.size - prefixLength(ref)
  // Cells that lie together, and how far they move.
  let from = heap
  let end = heap
  let up = 0
  for (let i = count - 1; i >= 0; i--) {
    const index = places[i]! & 0xffff
    const at = places[i]! >>> 16
    const slot = slots + index * SLOT_WORDS + 1
    const suffix = words[slot]! >>> 16
    const length = CELL_HEADER_BYTES + readU16(bytes, base + at) + (suffix > HEAD_BYTES ? suffix - HEAD_BYTES : 0)
    if (at + length !== from) {
      if (up > 0) bytes.copyWithin(base + from + up, base + from, base + end)
      end = at + length
      up = heap - end
    }
    from = at
    heap -= length
    words[slot]! += up
  }
  if (up > 0) bytes.copyWithin(base + from + up, base + from, base + end)
  writeU16(bytes, base + AT_HEAP, heap)
  writeU16(bytes, base + AT_FRAGMENTED, 0)
}

/** The cells of a page by their places, ascending, as in `placeScratch`. */
function placesInOrder(ref: PageRef, count: number): Uint32Array {
  const { words, base } = ref
  const slots = (base >>> 2) + FIRST_SLOT_WORD
  const places = placeScratch
  for (let i = 0; i < count; i++) {
    const place = (((words[slots + i * SLOT_WORDS + 1]! & 0xffff) << 16) | i) >>> 0
    let at = i
    if (count <= INSERTED_MAX) for (; at > 0 && places[at - 1]! > place; at--) places[at] = places[at - 1]!
    places[at] = place
  }
  if (count > INSERTED_MAX) places.subarray(0, count).sort()
  return places
}

/** Bytes behind the header if the cells [start, end) were built with a prefix of `prefix` bytes. */
export function packedBytes(ref: PageRef, start: number, end: number, prefix: number): number {
  const isBranch = pageLevel(ref) > 0
  let bytes = prefix
  for (let i = start; i < end; i++) {
    bytes += cellBytes(isBranch && i === 0 ? prefix : keyLength(ref, i), prefix, payloadLength(ref, i))
  }
  return bytes
}

/** The number of bytes that the keys of cells `first` and `last` share, hence all between them. */
export function commonPrefix(ref: PageRef, first: number, last: number): number {
  const a = readKey(ref, first, keyScratch)
  const b = readKey(ref, last, otherKeyScratch)
  return commonLength(keyScratch, a, otherKeyScratch, b)
}

export function commonLength(a: Uint8Array, aLength: number, b: Uint8Array, bLength: number): number {
  const end = aLength < bLength ? aLength : bLength
  let i = 0
  while (i < end && a[i] === b[i]) i++
  return i
}
