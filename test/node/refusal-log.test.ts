import assert from 'node:assert/strict'
import { it } from 'node:test'
import { RefusalLog } from '../../src/node/refusal-log.ts'

it('a refusal is said at once, and again after a minute; another peer or reason by itself', () => {
  let nowMs = 0
  const said: unknown[] = []
  const clock = { monotonicMs: () => nowMs, wallMicros: () => 0 } as never
  const log = new RefusalLog(clock, { error: (fields: unknown) => void said.push(fields) })
  log.onRefusal('n1', 'directory', 'another one')
  log.onRefusal('n1', 'directory', 'another one')
  log.onRefusal('n1', 'secret', 'the cluster secrets differ')
  log.onRefusal('n2', 'directory', 'another one')
  assert.deepEqual(
    said.map(fields => Object.values(fields as object).slice(0, 2)),
    [
      ['n1', 'directory'],
      ['n1', 'secret'],
      ['n2', 'directory'],
    ],
  )
  nowMs = 60_000
  log.onRefusal('n1', 'directory', 'another one')
  assert.equal(said.length, 4)
})
