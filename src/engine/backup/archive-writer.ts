import { ByteWriter, crc32, utf8Bytes, writeU32 } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { File } from '../../platform/index.ts'
import { ARCHIVE_FORMAT, ARCHIVE_HEADER_BYTES, ARCHIVE_MAGIC, CHUNK_BYTES, endPlace, Item } from './archive-items.ts'
import { STREAM_FORMAT, UNKNOWN_BYTES } from './archive-items.ts'
import type { Place, Seal } from './archive-seal.ts'
import { Codec, pack } from './compression.ts'
import type { FileSink } from './record-file.ts'

export interface ArchiveSummary {
  readonly files: number
  /** Bytes of the files, and of the archive. */
  readonly fileBytes: number
  readonly archiveBytes: number
}

/** Takes the bytes of an archive, in order. */
export interface ByteSink {
  /** Resolves when the next ones are welcome. */
  write(bytes: Uint8Array): Promise<void>
}

/** Chunks that are packed at the same time. */
export const CHUNKS_UNDER_WAY = 4

interface Packed {
  readonly rawBytes: number
  readonly codec: Codec
  readonly payload: Uint8Array
}

/** After a chunk that packing has hardly made smaller, so many are stored as they are: what does not pack comes in runs. */
const STORED_RUN = 7

/** Writes an archive from its beginning to its end. Holds a few chunks in memory, whatever the size. */
export class ArchiveWriter {
  readonly #sink: ByteSink
  readonly #seal: Seal
  readonly #codec: Codec
  #at = 0
  #count = 0
  #fileBytes = 0
  /** Chunks of streams that are not tried to be packed. */
  #untried = 0

  constructor(sink: ByteSink, seal: Seal, codec: Codec) {
    this.#sink = sink
    this.#seal = seal
    this.#codec = codec
  }

  async begin(
    salt: Uint8Array,
    isEncrypted: boolean,
    format: typeof ARCHIVE_FORMAT | typeof STREAM_FORMAT = ARCHIVE_FORMAT,
  ): Promise<void> {
    const header = new Uint8Array(ARCHIVE_HEADER_BYTES)
    header.set(utf8Bytes(ARCHIVE_MAGIC))
    writeU32(header, 8, format)
    writeU32(header, 12, isEncrypted ? 1 : 0)
    header.set(salt, 16)
    writeU32(header, 32, CHUNK_BYTES)
    writeU32(header, ARCHIVE_HEADER_BYTES - 4, crc32(header.subarray(0, ARCHIVE_HEADER_BYTES - 4)))
    await this.#write(header)
  }

  /** A file that is there. */
  async add(source: File, path: string): Promise<void> {
    const fileBytes = source.sizeSync()
    await this.#beginFile(path, fileBytes)
    const chunks = Math.max(1, Math.ceil(fileBytes / CHUNK_BYTES))
    const packed: Promise<Packed>[] = []
    for (let chunk = 0, started = 0; chunk < chunks; chunk++) {
      for (; started < chunks && started < chunk + CHUNKS_UNDER_WAY; started++) {
        const next = this.#readAndPack(source, started, fileBytes)
        next.catch(() => undefined)
        packed.push(next)
      }
      await this.#addChunk({ file: this.#count, chunk, path, fileBytes }, await packed.shift()!)
    }
    this.#endFile(fileBytes)
  }

  /** A file whose length only its end tells. The next one begins when it is finished. */
  async stream(path: string): Promise<FileSink> {
    await this.#beginFile(path, UNKNOWN_BYTES)
    const file = this.#count
    let waiting = new Uint8Array(CHUNK_BYTES)
    let [used, chunk, bytes] = [0, 0, 0]
    const packed: Promise<Packed>[] = []
    const start = (raw: Uint8Array): void => {
      const next = this.#packIfWorthIt(raw)
      next.catch(() => undefined)
      packed.push(next)
    }
    const addNext = async (): Promise<void> => {
      await this.#addChunk({ file, chunk: chunk++, path, fileBytes: UNKNOWN_BYTES }, await packed.shift()!)
    }
    return {
      write: async part => {
        bytes += part.length
        for (let at = 0; at < part.length;) {
          const length = Math.min(CHUNK_BYTES - used, part.length - at)
          waiting.set(part.subarray(at, at + length), used)
          used += length
          at += length
          if (used < CHUNK_BYTES) continue
          start(waiting)
          waiting = new Uint8Array(CHUNK_BYTES)
          used = 0
          if (packed.length >= CHUNKS_UNDER_WAY) await addNext()
        }
      },
      finish: async () => {
        start(waiting.subarray(0, used))
        while (packed.length > 0) await addNext()
        this.#endFile(bytes)
      },
      giveUp: () => Promise.resolve(),
    }
  }

  async end(): Promise<ArchiveSummary> {
    const { check } = this.#seal.close(endPlace(this.#count), new Uint8Array(0))
    const head = new ByteWriter(16)
    head.u8(Item.end)
    head.u32(this.#count)
    await this.#write(head.finish(), check)
    return { files: this.#count, fileBytes: this.#fileBytes, archiveBytes: this.#at }
  }

  /** In place of what would follow: why it does not come. Whoever reads it hears of the reason, and has no archive. */
  async fail({ code, message }: QuorateError): Promise<void> {
    const item = new ByteWriter(256)
    item.u8(Item.failure)
    item.bytes16(utf8Bytes(code))
    item.bytes16(utf8Bytes(message.slice(0, 1_024)))
    await this.#write(item.finish())
  }

  async #beginFile(path: string, fileBytes: number): Promise<void> {
    const head = new ByteWriter(64 + path.length)
    head.u8(Item.file)
    head.u64(fileBytes)
    head.bytes16(utf8Bytes(path))
    await this.#write(head.finish())
  }

  #endFile(bytes: number): void {
    this.#count++
    this.#fileBytes += bytes
  }

  async #readAndPack(source: File, chunk: number, fileBytes: number): Promise<Packed> {
    const from = chunk * CHUNK_BYTES
    const raw = new Uint8Array(Math.min(CHUNK_BYTES, fileBytes - from))
    const length = await source.read(raw, from)
    if (length < raw.length) throw new QuorateError('conflict', `${source.path} became shorter while it was read`)
    return await this.#pack(raw)
  }

  /** Whoever sends while it is made has other things to do than to pack what does not pack. */
  async #packIfWorthIt(raw: Uint8Array): Promise<Packed> {
    if (this.#untried > 0) {
      this.#untried--
      return { rawBytes: raw.length, codec: Codec.stored, payload: raw }
    }
    const packed = await this.#pack(raw)
    if (packed.payload.length > raw.length - (raw.length >>> 4)) this.#untried = STORED_RUN
    return packed
  }

  async #pack(raw: Uint8Array): Promise<Packed> {
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

  async #write(...parts: Uint8Array[]): Promise<void> {
    for (const part of parts) {
      this.#at += part.length
      if (part.length > 0) await this.#sink.write(part)
    }
  }
}
