import { ByteWriter, MalformedBytes, readU16, readU32, readU64, utf8Bytes, writeU32 } from './bytes.ts'
import { DEFAULT_SCOPE } from './envelope.ts'
import type {
  Assertion,
  ComparisonOperator,
  Ddl,
  Mutation,
  Permission,
  RangeRead,
  TransactionEnvelope,
} from './envelope.ts'

/**
 * The binary envelope (docs/formats/envelope.md): the same bytes on the client wire, in the log and between peers.
 *
 *   0 u8 format (1)   1 u8 flags (1 = has idempotency key)   2 u16 namespaces   4 u16 assertions   6 u16 points
 *   8 u16 ranges   10 u16 zero   12 u32 mutations   [u8 length, idempotency key]
 *   namespaces: u8 length, project, u8 length, scope
 *   items in the order assertions, points, ranges, mutations:
 *     0 u8 op   1 u8 flags   2 u16 namespace   4 u32 body length   8 body
 *   a body that names a key begins with u16 key length, key
 */
export const ENVELOPE_FORMAT = 1
export const ENVELOPE_HEADER_BYTES = 16
export const ITEM_HEADER_BYTES = 8
/** The namespace of items that have none (DDL). */
export const NO_NAMESPACE = 0xffff

/** Operations of items. Values are on the wire and on disk: never reused. 1-31 assertions, 32-39 read set, 64-191 mutations. */
export const Op = {
  assertKeyVersion: 1,
  assertKeyExists: 2,
  assertKeyEquals: 3,
  assertKeyCompare: 4,
  readPoint: 32,
  readRange: 33,
  kvSet: 64,
  kvDelete: 65,
  kvIncrement: 66,
  kvDecrement: 67,
  ddl: 128,
} as const
export type Op = (typeof Op)[keyof typeof Op]

/** Flags of kvSet. */
export const SET_HAS_TTL = 1
/** Flags of kvIncrement and kvDecrement: bit 0 width 256, bit 1 missing key is refused, bits 2-3 out of range policy. */
export const NUMBER_WIDE = 1
export const NUMBER_MISSING_REJECT = 2
export const NUMBER_RANGE_SHIFT = 2
export const RangePolicy = { reject: 0, saturate: 1, ignore: 2 } as const
/** Flags of readRange. */
export const RANGE_HAS_START = 1
export const RANGE_HAS_END = 2
export const RANGE_REVERSE = 4

export const COMPARISONS: readonly ComparisonOperator[] = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte']

const DdlCode = {
  createProject: 1,
  renameProject: 2,
  dropProject: 3,
  createScope: 4,
  renameScope: 5,
  dropScope: 6,
  grant: 7,
  revoke: 8,
  setSetting: 9,
} as const
const PERMISSIONS = ['admin', 'impersonate', 'kvRead', 'kvWrite'] as const
const OPTIONAL_FLAG = 1

/** Largest values of the format itself; the cluster's settings are narrower. */
export const MAX_KEY_BYTES_FORMAT = 0xffff

function bigEndian(value: bigint, width: 64 | 256): Uint8Array {
  if (value < 0n || value >= 1n << BigInt(width))
    throw new RangeError(`${value} is not an unsigned ${width}-bit integer`)
  const bytes = new Uint8Array(width / 8)
  for (let i = bytes.length - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn)
  return bytes
}

/** Reads an unsigned big-endian integer of any width. */
export function bigEndianToBigint(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return value
}

/** An unsigned integer as 8 or 32 big-endian bytes: how counters are stored. */
export const bigintToBigEndian: (value: bigint, width: 64 | 256) => Uint8Array = bigEndian

/** Encodes `envelope`; RangeError for what the format cannot hold (counts, lengths, integers). */
export function encodeEnvelope(envelope: TransactionEnvelope): Uint8Array {
  return sharedEncoder.encode(envelope)
}

/** A scratch buffer that a large transaction made larger than this is not kept. */
const SCRATCH_BYTES_MAX = 1 << 20

/** Encoding is synchronous, so that one encoder and its scratch buffer serve all; `encode` begins afresh, also after a throw. */
class EnvelopeEncoder {
  #items = new ByteWriter(4096)
  readonly #names: string[] = []
  readonly #namespaces = new Map<string, number>()

  encode(envelope: TransactionEnvelope): Uint8Array {
    if (this.#items.buffer.length > SCRATCH_BYTES_MAX) this.#items = new ByteWriter(4096)
    this.#items.reset()
    this.#names.length = 0
    this.#namespaces.clear()
    const { assertions = [], readSet = {}, mutations } = envelope
    const points = readSet.points ?? []
    const ranges = readSet.ranges ?? []
    for (const assertion of assertions) this.#assertion(assertion)
    for (const point of points) {
      this.#item(Op.readPoint, 0, point, body => {
        body.bytes16(point.key)
        body.u64(point.seq)
      })
    }
    for (const range of ranges) this.#range(range)
    for (const mutation of mutations) this.#mutation(mutation)
    return this.#assemble(envelope, assertions.length, points.length, ranges.length, mutations.length)
  }

  #assemble(
    envelope: TransactionEnvelope,
    assertions: number,
    points: number,
    ranges: number,
    mutations: number,
  ): Uint8Array {
    const out = new ByteWriter(ENVELOPE_HEADER_BYTES + 64 + this.#items.length)
    const namespaces = this.#names.length / 2
    for (const count of [assertions, points, ranges, namespaces])
      if (count > 0xffff) throw new RangeError('too many items')
    out.u8(ENVELOPE_FORMAT)
    out.u8(envelope.idempotencyKey === undefined ? 0 : 1)
    out.u16(namespaces)
    out.u16(assertions)
    out.u16(points)
    out.u16(ranges)
    out.u16(0)
    out.u32(mutations)
    if (envelope.idempotencyKey !== undefined) writeText8(out, envelope.idempotencyKey)
    for (const name of this.#names) writeText8(out, name)
    out.raw(this.#items.view())
    return out.finish()
  }

  #namespace(project: string, scope: string): number {
    const id = `${project.length}:${project}${scope}`
    let index = this.#namespaces.get(id)
    if (index === undefined) {
      index = this.#namespaces.size
      if (index >= NO_NAMESPACE) throw new RangeError('too many namespaces')
      this.#namespaces.set(id, index)
      this.#names.push(project, scope)
    }
    return index
  }

  #item(
    op: Op,
    flags: number,
    target: { project: string; scope?: string } | undefined,
    write: (w: ByteWriter) => void,
  ): void {
    const items = this.#items
    items.u8(op)
    items.u8(flags)
    items.u16(target === undefined ? NO_NAMESPACE : this.#namespace(target.project, target.scope ?? DEFAULT_SCOPE))
    const lengthAt = items.reserve(4)
    write(items)
    writeU32(items.buffer, lengthAt, items.length - lengthAt - 4)
  }

  #assertion(assertion: Assertion): void {
    switch (assertion.type) {
      case 'keyVersion':
        return this.#item(Op.assertKeyVersion, 0, assertion, body => {
          body.bytes16(assertion.key)
          body.u64(assertion.seq)
        })
      case 'keyExists':
        return this.#item(Op.assertKeyExists, assertion.expected ? 1 : 0, assertion, body =>
          body.bytes16(assertion.key),
        )
      case 'keyEquals':
        return this.#item(Op.assertKeyEquals, 0, assertion, body => {
          body.bytes16(assertion.key)
          body.raw(assertion.value)
        })
      case 'keyCompare':
        return this.#item(Op.assertKeyCompare, COMPARISONS.indexOf(assertion.op), assertion, body => {
          body.bytes16(assertion.key)
          body.raw(assertion.threshold)
        })
      default:
        throw unknownKind(assertion)
    }
  }

  #range(range: RangeRead): void {
    const flags =
      (range.start === undefined ? 0 : RANGE_HAS_START) |
      (range.end === undefined ? 0 : RANGE_HAS_END) |
      (range.reverse === true ? RANGE_REVERSE : 0)
    if (!/^[0-9a-f]{16}$/.test(range.digest)) throw new RangeError('range digest: 16 hexadecimal digits')
    this.#item(Op.readRange, flags, range, body => {
      body.bytes16(range.start ?? new Uint8Array(0))
      body.bytes16(range.end ?? new Uint8Array(0))
      body.u32(range.limit)
      body.u32(Number.parseInt(range.digest.slice(8), 16))
      body.u32(Number.parseInt(range.digest.slice(0, 8), 16))
    })
  }

  #mutation(mutation: Mutation): void {
    switch (mutation.type) {
      case 'kvSet':
        return this.#item(Op.kvSet, mutation.ttlMs === undefined ? 0 : SET_HAS_TTL, mutation, body => {
          body.bytes16(mutation.key)
          if (mutation.ttlMs !== undefined) body.u64(mutation.ttlMs)
          body.raw(mutation.value)
        })
      case 'kvDelete':
        return this.#item(Op.kvDelete, 0, mutation, body => body.bytes16(mutation.key))
      case 'kvIncrement':
      case 'kvDecrement':
        return this.#number(mutation)
      case 'ddl':
        return this.#item(Op.ddl, 0, undefined, body => writeDdl(body, mutation.operation))
      default:
        throw unknownKind(mutation)
    }
  }

  #number(mutation: Extract<Mutation, { type: 'kvIncrement' | 'kvDecrement' }>): void {
    const isIncrement = mutation.type === 'kvIncrement'
    const policy = RangePolicy[(isIncrement ? mutation.onOverflow : mutation.onUnderflow) ?? 'reject']
    const flags =
      (mutation.width === 256 ? NUMBER_WIDE : 0) |
      (mutation.onMissing === 'reject' ? NUMBER_MISSING_REJECT : 0) |
      (policy << NUMBER_RANGE_SHIFT)
    this.#item(isIncrement ? Op.kvIncrement : Op.kvDecrement, flags, mutation, body => {
      body.bytes16(mutation.key)
      body.raw(bigEndian(mutation.by, mutation.width))
    })
  }
}

const sharedEncoder = new EnvelopeEncoder()

function unknownKind(value: never): Error {
  return new RangeError(`unknown kind: ${String((value as { type?: unknown }).type)}`)
}

function writeText8(out: ByteWriter, text: string): void {
  const bytes = utf8Bytes(text)
  if (bytes.length > 255) throw new RangeError(`name of ${bytes.length} bytes`)
  out.u8(bytes.length)
  out.raw(bytes)
}

function writeDdl(out: ByteWriter, operation: Ddl): void {
  out.u8(DdlCode[operation.type])
  switch (operation.type) {
    case 'createProject':
      out.u8(operation.ifNotExists === true ? OPTIONAL_FLAG : 0)
      return out.text16(operation.project)
    case 'dropProject':
      out.u8(operation.ifExists === true ? OPTIONAL_FLAG : 0)
      return out.text16(operation.project)
    case 'renameProject':
      out.u8(0)
      out.text16(operation.project)
      return out.text16(operation.to)
    case 'createScope':
      out.u8(operation.ifNotExists === true ? OPTIONAL_FLAG : 0)
      out.text16(operation.project)
      return out.text16(operation.scope)
    case 'dropScope':
      out.u8(operation.ifExists === true ? OPTIONAL_FLAG : 0)
      out.text16(operation.project)
      return out.text16(operation.scope)
    case 'renameScope':
      out.u8(0)
      out.text16(operation.project)
      out.text16(operation.scope)
      return out.text16(operation.to)
    case 'grant':
    case 'revoke':
      out.u8(0)
      out.text16(operation.caller)
      return writePermission(out, operation.permission)
    case 'setSetting':
      out.u8(0)
      out.text16(operation.name)
      return out.f64(operation.value)
    default:
      throw unknownKind(operation)
  }
}

/** Writes a permission; also the stored form of a grant. Bits of the second byte: 1 project, 2 scope, 4 prefix. */
export function writePermission(out: ByteWriter, permission: Permission): void {
  out.u8(PERMISSIONS.indexOf(permission.type))
  if (permission.type === 'admin' || permission.type === 'impersonate') return out.u8(0)
  const { project, scope, prefix } = permission
  if ((scope !== undefined && project === undefined) || (prefix !== undefined && scope === undefined)) {
    throw new RangeError('a permission on a scope names its project, one on a prefix its scope')
  }
  out.u8((project === undefined ? 0 : 1) | (scope === undefined ? 0 : 2) | (prefix === undefined ? 0 : 4))
  if (project !== undefined) out.text16(project)
  if (scope !== undefined) out.text16(scope)
  if (prefix !== undefined) out.bytes16(prefix)
}

export { DdlCode, OPTIONAL_FLAG, PERMISSIONS }

/**
 * Walks the items of an encoded envelope without allocation. `next` moves to the next item and sets the fields; the key of an
 * item that has one is bytes[keyStart, keyEnd), what follows it bytes[restStart, bodyEnd).
 * Throws `MalformedBytes`; a walk to the end proves the whole form (`checkEnvelope`). Hot path: bench/commit.
 */
export class EnvelopeCursor {
  bytes: Uint8Array = new Uint8Array(0)
  end = 0
  at = 0
  assertions = 0
  points = 0
  ranges = 0
  mutations = 0
  namespaces = 0
  /** Offset of the first namespace; `namespaceAt` reads them. */
  namespacesStart = 0
  idempotencyStart = 0
  idempotencyEnd = 0
  /** Index of the present item over all kinds; -1 before the first. */
  index = -1
  op = 0
  flags = 0
  namespace: number = NO_NAMESPACE
  bodyStart = 0
  bodyEnd = 0
  keyStart = 0
  keyEnd = 0
  restStart = 0

  open(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < ENVELOPE_HEADER_BYTES) throw new MalformedBytes('envelope header')
    if (bytes[start] !== ENVELOPE_FORMAT) throw new MalformedBytes(`envelope format ${bytes[start]}`)
    const flags = bytes[start + 1]!
    if (flags > 1 || readU16(bytes, start + 10) !== 0) throw new MalformedBytes('envelope flags')
    this.bytes = bytes
    this.end = end
    this.namespaces = readU16(bytes, start + 2)
    this.assertions = readU16(bytes, start + 4)
    this.points = readU16(bytes, start + 6)
    this.ranges = readU16(bytes, start + 8)
    this.mutations = readU32(bytes, start + 12)
    this.at = start + ENVELOPE_HEADER_BYTES
    this.index = -1
    this.idempotencyStart = this.idempotencyEnd = 0
    if (flags === 1) {
      this.idempotencyStart = this.at + 1
      this.idempotencyEnd = this.#skipText()
      if (this.idempotencyEnd === this.idempotencyStart) throw new MalformedBytes('empty idempotency key')
    }
    this.namespacesStart = this.at
    for (let i = 0; i < this.namespaces * 2; i++) this.#skipText()
  }

  #skipText(): number {
    if (this.at >= this.end) throw new MalformedBytes('envelope names')
    const next = this.at + 1 + this.bytes[this.at]!
    if (next > this.end) throw new MalformedBytes('envelope names')
    this.at = next
    return next
  }

  get itemCount(): number {
    return this.assertions + this.points + this.ranges + this.mutations
  }

  /** Moves to the next item; false after the last, when the envelope must end there. */
  next(): boolean {
    if (++this.index >= this.itemCount) {
      if (this.at !== this.end) throw new MalformedBytes('bytes after the envelope')
      return false
    }
    const bytes = this.bytes
    const at = this.at
    if (this.end - at < ITEM_HEADER_BYTES) throw new MalformedBytes(`item ${this.index} cut`)
    this.op = bytes[at]!
    this.flags = bytes[at + 1]!
    this.namespace = readU16(bytes, at + 2)
    this.bodyStart = at + ITEM_HEADER_BYTES
    this.bodyEnd = this.bodyStart + readU32(bytes, at + 4)
    if (this.bodyEnd > this.end) throw new MalformedBytes(`item ${this.index} body`)
    this.at = this.bodyEnd
    this.#checkSection()
    if (this.op === Op.ddl) {
      if (this.namespace !== NO_NAMESPACE) throw new MalformedBytes(`item ${this.index} namespace`)
      return true
    }
    if (this.namespace >= this.namespaces) throw new MalformedBytes(`item ${this.index} namespace`)
    if (this.bodyEnd - this.bodyStart < 2) throw new MalformedBytes(`item ${this.index} key`)
    this.keyStart = this.bodyStart + 2
    this.keyEnd = this.keyStart + readU16(bytes, this.bodyStart)
    this.restStart = this.keyEnd
    if (this.keyEnd > this.bodyEnd) throw new MalformedBytes(`item ${this.index} key`)
    this.#checkBody()
    return true
  }

  #checkSection(): void {
    const op = this.op
    const index = this.index
    const readsFrom = this.assertions
    const rangesFrom = readsFrom + this.points
    const mutationsFrom = rangesFrom + this.ranges
    const fits =
      index < readsFrom
        ? op >= Op.assertKeyVersion && op <= Op.assertKeyCompare
        : index < rangesFrom
          ? op === Op.readPoint
          : index < mutationsFrom
            ? op === Op.readRange
            : (op >= Op.kvSet && op <= Op.kvDecrement) || op === Op.ddl
    if (!fits) throw new MalformedBytes(`item ${index} has operation ${op}`)
  }

  #checkBody(): void {
    const rest = this.bodyEnd - this.restStart
    const flags = this.flags
    let fits = true
    switch (this.op) {
      case Op.assertKeyVersion:
      case Op.readPoint:
        fits = rest === 8 && flags === 0
        break
      case Op.assertKeyExists:
        fits = rest === 0 && flags <= 1
        break
      case Op.assertKeyEquals:
        fits = flags === 0
        break
      case Op.assertKeyCompare:
        fits = flags < COMPARISONS.length
        break
      case Op.readRange:
        fits = flags <= 7 && rest >= 2 && rest === 2 + readU16(this.bytes, this.restStart) + 12
        break
      case Op.kvSet:
        fits = flags <= 1 && rest >= (flags === 1 ? 8 : 0)
        if (fits && flags === 1) readU64(this.bytes, this.restStart)
        break
      case Op.kvDelete:
        fits = flags === 0 && rest === 0
        break
      case Op.kvIncrement:
      case Op.kvDecrement:
        fits =
          flags >> NUMBER_RANGE_SHIFT <= (this.op === Op.kvIncrement ? 1 : 2) &&
          rest === ((flags & NUMBER_WIDE) === 0 ? 8 : 32)
        break
      default:
        fits = false
    }
    if (!fits) throw new MalformedBytes(`item ${this.index} body`)
  }
}
