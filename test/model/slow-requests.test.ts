import assert from 'node:assert/strict'
import { it } from 'node:test'
import { SlowRequests } from '../../src/model/index.ts'
import type { SlowRequest } from '../../src/model/index.ts'

it('of slow requests only the last are kept, newest first', () => {
  const slow = new SlowRequests(10, 3)
  const told: number[] = []
  slow.onSlow = ({ totalMs }) => told.push(totalMs)
  const request = (totalMs: number): SlowRequest => ({
    timeMicros: 0,
    kind: 'commit',
    caller: 'ann',
    totalMs,
    phases: { queueMs: 0, replyMs: 0 },
  })
  const kept = (): number[] => slow.list().map(({ totalMs }) => totalMs)
  slow.add(request(1))
  slow.add(request(2))
  assert.deepEqual(kept(), [2, 1])
  for (const totalMs of [3, 4, 5, 6, 7]) slow.add(request(totalMs))
  assert.deepEqual([kept(), slow.count], [[7, 6, 5], 7])
  assert.deepEqual(told, [1, 2, 3, 4, 5, 6, 7])
})
