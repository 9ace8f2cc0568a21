import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { QuorateError } from '../../src/entry/client.ts'
import type { Client, Consistency } from '../../src/entry/client.ts'
import { History } from './history.ts'
import { OwnKey } from './own-key.ts'

const MINUTE_MS = 60_000
/** Enough that `read` picks every level and every bound. */
const CHOICES = Array.from({ length: 7 * 3 }, (_, i) => (Math.floor(i / 3) << 8) + i)

/** A client whose writes succeed and whose reads of each level end as `read` says. */
function clientThat(read: (consistency: Consistency) => never): Client {
  let seq = 0
  const space = {
    set: () => Promise.resolve({ seq: ++seq, token: `${'0'.repeat(32)}:${seq}` }),
    entry: async (_key: string, options: { consistency: Consistency }) => read(options.consistency),
  }
  return { kv: () => space } as unknown as Client
}

async function judged(code: 'project_not_found' | 'scope_not_found' | 'not_found'): Promise<Map<string, string>> {
  const outcomes = new Map<string, string>()
  for (const choice of CHOICES) {
    let level = ''
    const history = new History()
    const client = clientThat(consistency => {
      level = typeof consistency === 'string' ? consistency : Object.keys(consistency)[0]!
      throw new QuorateError(code, 'there is none')
    })
    const own = new OwnKey('0.0.0', client, history)
    await own.write(MINUTE_MS)
    try {
      await own.read(choice, MINUTE_MS)
      outcomes.set(level, history.violations.length === 0 ? 'allowed' : 'stale')
    } catch (error) {
      outcomes.set(level, (error as QuorateError).code)
    }
  }
  return outcomes
}

describe('the judgement of weaker reads', () => {
  for (const code of ['project_not_found', 'scope_not_found'] as const) {
    it(`takes ${code} for a state of before everything, which few levels allow after a write`, async () => {
      assert.deepEqual(Object.fromEntries(await judged(code)), {
        linearizable: 'stale',
        minSeq: 'stale',
        atSeq: 'stale',
        // The write is younger than any of the bounds.
        maxStaleMs: 'allowed',
        local: 'allowed',
        checkpoint: 'allowed',
      })
    })
  }

  it('passes every other error on', async () => {
    for (const outcome of (await judged('not_found')).values()) assert.equal(outcome, 'not_found')
  })
})
