import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { RetentionOptions } from '../../../src/engine/keyspace/roots.ts'
import { key, META, optionsFor } from './support.ts'

/** A keyspace whose clock is turned by hand, and seq after seq written to it as apply does. */
class Written {
  nowMs = 0
  seq = 0
  readonly keyspace: Keyspace

  private constructor(keyspace: Keyspace) {
    this.keyspace = keyspace
  }

  static async create(limits: Partial<RetentionOptions> = {}): Promise<Written> {
    const written: { self?: Written } = {}
    const retention = { maxVersions: 64, maxAgeMs: 60_000, now: () => written.self?.nowMs ?? 0, ...limits }
    const files = new SimulatedDisk({ seed: 1 }).files()
    return (written.self = new Written(await Keyspace.create(optionsFor(files, 4096, { retention }))))
  }

  /** `count` entries, one each `everyMs`, each an epoch that may replace the newest root. */
  write(count: number, everyMs = 0, entryBytes = 0): void {
    for (let i = 0; i < count; i++) {
      this.nowMs += everyMs
      const { keyspace } = this
      keyspace.beginEpoch(true)
      keyspace.writer.beginEntry(++this.seq)
      assert.equal(keyspace.writer.prepare([key('k')]), undefined)
      keyspace.writer.put(key('k'), Uint8Array.of(this.seq), this.seq, 1, 0)
      keyspace.publish(this.seq, META, entryBytes)
    }
  }

  /** Seqs of the roots that are there, the newest included. */
  roots(): number[] {
    const found = new Set<number>()
    for (let seq = this.seq; seq >= this.keyspace.window.oldestSeq; seq--) {
      using view = this.keyspace.viewAt(seq)!
      found.add(view.seq)
      seq = view.seq
    }
    return [...found].sort((one, other) => one - other)
  }
}

describe('old roots', () => {
  it('are kept one in five seconds while nobody reads at older seqs', async () => {
    const written = await Written.create()
    written.write(200, 100)
    assert.deepEqual(written.roots(), [0, 50, 100, 150, 200])
  })

  it('are kept one a second for a minute after somebody did, and those stay', async () => {
    const written = await Written.create({ maxAgeMs: 1e9, maxVersions: 1_000 })
    written.write(10, 500)
    written.keyspace.wantOlder()
    written.write(10, 500)
    assert.deepEqual(written.roots(), [0, 10, 12, 14, 16, 18, 20])
    written.write(110, 500)
    const close = Array.from({ length: 59 }, (_, i) => 12 + 2 * i)
    assert.deepEqual(written.roots(), [0, 10, ...close, 130])
    written.write(10, 500)
    assert.deepEqual(
      written.roots().filter(seq => seq > 120),
      [122, 124, 126, 128, 138, 140],
    )
  })

  it('are as close together as entries can be applied again, whatever the time', async () => {
    const written = await Written.create({ gapEntries: 10 })
    written.write(35)
    assert.deepEqual(written.roots(), [0, 10, 20, 30, 35])
  })

  it('stay beyond their age where their going would leave too much between those around them', async () => {
    const written = await Written.create({ gapEntries: 10, maxAgeMs: 60_000 })
    written.write(35)
    written.write(1, 61_000)
    assert.deepEqual(written.roots(), [0, 10, 20, 30, 36])
    written.write(3, 61_000)
    assert.deepEqual(written.roots(), [0, 10, 20, 30, 39])
  })

  it('are as close together in bytes of entries', async () => {
    const written = await Written.create({ gapBytes: 1_000 })
    written.write(4, 0, 300)
    written.write(4, 0, 1)
    written.write(1, 0, 1_000)
    written.write(1, 0, 1)
    assert.deepEqual(written.roots(), [0, 4, 9, 10])
  })

  it('are as many as may be kept, the newest of them; what is held counts, and stays', async () => {
    const written = await Written.create({ maxVersions: 4, maxAgeMs: 1e9 })
    written.write(9, 5_000)
    const checkpointed = 0
    assert.deepEqual(written.roots(), [checkpointed, 7, 8, 9])
    const views = [written.keyspace.viewAt(7)!]
    written.write(3, 5_000)
    assert.deepEqual(written.roots(), [checkpointed, 7, 11, 12])
    views.push(...[11, 12].map(seq => written.keyspace.viewAt(seq)!))
    written.write(1, 5_000)
    assert.deepEqual(written.roots(), [checkpointed, 7, 11, 12, 13])
    for (const view of views) view.close()
    assert.deepEqual(written.roots(), [checkpointed, 11, 12, 13])
  })

  it('leave no gap when one goes that a view held in between', async () => {
    const written = await Written.create({ gapEntries: 10 })
    written.write(7)
    const held = written.keyspace.view()
    written.write(9)
    held.close()
    assert.deepEqual(written.roots(), [0, 7, 16])
    const other = await Written.create({ gapEntries: 10 })
    other.write(4)
    const soon = other.keyspace.view()
    other.write(2)
    soon.close()
    other.write(6)
    assert.deepEqual(other.roots(), [0, 10, 12])
  })

  it('hold no more pages than half of the state, or 16 MiB, however large the budget is', async () => {
    const MIB = 1 << 20
    for (const [stateMib, deadMib] of [
      [8, 16],
      [40, 20],
    ] as const) {
      let nowMs = 0
      const retention = { maxVersions: 1_000, maxAgeMs: 1e9, now: () => nowMs }
      const files = new SimulatedDisk({ seed: 1 }).files()
      const keyspace = await Keyspace.create(optionsFor(files, 4096, { retention, budgetBytes: 1024 * MIB }))
      const value = new Uint8Array(MIB / 4)
      let seq = 0
      const used: number[] = []
      for (let i = 0; i < stateMib * 4 * 3; i++) {
        nowMs += 5_000
        keyspace.beginEpoch(true)
        keyspace.writer.beginEntry(++seq)
        const name = key(`k${i % (stateMib * 4)}`)
        assert.equal(keyspace.writer.prepare([name]), undefined)
        keyspace.writer.put(name, value, seq, seq, 0)
        keyspace.publish(seq, META)
        used.push((keyspace.stats.usedPages * 4096) / MIB)
      }
      const dead = Math.max(...used) - stateMib
      assert.ok(dead > deadMib - 4 && dead < deadMib + 2, `${dead.toFixed(1)} MiB of old pages beside ${stateMib}`)
      assert.ok(keyspace.stats.retainedRoots > 5)
      await keyspace.close()
    }
  })

  for (const isWanted of [false, true]) {
    const name = isWanted
      ? 'come again at once when crowded out while somebody reads at older seqs'
      : 'that were crowded out are not kept anew at once'
    it(name, async () => {
      let nowMs = 0
      const retention = { maxVersions: 64, maxAgeMs: 60_000, now: () => nowMs }
      const files = new SimulatedDisk({ seed: 1 }).files()
      // So small a budget leaves 128 pages to old roots, and the state has more than 200 leaves.
      const keyspace = await Keyspace.create(optionsFor(files, 4096, { retention, budgetBytes: 512 * 4096 }))
      const value = new Uint8Array(800)
      let seq = 0
      const write = async (): Promise<void> => {
        keyspace.beginEpoch(true)
        keyspace.writer.beginEntry(++seq)
        const name = key(`k${String((seq * 331) % 1_000).padStart(3, '0')}`)
        for (let cold = keyspace.writer.prepare([name]); cold !== undefined; cold = keyspace.writer.prepare([name])) {
          await keyspace.load(cold)
        }
        keyspace.writer.put(name, value, seq, seq, 0)
        keyspace.publish(seq, META)
      }
      for (let i = 0; i < 1_000; i++) await write()
      await keyspace.checkpoint(seq => seq)
      if (isWanted) keyspace.wantOlder()
      nowMs += 5_000
      await write()
      const { epoch } = keyspace.stats
      for (let i = 0; i < 2_000; i++) {
        nowMs += 1
        await write()
      }
      const epochs = keyspace.stats.epoch - epoch
      if (isWanted) assert.ok(epochs > 10, `${epochs} epochs`)
      else assert.ok(epochs >= 1 && epochs <= 2, `${epochs} epochs`)
      nowMs += 3_000
      await write()
      await write()
      assert.equal(keyspace.stats.epoch - epoch > epochs, true)
      await keyspace.close()
    })
  }
})
