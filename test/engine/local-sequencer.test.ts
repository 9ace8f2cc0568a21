import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind, readEntryHeader } from '../../src/encoding/index.ts'
import type { EntryBatch } from '../../src/encoding/index.ts'
import { LocalSequencer } from '../../src/engine/local-sequencer.ts'
import type { LocalSequencerOptions } from '../../src/engine/local-sequencer.ts'
import { DEFAULT_SETTINGS } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'

describe('the sequencer of an embedded engine', () => {
  it('proposes a tick again that was refused as busy, and removes what is due once there is room', async () => {
    const world = new SimulatedWorld({ seed: 1, drainMicrotasks })
    const { clock, timers } = new SimulatedMachine(world, { name: 'one' }).start()
    let isBusy = false
    let dueMicros: number | undefined
    const kinds: number[] = []
    const log = {
      lastSeq: 0,
      append: ({ lastSeq }: EntryBatch) => void (log.lastSeq = lastSeq),
      syncNow: () => undefined,
    }
    const machine = {
      leaderTimeMicros: 0,
      settings: DEFAULT_SETTINGS,
      get isBusy() {
        return isBusy
      },
      nextExpiryMicros: () => dueMicros,
      apply(batch: EntryBatch) {
        const { kind } = readEntryHeader(batch.bytes, 0, batch.bytes.length)
        assert.equal(batch.firstSeq, batch.lastSeq)
        kinds.push(kind)
        if (kind === EntryKind.noop) dueMicros = clock.wallMicros() + 1_000_000
        else dueMicros = undefined
        return { appliedThrough: batch.lastSeq, outcomes: [], cold: undefined }
      },
    }
    const options = { machine, log, clock, timers, durability: 'full', batchIntervalMs: 0, batchBytes: 0 } as const
    const onFailed = (error: unknown): void => assert.fail(error as Error)
    const sequencer = new LocalSequencer({
      ...options,
      onFailed,
      onApplied: () => undefined,
    } as unknown as LocalSequencerOptions)
    sequencer.propose(EntryKind.noop, new Uint8Array(0), undefined)
    await world.runFor(500)
    isBusy = true
    await world.runFor(3000)
    assert.deepEqual(kinds, [EntryKind.noop])
    isBusy = false
    await world.runFor(100)
    assert.deepEqual(kinds, [EntryKind.noop, EntryKind.tick])
    await sequencer.close()
  })
})
