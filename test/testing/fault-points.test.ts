import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openFaultyEngine } from '../../src/entry/testing.ts'
import { QuorateError } from '../../src/model/index.ts'
import { SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { FAULT_POINTS, FaultPoints } from '../../src/testing/index.ts'
import type { FaultPlan, FaultPoint } from '../../src/testing/index.ts'

/** Which of ten writes to the log fail. */
async function failing(faults: FaultPoints): Promise<number[]> {
  const files = faults.wrap(new SimulatedDisk({ seed: 1 }).files())
  await files.makeDirectory('/d/log')
  const file = await files.open('/d/log/segment-0000000001', 'create')
  const failed: number[] = []
  for (let i = 1; i <= 10; i++) {
    try {
      file.writeSync(Uint8Array.of(i), i)
    } catch {
      failed.push(i)
    }
  }
  return failed
}

async function inDirectory(task: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'quorate-faults-'))
  try {
    await task(join(directory, 'data'))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const CODE =
  (code: string) =>
  (error: unknown): boolean =>
    error instanceof QuorateError && error.code === code

describe('a fault point', () => {
  const plans: readonly (readonly [FaultPlan, number[]])[] = [
    [{ type: 'always' }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ type: 'once' }, [1]],
    [{ type: 'failAfter', n: 7 }, [8, 9, 10]],
    [{ type: 'failAfter', n: 0 }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ type: 'everyNth', n: 4 }, [4, 8]],
  ]
  for (const [plan, wanted] of plans) {
    it(`fails as ${JSON.stringify(plan)} says`, async () => {
      const faults = new FaultPoints()
      faults.arm('wal_append', plan)
      assert.deepEqual(await failing(faults), wanted)
      assert.deepEqual(faults.counts('wal_append'), { passed: 10 - wanted.length, failed: wanted.length })
      assert.deepEqual(faults.counts('wal_sync'), { passed: 0, failed: 0 })
      faults.disarm('wal_append')
      assert.deepEqual(await failing(faults), [])
      faults.arm('wal_append', plan)
      assert.deepEqual(await failing(faults), wanted, 'armed again it counts anew')
      faults.reset()
      assert.deepEqual(faults.counts('wal_append'), { passed: 0, failed: 0 })
      assert.deepEqual(await failing(faults), [])
    })
  }

  it('refuses what is no plan and no point', () => {
    const faults = new FaultPoints()
    assert.throws(() => faults.arm('wal_append', { type: 'everyNth', n: 0 }), RangeError)
    assert.throws(() => faults.arm('wal_append', { type: 'failAfter', n: 1.5 }), RangeError)
    assert.throws(() => faults.arm('elsewhere' as FaultPoint, { type: 'once' }), RangeError)
  })
})

describe('an embedded database with a planned fault', () => {
  for (const point of ['wal_append', 'wal_sync'] as const) {
    it(`stops at ${point}, and holds everything acknowledged when it is opened again`, () =>
      inDirectory(async directory => {
        const faults = new FaultPoints()
        const engine = await openFaultyEngine(directory, faults)
        await engine.ddl({ type: 'createProject', project: 'p' })
        const kv = engine.kv('p')
        let acknowledged = 0
        faults.arm(point, { type: 'failAfter', n: 5 }, { systemCode: 'ENOSPC' })
        const write = async (): Promise<void> => {
          for (; acknowledged < 100; acknowledged++) await kv.set(`k${acknowledged}`, Uint8Array.of(acknowledged))
        }
        await assert.rejects(write(), CODE('storage_failed'))
        assert.ok(acknowledged < 10, `${acknowledged} were acknowledged`)
        faults.disarm(point)
        await assert.rejects(kv.set('later', Uint8Array.of(1)), CODE('storage_failed'), 'the first failure is final')
        await engine.close().catch(() => undefined)
        await using again = await openFaultyEngine(directory, faults)
        for (let i = 0; i < acknowledged; i++) assert.deepEqual(await again.kv('p').get(`k${i}`), Uint8Array.of(i))
        assert.equal(await again.kv('p').get('later'), undefined)
        await again.kv('p').set('later', Uint8Array.of(1))
      }))
  }

  for (const point of ['checkpoint_write', 'manifest_write'] as const) {
    it(`loses nothing to a checkpoint that fails at ${point}`, () =>
      inDirectory(async directory => {
        const faults = new FaultPoints()
        const engine = await openFaultyEngine(directory, faults)
        await engine.ddl({ type: 'createProject', project: 'p' })
        for (let i = 0; i < 50; i++) await engine.kv('p').set(`k${i}`, new Uint8Array(500).fill(i))
        faults.arm(point, { type: 'once' })
        await assert.rejects(engine.checkpoint())
        assert.equal(faults.counts(point).failed, 1)
        await engine.close().catch(() => undefined)
        faults.reset()
        await using again = await openFaultyEngine(directory, faults)
        for (let i = 0; i < 50; i++) assert.equal((await again.kv('p').get(`k${i}`))?.[0], i)
        await again.kv('p').set('more', Uint8Array.of(1))
        await again.checkpoint()
        assert.ok(faults.counts(point).passed > 0, 'the point is passed by every checkpoint')
      }))
  }

  it('passes every point in its everyday work', () =>
    inDirectory(async directory => {
      const faults = new FaultPoints()
      await using engine = await openFaultyEngine(directory, faults)
      await engine.ddl({ type: 'createProject', project: 'p' })
      faults.reset()
      await engine.kv('p').set('k', Uint8Array.of(1))
      await engine.checkpoint()
      for (const point of FAULT_POINTS) assert.ok(faults.counts(point).passed > 0, point)
    }))
})
