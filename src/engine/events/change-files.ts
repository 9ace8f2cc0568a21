import {
  crc32,
  crc32ByTable,
  crc32From,
  readU32,
  readU64,
  utf8Bytes,
  writeU32,
  writeU64,
} from '../../encoding/index.ts'
import { FileError } from '../../platform/index.ts'
import type { File, Files } from '../../platform/index.ts'
import { BOX_BYTES } from '../../sealing/index.ts'
import type { Seal } from '../../sealing/index.ts'
import type { ChangeHistory } from './watch-hub.ts'

const HEADER_BYTES = 32
/** A file is closed when it is this large; so many are kept. */
const FILE_BYTES_MAX = 8_388_608
const FILES_MAX = 4
/** Publications are handed to the file together when they are this large, and before a checkpoint. */
const PENDING_BYTES_MAX = 65_536
const SPARE_BYTES = 2 * PENDING_BYTES_MAX
const SPARE_MAX = 4
/** The file of runs that are in memory only; lower than any other, so that these are forgotten first. */
const NO_FILE = -1
/** Before the box of a sealed run: its length and CRC-32. */
const CHUNK_HEADER_BYTES = 8
const CONTEXT = utf8Bytes('changes')
const NAME = /^(\d{8})\.chg$/

/** What the entries `firstSeq` to `lastSeq` changed. */
export interface ChangePart {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly groups: Uint8Array
}

/** The effect chain after a publication's groups and before them: both are CRC-32 of the same bytes as that of a record. */
export interface Chained {
  before: number
  after: number
}

/** Records that lie one after the other in a file, or still in memory (`bytes`). */
interface Run {
  readonly file: number
  readonly offset: number
  readonly length: number
  readonly lastSeq: number
  bytes: Uint8Array | undefined
}

/**
 * The `changes/` directory (docs/formats/changes.md): what was published, for watches that resume. It is not synced and proves
 * nothing: where it cannot be written or read it forgets, and watches start over.
 */
export class ChangeFiles implements ChangeHistory {
  readonly #files: Files
  readonly #directory: string
  readonly #runs: Run[] = []
  readonly #open = new Map<number, File>()
  #knownAfterSeq: number
  #file = 0
  #offset = 0
  /** Records not yet handed to the file, in the first `#pendingBytes` bytes. */
  #pending: Uint8Array = new Uint8Array(0)
  #pendingBytes = 0
  #pendingSeq = 0
  /** Memory of runs that have been written, for the next ones: so much is dear to allocate. */
  readonly #spare: Uint8Array[] = []
  #writing: Promise<void> = Promise.resolve()
  #isBroken = false

  readonly #seal: Seal | undefined

  private constructor(files: Files, directory: string, seq: number, seal: Seal | undefined) {
    this.#seal = seal
    this.#files = files
    this.#directory = directory
    this.#knownAfterSeq = seq
  }

  /** What the directory knows up to the root {seq, entryChain}; everything else in it is removed. */
  static async open(
    files: Files,
    directory: string,
    seq: number,
    entryChain: number,
    seal?: Seal,
  ): Promise<ChangeFiles> {
    const changes = new ChangeFiles(files, directory, seq, seal)
    try {
      await files.makeDirectory(directory)
      await changes.#recover(seq, entryChain)
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      changes.#breakOff()
    }
    return changes
  }

  /** Without a directory: what is published from now on, as far as memory may hold it. */
  static inMemory(files: Files, seq: number): ChangeFiles {
    const changes = new ChangeFiles(files, '', seq, undefined)
    changes.#breakOff()
    return changes
  }

  get knownAfterSeq(): number {
    return this.#knownAfterSeq
  }

  /** hot path (bench/apply): adds the publication of the entries `firstSeq` to `lastSeq`; `chained` is what is known of `groups`. */
  append(firstSeq: number, lastSeq: number, entryChain: number, groups: Uint8Array, chained?: Chained): void {
    const length = HEADER_BYTES + groups.length
    const at = this.#pendingBytes
    if (at + length > this.#pending.length) this.#growPending(length)
    writeRecord(this.#pending, at, firstSeq, lastSeq, entryChain, groups, chained)
    this.#pendingBytes += length
    this.#pendingSeq = lastSeq
    if (this.#pendingBytes >= PENDING_BYTES_MAX) this.flush()
  }

  #growPending(length: number): void {
    const needed = this.#pendingBytes + length
    const spare = needed <= SPARE_BYTES ? this.#spare.pop() : undefined
    const grown = spare ?? new Uint8Array(Math.max(SPARE_BYTES, needed))
    grown.set(this.#pending.subarray(0, this.#pendingBytes))
    this.#pending = grown
  }

  /** Hands what is pending to the file, without waiting for it. */
  flush(): void {
    if (this.#pendingBytes === 0) return
    const bytes = this.#pending.subarray(0, this.#pendingBytes)
    const length = this.#seal === undefined ? bytes.length : CHUNK_HEADER_BYTES + BOX_BYTES + bytes.length
    const run: Run = {
      file: this.#file,
      offset: this.#offset,
      length,
      lastSeq: this.#pendingSeq,
      bytes,
    }
    this.#pending = new Uint8Array(0)
    this.#pendingBytes = 0
    this.#runs.push(run)
    this.#offset += length
    if (this.#offset >= FILE_BYTES_MAX) {
      this.#file++
      this.#offset = 0
    }
    this.#queue(() => this.#write(run))
    this.#forgetOldest()
  }

  async read(seq: number): Promise<{ bytes: Uint8Array; lastSeq: number } | undefined> {
    if (seq < this.#knownAfterSeq) return undefined
    const run = this.#runs.find(({ lastSeq }) => lastSeq > seq)
    if (run === undefined) {
      if (this.#pendingBytes === 0) return undefined
      return { bytes: groupsOf(this.#pending.subarray(0, this.#pendingBytes)), lastSeq: this.#pendingSeq }
    }
    const bytes = run.bytes ?? (await this.#load(run))
    return bytes === undefined ? undefined : { bytes: groupsOf(bytes), lastSeq: run.lastSeq }
  }

  /**
   * Makes everything after `afterSeq` known, which `parts` lead to from there through `throughSeq`. They stay in memory. False if what is
   * known no longer begins at `throughSeq`.
   */
  prepend(afterSeq: number, throughSeq: number, parts: readonly ChangePart[]): boolean {
    if (this.#knownAfterSeq !== throughSeq) return false
    const runs = parts.map(({ firstSeq, lastSeq, groups }) => {
      const bytes = new Uint8Array(HEADER_BYTES + groups.length)
      writeRecord(bytes, 0, firstSeq, lastSeq, 0, groups)
      return { file: NO_FILE, offset: 0, length: bytes.length, lastSeq, bytes }
    })
    this.#runs.unshift(...runs)
    this.#knownAfterSeq = afterSeq
    return true
  }

  /** Forgets everything up to `seq`: the state was installed, not reached by entries. */
  async startOver(seq: number): Promise<void> {
    this.#pendingBytes = 0
    await this.#writing
    const numbers = [...this.#open.keys()]
    this.#queue(() => this.#startOver(numbers))
    await this.#writing
    this.#runs.length = 0
    this.#knownAfterSeq = seq
  }

  async close(): Promise<void> {
    this.flush()
    await this.#writing
    for (const file of this.#open.values()) await file.close()
    this.#open.clear()
  }

  /** One call to the disk after the other; the first failure is the last. */
  #queue(task: () => Promise<void>): void {
    this.#writing = this.#writing.then(task).then(undefined, () => this.#breakOff())
  }

  async #write(run: Run): Promise<void> {
    if (this.#isBroken || run.bytes === undefined) return
    const file = this.#open.get(run.file) ?? (await this.#create(run.file))
    const { bytes } = run
    await file.write(this.#seal === undefined ? bytes : sealedRun(this.#seal, run, bytes), run.offset)
    run.bytes = undefined
    if (bytes.buffer.byteLength !== SPARE_BYTES || this.#spare.length === SPARE_MAX) return
    this.#spare.push(new Uint8Array(bytes.buffer))
  }

  async #create(number: number): Promise<File> {
    const path = this.#path(number)
    await this.#files.remove(path)
    const file = await this.#files.open(path, 'create')
    this.#open.set(number, file)
    return file
  }

  async #load(run: Run): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(run.length)
    const read = await this.#open.get(run.file)?.read(bytes, run.offset)
    if (read !== run.length) return undefined
    const records = this.#seal === undefined ? bytes : openedRun(this.#seal, run.file, run.offset, bytes)
    return records !== undefined && isWhole(records) ? records : undefined
  }

  /** The oldest file goes when there are too many; without a file, what memory may hold. */
  #forgetOldest(): void {
    const oldest = this.#file - FILES_MAX + 1
    let gone = 0
    while (gone < this.#runs.length && this.#runs[gone]!.file < oldest) gone++
    if (this.#isBroken) gone = Math.max(gone, this.#runs.length - FILE_BYTES_MAX / PENDING_BYTES_MAX)
    if (gone === 0) return
    const removed = this.#runs.splice(0, gone)
    this.#knownAfterSeq = removed.at(-1)!.lastSeq
    for (const number of new Set(removed.map(({ file }) => file))) {
      if (number >= oldest) continue
      const file = this.#open.get(number)
      this.#open.delete(number)
      this.#queue(() => this.#remove(number, file))
    }
  }

  async #remove(number: number, file: File | undefined): Promise<void> {
    await file?.close()
    await this.#files.remove(this.#path(number))
  }

  /** The disk failed: from now on only what is in memory is known. */
  #breakOff(): void {
    this.#isBroken = true
    const lost = this.#runs.findLastIndex(({ bytes }) => bytes === undefined)
    if (lost < 0) return
    this.#knownAfterSeq = this.#runs[lost]!.lastSeq
    this.#runs.splice(0, lost + 1)
  }

  async #recover(seq: number, entryChain: number): Promise<void> {
    const names = await this.#files.list(this.#directory)
    const numbers = names.flatMap(name => NAME.exec(name)?.[1] ?? []).map(Number)
    let expected = -1
    let known = -1
    let isFound = false
    for (const number of numbers) {
      if (isFound) {
        await this.#files.remove(this.#path(number))
        continue
      }
      const file = await this.#files.open(this.#path(number), 'readWrite')
      this.#open.set(number, file)
      const bytes = new Uint8Array(file.sizeSync())
      await file.read(bytes, 0)
      let at = 0
      for (;;) {
        const found = this.#runAt(number, bytes, at)
        if (found === undefined || isFound) break
        if (found.firstSeq !== expected) {
          this.#runs.length = 0
          known = found.firstSeq - 1
        }
        const { length, lastSeq } = found
        expected = lastSeq + 1
        this.#runs.push({ file: number, offset: at, length, lastSeq, bytes: undefined })
        isFound = lastSeq === seq && found.entryChain === entryChain
        at += length
      }
      // What follows is of a time that is gone: it must not be taken for what is appended here.
      if (isFound) await file.truncate(at)
      this.#file = number
      this.#offset = at
    }
    if (isFound) this.#knownAfterSeq = known
    else await this.#startOver(numbers)
  }

  /** The record, or sealed run of records, at `at` of a file. */
  #runAt(number: number, bytes: Uint8Array, at: number): FoundRun | undefined {
    if (this.#seal !== undefined) return sealedRunAt(this.#seal, number, bytes, at)
    const end = recordEnd(bytes, at)
    if (end === undefined) return undefined
    return { ...rangeOf(bytes, at, at), length: end - at }
  }

  async #startOver(numbers: readonly number[]): Promise<void> {
    this.#runs.length = 0
    for (const file of this.#open.values()) await file.close()
    this.#open.clear()
    for (const number of numbers) await this.#files.remove(this.#path(number))
    this.#file = 0
    this.#offset = 0
  }

  #path(number: number): string {
    return `${this.#directory}/${String(number).padStart(8, '0')}.chg`
  }
}

/** What was found of a run in a file; `entryChain` is that after its last entry. */
interface FoundRun {
  readonly firstSeq: number
  readonly lastSeq: number
  readonly entryChain: number
  readonly length: number
}

function rangeOf(records: Uint8Array, first: number, last: number): Omit<FoundRun, 'length'> {
  return {
    firstSeq: readU64(records, first + 8),
    lastSeq: readU64(records, last + 16),
    entryChain: readU32(records, last + 24),
  }
}

/** A run as it goes to the file of a sealed directory: its length and CRC-32, then its records in a box. */
function sealedRun(seal: Seal, { file, offset }: Run, records: Uint8Array): Uint8Array {
  const box = seal.wrap(contextOf(file, offset), records)
  const chunk = new Uint8Array(CHUNK_HEADER_BYTES + box.length)
  writeU32(chunk, 0, chunk.length)
  writeU32(chunk, 4, crc32(box))
  chunk.set(box, CHUNK_HEADER_BYTES)
  return chunk
}

/** The records of a sealed run; undefined if `chunk` is not one of this directory and place. */
function openedRun(seal: Seal, file: number, offset: number, chunk: Uint8Array): Uint8Array | undefined {
  const box = chunk.subarray(CHUNK_HEADER_BYTES)
  if (readU32(chunk, 0) !== chunk.length || readU32(chunk, 4) !== crc32(box)) return undefined
  return seal.unwrap(contextOf(file, offset), box)
}

function sealedRunAt(seal: Seal, file: number, bytes: Uint8Array, at: number): FoundRun | undefined {
  if (bytes.length - at < CHUNK_HEADER_BYTES + BOX_BYTES) return undefined
  const length = readU32(bytes, at)
  if (length < CHUNK_HEADER_BYTES + BOX_BYTES || at + length > bytes.length) return undefined
  const records = openedRun(seal, file, at, bytes.subarray(at, at + length))
  if (records === undefined || records.length === 0 || !isWhole(records)) return undefined
  let last = 0
  for (let next = readU32(records, 0); next < records.length; next += readU32(records, next)) last = next
  return { ...rangeOf(records, 0, last), length }
}

function contextOf(file: number, offset: number): Uint8Array {
  const context = new Uint8Array(CONTEXT.length + 8)
  context.set(CONTEXT)
  writeU32(context, CONTEXT.length, file)
  writeU32(context, CONTEXT.length + 4, offset)
  return context
}

/** Lays a record from `at` of `target`, where there is room for header and groups. */
function writeRecord(
  target: Uint8Array,
  at: number,
  firstSeq: number,
  lastSeq: number,
  entryChain: number,
  groups: Uint8Array,
  chained?: Chained,
): void {
  const groupsAt = at + HEADER_BYTES
  writeU32(target, at, HEADER_BYTES + groups.length)
  writeU64(target, at + 8, firstSeq)
  writeU64(target, at + 16, lastSeq)
  writeU32(target, at + 24, entryChain)
  writeU32(target, at + 28, 0)
  target.set(groups, groupsAt)
  const seed = crc32ByTable(target, 0, at + 8, groupsAt)
  const checksum =
    chained === undefined ? crc32(groups, seed) : crc32From(chained.after, chained.before, seed, groups.length)
  writeU32(target, at + 4, checksum)
}

function concatenate(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Where the record at `at` ends, if there is a whole one. */
function recordEnd(bytes: Uint8Array, at: number): number | undefined {
  if (bytes.length - at < HEADER_BYTES) return undefined
  const end = at + readU32(bytes, at)
  if (end - at < HEADER_BYTES || end > bytes.length) return undefined
  return crc32(bytes.subarray(at + 8, end)) === readU32(bytes, at + 4) ? end : undefined
}

function isWhole(bytes: Uint8Array): boolean {
  let at = 0
  while (at < bytes.length) {
    const end = recordEnd(bytes, at)
    if (end === undefined) return false
    at = end
  }
  return true
}

/** The groups of whole records, without the records' headers. */
function groupsOf(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  let length = 0
  for (let at = 0; at < bytes.length;) {
    const end = at + readU32(bytes, at)
    parts.push(bytes.subarray(at + HEADER_BYTES, end))
    length += end - at - HEADER_BYTES
    at = end
  }
  return concatenate(parts, length)
}
