import * as fc from 'fast-check'
import { narrow } from '../../src/encoding/index.ts'
import type {
  Assertion,
  Ddl,
  KeyPart,
  Mutation,
  Permission,
  RangeRead,
  TransactionEnvelope,
} from '../../src/encoding/index.ts'
import { seed } from '../platform/seed.ts'
import {
  grouped,
  rowPoint,
  rowRange,
  tableAssertion,
  tableDdl,
  tableMutation,
  tablePermission,
} from './table-arbitraries.ts'

/** Tries `predicate` on `numRuns` values; a failure prints the smallest one it finds. */
export function check<T>(arbitrary: fc.Arbitrary<T>, numRuns: number, predicate: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, predicate), { seed, numRuns })
}

/** What JSON makes of values: integers beyond 2^53 are texts, which their column makes integers again; all others are numbers. */
export function throughJson<T>(data: T): T {
  const walk = (node: unknown): unknown => {
    if (typeof node === 'bigint') return typeof narrow(node) === 'number' ? Number(node) : node.toString()
    if (Array.isArray(node)) return node.map(walk)
    if (typeof node !== 'object' || node === null || node instanceof Uint8Array) return node
    const fields = Object.entries(node)
    if (fields.some(([name, field]) => name === 'type' && /^(kv|counter)/.test(String(field)))) return node
    const isAmount = fields.length === 1 && /^(add|subtract)$/.test(fields[0]![0])
    return Object.fromEntries(
      fields.map(([name, field]) => [name, isAmount && typeof field === 'bigint' ? narrow(field) : walk(field)]),
    )
  }
  return walk(data) as T
}

/** Records as decoders make them: with the usual prototype. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>
}

export const bytes = (maxLength: number = 40): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/)
const unicode = fc.string({ unit: 'grapheme', maxLength: 20 })
const seq = fc.maxSafeNat()
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const u256 = fc.bigInt({ min: 0n, max: (1n << 256n) - 1n })
const target = { project: name, scope: name, key: bytes() }

const keyAssertion: fc.Arbitrary<Assertion> = fc.oneof(
  record({ type: fc.constant('keyVersion' as const), ...target, seq }),
  record({ type: fc.constant('keyExists' as const), ...target, expected: fc.boolean() }),
  record({ type: fc.constant('keyEquals' as const), ...target, value: bytes() }),
  record({
    type: fc.constant('keyCompare' as const),
    ...target,
    op: fc.constantFrom('eq' as const, 'ne' as const, 'lt' as const, 'lte' as const, 'gt' as const, 'gte' as const),
    threshold: bytes(),
  }),
)

export const assertion: fc.Arbitrary<Assertion> = grouped(fc.oneof(keyAssertion, tableAssertion))

const keyRange: fc.Arbitrary<RangeRead> = fc.record(
  {
    project: name,
    scope: name,
    start: bytes(),
    end: bytes(),
    reverse: fc.boolean(),
    limit: fc.integer({ min: 0, max: 0xffffffff }),
    digest: fc.stringMatching(/^[0-9a-f]{16}$/),
  },
  { requiredKeys: ['project', 'scope', 'reverse', 'limit', 'digest'], noNullPrototype: true },
)

const permission: fc.Arbitrary<Permission> = fc.oneof(
  fc.constant({ type: 'admin' as const }),
  fc.constant({ type: 'impersonate' as const }),
  record({ type: fc.constantFrom('kvRead' as const, 'kvWrite' as const) }),
  record({ type: fc.constantFrom('kvRead' as const, 'kvWrite' as const), project: name }),
  record({ type: fc.constantFrom('kvRead' as const, 'kvWrite' as const), project: name, scope: name }),
  record({
    type: fc.constantFrom('kvRead' as const, 'kvWrite' as const),
    project: name,
    scope: name,
    prefix: bytes(),
  }),
  tablePermission,
)

export const ddl: fc.Arbitrary<Ddl> = fc.oneof(
  record({ type: fc.constant('createProject' as const), project: name, ifNotExists: fc.boolean() }),
  record({ type: fc.constant('createProject' as const), project: name, ifNotExists: fc.boolean(), owner: unicode }),
  record({ type: fc.constant('renameProject' as const), project: name, to: name }),
  record({ type: fc.constant('dropProject' as const), project: name, ifExists: fc.boolean() }),
  record({ type: fc.constant('createScope' as const), project: name, scope: name, ifNotExists: fc.boolean() }),
  record({ type: fc.constant('renameScope' as const), project: name, scope: name, to: name }),
  record({ type: fc.constant('dropScope' as const), project: name, scope: name, ifExists: fc.boolean() }),
  record({ type: fc.constantFrom('grant' as const, 'revoke' as const), caller: unicode, permission }),
  record({ type: fc.constant('grant' as const), caller: unicode, permission, delegable: fc.constant(true) }),
  tableDdl,
  record({ type: fc.constant('transferOwnership' as const), project: name, to: unicode }),
  record({ type: fc.constant('transferOwnership' as const), project: name, scope: name, to: unicode }),
  record({ type: fc.constant('transferOwnership' as const), project: name, scope: name, table: name, to: unicode }),
  fc.record(
    {
      type: fc.constant('compactEvents' as const),
      project: name,
      scope: name,
      maxAgeMs: fc.maxSafeNat(),
      keepLast: fc.maxSafeNat(),
      maxEvents: fc.maxSafeNat(),
    },
    { requiredKeys: ['type', 'project', 'scope'], noNullPrototype: true },
  ),
  fc.record(
    { type: fc.constant('setQuota' as const), project: name, bytes: fc.maxSafeNat(), records: fc.maxSafeNat() },
    { requiredKeys: ['type', 'project'], noNullPrototype: true },
  ),
  record({
    type: fc.constant('setSetting' as const),
    name,
    value: fc.double({ noNaN: true, noDefaultInfinity: true }),
  }),
)

const i64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })
const onMissing = fc.constantFrom('zero' as const, 'reject' as const)
const amount = fc.oneof(
  record({ by: u64, width: fc.constant(64 as const) }),
  record({ by: u256, width: fc.constant(256 as const) }),
)

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  record({ type: fc.constant('kvSet' as const), ...target, value: bytes(300) }),
  record({ type: fc.constant('kvSet' as const), ...target, value: bytes(), ttlMs: seq }),
  record({ type: fc.constant('kvDelete' as const), ...target }),
  fc
    .tuple(
      record({ ...target, onMissing, onOverflow: fc.constantFrom('reject' as const, 'saturate' as const) }),
      amount,
    )
    .map(([fields, number]) => ({ type: 'kvIncrement' as const, ...fields, ...number })),
  fc
    .tuple(
      record({
        ...target,
        onMissing,
        onUnderflow: fc.constantFrom('reject' as const, 'saturate' as const, 'ignore' as const),
      }),
      amount,
    )
    .map(([fields, number]) => ({ type: 'kvDecrement' as const, ...fields, ...number })),
  fc
    .tuple(
      record({
        type: fc.constantFrom('kvMax' as const, 'kvMin' as const),
        ...target,
        onMissing: fc.constantFrom('set' as const, 'zero' as const, 'reject' as const),
      }),
      amount,
    )
    .map(([fields, { by, width }]) => ({ ...fields, value: by, width })),
  fc
    .tuple(
      record({
        type: fc.constant('kvMutate' as const),
        ...target,
        op: fc.constantFrom('set' as const, 'add' as const, 'subtract' as const),
      }),
      amount,
      fc.option(seq, { nil: undefined }),
    )
    .map(([fields, { by, width }, expectedSeq]) => ({
      ...fields,
      operand: by,
      width,
      ...(expectedSeq !== undefined && { expectedSeq }),
    })),
  fc.record(
    { type: fc.constant('kvAddSigned' as const), ...target, by: i64, min: i64, max: i64, onMissing },
    { requiredKeys: ['type', 'project', 'scope', 'key', 'by', 'onMissing'], noNullPrototype: true },
  ),
  record({
    type: fc.constant('counterAdd' as const),
    ...target,
    by: u64,
    shards: fc.integer({ min: 5, max: 4_096 }),
    shard: fc.nat(4),
  }),
  record({
    type: fc.constant('emitEvent' as const),
    project: name,
    scope: name,
    topic: name,
    key: unicode,
    payload: unicode,
  }),
  tableMutation,
  record({ type: fc.constant('postflight' as const), assertions: fc.array(assertion, { maxLength: 3 }) }),
  record({ type: fc.constant('ddl' as const), operation: ddl }),
)

/** Transactions in the very form that decoding gives: all defaults spelt out, empty lists absent. */
export const transaction: fc.Arbitrary<TransactionEnvelope> = fc
  .record({
    idempotencyKey: fc.option(fc.string({ minLength: 1, maxLength: 40 }), { nil: undefined }),
    assertions: fc.array(assertion, { maxLength: 4 }),
    points: fc.array(fc.oneof(record({ ...target, seq }), rowPoint), { maxLength: 4 }),
    ranges: fc.array(fc.oneof(keyRange, rowRange), { maxLength: 3 }),
    mutations: fc.array(mutation, { maxLength: 6 }),
  })
  .map(({ idempotencyKey, assertions, points, ranges, mutations }) => ({
    ...(idempotencyKey !== undefined && { idempotencyKey }),
    ...(assertions.length > 0 && { assertions }),
    ...((points.length > 0 || ranges.length > 0) && { readSet: { points, ranges } }),
    mutations,
  }))

const signed = (bits: bigint): fc.Arbitrary<bigint> =>
  fc.bigInt({ min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n })

/** Texts that share beginnings and have NULs, so that order is decided late. */
const trickyText = fc
  .array(fc.constantFrom('a', 'b', '\0', '\u00ff', '\uffff', '\u{10000}', '\ufeff'), { maxLength: 5 })
  .map(parts => parts.join(''))

export const keyPart: fc.Arbitrary<KeyPart> = fc.oneof(
  fc.constant({ type: 'null' as const }),
  record({ type: fc.constant('u8' as const), value: fc.nat(255) }),
  record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  record({
    type: fc.constant('float' as const),
    value: fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => (value === 0 ? 0 : value)),
  }),
  record({ type: fc.constantFrom('integer' as const, 'timestamp' as const), value: signed(64n) }),
  record({ type: fc.constant('i256' as const), value: signed(256n) }),
  record({ type: fc.constant('u64' as const), value: u64 }),
  record({ type: fc.constant('u256' as const), value: u256 }),
  record({ type: fc.constantFrom('text' as const, 'json' as const), value: fc.oneof(trickyText, unicode) }),
  record({ type: fc.constant('blob' as const), value: bytes(6) }),
)
