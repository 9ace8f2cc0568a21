import {
  MalformedBytes,
  type Assertion,
  type ComparisonOperator,
  type Ddl,
  type KeyTarget,
  type Mutation,
  type MutationResult,
  type Outcome,
  type Permission,
  type RangeRead,
  type ReadSet,
  type RefusalDetail,
  type TransactionEnvelope,
} from '../../encoding/index.ts'
import {
  asList,
  asMap,
  booleanField,
  bytesField,
  choiceField,
  field,
  integerField,
  listField,
  onlyFields,
  optionalField,
  textField,
  type PlainMap,
} from './fields.ts'

/** `TransactionEnvelope`, `Ddl` and `Outcome` out of parsed JSON, strictly: an unknown field is refused, it may be a misspelt condition. */

const TARGET = ['project', 'scope', 'key']
const COMPARISON_OPERATORS: readonly ComparisonOperator[] = ['eq', 'ne', 'lt', 'lte', 'gt', 'gte']
const INCREMENT_POLICIES = ['reject', 'saturate'] as const
const DECREMENT_POLICIES = ['reject', 'saturate', 'ignore'] as const
const MISSING_POLICIES = ['zero', 'reject'] as const
const DECIMAL = /^\d{1,78}$/

export function envelopeFromPlain(value: unknown): TransactionEnvelope {
  const map = asMap(value, 'envelope')
  onlyFields(map, 'envelope', ['idempotencyKey', 'assertions', 'readSet', 'mutations'])
  const idempotencyKey = optionalField(map, 'idempotencyKey', textField)
  const assertions = optionalField(map, 'assertions', listField)
  const readSet = optionalField(map, 'readSet', field)
  return {
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(assertions !== undefined && { assertions: assertions.map(assertionFromPlain) }),
    ...(readSet !== undefined && { readSet: readSetFromPlain(readSet) }),
    mutations: listField(map, 'mutations').map(mutationFromPlain),
  }
}

function target(map: PlainMap): KeyTarget {
  const scope = optionalField(map, 'scope', textField)
  return { project: textField(map, 'project'), ...(scope !== undefined && { scope }), key: bytesField(map, 'key') }
}

function assertionFromPlain(value: unknown): Assertion {
  const map = asMap(value, 'assertion')
  const only = (...names: string[]): void => onlyFields(map, 'assertion', ['type', ...TARGET, ...names])
  const type = textField(map, 'type')
  switch (type) {
    case 'keyVersion':
      only('seq')
      return { type, ...target(map), seq: integerField(map, 'seq') }
    case 'keyExists':
      only('expected')
      return { type, ...target(map), expected: booleanField(map, 'expected') }
    case 'keyEquals':
      only('value')
      return { type, ...target(map), value: bytesField(map, 'value') }
    case 'keyCompare':
      only('op', 'threshold')
      return {
        type,
        ...target(map),
        op: choiceField(map, 'op', COMPARISON_OPERATORS),
        threshold: bytesField(map, 'threshold'),
      }
    default:
      throw new MalformedBytes(`unknown assertion ${JSON.stringify(type.slice(0, 80))}`)
  }
}

function readSetFromPlain(value: unknown): ReadSet {
  const map = asMap(value, 'readSet')
  onlyFields(map, 'readSet', ['points', 'ranges'])
  const points = optionalField(map, 'points', listField)
  const ranges = optionalField(map, 'ranges', listField)
  return {
    ...(points !== undefined && { points: points.map(pointFromPlain) }),
    ...(ranges !== undefined && { ranges: ranges.map(rangeFromPlain) }),
  }
}

function pointFromPlain(value: unknown): { seq: number } & KeyTarget {
  const map = asMap(value, 'point')
  onlyFields(map, 'point', [...TARGET, 'seq'])
  return { ...target(map), seq: integerField(map, 'seq') }
}

function rangeFromPlain(value: unknown): RangeRead {
  const map = asMap(value, 'range')
  onlyFields(map, 'range', ['project', 'scope', 'start', 'end', 'reverse', 'limit', 'digest'])
  const scope = optionalField(map, 'scope', textField)
  const start = optionalField(map, 'start', bytesField)
  const end = optionalField(map, 'end', bytesField)
  const reverse = optionalField(map, 'reverse', booleanField)
  return {
    project: textField(map, 'project'),
    ...(scope !== undefined && { scope }),
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(reverse !== undefined && { reverse }),
    limit: integerField(map, 'limit', 0xffffffff),
    digest: textField(map, 'digest'),
  }
}

function mutationFromPlain(value: unknown): Mutation {
  const map = asMap(value, 'mutation')
  const only = (...names: string[]): void => onlyFields(map, 'mutation', ['type', ...TARGET, ...names])
  const type = textField(map, 'type')
  switch (type) {
    case 'kvSet': {
      only('value', 'ttlMs')
      const ttlMs = optionalField(map, 'ttlMs', integerField)
      return { type, ...target(map), value: bytesField(map, 'value'), ...(ttlMs !== undefined && { ttlMs }) }
    }
    case 'kvDelete':
      only()
      return { type, ...target(map) }
    case 'kvIncrement': {
      only('by', 'width', 'onMissing', 'onOverflow')
      const onOverflow = optionalField(map, 'onOverflow', (m, n) => choiceField(m, n, INCREMENT_POLICIES))
      return { type, ...target(map), ...numberFields(map), ...(onOverflow !== undefined && { onOverflow }) }
    }
    case 'kvDecrement': {
      only('by', 'width', 'onMissing', 'onUnderflow')
      const onUnderflow = optionalField(map, 'onUnderflow', (m, n) => choiceField(m, n, DECREMENT_POLICIES))
      return { type, ...target(map), ...numberFields(map), ...(onUnderflow !== undefined && { onUnderflow }) }
    }
    case 'ddl':
      onlyFields(map, 'mutation', ['type', 'operation'])
      return { type, operation: ddlFromPlain(field(map, 'operation')) }
    default:
      throw new MalformedBytes(`unknown mutation ${JSON.stringify(type.slice(0, 80))}`)
  }
}

function numberFields(map: PlainMap): { by: bigint; width: 64 | 256; onMissing?: 'zero' | 'reject' } {
  const width = field(map, 'width')
  if (width !== 64 && width !== 256) throw new MalformedBytes('width: not 64 or 256')
  const onMissing = optionalField(map, 'onMissing', (m, n) => choiceField(m, n, MISSING_POLICIES))
  return { by: bigintField(map, 'by'), width, ...(onMissing !== undefined && { onMissing }) }
}

/** An unsigned integer: a number up to 2^53, or a text of decimal digits. */
export function bigintField(map: PlainMap, name: string): bigint {
  const value = field(map, name)
  if (typeof value === 'string' && DECIMAL.test(value)) return BigInt(value)
  return BigInt(integerField(map, name))
}

/** One operation. `POST /v1/ddl` takes one or a list: see `ddlListFromPlain`. */
export function ddlFromPlain(value: unknown): Ddl {
  const map = asMap(value, 'ddl')
  const only = (...names: string[]): void => onlyFields(map, 'ddl', ['type', 'project', ...names])
  const type = textField(map, 'type')
  const project = (): string => textField(map, 'project')
  const flag = <N extends 'ifExists' | 'ifNotExists'>(name: N): { [K in N]?: boolean } => {
    const isSet = optionalField(map, name, booleanField)
    return (isSet === undefined ? {} : { [name]: isSet }) as { [K in N]?: boolean }
  }
  switch (type) {
    case 'createProject':
      only('ifNotExists')
      return { type, project: project(), ...flag('ifNotExists') }
    case 'renameProject':
      only('to')
      return { type, project: project(), to: textField(map, 'to') }
    case 'dropProject':
      only('ifExists')
      return { type, project: project(), ...flag('ifExists') }
    case 'createScope':
      only('scope', 'ifNotExists')
      return { type, project: project(), scope: textField(map, 'scope'), ...flag('ifNotExists') }
    case 'renameScope':
      only('scope', 'to')
      return { type, project: project(), scope: textField(map, 'scope'), to: textField(map, 'to') }
    case 'dropScope':
      only('scope', 'ifExists')
      return { type, project: project(), scope: textField(map, 'scope'), ...flag('ifExists') }
    case 'grant':
    case 'revoke':
      onlyFields(map, 'ddl', ['type', 'caller', 'permission'])
      return { type, caller: textField(map, 'caller'), permission: permissionFromPlain(field(map, 'permission')) }
    case 'setSetting': {
      onlyFields(map, 'ddl', ['type', 'name', 'value'])
      const setting = field(map, 'value')
      if (typeof setting !== 'number' || !Number.isFinite(setting)) throw new MalformedBytes('value: not a number')
      return { type, name: textField(map, 'name'), value: setting }
    }
    default:
      throw new MalformedBytes(`unknown ddl operation ${JSON.stringify(type.slice(0, 80))}`)
  }
}

export function ddlListFromPlain(value: unknown): Ddl[] {
  return Array.isArray(value) ? asList(value, 'ddl').map(ddlFromPlain) : [ddlFromPlain(value)]
}

export function permissionFromPlain(value: unknown): Permission {
  const map = asMap(value, 'permission')
  onlyFields(map, 'permission', ['type', 'project', 'scope', 'prefix'])
  const type = choiceField(map, 'type', ['admin', 'impersonate', 'kvRead', 'kvWrite'])
  const project = optionalField(map, 'project', textField)
  const scope = optionalField(map, 'scope', textField)
  const prefix = optionalField(map, 'prefix', bytesField)
  if (type === 'admin' || type === 'impersonate') {
    if (project !== undefined || scope !== undefined || prefix !== undefined) {
      throw new MalformedBytes(`permission ${type} has no reach`)
    }
    return { type }
  }
  return {
    type,
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scope }),
    ...(prefix !== undefined && { prefix }),
  }
}

export function outcomeFromPlain(value: unknown): Outcome {
  const map = asMap(value, 'outcome')
  const status = choiceField(map, 'status', ['committed', 'refused'])
  const seq = integerField(map, 'seq')
  if (status === 'committed') return { status, seq, results: listField(map, 'results').map(mutationResult) }
  const detail = optionalField(map, 'detail', refusalDetail)
  const refusal = { status, seq, code: textField(map, 'code'), message: textField(map, 'message') }
  return detail === undefined ? refusal : { ...refusal, detail }
}

function refusalDetail(parent: PlainMap, name: string): RefusalDetail {
  const map = asMap(field(parent, name), name)
  return { index: integerField(map, 'index', 0xffffffff), actualSeq: integerField(map, 'actualSeq') }
}

function mutationResult(value: unknown): MutationResult {
  if (value === null || typeof value === 'boolean') return value ?? undefined
  return bigintField({ value }, 'value')
}
