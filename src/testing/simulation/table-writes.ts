import type { Ddl, Mutation, Row, TransactionEnvelope } from '../../encoding/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import { PROJECT } from './names.ts'

const ACCOUNTS = { project: PROJECT, table: 'accounts' } as const
const ENTRIES = { project: PROJECT, table: 'entries' } as const
const ACCOUNT_IDS = 8
/** Of those that are written one by one; bulks have more. */
const ENTRY_IDS = 30
const BULK_IDS = 1_500
const OWNERS = 6

/** The tables of the runs that have some. */
export const TABLES: readonly Extract<Ddl, { type: 'createTable' }>[] = [
  {
    type: 'createTable',
    ...ACCOUNTS,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'owner', type: 'text', nullable: true },
      { name: 'balance', type: 'integer', default: 20 },
    ],
    primaryKey: ['id'],
    indexes: [{ name: 'owner', columns: ['owner'], unique: true }],
    checks: [{ name: 'solvent', check: { op: 'gte', column: 'balance', value: 0 } }],
  },
  {
    type: 'createTable',
    ...ENTRIES,
    columns: [
      { name: 'id', type: 'integer' },
      { name: 'account', type: 'integer', nullable: true },
      { name: 'amount', type: 'integer', default: 1 },
      { name: 'note', type: 'text', default: '' },
    ],
    primaryKey: ['id'],
    foreignKeys: [{ name: 'account', columns: ['account'], table: 'accounts', onDelete: 'cascade' }],
  },
]

const AMOUNTS: Ddl = {
  type: 'createIndex',
  ...ENTRIES,
  ifNotExists: true,
  index: { name: 'amounts', columns: ['amount'] },
}
const NO_AMOUNTS: Ddl = { type: 'dropIndex', ...ENTRIES, ifExists: true, name: 'amounts' }

export type TableWriteKind = 'rows' | 'rowsWhere' | 'rowBulk' | 'indexes'

export function drawTableWrite(random: SeededRandom, kind: TableWriteKind): TransactionEnvelope {
  switch (kind) {
    case 'rows':
      return { mutations: Array.from({ length: random.between(1, 3) }, () => rowMutation(random)) }
    case 'rowsWhere':
      return { mutations: [conditional(random)] }
    case 'rowBulk':
      return { mutations: [bulk(random)] }
    case 'indexes':
      return { mutations: [{ type: 'ddl', operation: random.chance(0.6) ? AMOUNTS : NO_AMOUNTS }] }
    default:
      throw new RangeError(`writes of the kind ${String(kind satisfies never)}`)
  }
}

function account(random: SeededRandom): Row {
  const owner = random.chance(0.2) ? null : `o${random.below(OWNERS)}`
  return { id: random.below(ACCOUNT_IDS), owner }
}

function entry(random: SeededRandom): Row {
  return {
    id: random.below(ENTRY_IDS),
    account: random.chance(0.2) ? null : random.below(ACCOUNT_IDS),
    amount: random.below(20),
  }
}

function rowMutation(random: SeededRandom): Mutation {
  const key = { id: random.below(ACCOUNT_IDS) }
  switch (random.below(10)) {
    case 0:
    case 8:
      return { type: 'upsert', ...ACCOUNTS, rows: [account(random)] }
    case 1:
      return { type: 'insert', ...ACCOUNTS, rows: [account(random)], onConflict: { action: 'merge' } }
    case 2:
      return { type: 'delete', ...ACCOUNTS, key }
    case 3:
    case 9:
      return { type: 'insert', ...ENTRIES, rows: [entry(random), entry(random)] }
    case 4:
      return { type: 'update', ...ENTRIES, key: { id: random.below(ENTRY_IDS) }, set: { amount: { add: 1 } } }
    case 5:
      return { type: 'upsert', ...ENTRIES, rows: [entry(random)] }
    default:
      // Below zero the account is not solvent any more, and nothing of the transaction happens.
      return { type: 'update', ...ACCOUNTS, key, set: { balance: { add: random.between(-8, 9) } } }
  }
}

function conditional(random: SeededRandom): Mutation {
  const ofAccount = { op: 'eq', column: 'account', value: random.below(ACCOUNT_IDS) } as const
  const where = random.chance(0.5)
    ? ofAccount
    : ({ op: 'gte', column: 'amount', value: random.between(10, 25) } as const)
  const limit = random.pick([1, 5, 100])
  if (random.chance(0.5)) return { type: 'deleteWhere', ...ENTRIES, where, limit }
  return { type: 'updateWhere', ...ENTRIES, where, set: { amount: { subtract: 1 } }, limit }
}

/** Neighbours with long notes: pages split, and leave memory. */
function bulk(random: SeededRandom): Mutation {
  const first = random.below(BULK_IDS)
  const note = 'n'.repeat(random.pick([20, 150, 300]))
  const rows = Array.from({ length: 40 }, (_, i) => ({ id: (first + i) % BULK_IDS, amount: i, note }))
  return { type: 'upsert', ...ENTRIES, rows }
}
