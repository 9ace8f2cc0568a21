import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogError } from '../../src/log/index.ts'
import { LogWorld, batch, chainOver, entry, readAll, segmentPath, settle } from './log-world.ts'

describe('a log on the inline lane', () => {
  it('keeps no more of the newest entries in memory than it may, once they are written', async () => {
    const world = new LogWorld(3, { tailCacheBytes: 500 })
    const { log } = await world.create()
    log.append({ entries: batch(1, 20, 1, 400) })
    assert.ok(log.cachedBytes > 500, 'what is not written cannot be read from the file')
    log.flushSync()
    log.mark()
    assert.ok(log.cachedBytes <= 500, `${log.cachedBytes} bytes`)
    assert.deepEqual((await readAll(log)).length, 20)
  })

  it('gives back after a reopening what was appended, truncated and voted', async () => {
    const world = new LogWorld()
    const { log, synced } = await world.create()
    log.append({ entries: batch(1, 5, 1) })
    log.append({ hardState: { term: 2, votedFor: 3, commitSeq: 2 }, truncateFrom: 4, entries: batch(4, 2, 2) })
    assert.deepEqual(synced, [])
    log.flushSync()
    assert.deepEqual(synced, [2])
    await log.close()

    const { log: again, recovered } = await world.open()
    assert.deepEqual(recovered.hardState, { term: 2, votedFor: 3, commitSeq: 2 })
    const expected = [entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 2), entry(5, 2)]
    assert.deepEqual(await readAll(again), expected)
    assert.equal(again.chainAt(5), chainOver(expected))
    assert.equal(again.termAt(3), 1)
    assert.equal(again.termAt(4), 2)
    assert.equal(again.termAt(6), undefined)
    assert.equal(again.isMarked, true)
    assert.deepEqual(recovered.damage, [])
    assert.equal(recovered.suspect, undefined)
    assert.equal(recovered.tornTruncated, undefined)
  })

  it('rolls into prepared segments and reads across them with a small memory', async () => {
    const world = new LogWorld(1, { tailCacheBytes: 500 })
    const { log } = await world.create()
    for (let seq = 1; seq <= 200; seq += 2) {
      await settle()
      log.append({ entries: batch(seq, 2, 1, 100) })
      log.flushSync()
    }
    assert.ok(log.end.segment > 4)
    const expected = Array.from({ length: 200 }, (_, i) => entry(i + 1, 1, 100))
    assert.deepEqual(await readAll(log), expected)
    await log.close()
    const { log: again } = await world.open()
    assert.deepEqual(await readAll(again), expected)
  })

  it('drops whole segments below a seq and keeps the rest exact', async () => {
    const world = new LogWorld(2, { tailCacheBytes: 500 })
    const { log } = await world.create()
    for (let seq = 1; seq <= 100; seq++) {
      await settle()
      log.append({ entries: batch(seq, 1, 1, 200) })
      log.flushSync()
    }
    const dropped = await log.dropSegmentsBefore(60)
    assert.ok(dropped > 0)
    assert.ok(log.base.seq < 60 && log.base.seq > 0)
    assert.equal(log.termAt(log.base.seq), 1)
    assert.equal(log.chainAt(log.base.seq - 1), undefined)
    await assert.rejects(log.read(log.base.seq, 1), { code: 'seq_unavailable' })
    await log.close()
    const { log: again, recovered } = await world.open()
    assert.deepEqual(recovered.base, log.base)
    assert.equal((await readAll(again)).length, 100 - log.base.seq)
  })

  it('begins anew behind an install that it does not hold, and keeps its hard state', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    log.append({ hardState: { term: 3, votedFor: 2, commitSeq: 0 }, entries: batch(1, 5, 2) })
    log.flushSync()
    const kept = { seq: 4, term: 2, chain: log.chainAt(4)! }
    assert.deepEqual(await log.voidAfterInstall(kept), { voided: false })
    const point = { seq: 40, term: 3, chain: 1234 }
    assert.deepEqual(await log.voidAfterInstall(point), { voided: true })
    assert.equal(log.lastSeq, 40)
    log.append({ entries: batch(41, 1, 3) })
    log.flushSync()
    await log.close()
    const { log: again, recovered } = await world.open()
    assert.deepEqual(recovered.base, point)
    assert.deepEqual(recovered.hardState, { term: 3, votedFor: 2, commitSeq: 0 })
    assert.deepEqual(await readAll(again), [entry(41, 3)])
    assert.equal(await again.dropSegmentsBefore(0), 1)
  })

  it('begins with a small segment and doubles up to the size, so that little in it takes little', async () => {
    const MIB = 1 << 20
    const world = new LogWorld(1, { segmentBytes: 4 * MIB })
    const { log } = await world.create()
    await settle()
    const sizeOf = async (segment: number): Promise<number> =>
      ((await world.disk.files().size(segmentPath(segment))) ?? 0) / MIB
    assert.deepEqual([await sizeOf(1), await sizeOf(2), await sizeOf(3)], [1, 2, 0])
    let seq = 1
    while (log.end.segment < 5) {
      log.append({ entries: batch(seq, 40, 1, 4000) })
      log.flushSync()
      seq += 40
      await settle()
    }
    const sizes = await Promise.all([1, 2, 3, 4, 5].map(sizeOf))
    assert.deepEqual(sizes, [1, 2, 4, 4, 4])
    assert.ok(seq * 4000 > 10.5 * MIB && seq * 4000 < 11.5 * MIB, `${seq} entries filled four segments`)
    await log.close()
    const { log: again } = await world.open()
    assert.equal(again.lastSeq, seq - 1)
  })

  it('takes frames larger than a segment', async () => {
    const world = new LogWorld()
    const { log } = await world.create()
    await settle()
    log.append({ entries: batch(1, 1, 1) })
    log.append({ entries: batch(2, 100, 1, 300) })
    log.append({ entries: batch(102, 1, 1) })
    log.flushSync()
    await log.close()
    const { log: again } = await world.open()
    assert.equal((await readAll(again)).length, 102)
  })

  it('refuses a second creation and a missing log', async () => {
    const world = new LogWorld()
    await assert.rejects(world.open(), (error: LogError) => error.code === 'log_missing')
    const { log } = await world.create()
    await log.close()
    await assert.rejects(world.create(), (error: LogError) => error.code === 'log_exists')
  })
})
