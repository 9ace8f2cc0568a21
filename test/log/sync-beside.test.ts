import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LogError } from '../../src/log/index.ts'
import type { Log } from '../../src/log/index.ts'
import { batch, LogWorld, readAll, settle } from './log-world.ts'

function isLatched(error: unknown): boolean {
  return error instanceof LogError && error.code === 'latched'
}

/** Appends entry `seq` and hands it to the operating system. */
function write(log: Log, seq: number): void {
  log.append({ entries: batch(seq, 1, 1, 300) })
  log.write()
}

describe('a sync beside the thread', () => {
  it('makes durable what was written when it was asked for, and says nothing of what was written since', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new LogWorld(seed)
      const { log, synced } = await world.create()
      write(log, 1)
      write(log, 2)
      const done = log.syncBeside()
      assert.deepEqual(synced, [], 'nothing is synced yet, and the thread goes on')
      await done
      write(log, 3)
      assert.deepEqual(synced, [2])
      assert.equal(log.syncedIoSeq, 2)
      world.disk.crash('power')
      const again = await world.open()
      assert.ok((await readAll(again.log)).length >= 2, `seed ${seed}`)
    }
  })

  it('does not count what is written while the disk works', async () => {
    const world = new LogWorld(1)
    const { log, synced } = await world.create()
    write(log, 1)
    const first = log.syncBeside()
    await Promise.resolve()
    write(log, 2)
    await first
    assert.deepEqual(synced, [1])
    await log.syncBeside()
    assert.deepEqual(synced, [1, 2])
  })

  it('goes on over ends of segments', async () => {
    const world = new LogWorld(1, { segmentBytes: 4096 })
    const { log, synced } = await world.create()
    for (let seq = 1; seq <= 40; seq++) {
      write(log, seq)
      const done = log.syncBeside()
      if (seq % 3 === 0) await done
      await settle()
    }
    await log.syncBeside()
    assert.ok(log.segmentCount > 2)
    assert.equal(synced.at(-1), 40)
    assert.deepEqual(
      synced,
      synced.toSorted((a, b) => a - b),
    )
    await log.close()
    const { recovered } = await world.open()
    assert.deepEqual([recovered.damage, recovered.lastSeq], [[], 40])
  })

  it('is told of failed writes itself: it uses a descriptor that no other sync can have asked before it', async () => {
    const world = new LogWorld()
    const opened: string[] = []
    const { disk } = world
    const begin = disk.beginRead.bind(disk)
    disk.beginRead = (user, path) => {
      opened.push(path)
      begin(user, path)
    }
    const { log } = await world.create()
    write(log, 1)
    const before = opened.length
    await log.syncBeside()
    assert.deepEqual(
      opened.slice(before).map(path => path.includes('segment-')),
      [true],
    )
    write(log, 2)
    await log.syncBeside()
    assert.equal(opened.length, before + 1, 'once for each segment')
    await log.close()
  })

  it('needs no descriptor for what the thread has synced meanwhile: its segment may have been removed', async () => {
    const world = new LogWorld()
    const { log, synced, failures } = await world.create()
    await settle()
    const path = (each: string): boolean => each.includes('segment')
    world.disk.inject({ operation: 'read', path, effect: { type: 'fail', systemCode: 'EIO' } })
    write(log, 1)
    const done = log.syncBeside()
    await Promise.resolve()
    log.flushSync()
    await done
    assert.deepEqual([synced, failures], [[1], []])
    write(log, 2)
    await log.syncBeside()
    assert.deepEqual(synced, [1, 2])
    await log.close()
  })

  it('D9: latches the log at its first failure, and acknowledges nothing', async () => {
    const world = new LogWorld()
    const { log, synced, failures } = await world.create()
    await settle()
    const path = (each: string): boolean => each.includes('segment')
    world.disk.inject({ operation: 'sync', path, effect: { type: 'fail', systemCode: 'EIO' } })
    write(log, 1)
    await assert.rejects(log.syncBeside(), isLatched)
    assert.equal(log.state, 'latched')
    assert.equal(failures.length, 1)
    assert.deepEqual(synced, [])
    assert.throws(() => log.flushSync(), isLatched)
    assert.throws(() => log.append({ entries: batch(2, 1, 1) }), isLatched)
    const calls = world.disk.callCount
    await log.close()
    assert.equal(world.disk.callCount, calls, 'a latched log writes nothing more')
  })
})
