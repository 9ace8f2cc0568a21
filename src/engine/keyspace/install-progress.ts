import {
  ByteReader,
  ByteWriter,
  crc32,
  equalBytes,
  MalformedBytes,
  readU32,
  utf8Bytes,
  writeU32,
} from '../../encoding/index.ts'
import type { Files } from '../../platform/index.ts'
import type { Seal } from '../../sealing/index.ts'
import { readChecksum, writeChecksum } from './checksum.ts'
import type { Checksum } from './checksum.ts'
import { CHECKSUM_BYTES } from './layout.ts'
import { RunList } from './run-list.ts'

/**
 * How far an install has come, kept beside the page file so that a restart goes on from there (DESIGN 5; docs/formats/pages.md). It is
 * never served: the superblocks are the only commit. It counts only as long as the newest superblock is the one it began at.
 */
export interface InstallProgress {
  /** What is being installed, as encoded by the owner: another snapshot begins anew. */
  readonly manifest: Uint8Array
  /** Number of the newest superblock. */
  readonly baseNumber: number
  /** No page was born later. */
  readonly epoch: number
  /** Everything before this key is installed; undefined = everything. */
  readonly fence: Uint8Array | undefined
  /** The provisional tree: what is installed so far, closed as if it were all. */
  readonly root: { readonly page: number; readonly seq: number; readonly checksum: Checksum }
  readonly gapSeq: number
  /** The space digests of the provisional tree and what remains of the old one. */
  readonly spaces: Uint8Array
  /** Pages and extents that the install has written. */
  readonly own: RunList
  /** Of an incremental install: pages of the old tree that are not part of the new one, and its way down to the fence. */
  readonly dead: RunList
  readonly path: readonly number[]
}

const MAGIC = Uint8Array.of(0x51, 0x52, 0x54, 0x49, 0x4e, 0x53, 0x54, 0x41) // QRTINSTA
/** 2: spaces with the bytes that they hold; 3: checksums of 16 bytes. */
const FORMAT = 3
const CONTEXT = utf8Bytes('install')
const AT_CHECKSUM = 12
const BODY = 16

export function encodeProgress(progress: InstallProgress): Uint8Array {
  const writer = new ByteWriter(1024)
  writer.raw(MAGIC)
  writer.u32(FORMAT)
  writer.u32(0)
  writer.u64(progress.baseNumber)
  writer.u64(progress.epoch)
  writer.u64(progress.gapSeq)
  writer.u32(progress.root.page)
  writer.u64(progress.root.seq)
  const checksum = new Uint8Array(CHECKSUM_BYTES)
  writeChecksum(checksum, 0, progress.root.checksum)
  writer.raw(checksum)
  writer.bytes32(progress.manifest)
  writer.u8(progress.fence === undefined ? 0 : 1)
  writer.bytes16(progress.fence ?? new Uint8Array(0))
  writer.bytes32(progress.spaces)
  for (const numbers of [progress.own.runs, progress.dead.runs, progress.path]) {
    writer.u32(numbers.length)
    for (const number of numbers) writer.u32(number)
  }
  const bytes = writer.finish()
  writeU32(bytes, AT_CHECKSUM, crc32(bytes.subarray(BODY), crc32(bytes.subarray(0, AT_CHECKSUM))))
  return bytes
}

/** @throws MalformedBytes */
export function decodeProgress(bytes: Uint8Array): InstallProgress {
  if (bytes.length < BODY || !equalBytes(bytes.subarray(0, MAGIC.length), MAGIC)) throw new MalformedBytes('progress')
  const found = crc32(bytes.subarray(BODY), crc32(bytes.subarray(0, AT_CHECKSUM)))
  if (readU32(bytes, 8) !== FORMAT || readU32(bytes, AT_CHECKSUM) !== found) throw new MalformedBytes('progress')
  const reader = new ByteReader(bytes, BODY)
  const [baseNumber, epoch, gapSeq] = [reader.u64(), reader.u64(), reader.u64()]
  const root = { page: reader.u32(), seq: reader.u64(), checksum: readChecksum(reader.raw(CHECKSUM_BYTES), 0) }
  const manifest = reader.bytes32()
  const hasFence = reader.u8() === 1
  const fence = reader.bytes16()
  const spaces = reader.bytes32()
  const [own, dead, path] = [readNumbers(reader), readNumbers(reader), readNumbers(reader)]
  reader.expectEnd()
  const runs = { own: new RunList(own), dead: new RunList(dead) }
  return { manifest, baseNumber, epoch, gapSeq, root, fence: hasFence ? fence : undefined, spaces, ...runs, path }
}

function readNumbers(reader: ByteReader): number[] {
  const count = reader.u32()
  if (count * 4 > reader.remaining) throw new MalformedBytes('progress')
  return Array.from({ length: count }, () => reader.u32())
}

/** The file `install` beside the pages. Replaced by renaming: it is whole, or the one before, or none. */
export class ProgressFile {
  readonly #files: Files
  readonly #directory: string
  readonly #path: string
  readonly #seal: Seal | undefined

  constructor(files: Files, directory: string, seal: Seal | undefined) {
    this.#seal = seal
    this.#files = files
    this.#directory = directory
    this.#path = `${directory}/install`
  }

  /** What the file says; undefined if there is none, or none that holds: then the install begins anew. */
  async load(): Promise<InstallProgress | undefined> {
    const size = await this.#files.size(this.#path)
    if (size === undefined) return undefined
    const file = await this.#files.open(this.#path, 'read')
    try {
      const bytes = new Uint8Array(size)
      await file.read(bytes, 0)
      const text = this.#seal === undefined ? bytes : this.#seal.unwrap(CONTEXT, bytes)
      return text && decodeProgress(text)
    } catch (error) {
      if (error instanceof MalformedBytes) return undefined
      throw error
    } finally {
      await file.close()
    }
  }

  /** Durable when it resolves. What it names must be durable before. */
  async save(progress: InstallProgress): Promise<void> {
    const next = `${this.#path}.new`
    await this.#files.remove(next)
    const file = await this.#files.open(next, 'create')
    try {
      const text = encodeProgress(progress)
      await file.write(this.#seal?.wrap(CONTEXT, text) ?? text, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    await this.#files.rename(next, this.#path)
    await this.#files.syncDirectory(this.#directory)
  }

  /** Durable when it resolves: only then may the pages that it named be given out. */
  async remove(): Promise<void> {
    if ((await this.#files.size(this.#path)) === undefined) return
    await this.#files.remove(this.#path)
    await this.#files.syncDirectory(this.#directory)
  }
}
