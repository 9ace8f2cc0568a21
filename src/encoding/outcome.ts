import { ByteReader, ByteWriter, MalformedBytes, readU32, readU64, writeU64 } from './bytes.ts'
import { readCondition, writeCondition } from './failed-condition.ts'
import type { FailedCondition } from './failed-condition.ts'
import { bigEndianToBigint, bigEndianToSigned, bigintToBigEndian, signedToBigEndian } from './big-endian.ts'

/**
 * What applying a transaction gave: the same bytes in the session window and on the client wire (docs/formats/outcome.md).
 *
 *   0 u8 format (1)   1 u8 status (0 committed, 1 refused)   2 u16 flags (1 = repeated; only committed, never recorded)   4 u64 seq
 *   committed: u32 results, then each: u8 tag (0 none, 1 u64, 2 u256, 3 boolean, 4 negative i64) and its bytes, big-endian
 *   refused: text16 code, text16 message, u8 detail (0 none, 1 of the item, 2 and of the condition), [u32 index, u64 actual seq, [condition]]
 */
export type Outcome =
  | {
      status: 'committed'
      seq: number
      results: readonly MutationResult[]
      /** The transaction had been applied before, at `seq`: this answers a repetition of it. Absent = it is the first answer. */
      isDuplicate?: true
    }
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
  /** Of `assertion_failed`. */
  condition?: FailedCondition
}

const COMMITTED_PLAIN_BYTES = 16
const STATUS_AT = 1
const FLAGS_AT = 2
const REPEATED = 1

/** A committed outcome without results: what most writes answer. `results` counts mutations that answer nothing. */
export function encodePlainCommit(seq: number): Uint8Array {
  const bytes = new Uint8Array(COMMITTED_PLAIN_BYTES)
  bytes[0] = 1
  writeU64(bytes, 4, seq)
  return bytes
}

/** Whether the transaction was committed, read in place. */
export function isCommittedOutcome(outcome: Uint8Array): boolean {
  return outcome[STATUS_AT] === 0
}

/** The answer to a repetition of what gave `outcome`: a copy that tells so. Refusals stay as they are. */
export function repeatedOutcome(outcome: Uint8Array): Uint8Array {
  if (!isCommittedOutcome(outcome)) return outcome
  const repeated = outcome.slice()
  repeated[FLAGS_AT] = REPEATED
  return repeated
}

/** What was answered first, by the answer to a repetition; any other outcome is its own first answer. */
export function firstOutcome(outcome: Uint8Array): Uint8Array {
  if (outcome[FLAGS_AT] !== REPEATED) return outcome
  const first = outcome.slice()
  first[FLAGS_AT] = 0
  return first
}

function writeHead(writer: ByteWriter, status: number, seq: number, flags: number): void {
  writer.u8(1)
  writer.u8(status)
  writer.u16(flags)
  writer.u64(seq)
}

export function encodeOutcome(outcome: Outcome): Uint8Array {
  const writer = new ByteWriter(64)
  if (outcome.status === 'committed') {
    writeHead(writer, 0, outcome.seq, outcome.isDuplicate === true ? REPEATED : 0)
    writer.u32(outcome.results.length)
    for (const result of outcome.results) writeResult(writer, result)
    return writer.finish()
  }
  writeHead(writer, 1, outcome.seq, 0)
  writer.text16(outcome.code)
  writer.text16(outcome.message)
  const { detail } = outcome
  writer.u8(detail === undefined ? 0 : detail.condition === undefined ? 1 : 2)
  if (detail !== undefined) {
    writer.u32(detail.index)
    writer.u64(detail.actualSeq)
    if (detail.condition !== undefined) writeCondition(writer, detail.condition)
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
  const flags = reader.u16()
  if (status > 1 || flags > (status === 0 ? REPEATED : 0)) throw new MalformedBytes('outcome status')
  const seq = reader.u64()
  const outcome = status === 0 ? readCommitted(reader, seq, flags === REPEATED) : readRefused(reader, seq)
  reader.expectEnd()
  return outcome
}

function readCommitted(reader: ByteReader, seq: number, isDuplicate: boolean): Outcome {
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
  return isDuplicate ? { status: 'committed', seq, results, isDuplicate } : { status: 'committed', seq, results }
}

function readNegative(reader: ByteReader): bigint {
  const value = bigEndianToSigned(reader.raw(8))
  if (value >= 0n) throw new MalformedBytes('outcome result')
  return value
}

function readRefused(reader: ByteReader, seq: number): Outcome {
  const code = reader.text16()
  const message = reader.text16()
  const form = reader.u8()
  if (form > 2) throw new MalformedBytes('outcome detail')
  if (form === 0) return { status: 'refused', seq, code, message }
  const detail = { index: reader.u32(), actualSeq: reader.u64() }
  if (form === 1) return { status: 'refused', seq, code, message, detail }
  return { status: 'refused', seq, code, message, detail: { ...detail, condition: readCondition(reader) } }
}
