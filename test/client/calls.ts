import assert from 'node:assert/strict'
import type { Client } from '../../src/client/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import type { CommitResult, RequestOptions } from '../../src/model/index.ts'

const VALUE = new Uint8Array([1])

export function set(client: Client, key: string, options: RequestOptions = {}): Promise<CommitResult> {
  return client.kv('p').set(key, VALUE, options)
}

/** k1, k2, ... */
export const keys = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${i + 1}`)

/** The error that `work` ends with. */
export async function errorOf(work: Promise<unknown>): Promise<QuorateError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof QuorateError, `no error: ${String(error)}`)
  return error
}
