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
import { ASSERTION_DEPTH_MAX } from './envelope-ops.ts'
import { bytesToJson } from './json-values.ts'
import { COUNTER_SHARDS_MAX, MUTATE_OPS } from './kv-items.ts'
import type { KeyAssertion, KvMutation } from './kv-items.ts'
import { readTableDdlData, TABLE_DDL_TYPES } from './table-ddl-json.ts'
import {
  readTableAssertionData,
  readTableMutationData,
  TABLE_ASSERTION_TYPES,
  TABLE_MUTATION_TYPES,
} from './table-json.ts'

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
  const assertions = reader.optionalList('assertions', assertion => readAssertion(assertion, 0))
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

const KEY_ASSERTION_TYPES = ['keyVersion', 'keyExists', 'keyEquals', 'keyCompare'] as const
const ASSERTION_TYPES = [...KEY_ASSERTION_TYPES, ...TABLE_ASSERTION_TYPES, 'all', 'any', 'not'] as const

/** `groups`: how many groups are around it. */
function readAssertion(reader: DataReader, groups: number): Assertion {
  const assertion = readAssertionOf(reader, reader.oneOf('type', ASSERTION_TYPES), groups)
  reader.end()
  return assertion
}

function readAssertionOf(reader: DataReader, type: Assertion['type'], groups: number): Assertion {
  switch (type) {
    case 'all':
    case 'any':
      checkGroups(reader, groups)
      return { type, assertions: reader.list('assertions', inner => readAssertion(inner, groups + 1)) }
    case 'not':
      checkGroups(reader, groups)
      return { type, assertion: reader.object('assertion', inner => readAssertion(inner, groups + 1)) }
    case 'keyVersion':
    case 'keyExists':
    case 'keyEquals':
    case 'keyCompare':
      return readCondition(reader, type, readTarget(reader))
    default:
      return readTableAssertionData(reader, type)
  }
}

function checkGroups(reader: DataReader, groups: number): void {
  if (groups >= ASSERTION_DEPTH_MAX) throw reader.wrong('type', `assertions have at most ${ASSERTION_DEPTH_MAX} levels`)
}

function readCondition(reader: DataReader, type: KeyAssertion['type'], target: KeyTarget): Assertion {
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
    const read = { ...readTarget(point), ...readOptionalText(point, 'table'), seq: point.count('seq') }
    point.end()
    return read
  })
  const ranges = reader.optionalList('ranges', readRange)
  reader.end()
  return { ...(points !== undefined && { points }), ...(ranges !== undefined && { ranges }) }
}

function readOptionalText<N extends string>(reader: DataReader, name: N): { [K in N]?: string } {
  const text = reader.optionalText(name)
  return (text === undefined ? {} : { [name]: text }) as { [K in N]?: string }
}

function readRange(reader: DataReader): RangeRead {
  const place = readPlace(reader)
  const table = readOptionalText(reader, 'table')
  const index = readOptionalText(reader, 'index')
  if (index.index !== undefined && table.table === undefined) throw reader.wrong('table', 'given, as index is')
  const start = reader.optionalBytes('start')
  const end = reader.optionalBytes('end')
  const reverse = reader.optionalBoolean('reverse')
  const limit = reader.count('limit', 0xffffffff)
  const digest = reader.text('digest')
  if (!/^[0-9a-f]{16}$/.test(digest)) throw reader.wrong('digest', '16 hexadecimal digits')
  reader.end()
  return {
    ...place,
    ...table,
    ...index,
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(reverse !== undefined && { reverse }),
    limit,
    digest,
  }
}

const KV_TYPES = [
  'kvSet',
  'kvDelete',
  'kvIncrement',
  'kvDecrement',
  'kvMax',
  'kvMin',
  'kvMutate',
  'kvAddSigned',
  'counterAdd',
] as const
/** Every `Mutation['type']`. */
export const MUTATION_TYPES: readonly Mutation['type'][] = [
  ...KV_TYPES,
  ...TABLE_MUTATION_TYPES,
  'emitEvent',
  'postflight',
  'ddl',
]

function readMutation(reader: DataReader): Mutation {
  const mutation = readMutationOf(reader, reader.oneOf('type', MUTATION_TYPES))
  reader.end()
  return mutation
}

function readMutationOf(reader: DataReader, type: Mutation['type']): Mutation {
  switch (type) {
    case 'ddl':
      return { type, operation: reader.object('operation', readDdl) }
    case 'postflight':
      return { type, assertions: reader.list('assertions', assertion => readAssertion(assertion, 1)) }
    case 'emitEvent': {
      const event = { topic: reader.text('topic'), key: reader.text('key'), payload: reader.text('payload') }
      return { type, ...readPlace(reader), ...event }
    }
    case 'insert':
    case 'upsert':
    case 'update':
    case 'delete':
    case 'updateWhere':
    case 'deleteWhere':
      return readTableMutationData(reader, type)
    default:
      return readKvMutation(reader, type, readTarget(reader))
  }
}

function readKvMutation(reader: DataReader, type: KvMutation['type'], target: KeyTarget): Mutation {
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
    case 'kvMax':
    case 'kvMin': {
      const width = readWidth(reader)
      const onMissing = reader.optionalOneOf('onMissing', ['set', 'zero', 'reject'] as const)
      const value = reader.unsigned('value', width)
      return { type, ...target, value, width, ...(onMissing !== undefined && { onMissing }) }
    }
    case 'kvMutate': {
      const width = readWidth(reader)
      const op = reader.oneOf('op', MUTATE_OPS)
      const expectedSeq = reader.optionalCount('expectedSeq')
      const operand = reader.unsigned('operand', width)
      return { type, ...target, op, operand, width, ...(expectedSeq !== undefined && { expectedSeq }) }
    }
    case 'kvAddSigned': {
      const min = reader.optionalSigned('min')
      const max = reader.optionalSigned('max')
      const onMissing = reader.optionalOneOf('onMissing', ['zero', 'reject'] as const)
      return {
        type,
        ...target,
        by: reader.signed('by'),
        ...(min !== undefined && { min }),
        ...(max !== undefined && { max }),
        ...(onMissing !== undefined && { onMissing }),
      }
    }
    case 'counterAdd': {
      const shards = reader.count('shards', COUNTER_SHARDS_MAX)
      const shard = reader.count('shard', COUNTER_SHARDS_MAX)
      if (shard >= shards) throw reader.wrong('shard', 'below shards')
      return { type, ...target, by: reader.unsigned('by', 64), shards, shard }
    }
    default:
      throw dataError('type', 'unknown')
  }
}

function readAmount(reader: DataReader): { by: bigint; width: 64 | 256; onMissing?: 'zero' | 'reject' } {
  const width = readWidth(reader)
  const onMissing = reader.optionalOneOf('onMissing', ['zero', 'reject'] as const)
  const by = reader.unsigned('by', width)
  return { by, width, ...(onMissing !== undefined && { onMissing }) }
}

function readWidth(reader: DataReader): 64 | 256 {
  const width = reader.optionalCount('width') ?? 64
  if (width !== 64 && width !== 256) throw reader.wrong('width', '64 or 256')
  return width
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
  'transferOwnership',
  'compactEvents',
  'setQuota',
  ...TABLE_DDL_TYPES,
] as const

function readDdl(reader: DataReader): Ddl {
  const operation = readOperation(reader, reader.oneOf('type', DDL_TYPES))
  reader.end()
  return operation
}

function readOperation(reader: DataReader, type: Ddl['type']): Ddl {
  switch (type) {
    case 'createProject': {
      const owner = readOptionalText(reader, 'owner')
      return { type, project: reader.text('project'), ...readFlag(reader, 'ifNotExists'), ...owner }
    }
    case 'transferOwnership':
      return { type, ...readPlace(reader), ...readOptionalText(reader, 'table'), to: reader.text('to') }
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
    case 'grant': {
      const grant = { caller: reader.text('caller'), permission: reader.object('permission', readPermission) }
      return { type, ...grant, ...readFlag(reader, 'delegable') }
    }
    case 'revoke':
      return { type, caller: reader.text('caller'), permission: reader.object('permission', readPermission) }
    case 'setSetting':
      return { type, name: reader.text('name'), value: reader.finite('value') }
    case 'compactEvents': {
      const maxAgeMs = reader.optionalCount('maxAgeMs')
      const keepLast = reader.optionalCount('keepLast')
      const maxEvents = reader.optionalCount('maxEvents')
      const bounds = { ...(maxAgeMs !== undefined && { maxAgeMs }), ...(keepLast !== undefined && { keepLast }) }
      return { type, ...readPlace(reader), ...bounds, ...(maxEvents !== undefined && { maxEvents }) }
    }
    case 'setQuota': {
      const bytes = reader.optionalCount('bytes')
      const records = reader.optionalCount('records')
      const bounds = { ...(bytes !== undefined && { bytes }), ...(records !== undefined && { records }) }
      return { type, project: reader.text('project'), ...bounds }
    }
    default:
      return readTableDdlData(reader, type)
  }
}

function readFlag<N extends string>(reader: DataReader, name: N): { [K in N]?: boolean } {
  const flag = reader.optionalBoolean(name)
  return (flag === undefined ? {} : { [name]: flag }) as { [K in N]?: boolean }
}

/** Which parts of its reach each permission may have, and how many of them it must have. */
const REACHES: { readonly [K in Permission['type']]: { parts: readonly string[]; needed: number } } = {
  admin: { parts: [], needed: 0 },
  impersonate: { parts: [], needed: 0 },
  kvRead: { parts: ['project', 'scope', 'prefix'], needed: 0 },
  kvWrite: { parts: ['project', 'scope', 'prefix'], needed: 0 },
  projectAdmin: { parts: ['project'], needed: 1 },
  scopeAdmin: { parts: ['project', 'scope'], needed: 2 },
  tableRead: { parts: ['project', 'scope', 'table'], needed: 0 },
  tableWrite: { parts: ['project', 'scope', 'table'], needed: 0 },
  policyBypass: { parts: ['project', 'scope', 'table'], needed: 0 },
  tableDdl: { parts: ['project', 'scope'], needed: 0 },
}
const PERMISSION_TYPES = Object.keys(REACHES) as readonly Permission['type'][]

function readPermission(reader: DataReader): Permission {
  const type = reader.oneOf('type', PERMISSION_TYPES)
  const { parts, needed } = REACHES[type]
  const permission: Record<string, unknown> = { type }
  let last = -1
  parts.forEach((part, i) => {
    const value = part === 'prefix' ? reader.optionalBytes(part) : reader.optionalText(part)
    if (value === undefined) {
      if (i < needed) throw reader.wrong(part, 'missing')
      return
    }
    if (last !== i - 1) throw reader.wrong(parts[i - 1]!, `given, as ${part} is`)
    last = i
    permission[part] = value
  })
  reader.end()
  return permission as unknown as Permission
}

/** A permission as data, as `grants` answers it. @throws MalformedData */
export function permissionFromJson(value: unknown): Permission {
  return readPermission(new DataReader(value, 'permission', JSON_DATA))
}

/** A read set as data, as `query` answers it. @throws MalformedData */
export function readSetFromJson(value: unknown): ReadSet {
  return readReadSet(new DataReader(value, 'readSet', JSON_DATA))
}
