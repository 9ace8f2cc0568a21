import type { Mutation, Row } from '../encoding/index.ts'
import { bytesOfFields, NotedCommits, QuorateError, timeLeft } from '../model/index.ts'
import type { Database } from '../model/index.ts'
import type { KeyRecord } from './transfer-records.ts'

export interface ImportTarget {
  readonly project: string
  readonly scope: string
  /** Absent = keys. */
  readonly table?: string
}

export interface ImportOptions {
  /** The same for the same input: what an import that broke off goes on by. */
  readonly id: string
  /** Records in one commit. */
  readonly batch: number
  /** After each commit: how many records are done. */
  readonly onProgress?: (records: number) => void
}

export interface ImportResult {
  /** Of the input. */
  readonly records: number
  /** What an earlier run had done. */
  readonly skipped: number
  /** Keys whose time was over. */
  readonly expired: number
}

/**
 * Writes records in the order given, `batch` in a commit, each together with a note of how many are done: a key of the scope, which the last
 * commit removes. Whatever ends it, another run with the same id and input goes on behind the last commit, so each record is written
 * once. Two runs at the same time cannot both write: one of them fails. Present keys and rows are replaced.
 * @throws QuorateError `conflict` if another run is under way; those of commits
 */
export async function importRecords(
  database: Database,
  target: ImportTarget,
  records: AsyncIterable<KeyRecord | Row>,
  { id, batch, onProgress }: ImportOptions,
): Promise<ImportResult> {
  const { project, scope } = target
  const commits = new NotedCommits<KeyRecord | Row>(database, {
    project,
    scope,
    id,
    batch,
    mutationsOf: (waiting, nowMicros) => mutationsOf(target, waiting, nowMicros),
    bytesOf: bytesOfFields,
    onProgress,
  })
  await commits.find()
  for await (const record of records) await commits.take(record)
  await commits.flush()
  const { taken, skipped, expired } = commits
  if (taken < skipped) {
    throw new QuorateError('invalid_argument', `the input has ${taken} records, ${skipped} of it are done`)
  }
  await commits.finish()
  return { records: taken, skipped, expired }
}

function mutationsOf(
  { project, scope, table }: ImportTarget,
  records: readonly (KeyRecord | Row)[],
  nowMicros: number,
): { mutations: readonly Mutation[]; expired: number } {
  if (table !== undefined) {
    return { mutations: [{ type: 'upsert', project, scope, table, rows: records as readonly Row[] }], expired: 0 }
  }
  const mutations = (records as readonly KeyRecord[]).flatMap(({ key, value, expiresAtMicros }): Mutation[] => {
    const { ttlMs, isOver } = timeLeft(expiresAtMicros, nowMicros)
    return isOver ? [] : [{ type: 'kvSet', project, scope, key, value, ...(ttlMs !== undefined && { ttlMs }) }]
  })
  return { mutations, expired: records.length - mutations.length }
}
