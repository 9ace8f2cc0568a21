import type { Digest64 } from '../../encoding/index.ts'
import { compareBytes, digestToHex, equalBytes, equalDigests } from '../../encoding/index.ts'
import { invariant } from './assert.ts'
import { Cold } from './cold.ts'
import type { ImageRecord, LeafImage } from './images.ts'
import type { SuperblockMeta } from './superblock.ts'
import type { EpochWriter } from './writer.ts'

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

/** What an install needs of its keyspace. */
export interface InstallHost {
  readonly writer: EpochWriter
  readonly digestS: Digest64
  load(cold: Cold): Promise<void>
  /** Publishes, and writes both superblocks, the second after the first is synced. */
  commit(seq: number, meta: SuperblockMeta): Promise<void>
  /** Forgets everything that the install has written. Throws if the file has failed. */
  rollBack(): void
  trim(): void
}

/**
 * Takes leaf images into an unpublished root. Views go on seeing the state before; a crash leaves that state; only `finish`
 * commits. Images come in key order and do not overlap; what lies in no image stays as it is (it did not change).
 */
export class Install {
  readonly #host: InstallHost
  /** Large values that arrived ahead of the image that names them, by key in hexadecimal. */
  readonly #offered: Map<string, { versionSeq: number; value: Uint8Array }> = new Map()
  #fence: Uint8Array | undefined = new Uint8Array(0)
  #isOpen = true

  constructor(host: InstallHost) {
    this.#host = host
  }

  /** Everything before this key is installed: where to go on; undefined when the last image had no upper fence. */
  get fence(): Uint8Array | undefined {
    return this.#fence
  }

  /** Hands over a large value before the image whose record has it. Kept in memory until then. */
  offerLarge(key: Uint8Array, versionSeq: number, value: Uint8Array): void {
    this.#offered.set(hexOf(key), { versionSeq, value })
  }

  /** Makes the image's range hold exactly its records. Rejects with `InstallMismatch` if a large value is missing. */
  async apply(image: LeafImage): Promise<void> {
    invariant(this.#isOpen, 'the install is over')
    invariant(this.#fence !== undefined && compareBytes(this.#fence, image.lower) <= 0, 'images go backwards')
    const { writer } = this.#host
    writer.unpin()
    writer.beginEntry(image.seq)
    const { surplus, isEmpty } = await this.#look(image)
    for (const key of surplus) {
      await this.#prepare(key)
      writer.delete(key)
    }
    for (const record of image.records) {
      if (!isEmpty || record.value === undefined) await this.#take(record)
      else await this.#put(record, record.value)
    }
    for (;;) {
      const cold = writer.touchRange(image.lower, image.upper, image.seq)
      if (cold === undefined) break
      await this.#host.load(cold)
    }
    this.#fence = image.upper?.slice()
    writer.unpin()
    this.#host.trim()
  }

  /** Commits what was installed. Rejects with `InstallMismatch`, nothing committed, if S is not the sender's. */
  async finish(target: InstallTarget): Promise<void> {
    invariant(this.#isOpen, 'the install is over')
    const found = this.#host.digestS
    if (!equalDigests(found, target.digestS)) {
      throw new InstallMismatch(`S is ${digestToHex(found)}, the sender has ${digestToHex(target.digestS)}`)
    }
    this.#isOpen = false
    await this.#host.commit(target.seq, target.meta)
  }

  /**
   * Gives up: the keyspace is as it was before. Not while an image is being applied. Throws if the commit has begun, or the file has
   * failed: then it is to be closed and opened again.
   */
  abort(): void {
    invariant(this.#isOpen, 'the install is over')
    this.#isOpen = false
    this.#host.rollBack()
  }

  /** Own keys in the image's range that the image has not, and whether there are none at all. */
  async #look(image: LeafImage): Promise<{ surplus: Uint8Array[]; isEmpty: boolean }> {
    const { writer } = this.#host
    const { lower, upper, records } = image
    let at = 0
    const cursor = writer.cursor(upper === undefined ? { start: lower } : { start: lower, end: upper })
    const surplus: Uint8Array[] = []
    let isEmpty = true
    for (;;) {
      const moved = cursor.next()
      if (moved instanceof Cold) await this.#host.load(moved)
      else if (!moved) return { surplus, isEmpty }
      else {
        isEmpty = false
        // Both are in key order.
        while (at < records.length && compareBytes(records[at]!.key, cursor.keyInPlace) < 0) at++
        if (at === records.length || !equalBytes(records[at]!.key, cursor.keyInPlace)) surplus.push(cursor.key)
      }
    }
  }

  async #put({ key, versionSeq, createdSeq, expiresAtMicros }: ImageRecord, value: Uint8Array): Promise<void> {
    // Not awaited where nothing is missing: a promise for each record would cost more than the record.
    if (this.#host.writer.prepare([key]) !== undefined) await this.#prepare(key)
    this.#host.writer.put(key, value, versionSeq, createdSeq, expiresAtMicros)
  }

  async #take(record: ImageRecord): Promise<void> {
    const { writer } = this.#host
    const { key, versionSeq, createdSeq, expiresAtMicros } = record
    const value = record.value ?? (await this.#largeValue(record))
    if (value === undefined) return
    await this.#prepare(key)
    const own = writer.get(key)
    const isSame =
      own !== undefined &&
      !(own instanceof Cold) &&
      own.versionSeq === versionSeq &&
      own.createdSeq === createdSeq &&
      own.expiresAtMicros === expiresAtMicros &&
      equalBytes(own.value, value)
    if (!isSame) writer.put(key, value, versionSeq, createdSeq, expiresAtMicros)
  }

  /** The value that was offered, or undefined if the own record of that version has it already. */
  async #largeValue(record: ImageRecord): Promise<Uint8Array | undefined> {
    const text = hexOf(record.key)
    const offered = this.#offered.get(text)
    if (offered !== undefined && offered.versionSeq === record.versionSeq) {
      this.#offered.delete(text)
      return offered.value
    }
    for (;;) {
      const own = this.#host.writer.metadata(record.key)
      if (own instanceof Cold) {
        await this.#host.load(own)
        continue
      }
      if (own?.versionSeq === record.versionSeq && own.valueBytes === record.large!.length) return undefined
      throw new InstallMismatch(`the large value of ${text} at version ${record.versionSeq} did not arrive`)
    }
  }

  async #prepare(key: Uint8Array): Promise<void> {
    for (;;) {
      const cold = this.#host.writer.prepare([key])
      if (cold === undefined) return
      await this.#host.load(cold)
    }
  }
}

function hexOf(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}
