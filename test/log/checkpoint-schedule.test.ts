import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CheckpointSchedule } from '../../src/log/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'

/** Checkpoints of a machine that each end when they are told to. */
class Bed {
  readonly schedule: CheckpointSchedule
  readonly running: { seq: number; end: (failure?: Error) => void }[] = []
  appliedSeq = 1
  newestCheckpointSeq = 0
  begun = 0

  constructor(firstShare?: () => number) {
    const { clock, timers } = new SimulatedMachine(new SimulatedWorld({ seed: 1, drainMicrotasks }), {
      name: 'one',
    }).start()
    this.schedule = new CheckpointSchedule({
      machine: this,
      clock,
      timers,
      logBytes: 100,
      ageMs: 1e9,
      syncedThrough: () => Promise.resolve(this.appliedSeq),
      letGo: () => Promise.resolve(),
      onFailed: () => undefined,
      ...(firstShare && { firstShare }),
    })
  }

  checkpoint(): Promise<{ seq: number }> {
    const seq = this.appliedSeq
    this.begun++
    return new Promise((resolve, reject) => {
      const end = (failure?: Error): void => {
        if (failure !== undefined) return reject(failure)
        this.newestCheckpointSeq = seq
        resolve({ seq })
      }
      this.running.push({ seq, end })
    })
  }

  /** Ends the checkpoint under way, and lets what waited for it go on. */
  async end(failure?: Error): Promise<void> {
    this.running.shift()!.end(failure)
    await drainMicrotasks()
  }
}

describe('a checkpoint that is asked for', () => {
  it('holds all that was applied by then, though one that began before is under way', async () => {
    const bed = new Bed()
    bed.schedule.noteBytes(1_000)
    bed.schedule.consider()
    bed.appliedSeq = 5
    const asked = bed.schedule.run()
    assert.equal(bed.begun, 1, 'one at a time')
    await bed.end()
    await bed.end()
    assert.equal(await asked, 5)
  })

  it('is one for all who asked meanwhile, and none where the one under way has all of it', async () => {
    const bed = new Bed()
    const first = bed.schedule.run()
    assert.equal(bed.schedule.run(), first)
    bed.appliedSeq = 5
    const later = [bed.schedule.run(), bed.schedule.run()]
    await bed.end()
    assert.equal(bed.begun, 2)
    later.push(bed.schedule.run())
    await bed.end()
    assert.deepEqual(await Promise.all([first, ...later]), [1, 5, 5, 5])
    assert.equal(bed.begun, 2)
  })

  it('is taken though the one under way fails, and waited for by close', async () => {
    const bed = new Bed()
    const first = bed.schedule.run()
    bed.appliedSeq = 5
    const asked = bed.schedule.run()
    let isClosed = false
    const closed = bed.schedule.close().then(() => (isClosed = true))
    await bed.end(new Error('the disk is full'))
    await assert.rejects(first, /full/)
    assert.equal(isClosed, false)
    await bed.end()
    assert.equal(await asked, 5)
    await closed
  })
})

describe('a checkpoint that the log is due for', () => {
  it('comes after the whole of the bytes, and the first after its share of them', async () => {
    let share = 1
    const bed = new Bed(() => share)
    const begunAfter = (bytes: number): number => {
      bed.schedule.noteBytes(bytes)
      bed.schedule.consider()
      return bed.begun
    }
    assert.equal(begunAfter(30), 0)
    share = 1 / 3
    assert.equal(begunAfter(3), 0)
    assert.equal(begunAfter(1), 1)
    await bed.end()
    bed.appliedSeq++
    assert.equal(begunAfter(99), 1)
    assert.equal(begunAfter(1), 2)
    await bed.end()
  })
})
