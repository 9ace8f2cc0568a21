import type { Digest64 } from '../../encoding/index.ts'
import { compareBytes, digestBytes, digestRecord, digestToHex, equalDigests, zeroDigest } from '../../encoding/index.ts'
import { checksumOf } from './checksum.ts'
import { invariant } from './assert.ts'
import { lowerBound } from './base-tree.ts'
import type { BaseTree } from './base-tree.ts'
import type { Cold } from './cold.ts'
import { extentHeader, extentPages, readExtentPointer, writeExtentPointer } from './extents.ts'
import { compareKeys } from './grow.ts'
import { copyRun, ImageReader, LARGE_REFERENCE_BYTES } from './image-bytes.ts'
import type { InstallProgress } from './install-progress.ts'
import { EXTENT_POINTER_BYTES, maxCellBytes, maxKeyBytes } from './layout.ts'
import type { PageLink } from './open-page.ts'
import type { PageFile } from './page-file.ts'
import type { PageStream } from './page-stream.ts'
import { cellBytes, cellCount, payloadAt, payloadLength, readKey } from './page.ts'
import type { PageRef } from './page.ts'
import { pageIn, readPlaces } from './read-places.ts'
import type { Place } from './read-places.ts'
import { IS_LARGE, RecordRef } from './record.ts'
import { RunList } from './run-list.ts'
import type { SpaceDigests } from './spaces.ts'
import type { Storage } from './storage.ts'
import type { SuperblockMeta } from './superblock.ts'
import type { TreeBuilder } from './tree-builder.ts'

/** Old leaves that are read for one chunk at a time. */
const AHEAD_PAGES = 64

/** What an install brings the keyspace to. */
export interface InstallTarget {
  readonly seq: number
  readonly meta: SuperblockMeta
  /** S of the sender at `seq`: an install that does not arrive at it is not committed. */
  readonly digestS: Digest64
}

/** What arrived does not make the state that was announced; nothing of it was committed. */
export class InstallMismatch extends Error {
  override readonly name = 'InstallMismatch'
  readonly code = 'install_mismatch'
}

/** What becomes of the keyspace when an install is committed. */
export interface InstalledTree {
  readonly root: PageLink
  readonly spaces: Uint8Array
  /** Pages that the install has written. */
  readonly own: RunList
  /** Those of the old tree that are gone; undefined = all. */
  readonly dead: RunList | undefined
  /** Written for progress only: to be given back when the superblocks are on file. */
  readonly sealed: RunList
}

/** What an install is made of. Nothing of it is part of the keyspace before the commit. */
export interface InstallParts {
  readonly storage: Storage
  readonly stream: PageStream
  readonly builder: TreeBuilder
  /** The tree of the present root, for an incremental install; undefined = from nothing. */
  readonly base: BaseTree | undefined
  readonly spaces: SpaceDigests
  readonly own: RunList
  readonly dead: RunList
  /** Pages of the progress that is on file, beside `own`. */
  readonly sealed: RunList
  readonly fence: Uint8Array | undefined
  readonly inlineThresholdBytes: number
}

/** What an install needs of its keyspace. */
export interface InstallHost {
  load(cold: Cold): Promise<void>
  /** Publishes, and writes both superblocks, the second after the first is synced. */
  commit(tree: InstalledTree, seq: number, meta: SuperblockMeta): Promise<void>
  /** Makes the pages written so far durable, then the progress. Undefined where none is kept. */
  readonly record: ((progress: Omit<InstallProgress, 'manifest' | 'baseNumber'>) => Promise<void>) | undefined
  readonly file: PageFile
  /** How many bytes of pages lie between two records of progress. */
  readonly progressBytes: number
  /**
   * The install is over without a commit: pages of `own` and `sealed` that recorded progress does not name are free again; all of them,
   * and the progress is gone, where it `isMisfit`.
   */
  abandon(own: RunList, sealed: RunList, isMisfit: boolean): Promise<void>
}

/**
 * Takes leaf images into a tree that nobody sees, built bottom up beside the present one. Views go on seeing the state before; a
 * crash leaves that state; only `finish` commits. Images come in key order and do not overlap; what lies in no image stays as it is
 * (it did not change).
 */
export class Install {
  readonly #host: InstallHost
  readonly #parts: InstallParts
  readonly #inlineMax: number
  readonly #cellMax: number
  readonly #keyMax: number
  readonly #old: RecordRef = new RecordRef()
  readonly #oldKey: Uint8Array
  readonly #payload: Uint8Array
  readonly #valueDigest: Digest64 = zeroDigest()
  readonly #recordDigest: Digest64 = zeroDigest()
  /** Pages of the newest progress on file that are no part of the tree. */
  #sealed: RunList
  #fence: Uint8Array | undefined
  #isOpen = true
  #recordedBytes = 0
  #recording: Promise<void> | undefined
  #failure: Error | undefined
  /** What arrived does not make the sender's state, which may be the fault of what was installed before it. */
  #isMisfit = false

  constructor(host: InstallHost, parts: InstallParts) {
    this.#host = host
    this.#parts = parts
    const { pageBytes } = parts.storage
    this.#inlineMax = parts.inlineThresholdBytes
    this.#cellMax = maxCellBytes(pageBytes)
    this.#keyMax = maxKeyBytes(pageBytes)
    this.#oldKey = new Uint8Array(pageBytes)
    this.#payload = new Uint8Array(2 * pageBytes)
    this.#sealed = parts.sealed
    this.#fence = parts.fence
  }

  /** Everything before this key is installed: where to go on; undefined when that is all. */
  get fence(): Uint8Array | undefined {
    return this.#fence
  }

  /**
   * Makes the ranges of a chunk's images hold exactly their records. Rejects with `MalformedBytes` if the chunk is not whole, with
   * `InstallMismatch` if it does not fit: the install can then only be abandoned.
   */
  async apply(chunk: Uint8Array): Promise<void> {
    invariant(this.#isOpen, 'the install is over')
    if (this.#failure !== undefined) throw this.#failure
    try {
      await this.#take(chunk)
    } catch (error) {
      this.#isMisfit ||= error instanceof InstallMismatch
      throw error
    }
  }

  async #take(chunk: Uint8Array): Promise<void> {
    const { base, builder, stream } = this.#parts
    const reader = new ImageReader(chunk)
    if (base !== undefined) await this.#prefetch(base, chunk)
    while (reader.nextImage()) {
      if (this.#fence === undefined || compareBytes(this.#fence, reader.lower) > 0) {
        throw new InstallMismatch('images go backwards')
      }
      if (base === undefined) {
        builder.beginRange(reader.lower, reader.seq)
        while (reader.nextRecord()) this.#put(reader)
      } else await this.#merge(base, reader)
      this.#fence = reader.upper?.slice()
    }
    await stream.room()
    this.#considerRecord()
  }

  /** Commits what was installed. Rejects with `InstallMismatch`, nothing committed, if S is not the sender's. */
  async finish(target: InstallTarget): Promise<void> {
    invariant(this.#isOpen, 'the install is over')
    const { base, builder, stream, spaces, own, dead } = this.#parts
    while (base?.isBefore(undefined) === true) await this.#copyTowards(base, undefined)
    const found = spaces.total
    if (!equalDigests(found, target.digestS)) {
      this.#isMisfit = true
      throw new InstallMismatch(`S is ${digestToHex(found)}, the sender has ${digestToHex(target.digestS)}`)
    }
    const root = builder.finish()
    await stream.settle()
    await this.#recording
    if (this.#failure !== undefined) throw this.#failure
    this.#isOpen = false
    const gone = base === undefined ? undefined : dead
    const tree = { root, spaces: spaces.encode(), own, dead: gone, sealed: this.#sealed }
    await this.#host.commit(tree, target.seq, target.meta)
  }

  /**
   * Gives up: the keyspace is what it was, and progress on file serves the next install of the same snapshot, unless what arrived did
   * not fit: then that begins anew. Rejects if a write has failed or a commit has begun: then there is no way back but to close the keyspace and open it again.
   */
  async abort(): Promise<void> {
    invariant(this.#isOpen, 'the install is over')
    await this.stop()
    await this.#parts.stream.settle()
    await this.#host.abandon(this.#parts.own, this.#sealed, this.#isMisfit)
  }

  /** Touches nothing any more, once it resolves. */
  async stop(): Promise<void> {
    this.#isOpen = false
    await this.#recording
  }

  /** Reads the old leaves that the chunk's images will meet, all at once and past the cache. */
  async #prefetch(base: BaseTree, chunk: Uint8Array): Promise<void> {
    const { file } = this.#host
    const places: Place[] = []
    for (const reader = new ImageReader(chunk); reader.nextImage() && places.length < AHEAD_PAGES;) {
      for (;;) {
        const cold = base.probe(reader.lower, places)
        if (cold === undefined) break
        await this.#host.load(cold)
      }
    }
    base.ahead.clear()
    for (const [place, bytes] of await readPlaces(file, places)) {
      file.verify(bytes, place.page, place.checksum, 'tree', false)
      base.ahead.set(place.page, pageIn(bytes))
    }
  }

  async #copyTowards(base: BaseTree, to: Uint8Array | undefined): Promise<void> {
    const cold = base.copyTowards(to, this.#parts.builder)
    if (cold !== undefined) await this.#host.load(cold)
    await this.#parts.stream.room()
  }

  async #merge(base: BaseTree, reader: ImageReader): Promise<void> {
    const { builder } = this.#parts
    const { lower, upper, seq } = reader
    while (base.isBefore(lower)) await this.#copyTowards(base, lower)
    builder.beginRange(lower, seq)
    let has = reader.nextRecord()
    while (base.isBefore(upper)) {
      const cold = base.seek()
      if (cold !== undefined) {
        await this.#host.load(cold)
        continue
      }
      has = this.#mergeLeaf(base, reader, has)
    }
    for (; has; has = reader.nextRecord()) this.#put(reader)
  }

  /** The old leaf's records in the image's range give way to the image's. Returns whether the image has more of them. */
  #mergeLeaf(base: BaseTree, reader: ImageReader, has: boolean): boolean {
    const { leaf, leafUpper } = base
    const { upper } = reader
    const isWhole = upper === undefined || (leafUpper !== undefined && compareBytes(leafUpper, upper) <= 0)
    const end = isWhole ? cellCount(leaf) : lowerBound(leaf, upper)
    for (let i = lowerBound(leaf, base.position!); i < end; i++) {
      const length = readKey(leaf, i, this.#oldKey)
      while (has && compareKeys(reader.key, reader.keyBytes, this.#oldKey, length) < 0) {
        this.#put(reader)
        has = reader.nextRecord()
      }
      if (has && compareKeys(reader.key, reader.keyBytes, this.#oldKey, length) === 0) {
        this.#replace(reader, leaf, i)
        has = reader.nextRecord()
      } else this.#drop(leaf, i, length)
    }
    base.position = isWhole ? leafUpper : upper
    return has
  }

  /** A record that is here already: kept as it is if the image has it alike. */
  #replace(reader: ImageReader, leaf: PageRef, index: number): void {
    const at = payloadAt(leaf, index)
    const length = payloadLength(leaf, index)
    const old = this.#old
    old.read(leaf, index)
    if (reader.isLarge && !reader.travels) {
      const pointer = old.isLarge ? readExtentPointer(old.bytes, old.valueAt) : undefined
      const valueBytes = pointer?.length ?? old.valueBytes
      if (old.versionSeq !== reader.versionSeq || valueBytes !== reader.valueBytes) throw this.#missing(reader)
      this.#parts.builder.add(reader.key, reader.keyBytes, leaf.bytes, at, length)
      return
    }
    if (!reader.isLarge && length === reader.payloadBytes && this.#isAlike(reader, leaf.bytes, at)) {
      this.#parts.builder.add(reader.key, reader.keyBytes, leaf.bytes, at, length)
      return
    }
    this.#drop(leaf, index, reader.keyBytes)
    this.#put(reader)
  }

  #isAlike(reader: ImageReader, bytes: Uint8Array, at: number): boolean {
    const { payloadBytes, payloadAt: from } = reader
    for (let i = 0; i < payloadBytes; i++) if (bytes[at + i] !== reader.bytes[from + i]) return false
    return true
  }

  #missing(reader: ImageReader): InstallMismatch {
    return new InstallMismatch(`a large value at version ${reader.versionSeq} did not arrive`)
  }

  /** Takes a record of the old tree, whose key is `#oldKey`, out of S; its extent is not part of the new tree. */
  #drop(leaf: PageRef, index: number, keyBytes: number): void {
    const { spaces, dead, storage } = this.#parts
    const old = this.#old
    old.read(leaf, index)
    const { bytes, valueAt, versionSeq, createdSeq, expiresAtMicros } = old
    const key = this.#oldKey.subarray(0, keyBytes)
    const sum = this.#recordDigest
    let length = old.valueBytes
    let digest = this.#valueDigest
    if (old.isLarge) {
      const pointer = readExtentPointer(bytes, valueAt)
      digest = pointer.digest
      length = pointer.length
      dead.add(pointer.page, extentPages(length, storage.pageBytes))
    } else digestBytes(digest, bytes, valueAt, valueAt + length)
    if (spaces.slotted?.isSlotted(key) === true) spaces.slotted.digest(sum, key, bytes, valueAt, valueAt + length)
    else digestRecord(sum, key, 0, keyBytes, versionSeq, createdSeq, expiresAtMicros, length, digest)
    const space = spaces.of(key)
    spaces.subtract(space, sum)
    spaces.count(space, -1, space.prefix.length - keyBytes - length)
  }

  /** hot path (bench/snapshot): a record of the image, new here. */
  #put(reader: ImageReader): void {
    const { spaces, builder } = this.#parts
    const { bytes, keyBytes, valueAt, valueBytes, versionSeq, createdSeq, expiresAtMicros } = reader
    if (keyBytes > this.#keyMax) throw new InstallMismatch(`a key of ${keyBytes} bytes does not fit a page here`)
    if (reader.isLarge && !reader.travels) throw this.#missing(reader)
    const key = reader.keyView
    const digest = this.#valueDigest
    digestBytes(digest, bytes, valueAt, valueAt + valueBytes)
    if (reader.isLarge && (digest.lo !== reader.largeLo || digest.hi !== reader.largeHi)) {
      throw new InstallMismatch(`a large value at version ${versionSeq} is not the one that was announced`)
    }
    const header = reader.isLarge ? reader.payloadBytes - LARGE_REFERENCE_BYTES : valueAt - reader.payloadAt
    const isSlotted = spaces.slotted?.isSlotted(key) === true
    const isBelow = isSlotted || valueBytes <= this.#inlineMax
    const isInline = isBelow && cellBytes(keyBytes, 0, header + valueBytes) <= this.#cellMax
    if (isInline && !reader.isLarge) builder.add(reader.key, keyBytes, bytes, reader.payloadAt, reader.payloadBytes)
    else this.#putElsewhere(reader, header, isInline)
    const sum = this.#recordDigest
    if (isSlotted) {
      if (!isInline) throw new InstallMismatch('a slotted record does not stay inline')
      spaces.slotted.digest(sum, key, bytes, valueAt, valueAt + valueBytes)
    } else digestRecord(sum, key, 0, keyBytes, versionSeq, createdSeq, expiresAtMicros, valueBytes, digest)
    const space = spaces.of(key)
    spaces.add(space, sum)
    spaces.count(space, 1, keyBytes - space.prefix.length + valueBytes)
  }

  /** A value that is large on one side and not on the other, or on both. */
  #putElsewhere(reader: ImageReader, header: number, isInline: boolean): void {
    const { storage, stream, own, builder } = this.#parts
    const { bytes, valueAt, valueBytes } = reader
    const payload = this.#payload
    copyRun(payload, 0, bytes, reader.payloadAt, header)
    if (isInline) {
      payload[0]! &= ~IS_LARGE
      copyRun(payload, header, bytes, valueAt, valueBytes)
      builder.add(reader.key, reader.keyBytes, payload, 0, header + valueBytes)
      return
    }
    payload[0]! |= IS_LARGE
    const value = bytes.subarray(valueAt, valueAt + valueBytes)
    const count = extentPages(valueBytes, storage.pageBytes)
    const page = storage.map.allocate(count)
    storage.table.coverPage(page + count)
    own.add(page, count)
    const extent = extentHeader(page, storage.epoch, valueBytes)
    const pointer = { page, length: valueBytes, birth: storage.epoch, digest: this.#valueDigest }
    writeExtentPointer(payload, header, { ...pointer, checksum: checksumOf(storage.seal, extent, value) })
    stream.extent(page, extent, value)
    builder.add(reader.key, reader.keyBytes, payload, 0, header + EXTENT_POINTER_BYTES)
  }

  #considerRecord(): void {
    const { stream } = this.#parts
    if (this.#host.record === undefined || this.#recording !== undefined) return
    if (stream.bytes - this.#recordedBytes < this.#host.progressBytes) return
    this.#recordedBytes = stream.bytes
    this.#recording = this.#record().then(
      () => {
        this.#recording = undefined
      },
      (error: unknown) => {
        this.#recording = undefined
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
      },
    )
  }

  /** Closes a copy of the tree as if it were complete, and has that made durable while the install goes on. */
  async #record(): Promise<void> {
    const { storage, stream, builder, spaces, base, dead } = this.#parts
    const sealed = new RunList()
    const { page, seq, checksum } = builder.clone(sealed).finish()
    const own = this.#parts.own.clone()
    sealed.forEach((first, count) => own.add(first, count))
    const progress = {
      epoch: storage.epoch,
      fence: this.#fence,
      root: { page, seq, checksum },
      gapSeq: builder.gapSeq,
      spaces: spaces.encode(),
      own,
      dead: dead.clone(),
      path: base?.path ?? [],
    }
    await stream.settle()
    if (!this.#isOpen) return release(storage, sealed)
    await this.#host.record!(progress)
    const before = this.#sealed
    this.#sealed = sealed
    release(storage, before)
  }
}

/** Gives pages back that no root has ever had. */
function release(storage: Storage, pages: RunList): void {
  pages.forEach((page, count) => {
    storage.map.die(page, count)
    storage.free(page, count)
  })
}
