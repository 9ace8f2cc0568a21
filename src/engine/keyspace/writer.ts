import type { Digest64 } from '../../encoding/index.ts'
import {
  copyWords,
  dataViewOf,
  digestBytes,
  digestRecord,
  digestView,
  WORD_COPY_BYTES_MAX,
  WORD_COPY_BYTES_MIN,
  zeroDigest,
} from '../../encoding/index.ts'
import { broken, invariant } from './assert.ts'
import { childChecksum, childPage } from './branch.ts'
import type { Cold } from './cold.ts'
import { Cursor } from './cursor.ts'
import { readExtentPointer, writeExtentPointer } from './extents.ts'
import { EXTENT_POINTER_BYTES, maxCellBytes, maxKeyBytes, PAGE_HEADER_BYTES } from './layout.ts'
import { Path } from './path.ts'
import { cellBytes, cellCount, payloadAt, payloadLength, removeCell, usedBytes } from './page.ts'
import { collapseRoot, placeCell } from './grow.ts'
import type { Range } from './cursor.ts'
import { copyRun } from './image-bytes.ts'
import type { Reader } from './reader.ts'
import { metadataAt, recordAt } from './point-reads.ts'
import type { RecordMetadata, RecordView } from './record.ts'
import { recordHeaderBytes, RecordRef, writeRecordHeader } from './record.ts'
import { rebalance } from './shrink.ts'
import type { SpaceDigest, SpaceDigests, SpaceUsage } from './spaces.ts'
import type { Storage } from './storage.ts'

/** In place of what searching a leaf gives: `storage.cold` names what is missing. */
const COLD = -0x7fffffff

/** Leaves that a walk of the entry in the making asks for with one that it misses. They stay until the entry is done. */
const READ_AHEAD_PAGES = 31

/** What a put found; one object, overwritten by the next put. */
export interface PutResult {
  existed: boolean
  /** The replaced record's; 0 if there was none. */
  oldVersionSeq: number
  oldCreatedSeq: number
}

/**
 * The one writer of the tree. Its reads see its own changes; nobody else does until the epoch is published.
 *
 * One entry: `beginEntry(seq)`, reads, then `prepare` of exactly the keys that will be put or deleted; once that returned
 * undefined, the puts and deletes of these keys cannot fail. They copy each page of the path once per epoch and raise the seq
 * in every pointer above the change.
 *
 * Several calls for one key cost one way down the tree: `get`, `metadata` or `has`, then `prepare`, then `put`, `patch` or
 * `delete` of an equal key share what the first of them found (`ways.ts`), and so do later entries for a key that stays in use.
 */
export class EpochWriter implements Reader {
  readonly #storage: Storage
  readonly #spaces: SpaceDigests
  readonly #path: Path
  readonly #old: RecordRef = new RecordRef()
  readonly #valueDigest: Digest64 = zeroDigest()
  readonly #recordDigest: Digest64 = zeroDigest()
  readonly #result: PutResult = { existed: false, oldVersionSeq: 0, oldCreatedSeq: 0 }
  readonly #inlineMax: number
  readonly #cellMax: number
  readonly #keyMax: number
  #entrySeq = 0
  /** Counts mutations: cursors of the writer seek anew after one. */
  changes = 0

  constructor(storage: Storage, spaces: SpaceDigests, inlineThresholdBytes: number) {
    this.#storage = storage
    this.#spaces = spaces
    this.#path = new Path(storage)
    this.#inlineMax = inlineThresholdBytes
    this.#cellMax = maxCellBytes(storage.pageBytes)
    this.#keyMax = maxKeyBytes(storage.pageBytes)
  }

  get rootPage(): number {
    return this.#path.rootPage
  }

  /** Seq of the last change anywhere. */
  get rootSeq(): number {
    return this.#path.rootSeq
  }

  /** Starts over from another root; for opening and installing. */
  reset(rootPage: number, rootSeq: number): void {
    this.#path.rootPage = rootPage
    this.#path.rootSeq = rootSeq
    this.#path.structure++
    this.#path.disown()
    this.changes++
  }

  /** What was written until now may be seen by others, or on its way to the file. */
  beginEpoch(): void {
    this.#path.disown()
  }

  /** The changes from now on are those of the entry `seq`; pages loaded for another entry are no longer pinned. */
  beginEntry(seq: number): void {
    if (seq !== this.#entrySeq) this.unpin()
    this.#entrySeq = seq
  }

  get(key: Uint8Array): RecordView | undefined | Cold {
    const found = this.#find(key)
    if (found === COLD) return this.#storage.cold
    return found < 0 ? undefined : recordAt(this.#storage, this.#path.leaf, found)
  }

  metadata(key: Uint8Array): RecordMetadata | undefined | Cold {
    const found = this.#find(key)
    if (found === COLD) return this.#storage.cold
    return found < 0 ? undefined : metadataAt(this.#path.leaf, found)
  }

  has(key: Uint8Array): boolean | Cold {
    const found = this.#find(key)
    return found === COLD ? this.#storage.cold : found >= 0
  }

  /** With the changes of the epoch in the making. */
  usage(space: Uint8Array): SpaceUsage {
    return this.#spaces.usageNow(space)
  }

  cursor(range: Range = {}): Cursor {
    return new Cursor(this.#storage, this, range, READ_AHEAD_PAGES)
  }

  /**
   * Makes sure that putting and deleting these keys meets no cold page: returns what is missing, or undefined when all of it
   * is in memory and stays there until the next entry. Neighbours of nearly empty leaves are wanted too, so that a delete
   * can merge; where one is absent all the same, the merge is left out.
   */
  prepare(keys: readonly Uint8Array[]): Cold | undefined {
    const { cold, table } = this.#storage
    const path = this.#path
    cold.reset()
    for (const key of keys) {
      const missing = path.descend(key, cold)
      this.#pinPath(missing)
      if (missing || path.depth === 0) continue
      if (usedBytes(path.leaf) > (this.#storage.pageBytes - PAGE_HEADER_BYTES) / 2) continue
      const parent = path.refs[path.depth - 1]!
      const at = path.index[path.depth - 1]!
      for (const sibling of [at - 1, at + 1]) {
        if (sibling < 0 || sibling >= cellCount(parent)) continue
        const page = childPage(parent, sibling)
        if (table.isResident(page)) table.pin(page)
        else cold.add(page, childChecksum(parent, sibling), 0)
      }
    }
    return cold.pages.length > 0 ? cold : undefined
  }

  /** Keeps a page or extent that was loaded for the entry in the making. */
  pinLoaded(page: number, isExtent: boolean): void {
    if (isExtent) this.#storage.extents.pinned.add(page)
    else if (this.#storage.table.isResident(page)) this.#storage.table.pin(page)
  }

  unpin(): void {
    this.#storage.table.unpinAll()
    const { pinned } = this.#storage.extents
    if (pinned.size > 0) pinned.clear()
  }

  /** hot path (bench/keyspace). Creates or replaces a record; the key must have been prepared. */
  put(key: Uint8Array, value: Uint8Array, versionSeq: number, createdSeq: number, expiresAtMicros: number): PutResult {
    return this.putPart(key, value, 0, value.length, versionSeq, createdSeq, expiresAtMicros)
  }

  /** hot path (bench/apply): as `put` of the value `source[start, end)`. */
  putPart(
    key: Uint8Array,
    source: Uint8Array,
    start: number,
    end: number,
    versionSeq: number,
    createdSeq: number,
    expiresAtMicros: number,
  ): PutResult {
    const length = end - start
    if (key.length > this.#keyMax) broken(`a key of ${key.length} bytes does not fit its page`)
    if (versionSeq > this.#entrySeq) broken(`version ${versionSeq} is later than its entry ${this.#entrySeq}`)
    const path = this.#path
    const found = this.#findPrepared(key)
    const index = found >= 0 ? found : ~found
    const result = this.#result
    const space = this.#spaces.of(key)
    path.own(this.#entrySeq)
    this.changes++
    let grown = length
    if (found >= 0) grown -= this.#takeOut(key, index, space, result)
    else {
      result.existed = false
      result.oldVersionSeq = 0
      result.oldCreatedSeq = 0
    }
    const isSlotted = this.#spaces.slotted?.isSlotted(key) === true
    const digest = this.#valueDigest
    const header = recordHeaderBytes(versionSeq, createdSeq, expiresAtMicros)
    const isAbove = !isSlotted && length > this.#inlineMax
    const isLarge = isAbove || cellBytes(key.length, 0, header + length) > this.#cellMax
    const payload = header + (isLarge ? EXTENT_POINTER_BYTES : length)
    const at = this.#room(key, index, result.existed, payload)
    const bytes = path.leaf.bytes
    const next = writeRecordHeader(bytes, at, versionSeq, createdSeq, expiresAtMicros, isLarge)
    if (isLarge) {
      digestBytes(digest, source, start, end)
      writeExtentPointer(bytes, next, this.#storage.newExtent(source.subarray(start, end), digest))
    } else {
      if (length === source.length || length < WORD_COPY_BYTES_MIN || length > WORD_COPY_BYTES_MAX) {
        copyRun(bytes, next, source, start, length)
      } else copyWords(path.leaf.view, next, dataViewOf(source), start, length)
      // In its place: there is a view of that.
      if (!isSlotted) digestView(digest, path.leaf.view, next, next + length)
    }
    const sum = this.#recordDigest
    if (isSlotted) {
      invariant(!isLarge, 'a slotted record does not stay inline')
      this.#spaces.slotted.digest(sum, key, source, start, end)
    } else digestRecord(sum, key, 0, key.length, versionSeq, createdSeq, expiresAtMicros, length, digest)
    this.#spaces.add(space, sum)
    if (!result.existed) this.#spaces.count(space, 1, key.length - space.prefix.length + length)
    else if (grown !== 0) this.#spaces.count(space, 0, grown)
    return result
  }

  /**
   * hot path (bench/apply). Changes bytes in place within the value of an inline record, which must exist and whose key must have
   * been prepared. Its versions stay; the seq of the leaf is raised to `seq`, the present entry's or an earlier one's. `delta` is what the change adds to S: the record is not
   * digested again.
   */
  patch(
    key: Uint8Array,
    offset: number,
    source: Uint8Array,
    start: number,
    end: number,
    seq: number,
    delta: Digest64,
  ): void {
    if (seq > this.#entrySeq) broken(`a patch of ${seq} is later than its entry ${this.#entrySeq}`)
    const path = this.#path
    const index = this.#findPrepared(key)
    if (index < 0) broken('patch of a record that does not exist')
    path.own(seq)
    this.changes++
    const old = this.#old
    old.read(path.leaf, index)
    if (old.isLarge || offset + end - start > old.valueBytes) broken('a patch lies outside an inline value')
    const { bytes } = old
    const at = old.valueAt + offset
    copyRun(bytes, at, source, start, end - start)
    this.#spaces.add(this.#spaces.of(key), delta)
  }

  /** Removes a record; the key must have been prepared. False if there was none. */
  delete(key: Uint8Array): boolean {
    const path = this.#path
    const index = this.#findPrepared(key)
    if (index < 0) return false
    const space = this.#spaces.of(key)
    path.own(this.#entrySeq)
    this.changes++
    const valueBytes = this.#takeOut(key, index, space, this.#result)
    removeCell(path.leaf, index)
    path.cells++
    this.#spaces.count(space, -1, space.prefix.length - key.length - valueBytes)
    rebalance(this.#storage, path, path.depth, this.#entrySeq)
    collapseRoot(this.#storage, path)
    return true
  }

  /** The place of `key` in the leaf of the path, as `searchPage` gives it, or COLD. */
  #find(key: Uint8Array): number {
    const { cold } = this.#storage
    cold.reset()
    return this.#path.descend(key, cold) ? COLD : this.#path.find(key)
  }

  #findPrepared(key: Uint8Array): number {
    const found = this.#find(key)
    if (found === COLD) broken('a key is changed that was not prepared')
    return found
  }

  /**
   * Takes the digest of a record that a put or delete replaces out of S and gives its extent back; the path is writable. Returns the bytes
   * of its value.
   */
  #takeOut(key: Uint8Array, index: number, space: SpaceDigest, result: PutResult): number {
    const old = this.#old
    old.read(this.#path.leaf, index)
    result.existed = true
    result.oldVersionSeq = old.versionSeq
    result.oldCreatedSeq = old.createdSeq
    const sum = this.#recordDigest
    let length = old.valueBytes
    if (this.#spaces.slotted?.isSlotted(key) === true) {
      this.#spaces.slotted.digest(sum, key, old.bytes, old.valueAt, old.valueAt + length)
    } else {
      let digest = this.#valueDigest
      if (old.isLarge) {
        const pointer = readExtentPointer(old.bytes, old.valueAt)
        digest = pointer.digest
        length = pointer.length
        this.#storage.buryExtent(pointer)
      } else digestView(digest, this.#path.leaf.view, old.valueAt, old.valueAt + length)
      digestRecord(sum, key, 0, key.length, old.versionSeq, old.createdSeq, old.expiresAtMicros, length, digest)
    }
    if (this.#storage.mutants.digestKeepsOverwritten !== true) this.#spaces.subtract(space, sum)
    return this.#storage.mutants.usageKeepsOverwritten === true ? 0 : length
  }

  /** Room for a payload in the leaf of `key`: that of the old record if it has the same size. The leaf's ref may move. */
  #room(key: Uint8Array, index: number, existed: boolean, payload: number): number {
    const path = this.#path
    const leaf = path.leaf
    if (existed) {
      if (payloadLength(leaf, index) === payload) return payloadAt(leaf, index)
      removeCell(leaf, index)
    }
    path.cells++
    return placeCell(this.#storage, path, path.depth, index, key, key.length, payload)
  }

  #pinPath(isCut: boolean): void {
    const { table } = this.#storage
    const { pages, depth } = this.#path
    const last = isCut ? depth - 1 : depth
    for (let d = 0; d <= last; d++) table.pin(pages[d]!)
  }
}
