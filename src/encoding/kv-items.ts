import { bigEndianToBigint, bigEndianToSigned, bigintToBigEndian, signedToBigEndian } from './big-endian.ts'
import { readU16, readU64 } from './bytes.ts'
import type { ByteWriter } from './bytes.ts'
import type { Assertion, KeyTarget, Mutation } from './envelope.ts'
import { NUMBER_MISSING_REJECT, NUMBER_RANGE_SHIFT, NUMBER_WIDE, Op, RangePolicy, SET_HAS_TTL } from './envelope-ops.ts'
import type { EnvelopeItem } from './envelope-ops.ts'

/** Mutations of keys as items of an envelope (docs/formats/envelope.md); the key has been written and read. */
export type KvMutation = Extract<Mutation, KeyTarget>

/** Assertions on keys. */
export type KeyAssertion = Extract<Assertion, KeyTarget>

/** A mutation of one key: not of rows, groups, events, the catalog. */
export function isKvMutation(mutation: Mutation): mutation is KvMutation {
  return mutation.type.startsWith('kv') || mutation.type === 'counterAdd'
}

export function isKeyAssertion(assertion: Assertion): assertion is KeyAssertion {
  return assertion.type.startsWith('key')
}

export const COUNTER_SHARDS_MAX = 4_096

/** Flags of kvMax and kvMin: bits 1-2, what a missing key is. */
export const EXTREME_MISSING_SHIFT = 1
const EXTREME_MISSING = ['set', 'zero', 'reject'] as const
/** Flags of kvMutate: bits 1-2 the operation, bit 3 a version is expected. */
export const MUTATE_OP_SHIFT = 1
export const MUTATE_HAS_SEQ = 8
export const MUTATE_OPS = ['set', 'add', 'subtract'] as const
/** Flags of kvAddSigned, besides NUMBER_MISSING_REJECT. */
export const SIGNED_HAS_MIN = 4
export const SIGNED_HAS_MAX = 8

export function kvFlags(mutation: KvMutation): number {
  switch (mutation.type) {
    case 'kvSet':
      return mutation.ttlMs === undefined ? 0 : SET_HAS_TTL
    case 'kvIncrement':
      return numberFlags(mutation.width, mutation.onMissing) | (policy(mutation.onOverflow) << NUMBER_RANGE_SHIFT)
    case 'kvDecrement':
      return numberFlags(mutation.width, mutation.onMissing) | (policy(mutation.onUnderflow) << NUMBER_RANGE_SHIFT)
    case 'kvMax':
    case 'kvMin':
      return (
        numberFlags(mutation.width) | (EXTREME_MISSING.indexOf(mutation.onMissing ?? 'set') << EXTREME_MISSING_SHIFT)
      )
    case 'kvMutate': {
      const op = MUTATE_OPS.indexOf(mutation.op) << MUTATE_OP_SHIFT
      return numberFlags(mutation.width) | op | (mutation.expectedSeq === undefined ? 0 : MUTATE_HAS_SEQ)
    }
    case 'kvAddSigned':
      return (
        (mutation.onMissing === 'reject' ? NUMBER_MISSING_REJECT : 0) |
        (mutation.min === undefined ? 0 : SIGNED_HAS_MIN) |
        (mutation.max === undefined ? 0 : SIGNED_HAS_MAX)
      )
    default:
      return 0
  }
}

function numberFlags(width: 64 | 256, onMissing?: 'zero' | 'reject'): number {
  return (width === 256 ? NUMBER_WIDE : 0) | (onMissing === 'reject' ? NUMBER_MISSING_REJECT : 0)
}

function policy(name: keyof typeof RangePolicy = 'reject'): number {
  return RangePolicy[name]
}

/** What follows the key. RangeError for integers that do not fit. */
export function writeKvBody(body: ByteWriter, mutation: KvMutation): void {
  switch (mutation.type) {
    case 'kvSet':
      if (mutation.ttlMs !== undefined) body.u64(mutation.ttlMs)
      return body.raw(mutation.value)
    case 'kvDelete':
      return
    case 'kvIncrement':
    case 'kvDecrement':
      return body.raw(bigintToBigEndian(mutation.by, mutation.width))
    case 'kvMax':
    case 'kvMin':
      return body.raw(bigintToBigEndian(mutation.value, mutation.width))
    case 'kvMutate':
      if (mutation.expectedSeq !== undefined) body.u64(mutation.expectedSeq)
      return body.raw(bigintToBigEndian(mutation.operand, mutation.width))
    case 'kvAddSigned':
      body.raw(signedToBigEndian(mutation.by))
      if (mutation.min !== undefined) body.raw(signedToBigEndian(mutation.min))
      if (mutation.max !== undefined) body.raw(signedToBigEndian(mutation.max))
      return
    case 'counterAdd': {
      const { shards, shard } = mutation
      if (!Number.isInteger(shards) || shards < 1 || shards > COUNTER_SHARDS_MAX)
        throw new RangeError(`a counter has 1 to ${COUNTER_SHARDS_MAX} shards`)
      if (!Number.isInteger(shard) || shard < 0 || shard >= shards) throw new RangeError(`shard ${shard} of ${shards}`)
      body.u16(shards)
      body.u16(shard)
      return body.raw(bigintToBigEndian(mutation.by, 64))
    }
    default:
      throw new RangeError(`unknown kind: ${(mutation satisfies never as Mutation).type}`)
  }
}

/** Whether flags and the `rest` bytes after the key have the form of the operation. hot path (bench/apply) */
export function fitsKvItem(op: number, flags: number, bytes: Uint8Array, restStart: number, bodyEnd: number): boolean {
  const rest = bodyEnd - restStart
  switch (op) {
    case Op.kvSet:
      if (flags === 0) return true
      if (flags !== SET_HAS_TTL || rest < 8) return false
      readU64(bytes, restStart)
      return true
    case Op.kvDelete:
      return flags === 0 && rest === 0
    case Op.kvIncrement:
    case Op.kvDecrement:
      return (
        flags >> NUMBER_RANGE_SHIFT <= (op === Op.kvIncrement ? RangePolicy.saturate : RangePolicy.ignore) &&
        rest === numberBytes(flags)
      )
    case Op.kvMax:
    case Op.kvMin:
      return flags >> EXTREME_MISSING_SHIFT < EXTREME_MISSING.length && rest === numberBytes(flags)
    case Op.kvMutate: {
      const hasSeq = (flags & MUTATE_HAS_SEQ) !== 0
      const operation = (flags & ~MUTATE_HAS_SEQ) >> MUTATE_OP_SHIFT
      if (operation >= MUTATE_OPS.length || rest !== numberBytes(flags) + (hasSeq ? 8 : 0)) return false
      if (hasSeq) readU64(bytes, restStart)
      return true
    }
    case Op.kvAddSigned: {
      const bounds = ((flags & SIGNED_HAS_MIN) === 0 ? 0 : 8) + ((flags & SIGNED_HAS_MAX) === 0 ? 0 : 8)
      return (flags & ~(NUMBER_MISSING_REJECT | SIGNED_HAS_MIN | SIGNED_HAS_MAX)) === 0 && rest === 8 + bounds
    }
    case Op.counterAdd: {
      if (flags !== 0 || rest !== 12) return false
      const shards = readU16(bytes, restStart)
      return shards >= 1 && shards <= COUNTER_SHARDS_MAX && readU16(bytes, restStart + 2) < shards
    }
    default:
      return false
  }
}

function numberBytes(flags: number): number {
  return (flags & NUMBER_WIDE) === 0 ? 8 : 32
}

/** The mutation of a key that the cursor stands on, as data. */
export function readKvMutation(cursor: EnvelopeItem, target: KeyTarget): KvMutation {
  const { bytes, restStart, bodyEnd, flags } = cursor
  const width = (flags & NUMBER_WIDE) === 0 ? 64 : 256
  const number = (at: number): bigint => bigEndianToBigint(bytes.subarray(at, bodyEnd))
  switch (cursor.op) {
    case Op.kvSet: {
      if ((flags & SET_HAS_TTL) === 0) return { type: 'kvSet', ...target, value: bytes.slice(restStart, bodyEnd) }
      return { type: 'kvSet', ...target, ttlMs: readU64(bytes, restStart), value: bytes.slice(restStart + 8, bodyEnd) }
    }
    case Op.kvDelete:
      return { type: 'kvDelete', ...target }
    case Op.kvMax:
    case Op.kvMin: {
      const onMissing = EXTREME_MISSING[flags >> EXTREME_MISSING_SHIFT]!
      return { type: cursor.op === Op.kvMax ? 'kvMax' : 'kvMin', ...target, value: number(restStart), width, onMissing }
    }
    case Op.kvMutate: {
      const op = MUTATE_OPS[(flags & ~MUTATE_HAS_SEQ) >> MUTATE_OP_SHIFT]!
      if ((flags & MUTATE_HAS_SEQ) === 0) return { type: 'kvMutate', ...target, op, operand: number(restStart), width }
      const expectedSeq = readU64(bytes, restStart)
      return { type: 'kvMutate', ...target, op, operand: number(restStart + 8), width, expectedSeq }
    }
    case Op.kvAddSigned:
      return { type: 'kvAddSigned', ...target, ...readSignedAmount(cursor) }
    case Op.counterAdd: {
      const shards = readU16(bytes, restStart)
      return { type: 'counterAdd', ...target, by: number(restStart + 4), shards, shard: readU16(bytes, restStart + 2) }
    }
    default: {
      const onMissing = (flags & NUMBER_MISSING_REJECT) === 0 ? 'zero' : 'reject'
      const numeric = { ...target, by: number(restStart), width, onMissing } as const
      const range = (['reject', 'saturate', 'ignore'] as const)[flags >> NUMBER_RANGE_SHIFT]!
      if (cursor.op === Op.kvDecrement) return { type: 'kvDecrement', ...numeric, onUnderflow: range }
      return { type: 'kvIncrement', ...numeric, onOverflow: range === 'saturate' ? 'saturate' : 'reject' }
    }
  }
}

/** Amount, bounds and policy of the `kvAddSigned` that the cursor stands on. */
export function readSignedAmount(cursor: EnvelopeItem): {
  by: bigint
  min?: bigint
  max?: bigint
  onMissing: 'zero' | 'reject'
} {
  const { bytes, restStart, flags } = cursor
  const signed = (at: number): bigint => bigEndianToSigned(bytes.subarray(at, at + 8))
  const hasMin = (flags & SIGNED_HAS_MIN) !== 0
  return {
    by: signed(restStart),
    ...(hasMin && { min: signed(restStart + 8) }),
    ...((flags & SIGNED_HAS_MAX) !== 0 && { max: signed(restStart + (hasMin ? 16 : 8)) }),
    onMissing: (flags & NUMBER_MISSING_REJECT) === 0 ? 'zero' : 'reject',
  }
}

/** What is between a counter's key and the number of a shard. */
const SHARD_MARK = [0x00, 0x23] as const

/** The key of one shard of a counter: the counter's, 00 23, u16 big-endian. All of them are the prefix `counterShardKey(key)`. */
export function counterShardKey(key: Uint8Array, shard?: number): Uint8Array {
  const bytes = new Uint8Array(key.length + (shard === undefined ? 2 : 4))
  bytes.set(key)
  bytes.set(SHARD_MARK, key.length)
  if (shard !== undefined) {
    bytes[key.length + 2] = shard >>> 8
    bytes[key.length + 3] = shard
  }
  return bytes
}
