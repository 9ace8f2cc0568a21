import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { EventsSummary } from '../../src/model/index.ts'
import { DEFAULT_SETTINGS } from '../../src/model/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { ReferenceEvents } from '../model/reference-events.ts'
import { ddl, emit, keysOf, read } from './event-requests.ts'
import { Harness, nonce, SECOND, set } from './harness.ts'
import { seed } from './seed.ts'

interface Bounds {
  maxAgeMs?: number
  keepLast?: number
  maxEvents?: number
}

function summary(harness: Harness): EventsSummary {
  const result = harness.read({ type: 'eventSummary', project: 'p', scope: 'app', topics: 0 })
  assert.ok(result.type === 'eventSummary')
  return result.summary
}

const compact = async (harness: Harness, bounds: Bounds): Promise<unknown> =>
  ddl(harness, { type: 'compactEvents', project: 'p', ...bounds })

describe('events', () => {
  it('are numbered by entry: many of one topic and key are all there, with leader time', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [emit('a'), emit('a'), set('k', '1'), emit('a', { topic: 'u' })] })
    const seq = harness.core.appliedSeq
    const common = { seq, timeMicros: harness.timeMicros, key: 'a', payload: '{}' }
    assert.deepEqual(read(harness).events, [
      { ...common, topic: 't' },
      { ...common, topic: 't' },
      { ...common, topic: 'u' },
    ])
  })

  it('are none of a refused transaction, nor of one that was applied before', async () => {
    const harness = await Harness.withProject()
    const { session } = await harness.openSession({ nonce: nonce(1) })
    await harness.commit({ mutations: [emit('a')] }, { session, serial: 1 })
    await harness.commit({ mutations: [emit('a')] }, { session, serial: 1 })
    await harness.refusal({ mutations: [emit('b'), emit('c', { payload: '[' })] })
    assert.equal(keysOf(read(harness).events), 'a')
  })

  it('take any JSON text and no other, however deep', async () => {
    const harness = await Harness.withProject()
    const deep = `${'['.repeat(30_000)}${']'.repeat(30_000)}`
    for (const payload of ['null', '1', '"\\ud800"', ' {"a":[1,2.5e3,true]} ', deep]) {
      const { status } = await harness.commit({ mutations: [emit('k', { payload })] })
      assert.equal(status, 'committed', payload.slice(0, 20))
    }
    for (const payload of ['', 'undefined', "{'a':1}", '[1,]', 'NaN', '01', '{"a":1}}', '['.repeat(30_000)]) {
      assert.equal(await harness.refusal({ mutations: [emit('k', { payload })] }), 'invalid_argument')
    }
  })

  it('go with their scope, in steps, and do not come back with its name', async () => {
    const harness = await Harness.withProject()
    for (let i = 0; i < 20; i++) await harness.commit({ mutations: [emit(`k${i}`, { scope: 'other' }), emit(`k${i}`)] })
    await compact(harness, { keepLast: 1 })
    await ddl(harness, { type: 'dropScope', project: 'p', scope: 'other' })
    await ddl(harness, { type: 'createScope', project: 'p', scope: 'other' })
    assert.deepEqual(read(harness, {}, 'other').events, [])
    for (let i = 0; i < 100; i++) await harness.tick(3)
    assert.equal(harness.core.nextExpiryMicros(), undefined, 'no job is left')
    assert.equal(keysOf(read(harness).events), 'k19')
  })

  it('are removed in steps, a commit at a time, whatever a step may remove', async () => {
    for (const recordsPerTick of [1, 2, 5, 1_000]) {
      const harness = await Harness.withProject()
      const seqs: number[] = []
      for (const keys of [['a', 'b'], ['c'], ['d', 'e', 'f'], ['g']]) {
        await harness.commit({ mutations: keys.map(key => emit(key)) })
        seqs.push(harness.core.appliedSeq)
      }
      assert.equal(await compact(harness, { keepLast: 3 }), true)
      const seen = new Set<string>()
      for (let i = 0; i < 10; i++) {
        const { events, removedThroughSeq } = read(harness)
        seen.add(keysOf(events))
        assert.equal(removedThroughSeq, events[0]!.seq === seqs[0] ? 0 : seqs[seqs.indexOf(events[0]!.seq) - 1])
        assert.deepEqual(read(harness, { topic: 't' }).events, events)
        await harness.tick(recordsPerTick)
      }
      assert.ok(
        [...seen].every(keys => ['a b c d e f g', 'c d e f g', 'd e f g'].includes(keys)),
        [...seen].join(),
      )
      assert.equal(keysOf(read(harness).events), 'd e f g')
    }
  })

  it('are removed by age in leader time, kept as long as any bound wants them', async () => {
    const harness = await Harness.withProject()
    for (const key of ['a', 'b', 'c']) {
      await harness.commit({ mutations: [emit(key)] })
      harness.timeMicros += 10 * SECOND
    }
    assert.equal(await compact(harness, { maxAgeMs: 15_000, keepLast: 3 }), false)
    assert.equal(await compact(harness, { maxAgeMs: 60_000 }), false)
    assert.equal(await compact(harness, { maxAgeMs: 10_000, keepLast: 2 }), true)
    await harness.tick()
    assert.equal(keysOf(read(harness).events), 'b c')
    assert.equal(await compact(harness, { maxAgeMs: 10_000 }), true)
    await harness.tick()
    assert.equal(keysOf(read(harness).events), 'c', 'what is exactly as old as the bound stays')
  })

  it('are removed by one compaction at a time, which a later one takes further', async () => {
    const harness = await Harness.withProject()
    const seqs: number[] = []
    for (let i = 0; i < 10; i++) {
      await harness.commit({ mutations: [emit(`k${i}`), emit(`l${i}`)] })
      seqs.push(harness.core.appliedSeq)
    }
    assert.equal(await compact(harness, { keepLast: 16 }), true)
    const first = summary(harness).compaction
    const seq = harness.core.appliedSeq
    assert.deepEqual(first, { seq, events: 4, fromSeq: seqs[0], throughSeq: seqs[1], left: 0, isDone: false })
    assert.equal(await compact(harness, { keepLast: 16 }), false, 'all that is to go goes already')
    assert.deepEqual(summary(harness).compaction, first)
    assert.equal(await compact(harness, { keepLast: 0, maxEvents: 5 }), true)
    const next = { seq: seq + 2, events: 4, fromSeq: seqs[2], throughSeq: seqs[3], left: 12 }
    assert.deepEqual(summary(harness).compaction, { ...next, isDone: false })
    const jobs = harness.read({ type: 'jobs' })
    assert.equal(jobs.type === 'jobs' && jobs.jobs.length, 1)
    await harness.tick()
    assert.equal(keysOf(read(harness).events), 'k4 l4 k5 l5 k6 l6 k7 l7 k8 l8 k9 l9')
    assert.deepEqual(summary(harness).compaction, { ...next, isDone: true })
    assert.equal(harness.core.nextExpiryMicros(), undefined, 'no job is left')
  })

  it('of the commit that compacts stay, so that no commit is halved', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [emit('a')] })
    const operation = { type: 'compactEvents', project: 'p', keepLast: 0 } as const
    await harness.commit({ mutations: [emit('b'), { type: 'ddl', operation }, emit('c')] })
    await harness.tick()
    assert.equal(keysOf(read(harness).events), 'b c')
    assert.equal(summary(harness).compaction?.events, 1)
  })

  it('are the same on replicas with other memory, and after a restart', async () => {
    const harness = await Harness.withProject()
    for (let i = 0; i < 200; i++) {
      await harness.commit({ mutations: [emit(`k${i}`, { payload: `"${'x'.repeat(i * 20)}"` }), set(`k${i}`, 'v')] })
    }
    await compact(harness, { keepLast: 50 })
    for (let i = 0; i < 5; i++) await harness.tick()
    const small = await Harness.create({ pageBytes: 4096, budgetBytes: 1 << 18 })
    small.entries.push(...harness.entries)
    await small.applyAll(7)
    assert.equal(small.digest(), harness.digest())
    await harness.checkpoint()
    const again = await harness.reopen()
    const view = again.core.view()
    const whole = await view.read({ type: 'events', project: 'p', scope: 'app', afterSeq: 0, limit: 1_000 }, 'root')
    view.release()
    assert.deepEqual(whole, read(small))
    assert.equal(whole.type === 'events' && whole.events.length, 50)
  })

  it('agree with a list of them, whatever is emitted, read and compacted', async () => {
    const random = new SeededRandom(seed)
    const harness = await Harness.withProject({ pageBytes: 4096 })
    const oracle = new ReferenceEvents()
    const start = harness.timeMicros
    for (let step = 0; step < 300; step++) {
      harness.timeMicros += random.between(0, 2) * SECOND
      if (random.chance(0.9)) {
        const events = Array.from({ length: random.between(1, 5) }, () => {
          const payload = JSON.stringify('x'.repeat(random.pick([0, 10, 3_000])))
          return { topic: random.pick(['t', 'tt', 'u']), key: random.pick(['a', 'b']), payload }
        })
        const mutations = events.map(event => ({ type: 'emitEvent' as const, project: 'p', ...event }))
        const outcome = await harness.commit({ mutations })
        for (const event of events) oracle.emit(event, outcome.seq, harness.timeMicros, DEFAULT_SETTINGS)
      } else {
        const bounds = random.pick([
          { keepLast: random.between(0, 40) },
          { maxAgeMs: random.between(0, 60_000) },
          { keepLast: random.between(0, 40), maxAgeMs: random.between(0, 60_000) },
        ])
        const limit = random.chance(0.5) ? {} : { maxEvents: random.between(0, 20) }
        const operation = { type: 'compactEvents', project: 'p', ...bounds, ...limit } as const
        const isBegun = await ddl(harness, operation)
        assert.equal(isBegun, oracle.compact(operation, harness.core.appliedSeq, harness.timeMicros), `seed ${seed}`)
        while (harness.core.nextExpiryMicros() !== undefined) await harness.tick(random.between(1, 50))
      }
      const topic = random.pick([undefined, 't', 'tt', 'u', 'none'])
      // Mostly the bounds fall on an event, where they decide.
      const marks = [0, 1].map(() => (oracle.all.length > 0 ? random.pick(oracle.all) : undefined))
      const seqs = marks.map(mark => mark?.seq ?? random.between(0, harness.core.appliedSeq))
      const times = marks.map(mark => (mark?.timeMicros ?? start) + random.pick([0, 0, 1, SECOND]))
      const request = {
        ...(topic !== undefined && { topic }),
        ...(random.chance(0.3) && { key: random.pick(['a', 'b', 'none']) }),
        ...(random.chance(0.2) && { fromSeq: seqs[0]! }),
        ...(random.chance(0.2) && { toSeq: seqs[1]! }),
        ...(random.chance(0.2) && { fromMicros: times[0]! }),
        ...(random.chance(0.2) && { toMicros: times[1]! }),
        ...(random.chance(0.2) && { where: [{ pointer: '', equals: 'x'.repeat(random.pick([0, 10])) }] }),
        afterSeq: random.pick([0, random.between(0, harness.core.appliedSeq)]),
        limit: random.pick([1, 3, 10, 1_000]),
        ...(random.chance(0.5) && { reverse: true }),
      }
      const expected = oracle.read({ project: 'p', scope: 'app', ...request })
      const found = read(harness, request)
      // A page may end earlier for its bytes.
      if (found.nextSeq > 0 && expected.type === 'events') {
        assert.deepEqual(found.events, expected.events.slice(0, found.events.length), `seed ${seed}`)
        // A page also passes over what is not wanted, and over nothing else.
        const rest = oracle.read({ project: 'p', scope: 'app', ...request, afterSeq: found.events.at(-1)!.seq })
        const next = oracle.read({ project: 'p', scope: 'app', ...request, afterSeq: found.nextSeq })
        assert.deepEqual(next, rest, `seed ${seed}`)
      } else assert.deepEqual(found, expected, `seed ${seed}`)
      const counted = harness.read({ type: 'eventSummary', project: 'p', scope: 'app', topics: 2 })
      assert.deepEqual(counted, { type: 'eventSummary', summary: oracle.summary(undefined, '', 2) }, `seed ${seed}`)
    }
  })
})
