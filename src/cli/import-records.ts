import { utf8Bytes } from '../encoding/index.ts'
import type { Mutation, Row } from '../encoding/index.ts'
import { bytesCodec, QuorateError } from '../model/index.ts'
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

/** A commit ends with the record that brings it above this many bytes, more or less. */
const BATCH_BYTES_MAX = 1_048_576
const utf8 = new TextDecoder()

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
  const note = { project, scope, key: utf8Bytes(`\0quorate:import:${id}`) }
  const space = database.kv<Uint8Array>(project, { scope, key: bytesCodec })
  const found = await space.entry(note.key)
  const skipped = found === undefined ? 0 : Number(utf8.decode(found.value))
  let version = found?.seq ?? 0
  let at = 0
  let expired = 0
  let waiting: (KeyRecord | Row)[] = []
  let waitingBytes = 0
  const write = async (): Promise<void> => {
    const mutations = mutationsOf(target, waiting, database.leaderTimeMicros())
    if (target.table === undefined) expired += waiting.length - mutations.length
    const assertions = [{ type: 'keyVersion', ...note, seq: version } as const]
    const progress = { type: 'kvSet', ...note, value: utf8Bytes(String(at)) } as const
    const commit = database.commit({ assertions, mutations: [...mutations, progress] })
    version = (await commit.catch(describeFailure)).seq
    waiting = []
    waitingBytes = 0
    onProgress?.(at)
  }
  for await (const record of records) {
    at++
    if (at <= skipped) continue
    waiting.push(record)
    waitingBytes += bytesOf(record)
    if (waiting.length >= batch || waitingBytes > BATCH_BYTES_MAX) await write()
  }
  if (waiting.length > 0) await write()
  if (at < skipped) throw new QuorateError('invalid_argument', `the input has ${at} records, ${skipped} of it are done`)
  if (version > 0) await space.delete(note.key, { ifSeq: version })
  return { records: at, skipped, expired }
}

function mutationsOf(target: ImportTarget, records: readonly (KeyRecord | Row)[], nowMicros: number): Mutation[] {
  const { project, scope, table } = target
  if (table !== undefined) return [{ type: 'upsert', project, scope, table, rows: records as readonly Row[] }]
  return (records as readonly KeyRecord[]).flatMap(({ key, value, expiresAtMicros }): Mutation[] => {
    if (expiresAtMicros === undefined) return [{ type: 'kvSet', project, scope, key, value }]
    const ttlMs = Math.ceil((expiresAtMicros - nowMicros) / 1_000)
    return ttlMs < 1 ? [] : [{ type: 'kvSet', project, scope, key, value, ttlMs }]
  })
}

function bytesOf(record: KeyRecord | Row): number {
  let bytes = 0
  for (const cell of Object.values(record)) {
    bytes += typeof cell === 'string' || cell instanceof Uint8Array ? cell.length : 8
  }
  return bytes
}

function describeFailure(error: unknown): never {
  if (error instanceof QuorateError && error.code === 'assertion_failed') {
    throw new QuorateError('conflict', 'another import of the same input is under way', { cause: error })
  }
  throw error
}
