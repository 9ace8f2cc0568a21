import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import type { Thread } from '../../src/platform/index.ts'
import { nodeClock, nodeThreads } from '../../src/platform/node/index.ts'

const threads = nodeThreads({ echo: new URL('./echo-job.js', import.meta.url) })

function start(): {
  thread: Thread
  memory: Int32Array
  next: () => Promise<unknown>
  exit: Promise<Error | undefined>
} {
  const memory = new Int32Array(new SharedArrayBuffer(4))
  const thread = threads.start('echo', { memory, directory: tmpdir() })
  const messages: unknown[] = []
  let wake: (() => void) | undefined
  thread.onMessage(message => {
    messages.push(message)
    wake?.()
  })
  const next = async (): Promise<unknown> => {
    if (messages.length === 0) {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
    return messages.shift()
  }
  const exit = new Promise<Error | undefined>(resolve => {
    thread.onExit(resolve)
  })
  return { thread, memory, next, exit }
}

describe('a thread of the node platform', () => {
  it('starts its job, is woken by the doorbell, shares memory and stops after its work', async () => {
    const { thread, memory, next, exit } = start()
    assert.ok(Array.isArray(((await next()) as { names: string[] }).names))
    for (const value of [5, 6, 7]) {
      Atomics.store(memory, 0, value)
      thread.ringDoorbell()
      assert.equal(await next(), value)
    }
    await thread.stop()
    assert.equal(await next(), 'stopped')
    assert.equal(await exit, undefined)
  })

  it('has the monotonic time of the thread that started it', async () => {
    const clock = nodeClock()
    const beforeMs = clock.monotonicMs()
    const { thread, next } = start()
    const { nowMs } = (await next()) as { nowMs: number }
    const afterMs = clock.monotonicMs()
    // The two origins are each read to within a few microseconds, unless the thread is put aside between two readings.
    assert.ok(beforeMs - 1 < nowMs && nowMs < afterMs + 1, `${beforeMs} < ${nowMs} < ${afterMs}`)
    await thread.stop()
  })

  it('does not lose a ring that comes before the job has started', async () => {
    const { thread, memory, next } = start()
    Atomics.store(memory, 0, 42)
    thread.ringDoorbell()
    await next()
    assert.equal(await next(), 42)
    await thread.stop()
  })

  it('does the work that was rung for before it is stopped', async () => {
    const { thread, memory, next } = start()
    await next()
    Atomics.store(memory, 0, 9)
    thread.ringDoorbell()
    const stopped = thread.stop()
    assert.equal(await next(), 9)
    assert.equal(await next(), 'stopped')
    await stopped
  })

  it('reports the error that ended it', async () => {
    const { thread, memory, next, exit } = start()
    await next()
    Atomics.store(memory, 0, 13)
    thread.ringDoorbell()
    assert.equal((await exit)?.message, 'unlucky')
    await thread.stop()
  })

  it('refuses a job that nobody bound', () => {
    assert.throws(() => threads.start('none', undefined), /no thread job is called none/)
  })
})
