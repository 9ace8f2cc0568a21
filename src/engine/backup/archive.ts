import { ByteWriter, crc32, utf8Bytes, writeU32 } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { File, Files, Random } from '../../platform/index.ts'
import { ARCHIVE_FORMAT, ARCHIVE_HEADER_BYTES, ARCHIVE_MAGIC, CHUNK_BYTES, endPlace, Item } from './archive-items.ts'
import { keyedSeal, plainSeal, SALT_BYTES } from './archive-seal.ts'
import type { Place, Seal } from './archive-seal.ts'
import { ArchiveReader } from './archive-reader.ts'
import { filesBelow, parentOf } from './file-tree.ts'
import { OWN_CODEC, pack, unpack } from './compression.ts'
import type { Codec } from './compression.ts'

export interface ArchiveOptions {
  /** 32 bytes: the archive is encrypted and authenticated (AES-256-GCM). */
  key?: Uint8Array
}

export interface ArchiveSummary {
  readonly files: number
  /** Bytes of the files, and of the archive. */
  readonly fileBytes: number
  readonly archiveBytes: number
}

/** Chunks that are packed at the same time. */
const UNDER_WAY = 4

/**
 * Writes all files below `source` into the one file `archive` (docs/formats/archive.md), which may lie below it and is itself left out.
 * Holds a few chunks of 4 MiB in memory, whatever the size. The archive appears, synced, once it is whole.
 * @throws QuorateError `invalid_argument` for a key of another length; `already_exists`; FileError where the disk fails
 */
export async function writeArchive(
  { files, random }: { files: Files; random: Random },
  source: string,
  archive: string,
  options: ArchiveOptions & { codec?: Codec } = {},
): Promise<ArchiveSummary> {
  const salt = random.bytes(SALT_BYTES)
  const seal = options.key === undefined ? plainSeal() : keyedSeal(options.key, salt)
  if ((await files.size(archive)) !== undefined) throw new QuorateError('already_exists', `${archive} is there already`)
  const partial = `${archive}.partial`
  await files.remove(partial)
  const file = await files.open(partial, 'create')
  try {
    const writer = new ArchiveWriter(files, file, seal, options.codec ?? OWN_CODEC)
    await writer.begin(salt, options.key !== undefined)
    for (const path of await filesBelow(files, source)) {
      const name = `${source}/${path}`
      if (name !== partial) await writer.add(name, path)
    }
    const summary = await writer.end()
    await file.sync()
    await file.close()
    await files.rename(partial, archive)
    await files.syncDirectory(parentOf(archive))
    return summary
  } catch (error) {
    await file.close().catch(() => undefined)
    await files.remove(partial).catch(() => undefined)
    throw error
  }
}

interface Packed {
  readonly rawBytes: number
  readonly codec: Codec
  readonly payload: Uint8Array
}

class ArchiveWriter {
  readonly #files: Files
  readonly #archive: File
  readonly #seal: Seal
  readonly #codec: Codec
  #at = 0
  #count = 0
  #fileBytes = 0

  constructor(files: Files, archive: File, seal: Seal, codec: Codec) {
    this.#files = files
    this.#archive = archive
    this.#seal = seal
    this.#codec = codec
  }

  async begin(salt: Uint8Array, isEncrypted: boolean): Promise<void> {
    const header = new Uint8Array(ARCHIVE_HEADER_BYTES)
    header.set(utf8Bytes(ARCHIVE_MAGIC))
    writeU32(header, 8, ARCHIVE_FORMAT)
    writeU32(header, 12, isEncrypted ? 1 : 0)
    header.set(salt, 16)
    writeU32(header, 32, CHUNK_BYTES)
    writeU32(header, ARCHIVE_HEADER_BYTES - 4, crc32(header.subarray(0, ARCHIVE_HEADER_BYTES - 4)))
    await this.#write(header)
  }

  async add(name: string, path: string): Promise<void> {
    const source = await this.#files.open(name, 'read')
    try {
      const fileBytes = source.sizeSync()
      const head = new ByteWriter(64 + path.length)
      head.u8(Item.file)
      head.u64(fileBytes)
      head.bytes16(utf8Bytes(path))
      await this.#write(head.finish())
      const chunks = Math.max(1, Math.ceil(fileBytes / CHUNK_BYTES))
      const packed: Promise<Packed>[] = []
      for (let chunk = 0, started = 0; chunk < chunks; chunk++) {
        for (; started < chunks && started < chunk + UNDER_WAY; started++) {
          const next = this.#pack(source, started, fileBytes)
          next.catch(() => undefined)
          packed.push(next)
        }
        await this.#addChunk({ file: this.#count, chunk, path, fileBytes }, await packed.shift()!)
      }
      this.#count++
      this.#fileBytes += fileBytes
    } finally {
      await source.close()
    }
  }

  async #pack(source: File, chunk: number, fileBytes: number): Promise<Packed> {
    const from = chunk * CHUNK_BYTES
    const raw = new Uint8Array(Math.min(CHUNK_BYTES, fileBytes - from))
    const length = await source.read(raw, from)
    if (length < raw.length) throw new QuorateError('conflict', `${source.path} became shorter while it was read`)
    return { rawBytes: raw.length, ...(await pack(raw, this.#codec)) }
  }

  async #addChunk(of: Omit<Place, 'codec' | 'rawBytes'>, { rawBytes, codec, payload }: Packed): Promise<void> {
    const sealed = this.#seal.close({ ...of, codec, rawBytes }, payload)
    const head = new ByteWriter(16)
    head.u8(Item.chunk)
    head.u8(codec)
    head.u32(rawBytes)
    head.u32(sealed.payload.length)
    await this.#write(head.finish(), sealed.payload, sealed.check)
  }

  async end(): Promise<ArchiveSummary> {
    const { check } = this.#seal.close(endPlace(this.#count), new Uint8Array(0))
    const head = new ByteWriter(16)
    head.u8(Item.end)
    head.u32(this.#count)
    await this.#write(head.finish(), check)
    return { files: this.#count, fileBytes: this.#fileBytes, archiveBytes: this.#at }
  }

  async #write(...parts: Uint8Array[]): Promise<void> {
    for (const part of parts) {
      if (part.length > 0) await this.#archive.write(part, this.#at)
      this.#at += part.length
    }
  }
}

/**
 * Writes the files of an archive into the directory `target`, which is empty or not there yet; every file and directory is synced. Where
 * anything is wrong, `target` is empty again.
 * @throws QuorateError `invalid_argument` without the key that it needs, or if the target is not empty; `damaged` naming the place, also
 * for another key; `unsupported_version`; FileError where the disk fails
 */
export async function extractArchive(
  files: Files,
  archive: string,
  target: string,
  options: ArchiveOptions = {},
): Promise<ArchiveSummary> {
  const file = await files.open(archive, 'read')
  try {
    await files.makeDirectory(target)
    if ((await files.list(target)).length > 0) throw new QuorateError('invalid_argument', `${target} is not empty`)
    const reader = await ArchiveReader.open(file, options.key)
    try {
      return await new Extraction(files, reader, target).run()
    } catch (error) {
      for (const name of await files.list(target)) await files.removeTree(`${target}/${name}`)
      throw error
    }
  } finally {
    await file.close()
  }
}

class Extraction {
  readonly #files: Files
  readonly #reader: ArchiveReader
  readonly #target: string
  readonly #directories: Set<string>
  #fileBytes = 0

  constructor(files: Files, reader: ArchiveReader, target: string) {
    this.#files = files
    this.#reader = reader
    this.#target = target
    this.#directories = new Set([target])
  }

  async run(): Promise<ArchiveSummary> {
    let count = 0
    for (;;) {
      const head = await this.#reader.nextFile()
      if (head === undefined) break
      await this.#extract(head.path, head.fileBytes)
      count++
    }
    // The deepest first: a name is durable once its directory is.
    for (const directory of [...this.#directories].toSorted((a, b) => b.length - a.length)) {
      await this.#files.syncDirectory(directory)
    }
    return { files: count, fileBytes: this.#fileBytes, archiveBytes: this.#reader.at }
  }

  async #extract(path: string, fileBytes: number): Promise<void> {
    const name = `${this.#target}/${path}`
    for (let parent = parentOf(name); parent.length > this.#target.length; parent = parentOf(parent)) {
      this.#directories.add(parent)
    }
    await this.#files.makeDirectory(parentOf(name))
    const file = await this.#files.open(name, 'create')
    try {
      const waiting: Promise<{ bytes: Uint8Array; at: number }>[] = []
      const writeNext = async (): Promise<void> => {
        const { bytes, at } = await waiting.shift()!
        if (bytes.length > 0) await file.write(bytes, at)
      }
      for (let at = 0, chunk = 0; chunk === 0 || at < fileBytes; chunk++) {
        const { codec, payload, rawBytes, offset } = await this.#reader.nextChunk()
        const unpacked = this.#unpack(codec, payload, rawBytes, offset, at)
        unpacked.catch(() => undefined)
        waiting.push(unpacked)
        at += rawBytes
        if (waiting.length >= UNDER_WAY) await writeNext()
      }
      while (waiting.length > 0) await writeNext()
      await file.sync()
      this.#fileBytes += fileBytes
    } finally {
      await file.close()
    }
  }

  async #unpack(
    codec: number,
    payload: Uint8Array,
    rawBytes: number,
    offset: number,
    at: number,
  ): Promise<{ bytes: Uint8Array; at: number }> {
    let bytes: Uint8Array
    try {
      bytes = await unpack(codec, payload, rawBytes)
    } catch (error) {
      if (error instanceof QuorateError) throw error
      throw this.#reader.damaged(offset, 'a chunk cannot be unpacked', error)
    }
    if (bytes.length !== rawBytes)
      throw this.#reader.damaged(offset, `a chunk has ${bytes.length} bytes, not ${rawBytes}`)
    return { bytes, at }
  }
}
