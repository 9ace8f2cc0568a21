import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Timer } from '../../../src/platform/index.ts'
import { WakeTimer } from '../../../src/raft/wake-timer.ts'

/** A clock and one timer by hand. */
class World {
  nowMs = 1_000
  dueMs = 0
  woken = 0
  armed: { atMs: number; task: () => void }[] = []
  readonly wake = new WakeTimer(
    { monotonicMs: () => this.nowMs, wallMicros: () => 0 },
    { after: (delayMs, task) => this.#arm(delayMs, task), endOfTurn: task => task() },
    { dueMs: () => this.dueMs, onDue: () => this.woken++ },
  )

  #arm(delayMs: number, task: () => void): Timer {
    const entry = { atMs: this.nowMs + delayMs, task }
    this.armed.push(entry)
    return { cancel: () => void (this.armed = this.armed.filter(other => other !== entry)) }
  }

  fire(): void {
    const { atMs, task } = this.armed.shift()!
    this.nowMs = Math.max(this.nowMs, atMs)
    task()
  }
}

describe('the timer of a replica', () => {
  it('wakes at the time that is due', () => {
    const world = new World()
    world.wake.arm((world.dueMs = 1_050))
    world.fire()
    assert.deepEqual([world.nowMs, world.woken, world.armed], [1_050, 1, []])
  })

  it('is moved forward, and otherwise goes on to what is due when it fires, without waking anybody', () => {
    const world = new World()
    world.wake.arm((world.dueMs = 1_050))
    world.wake.arm((world.dueMs = 1_003))
    assert.deepEqual(
      world.armed.map(({ atMs }) => atMs),
      [1_003],
    )
    world.wake.arm((world.dueMs = 1_006))
    assert.deepEqual(
      world.armed.map(({ atMs }) => atMs),
      [1_003],
      'it stays where it is',
    )
    world.fire()
    assert.deepEqual([world.woken, world.armed.map(({ atMs }) => atMs)], [0, [1_006]])
    world.fire()
    assert.equal(world.woken, 1)
  })

  it('wakes nobody once it is cancelled, and at once for what is past', () => {
    const world = new World()
    world.wake.arm((world.dueMs = 1_050))
    world.wake.cancel()
    assert.deepEqual(world.armed, [])
    world.wake.arm((world.dueMs = 900))
    assert.deepEqual(
      world.armed.map(({ atMs }) => atMs),
      [1_000],
    )
  })
})
