import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Mutation } from '../../src/encoding/index.ts'
import { EVENT_SCOPES_MAX } from '../../src/engine/outbox/index.ts'
import { ddl, emit, keysOf, read, type EventsRequest } from './event-requests.ts'
import { Harness, SECOND } from './harness.ts'

describe('queries of events', () => {
  it('find by time and key where most pages are not in memory', async () => {
    const harness = await Harness.withProject({ pageBytes: 4096, budgetBytes: 1 << 18 })
    const start = harness.timeMicros
    for (let i = 0; i < 300; i++) {
      harness.timeMicros += SECOND
      await harness.commit({ mutations: [emit(`k${i % 10}`, { payload: `"${'x'.repeat(3_000)}"` })] })
    }
    await harness.checkpoint()
    const view = harness.core.view()
    const request = { type: 'events', project: 'p', scope: 'app', afterSeq: 0, limit: 1_000 } as const
    const span = { fromMicros: start + 100 * SECOND, toMicros: start + 110 * SECOND }
    const keys = async (selection: Partial<EventsRequest>): Promise<string> => {
      const found = await view.read({ ...request, ...selection }, 'root')
      return found.type === 'events' ? keysOf(found.events) : ''
    }
    assert.equal(await keys(span), 'k9 k0 k1 k2 k3 k4 k5 k6 k7 k8')
    assert.equal(await keys({ ...span, key: 'k3' }), 'k3')
    assert.equal(await keys({ ...span, topic: 't', reverse: true }), 'k8 k7 k6 k5 k4 k3 k2 k1 k0 k9')
    view.release()
  })

  it('end a page early, with where to go on, once it has looked at as many as a query may', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'setSetting', name: 'queryRowsMax', value: 100 })
    for (let i = 0; i < 25; i++) {
      await harness.commit({
        mutations: Array.from({ length: 10 }, (_, n) => emit(`k${i}`, { payload: `${n === 9 && i === 24}` })),
      })
    }
    const where = [{ pointer: '', equals: true }]
    for (const reverse of [false, true]) {
      const pages: number[] = []
      let afterSeq = 0
      do {
        const { events, nextSeq } = read(harness, { where, afterSeq, reverse })
        pages.push(events.length)
        assert.ok(nextSeq === 0 || (reverse && afterSeq > 0 ? nextSeq < afterSeq : nextSeq > afterSeq))
        afterSeq = nextSeq
      } while (afterSeq > 0)
      assert.deepEqual(pages, reverse ? [1, 0, 0] : [0, 0, 1])
    }
    // What is found by order is not looked at in vain.
    assert.equal(keysOf(read(harness, { key: 'k24', where }).events), 'k24')
    const seqs = { fromSeq: harness.core.appliedSeq, toSeq: harness.core.appliedSeq }
    assert.equal(read(harness, { ...seqs, where }).nextSeq, 0)
  })

  it('are not of more scopes than one read goes through', async () => {
    const harness = await Harness.withProject()
    const scopes = Array.from({ length: EVENT_SCOPES_MAX }, (_, i): Mutation => {
      return { type: 'ddl', operation: { type: 'createScope', project: 'p', scope: `s${i}` } }
    })
    for (let at = 0; at < scopes.length; at += 5_000) {
      await harness.commit({ mutations: scopes.slice(at, at + 5_000) })
    }
    const request = { type: 'events', project: 'p', afterSeq: 0, limit: 10 } as const
    assert.throws(() => harness.read(request), { code: 'scan_bound_exceeded' })
    await ddl(harness, { type: 'dropScope', project: 'p', scope: 's0' })
    await ddl(harness, { type: 'dropScope', project: 'p', scope: 's1' })
    await harness.commit({ mutations: [emit('a', { scope: 's2' }), emit('b', { scope: 's9' })] })
    const found = harness.read(request)
    assert.equal(found.type === 'events' && keysOf(found.events), 'a b')
  })

  it('are refused where they have no meaning, whoever made them', async () => {
    const harness = await Harness.withProject()
    const request = { type: 'events', afterSeq: 0, limit: 1 } as const
    assert.throws(() => harness.read({ ...request, scope: 'app' }), { code: 'invalid_argument' })
    assert.throws(() => harness.read({ ...request, limit: 0 }), { code: 'invalid_argument' })
    assert.throws(() => harness.read({ ...request, topic: 'no topic' }), { code: 'invalid_name' })
    assert.throws(() => harness.read({ ...request, where: [{ pointer: 'x', equals: 1 }] }), {
      code: 'invalid_argument',
    })
    const summary = { type: 'eventSummary', project: 'p', scope: 'app', topics: 1 } as const
    assert.throws(() => harness.read({ ...summary, topics: -1 }), { code: 'invalid_argument' })
    assert.throws(() => harness.read({ ...summary, afterTopic: 'no topic' }), { code: 'invalid_name' })
    assert.throws(() => harness.read({ ...summary, topic: '' }), { code: 'invalid_name' })
  })
})
