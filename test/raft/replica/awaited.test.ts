import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Log } from '../../../src/log/index.ts'
import type { Consistency, StateMachine } from '../../../src/model/index.ts'
import { Reads } from '../../../src/raft/reads.ts'
import type { ReadGroup } from '../../../src/raft/reads.ts'
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

describe('reads that may be a bounded time old', () => {
  it('go by when the last round was asked for, not by when it was answered', () => {
    let nowMs = 0
    const groups: ReadGroup[] = []
    const reads = new Reads({
      machine: { appliedSeq: 7, view: () => ({ release: () => undefined }) } as unknown as StateMachine,
      log: {} as Log,
      clock: { monotonicMs: () => nowMs, wallMicros: () => 0 },
      ask: group => groups.push(group),
      leaderHint: () => undefined,
      onAsked: () => undefined,
      refusal: () => undefined,
    })
    let served = 0
    const read = (consistency: Consistency): void =>
      reads.whenReadable(consistency, 10_000, view => {
        view?.release()
        served++
      })
    read('linearizable')
    reads.turnEnded()
    nowMs = 40
    reads.ready(groups[0]!, 7)
    assert.equal(served, 1)
    nowMs = 50
    read({ maxStaleMs: 50 })
    assert.equal(served, 2, 'at once')
    read({ maxStaleMs: 49 })
    assert.deepEqual([served, groups.length], [2, 2], 'after another round')
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
