import { utf8Bytes } from '../../../src/encoding/index.ts'
import type { Ddl, Expr, Mutation, TableAlteration } from '../../../src/encoding/index.ts'
import type { SeededRandom } from '../../../src/platform/simulated/index.ts'

const P = { project: 'p' } as const
const ROOMS = { ...P, table: 'rooms' } as const
const THINGS = { ...P, table: 'things' } as const
const TASKS = { ...P, table: 'tasks' } as const

/** A project, and tables with indexes, a check and a foreign key that cascades. */
export const SCHEMA: readonly Ddl[] = [
  { type: 'createProject', ...P },
  { type: 'createTable', ...ROOMS, columns: [{ name: 'id', type: 'integer' }], primaryKey: ['id'] },
  {
    type: 'createTable',
    ...THINGS,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'text', nullable: true },
      { name: 'room', type: 'integer', nullable: true },
      { name: 'amount', type: 'u256', default: 0n },
    ],
    primaryKey: ['id'],
    indexes: [
      { name: 'name', columns: ['name'] },
      { name: 'key', columns: ['room', 'name'], unique: true, where: { op: 'gte', column: 'amount', value: 8 } },
    ],
    foreignKeys: [{ name: 'room', columns: ['room'], table: 'rooms', onDelete: 'cascade' }],
  },
  {
    type: 'createTable',
    ...TASKS,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'state', type: 'text', default: 'ready' },
      { name: 'token', type: 'u64', default: 0 },
      { name: 'until', type: 'timestamp', defaultNow: true },
    ],
    primaryKey: ['id'],
    indexes: [{ name: 'state', columns: ['state', 'until'] }],
  },
]

export const WRITE_KINDS = [
  'keys',
  'numbers',
  'expiringKeys',
  'rows',
  'rowsWhere',
  'expiringRows',
  'references',
  'columns',
  'indexes',
  'policies',
  'access',
  'enqueue',
  'claim',
  'complete',
  'events',
  'compaction',
  'scopes',
] as const
export type ParityWriteKind = (typeof WRITE_KINDS)[number]

/** Some of each kind is refused, which leaves its trace too. */
export function parityWrite(random: SeededRandom, kind: ParityWriteKind): Mutation[] {
  const key = utf8Bytes(`k${random.below(60)}`)
  const id = random.below(40)
  switch (kind) {
    case 'keys':
      if (random.chance(0.2)) return [{ type: 'kvDelete', ...P, key }]
      return [{ type: 'kvSet', ...P, key, value: random.bytes(random.chance(0.1) ? 6_000 : 300) }]
    case 'numbers':
      return [{ type: 'kvIncrement', ...P, key: utf8Bytes('n'), by: 3n, width: random.pick([64, 64, 256]) }]
    case 'expiringKeys':
      return [{ type: 'kvSet', ...P, key, value: random.bytes(200), ttlMs: 400 }]
    case 'rows':
      return [{ type: 'upsert', ...THINGS, rows: [thing(random, id), thing(random, id + 1)] }]
    case 'rowsWhere': {
      const where: Expr = { op: 'eq', column: 'name', value: `n${random.below(11)}` }
      if (random.chance(0.3)) return [{ type: 'deleteWhere', ...THINGS, where, limit: 3 }]
      return [{ type: 'updateWhere', ...THINGS, where, set: { amount: { add: 1 } } }]
    }
    case 'expiringRows':
      return [{ type: 'upsert', ...THINGS, rows: [{ id: 100 + id, name: 'short' }], ttlMs: random.pick([50, 400]) }]
    case 'references': {
      const room = { id: random.below(5) }
      return [random.chance(0.3) ? { type: 'delete', ...ROOMS, key: room } : { type: 'upsert', ...ROOMS, rows: [room] }]
    }
    case 'enqueue':
      return [{ type: 'insert', ...TASKS, rows: [{ id: random.below(1_000) }] }]
    case 'claim': {
      const where: Expr = { op: 'eq', column: 'state', value: 'ready' }
      return [{ type: 'updateWhere', ...TASKS, where, set: { state: { set: 'claimed' }, token: { add: 1 } }, limit: 1 }]
    }
    case 'complete':
      return [
        { type: 'deleteWhere', ...TASKS, where: { op: 'eq', column: 'state', value: 'claimed' }, limit: 1 },
        event(random),
      ]
    case 'events':
      return Array.from({ length: random.between(1, 3) }, () => event(random))
    default:
      return [{ type: 'ddl', operation: catalogChange(random, kind) }]
  }
}

function thing(random: SeededRandom, id: number): Record<string, string | number | null> {
  const room = random.chance(0.5) ? random.below(5) : null
  return { id, name: `n${random.below(11)}`, room, amount: random.below(12) }
}

function event(random: SeededRandom): Mutation {
  const payload = JSON.stringify({ n: random.u32() })
  return { type: 'emitEvent', ...P, topic: random.pick(['a', 'b']), key: `k${random.below(9)}`, payload }
}

function catalogChange(
  random: SeededRandom,
  kind: 'columns' | 'indexes' | 'policies' | 'access' | 'compaction' | 'scopes',
): Ddl {
  const column = `x${random.below(3)}`
  switch (kind) {
    case 'columns': {
      const alteration = random.pick<TableAlteration>([
        { type: 'addColumn', column: { name: column, type: 'integer', default: 7 } },
        { type: 'dropColumn', column },
        { type: 'renameColumn', column, to: `x${random.below(3)}` },
      ])
      return { type: 'alterTable', ...THINGS, alteration }
    }
    case 'indexes': {
      if (random.chance(0.4)) return { type: 'dropIndex', ...THINGS, name: 'extra', ifExists: true }
      return {
        type: 'createIndex',
        ...THINGS,
        ifNotExists: true,
        index: { name: 'extra', columns: ['amount', 'name'] },
      }
    }
    case 'policies':
      if (random.chance(0.3)) return { type: 'clearReadPolicy', ...THINGS }
      return { type: 'setReadPolicy', ...THINGS, policy: { op: 'eq', column: 'name', value: { caller: true } } }
    case 'access': {
      if (random.chance(0.3)) return { type: 'setQuota', ...P, records: random.between(300, 400) }
      const type = random.chance(0.6) ? 'grant' : 'revoke'
      return { type, caller: `u${random.below(3)}`, permission: { type: 'tableRead', ...P, scope: 'app' } }
    }
    case 'compaction':
      return { type: 'compactEvents', ...P, keepLast: random.between(5, 40) }
    case 'scopes': {
      const scope = `s${random.below(2)}`
      if (random.chance(0.5)) return { type: 'createScope', ...P, scope }
      return { type: 'dropScope', ...P, scope }
    }
    default:
      throw new RangeError(`no such change: ${String(kind satisfies never)}`)
  }
}
