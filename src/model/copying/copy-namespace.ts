import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { Ddl, Mutation, Row } from '../../encoding/index.ts'
import type { Database, View } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { bytesCodec } from '../facade/codecs.ts'
import { planCopy } from './copy-plan.ts'
import type { CopyPlan, Namespace, PlannedScope, PlannedTable } from './copy-plan.ts'
import { bytesOfFields, NOTE_PREFIX, NotedCommits, timeLeft } from './noted-commits.ts'

export interface CopyOptions {
  /** Names of the copy; by default those of the source. */
  readonly to?: Partial<Namespace>
  /** The same for the same copy: another run with it goes on where one broke off. */
  readonly id: string
  /** Also if something of the same name is there: its keys and rows of the same keys are replaced, all others stay. */
  readonly isIntoExisting?: boolean
  /** Changes nothing; says what would be copied. */
  readonly isDryRun?: boolean
  /** Records in one commit; default 500. */
  readonly batch?: number
  /** After each commit: records that are done. */
  onProgress?(records: number): void
}

export interface CopyResult {
  readonly plan: CopyPlan
  readonly keys: number
  readonly rows: number
  /** What an earlier run had done. */
  readonly skipped: number
  /** Keys and rows whose time was over. */
  readonly expired: number
}

interface CopiedRecord {
  readonly mutation: (ttlMs: number | undefined) => Mutation
  readonly expiresAtMicros: number | undefined
  readonly bytes: number
}

const BATCH = 500
const utf8 = new TextDecoder()

/**
 * Copies a project, a scope or a table of one database into another, under new ids, as commits of the target: structure, then keys, then rows, then the rules
 * between tables and the quota. The source must not change meanwhile. How far it is stands in a key of the target, which the last commit removes; a run
 * with the same id goes on there, and each record is written once. Versions are the target's own; events and grants are not copied.
 * @throws QuorateError `already_exists` if anything of the name is there and that was not wanted; `conflict` if another run is under way; those of commits
 */
export async function copyNamespace(
  source: Database,
  target: Database,
  what: Namespace,
  options: CopyOptions,
): Promise<CopyResult> {
  const from = what.table === undefined ? what : { scope: DEFAULT_SCOPE, ...what }
  const plan = await planCopy(source, target, from, options.to ?? {})
  const copying = new Copying(target, plan, options)
  await copying.findNote()
  if (!copying.commits.isResumed && options.isIntoExisting !== true) requireAbsent(plan, from)
  if (options.isDryRun === true) return { plan, ...counts(plan), skipped: copying.commits.skipped, expired: 0 }
  await copying.structure()
  await using view = await source.view()
  await copying.records(view)
  await copying.finish()
  const { skipped, expired } = copying.commits
  return { plan, ...copying.counted, skipped, expired }
}

function counts({ scopes }: CopyPlan): { keys: number; rows: number } {
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0)
  return {
    keys: sum(scopes.map(({ keys = 0 }) => keys)),
    rows: sum(scopes.flatMap(({ tables }) => tables.map(({ description }) => description.rows ?? 0))),
  }
}

/** The copy begins a thing that is not there: the project, the scope or the table that is named. */
function requireAbsent({ to, isProjectThere, scopes }: CopyPlan, from: Namespace): void {
  const [scope] = scopes
  const refuse = (what: string): never => {
    throw new QuorateError('already_exists', `${what} is there already`)
  }
  if (from.scope === undefined && isProjectThere) refuse(`the project ${to}`)
  if (from.scope !== undefined && from.table === undefined && scope!.isThere) refuse(`the scope ${to}/${scope!.to}`)
  const [table] = scope!.tables
  if (from.table !== undefined && table!.isThere) refuse(`the table ${to}/${scope!.to}/${table!.to.table}`)
}

class Copying {
  readonly #target: Database
  readonly #plan: CopyPlan
  readonly #options: CopyOptions
  readonly commits: NotedCommits<CopiedRecord>
  readonly counted = { keys: 0, rows: 0 }

  constructor(target: Database, plan: CopyPlan, options: CopyOptions) {
    this.#target = target
    this.#plan = plan
    this.#options = options
    this.commits = new NotedCommits(target, {
      project: plan.to,
      scope: plan.scopes[0]!.to,
      id: options.id,
      batch: options.batch ?? BATCH,
      mutationsOf,
      bytesOf: ({ bytes }) => bytes,
      onProgress: records => options.onProgress?.(records),
    })
  }

  async findNote(): Promise<void> {
    const { isProjectThere, scopes } = this.#plan
    if (isProjectThere && scopes[0]!.isThere) await this.commits.find()
  }

  /** One commit for the names and the note, then the tables. */
  async structure(): Promise<void> {
    const { to: project, scopes } = this.#plan
    const names: Ddl[] = [{ type: 'createProject', project, ifNotExists: true }]
    for (const { to: scope } of scopes) names.push({ type: 'createScope', project, scope, ifNotExists: true })
    if (!this.commits.isResumed) await this.commits.begin(names.map(operation => ({ type: 'ddl', operation })))
    for (const { tables } of scopes) {
      for (const table of tables) if (!table.isThere) await this.#target.ddl(creation(table))
    }
  }

  async records(view: View): Promise<void> {
    for (const scope of this.#plan.scopes) {
      if (scope.keys !== undefined) for await (const record of this.#keys(view, scope)) await this.#take(record, 'keys')
      for (const table of scope.tables) {
        for await (const record of this.#rows(view, table)) await this.#take(record, 'rows')
      }
    }
    await this.commits.flush()
  }

  /** The rules between tables, and the quota, hold for what is there; the note goes. */
  async finish(): Promise<void> {
    const { quota, to: project, scopes } = this.#plan
    for (const { tables } of scopes) {
      for (const { to, foreignKeys } of tables) {
        const { definition } = await this.#target.table(to).describe()
        const present = new Set((definition.foreignKeys ?? []).map(({ name }) => name))
        for (const foreignKey of foreignKeys) {
          if (present.has(foreignKey.name)) continue
          await this.#target.ddl({ type: 'alterTable', ...to, alteration: { type: 'addForeignKey', foreignKey } })
        }
      }
    }
    if (this.#options.isIntoExisting !== true && (quota?.bytes ?? quota?.records) !== undefined) {
      await this.#target.ddl({ type: 'setQuota', project, ...quota })
    }
    await this.commits.finish()
  }

  async *#keys(view: View, { from, to: scope }: PlannedScope): AsyncGenerator<CopiedRecord> {
    const project = this.#plan.to
    const space = view.kv<Uint8Array>(this.#plan.from, { scope: from, key: bytesCodec })
    for await (const { key, value, expiresAtMicros } of space.scan()) {
      if (utf8.decode(key.subarray(0, NOTE_PREFIX.length)) === NOTE_PREFIX) continue
      const mutation = (ttlMs: number | undefined): Mutation => ({
        type: 'kvSet',
        project,
        scope,
        key,
        value,
        ...(ttlMs !== undefined && { ttlMs }),
      })
      yield { mutation, expiresAtMicros, bytes: key.length + value.length }
    }
  }

  async *#rows(view: View, { from, to, description }: PlannedTable): AsyncGenerator<CopiedRecord> {
    const table = view.table(from)
    const { primaryKey } = description.definition
    for await (const row of table.scan() as AsyncIterable<Row>) {
      const key = Object.fromEntries(primaryKey.map(column => [column, row[column]!]))
      const { expiresAtMicros } = (await table.entry(key))!
      const mutation = (ttlMs: number | undefined): Mutation => ({
        type: 'upsert',
        ...to,
        rows: [row],
        ...(ttlMs !== undefined && { ttlMs }),
      })
      yield { mutation, expiresAtMicros, bytes: bytesOfFields(row) }
    }
  }

  async #take(record: CopiedRecord, kind: 'keys' | 'rows'): Promise<void> {
    this.counted[kind]++
    await this.commits.take(record)
  }
}

function mutationsOf(
  records: readonly CopiedRecord[],
  nowMicros: number,
): { mutations: readonly Mutation[]; expired: number } {
  const mutations = records.flatMap(({ mutation, expiresAtMicros }): Mutation[] => {
    const { ttlMs, isOver } = timeLeft(expiresAtMicros, nowMicros)
    return isOver ? [] : [mutation(ttlMs)]
  })
  return { mutations, expired: records.length - mutations.length }
}

/** The table with its indexes, checks, owner and read policy, before it has rows; rules towards other tables come when all have theirs. */
function creation({ to, description }: PlannedTable): Ddl[] {
  const { foreignKeys: _later, ...definition } = description.definition
  const { owner, readPolicy } = description
  const created: Ddl = { type: 'createTable', ...to, ...definition, ...(owner !== '' && { owner }) }
  return readPolicy === undefined ? [created] : [created, { type: 'setReadPolicy', ...to, policy: readPolicy }]
}
