import assert from 'node:assert/strict'
import type { Ddl, Mutation } from '../../src/encoding/index.ts'
import type { EventData, ReadRequest, ReadResult } from '../../src/model/index.ts'
import type { Harness } from './harness.ts'

export type EventsRequest = Omit<Extract<ReadRequest, { type: 'events' }>, 'type' | 'project' | 'scope'>

export function emit(key: string, { topic = 't', scope = 'app', payload = '{}' } = {}): Mutation {
  return { type: 'emitEvent', project: 'p', scope, topic, key, payload }
}

export function read(
  harness: Harness,
  request: Partial<EventsRequest> = {},
  scope = 'app',
): ReadResult & { type: 'events' } {
  const result = harness.read({ type: 'events', project: 'p', scope, afterSeq: 0, limit: 1_000, ...request })
  assert.ok(result.type === 'events')
  return result
}

export const keysOf = (events: readonly EventData[]): string => events.map(({ key }) => key).join(' ')

export async function ddl(harness: Harness, operation: Ddl): Promise<unknown> {
  const outcome = await harness.commit({ mutations: [{ type: 'ddl', operation }] })
  return outcome.status === 'committed' ? outcome.results[0] : outcome.code
}
