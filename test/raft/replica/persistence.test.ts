import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind } from '../../../src/encoding/index.ts'
import type { Log, LogFrame } from '../../../src/log/index.ts'
import type { Clock } from '../../../src/platform/index.ts'
import { encodeDrafts } from '../../../src/raft/entries.ts'
import { Persistence } from '../../../src/raft/persistence.ts'

/** Adds to `frames` what it hands to its log. */
function laneInto(frames: LogFrame[]): Persistence {
  return new Persistence({
    log: { add: (frame: LogFrame) => frames.push(frame) } as unknown as Log,
    clock: { monotonicMs: () => 0 } as Clock,
    onPersisted: () => undefined,
    onAppended: () => undefined,
    onReset: () => undefined,
    onFailed: error => assert.fail(error),
  })
}

describe('the storage lane of a replica', () => {
  it('takes the age of the oldest frame under way for the health of the disk, not the time since none was', () => {
    let nowMs = 0
    let logIo = 0
    const lane = new Persistence({
      log: { add: () => ++logIo } as unknown as Log,
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

  it('hands the log the chain values of just the entries that it writes', () => {
    const frames: LogFrame[] = []
    const lane = laneInto(frames)
    const batch = encodeDrafts(drafts(3), { firstSeq: 1, term: 1, prevChain: 0 }, 5)
    const bytes = batch.ref as Uint8Array
    const later = encodeDrafts(drafts(2), { firstSeq: 3, term: 2, prevChain: batch.chains[1]! }, 6)
    // The second entry alone of a batch whose third was cut off before it was written, and what took its place.
    const append = [
      { firstSeq: 2, lastSeq: 2, chains: batch.chains.subarray(1), ref: batch.ref },
      { firstSeq: 3, lastSeq: 4, chains: later.chains, ref: later.ref },
    ]
    lane.persist({ type: 'persist', ioSeq: 1, hardState: null, truncateFrom: null, append, resetTo: null })
    const { entries, chains } = frames[0]!
    assert.deepEqual([entries!.firstSeq, entries!.lastSeq], [2, 4])
    assert.deepEqual(Array.from(chains!), [batch.chains[1]!, later.chains[0]!, later.chains[1]!])
    const entryBytes = bytes.length / 3
    assert.deepEqual(entries!.bytes.subarray(0, entryBytes), bytes.subarray(entryBytes, 2 * entryBytes))
    assert.equal(entries!.bytes.length, 3 * entryBytes)
  })

  it('hands the log a batch as it is, and of one whose end was cut off what is left', () => {
    const frames: LogFrame[] = []
    const lane = laneInto(frames)
    const { chains, ref } = encodeDrafts(drafts(3), { firstSeq: 1, term: 1, prevChain: 0 }, 5)
    const bytes = ref as Uint8Array
    for (const lastSeq of [3, 2]) {
      const append = [{ firstSeq: 1, lastSeq, chains, ref }]
      lane.persist({ type: 'persist', ioSeq: 4 - lastSeq, hardState: null, truncateFrom: null, append, resetTo: null })
    }
    const [whole, cut] = frames
    assert.deepEqual([whole!.entries, whole!.chains], [{ firstSeq: 1, lastSeq: 3, bytes }, chains])
    const left = bytes.subarray(0, (bytes.length / 3) * 2)
    assert.deepEqual([cut!.entries, cut!.chains], [{ firstSeq: 1, lastSeq: 2, bytes: left }, chains.subarray(0, 2)])
  })
})

function drafts(count: number): { kind: EntryKind; payload: Uint8Array }[] {
  return Array.from({ length: count }, (_, i) => ({ kind: EntryKind.transaction, payload: new Uint8Array(40).fill(i) }))
}
