import assert from 'node:assert/strict'
import { encodeEnvelope, utf8Bytes } from '../../src/encoding/index.ts'
import {
  createDatabase,
  QuorateError,
  type Database,
  type ErrorCode,
  type KeyValueSpace,
} from '../../src/model/index.ts'
import { ReferenceCore } from './reference-core.ts'

export interface Opened {
  core: ReferenceCore
  database: Database
  kv: KeyValueSpace<string, Uint8Array>
}

export const bytes: (text: string) => Uint8Array = utf8Bytes

export function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value)
}

/** A database with project `shop`. */
export async function open(): Promise<Opened> {
  const core = new ReferenceCore()
  const database = createDatabase(core)
  await database.ddl({ type: 'createProject', project: 'shop' })
  return { core, database, kv: database.kv('shop') }
}

/** Writes as another client, at once. */
export function writeNow(core: ReferenceCore, key: string, value: string | undefined): void {
  const target = { project: 'shop', key: bytes(key) }
  core.applyNow(
    encodeEnvelope({
      mutations: [
        value === undefined ? { type: 'kvDelete', ...target } : { type: 'kvSet', ...target, value: bytes(value) },
      ],
    }),
  )
}

/** The error with which `work` fails, which has this code. */
export async function failure(work: Promise<unknown>, code: ErrorCode): Promise<QuorateError> {
  const error: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  assert.ok(error instanceof QuorateError, `a QuorateError ${code}, not ${String(error)}`)
  assert.equal(error.code, code, error.message)
  return error
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
