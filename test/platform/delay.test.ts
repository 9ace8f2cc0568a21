import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { waitAtMost } from '../../src/platform/index.ts'
import type { Timers } from '../../src/platform/index.ts'

/** Timers that fire when told to. */
function handTimers(): { timers: Timers; armed: Set<() => void> } {
  const armed = new Set<() => void>()
  const timers: Timers = {
    after(_delayMs, task) {
      armed.add(task)
      return { cancel: () => void armed.delete(task) }
    },
    endOfTurn: task => queueMicrotask(task),
  }
  return { timers, armed }
}

describe('waiting at most so long', () => {
  it('ends with the work, well or not, and leaves no timer that would keep a process alive', async () => {
    for (const work of [Promise.resolve(1), Promise.reject(new Error('no'))]) {
      const { timers, armed } = handTimers()
      await waitAtMost(timers, 5_000, work)
      assert.equal(armed.size, 0)
    }
  })

  it('ends without the work when the time is over', async () => {
    const { timers, armed } = handTimers()
    const waited = waitAtMost(timers, 5_000, new Promise(() => undefined))
    for (const fire of armed) fire()
    await waited
    assert.equal(armed.size, 0)
  })
})
