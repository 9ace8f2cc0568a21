import type { Digest64 } from '../../encoding/index.ts'
import { ByteReader, ByteWriter, crc32, MalformedBytes, readU32, writeU32 } from '../../encoding/index.ts'
import type { Seal } from '../../sealing/index.ts'
import { readChecksum, writeChecksum } from './checksum.ts'
import type { Checksum } from './checksum.ts'
import { CHECKSUM_BYTES, PAGE_SIZES, SUPERBLOCK_SPACING_BYTES } from './layout.ts'

/** What a published root carries besides its pages (DESIGN 5, checkpoint). */
export interface SuperblockMeta {
  readonly term: number
  readonly entryChain: number
  readonly effectChain: number
  readonly leaderTimeMicros: number
  readonly featureLevel: number
  /** The group's configuration as encoded by its owner. */
  readonly membership: Uint8Array
  /** Digests of earlier seqs, as encoded by their owner. */
  readonly digests: Uint8Array
}

/** Which database, group and copy of the disk a page file belongs to. */
export interface KeyspaceIdentity {
  /** 16 bytes. */
  readonly historyId: Uint8Array
  readonly groupId: number
  /** 16 bytes. */
  readonly directoryId: Uint8Array
}

/** Where a page lies and what its content must be. */
export interface PagePointer {
  readonly page: number
  /** Seq of the last change below; 0 where that means nothing. */
  readonly seq: number
  readonly checksum: Checksum
}

/** A durable root: all that an opening needs besides pages. */
export interface SuperblockState extends SuperblockMeta, KeyspaceIdentity {
  /** Counts checkpoints; the higher of the two counts. */
  readonly number: number
  readonly kind: 'checkpoint' | 'install'
  readonly pageBytes: number
  readonly seq: number
  readonly epoch: number
  readonly root: PagePointer
  /** First page of the map directory; it covers pages up to `end`. */
  readonly map: PagePointer
  readonly end: number
  /** First page of the space digests, and their bytes. */
  readonly spaces: PagePointer
  readonly spacesBytes: number
  readonly digestS: Digest64
  readonly records: number
}

const MAGIC = Uint8Array.of(0x51, 0x52, 0x54, 0x50, 0x41, 0x47, 0x45, 0x53) // QRTPAGES
/** 2: with recorded digests; 3: spaces with the bytes that they hold. */
const FORMAT = 3
/** The same; what follows the first 40 bytes is in a box (`Seal.wrap`). */
const FORMAT_SEALED = 4
/** Which checksums pages have. */
const CHECKSUM_CRC32 = 0
const CHECKSUM_SHA256 = 1
/** What says which file this is, of what pages; the rest is sealed. */
const HEAD_BYTES = 40
const NOT_SEALED = "a superblock that is not sealed with this directory's keys"
const AT_LENGTH = 12
const AT_CHECKSUM = 16
const BODY = AT_CHECKSUM + CHECKSUM_BYTES
const KINDS = ['', 'checkpoint', 'install'] as const

export function encodeSuperblock(state: SuperblockState, seal?: Seal): Uint8Array {
  const writer = new ByteWriter(512)
  writer.raw(MAGIC)
  writer.u32(seal === undefined ? FORMAT : FORMAT_SEALED)
  writer.u32(0)
  writer.raw(new Uint8Array(CHECKSUM_BYTES))
  writer.u32(state.pageBytes)
  writer.u8(KINDS.indexOf(state.kind))
  writer.u8(seal?.isSigning === true ? CHECKSUM_SHA256 : CHECKSUM_CRC32)
  writer.raw(new Uint8Array(2))
  for (const number of [state.number, state.seq, state.epoch, state.term, state.end]) writer.u64(number)
  for (const pointer of [state.root, state.map, state.spaces]) writePointer(writer, pointer)
  writer.u64(state.spacesBytes)
  writer.u64(state.records)
  writer.u32(state.digestS.lo)
  writer.u32(state.digestS.hi)
  for (const number of [state.entryChain, state.effectChain, state.leaderTimeMicros, state.featureLevel]) {
    writer.u64(number)
  }
  writer.u64(state.groupId)
  writer.bytes16(state.historyId)
  writer.bytes16(state.directoryId)
  writer.bytes32(state.membership)
  writer.bytes32(state.digests)
  const bytes = seal === undefined ? writer.finish() : sealed(writer.finish(), seal)
  if (bytes.length > SUPERBLOCK_SPACING_BYTES) throw new RangeError(`a superblock of ${bytes.length} bytes`)
  writeU32(bytes, AT_LENGTH, bytes.length)
  writeU32(bytes, AT_CHECKSUM, checksumOf(bytes))
  return bytes
}

/** The head stays as it is, all behind it goes into a box that vouches for the head, too. */
function sealed(bytes: Uint8Array, seal: Seal): Uint8Array {
  const head = bytes.subarray(0, HEAD_BYTES)
  const box = seal.wrap(head, bytes.subarray(HEAD_BYTES))
  const whole = new Uint8Array(HEAD_BYTES + box.length)
  whole.set(head)
  whole.set(box, HEAD_BYTES)
  return whole
}

/** The reverse: the bytes as they would be without a seal. @throws MalformedBytes */
function opened(bytes: Uint8Array, seal: Seal): Uint8Array {
  const head = bytes.slice(0, HEAD_BYTES)
  head.fill(0, AT_LENGTH, BODY)
  const body = seal.unwrap(head, bytes.subarray(HEAD_BYTES))
  if (body === undefined) throw new MalformedBytes(NOT_SEALED)
  const whole = new Uint8Array(HEAD_BYTES + body.length)
  whole.set(head)
  whole.set(body, HEAD_BYTES)
  return whole
}

/** CRC-32 of everything but the checksum's own 16 bytes. */
function checksumOf(bytes: Uint8Array): number {
  return crc32(bytes.subarray(BODY), crc32(bytes.subarray(0, AT_CHECKSUM)))
}

/** The superblock at the start of `area`, or undefined if there is none that holds (never written, or torn). */
export function decodeSuperblock(area: Uint8Array, seal?: Seal): SuperblockState | undefined {
  for (let i = 0; i < MAGIC.length; i++) if (area[i] !== MAGIC[i]) return undefined
  const length = readU32(area, AT_LENGTH)
  if (length < BODY || length > area.length) return undefined
  const bytes = area.subarray(0, length)
  if (readU32(bytes, AT_CHECKSUM) !== checksumOf(bytes)) return undefined
  // The checksum does not cover its own field, of which a CRC-32 leaves 12 bytes zero.
  if (bytes.subarray(AT_CHECKSUM + 4, BODY).some(byte => byte !== 0)) return undefined
  const format = readU32(bytes, 8)
  if (format !== FORMAT && format !== FORMAT_SEALED) throw new MalformedBytes(`superblock of format ${format}`)
  if ((format === FORMAT_SEALED) !== (seal !== undefined)) throw new MalformedBytes(NOT_SEALED)
  const state = seal === undefined ? bytes : opened(bytes, seal)
  return decodeBody(new ByteReader(state, BODY), seal?.isSigning === true ? CHECKSUM_SHA256 : CHECKSUM_CRC32)
}

/** How many bytes the superblock at the start of `area` says it has; those before its checksum if that cannot be. */
export function superblockBytes(area: Uint8Array): number {
  const length = readU32(area, AT_LENGTH)
  return length < BODY || length > area.length ? BODY : length
}

function decodeBody(reader: ByteReader, checksumKind: number): SuperblockState {
  const pageBytes = reader.u32()
  const kind = KINDS[reader.u8()]
  const checksums = reader.u8()
  if (checksums !== checksumKind) throw new MalformedBytes(`checksums of kind ${checksums}`)
  reader.raw(2)
  if (!PAGE_SIZES.includes(pageBytes) || kind === undefined || kind === '') {
    throw new MalformedBytes(`superblock with pages of ${pageBytes} bytes`)
  }
  const [number, seq, epoch, term, end] = [reader.u64(), reader.u64(), reader.u64(), reader.u64(), reader.u64()]
  const [root, map, spaces] = [readPointer(reader), readPointer(reader), readPointer(reader)]
  const [spacesBytes, records] = [reader.u64(), reader.u64()]
  const digestS = { lo: reader.u32(), hi: reader.u32() }
  const [entryChain, effectChain, leaderTimeMicros] = [reader.u64(), reader.u64(), reader.u64()]
  const [featureLevel, groupId] = [reader.u64(), reader.u64()]
  const [historyId, directoryId] = [reader.bytes16().slice(), reader.bytes16().slice()]
  const membership = reader.bytes32().slice()
  const digests = reader.bytes32().slice()
  reader.expectEnd()
  const places = { pageBytes, kind, number, seq, epoch, end, root, map, spaces, spacesBytes, records, digestS }
  const meta = { term, entryChain, effectChain, leaderTimeMicros, featureLevel, membership, digests }
  return { ...places, ...meta, historyId, groupId, directoryId }
}

function writePointer(writer: ByteWriter, pointer: PagePointer): void {
  writer.u32(pointer.page)
  writer.u64(pointer.seq)
  const checksum = new Uint8Array(CHECKSUM_BYTES)
  writeChecksum(checksum, 0, pointer.checksum)
  writer.raw(checksum)
}

function readPointer(reader: ByteReader): PagePointer {
  const page = reader.u32()
  const seq = reader.u64()
  const checksum = readChecksum(reader.raw(CHECKSUM_BYTES), 0)
  return { page, seq, checksum }
}
