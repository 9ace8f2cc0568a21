import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createContext, Script } from 'node:vm'
import { CONSOLE_SCRIPT } from '../../src/admin/console/index.ts'

/** What the script of the page uses of an element. */
class Element {
  textContent = ''
  className = ''
  hidden = true
  addEventListener(): void {}
}

it('the console says so when its node hangs, and asks again', async () => {
  const elements = new Map<string, Element>()
  const bounds: number[] = []
  const later: number[] = []
  const page = {
    document: {
      getElementById: (id: string) => elements.get(id) ?? elements.set(id, new Element()).get(id),
    },
    sessionStorage: { getItem: () => null },
    AbortSignal: {
      timeout: (ms: number) => {
        bounds.push(ms)
        return AbortSignal.abort(new Error('timeout'))
      },
    },
    // Never answers: only the signal ends it.
    fetch: (_path: string, { signal }: { signal?: AbortSignal }) =>
      new Promise((_resolve, reject) => {
        if (signal?.aborted === true) reject(signal.reason as Error)
      }),
    setTimeout: (_task: () => void, ms: number) => later.push(ms),
  }
  new Script(CONSOLE_SCRIPT).runInContext(createContext(page))
  await new Promise(resolve => {
    setImmediate(resolve)
  })
  assert.equal(elements.get('state')?.textContent, 'The node does not answer: what is shown is old')
  assert.deepEqual([bounds, later], [[5_000], [2_000]])
})
