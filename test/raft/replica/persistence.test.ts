import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Log } from '../../../src/log/index.ts'
import type { Clock } from '../../../src/platform/index.ts'
import { Persistence } from '../../../src/raft/persistence.ts'

describe('the storage lane of a replica', () => {
  it('takes the age of the oldest frame under way for the health of the disk, not the time since none was', () => {
    let nowMs = 0
    let logIo = 0
    const lane = new Persistence({
      log: { append: () => ++logIo } as unknown as Log,
      clock: { monotonicMs: () => nowMs } as Clock,
      onPersisted: () => undefined,
      onAppended: () => undefined,
      onReset: () => undefined,
      onFailed: error => assert.fail(error),
    })
    const hardState = { term: 1, vote: 0, commit: 0 }
    const persist = (ioSeq: number): void =>
      lane.persist({ type: 'persist', ioSeq, hardState, truncateFrom: null, append: [], resetTo: null } as never)
    assert.equal(lane.oldestPendingMs, 0)
    persist(1)
    for (let frame = 2; frame <= 1_000; frame++) {
      nowMs += 5
      persist(frame)
      lane.synced(frame - 1)
      assert.equal(lane.oldestPendingMs, 0, 'the newest frame alone is under way')
    }
    nowMs += 700
    assert.equal(lane.oldestPendingMs, 700)
    lane.synced(1_000)
    assert.equal(lane.oldestPendingMs, 0)
  })
})
