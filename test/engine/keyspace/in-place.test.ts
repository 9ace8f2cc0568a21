import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import { key, META, optionsFor } from './support.ts'

/** Keys enough for a few leaves, each written by entry `seq` in an epoch of its own kind. */
function writeAll(keyspace: Keyspace, seq: number, mayReplace: boolean): void {
  const keys = Array.from({ length: 60 }, (_, i) => key(`k${i}`))
  keyspace.beginEpoch(mayReplace)
  keyspace.writer.beginEntry(seq)
  assert.equal(keyspace.writer.prepare(keys), undefined)
  for (const each of keys) keyspace.writer.put(each, new Uint8Array(200).fill(seq), seq, 1, 0)
  keyspace.publish(seq, META)
}

async function create(now: () => number = () => 0): Promise<Keyspace> {
  const files = new SimulatedDisk({ seed: 1 }).files()
  return Keyspace.create(optionsFor(files, 4096, { retention: { maxVersions: 8, maxAgeMs: 60_000, now } }))
}

function valueIn(view: { getSync(key: Uint8Array): { value: Uint8Array } | undefined }): number | undefined {
  return view.getSync(key('k7'))?.value[0]
}

describe('an epoch that may replace the newest root', () => {
  it('copies no page while nobody sees that root', async () => {
    const keyspace = await create()
    writeAll(keyspace, 1, true)
    writeAll(keyspace, 2, true)
    const { epoch, usedPages, retainedRoots } = keyspace.stats
    for (let seq = 3; seq < 20; seq++) writeAll(keyspace, seq, true)
    assert.deepEqual(
      { ...keyspace.stats, dirtyPages: 0 },
      { ...keyspace.stats, epoch, usedPages, retainedRoots, dirtyPages: 0 },
    )
    assert.equal(keyspace.seq, 19)
    using view = keyspace.view()
    assert.equal(valueIn(view), 19)
    writeAll(keyspace, 20, false)
    assert.ok(keyspace.stats.usedPages > usedPages, 'an ordinary epoch copies what it changes')
  })

  it('leaves alone what a view or a checkpoint holds, and a root that is kept', async () => {
    let nowMs = 0
    const keyspace = await create(() => nowMs)
    writeAll(keyspace, 1, true)
    writeAll(keyspace, 2, true)
    using second = keyspace.view()
    writeAll(keyspace, 3, true)
    const { seq } = await keyspace.checkpoint(wanted => {
      writeAll(keyspace, 4, true)
      writeAll(keyspace, 5, true)
      return wanted
    })
    assert.equal(seq, 3)
    nowMs = 5_000
    writeAll(keyspace, 6, true)
    nowMs = 9_900
    for (const seq of [7, 8]) writeAll(keyspace, seq, true)
    assert.equal(valueIn(second), 2)
    for (const [wanted, shown] of [
      [3, 3],
      [4, 3],
      [5, 3],
      [6, 6],
      [7, 6],
      [8, 8],
    ] as const) {
      using view = keyspace.viewAt(wanted)!
      assert.equal(view.seq, shown)
      assert.equal(valueIn(view), shown)
    }
    await keyspace.checkpoint(wanted => wanted)
    assert.equal((await keyspace.scrub()).isEqual, true)
  })

  it('becomes an ordinary one when a view is opened before its first change, and allows none after it', async () => {
    const keyspace = await create()
    writeAll(keyspace, 1, true)
    writeAll(keyspace, 2, true)
    keyspace.beginEpoch(true)
    using before = keyspace.view()
    keyspace.writer.beginEntry(3)
    assert.equal(keyspace.writer.prepare([key('k7')]), undefined)
    keyspace.writer.put(key('k7'), Uint8Array.of(3), 3, 1, 0)
    keyspace.publish(3, META)
    assert.equal(valueIn(before), 2)

    keyspace.beginEpoch(false)
    keyspace.publish(4, META)
    keyspace.beginEpoch(true)
    keyspace.writer.beginEntry(5)
    assert.equal(keyspace.writer.prepare([key('k7')]), undefined)
    keyspace.writer.put(key('k7'), Uint8Array.of(5), 5, 1, 0)
    assert.throws(() => keyspace.view(), /being changed/)
    keyspace.publish(5, META)
    using after = keyspace.view()
    assert.equal(valueIn(after), 5)
  })
})
