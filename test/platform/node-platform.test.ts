import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drainMicrotasks, nodePlatform, readBootId, readEnvironment } from '../../src/platform/node/index.ts'

const { clock, random, timers } = nodePlatform()

describe('the clocks of the node platform', () => {
  it('tell wall time in whole microseconds, within two milliseconds of Date', () => {
    for (let n = 0; n < 1000; n++) {
      const micros = clock.wallMicros()
      assert.ok(Number.isSafeInteger(micros))
      assert.ok(Math.abs(micros / 1000 - Date.now()) < 2000)
      assert.ok(micros / 1000 > Date.now() - 2000)
    }
  })

  it('never run backwards', () => {
    let last = clock.monotonicMs()
    for (let n = 0; n < 1000; n++) {
      const now = clock.monotonicMs()
      assert.ok(now >= last)
      last = now
    }
  })
})

describe('the timers of the node platform', () => {
  it('run what was deferred to the end of the turn in order, after the microtasks, despite an error in between', async () => {
    const order: string[] = []
    const uncaught = new Promise<Error>(resolve => {
      process.setUncaughtExceptionCaptureCallback(resolve)
    })
    timers.endOfTurn(() => order.push('first'))
    timers.endOfTurn(() => {
      throw new Error('in the middle')
    })
    timers.endOfTurn(() => order.push('last'))
    void Promise.resolve().then(() => order.push('microtask'))
    assert.equal((await uncaught).message, 'in the middle')
    process.setUncaughtExceptionCaptureCallback(null)
    await drainMicrotasks()
    await drainMicrotasks()
    assert.deepEqual(order, ['microtask', 'first', 'last'])
  })

  it('run what is last behind what the turn deferred, in the same turn even if that gives it', async () => {
    const order: string[] = []
    const last = (name: string): void => timers.endOfTurn(() => order.push(name), { isLast: true })
    last('last')
    timers.endOfTurn(() => {
      order.push('first')
      last('given meanwhile')
      timers.endOfTurn(() => order.push('next turn'))
    })
    timers.endOfTurn(() => order.push('second'))
    await drainMicrotasks()
    assert.deepEqual(order, ['first', 'second', 'last', 'given meanwhile'])
    await drainMicrotasks()
    assert.deepEqual(order.slice(4), ['next turn'])
  })

  it('never fire once cancelled, and take delays beyond what Node counts', async () => {
    let fired = 0
    const cancelled = timers.after(0, () => fired++)
    const long = timers.after(2 ** 40, () => fired++, { background: true })
    cancelled.cancel()
    cancelled.cancel()
    await new Promise<void>(resolve => {
      timers.after(2, resolve)
    })
    assert.equal(fired, 0)
    long.cancel()
  })
})

describe('randomness and environment of the node platform', () => {
  it('gives words, fractions and bytes that differ', () => {
    const words = new Set(Array.from({ length: 3000 }, () => random.u32()))
    assert.ok(words.size > 2990)
    for (let n = 0; n < 1000; n++) {
      const value = random.float()
      assert.ok(value >= 0 && value < 1)
    }
    assert.equal(random.bytes(33).length, 33)
    assert.notDeepEqual(random.bytes(16), random.bytes(16))
  })

  it('knows the process and the boot', () => {
    const environment = readEnvironment()
    assert.equal(environment.pid, process.pid)
    assert.equal(environment.bootId, readBootId())
    assert.ok(environment.bootId.length > 5 && environment.hostName.length > 0)
  })
})
