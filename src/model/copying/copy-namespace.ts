import { DEFAULT_SCOPE, utf8Bytes } from '../../encoding/index.ts'
import type { Ddl, Mutation, Row } from '../../encoding/index.ts'
import type { Database, View } from '../database.ts'
import { QuorateError } from '../errors.ts'
import { bytesCodec } from '../facade/codecs.ts'
import { planCopy } from './copy-plan.ts'
import type { CopyPlan, Namespace, PlannedScope, PlannedTable } from './copy-plan.ts'

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

const NOTE_PREFIX = '\0quorate:import:'
const BATCH = 500
/** A commit ends with the record that brings it above this many bytes, more or less. */
const BATCH_BYTES_MAX = 1_048_576
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
  if (!copying.isResumed && options.isIntoExisting !== true) requireAbsent(plan, from)
  if (options.isDryRun === true) return { plan, ...counts(plan), skipped: copying.done, expired: 0 }
  await copying.structure()
  await using view = await source.view()
  await copying.records(view)
  await copying.finish()
  return { plan, ...copying.counted }
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
  readonly #note: { project: string; scope: string; key: Uint8Array }
  #version = 0
  #at = 0
  #waiting: CopiedRecord[] = []
  #waitingBytes = 0
  done = 0
  readonly counted = { keys: 0, rows: 0, skipped: 0, expired: 0 }

  constructor(target: Database, plan: CopyPlan, options: CopyOptions) {
    this.#target = target
    this.#plan = plan
    this.#options = options
    this.#note = { project: plan.to, scope: plan.scopes[0]!.to, key: utf8Bytes(`${NOTE_PREFIX}${options.id}`) }
  }

  get isResumed(): boolean {
    return this.#version > 0
  }

  async findNote(): Promise<void> {
    const { isProjectThere, scopes } = this.#plan
    if (!isProjectThere || !scopes[0]!.isThere) return
    const { project, scope, key } = this.#note
    const found = await this.#target.kv<Uint8Array>(project, { scope, key: bytesCodec }).entry(key)
    if (found === undefined) return
    this.#version = found.seq
    this.done = Number(utf8.decode(found.value))
    this.counted.skipped = this.done
  }

  /** One commit for the names and the note, then the tables. */
  async structure(): Promise<void> {
    const { to: project, scopes } = this.#plan
    const names: Ddl[] = [{ type: 'createProject', project, ifNotExists: true }]
    for (const { to: scope } of scopes) names.push({ type: 'createScope', project, scope, ifNotExists: true })
    if (!this.isResumed) {
      const created = names.map(operation => ({ type: 'ddl', operation }) as const)
      await this.#commit([...created], [])
    }
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
    if (this.#waiting.length > 0) await this.#write()
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
    const { scope, key } = this.#note
    await this.#target.kv<Uint8Array>(project, { scope, key: bytesCodec }).delete(key, { ifSeq: this.#version })
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
      yield { mutation, expiresAtMicros, bytes: bytesOf(row) }
    }
  }

  async #take(record: CopiedRecord, kind: 'keys' | 'rows'): Promise<void> {
    this.#at++
    this.counted[kind]++
    if (this.#at <= this.done) return
    this.#waiting.push(record)
    this.#waitingBytes += record.bytes
    const isFull = this.#waiting.length >= (this.#options.batch ?? BATCH) || this.#waitingBytes > BATCH_BYTES_MAX
    if (isFull) await this.#write()
  }

  async #write(): Promise<void> {
    await this.#commit([], this.#waiting)
    this.#waiting = []
    this.#waitingBytes = 0
    this.#options.onProgress?.(this.#at)
  }

  /** Together with how far the copy is then. */
  async #commit(first: readonly Mutation[], records: readonly CopiedRecord[]): Promise<void> {
    const nowMicros = this.#target.leaderTimeMicros()
    const mutations: Mutation[] = [...first]
    for (const { mutation, expiresAtMicros } of records) {
      const ttlMs = expiresAtMicros === undefined ? undefined : Math.ceil((expiresAtMicros - nowMicros) / 1_000)
      if (ttlMs !== undefined && ttlMs < 1) this.counted.expired++
      else mutations.push(mutation(ttlMs))
    }
    mutations.push({ type: 'kvSet', ...this.#note, value: utf8Bytes(String(this.#at)) })
    const isFirst = this.#version === 0 && first.length > 0
    const assertions = isFirst ? [] : [{ type: 'keyVersion', ...this.#note, seq: this.#version } as const]
    this.#version = (await this.#target.commit({ assertions, mutations }).catch(describeFailure)).seq
  }
}

/** The table with its indexes, checks, owner and read policy, before it has rows; rules towards other tables come when all have theirs. */
function creation({ to, description }: PlannedTable): Ddl[] {
  const { foreignKeys: _later, ...definition } = description.definition
  const { owner, readPolicy } = description
  const created: Ddl = { type: 'createTable', ...to, ...definition, ...(owner !== '' && { owner }) }
  return readPolicy === undefined ? [created] : [created, { type: 'setReadPolicy', ...to, policy: readPolicy }]
}

function bytesOf(row: Row): number {
  let bytes = 0
  for (const cell of Object.values(row)) {
    bytes += typeof cell === 'string' || cell instanceof Uint8Array ? cell.length : 8
  }
  return bytes
}

function describeFailure(error: unknown): never {
  if (error instanceof QuorateError && error.code === 'assertion_failed') {
    throw new QuorateError('conflict', 'another run of the same copy is under way', { cause: error })
  }
  throw error
}
