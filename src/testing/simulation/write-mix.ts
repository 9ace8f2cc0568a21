import type { SeededRandom } from '../../platform/simulated/index.ts'

/** Kinds of writes, in the order in which they are drawn, with how often each comes among a hundred. */
const USUAL = {
  register: 27,
  delete: 8,
  compareAndSet: 14,
  increment: 14,
  several: 10,
  idempotent: 6,
  shortLived: 8,
  transaction: 5,
  conditions: 1,
  halfWay: 2,
  otherScope: 3,
  catalog: 2,
  /** Many keys at once: pages split, and leave memory. */
  bulk: 0,
  /** Many neighbours removed at once: pages merge. */
  sweep: 0,
  /** Bytes of a log as a value: they must not be taken for the log's own. */
  logBytes: 0,
  rows: 0,
  /** Rows that a condition selects. */
  rowsWhere: 0,
  rowBulk: 0,
  /** An index comes, to be built by ticks, and goes. */
  indexes: 0,
  /** Permissions come and go. */
  grants: 0,
  /** Columns and indexes come and go, under writers of them. */
  alter: 0,
  /** Who sees which rows. */
  policies: 0,
  /** Rows that expire. */
  rowTtl: 0,
  /** How much there may be. */
  quotas: 0,
}

export type WriteKind = keyof typeof USUAL
export type WriteMix = Readonly<Record<WriteKind, number>>

export const USUAL_MIX: WriteMix = USUAL

const FACTORS = [0, 1, 1, 1, 1, 4]
const KINDS = Object.keys(USUAL) as WriteKind[]
/** Of those that only some seeds have. */
const SPECIAL_KINDS: readonly WriteKind[] = [
  'rows',
  'rowsWhere',
  'rowBulk',
  'indexes',
  'grants',
  'alter',
  'policies',
  'rowTtl',
  'quotas',
]

/** A third of the seeds have tables, which others do not know of; `callers`: others than root. */
export function drawMix(random: SeededRandom, callers: number): WriteMix {
  const grants = callers === 0 ? 0 : random.split('grants').pick([2, 6, 15])
  const quota = random.split('quotas')
  const mix = { ...drawKeyMix(random), grants, quotas: quota.chance(0.08) ? quota.pick([3, 10]) : 0 }
  const tables = random.split('tables')
  if (!tables.chance(0.33)) return mix
  const often = tables.pick([1, 3])
  const rows = { rows: 60 * often, rowsWhere: tables.pick([0, 15]) * often, rowBulk: tables.pick([0, 8]), indexes: 6 }
  const schema = tables.split('schema')
  return {
    ...mix,
    ...rows,
    alter: schema.pick([0, 20]) * often,
    policies: callers === 0 ? 0 : schema.pick([4, 12]),
    rowTtl: schema.pick([0, 10]) * often,
  }
}

export function hasTables(mix: WriteMix): boolean {
  return mix.rows > 0
}

/** Half of the seeds have the usual mixture; in the others some kinds are frequent and some are missing. */
function drawKeyMix(random: SeededRandom): WriteMix {
  if (random.chance(0.5)) return USUAL_MIX
  const mix = { ...USUAL }
  if (random.chance(0.5)) {
    mix.bulk = random.pick([4, 12])
    mix.sweep = random.pick([2, 12])
  }
  if (random.chance(0.4)) {
    mix.otherScope = 25
    mix.catalog = random.pick([5, 15])
  }
  if (random.chance(0.3)) mix.logBytes = 10
  for (const kind of KINDS) {
    if (SPECIAL_KINDS.includes(kind)) continue
    mix[kind] *= random.pick(FACTORS)
  }
  // Somebody must write something.
  mix.register = Math.max(mix.register, 5)
  return mix
}

export function drawKind(random: SeededRandom, mix: WriteMix): WriteKind {
  let left = random.below(KINDS.reduce((sum, kind) => sum + mix[kind], 0))
  for (const kind of KINDS) {
    left -= mix[kind]
    if (left < 0) return kind
  }
  throw new RangeError('a mixture without a kind')
}
