import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8Bytes } from '../../src/encoding/index.ts'
import { openEngine } from '../../src/engine/index.ts'
import type { Engine, EngineOptions } from '../../src/engine/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import { seed } from './seed.ts'

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes)

async function withEngine(options: EngineOptions, body: (engine: Engine) => Promise<void>): Promise<void> {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  const machine = new SimulatedMachine(world, { name: 'one' })
  await world.runToCompletion(
    (async () => {
      const engine = await openEngine('/data', options, machine.start())
      await engine.ddl({ type: 'createProject', project: 'p' })
      await body(engine)
      await engine.close()
    })(),
  )
}

const WAYS = ['newest', 'snapshot'] as const

function refusal(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof QuorateError) return error.code
    throw error
  }
  return 'none'
}

describe('reads on the caller’s thread', () => {
  it('keeps what scans have found apart, from each other and from what is written later', () =>
    withEngine({ pageBytes: 4096 }, async engine => {
      const kv = engine.kv('p')
      const name = (i: number): string => `k${String(i).padStart(4, '0')}`
      for (let i = 0; i < 300; i++) await kv.set(name(i), utf8Bytes(`first ${i}`))
      const keys = engine.newest().kv('p')
      const scans = Array.from({ length: 30 }, (_, i) => keys.scan({ start: name(i * 9), limit: 20 + i }))
      for (let i = 0; i < 300; i++) await kv.set(name(i), utf8Bytes(`later ${i}`))
      const after = keys.scan({ limit: 300 })
      for (const [i, scan] of scans.entries()) {
        const found = Array.from(scan, entry => [text(entry.key), text(entry.value)])
        const wanted = Array.from({ length: Math.min(20 + i, 300 - i * 9) }, (_, n) => [
          name(i * 9 + n),
          `first ${i * 9 + n}`,
        ])
        assert.deepEqual(found, wanted, `scan ${i}`)
      }
      assert.deepEqual([text(after.at(299)?.value), text(after.at(0)?.value)], ['later 299', 'later 0'])
    }))

  for (const way of WAYS) {
    it(`gives what the asynchronous reads give: ${way}`, () =>
      withEngine({ pageBytes: 4096 }, async engine => {
        const kv = engine.kv('p')
        const names = ['a', 'a/1', 'a/2', 'b', 'zürich', 'x'.repeat(700)]
        for (const name of names) await kv.set(name, utf8Bytes(`value of ${name}`))
        await kv.set('large', new Uint8Array(60_000).fill(7))
        await kv.set('gone', utf8Bytes('1'))
        await kv.delete('gone')
        const keys = engine[way]().kv('p')
        for (const name of names) assert.equal(text(keys.get(name)), `value of ${name}`)
        assert.deepEqual(keys.get('large'), new Uint8Array(60_000).fill(7))
        assert.equal(keys.get('gone'), undefined)
        assert.equal(keys.get(''), undefined)
        assert.deepEqual(keys.get(utf8Bytes('zürich')), keys.get('zürich'))
        const { key, ...entry } = (await kv.entry('b'))!
        assert.deepEqual(keys.entry('b'), { ...entry, key: utf8Bytes(key) })
        keys.get('b')!.fill(0)
        assert.equal(text(keys.get('b')), 'value of b')
        for (const range of [
          {},
          { prefix: 'a' },
          { prefix: 'a', start: 'a/2' },
          { start: 'a/1', end: 'b' },
          { end: 'a' },
        ]) {
          for (const reverse of [false, true]) {
            for (const limit of [1, 2, 100]) {
              const found = keys.scan({ ...range, reverse, limit })
              const wanted = []
              for await (const one of kv.scan({ ...range, reverse, limit }))
                wanted.push({ ...one, key: utf8Bytes(one.key) })
              assert.deepEqual([...found], wanted, JSON.stringify({ range, reverse, limit }))
            }
          }
        }
      }))

    it(`scans across leaves and large values, all of one state: ${way}`, () =>
      withEngine({ pageBytes: 4096, budgetBytes: 40 << 10, inlineThresholdBytes: 32 }, async engine => {
        const entries = Array.from({ length: 900 }, (_, i) => {
          const value = new Uint8Array(i % 9 === 4 ? 3_000 + i : 5 + (i % 200)).fill(i)
          return [`k${String(i).padStart(4, '0')}`, value] as const
        })
        await engine.kv('p').setMany(entries)
        const keys = engine[way]().kv('p')
        const all = keys.scan({ limit: 10_000 })
        assert.equal(all.more, false)
        assert.deepEqual(
          [...all].map(one => [text(one.key), one.value]),
          entries,
        )
        const some = keys.scan({ start: 'k0100', limit: 250, reverse: false })
        assert.equal(some.more, true)
        const back = keys.scan({ end: 'k0350', limit: 250, reverse: true })
        await engine.kv('p').setMany(entries.map(([key]) => [key, Uint8Array.of(1)]))
        assert.deepEqual(
          [...some].map(one => one.value),
          entries.slice(100, 350).map(([, value]) => value),
        )
        assert.deepEqual(
          [...back].reverse().map(one => one.value),
          entries.slice(100, 350).map(([, value]) => value),
        )
        assert.deepEqual(
          [some.valueBytes(4), some.at(250), some.at(-1)],
          [entries[104]![1].length, undefined, undefined],
        )
        assert.throws(() => some.key(250), RangeError)
      }))

    it(`needs the permission, and names that exist: ${way}`, () =>
      withEngine({}, async engine => {
        await engine.kv('p').setMany([
          ['own/1', utf8Bytes('1')],
          ['other', utf8Bytes('2')],
        ])
        const permission = { type: 'kvRead', project: 'p', scope: 'app', prefix: utf8Bytes('own/') } as const
        const before = engine[way]({ caller: 'ann' }).kv('p')
        assert.equal(
          refusal(() => before.get('own/1')),
          'permission_denied',
        )
        await engine.ddl({ type: 'grant', caller: 'ann', permission })
        const keys = engine[way]({ caller: 'ann' }).kv('p')
        assert.equal(text(before.get('own/1')), '1')
        assert.equal(text(keys.get('own/1')), '1')
        assert.equal(keys.scan({ prefix: 'own/', limit: 9 }).length, 1)
        assert.equal(
          refusal(() => keys.get('other')),
          'permission_denied',
        )
        assert.equal(
          refusal(() => keys.scan({ limit: 9 })),
          'permission_denied',
        )
        assert.equal(
          refusal(() => keys.scan({ prefix: 'own/', limit: 0 })),
          'invalid_argument',
        )
        await engine.ddl({ type: 'revoke', caller: 'ann', permission })
        assert.equal(
          refusal(() => keys.get('own/1')),
          'permission_denied',
        )
        assert.equal(
          refusal(() => engine[way]().kv('q').get('k')),
          'project_not_found',
        )
        assert.equal(
          refusal(() => engine[way]().kv('p', { scope: 's' }).get('k')),
          'scope_not_found',
        )
      }))
  }

  it('sees the newest state each time, and a view its own', () =>
    withEngine({}, async engine => {
      const newest = engine.newest().kv('p')
      const kv = engine.kv('p')
      await kv.set('k', utf8Bytes('1'))
      using view = engine.snapshot()
      await kv.set('k', utf8Bytes('2'))
      assert.deepEqual([text(newest.get('k')), text(view.kv('p').get('k'))], ['2', '1'])
      await engine.ddl({ type: 'dropScope', project: 'p', scope: 'app' })
      assert.equal(
        refusal(() => newest.get('k')),
        'scope_not_found',
      )
      assert.equal(text(view.kv('p').get('k')), '1')
    }))

  it('ends with the database', () =>
    withEngine({}, async engine => {
      const newest = engine.newest().kv('p')
      await engine.close()
      assert.equal(
        refusal(() => newest.get('k')),
        'closed',
      )
      assert.equal(
        refusal(() => engine.newest()),
        'closed',
      )
    }))
})

describe('the figures of an embedded engine', () => {
  it('keeps memory within the smallest budget once nothing is under way, and counts what has left it', () =>
    withEngine({ pageBytes: 4096, budgetBytes: 16 << 10, durability: 'os' }, async engine => {
      const kv = engine.kv('p')
      for (let i = 0; i < 256; i++) await kv.set(`small/${String(i).padStart(4, '0')}`, new Uint8Array(256).fill(i))
      const newest = engine.newest().kv('p')
      for (let i = 0; i < 256; i++) assert.equal(newest.get(`small/${String(i).padStart(4, '0')}`)!.length, 256)
      await engine.checkpoint()
      newest.get('small/0000')
      const { memory, values, pages, commits } = engine.metrics()
      assert.ok(memory.bytes <= 16_384, `${memory.bytes} bytes: ${JSON.stringify(memory)}`)
      assert.ok(values.storeBytes > 256 * 256, `${values.storeBytes}`)
      assert.ok(pages.evicted > 0 && pages.loaded > 0)
      assert.deepEqual([commits.answered, commits.refused, commits.inFlight], [257, 0, 0])
    }))

  it('keeps large values in the hot cache as far as it may, and counts hits and misses', () =>
    withEngine({ hotCacheBytes: 64 << 10, budgetBytes: 1 << 20 }, async engine => {
      const kv = engine.kv('p')
      for (let i = 0; i < 8; i++) await kv.set(`v${i}`, new Uint8Array(20_000).fill(i))
      await engine.checkpoint()
      await kv.set('other', Uint8Array.of(1))
      const before = engine.metrics().values
      assert.equal(before.hotCacheBytesMax, 64 << 10)
      assert.ok(before.hotCacheBytes <= 64 << 10, `${before.hotCacheBytes}`)
      const newest = engine.newest().kv('p')
      for (let i = 0; i < 8; i++) assert.equal(newest.get(`v${i}`)![0], i)
      const cold = engine.metrics().values
      assert.ok(cold.misses - before.misses >= 5, `${cold.misses} misses`)
      newest.get('v7')
      const hot = engine.metrics().values
      assert.deepEqual([hot.misses, hot.hits], [cold.misses, cold.hits + 1])
      assert.ok(hot.hotCacheBytes <= (64 << 10) + 20_000)
    }))

  it('gives a value that memory has no room for to its reader, who may do with it what they like', () =>
    withEngine({ hotCacheBytes: 0, budgetBytes: 1 << 20 }, async engine => {
      const kv = engine.kv('p')
      await kv.set('large', new Uint8Array(30_000).fill(3))
      await engine.checkpoint()
      const newest = engine.newest().kv('p')
      for (let i = 0; i < 3; i++) {
        const value = newest.get('large')!
        assert.deepEqual(value, new Uint8Array(30_000).fill(3))
        value.fill(9)
        assert.deepEqual(await kv.get('large'), new Uint8Array(30_000).fill(3))
      }
      const { hotCacheBytes, misses } = engine.metrics().values
      assert.equal(hotCacheBytes, 0)
      assert.ok(misses >= 6, `${misses}`)
    }))

  it('tells refusals and conflicts from commits, and what is durable from what is visible', () =>
    withEngine({ durability: 'batch', batchIntervalMs: 60_000 }, async engine => {
      const kv = engine.kv('p')
      const { seq } = await kv.set('k', utf8Bytes('1'))
      assert.deepEqual(engine.currentHead.visibleSeq, seq)
      assert.ok(engine.currentHead.durableSeq < seq)
      await assert.rejects(kv.set('k', utf8Bytes('2'), { ifAbsent: true }))
      await assert.rejects(kv.increment('k', -1))
      await assert.rejects(engine.as('nobody').kv('p').set('k', utf8Bytes('3')))
      const { commits, epochs, log } = engine.metrics()
      assert.deepEqual([commits.answered, commits.refused, commits.conflicts], [4, 2, 1])
      assert.ok(epochs.count >= 4 && epochs.entries >= epochs.count)
      assert.ok(log.appends >= 4 && log.appendBytes > 0)
      assert.ok(commits.latency.p99Ms >= commits.latency.p50Ms)
      const head = await engine.waitForDurable(seq)
      assert.ok(head.durableSeq >= seq)
      assert.equal(engine.metrics().log.sync.count, log.sync.count + 1)
    }))
})
