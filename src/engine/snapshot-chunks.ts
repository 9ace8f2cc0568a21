import { ByteReader, ByteWriter, crc32, MalformedBytes, readU32, writeU32 } from '../encoding/index.ts'
import type { ImageRecord, LeafImage } from './keyspace/index.ts'

/**
 * Leaf images as they travel (docs/formats/snapshot.md): u32 CRC-32 of what follows, u8 format, u32 images, then each image.
 */
const FORMAT = 1
const IN_LINE = 0
const LARGE = 1
const LARGE_KNOWN = 2

/** An image whose large values that the receiver may lack are beside it. */
export interface TravellingImage {
  readonly image: LeafImage
  /** By index of the record. */
  readonly large: ReadonlyMap<number, Uint8Array>
}

/** Bytes that an image takes, about. */
export function imageBytes({ image, large }: TravellingImage): number {
  let bytes = 64
  for (const { key, value } of image.records) bytes += 48 + key.length + (value?.length ?? 0)
  for (const value of large.values()) bytes += value.length
  return bytes
}

export function encodeChunk(images: readonly TravellingImage[]): Uint8Array {
  const writer = new ByteWriter(65_536)
  writer.u32(0)
  writer.u8(FORMAT)
  writer.u32(images.length)
  for (const { image, large } of images) {
    writer.bytes16(image.lower)
    writer.u8(image.upper === undefined ? 0 : 1)
    writer.bytes16(image.upper ?? new Uint8Array(0))
    writer.u64(image.seq)
    writer.u32(image.records.length)
    image.records.forEach((record, i) => writeRecord(writer, record, large.get(i)))
  }
  const bytes = writer.finish()
  writeU32(bytes, 0, crc32(bytes.subarray(4)))
  return bytes
}

function writeRecord(writer: ByteWriter, record: ImageRecord, large: Uint8Array | undefined): void {
  writer.bytes16(record.key)
  writer.u64(record.versionSeq)
  writer.u64(record.createdSeq)
  writer.u64(record.expiresAtMicros)
  if (record.large === undefined) {
    writer.u8(IN_LINE)
    writer.bytes32(record.value!)
    return
  }
  writer.u8(large === undefined ? LARGE_KNOWN : LARGE)
  writer.u32(record.large.length)
  writer.u32(record.large.digest.lo)
  writer.u32(record.large.digest.hi)
  if (large !== undefined) writer.bytes32(large)
}

/** Keys, fences and values are views of `bytes`. @throws MalformedBytes if the chunk is not whole */
export function decodeChunk(bytes: Uint8Array): TravellingImage[] {
  if (bytes.length < 9 || readU32(bytes, 0) !== crc32(bytes.subarray(4))) throw new MalformedBytes('snapshot chunk')
  const reader = new ByteReader(bytes, 4)
  if (reader.u8() !== FORMAT) throw new MalformedBytes('snapshot chunk format')
  const images = Array.from({ length: reader.u32() }, () => readImage(reader))
  reader.expectEnd()
  return images
}

function readImage(reader: ByteReader): TravellingImage {
  const lower = reader.bytes16()
  const hasUpper = reader.u8() === 1
  const upper = reader.bytes16()
  const seq = reader.u64()
  const large = new Map<number, Uint8Array>()
  const records = Array.from({ length: reader.u32() }, (_, i) => readRecord(reader, i, large))
  return { image: { lower, upper: hasUpper ? upper : undefined, seq, records }, large }
}

function readRecord(reader: ByteReader, index: number, values: Map<number, Uint8Array>): ImageRecord {
  const key = reader.bytes16()
  const versionSeq = reader.u64()
  const createdSeq = reader.u64()
  const expiresAtMicros = reader.u64()
  const kind = reader.u8()
  if (kind === IN_LINE) {
    return { key, versionSeq, createdSeq, expiresAtMicros, value: reader.bytes32(), large: undefined }
  }
  if (kind > LARGE_KNOWN) throw new MalformedBytes('snapshot record')
  const length = reader.u32()
  const digest = { lo: reader.u32(), hi: reader.u32() }
  if (kind === LARGE) values.set(index, reader.bytes32())
  const large = { length, digest, travels: kind === LARGE }
  return { key, versionSeq, createdSeq, expiresAtMicros, value: undefined, large }
}
