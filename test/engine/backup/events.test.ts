import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { exportDump, restoreDump } from '../../../src/engine/index.ts'
import type { Engine } from '../../../src/engine/index.ts'
import { inBed } from './bed.ts'

async function emit(engine: Engine, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i++) {
    const event = {
      topic: `t${i % 3}`,
      key: `k${i % 5}`,
      payload: JSON.stringify({ i, text: 'x'.repeat((i % 7) * 300) }),
    }
    await engine.events('p').emit(i % 4 === 0 ? [event, event] : event)
  }
}

/** All that can be asked of events, but the state that is asked. */
async function told(engine: Engine): Promise<unknown> {
  const events = engine.events('p')
  const { seq: _, token: _token, ...summary } = await events.summary()
  const { events: all, removedThroughSeq } = await events.read({ limit: 10_000 })
  const ofKey = await events.read({ key: 'k3', limit: 10_000 })
  const ofTime = await events.read({ fromMicros: all[5]!.timeMicros, toMicros: all[30]!.timeMicros, limit: 10_000 })
  const lifecycle = await engine.lifecycle().read({ limit: 10_000 })
  return { summary, all, removedThroughSeq, ofKey: ofKey.events, ofTime: ofTime.events, lifecycle: lifecycle.events }
}

describe('events in backups', () => {
  it(
    'are all there after a restore of a chain, with their counts, and go on behind it',
    inBed(async bed => {
      const engine = await bed.create()
      await emit(engine, 0, 60)
      await engine.backup('/full')
      await engine.ddl([
        { type: 'createScope', project: 'p', scope: 's' },
        { type: 'renameScope', project: 'p', scope: 's', to: 'r' },
      ])
      await emit(engine, 60, 40)
      const report = await engine.events('p').compact({ keepLast: 70 })
      assert.ok(report.events > 0)
      for (let i = 0; (await engine.jobs({ project: 'p' })).length > 0; i++)
        await engine.kv('p').set('k', Uint8Array.of(i))
      await engine.backup('/more', { parent: '/full' })
      const wanted = await told(engine)
      await engine.close()
      await bed.restore(['/full', '/more'], '/restored')
      const copy = await bed.open('/restored')
      assert.deepEqual(await told(copy), wanted)
      const last = (await copy.events('p').latest(1))[0]!
      await emit(copy, 100, 1)
      const [next] = await copy.events('p').latest(1)
      assert.ok(next !== undefined && next.seq > last.seq + 1_000_000 && next.timeMicros >= last.timeMicros)
      const later = await copy.events('p').read({ fromMicros: next.timeMicros })
      assert.equal(later.events.at(-1)?.seq, next.seq)
      await copy.close()
    }),
  )

  it(
    'are all there after a dump, whose parity of data leaves out what only tells how it came to be',
    inBed(async bed => {
      const engine = await bed.create()
      await emit(engine, 0, 60)
      const wanted = await told(engine)
      await engine.close()
      const { parity } = await exportDump(bed.process, '/data', '/dump')
      await restoreDump(bed.process, '/dump', '/restored', { pageBytes: 4096 })
      const copy = await bed.open('/restored')
      assert.deepEqual(await told(copy), wanted)
      await copy.ddl([
        { type: 'createScope', project: 'p', scope: 's' },
        { type: 'dropScope', project: 'p', scope: 's' },
      ])
      await copy.waitForJobs()
      const { events } = await copy.lifecycle().read({ limit: 2, reverse: true })
      assert.deepEqual(
        events.map(({ type }) => type),
        ['scopeDropped', 'scopeCreated'],
      )
      await copy.close()
      const again = await exportDump(bed.process, '/restored', '/again')
      assert.equal(again.parity.data, parity.data)
      assert.notEqual(again.parity.all, parity.all)
    }),
  )
})
