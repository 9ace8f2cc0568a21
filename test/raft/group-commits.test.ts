import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GroupCommits } from '../../src/raft/group-commits.ts'

describe('group commits', () => {
  it('are counted by why they went, and timed until all of them is committed', () => {
    const groups = new GroupCommits()
    groups.onAppended(3, 3, 100)
    groups.onHeld()
    groups.onHeld()
    groups.onAppended(2, 5, 110)
    groups.onAppended(1, 6, 120)
    assert.deepEqual([groups.drained, groups.held], [2, 1])
    assert.deepEqual([groups.sizes.count, groups.sizes.sumMs, groups.sizes.maxMs], [3, 6, 3])
    groups.onCommitted(4, 130)
    assert.deepEqual([groups.durableWaits.count, groups.durableWaits.sumMs], [1, 30])
    groups.onCommitted(6, 150)
    assert.deepEqual([groups.durableWaits.count, groups.durableWaits.sumMs], [3, 30 + 40 + 30])
    groups.onCommitted(6, 1_000)
    assert.equal(groups.durableWaits.count, 3)
  })

  it('of a leadership that is over are not timed', () => {
    const groups = new GroupCommits()
    groups.onAppended(1, 7, 100)
    groups.onHeld()
    groups.clear()
    groups.onCommitted(7, 200)
    groups.onAppended(1, 8, 300)
    assert.deepEqual([groups.durableWaits.count, groups.held, groups.drained], [0, 0, 2])
  })
})
