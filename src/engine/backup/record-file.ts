import { createHash } from 'node:crypto'
import { crc32, readU32, writeU32 } from '../../encoding/index.ts'
import type { File, Files } from '../../platform/index.ts'
import { damaged } from './manifest.ts'
import type { BackedUpFile } from './manifest.ts'

const HEAD_BYTES = 8
/** More than any chunk of images and any batch of entries. */
const RECORD_BYTES_MAX = 1 << 30
const READ_BYTES = 1 << 20

/** Where a file goes that is written once, from its beginning to its end. */
export interface FileSink {
  /** May be called before the write before it is done; takes over `bytes`. */
  write(bytes: Uint8Array): Promise<void>
  /** Everything is written, and as durable as it becomes here. */
  finish(): Promise<void>
  giveUp(): Promise<void>
}

/** A file of a disk. */
export class DiskFileSink implements FileSink {
  readonly #file: File
  #at = 0

  private constructor(file: File) {
    this.#file = file
  }

  static async create(files: Files, path: string): Promise<DiskFileSink> {
    return new DiskFileSink(await files.open(path, 'create'))
  }

  write(bytes: Uint8Array): Promise<void> {
    const at = this.#at
    this.#at += bytes.length
    return this.#file.write(bytes, at)
  }

  async finish(): Promise<void> {
    await this.#file.sync()
    await this.#file.close()
  }

  giveUp(): Promise<void> {
    return this.#file.close()
  }
}

/** A file of records, each {u32 length, u32 CRC-32, bytes}, that is written once. */
export class RecordFileWriter {
  readonly #sink: FileSink
  readonly #hash = createHash('sha256')
  #bytes = 0

  constructor(sink: FileSink) {
    this.#sink = sink
  }

  get bytes(): number {
    return this.#bytes
  }

  async add(record: Uint8Array): Promise<void> {
    const bytes = new Uint8Array(HEAD_BYTES + record.length)
    writeU32(bytes, 0, record.length)
    writeU32(bytes, 4, crc32(record))
    bytes.set(record, HEAD_BYTES)
    this.#bytes += bytes.length
    const written = this.#sink.write(bytes)
    // The pool writes meanwhile.
    this.#hash.update(bytes)
    await written
  }

  async finish(): Promise<BackedUpFile> {
    await this.#sink.finish()
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  giveUp(): Promise<void> {
    return this.#sink.giveUp()
  }
}

/** The records of a file, each checked. @throws QuorateError `damaged` naming file and offset */
export async function* readRecords(files: Files, path: string, described: BackedUpFile): AsyncGenerator<Uint8Array> {
  const file = await files.open(path, 'read')
  try {
    const size = file.sizeSync()
    if (size !== described.bytes)
      throw damaged(path, `${size} bytes, not ${described.bytes}`, Math.min(size, described.bytes))
    yield* framedIn(file)
  } finally {
    await file.close()
  }
}

/** The records of a file that nothing else describes, each checked. @throws QuorateError `damaged` naming file and offset */
export async function* readFramed(files: Files, path: string): AsyncGenerator<Uint8Array> {
  const file = await files.open(path, 'read')
  try {
    yield* framedIn(file)
  } finally {
    await file.close()
  }
}

async function* framedIn(file: File): AsyncGenerator<Uint8Array> {
  const { path } = file
  const size = file.sizeSync()
  const head = new Uint8Array(HEAD_BYTES)
  for (let at = 0; at < size;) {
    if ((await file.read(head, at)) < HEAD_BYTES) throw damaged(path, 'a record is cut', at)
    const length = readU32(head, 0)
    if (length > RECORD_BYTES_MAX || at + HEAD_BYTES + length > size) throw damaged(path, 'a record is cut', at)
    const record = new Uint8Array(length)
    await file.read(record, at + HEAD_BYTES)
    if (crc32(record) !== readU32(head, 4)) throw damaged(path, 'a record is not what was written', at)
    yield record
    at += HEAD_BYTES + length
  }
}

/** Compares the whole file with its SHA-256. @throws QuorateError `damaged` */
export async function verifyFile(files: Files, path: string, described: BackedUpFile): Promise<void> {
  if ((await files.size(path)) === undefined) throw damaged(path, 'the file is missing')
  const file = await files.open(path, 'read')
  try {
    const hash = createHash('sha256')
    const block = new Uint8Array(READ_BYTES)
    let at = 0
    for (;;) {
      const length = await file.read(block, at)
      if (length === 0) break
      hash.update(block.subarray(0, length))
      at += length
    }
    if (at !== described.bytes)
      throw damaged(path, `${at} bytes, not ${described.bytes}`, Math.min(at, described.bytes))
    if (hash.digest('hex') !== described.sha256) throw damaged(path, 'the file is not the one that was written')
  } finally {
    await file.close()
  }
}
