import { ByteReader, ByteWriter, MalformedBytes, readU32, readU64, writeU64 } from './bytes.ts'
import { bigEndianToBigint, bigEndianToSigned, bigintToBigEndian, signedToBigEndian } from './big-endian.ts'

/**
 * What applying a transaction gave: the same bytes in the session window and on the client wire (docs/formats/outcome.md).
 *
 *   0 u8 format (1)   1 u8 status (0 committed, 1 refused)   2 u16 zero   4 u64 seq
 *   committed: u32 results, then each: u8 tag (0 none, 1 u64, 2 u256, 3 boolean, 4 negative i64) and its bytes, big-endian
 *   refused: text16 code, text16 message, u8 has detail, [u32 index, u64 actual seq]
 */
export type Outcome =
  | { status: 'committed'; seq: number; results: readonly MutationResult[] }
  | { status: 'refused'; seq: number; code: string; message: string; detail?: RefusalDetail }

/**
 * What a mutation answers: the number that a key then holds; how many rows were inserted, changed or deleted (`delete`: whether there was
 * one); whether a DDL operation changed anything; else undefined.
 */
export type MutationResult = bigint | boolean | undefined

/** Which item refused, and what was found in its place. */
export interface RefusalDetail {
  /** Index of the assertion, read-set item or mutation within its kind. */
  index: number
  /** The version found; 0 = absent. */
  actualSeq: number
}

const COMMITTED_PLAIN_BYTES = 16

/** A committed outcome without results: what most writes answer. `results` counts mutations that answer nothing. */
export function encodePlainCommit(seq: number): Uint8Array {
  const bytes = new Uint8Array(COMMITTED_PLAIN_BYTES)
  bytes[0] = 1
  writeU64(bytes, 4, seq)
  return bytes
}

function writeHead(writer: ByteWriter, status: number, seq: number): void {
  writer.u8(1)
  writer.u8(status)
  writer.u16(0)
  writer.u64(seq)
}

export function encodeOutcome(outcome: Outcome): Uint8Array {
  const writer = new ByteWriter(64)
  if (outcome.status === 'committed') {
    writeHead(writer, 0, outcome.seq)
    writer.u32(outcome.results.length)
    for (const result of outcome.results) writeResult(writer, result)
    return writer.finish()
  }
  writeHead(writer, 1, outcome.seq)
  writer.text16(outcome.code)
  writer.text16(outcome.message)
  writer.u8(outcome.detail === undefined ? 0 : 1)
  if (outcome.detail !== undefined) {
    writer.u32(outcome.detail.index)
    writer.u64(outcome.detail.actualSeq)
  }
  return writer.finish()
}

function writeResult(writer: ByteWriter, result: MutationResult): void {
  if (result === undefined) writer.u8(0)
  else if (typeof result === 'boolean') {
    writer.u8(3)
    writer.u8(result ? 1 : 0)
  } else if (result < 0n) {
    writer.u8(4)
    writer.raw(signedToBigEndian(result))
  } else if (result < 1n << 64n) {
    writer.u8(1)
    writer.raw(bigintToBigEndian(result, 64))
  } else {
    writer.u8(2)
    writer.raw(bigintToBigEndian(result, 256))
  }
}

/** The seq of a committed outcome without results, read in place; undefined for any other. Hot path: most writes answer this. */
export function plainCommitSeq(bytes: Uint8Array): number | undefined {
  const isPlain = bytes.length === COMMITTED_PLAIN_BYTES && readU32(bytes, 0) === 1 && readU32(bytes, 12) === 0
  return isPlain ? readU64(bytes, 4) : undefined
}

export function decodeOutcome(bytes: Uint8Array): Outcome {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== 1) throw new MalformedBytes('outcome format')
  const status = reader.u8()
  if (reader.u16() !== 0 || status > 1) throw new MalformedBytes('outcome status')
  const seq = reader.u64()
  const outcome = status === 0 ? readCommitted(reader, seq) : readRefused(reader, seq)
  reader.expectEnd()
  return outcome
}

function readCommitted(reader: ByteReader, seq: number): Outcome {
  const count = reader.u32()
  if (count > reader.remaining) throw new MalformedBytes('outcome results')
  const results: MutationResult[] = []
  for (let i = 0; i < count; i++) {
    const tag = reader.u8()
    if (tag === 0) results.push(undefined)
    else if (tag === 1 || tag === 2) results.push(bigEndianToBigint(reader.raw(tag === 1 ? 8 : 32)))
    else if (tag === 3) results.push(reader.u8() === 1)
    else if (tag === 4) results.push(readNegative(reader))
    else throw new MalformedBytes('outcome result')
  }
  return { status: 'committed', seq, results }
}

function readNegative(reader: ByteReader): bigint {
  const value = bigEndianToSigned(reader.raw(8))
  if (value >= 0n) throw new MalformedBytes('outcome result')
  return value
}

function readRefused(reader: ByteReader, seq: number): Outcome {
  const code = reader.text16()
  const message = reader.text16()
  if (reader.u8() === 0) return { status: 'refused', seq, code, message }
  return { status: 'refused', seq, code, message, detail: { index: reader.u32(), actualSeq: reader.u64() } }
}
