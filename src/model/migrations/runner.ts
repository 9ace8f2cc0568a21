import { DEFAULT_SCOPE, utf8Bytes } from '../../encoding/index.ts'
import type { Assertion, Mutation } from '../../encoding/index.ts'
import type { RequestOptions } from '../consistency.ts'
import type { Database, KeyValueSpace } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { jsonCodec } from '../facade/codecs.ts'
import { invalid } from '../facade/arguments.ts'
import { migrationChecksum, requireMigrations, stepMutation, type Migration, type MigrationStep } from './migration.ts'

/** Where migrations apply; their records are keys of the scope that begin with `__migrations/`. */
export interface MigrationNamespace {
  project: string
  /** Default `app`. */
  scope?: string
}

/** A migration that has been applied. */
export interface AppliedMigration {
  version: number
  name: string
  /** SHA-256 of the migration, hexadecimal. */
  checksum: string
  /** Seq of the transaction that applied it. */
  seq: number
}

export interface MigrationReport {
  /** What this run has applied, or rolled back, in its order. */
  done: readonly AppliedMigration[]
  /** The newest applied version; 0 = none. */
  version: number
}

const PREFIX = '__migrations/'
/** Runs that meet at one migration: each meeting means that another run has gone on. */
const MEETINGS_MAX = 1_000

interface MigrationRecord {
  version: number
  name: string
  checksum: string
}

type Records = KeyValueSpace<string, MigrationRecord>

/**
 * Applies those of `migrations` that have not been applied, each as one transaction together with its record, in the order of their
 * versions. Any number of processes may run them at the same time.
 * @throws QuorateError `migration_mismatch` if a migration is not what was applied under its version, or would come before one that was;
 *   and what the steps are refused with: nothing of that migration has happened then
 */
export async function runMigrations(
  database: Database,
  namespace: MigrationNamespace,
  migrations: readonly Migration[],
  options: RequestOptions & { to?: number } = {},
): Promise<MigrationReport> {
  const { to = Infinity, ...requestOptions } = options
  requireMigrations(migrations)
  const records = recordsOf(database, namespace)
  const done: AppliedMigration[] = []
  for (let meetings = 0; meetings < MEETINGS_MAX; meetings++) {
    const applied = await listApplied(records, requestOptions)
    requireMatch(migrations, applied)
    const known = new Set(applied.map(({ version }) => version))
    const next = migrations.find(({ version }) => !known.has(version) && version <= to)
    if (next === undefined) return { done, version: applied.at(-1)?.version ?? 0 }
    const record = { version: next.version, name: next.name, checksum: migrationChecksum(next) }
    const seq = await step(database, namespace, applied.at(-1), next.up, requestOptions, {
      version: next.version,
      expectedSeq: 0,
      record,
    })
    if (seq !== undefined) done.push({ ...record, seq })
  }
  throw new QuorateError('conflict', 'too many runs of migrations at the same time', { retryable: true })
}

/**
 * Rolls applied migrations back, the newest first, until `version` is the newest one (0 = all).
 * @throws QuorateError `migration_mismatch`; `invalid_argument` for one that has no way back, before anything is rolled back
 */
export async function rollbackMigrations(
  database: Database,
  namespace: MigrationNamespace,
  migrations: readonly Migration[],
  version: number,
  options: RequestOptions = {},
): Promise<MigrationReport> {
  requireMigrations(migrations)
  const records = recordsOf(database, namespace)
  const done: AppliedMigration[] = []
  for (let meetings = 0; meetings < MEETINGS_MAX; meetings++) {
    const applied = await listApplied(records, options)
    requireMatch(migrations, applied)
    const above = applied.filter(record => record.version > version)
    const ways = above.map(record => ({ record, down: wayBack(migrations, record) }))
    const last = ways.at(-1)
    if (last === undefined) return { done, version: applied.at(-1)?.version ?? 0 }
    const { record, down } = last
    const seq = await step(database, namespace, applied.at(-2), down, options, {
      version: record.version,
      expectedSeq: record.seq,
      record: undefined,
    })
    if (seq !== undefined) done.push({ ...record, seq })
  }
  throw new QuorateError('conflict', 'too many runs of migrations at the same time', { retryable: true })
}

function wayBack(migrations: readonly Migration[], { version, name }: AppliedMigration): readonly MigrationStep[] {
  const down = migrations.find(migration => migration.version === version)?.down
  if (down === undefined) throw invalid(`the migration ${version} (${name}) has no way back`)
  return down
}

/** What has been applied, in the order of the versions. */
export async function appliedMigrations(
  database: Database,
  namespace: MigrationNamespace,
  options?: RequestOptions,
): Promise<readonly AppliedMigration[]> {
  return listApplied(recordsOf(database, namespace), options)
}

function recordsOf(database: Database, { project, scope = DEFAULT_SCOPE }: MigrationNamespace): Records {
  return database.kv(project, { scope, value: jsonCodec<MigrationRecord>() })
}

async function listApplied(records: Records, options: RequestOptions | undefined): Promise<AppliedMigration[]> {
  const applied: AppliedMigration[] = []
  for await (const { value, seq } of records.scan({ ...options, prefix: PREFIX })) applied.push({ ...value, seq })
  return applied
}

/** A newer program may have applied more; between those that are given nothing may be missing or other. */
function requireMatch(migrations: readonly Migration[], applied: readonly AppliedMigration[]): void {
  const given = new Map(migrations.map(migration => [migration.version, migration]))
  const newestGiven = migrations.at(-1)?.version ?? 0
  for (const { version, name, checksum } of applied) {
    const migration = given.get(version)
    if (migration === undefined && version > newestGiven) continue
    if (migration === undefined || migrationChecksum(migration) !== checksum) {
      throw new QuorateError('migration_mismatch', `version ${version} was applied as another migration (${name})`)
    }
  }
  const newestApplied = applied.at(-1)?.version ?? 0
  const known = new Set(applied.map(({ version }) => version))
  for (const { version } of migrations) {
    if (version < newestApplied && !known.has(version)) {
      throw new QuorateError('migration_mismatch', `version ${version} comes before ${newestApplied}, which is applied`)
    }
  }
}

interface RecordChange {
  version: number
  /** 0 = there must be none. */
  expectedSeq: number
  /** Undefined = the record goes. */
  record: MigrationRecord | undefined
}

/** Seq of the transaction; undefined if another run came first. */
async function step(
  database: Database,
  { project, scope = DEFAULT_SCOPE }: MigrationNamespace,
  previous: AppliedMigration | undefined,
  steps: readonly MigrationStep[],
  options: RequestOptions,
  { version, expectedSeq, record }: RecordChange,
): Promise<number | undefined> {
  const at = { project, scope, key: recordKey(version) }
  const write: Mutation =
    record === undefined
      ? { type: 'kvDelete', ...at }
      : { type: 'kvSet', ...at, value: jsonCodec<MigrationRecord>().encode(record) }
  const assertions: Assertion[] = [{ type: 'keyVersion', ...at, seq: expectedSeq }]
  if (previous !== undefined) {
    assertions.push({ type: 'keyVersion', project, scope, key: recordKey(previous.version), seq: previous.seq })
  }
  try {
    const { seq } = await database.commit({ assertions, mutations: [...steps.map(stepMutation), write] }, options)
    return seq
  } catch (error) {
    if (error instanceof QuorateError && error.code === 'assertion_failed') return undefined
    throw error
  }
}

function recordKey(version: number): Uint8Array {
  return utf8Bytes(`${PREFIX}${String(version).padStart(20, '0')}`)
}
