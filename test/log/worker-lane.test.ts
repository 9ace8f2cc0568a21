import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { IdleMarker, LOG_WRITER_JOB, createLog, openLog, startLogWriter } from '../../src/log/index.ts'
import type { Log, LogError, LogOptions } from '../../src/log/index.ts'
import { drainMicrotasks, nodeFiles, nodeThreads } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import type { SeededRandom, SimulatedProcess } from '../../src/platform/simulated/index.ts'
import { LogModel } from './crash-model.ts'
import { DIRECTORY_ID, GROUP_ID, SEGMENT_BYTES, batch, concat, entry, readAll, testSeed } from './log-world.ts'

const HARD_STATE = { term: 1, votedFor: 0, commitSeq: 0 }

function machineOf(seed: number): SimulatedMachine {
  const world = new SimulatedWorld({ seed, drainMicrotasks })
  return new SimulatedMachine(world, { name: 'n', jobs: { [LOG_WRITER_JOB]: startLogWriter } })
}

function optionsOf(process: SimulatedProcess, more: Partial<LogOptions>): LogOptions {
  const { files, threads } = process
  const fixed = { directory: '/data', directoryId: DIRECTORY_ID, groupId: GROUP_ID, segmentBytes: SEGMENT_BYTES }
  return { files, threads, lane: 'worker', ringBytes: 4096, tailCacheBytes: 3000, ...fixed, ...more }
}

/** Appends, truncations and votes as they come, without ever waiting for the disk. */
function appendOne(log: Log, model: LogModel, random: SeededRandom): void {
  const { entries, hardState } = model.newest
  const isTruncating = entries.length > 0 && random.chance(0.1)
  const isVote = random.chance(0.1)
  const from = isTruncating ? random.between(1, entries.length) : entries.length + 1
  const next =
    isTruncating || isVote ? { ...hardState, term: hardState.term + 1, votedFor: random.below(3) } : hardState
  const added = Array.from({ length: random.between(1, 4) }, (_, i) =>
    entry(from + i, next.term, random.pick([0, 40, 300, 6000])),
  )
  log.append({
    ...(next === hardState ? {} : { hardState: next }),
    ...(isTruncating ? { truncateFrom: from } : {}),
    entries: { firstSeq: from, lastSeq: from + added.length - 1, bytes: concat(added) },
  })
  model.push({ entries: [...entries.slice(0, from - 1), ...added], hardState: next })
}

describe('the worker lane on simulated threads', () => {
  it('acknowledges in order, and no power loss takes what it acknowledged', async () => {
    for (let seed = testSeed(); seed < testSeed() + 15; seed++) {
      const machine = machineOf(seed)
      const { world } = machine
      const random = world.random.split('test')
      const model = new LogModel(HARD_STATE)
      for (let life = 0; life < 6; life++) {
        const process = machine.start()
        const acknowledged: number[] = []
        const onSynced = (ioSeq: number): void => {
          assert.ok(ioSeq > (acknowledged.at(-1) ?? 0))
          acknowledged.push(ioSeq)
          model.acknowledgeThrough(ioSeq)
        }
        const options = optionsOf(process, { onSynced })
        const create = { ...options, hardState: HARD_STATE }
        const opened = await world.runToCompletion(life === 0 ? createLog(create) : openLog(options))
        await world.runToCompletion(
          model.recover({ ...opened, synced: [], failures: [] }, `seed ${seed}, life ${life}`),
        )
        machine.disk.crashAt(random.between(20, 80), random.pick(['before', 'after']))
        while (machine.process !== undefined) {
          for (let i = random.below(4); i > 0; i--) appendOne(opened.log, model, random)
          await world.runFor(random.exponential(0.7))
        }
        assert.ok(acknowledged.length > 0 || life > 0)
      }
    }
  })

  it('writes all that waits when it wakes in one run with one sync', async () => {
    const machine = machineOf(3)
    const { world } = machine
    const { log } = await world.runToCompletion(
      createLog({ ...optionsOf(machine.start(), { ringBytes: 65_536 }), hardState: HARD_STATE }),
    )
    await world.runFor(100)
    const calls = machine.disk.callCount
    for (let seq = 1; seq <= 10; seq++) log.append({ entries: batch(seq, 1, 1) })
    await world.runToCompletion(log.whenSynced(10))
    assert.equal(machine.disk.callCount - calls, 2, 'one write and one sync')
  })

  it('latches with the failure that its thread met', async () => {
    const machine = machineOf(4)
    const failures: LogError[] = []
    const options = optionsOf(machine.start(), { onFailed: error => failures.push(error) })
    const { log } = await machine.world.runToCompletion(createLog({ ...options, hardState: HARD_STATE }))
    await machine.world.runFor(100)
    machine.disk.inject({ operation: 'sync', effect: { type: 'fail', systemCode: 'EIO' } })
    log.append({ entries: batch(1, 1, 1) })
    log.append({ entries: batch(2, 1, 1) })
    await machine.world.runFor(100)
    assert.equal(log.state, 'latched')
    assert.equal(failures.length, 1)
    assert.match(String(failures[0]?.message), /EIO/u)
    await machine.world.runToCompletion(log.close())
  })

  it('marks its end after 50 ms of rest, once', async () => {
    const machine = machineOf(5)
    const { world } = machine
    const process = machine.start()
    const { log } = await world.runToCompletion(createLog({ ...optionsOf(process, {}), hardState: HARD_STATE }))
    const marker = new IdleMarker(log, process.timers)
    for (let seq = 1; seq <= 20; seq++) {
      log.append({ entries: batch(seq, 1, 1) })
      marker.noteAppend()
      await world.runFor(20)
      assert.equal(log.isMarked, false)
    }
    await world.runFor(200)
    assert.equal(log.isMarked, true)
    const { ioSeq } = log
    await world.runFor(500)
    assert.equal(log.ioSeq, ioSeq)
  })
})

describe('the worker lane on real threads', () => {
  it('gives back after a reopening what it acknowledged, over several segments', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'quorate-log-'))
    const options: LogOptions = {
      files: nodeFiles(),
      threads: nodeThreads({ [LOG_WRITER_JOB]: new URL('./log-writer-thread.js', import.meta.url) }),
      directory,
      directoryId: DIRECTORY_ID,
      groupId: GROUP_ID,
      lane: 'worker',
      segmentBytes: 65_536,
      ringBytes: 32_768,
    }
    try {
      const { log } = await createLog({ ...options, hardState: HARD_STATE })
      for (let seq = 1; seq <= 400; seq += 4) {
        const ioSeq = log.append({ entries: batch(seq, 4, 1, 300) })
        if (seq % 16 === 1) await log.whenSynced(ioSeq)
      }
      await log.close()
      const { log: again, recovered } = await openLog(options)
      assert.deepEqual([recovered.damage, recovered.tornTruncated, again.isMarked], [[], undefined, true])
      assert.ok(again.end.segment > 1)
      const expected = Array.from({ length: 400 }, (_, i) => entry(i + 1, 1, 300))
      assert.deepEqual(await readAll(again), expected)
      await again.close()
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})
