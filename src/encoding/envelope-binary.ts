import { COMPARISONS } from './comparison.ts'
import { ByteWriter, utf8Bytes, writeU32 } from './bytes.ts'
import { writeDdl } from './ddl-binary.ts'
import { ENVELOPE_FORMAT, ENVELOPE_HEADER_BYTES } from './envelope-cursor.ts'
import { DEFAULT_SCOPE } from './envelope.ts'
import type { Assertion, Mutation, PointRead, RangeRead, TransactionEnvelope } from './envelope.ts'
import {
  ASSERTION_DEPTH_MAX,
  NO_NAMESPACE,
  Op,
  RANGE_HAS_END,
  RANGE_HAS_INDEX,
  RANGE_HAS_START,
  RANGE_REVERSE,
  SET_HAS_TTL,
} from './envelope-ops.ts'
import { kvFlags, writeKvBody } from './kv-items.ts'
import {
  TABLE_ASSERTION_OPS,
  TABLE_MUTATION_OPS,
  tableAssertionFlags,
  tableMutationFlags,
  writeTableAssertion,
  writeTableMutation,
} from './table-items.ts'

/**
 * The binary envelope (docs/formats/envelope.md): the same bytes on the client wire, in the log and between peers.
 *
 *   0 u8 format (1)   1 u8 flags (1 = has idempotency key)   2 u16 namespaces   4 u16 assertions   6 u16 points
 *   8 u16 ranges   10 u16 zero   12 u32 mutations   [u8 length, idempotency key]
 *   namespaces: u8 length, project, u8 length, scope
 *   items in the order assertions, points, ranges, mutations:
 *     0 u8 op   1 u8 flags   2 u16 namespace   4 u32 body length   8 body
 *   a body that names a key begins with u16 key length, key; one that names a table with u8 length, name
 */

/** Largest values of the format itself; the cluster's settings are narrower. */
export const MAX_KEY_BYTES_FORMAT = 0xffff

const NO_KEY = new Uint8Array(0)

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
    for (const point of points) this.#point(point)
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
    if (envelope.idempotencyKey !== undefined) out.text8(envelope.idempotencyKey)
    for (const name of this.#names) out.text8(name)
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

  #assertion(assertion: Assertion, depth: number = 1): void {
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
      case 'all':
        return this.#group(Op.assertAll, assertion.assertions, depth)
      case 'any':
        return this.#group(Op.assertAny, assertion.assertions, depth)
      case 'not':
        return this.#group(Op.assertNot, [assertion.assertion], depth)
      default: {
        const op = TABLE_ASSERTION_OPS[assertion.type] as Op | undefined
        if (op === undefined) throw unknownKind(assertion)
        return this.#item(op, tableAssertionFlags(assertion), assertion, body => {
          body.text8(assertion.table)
          writeTableAssertion(body, assertion)
        })
      }
    }
  }

  /** `depth` counts the groups from this one outwards. */
  #group(op: Op, assertions: readonly Assertion[], depth: number): void {
    if (depth > ASSERTION_DEPTH_MAX) throw new RangeError(`assertions have at most ${ASSERTION_DEPTH_MAX} levels`)
    if (assertions.length > 0xffff) throw new RangeError('too many assertions')
    this.#item(op, 0, undefined, body => {
      body.u16(assertions.length)
      for (const assertion of assertions) this.#assertion(assertion, depth + 1)
    })
  }

  #point(point: PointRead): void {
    const { table } = point
    this.#item(table === undefined ? Op.readPoint : Op.readRowPoint, 0, point, body => {
      if (table !== undefined) body.text8(table)
      body.bytes16(point.key)
      body.u64(point.seq)
    })
  }

  #range(range: RangeRead): void {
    const { table, index } = range
    if (!/^[0-9a-f]{16}$/.test(range.digest)) throw new RangeError('range digest: 16 hexadecimal digits')
    if (index !== undefined && table === undefined) throw new RangeError('the range of an index names its table')
    const flags =
      (range.start === undefined ? 0 : RANGE_HAS_START) |
      (range.end === undefined ? 0 : RANGE_HAS_END) |
      (range.reverse === true ? RANGE_REVERSE : 0) |
      (index === undefined ? 0 : RANGE_HAS_INDEX)
    this.#item(table === undefined ? Op.readRange : Op.readRowRange, flags, range, body => {
      if (table !== undefined) body.text8(table)
      if (index !== undefined) body.text8(index)
      body.bytes16(range.start ?? NO_KEY)
      body.bytes16(range.end ?? NO_KEY)
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
          writeKvBody(body, mutation)
        })
      case 'ddl':
        return this.#item(Op.ddl, 0, undefined, body => writeDdl(body, mutation.operation))
      case 'postflight':
        return this.#group(Op.postflight, mutation.assertions, 1)
      case 'emitEvent':
        return this.#item(Op.emitEvent, 0, mutation, body => {
          body.text8(mutation.topic)
          body.text16(mutation.key)
          body.raw(utf8Bytes(mutation.payload))
        })
      case 'insert':
      case 'upsert':
      case 'update':
      case 'delete':
      case 'updateWhere':
      case 'deleteWhere':
        return this.#item(TABLE_MUTATION_OPS[mutation.type], tableMutationFlags(mutation), mutation, body => {
          body.text8(mutation.table)
          writeTableMutation(body, mutation)
        })
      default: {
        const op = Op[mutation.type] as Op | undefined
        if (op === undefined) throw unknownKind(mutation)
        return this.#item(op, kvFlags(mutation), mutation, body => {
          body.bytes16(mutation.key)
          writeKvBody(body, mutation)
        })
      }
    }
  }
}

const sharedEncoder = new EnvelopeEncoder()

function unknownKind(value: { type: unknown }): Error {
  return new RangeError(`unknown kind: ${String(value.type)}`)
}
