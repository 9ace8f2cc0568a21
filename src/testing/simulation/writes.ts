import { rangeDigest } from '../../encoding/index.ts'
import type { Mutation, TransactionEnvelope } from '../../encoding/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import type { RegisterInput, RegisterOutput } from '../linearizability/models.ts'
import type { Ending } from './client.ts'
import type { EntryOracle } from './entry-oracle.ts'
import type { History } from './history.ts'
import { keyOf, PROJECT } from './names.ts'
import type { WorkloadProfile } from './profile.ts'
import type { SimulatedReader } from './reader.ts'
import { drawGrant } from './grant-writes.ts'
import { drawSchemaWrite } from './schema-writes.ts'
import { drawTableWrite } from './table-writes.ts'
import { drawKind, hasTables } from './write-mix.ts'

/** A write that a client is to make, and how it enters the history. */
export interface Write {
  readonly envelope: TransactionEnvelope
  readonly notAfterMs: number
  readonly record?: (history: History, ending: Ending, calledAt: number, returnedAt: number) => void
}

const IDEMPOTENCY_KEYS = 12
const COUNTERS = 3
const SCOPES = 4

/** Some bytes of some node's log, from a multiple of eight on. */
export type LogSample = () => Uint8Array

export function drawWrite(
  random: SeededRandom,
  profile: WorkloadProfile,
  oracle: EntryOracle,
  reader: SimulatedReader,
  logSample: LogSample,
): Write {
  const write = drawPlain(random, profile, oracle, reader, logSample)
  // Now and then with so little time that it may come too late, or that a copy of it does.
  return random.chance(0.1) ? { ...write, notAfterMs: random.pick([1, 20, 300, 1500]) } : write
}

function drawPlain(
  random: SeededRandom,
  profile: WorkloadProfile,
  oracle: EntryOracle,
  reader: SimulatedReader,
  logSample: LogSample,
): Write {
  const kind = drawKind(random, profile.mix)
  switch (kind) {
    case 'register':
      return registerWrite(random, profile)
    case 'delete':
      return registerDelete(random, profile)
    case 'compareAndSet':
      return compareAndSet(random, profile, oracle, reader)
    case 'increment':
      return increment(random)
    case 'several':
      return several(random, profile)
    case 'idempotent':
      return idempotent(random)
    case 'shortLived':
      return shortLived(random, profile)
    case 'transaction':
      return transaction(random, profile, oracle, reader)
    case 'conditions':
      return onlyConditions(random, profile)
    case 'halfWay':
      return halfWay(random, profile)
    case 'otherScope':
      return inOtherScope(random)
    case 'catalog':
      return catalogChange(random)
    case 'bulk':
      return bulk(random)
    case 'sweep':
      return sweep(random)
    case 'logBytes':
      return logBytes(random, logSample)
    case 'rows':
    case 'rowsWhere':
    case 'rowBulk':
    case 'indexes':
      return plain(drawTableWrite(random, kind))
    case 'alter':
    case 'policies':
    case 'rowTtl':
    case 'quotas':
      return plain(drawSchemaWrite(random, kind, oracle.reference))
    case 'grants':
      return plain(drawGrant(random, profile.callers, hasTables(profile.mix)))
    default:
      throw new RangeError(`writes of the kind ${String(kind satisfies never)}`)
  }
}

/** Values are never written twice: a read tells which write it saw. */
function valueOf(random: SeededRandom, profile: WorkloadProfile): Uint8Array {
  const text = `v${random.u32().toString(36)}${random.u32().toString(36)}`
  return keyOf(text.padEnd(text.length + random.below(profile.valueBytes), '.'))
}

function registerKey(random: SeededRandom, { keys }: WorkloadProfile): Uint8Array {
  return keyOf(`r${random.chance(0.3) ? 0 : random.below(keys)}`)
}

const plain = (envelope: TransactionEnvelope): Write => ({ envelope, notAfterMs: 0 })
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

function recordRegister(key: Uint8Array, input: RegisterInput): NonNullable<Write['record']> {
  return (history, ending, calledAt, returnedAt) => {
    const output = registerOutput(ending)
    if (output !== 'nothing') history.registers.push({ key: text(key), input, output, calledAt, returnedAt })
  }
}

/** Undefined = not known; `nothing` = it certainly did nothing, and says nothing of the key. */
function registerOutput(ending: Ending): RegisterOutput | undefined | 'nothing' {
  if (ending.type === 'unknown') return undefined
  if (ending.type === 'refused') return 'nothing'
  const { outcome } = ending
  if (outcome.status === 'committed') return { type: 'written', seq: outcome.seq }
  if (outcome.code !== 'assertion_failed') return 'nothing'
  return { type: 'refused', ...(outcome.detail !== undefined && { actualSeq: outcome.detail.actualSeq }) }
}

function registerWrite(random: SeededRandom, profile: WorkloadProfile): Write {
  const key = registerKey(random, profile)
  const value = valueOf(random, profile)
  const mutations: Mutation[] = [{ type: 'kvSet', project: PROJECT, key, value }]
  return { ...plain({ mutations }), record: recordRegister(key, { type: 'write', value: text(value) }) }
}

function registerDelete(random: SeededRandom, profile: WorkloadProfile): Write {
  const key = registerKey(random, profile)
  const mutations: Mutation[] = [{ type: 'kvDelete', project: PROJECT, key }]
  return { ...plain({ mutations }), record: recordRegister(key, { type: 'delete' }) }
}

/** Writes over the version last seen, which may be old by now. */
function compareAndSet(
  random: SeededRandom,
  profile: WorkloadProfile,
  oracle: EntryOracle,
  reader: SimulatedReader,
): Write {
  const key = registerKey(random, profile)
  const value = valueOf(random, profile)
  const isFresh = random.chance(0.6)
  const { reference } = oracle
  const newest = reference.keys.versionOf({ project: PROJECT, key }, reference.timeAt(oracle.lastSeq)) ?? 0
  const seq = isFresh ? newest : reader.lastSeen(key)
  const envelope: TransactionEnvelope = {
    assertions: [{ type: 'keyVersion', project: PROJECT, key, seq }],
    mutations: [{ type: 'kvSet', project: PROJECT, key, value }],
  }
  return {
    ...plain(envelope),
    record: recordRegister(key, { type: 'compareAndSet', expectedSeq: seq, value: text(value) }),
  }
}

function increment(random: SeededRandom): Write {
  const key = keyOf(`c${random.below(COUNTERS)}`)
  const by = BigInt(random.between(1, 9))
  const mutations: Mutation[] = [{ type: 'kvIncrement', project: PROJECT, key, by, width: 64 }]
  return {
    ...plain({ mutations }),
    record: (history, ending, calledAt, returnedAt) => {
      if (ending.type === 'refused') return
      const outcome = ending.type === 'outcome' ? ending.outcome : undefined
      if (outcome?.status === 'refused') return
      const output = outcome?.results[0] as bigint | undefined
      history.counters.push({ key: text(key), input: { type: 'add', by }, output, calledAt, returnedAt })
    },
  }
}

/** Keys that are always written together. */
function several(random: SeededRandom, profile: WorkloadProfile): Write {
  const value = valueOf(random, profile)
  const count = random.between(2, 6)
  const first = random.below(10)
  const keys = Array.from({ length: count }, (_, index) => keyOf(`m${(first + index) % 10}`))
  return plain({ mutations: keys.map(key => ({ type: 'kvSet', project: PROJECT, key, value })) })
}

/** The same transaction under the same key, asked by several clients: applied once. */
function idempotent(random: SeededRandom): Write {
  const number = random.below(IDEMPOTENCY_KEYS)
  const key = keyOf('i')
  // An assertion that may fail at first: a refusal must not be remembered.
  const assertions =
    number < 6 ? [{ type: 'keyExists', project: PROJECT, key: keyOf(`r${number}`), expected: true } as const] : []
  return plain({
    idempotencyKey: `k${number}`,
    assertions,
    mutations: [{ type: 'kvIncrement', project: PROJECT, key, by: 1n, width: 64 }],
  })
}

function shortLived(random: SeededRandom, profile: WorkloadProfile): Write {
  const key = keyOf(`t${random.below(8)}`)
  const ttlMs = random.pick([1, 50, 400, 3000])
  return plain({ mutations: [{ type: 'kvSet', project: PROJECT, key, value: valueOf(random, profile), ttlMs }] })
}

/** A transaction that has read a point and a range before. */
function transaction(
  random: SeededRandom,
  profile: WorkloadProfile,
  oracle: EntryOracle,
  reader: SimulatedReader,
): Write {
  const key = registerKey(random, profile)
  const { reference } = oracle
  const timeMicros = reference.timeAt(oracle.lastSeq)
  const isFresh = random.chance(0.8)
  const seq = isFresh ? (reference.keys.versionOf({ project: PROJECT, key }, timeMicros) ?? 0) : reader.lastSeen(key)
  const range = {
    project: PROJECT,
    start: keyOf('m'),
    end: keyOf('n'),
    limit: random.pick([0, 3]),
    reverse: random.chance(0.5),
  }
  // Now and then read a while ago.
  const readAt = Math.max(1, oracle.lastSeq - random.pick([0, 0, 0, 40]))
  const records = reference.keys.scan(range, readAt, reference.timeAt(readAt))
  return plain({
    readSet: {
      points: [{ project: PROJECT, key, seq }],
      ranges: random.chance(0.5) ? [{ ...range, digest: rangeDigest(records) }] : [],
    },
    mutations: [
      { type: 'kvSet', project: PROJECT, key: keyOf(`x${random.below(5)}`), value: valueOf(random, profile) },
    ],
  })
}

/** Changes nothing but its session: what is remembered of it must count, too. */
function onlyConditions(random: SeededRandom, profile: WorkloadProfile): Write {
  const expected = random.chance(0.5)
  return plain({
    assertions: [{ type: 'keyExists', project: PROJECT, key: registerKey(random, profile), expected }],
    mutations: [],
  })
}

/** Fails in its last change: the first ones must leave nothing. */
function halfWay(random: SeededRandom, profile: WorkloadProfile): Write {
  const value = valueOf(random, profile)
  return plain({
    mutations: [
      { type: 'kvSet', project: PROJECT, key: keyOf(`m${random.below(10)}`), value },
      { type: 'kvDecrement', project: PROJECT, key: keyOf('c0'), by: 1n << 60n, width: 64, onUnderflow: 'reject' },
    ],
  })
}

/** A write into a scope that comes and goes: refused at the door when it is gone, but only if it can not have been applied before. */
function inOtherScope(random: SeededRandom): Write {
  const scope = `s${random.below(SCOPES)}`
  return plain({ mutations: [{ type: 'kvSet', project: PROJECT, scope, key: keyOf('s'), value: keyOf('s') }] })
}

function catalogChange(random: SeededRandom): Write {
  const scope = `s${random.below(SCOPES)}`
  const operation = random.chance(0.5)
    ? ({ type: 'createScope', project: PROJECT, scope } as const)
    : ({ type: 'dropScope', project: PROJECT, scope } as const)
  const write: Mutation = { type: 'kvSet', project: PROJECT, scope, key: keyOf('s'), value: keyOf('s') }
  return plain({ mutations: [{ type: 'ddl', operation }, ...(operation.type === 'createScope' ? [write] : [])] })
}

const BULK_KEYS = 2000
const BULK_AT_ONCE = 24

function neighbours(random: SeededRandom): Uint8Array[] {
  const first = random.below(BULK_KEYS)
  return Array.from({ length: BULK_AT_ONCE }, (_, index) =>
    keyOf(`b${String((first + index) % BULK_KEYS).padStart(4, '0')}`),
  )
}

function bulk(random: SeededRandom): Write {
  const value = keyOf(`b${random.u32().toString(36)}`.padEnd(random.pick([20, 150, 400]), '.'))
  return plain({ mutations: neighbours(random).map(key => ({ type: 'kvSet', project: PROJECT, key, value })) })
}

function sweep(random: SeededRandom): Write {
  return plain({ mutations: neighbours(random).map(key => ({ type: 'kvDelete', project: PROJECT, key })) })
}

/** The same bytes at every distance from a multiple of eight, where frames begin. */
function logBytes(random: SeededRandom, logSample: LogSample): Write {
  const sample = logSample()
  const value = new Uint8Array((sample.length + 1) * 8)
  for (let shift = 0; shift < 8; shift++) value.set(sample, shift * (sample.length + 1))
  return plain({ mutations: [{ type: 'kvSet', project: PROJECT, key: keyOf(`l${random.below(4)}`), value }] })
}
