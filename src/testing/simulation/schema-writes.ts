import type { Ddl, Expr, Mutation, Row, TableAlteration, TransactionEnvelope } from '../../encoding/index.ts'
import type { SeededRandom } from '../../platform/simulated/index.ts'
import { PROJECT } from './names.ts'
import type { Reference } from './reference.ts'

const ACCOUNTS = { project: PROJECT, table: 'accounts' } as const
const ENTRIES = { project: PROJECT, table: 'entries' } as const
const ENTRY_IDS = 30
const ACCOUNT_IDS = 8
const TTLS_MS = [1, 50, 400, 3000]

export type SchemaWriteKind = 'alter' | 'policies' | 'rowTtl' | 'quotas'

/** Changes of what tables are and who sees them, rows that expire, and bounds on how much there may be. */
export function drawSchemaWrite(
  random: SeededRandom,
  kind: SchemaWriteKind,
  reference: Reference,
): TransactionEnvelope {
  switch (kind) {
    case 'alter':
      return { mutations: [random.chance(0.4) ? { type: 'ddl', operation: alteration(random) } : extraRow(random)] }
    case 'policies':
      return { mutations: [{ type: 'ddl', operation: policy(random) }] }
    case 'rowTtl':
      return { mutations: [expiringRow(random)] }
    case 'quotas':
      return { mutations: [{ type: 'ddl', operation: quota(random, reference) }] }
    default:
      throw new RangeError(`writes of the kind ${String(kind satisfies never)}`)
  }
}

/** Columns that come, go and are called otherwise, while others write them. */
function extra(random: SeededRandom): string {
  return `x${random.below(4)}`
}

function alteration(random: SeededRandom): Ddl {
  const column = extra(random)
  const alter = (changed: TableAlteration): Ddl => ({ type: 'alterTable', ...ENTRIES, alteration: changed })
  switch (random.below(7)) {
    case 0:
      return alter({ type: 'addColumn', column: { name: column, type: 'integer', nullable: true } })
    case 1:
      return alter({ type: 'addColumn', column: { name: column, type: 'integer', default: random.below(9) } })
    case 2:
      return alter({ type: 'dropColumn', column })
    case 3:
      return alter({ type: 'renameColumn', column, to: extra(random) })
    case 4:
      return { type: 'createIndex', ...ENTRIES, ifNotExists: true, index: { name: `by-${column}`, columns: [column] } }
    case 5:
      return { type: 'dropIndex', ...ENTRIES, ifExists: true, name: `by-${column}` }
    default:
      return random.chance(0.6)
        ? { type: 'createIndex', ...ENTRIES, ifNotExists: true, index: { name: 'byAccount', columns: ['account'] } }
        : { type: 'dropIndex', ...ENTRIES, ifExists: true, name: 'byAccount' }
  }
}

/** A row with one of the columns that may not be there. */
function extraRow(random: SeededRandom): Mutation {
  const id = random.below(ENTRY_IDS)
  const name = extra(random)
  if (random.chance(0.5)) return { type: 'update', ...ENTRIES, key: { id }, set: { [name]: { set: random.below(50) } } }
  return { type: 'upsert', ...ENTRIES, rows: [{ id, amount: random.below(20), [name]: random.below(50) }] }
}

function expiringRow(random: SeededRandom): Mutation {
  const ttlMs = random.pick(TTLS_MS)
  const entry: Row = { id: random.below(ENTRY_IDS), account: null, amount: random.below(20) }
  switch (random.below(4)) {
    case 0:
      return { type: 'insert', ...ENTRIES, rows: [entry], ttlMs, onConflict: { action: 'merge' } }
    case 1:
      return { type: 'upsert', ...ACCOUNTS, rows: [{ id: random.below(ACCOUNT_IDS), owner: null }], ttlMs }
    default:
      return { type: 'upsert', ...ENTRIES, rows: [entry], ttlMs }
  }
}

/** Of callers that see a part of the rows. */
function policy(random: SeededRandom): Ddl {
  const table = random.chance(0.5) ? ACCOUNTS : ENTRIES
  if (random.chance(0.3)) return { type: 'clearReadPolicy', ...table }
  const number = table === ACCOUNTS ? 'balance' : 'amount'
  const isLarge: Expr = { op: 'gte', column: number, value: random.between(5, 25) }
  const isOwn: Expr =
    table === ACCOUNTS
      ? { op: 'ne', column: 'owner', value: { caller: true } }
      : { op: 'eq', column: 'account', value: random.below(ACCOUNT_IDS) }
  const conditions: readonly Expr[] = [isLarge, isOwn, { op: 'or', args: [isLarge, isOwn] }]
  return { type: 'setReadPolicy', ...table, policy: random.pick(conditions) }
}

/** About as much as there is. */
function quota(random: SeededRandom, reference: Reference): Ddl {
  if (random.chance(0.3)) return { type: 'setQuota', project: PROJECT }
  return { type: 'setQuota', project: PROJECT, records: Math.max(1, reference.storedRecords + random.between(-4, 30)) }
}
