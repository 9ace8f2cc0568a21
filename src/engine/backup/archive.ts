import { QuorateError } from '../../model/index.ts'
import type { Files, Random } from '../../platform/index.ts'
import { ArchiveReader } from './archive-reader.ts'
import { keyedSeal, plainSeal, SALT_BYTES } from './archive-seal.ts'
import { fileSource } from './archive-source.ts'
import type { ArchiveSource } from './archive-source.ts'
import { ArchiveWriter, CHUNKS_UNDER_WAY } from './archive-writer.ts'
import type { ArchiveSummary } from './archive-writer.ts'
import { OWN_CODEC, unpack } from './compression.ts'
import type { Codec } from './compression.ts'
import { filesBelow, parentOf } from './file-tree.ts'
import { DiskFileSink } from './record-file.ts'

export interface ArchiveOptions {
  /** 32 bytes: the archive is encrypted and authenticated (AES-256-GCM). */
  key?: Uint8Array
}

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
  const file = await DiskFileSink.create(files, partial)
  try {
    const writer = new ArchiveWriter(file, seal, options.codec ?? OWN_CODEC)
    await writer.begin(salt, options.key !== undefined)
    for (const path of await filesBelow(files, source)) {
      const name = `${source}/${path}`
      if (name === partial) continue
      const opened = await files.open(name, 'read')
      try {
        await writer.add(opened, path)
      } finally {
        await opened.close()
      }
    }
    const summary = await writer.end()
    await file.finish()
    await files.rename(partial, archive)
    await files.syncDirectory(parentOf(archive))
    return summary
  } catch (error) {
    await file.giveUp().catch(() => undefined)
    await files.remove(partial).catch(() => undefined)
    throw error
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
    return await receiveArchive(files, fileSource(file), target, options)
  } finally {
    await file.close()
  }
}

/** The same of an archive that arrives from elsewhere, with no more in memory than a few chunks. @throws as `extractArchive`; what the sender says */
export async function receiveArchive(
  files: Files,
  source: ArchiveSource,
  target: string,
  options: ArchiveOptions = {},
): Promise<ArchiveSummary> {
  await files.makeDirectory(target)
  if ((await files.list(target)).length > 0) throw new QuorateError('invalid_argument', `${target} is not empty`)
  try {
    const reader = await ArchiveReader.open(source, options.key)
    return await new Extraction(files, reader, target).run()
  } catch (error) {
    for (const name of await files.list(target)) await files.removeTree(`${target}/${name}`)
    throw error
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
      await this.#extract(head.path)
      count++
    }
    // The deepest first: a name is durable once its directory is.
    for (const directory of [...this.#directories].toSorted((a, b) => b.length - a.length)) {
      await this.#files.syncDirectory(directory)
    }
    return { files: count, fileBytes: this.#fileBytes, archiveBytes: this.#reader.at }
  }

  async #extract(path: string): Promise<void> {
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
      let at = 0
      for (let isLast = false; !isLast;) {
        const { codec, payload, rawBytes, offset, isLast: isEnd } = await this.#reader.nextChunk()
        isLast = isEnd
        const unpacked = this.#unpack(codec, payload, rawBytes, offset, at)
        unpacked.catch(() => undefined)
        waiting.push(unpacked)
        at += rawBytes
        if (waiting.length >= CHUNKS_UNDER_WAY) await writeNext()
      }
      while (waiting.length > 0) await writeNext()
      await file.sync()
      this.#fileBytes += at
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
