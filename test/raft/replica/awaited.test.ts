import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Log } from '../../../src/log/index.ts'
import type { StateMachine } from '../../../src/model/index.ts'
import { Reads } from '../../../src/raft/reads.ts'
import { followerPlace } from '../../../src/raft/status.ts'
import { configurationOf, historyOf, Rig } from '../core/rig.ts'

describe('reads of a node', () => {
  it('have what was put off applied before they are answered, and are expected again for a while', () => {
    const seen: string[] = []
    let nowMs = 0
    const reads = new Reads({
      machine: {
        appliedSeq: 7,
        view: () => {
          seen.push('view')
          return { release: () => undefined }
        },
      } as unknown as StateMachine,
      log: {} as Log,
      clock: { monotonicMs: () => nowMs, wallMicros: () => 0 },
      ask: () => undefined,
      leaderHint: () => undefined,
      onAsked: () => seen.push('asked'),
      refusal: () => undefined,
    })
    assert.equal(reads.areLikely, false)
    reads.whenReadable('local', 100, view => view?.release())
    assert.deepEqual(seen, ['asked', 'view'])
    assert.equal(reads.areLikely, true)
    nowMs = 1_000
    assert.equal(reads.areLikely, false)
    reads.whenReadable('linearizable', 100, () => undefined)
    nowMs = 5_000
    assert.equal(reads.areLikely, true, 'it still waits')
  })
})

describe('the place of a follower', () => {
  const place = (id: number, leader: number | undefined): { rank: number; count: number } => {
    const rig = new Rig({ id, entries: historyOf([1], configurationOf([1, 2, 3], [4])), term: 2 })
    if (leader !== undefined) rig.receive(rig.heartbeat(leader, 2))
    return followerPlace(rig.core)
  }

  it('is counted among all members that do not lead', () => {
    assert.deepEqual(
      [1, 3, 4].map(id => place(id, 2).rank),
      [0, 1, 2],
    )
    assert.equal(place(3, 2).count, 3)
    assert.deepEqual([place(2, 1).rank, place(4, 1).rank], [0, 2])
    assert.deepEqual(place(1, undefined), { rank: 0, count: 4 })
  })
})
