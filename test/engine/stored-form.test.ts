import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import type { Mutation } from '../../src/encoding/index.ts'
import { eventStateKey, topicCountKey } from '../../src/engine/layers.ts'
import { readCompaction } from '../../src/engine/outbox/index.ts'
import { decodeHead } from '../../src/engine/outbox/event-record.ts'
import { Bed } from './tables/bed.ts'

const EMIT: Mutation = { type: 'emitEvent', project: 'p', topic: 't', key: 'k', payload: '{}' }
const STOPS = { name: 'InvariantError', message: /what is stored has no form/ }
/** Of `app`, the first project's first scope. */
const SCOPE_ID = 1

/** A store in which one record of the events of a scope has lost its end. */
function bedWithout(key: Uint8Array, keptBytes: number): Bed {
  const bed = new Bed()
  bed.commit(EMIT)
  const record = bed.store.get(key)
  assert.ok(record !== undefined && record.value.length > keptBytes)
  const cut = record.value.slice(0, keptBytes)
  bed.store.put(key, cut, 0, cut.length, bed.seq, record.createdSeq, 0)
  return bed
}

describe('a stored record of events without its form stops apply: it is no fault of the request', () => {
  it('the state of a scope', () => {
    const bed = bedWithout(eventStateKey(SCOPE_ID), 9)
    assert.throws(() => bed.submit({ mutations: [EMIT] }), STOPS)
  })

  it('the count of a topic', () => {
    const bed = bedWithout(topicCountKey(SCOPE_ID, utf8Bytes('t')), 9)
    assert.throws(() => bed.submit({ mutations: [EMIT] }), STOPS)
  })

  it('an event, and what the last compaction has done', () => {
    assert.throws(() => decodeHead(Uint8Array.of(1, 2, 3)), STOPS)
    const cut = { get: () => ({ value: new Uint8Array(7) }) } as unknown as Parameters<typeof readCompaction>[0]
    assert.throws(() => readCompaction(cut, SCOPE_ID), STOPS)
  })
})
