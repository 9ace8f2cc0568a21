import { COMPARISONS } from './comparison.ts'
import { MalformedBytes, readName, readText, readU16, readU32, readU64 } from './bytes.ts'
import { readDdl } from './ddl-binary.ts'
import { digestToHex } from './digest.ts'
import { EnvelopeCursor } from './envelope-cursor.ts'
import type { Assertion, KeyTarget, Mutation, PointRead, RangeRead, TransactionEnvelope } from './envelope.ts'
import {
  isGroupOp,
  isTableOp,
  Op,
  RANGE_HAS_END,
  RANGE_HAS_INDEX,
  RANGE_HAS_START,
  RANGE_REVERSE,
} from './envelope-ops.ts'
import { readKvMutation } from './kv-items.ts'
import { readTableAssertion, readTableMutation } from './table-items.ts'

/** A project and a scope by name. */
export interface Namespace {
  project: string
  scope: string
}

/** The namespaces of an opened envelope, in their order. */
export function readNamespaces(cursor: EnvelopeCursor): Namespace[] {
  const { bytes } = cursor
  const namespaces: Namespace[] = []
  let at = cursor.namespacesStart
  const next = (): string => {
    const end = at + 1 + bytes[at]!
    const name = readName(bytes, at + 1, end)
    at = end
    return name
  }
  for (let i = 0; i < cursor.namespaces; i++) {
    const project = next()
    namespaces.push({ project, scope: next() })
  }
  return namespaces
}

/** The idempotency key of an opened envelope. */
export function readIdempotencyKey(cursor: EnvelopeCursor): string | undefined {
  if (cursor.idempotencyEnd === 0) return undefined
  return readText(cursor.bytes, cursor.idempotencyStart, cursor.idempotencyEnd)
}

/** The table's name of an item of a table (`isTableOp`) that the cursor stands on. @throws MalformedBytes */
export function readTableName(cursor: EnvelopeCursor): string {
  return readName(cursor.bytes, cursor.keyStart, cursor.keyEnd)
}

/** The point of a `readPoint` or `readRowPoint` item that the cursor stands on. */
export function readPoint(cursor: EnvelopeCursor, namespace: Namespace): PointRead {
  const { bytes, keyStart, keyEnd, restStart } = cursor
  if (cursor.op === Op.readPoint) {
    return { ...namespace, key: bytes.slice(keyStart, keyEnd), seq: readU64(bytes, restStart) }
  }
  const rowKeyEnd = restStart + 2 + readU16(bytes, restStart)
  const key = bytes.slice(restStart + 2, rowKeyEnd)
  return { ...namespace, table: readTableName(cursor), key, seq: readU64(bytes, rowKeyEnd) }
}

/** The range of a `readRange` or `readRowRange` item that the cursor stands on. */
export function readRange(cursor: EnvelopeCursor, namespace: Namespace): RangeRead {
  const { bytes, flags, bodyStart, restStart } = cursor
  const isOfRows = cursor.op === Op.readRowRange
  const hasIndex = isOfRows && (flags & RANGE_HAS_INDEX) !== 0
  const indexEnd = hasIndex ? restStart + 1 + bytes[restStart]! : restStart
  const startAt = isOfRows ? indexEnd : bodyStart
  const startEnd = startAt + 2 + readU16(bytes, startAt)
  const endEnd = startEnd + 2 + readU16(bytes, startEnd)
  return {
    ...namespace,
    ...(isOfRows && { table: readTableName(cursor) }),
    ...(hasIndex && { index: readName(bytes, restStart + 1, indexEnd) }),
    ...((flags & RANGE_HAS_START) !== 0 && { start: bytes.slice(startAt + 2, startEnd) }),
    ...((flags & RANGE_HAS_END) !== 0 && { end: bytes.slice(startEnd + 2, endEnd) }),
    reverse: (flags & RANGE_REVERSE) !== 0,
    limit: readU32(bytes, endEnd),
    digest: digestToHex({ lo: readU32(bytes, endEnd + 4), hi: readU32(bytes, endEnd + 8) }),
  }
}

/** Topic, key and payload of an `emitEvent` item that the cursor stands on. @throws MalformedBytes */
export function readEvent(cursor: EnvelopeCursor): { topic: string; key: string; payload: string } {
  const { bytes, keyStart, keyEnd, restStart, bodyEnd } = cursor
  const payloadAt = restStart + 2 + readU16(bytes, restStart)
  return {
    topic: readName(bytes, keyStart, keyEnd),
    key: readText(bytes, restStart + 2, payloadAt),
    payload: readText(bytes, payloadAt, bodyEnd),
  }
}

/**
 * Proves that `bytes[start, end)` is a well-formed envelope, in one pass; leaves `cursor` at its end. What it leaves to readers:
 * `EnvelopeCursor`.
 */
export function checkEnvelope(cursor: EnvelopeCursor, bytes: Uint8Array, start: number, end: number): void {
  cursor.open(bytes, start, end)
  while (cursor.next()) if (cursor.op === Op.ddl) readDdl(cursor)
}

/** The envelope as data. For tools, JSON and tests; apply works on the bytes. */
export function decodeEnvelope(bytes: Uint8Array, start: number = 0, end: number = bytes.length): TransactionEnvelope {
  const cursor = new EnvelopeCursor()
  cursor.open(bytes, start, end)
  const namespaces = readNamespaces(cursor)
  const idempotencyKey = readIdempotencyKey(cursor)
  const assertions: Assertion[] = []
  const points: PointRead[] = []
  const ranges: RangeRead[] = []
  const mutations: Mutation[] = []
  while (cursor.next()) {
    if (cursor.op < Op.readPoint) assertions.push(readAssertion(cursor, namespaces))
    else if (cursor.op === Op.readPoint || cursor.op === Op.readRowPoint) {
      points.push(readPoint(cursor, namespaces[cursor.namespace]!))
    } else if (cursor.op === Op.readRange || cursor.op === Op.readRowRange) {
      ranges.push(readRange(cursor, namespaces[cursor.namespace]!))
    } else mutations.push(readMutation(cursor, namespaces))
  }
  return {
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(assertions.length > 0 && { assertions }),
    ...((points.length > 0 || ranges.length > 0) && { readSet: { points, ranges } }),
    mutations,
  }
}

function readMutation(cursor: EnvelopeCursor, namespaces: readonly Namespace[]): Mutation {
  if (cursor.op === Op.ddl) return { type: 'ddl', operation: readDdl(cursor) }
  if (cursor.op === Op.postflight) return { type: 'postflight', assertions: readGroup(cursor, namespaces) }
  const namespace = namespaces[cursor.namespace]!
  if (cursor.op === Op.emitEvent) return { type: 'emitEvent', ...namespace, ...readEvent(cursor) }
  if (isTableOp(cursor.op)) return readTableMutation(cursor, { ...namespace, table: readTableName(cursor) })
  return readKvMutation(cursor, keyTarget(cursor, namespace))
}

function keyTarget(cursor: EnvelopeCursor, namespace: Namespace): KeyTarget {
  return { ...namespace, key: cursor.bytes.slice(cursor.keyStart, cursor.keyEnd) }
}

/** The assertion that the cursor stands on, with all that is in it. @throws MalformedBytes */
export function readAssertion(cursor: EnvelopeCursor, namespaces: readonly Namespace[]): Assertion {
  const { bytes, op, restStart, bodyEnd, flags } = cursor
  if (isGroupOp(op)) {
    const assertions = readGroup(cursor, namespaces)
    if (op === Op.assertNot) return { type: 'not', assertion: assertions[0]! }
    return { type: op === Op.assertAll ? 'all' : 'any', assertions }
  }
  const namespace = namespaces[cursor.namespace]!
  if (isTableOp(op)) return readTableAssertion(cursor, { ...namespace, table: readTableName(cursor) })
  const target = keyTarget(cursor, namespace)
  switch (op) {
    case Op.assertKeyVersion:
      return { type: 'keyVersion', ...target, seq: readU64(bytes, restStart) }
    case Op.assertKeyExists:
      return { type: 'keyExists', ...target, expected: flags === 1 }
    case Op.assertKeyEquals:
      return { type: 'keyEquals', ...target, value: bytes.slice(restStart, bodyEnd) }
    case Op.assertKeyCompare:
      return { type: 'keyCompare', ...target, op: COMPARISONS[flags]!, threshold: bytes.slice(restStart, bodyEnd) }
    default:
      throw new MalformedBytes(`assertion ${op}`)
  }
}

/** The assertions of the group that the cursor stands on; afterwards it stands somewhere within. @throws MalformedBytes */
export function readGroup(cursor: EnvelopeCursor, namespaces: readonly Namespace[]): Assertion[] {
  const assertions: Assertion[] = []
  let at = cursor.restStart
  for (let left = cursor.groupCount; left > 0; left--) {
    at = cursor.standOn(at)
    assertions.push(readAssertion(cursor, namespaces))
  }
  return assertions
}
