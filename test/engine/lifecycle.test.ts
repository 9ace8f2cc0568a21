import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Ddl } from '../../src/encoding/index.ts'
import type { Change, EventsSummary, QuorateError, WatchSink } from '../../src/model/index.ts'
import { Harness } from './harness.ts'

const SYSTEM = { project: '_system', scope: 'app' } as const

async function ddl(harness: Harness, ...operations: Ddl[]): Promise<number> {
  const outcome = await harness.commit({ mutations: operations.map(operation => ({ type: 'ddl', operation })) })
  assert.equal(outcome.status, 'committed', JSON.stringify(outcome))
  return outcome.seq
}

function keysOf(harness: Harness, caller = 'root'): string[] {
  const found = harness.read({ type: 'events', ...SYSTEM, afterSeq: 0, limit: 10_000 }, caller)
  assert.ok(found.type === 'events')
  return found.events.map(({ topic, key }) => `${topic} ${key}`)
}

function summary(harness: Harness): EventsSummary {
  const found = harness.read({ type: 'eventSummary', ...SYSTEM, topics: 100 })
  assert.ok(found.type === 'eventSummary')
  return found.summary
}

const scopes = (from: number, count: number): Ddl[] =>
  Array.from({ length: count }, (_, i) => ({ type: 'createScope', project: 'p', scope: `s${from + i}` }))

/** What a watch hears, as seq and topics. */
class Heard implements WatchSink {
  readonly told: string[] = []
  readonly queuedBytes = 0

  commit(seq: number, changes: readonly Change[]): void {
    this.told.push(`${seq} ${changes.map(({ key }) => Buffer.from(key).toString()).join(' ')}`)
  }

  rows(): void {
    this.told.push('rows')
  }

  progress(): void {
    this.told.push('progress')
  }

  reset(): void {
    this.told.push('reset')
  }

  failed(error: QuorateError): void {
    this.told.push(error.code)
  }
}

describe('lifecycle events', () => {
  it('are kept within their setting, a part of it more, by one compaction at a time', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'setSetting', name: 'lifecycleEventsMax', value: 20 })
    let most = 0
    for (let i = 0; i < 100; i++) {
      await ddl(harness, ...scopes(i * 2, 2))
      const jobs = harness.read({ type: 'jobs' })
      assert.ok(jobs.type === 'jobs' && jobs.jobs.length <= 1)
      most = Math.max(most, summary(harness).events)
      if (i % 3 === 0) await harness.tick()
    }
    while (harness.core.nextExpiryMicros() !== undefined) await harness.tick()
    // 20, the excess of 16, and what two more commits without a tick bring.
    assert.ok(most > 36 && most <= 20 + 16 + 6, `${most}`)
    const { events, removed, removedThroughSeq, compaction } = summary(harness)
    assert.ok(events >= 20 && events <= 36, `${events}`)
    assert.equal(events + removed, 203)
    assert.equal(compaction?.throughSeq, removedThroughSeq)
    assert.equal(keysOf(harness).at(-1), 'scopeCreated p/s199')
  })

  it('are removed down to a lower setting, and none is made at 0', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, ...scopes(0, 60))
    await ddl(harness, { type: 'setSetting', name: 'lifecycleEventsMax', value: 1 })
    await ddl(harness, ...scopes(60, 1))
    await harness.tick()
    assert.deepEqual(keysOf(harness), ['scopeCreated p/s60'])
    await ddl(harness, { type: 'setSetting', name: 'lifecycleEventsMax', value: 0 })
    await ddl(harness, ...scopes(61, 60))
    assert.deepEqual(keysOf(harness), ['scopeCreated p/s60'])
  })

  it('are all there of a commit that has more of them than are kept', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'setSetting', name: 'lifecycleEventsMax', value: 5 })
    await ddl(harness, ...scopes(0, 100))
    await harness.tick()
    assert.equal(keysOf(harness).length, 100)
  })

  it('tell of the tables that a drop takes foreign keys from, and of a rule that a row does not fit', async () => {
    const harness = await Harness.withProject()
    const column = { name: 'id', type: 'integer' } as const
    const table = (name: string): Extract<Ddl, { type: 'createTable' }> => {
      return { type: 'createTable', project: 'p', table: name, columns: [column], primaryKey: ['id'] }
    }
    const up = { name: 'up', columns: ['id'], table: 'parent' }
    await ddl(
      harness,
      table('parent'),
      { ...table('child'), foreignKeys: [up] },
      { type: 'dropTable', project: 'p', table: 'parent' },
    )
    const child = { project: 'p', table: 'child' } as const
    await harness.commit({ mutations: [{ type: 'insert', ...child, rows: [{ id: 1 }] }] })
    const check = { name: 'large', check: { op: 'gt', column: 'id', value: 5 } } as const
    await ddl(harness, { type: 'alterTable', ...child, alteration: { type: 'addCheck', check } })
    while (harness.core.nextExpiryMicros() !== undefined) await harness.tick()
    const found = harness.read({ type: 'events', ...SYSTEM, afterSeq: 0, limit: 100 })
    assert.ok(found.type === 'events')
    const told = found.events.map(({ topic, key, payload }) => {
      const { change = '' } = JSON.parse(payload) as { change?: string }
      return `${topic} ${key} ${change}`.trim()
    })
    assert.deepEqual(told.slice(3), [
      'tableCreated p/app/parent',
      'tableCreated p/app/child',
      'tableAltered p/app/child dropForeignKey',
      'tableDropped p/app/parent',
      'tableAltered p/app/child addCheck',
      'tableAltered p/app/child validateCheckFailed',
    ])
  })

  it('are the same on a replica with other memory, and count for no project', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'setSetting', name: 'lifecycleEventsMax', value: 50 })
    for (let i = 0; i < 40; i++) {
      await ddl(harness, ...scopes(i * 5, 5), { type: 'dropScope', project: 'p', scope: `s${i * 5}` })
      if (i % 4 === 0) await harness.tick(20)
    }
    const small = await Harness.create({ pageBytes: 4096, budgetBytes: 1 << 17 })
    small.entries.push(...harness.entries)
    await small.applyAll(7)
    assert.equal(small.digest(), harness.digest())
    assert.deepEqual(keysOf(small), keysOf(harness))
    const usage = harness.read({ type: 'usage', project: 'p' })
    assert.deepEqual(usage.type === 'usage' && [usage.projects[0]?.events, usage.projects[0]?.bytes], [0, 0])
  })

  it('are told to a watch as far as its caller may hear of them, by type', async () => {
    const harness = await Harness.withProject()
    const permission = { type: 'kvRead', project: 'p', scope: 'other' } as const
    await ddl(harness, { type: 'grant', caller: 'ann', permission })
    const watch = (caller: string, topic = '', fromSeq?: number): Heard => {
      const sink = new Heard()
      const prefix = Buffer.from(topic)
      harness.core.watch({ caller, ...SYSTEM, prefix, events: true }, fromSeq, sink)
      return sink
    }
    const [root, ann, eve, drops] = [watch('root'), watch('ann'), watch('eve'), watch('root', 'scopeDropped')]
    const from = harness.core.appliedSeq
    const made = await ddl(harness, { type: 'createProject', project: 'q' }, ...scopes(0, 1))
    const renamed = await ddl(harness, { type: 'renameScope', project: 'p', scope: 'other', to: 'another' })
    await harness.commit({ mutations: [{ type: 'emitEvent', project: 'q', topic: 't', key: 'k', payload: '1' }] })
    const dropped = await ddl(harness, { type: 'dropScope', project: 'p', scope: 'another' })
    const all = [
      `${made} projectCreated scopeCreated scopeCreated`,
      `${renamed} scopeRenamed`,
      `${dropped} scopeDropped`,
    ]
    assert.deepEqual(root.told, all)
    assert.deepEqual(ann.told, all.slice(1))
    assert.deepEqual(eve.told, [])
    assert.deepEqual(drops.told, all.slice(2))
    const late = watch('ann', '', from)
    while (late.told.length < 2) await new Promise(setImmediate)
    assert.deepEqual(late.told, all.slice(1))
    const keys = new Heard()
    const keysOfSystem = { caller: 'root', ...SYSTEM, prefix: new Uint8Array(0) }
    assert.throws(() => harness.core.watch(keysOfSystem, undefined, keys), { code: 'project_not_found' })
  })

  it('hide others behind a place to go on, so that a page of them is no page of nothing', async () => {
    const harness = await Harness.withProject()
    await ddl(harness, { type: 'setSetting', name: 'queryRowsMax', value: 100 })
    for (let i = 0; i < 30; i++) await ddl(harness, ...scopes(i * 5, 5))
    await ddl(harness, { type: 'createProject', project: 'mine', owner: 'ann' })
    const request = { type: 'events', ...SYSTEM, limit: 10 } as const
    const first = harness.read({ ...request, afterSeq: 0 }, 'ann')
    assert.ok(first.type === 'events' && first.events.length === 0 && first.nextSeq > 0)
    const second = harness.read({ ...request, afterSeq: first.nextSeq }, 'ann')
    assert.ok(second.type === 'events' && second.nextSeq === 0)
    assert.deepEqual(
      second.events.map(({ key }) => key),
      ['mine', 'mine/app'],
    )
  })
})
