import assert from 'node:assert/strict'
import { it, mock } from 'node:test'
import { browserPorts } from '../../src/client/index.ts'

const LONGEST_MS = 2 ** 31 - 1

it('a page waits longer than its longest timeout: it is asked for several, one after the other', () => {
  const asked: { ms: number; task: () => void }[] = []
  const cleared: unknown[] = []
  const set = mock.method(globalThis, 'setTimeout', (task: () => void, ms: number) => asked.push({ task, ms }))
  const clear = mock.method(globalThis, 'clearTimeout', (handle: unknown) => cleared.push(handle))
  try {
    const { timers } = browserPorts()
    let ran = 0
    timers.after(2 * LONGEST_MS + 5, () => ran++)
    for (let i = 0; i < 3; i++) asked[i]!.task()
    assert.deepEqual(
      asked.map(({ ms }) => ms),
      [LONGEST_MS, LONGEST_MS, 5],
    )
    assert.equal(ran, 1)
    const endless = timers.after(Infinity, () => ran++)
    asked[3]!.task()
    endless.cancel()
    assert.deepEqual(cleared, [5], 'the timeout that it is at')
    timers.after(-1, () => ran++)
    assert.equal(asked.at(-1)!.ms, 0)
  } finally {
    set.mock.restore()
    clear.mock.restore()
  }
})
