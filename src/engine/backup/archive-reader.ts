import { crc32, readU16, readU32 } from '../../encoding/index.ts'
import { ERROR_CODES, QuorateError } from '../../model/index.ts'
import type { ErrorCode } from '../../model/index.ts'
import { ARCHIVE_FORMAT, ARCHIVE_HEADER_BYTES, ARCHIVE_MAGIC, CHUNK_BYTES, endPlace, Item } from './archive-items.ts'
import { STREAM_FORMAT, UNKNOWN_BYTES } from './archive-items.ts'
import { keyedSeal, plainSeal, SALT_BYTES } from './archive-seal.ts'
import type { Seal } from './archive-seal.ts'
import type { ArchiveSource } from './archive-source.ts'
import { isPathBelow, PATH_BYTES_MAX } from './file-tree.ts'

const FILES_MAX = 1 << 20
const FILE_BYTES_MAX = 2 ** 40
/** A payload is never longer than what it holds: what does not become smaller is stored. */
const PAYLOAD_BYTES_MAX = CHUNK_BYTES
const FILE_HEAD_BYTES = 11
const CHUNK_HEAD_BYTES = 10
const END_BYTES = 5
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** A chunk that is what was closed, still packed. */
export interface OpenedChunk {
  readonly codec: number
  readonly payload: Uint8Array
  readonly rawBytes: number
  /** Its file has no other behind it. */
  readonly isLast: boolean
  /** Where it lies in the archive. */
  readonly offset: number
}

/** Reads an archive from its beginning to its end, which alone says that it is whole. */
export class ArchiveReader {
  /** What has been read. */
  at: number = ARCHIVE_HEADER_BYTES
  readonly #source: ArchiveSource
  readonly #seal: Seal
  readonly #isStream: boolean
  readonly #paths: Set<string> = new Set()
  #path = ''
  #fileBytes = 0
  #chunk = 0
  /** Bytes of the present file that have not come yet, or may come. */
  #left = 0

  private constructor(source: ArchiveSource, seal: Seal, isStream: boolean) {
    this.#source = source
    this.#seal = seal
    this.#isStream = isStream
  }

  static async open(source: ArchiveSource, key: Uint8Array | undefined): Promise<ArchiveReader> {
    const { name } = source
    const header = new Uint8Array(ARCHIVE_HEADER_BYTES)
    const found = await source.take(ARCHIVE_HEADER_BYTES)
    const { length } = found
    header.set(found)
    const magic = String.fromCharCode(...header.subarray(0, 8))
    const checksum = crc32(header.subarray(0, ARCHIVE_HEADER_BYTES - 4))
    if (length < header.length || magic !== ARCHIVE_MAGIC || readU32(header, ARCHIVE_HEADER_BYTES - 4) !== checksum) {
      throw damagedAt(name, 0, 'this is no header of an archive')
    }
    const format = readU32(header, 8)
    if ((format !== ARCHIVE_FORMAT && format !== STREAM_FORMAT) || readU32(header, 32) !== CHUNK_BYTES) {
      throw new QuorateError('unsupported_version', `${name} has format ${format}`)
    }
    const isEncrypted = readU32(header, 12) === 1
    if (isEncrypted && key === undefined) throw new QuorateError('invalid_argument', `${name} needs its key`)
    if (!isEncrypted && key !== undefined) {
      throw new QuorateError('invalid_argument', `${name} is not encrypted: without a key anybody may have made it`)
    }
    const seal = key === undefined ? plainSeal() : keyedSeal(key, header.slice(16, 16 + SALT_BYTES))
    return new ArchiveReader(source, seal, format === STREAM_FORMAT)
  }

  damaged(offset: number, what: string, cause?: unknown): QuorateError {
    return damagedAt(this.#source.name, offset, what, cause)
  }

  /** The next file; undefined at the end, which has been checked. */
  async nextFile(): Promise<{ path: string } | undefined> {
    const offset = this.at
    const [type] = await this.#take(1)
    if (type === Item.end) return this.#end(offset)
    if (type === Item.failure && this.#isStream) throw await this.#failure()
    if (type !== Item.file) throw this.damaged(offset, 'neither a file nor the end begins here')
    const head = await this.#take(FILE_HEAD_BYTES - 1)
    // Not as one number: a changed byte may make it one that no file can have.
    const fileBytes = readU32(head, 0) + readU32(head, 4) * 2 ** 32
    const pathBytes = readU16(head, 8)
    if (pathBytes > PATH_BYTES_MAX) throw this.damaged(offset, `a path of ${pathBytes} bytes`)
    const path = this.#decodePath(await this.#take(pathBytes), offset)
    const isKnown = !this.#isStream || fileBytes !== UNKNOWN_BYTES
    if (this.#paths.size >= FILES_MAX || (isKnown && fileBytes > FILE_BYTES_MAX)) {
      throw this.damaged(offset, 'more than is allowed')
    }
    this.#path = path
    this.#paths.add(path)
    this.#fileBytes = fileBytes
    this.#left = isKnown ? fileBytes : FILE_BYTES_MAX
    this.#chunk = 0
    return { path }
  }

  #decodePath(bytes: Uint8Array, offset: number): string {
    let path: string
    try {
      path = utf8.decode(bytes)
    } catch (error) {
      throw this.damaged(offset, 'a path is not UTF-8', error)
    }
    if (!isPathBelow(path)) throw this.damaged(offset, `the path ${JSON.stringify(path)} leads elsewhere`)
    if (this.#paths.has(path)) throw this.damaged(offset, `the path ${path} comes twice`)
    return path
  }

  /** The next chunk of the present file, which has one even if it is empty. */
  async nextChunk(): Promise<OpenedChunk> {
    const offset = this.at
    const head = await this.#take(CHUNK_HEAD_BYTES)
    const [type, codec] = [head[0]!, head[1]!]
    const rawBytes = readU32(head, 2)
    const payloadBytes = readU32(head, 6)
    if (type === Item.failure && this.#isStream) throw await this.#failure(head.subarray(1))
    if (type !== Item.chunk) throw this.damaged(offset, 'no chunk begins here')
    const isKnown = !this.#isStream || this.#fileBytes !== UNKNOWN_BYTES
    const bytesMax = Math.min(this.#left, CHUNK_BYTES)
    if ((isKnown ? rawBytes !== bytesMax : rawBytes > bytesMax) || payloadBytes > PAYLOAD_BYTES_MAX) {
      throw this.damaged(offset, `a chunk of ${rawBytes} bytes, packed ${payloadBytes}`)
    }
    const bytes = await this.#take(payloadBytes + this.#seal.checkBytes)
    const place = {
      file: this.#paths.size - 1,
      chunk: this.#chunk++,
      path: this.#path,
      fileBytes: this.#fileBytes,
      codec,
      rawBytes,
    }
    const payload = this.#seal.open(place, bytes.subarray(0, payloadBytes), bytes.subarray(payloadBytes))
    if (payload === undefined)
      throw this.damaged(offset, `a chunk of ${this.#path} is not the one that was written here`)
    this.#left -= rawBytes
    return { codec, payload, rawBytes, isLast: isKnown ? this.#left === 0 : rawBytes < CHUNK_BYTES, offset }
  }

  async #end(offset: number): Promise<undefined> {
    const head = await this.#take(END_BYTES - 1)
    const check = await this.#take(this.#seal.checkBytes)
    const isEnd = this.#seal.open(endPlace(this.#paths.size), new Uint8Array(0), check) !== undefined
    if (!isEnd || readU32(head, 0) !== this.#paths.size) throw this.damaged(offset, 'files are missing before the end')
    const more = await this.#source.take(1)
    if (more.length > 0) throw this.damaged(this.at, 'something lies behind the end')
    return undefined
  }

  async #take(length: number): Promise<Uint8Array> {
    const bytes = await this.#source.take(length)
    if (bytes.length < length) throw this.damaged(this.at, 'the archive ends here')
    this.at += length
    return bytes
  }

  /** What the sender says in place of the rest; `begun` has been read of it. */
  async #failure(begun: Uint8Array = new Uint8Array(0)): Promise<QuorateError> {
    let rest = begun
    const take = async (length: number): Promise<Uint8Array> => {
      const more = length > rest.length ? await this.#take(length - rest.length) : new Uint8Array(0)
      const taken = new Uint8Array(length)
      taken.set(rest.subarray(0, length))
      taken.set(more, Math.min(rest.length, length))
      rest = rest.subarray(length)
      return taken
    }
    const text = async (): Promise<string> => new TextDecoder().decode(await take(readU16(await take(2), 0)))
    const [code, message] = [await text(), await text()]
    const known = ERROR_CODES.find(one => one === code) satisfies ErrorCode | undefined
    return new QuorateError(known ?? 'unavailable', message)
  }
}

function damagedAt(file: string, offset: number, what: string, cause?: unknown): QuorateError {
  return new QuorateError('damaged', `${file} at ${offset}: ${what}`, { detail: { file, offset }, cause })
}
