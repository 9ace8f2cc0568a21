import { ByteReader, MalformedBytes, readU16, readU32, readU64 } from './bytes.ts'
import { digestToHex } from './digest.ts'
import {
  bigEndianToBigint,
  COMPARISONS,
  DdlCode,
  EnvelopeCursor,
  NUMBER_MISSING_REJECT,
  NUMBER_RANGE_SHIFT,
  NUMBER_WIDE,
  Op,
  OPTIONAL_FLAG,
  PERMISSIONS,
  RANGE_HAS_END,
  RANGE_HAS_START,
  RANGE_REVERSE,
  SET_HAS_TTL,
} from './envelope-binary.ts'
import type { Assertion, Ddl, KeyTarget, Mutation, Permission, RangeRead, TransactionEnvelope } from './envelope.ts'

/** A project and a scope by name. */
export interface Namespace {
  project: string
  scope: string
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function text(bytes: Uint8Array, start: number, end: number): string {
  try {
    return strictUtf8.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new MalformedBytes('text is not UTF-8', { cause })
  }
}

/** The namespaces of an opened envelope, in their order. */
export function readNamespaces(cursor: EnvelopeCursor): Namespace[] {
  const { bytes } = cursor
  const namespaces: Namespace[] = []
  let at = cursor.namespacesStart
  const next = (): string => {
    const end = at + 1 + bytes[at]!
    const name = text(bytes, at + 1, end)
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
  return text(cursor.bytes, cursor.idempotencyStart, cursor.idempotencyEnd)
}

/** The range of a `readRange` item that the cursor stands on. */
export function readRange(cursor: EnvelopeCursor, namespace: Namespace): RangeRead {
  const { bytes, flags, keyStart, keyEnd, restStart } = cursor
  const endKeyEnd = restStart + 2 + readU16(bytes, restStart)
  return {
    ...namespace,
    ...((flags & RANGE_HAS_START) !== 0 && { start: bytes.slice(keyStart, keyEnd) }),
    ...((flags & RANGE_HAS_END) !== 0 && { end: bytes.slice(restStart + 2, endKeyEnd) }),
    reverse: (flags & RANGE_REVERSE) !== 0,
    limit: readU32(bytes, endKeyEnd),
    digest: digestToHex({ lo: readU32(bytes, endKeyEnd + 4), hi: readU32(bytes, endKeyEnd + 8) }),
  }
}

/** The catalog change of a `ddl` item that the cursor stands on. */
export function readDdl(cursor: EnvelopeCursor): Ddl {
  const reader = new ByteReader(cursor.bytes, cursor.bodyStart, cursor.bodyEnd)
  const code = reader.u8()
  const flag = reader.u8()
  if (flag > OPTIONAL_FLAG) throw new MalformedBytes('ddl flags')
  const operation = readDdlFields(reader, code, flag === OPTIONAL_FLAG)
  reader.expectEnd()
  return operation
}

function readDdlFields(reader: ByteReader, code: number, optional: boolean): Ddl {
  switch (code) {
    case DdlCode.createProject:
      return { type: 'createProject', project: reader.text16(), ifNotExists: optional }
    case DdlCode.renameProject:
      return { type: 'renameProject', project: reader.text16(), to: reader.text16() }
    case DdlCode.dropProject:
      return { type: 'dropProject', project: reader.text16(), ifExists: optional }
    case DdlCode.createScope:
      return { type: 'createScope', project: reader.text16(), scope: reader.text16(), ifNotExists: optional }
    case DdlCode.renameScope:
      return { type: 'renameScope', project: reader.text16(), scope: reader.text16(), to: reader.text16() }
    case DdlCode.dropScope:
      return { type: 'dropScope', project: reader.text16(), scope: reader.text16(), ifExists: optional }
    case DdlCode.grant:
      return { type: 'grant', caller: reader.text16(), permission: readPermission(reader) }
    case DdlCode.revoke:
      return { type: 'revoke', caller: reader.text16(), permission: readPermission(reader) }
    case DdlCode.setSetting:
      return { type: 'setSetting', name: reader.text16(), value: reader.f64() }
    default:
      throw new MalformedBytes(`ddl operation ${code}`)
  }
}

export function readPermission(reader: ByteReader): Permission {
  const type = PERMISSIONS[reader.u8()]
  const parts = reader.u8()
  if (type === undefined || parts > 7) throw new MalformedBytes('permission')
  if (type === 'admin' || type === 'impersonate') {
    if (parts !== 0) throw new MalformedBytes('permission')
    return { type }
  }
  if (parts !== 0 && parts !== 1 && parts !== 3 && parts !== 7) throw new MalformedBytes('permission reach')
  return {
    type,
    ...((parts & 1) !== 0 && { project: reader.text16() }),
    ...((parts & 2) !== 0 && { scope: reader.text16() }),
    ...((parts & 4) !== 0 && { prefix: reader.bytes16().slice() }),
  }
}

/** Proves that `bytes[start, end)` is a whole, well-formed envelope, in one pass; leaves `cursor` at its end. */
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
  const points: ({ seq: number } & KeyTarget)[] = []
  const ranges: RangeRead[] = []
  const mutations: Mutation[] = []
  while (cursor.next()) {
    if (cursor.op === Op.ddl) {
      mutations.push({ type: 'ddl', operation: readDdl(cursor) })
      continue
    }
    const namespace = namespaces[cursor.namespace]!
    const target: KeyTarget = { ...namespace, key: bytes.slice(cursor.keyStart, cursor.keyEnd) }
    if (cursor.op === Op.readPoint) points.push({ ...target, seq: readU64(bytes, cursor.restStart) })
    else if (cursor.op === Op.readRange) ranges.push(readRange(cursor, namespace))
    else if (cursor.op < Op.readPoint) assertions.push(readAssertion(cursor, target))
    else mutations.push(readKvMutation(cursor, target))
  }
  return {
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(assertions.length > 0 && { assertions }),
    ...((points.length > 0 || ranges.length > 0) && { readSet: { points, ranges } }),
    mutations,
  }
}

function readAssertion(cursor: EnvelopeCursor, target: KeyTarget): Assertion {
  const { bytes, restStart, bodyEnd, flags } = cursor
  switch (cursor.op) {
    case Op.assertKeyVersion:
      return { type: 'keyVersion', ...target, seq: readU64(bytes, restStart) }
    case Op.assertKeyExists:
      return { type: 'keyExists', ...target, expected: flags === 1 }
    case Op.assertKeyEquals:
      return { type: 'keyEquals', ...target, value: bytes.slice(restStart, bodyEnd) }
    default:
      return { type: 'keyCompare', ...target, op: COMPARISONS[flags]!, threshold: bytes.slice(restStart, bodyEnd) }
  }
}

function readKvMutation(cursor: EnvelopeCursor, target: KeyTarget): Mutation {
  const { bytes, restStart, bodyEnd, flags } = cursor
  switch (cursor.op) {
    case Op.kvSet: {
      if ((flags & SET_HAS_TTL) === 0) return { type: 'kvSet', ...target, value: bytes.slice(restStart, bodyEnd) }
      return { type: 'kvSet', ...target, ttlMs: readU64(bytes, restStart), value: bytes.slice(restStart + 8, bodyEnd) }
    }
    case Op.kvDelete:
      return { type: 'kvDelete', ...target }
    default: {
      const numeric = {
        ...target,
        by: bigEndianToBigint(bytes.subarray(restStart, bodyEnd)),
        width: (flags & NUMBER_WIDE) === 0 ? 64 : 256,
        onMissing: (flags & NUMBER_MISSING_REJECT) === 0 ? 'zero' : 'reject',
      } as const
      const policy = (['reject', 'saturate', 'ignore'] as const)[flags >> NUMBER_RANGE_SHIFT]!
      if (cursor.op === Op.kvDecrement) return { type: 'kvDecrement', ...numeric, onUnderflow: policy }
      return { type: 'kvIncrement', ...numeric, onOverflow: policy === 'saturate' ? 'saturate' : 'reject' }
    }
  }
}
