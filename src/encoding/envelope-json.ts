import type {
  Assertion,
  Ddl,
  KeyTarget,
  Mutation,
  Permission,
  RangeRead,
  ReadSet,
  TransactionEnvelope,
} from './envelope.ts'
import { COMPARISONS } from './comparison.ts'
import type { ComparisonOperator } from './comparison.ts'
import { DataReader, dataError, JSON_DATA, NATIVE_DATA, type DataForm } from './data-reader.ts'
import { bytesToJson } from './json-values.ts'

/**
 * Transactions and DDL as data from outside, checked field by field: as JSON (docs/formats/envelope.md: bytes as {"$b": base64},
 * integers beyond 2^53 as strings of digits) or as values of this language. Unknown fields are errors: a misspelt condition must
 * not be a condition that holds.
 */

/** @throws MalformedData naming the path of the first wrong field */
export function transactionFromJson(value: unknown): TransactionEnvelope {
  return readTransaction(new DataReader(value, 'transaction', JSON_DATA))
}

/** One operation or a list of them. @throws MalformedData */
export function ddlFromJson(value: unknown): Ddl[] {
  return readDdlList(value, JSON_DATA)
}

/** Checks what a caller of this language passed in; bytes are Uint8Array, numbers may be bigint. @throws MalformedData */
export function checkedTransaction(value: unknown): TransactionEnvelope {
  return readTransaction(new DataReader(value, 'transaction', NATIVE_DATA))
}

/** As `checkedTransaction`, for `Database.ddl`. @throws MalformedData */
export function checkedDdl(value: unknown): Ddl[] {
  return readDdlList(value, NATIVE_DATA)
}

/** The JSON form of a transaction: what `transactionFromJson` reads. */
export function transactionToJson(envelope: TransactionEnvelope): unknown {
  return bytesToJson(envelope)
}

/** The JSON form of an operation. */
export function ddlToJson(operation: Ddl): unknown {
  return bytesToJson(operation)
}

function readDdlList(value: unknown, form: DataForm): Ddl[] {
  if (!Array.isArray(value)) return [readDdl(new DataReader(value, 'ddl', form))]
  return value.map((item: unknown, index) => readDdl(new DataReader(item, `ddl[${index}]`, form)))
}

function readTransaction(reader: DataReader): TransactionEnvelope {
  const idempotencyKey = reader.optionalText('idempotencyKey')
  const assertions = reader.optionalList('assertions', readAssertion)
  const readSet = reader.optionalObject('readSet', readReadSet)
  const mutations = reader.list('mutations', readMutation)
  reader.end()
  return {
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(assertions !== undefined && { assertions }),
    ...(readSet !== undefined && { readSet }),
    mutations,
  }
}

function readTarget(reader: DataReader): KeyTarget {
  return { ...readPlace(reader), key: reader.bytes('key') }
}

function readPlace(reader: DataReader): { project: string; scope?: string } {
  const project = reader.text('project')
  const scope = reader.optionalText('scope')
  return { project, ...(scope !== undefined && { scope }) }
}

function readAssertion(reader: DataReader): Assertion {
  const type = reader.oneOf('type', ['keyVersion', 'keyExists', 'keyEquals', 'keyCompare'] as const)
  const target = readTarget(reader)
  const assertion = readCondition(reader, type, target)
  reader.end()
  return assertion
}

function readCondition(reader: DataReader, type: Assertion['type'], target: KeyTarget): Assertion {
  switch (type) {
    case 'keyVersion':
      return { type, ...target, seq: reader.count('seq') }
    case 'keyExists':
      return { type, ...target, expected: reader.boolean('expected') }
    case 'keyEquals':
      return { type, ...target, value: reader.bytes('value') }
    case 'keyCompare': {
      const op = reader.oneOf<ComparisonOperator>('op', COMPARISONS)
      return { type, ...target, op, threshold: reader.bytes('threshold') }
    }
    default:
      throw dataError('type', 'unknown')
  }
}

function readReadSet(reader: DataReader): ReadSet {
  const points = reader.optionalList('points', point => {
    const read = { ...readTarget(point), seq: point.count('seq') }
    point.end()
    return read
  })
  const ranges = reader.optionalList('ranges', readRange)
  reader.end()
  return { ...(points !== undefined && { points }), ...(ranges !== undefined && { ranges }) }
}

function readRange(reader: DataReader): RangeRead {
  const place = readPlace(reader)
  const start = reader.optionalBytes('start')
  const end = reader.optionalBytes('end')
  const reverse = reader.optionalBoolean('reverse')
  const limit = reader.count('limit', 0xffffffff)
  const digest = reader.text('digest')
  if (!/^[0-9a-f]{16}$/.test(digest)) throw reader.wrong('digest', '16 hexadecimal digits')
  reader.end()
  return {
    ...place,
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(reverse !== undefined && { reverse }),
    limit,
    digest,
  }
}

function readMutation(reader: DataReader): Mutation {
  const type = reader.oneOf('type', ['kvSet', 'kvDelete', 'kvIncrement', 'kvDecrement', 'ddl'] as const)
  const mutation =
    type === 'ddl'
      ? { type, operation: reader.object('operation', readDdl) }
      : readKvMutation(reader, type, readTarget(reader))
  reader.end()
  return mutation
}

function readKvMutation(reader: DataReader, type: Exclude<Mutation['type'], 'ddl'>, target: KeyTarget): Mutation {
  switch (type) {
    case 'kvSet': {
      const ttlMs = reader.optionalCount('ttlMs')
      return { type, ...target, value: reader.bytes('value'), ...(ttlMs !== undefined && { ttlMs }) }
    }
    case 'kvDelete':
      return { type, ...target }
    case 'kvIncrement': {
      const onOverflow = reader.optionalOneOf('onOverflow', ['reject', 'saturate'] as const)
      return { type, ...target, ...readAmount(reader), ...(onOverflow !== undefined && { onOverflow }) }
    }
    case 'kvDecrement': {
      const onUnderflow = reader.optionalOneOf('onUnderflow', ['reject', 'saturate', 'ignore'] as const)
      return { type, ...target, ...readAmount(reader), ...(onUnderflow !== undefined && { onUnderflow }) }
    }
    default:
      throw dataError('type', 'unknown')
  }
}

function readAmount(reader: DataReader): { by: bigint; width: 64 | 256; onMissing?: 'zero' | 'reject' } {
  const width = reader.optionalCount('width') ?? 64
  if (width !== 64 && width !== 256) throw reader.wrong('width', '64 or 256')
  const onMissing = reader.optionalOneOf('onMissing', ['zero', 'reject'] as const)
  const by = reader.unsigned('by', width)
  return { by, width, ...(onMissing !== undefined && { onMissing }) }
}

const DDL_TYPES = [
  'createProject',
  'renameProject',
  'dropProject',
  'createScope',
  'renameScope',
  'dropScope',
  'grant',
  'revoke',
  'setSetting',
] as const

function readDdl(reader: DataReader): Ddl {
  const operation = readOperation(reader, reader.oneOf('type', DDL_TYPES))
  reader.end()
  return operation
}

function readOperation(reader: DataReader, type: Ddl['type']): Ddl {
  switch (type) {
    case 'createProject':
      return { type, project: reader.text('project'), ...readFlag(reader, 'ifNotExists') }
    case 'dropProject':
      return { type, project: reader.text('project'), ...readFlag(reader, 'ifExists') }
    case 'createScope':
      return {
        type,
        project: reader.text('project'),
        scope: reader.text('scope'),
        ...readFlag(reader, 'ifNotExists'),
      }
    case 'dropScope':
      return { type, project: reader.text('project'), scope: reader.text('scope'), ...readFlag(reader, 'ifExists') }
    case 'renameProject':
      return { type, project: reader.text('project'), to: reader.text('to') }
    case 'renameScope':
      return { type, project: reader.text('project'), scope: reader.text('scope'), to: reader.text('to') }
    case 'grant':
    case 'revoke':
      return { type, caller: reader.text('caller'), permission: reader.object('permission', readPermission) }
    case 'setSetting':
      return { type, name: reader.text('name'), value: reader.finite('value') }
    default:
      throw dataError('type', 'unknown')
  }
}

function readFlag<N extends string>(reader: DataReader, name: N): { [K in N]?: boolean } {
  const flag = reader.optionalBoolean(name)
  return (flag === undefined ? {} : { [name]: flag }) as { [K in N]?: boolean }
}

function readPermission(reader: DataReader): Permission {
  const type = reader.oneOf('type', ['admin', 'impersonate', 'kvRead', 'kvWrite'] as const)
  if (type === 'admin' || type === 'impersonate') {
    reader.end()
    return { type }
  }
  const project = reader.optionalText('project')
  const scope = reader.optionalText('scope')
  const prefix = reader.optionalBytes('prefix')
  if (scope !== undefined && project === undefined) throw reader.wrong('project', 'given, as scope is')
  if (prefix !== undefined && scope === undefined) throw reader.wrong('scope', 'given, as prefix is')
  reader.end()
  return {
    type,
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scope }),
    ...(prefix !== undefined && { prefix }),
  }
}
