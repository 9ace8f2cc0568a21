import { ByteReader, digestBytes, MalformedBytes, utf8Bytes, zeroDigest } from '../../encoding/index.ts'
import { FEATURE_LEVEL, QuorateError, VERSION } from '../../model/index.ts'
import type { Files, Platform } from '../../platform/index.ts'
import { ImageWriter, LARGE_REFERENCE_BYTES, recordHeaderBytes, writeLargeReference } from '../keyspace/index.ts'
import { writeRecordHeader } from '../keyspace/index.ts'
import { openOffline } from '../offline.ts'
import type { OfflineOptions } from '../offline.ts'
import type { ImageSource } from '../snapshots.ts'
import type { EngineStateMachine } from '../state-machine.ts'
import { buildDirectory, newGroupOfOne } from './build-directory.ts'
import type { DirectorySizes } from './build-directory.ts'
import { parentOf } from './file-tree.ts'
import { chunksOf } from './image-chunks.ts'
import { damaged, snapshotOf, stateOf } from './manifest.ts'
import type { BackupManifest } from './manifest.ts'
import { encodeRecord, ParitySum, recordsOfChunk } from './parity.ts'
import type { LogicalRecord, Parity } from './parity.ts'
import { DiskFileSink, readFramed, RecordFileWriter } from './record-file.ts'
import { asDamagedBackup } from './restoring.ts'

/** What a dump says of the state in it. */
export interface DumpHeader {
  readonly format: 1
  readonly minor: number
  readonly writtenBy: string
  readonly historyId: string
  readonly state: BackupManifest['state']
}

export interface DumpSummary extends DumpHeader {
  readonly parity: Parity
}

const DUMP_FORMAT = 1
const DUMP_MINOR = 0
const IMAGE_BYTES = 1 << 20
/** What a record of a dump is. Values are on disk: never reused. */
const Part = { header: 1, records: 2, end: 3 } as const
/** Values above travel behind their record; the receiver decides where it keeps them. */
const INLINE_BYTES_MAX = 2_048
const text = new TextDecoder()

/** The parity of what `source` gives, which is all of a state; closes it. */
export async function parityOfSource(source: ImageSource): Promise<Parity> {
  const sum = new ParitySum()
  try {
    for await (const chunk of chunksOf(source)) {
      for (const record of recordsOfChunk(chunk)) sum.add(record.key, encodeRecord(record))
    }
  } finally {
    source.close()
  }
  return sum.finish()
}

/** The parity of a directory that nobody serves, and the seq that it is of. @throws as `openOffline`; `damaged` where pages do not hold what they should */
export async function parityOfDirectory(
  platform: Platform,
  directory: string,
  options: OfflineOptions = {},
): Promise<DumpSummary> {
  const state = await openOffline(directory, platform, options)
  try {
    const source = state.machine.sourceSince(0)
    const header = headerOf(source)
    return { ...header, parity: await parityOfSource(source) }
  } finally {
    await state.close()
  }
}

/** The parity of a directory, or of a dump. @throws as `parityOfDirectory` and `parityOfDump` */
export async function parityOf(platform: Platform, path: string, options: OfflineOptions = {}): Promise<DumpSummary> {
  const isFile = (await platform.files.size(path)) !== undefined
  return isFile ? await parityOfDump(platform.files, path) : await parityOfDirectory(platform, path, options)
}

/**
 * Writes all records of a directory that nobody serves into the file `dump`, in key order, independent of pages. The file appears, synced, once it is whole.
 * @throws as `parityOfDirectory`; QuorateError `already_exists`
 */
export async function exportDump(
  platform: Platform,
  directory: string,
  dump: string,
  options: OfflineOptions = {},
): Promise<DumpSummary> {
  const { files } = platform
  if ((await files.size(dump)) !== undefined) throw new QuorateError('already_exists', `${dump} is there already`)
  const state = await openOffline(directory, platform, options)
  try {
    const partial = `${dump}.partial`
    await files.remove(partial)
    const summary = await writeDump(files, partial, state.machine.sourceSince(0))
    await files.rename(partial, dump)
    await files.syncDirectory(parentOf(dump))
    return summary
  } finally {
    await state.close()
  }
}

async function writeDump(files: Files, path: string, source: ImageSource): Promise<DumpSummary> {
  const header = headerOf(source)
  const writer = new RecordFileWriter(await DiskFileSink.create(files, path))
  const sum = new ParitySum()
  try {
    await writer.add(jsonPart(Part.header, header))
    for await (const chunk of chunksOf(source)) {
      const parts: Uint8Array[] = [Uint8Array.of(Part.records)]
      for (const record of recordsOfChunk(chunk)) {
        const bytes = encodeRecord(record)
        sum.add(record.key, bytes)
        parts.push(bytes)
      }
      await writer.add(Buffer.concat(parts))
    }
    const parity = sum.finish()
    await writer.add(jsonPart(Part.end, parity))
    await writer.finish()
    return { ...header, parity }
  } catch (error) {
    await writer.giveUp().catch(() => undefined)
    await files.remove(path).catch(() => undefined)
    throw error
  } finally {
    source.close()
  }
}

function headerOf({ manifest }: ImageSource): DumpHeader {
  const { historyId } = manifest
  return { format: DUMP_FORMAT, minor: DUMP_MINOR, writtenBy: VERSION, historyId, state: stateOf(manifest) }
}

function jsonPart(part: number, value: unknown): Uint8Array {
  const bytes = utf8Bytes(JSON.stringify(value))
  const record = new Uint8Array(1 + bytes.length)
  record[0] = part
  record.set(bytes, 1)
  return record
}

/** Reads a dump to its end, comparing every checksum and the parity. @throws QuorateError `damaged`, `unsupported_version`, `not_found` */
export async function parityOfDump(files: Files, dump: string): Promise<DumpSummary> {
  const reading = new DumpReading(files, dump)
  for await (const records of reading.blocks()) void records
  return reading.summary
}

class DumpReading {
  readonly #files: Files
  readonly #path: string
  #header: DumpHeader | undefined
  #parity: Parity | undefined

  constructor(files: Files, path: string) {
    this.#files = files
    this.#path = path
  }

  get header(): DumpHeader {
    if (this.#header === undefined) throw damaged(this.#path, 'this is no dump')
    return this.#header
  }

  get summary(): DumpSummary {
    return { ...this.header, parity: this.#parity! }
  }

  /** The header, then `each` is given its records. */
  async *blocks(): AsyncGenerator<LogicalRecord[]> {
    const sum = new ParitySum()
    if ((await this.#files.size(this.#path)) === undefined) {
      throw new QuorateError('not_found', `there is no file ${this.#path}`)
    }
    for await (const part of readFramed(this.#files, this.#path)) {
      if (this.#parity !== undefined) throw damaged(this.#path, 'something lies behind the end')
      if (part[0] === Part.header && this.#header === undefined) this.#header = this.#readHeader(part)
      else if (part[0] === Part.records && this.#header !== undefined) yield this.#readRecords(part, sum)
      else if (part[0] === Part.end && this.#header !== undefined) this.#parity = this.#readEnd(part, sum.finish())
      else throw damaged(this.#path, 'this is no dump')
    }
    if (this.#parity === undefined) throw damaged(this.#path, 'the dump ends before its end')
  }

  #readHeader(part: Uint8Array): DumpHeader {
    const header = this.#json(part) as DumpHeader
    const { format, state } = header
    if (format !== DUMP_FORMAT || state.featureLevel > FEATURE_LEVEL) {
      const found = `format ${String(format)}, feature level ${String(state?.featureLevel)}`
      throw new QuorateError('unsupported_version', `${this.#path} has ${found}, which this version does not know`)
    }
    return header
  }

  #readRecords(part: Uint8Array, sum: ParitySum): LogicalRecord[] {
    const records: LogicalRecord[] = []
    const reader = new ByteReader(part)
    reader.u8()
    try {
      while (reader.at < part.length) {
        const start = reader.at
        const key = reader.bytes16()
        const [versionSeq, createdSeq, expiresAtMicros] = [reader.u64(), reader.u64(), reader.u64()]
        records.push({ key, versionSeq, createdSeq, expiresAtMicros, value: reader.bytes32() })
        sum.add(key, part.subarray(start, reader.at))
      }
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      throw damaged(this.#path, 'a record is cut', 0, error)
    }
    return records
  }

  #readEnd(part: Uint8Array, found: Parity): Parity {
    const said = this.#json(part) as Parity
    const isSame = said.all === found.all && said.data === found.data && said.records === found.records
    if (!isSame) throw damaged(this.#path, 'the records are not those that were dumped')
    return said
  }

  #json(part: Uint8Array): unknown {
    try {
      return JSON.parse(text.decode(part.subarray(1)))
    } catch (error) {
      throw damaged(this.#path, 'this is no dump', 0, error)
    }
  }
}

/**
 * Makes a data directory of a dump: the same records, in pages of its own. It begins a history of its own, a group of one.
 * @throws QuorateError as `parityOfDump`; `invalid_argument` if the directory is not empty
 */
export async function restoreDump(
  platform: Platform,
  dump: string,
  target: string,
  sizes: DirectorySizes = {},
): Promise<{ seq: number; newSeq: number; historyId: string; parity: Parity }> {
  // Nothing is made of a dump that is not whole.
  const summary = await parityOfDump(platform.files, dump)
  const { state, parity } = summary
  const built = await buildDirectory(platform, target, {
    ...sizes,
    highestSeq: state.seq,
    fill: machine => install(platform.files, dump, summary, machine),
    group: directoryId => newGroupOfOne(platform, directoryId),
  })
  return { seq: state.seq, ...built, parity }
}

async function install(files: Files, dump: string, header: DumpHeader, machine: EngineStateMachine): Promise<void> {
  const sink = await machine.beginInstall(snapshotOf(header))
  let lower: Uint8Array = new Uint8Array(0)
  // An image ends where the next one begins.
  let waiting: readonly LogicalRecord[] = []
  const write = async (upper: Uint8Array | undefined): Promise<void> => {
    await sink.write({ bytes: imageOf(waiting, lower, upper, header.state.seq), fence: upper ?? new Uint8Array(0) })
    lower = upper ?? lower
  }
  try {
    for await (const records of new DumpReading(files, dump).blocks()) {
      if (records.length === 0) continue
      if (waiting.length > 0) await write(records[0]!.key)
      waiting = records
    }
    await write(undefined)
    await sink.commit()
  } catch (error) {
    throw asDamagedBackup(dump, error)
  }
}

/** One image with these records, none of which changed after `seq`. */
function imageOf(
  records: readonly LogicalRecord[],
  lower: Uint8Array,
  upper: Uint8Array | undefined,
  seq: number,
): Uint8Array {
  const writer = new ImageWriter(IMAGE_BYTES)
  writer.begin(lower, upper, seq, records.length, new Uint8Array(0))
  for (const { key, versionSeq, createdSeq, expiresAtMicros, value } of records) {
    const isLarge = value.length > INLINE_BYTES_MAX
    const header = recordHeaderBytes(versionSeq, createdSeq, expiresAtMicros)
    const at = writer.record(key.length, header + (isLarge ? LARGE_REFERENCE_BYTES : value.length))
    const bytes = writer.room(0)
    bytes.set(key, at)
    const valueAt = writeRecordHeader(bytes, at + key.length, versionSeq, createdSeq, expiresAtMicros, isLarge)
    if (!isLarge) {
      bytes.set(value, valueAt)
      continue
    }
    const digest = zeroDigest()
    digestBytes(digest, value, 0, value.length)
    writeLargeReference(bytes, valueAt, value.length, digest.lo, digest.hi, true)
    writer.value(value)
  }
  return writer.finish()
}
