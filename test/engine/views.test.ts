import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind } from '../../src/encoding/index.ts'
import type { EntryBatch } from '../../src/encoding/index.ts'
import type { ReadRequest, ReadResult, StateView } from '../../src/model/index.ts'

import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { bytes, Harness, remove, SECOND, set } from './harness.ts'
import { seed } from './seed.ts'

const SCAN: ReadRequest = { type: 'scan', project: 'p', scope: 'app', limit: 1_000 }

function scanText(result: ReadResult): string[] {
  assert.equal(result.type, 'scan')
  if (result.type !== 'scan') return []
  return result.entries.map(({ key, value, seq }) => `${text(key)}=${text(value)}@${seq}`)
}

function text(part: Uint8Array): string {
  return Buffer.from(part).toString()
}

function entriesOf(harness: Harness): (from: number, through: number) => Promise<EntryBatch> {
  return (from, through) => Promise.resolve(harness.batch(from, Math.min(through, from + 9)))
}

describe('a view', () => {
  it('shows one state, whatever is written after it, until it is released', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', '1'), set('b', '1', 1_000)] })
    const view = harness.core.view()
    const before = scanText(view.readSync(SCAN, 'root'))
    harness.timeMicros += 5 * SECOND
    await harness.commit({ mutations: [set('a', '2'), remove('b')] })
    await harness.commit({
      mutations: [{ type: 'ddl', operation: { type: 'renameScope', project: 'p', scope: 'app', to: 'x' } }],
    })
    assert.deepEqual(scanText(view.readSync(SCAN, 'root')), before)
    view.release()
    view.release()
    assert.throws(() => view.readSync(SCAN, 'root'), { code: 'view_expired' })
  })

  it('asks the newest permissions, never those of its own time', async () => {
    const harness = await Harness.withProject()
    const permission = { type: 'kvRead', project: 'p' } as const
    await harness.commit({
      mutations: [set('a', '1'), { type: 'ddl', operation: { type: 'grant', caller: 'alice', permission } }],
    })
    const view = harness.core.view()
    assert.equal(scanText(view.readSync(SCAN, 'alice')).length, 1)
    await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'revoke', caller: 'alice', permission } }] })
    assert.throws(() => view.readSync(SCAN, 'alice'), { code: 'permission_denied' })
    view.release()
  })

  it('scans in pages of the limit, both ways, within a range', async () => {
    const harness = await Harness.withProject()
    await harness.commit({
      mutations: Array.from({ length: 30 }, (_, i) => set(`k${String(i).padStart(2, '0')}`, 'v')),
    })
    const scan = (more: Partial<Extract<ReadRequest, { type: 'scan' }>>): [string[], boolean] => {
      const result = harness.read({ type: 'scan', project: 'p', scope: 'app', limit: 3, ...more })
      assert.equal(result.type, 'scan')
      return result.type === 'scan' ? [result.entries.map(({ key }) => text(key)), result.more] : [[], false]
    }
    assert.deepEqual(scan({}), [['k00', 'k01', 'k02'], true])
    assert.deepEqual(scan({ start: bytes('k28') }), [['k28', 'k29'], false])
    assert.deepEqual(scan({ start: bytes('k27') }), [['k27', 'k28', 'k29'], false])
    assert.deepEqual(scan({ reverse: true, end: bytes('k05') }), [['k04', 'k03', 'k02'], true])
    assert.deepEqual(scan({ start: bytes('k05'), end: bytes('k05') }), [[], false])
    assert.throws(() => scan({ limit: 0 }), { code: 'invalid_argument' })
  })

  it('of a state larger than memory reads cold pages, asynchronously or on this thread', async () => {
    const harness = await Harness.withProject({ pageBytes: 4096, budgetBytes: 1 })
    for (let i = 0; i < 40; i++) {
      await harness.commit({ mutations: Array.from({ length: 10 }, (_, j) => set(`k${i * 10 + j}`, 'v'.repeat(300))) })
    }
    await harness.checkpoint()
    const view = harness.core.view()
    const first = view.read(SCAN, 'root')
    assert.ok(first instanceof Promise, 'no page was cold')
    assert.deepEqual(scanText(await first), scanText(view.readSync(SCAN, 'root')))
    assert.equal(scanText(view.readSync(SCAN, 'root')).length, 400)
    view.release()
  })
})

describe('a view of an older seq', () => {
  it('shows exactly what was there after that entry, for every seq of the window', async () => {
    const harness = await Harness.withProject()
    const random = new SeededRandom(seed)
    const shown: string[][] = []
    for (let i = 0; i < 60; i++) {
      harness.timeMicros += random.u32() % 3 === 0 ? SECOND : 0
      const key = `k${random.u32() % 10}`
      const ttlMs = random.u32() % 3 === 0 ? 1_000 + (random.u32() % 5) * 1_000 : undefined
      if (random.u32() % 6 === 0) await harness.tick(2)
      else if (random.u32() % 4 === 0) await harness.commit({ mutations: [remove(key)] })
      else await harness.commit({ mutations: [set(key, `v${i}`, ttlMs)] })
      shown[harness.core.appliedSeq] = scanText(harness.read(SCAN))
      if (i === 20) await harness.checkpoint()
    }
    let replayed = 0
    const count = async (from: number, through: number): Promise<EntryBatch> => {
      replayed++
      return entriesOf(harness)(from, through)
    }
    for (let seq = harness.core.oldestViewSeq; seq <= harness.core.appliedSeq; seq++) {
      if (shown[seq] === undefined) continue
      const view: StateView = await harness.core.viewAt(seq, count)
      assert.equal(view.seq, seq)
      assert.deepEqual(scanText(await view.read(SCAN, 'root')), shown[seq], `seq ${seq}, seed ${seed}`)
      assert.deepEqual(scanText(view.readSync(SCAN, 'root')), shown[seq])
      const backwards = { ...SCAN, reverse: true } as ReadRequest
      assert.deepEqual(scanText(view.readSync(backwards, 'root')), shown[seq]!.toReversed())
      view.release()
    }
    assert.ok(replayed > 0, 'no seq needed entries of the log')
    assert.deepEqual(scanText(harness.read(SCAN)), shown.at(-1), 'the newest state is untouched')
  })

  it('gives the loop back every 5 ms while entries are applied again, though none of them waits for a disk', async () => {
    let nowMs = 0
    const turnsAt: number[] = []
    const harness = await Harness.withProject({
      // Each entry takes a millisecond: so often the time is looked at.
      monotonicMs: () => nowMs++,
      endOfTurn: task => {
        turnsAt.push(nowMs)
        setImmediate(task)
      },
    })
    for (let i = 0; i < 40; i++) await harness.commit({ mutations: [set(`k${i}`, 'v')] })
    const [first, older] = [harness.core.oldestViewSeq, harness.core.appliedSeq - 1]
    turnsAt.length = 0
    const view = await harness.core.viewAt(older, (from, through) => Promise.resolve(harness.batch(from, through)))
    assert.equal(scanText(view.readSync(SCAN, 'root')).length, 39)
    view.release()
    assert.ok(older - first > 30 && turnsAt.length >= Math.floor((older - first) / 7), `${turnsAt.length} turns`)
    for (const [i, at] of turnsAt.entries()) if (i > 0) assert.ok(at - turnsAt[i - 1]! <= 7, turnsAt.join())
  })

  it('can be had of every seq of the window, however many entries are written within a moment', async () => {
    const harness = await Harness.withProject({ monotonicMs: () => 0 })
    for (let i = 0; i < 66_000; i++) harness.append(EntryKind.noop, new Uint8Array(0))
    await harness.applyAll(20_000)
    const seq = harness.core.appliedSeq - 1
    const view = await harness.core.viewAt(seq, (from, through) => Promise.resolve(harness.batch(from, through)))
    assert.equal(view.seq, seq)
    view.release()
  })

  it('has few bytes of entries applied again', async () => {
    const harness = await Harness.withProject({ monotonicMs: () => 0 })
    const { retainedRoots } = harness.core.keyspaceStats
    for (let i = 0; i < 20; i++) await harness.commit({ mutations: [set('k', 'v'.repeat(1_000_000))] })
    assert.equal(harness.core.keyspaceStats.retainedRoots, retainedRoots + 1)
  })

  it('has roots kept closer together from then on', async () => {
    let nowMs = 0
    const harness = await Harness.withProject({ monotonicMs: () => nowMs })
    const rootsKept = async (): Promise<number> => {
      const { retainedRoots } = harness.core.keyspaceStats
      for (let i = 0; i < 20; i++) {
        nowMs += 500
        await harness.commit({ mutations: [set('k', `v${i}`)] })
      }
      return harness.core.keyspaceStats.retainedRoots - retainedRoots
    }
    assert.ok((await rootsKept()) <= 2)
    const view = await harness.core.viewAt(harness.core.appliedSeq - 3, entriesOf(harness))
    view.release()
    assert.ok((await rootsKept()) >= 9)
  })

  it('outside the window is refused, with the window', async () => {
    const harness = await Harness.withProject()
    await harness.commit({ mutations: [set('a', '1')] })
    await assert.rejects(harness.core.viewAt(harness.core.appliedSeq + 1, entriesOf(harness)), (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && 'detail' in error)
      assert.equal(error.code, 'seq_unavailable')
      assert.deepEqual(error.detail, { oldestSeq: harness.core.oldestViewSeq, newestSeq: harness.core.appliedSeq })
      return true
    })
  })
})
