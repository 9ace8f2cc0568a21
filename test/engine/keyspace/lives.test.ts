import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { KeyspaceOptions, KeyspaceView } from '../../../src/engine/keyspace/index.ts'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, digestOf, META, optionsFor, randomEpoch, SEED } from './support.ts'

/** A keyspace of random shape and budget lives through epochs, checkpoints, long views, clean ends and power losses. */
async function live(seed: number): Promise<void> {
  const dice = new Dice(seed)
  const pageBytes = ([4096, 8192, 16384, 32768] as const)[dice.below(4)]!
  const disk = new SimulatedDisk({ seed })
  let nowMs = 0
  const more: Partial<KeyspaceOptions> = {
    budgetBytes: pageBytes * (4 + dice.below(60)),
    retention: { maxVersions: 2 + dice.below(10), maxAgeMs: 1e6, now: () => nowMs },
    ...(dice.chance(2) ? { inlineThresholdBytes: dice.below(300) } : {}),
  }
  const shape = {
    universe: 200 + dice.below(3000),
    maxKey: Math.floor(pageBytes / 5),
    maxValue: 1 + dice.below(3 * pageBytes),
    deletesIn10: 2 + dice.below(6),
  }
  let keyspace = await Keyspace.create(optionsFor(disk.files(), pageBytes, more))
  const model: Model = new Map()
  let views: { view: KeyspaceView; records: Model }[] = []
  const checkpoints: Promise<unknown>[] = []
  let seq = 0
  const reopen = async (): Promise<void> => {
    for (const { view } of views) view.close()
    views = []
    await Promise.all(checkpoints)
    await keyspace.checkpoint(wanted => wanted)
    await keyspace.close()
    if (dice.chance(2)) disk.crash()
    keyspace = (await Keyspace.open(optionsFor(disk.files(), pageBytes, more))).keyspace
    assert.equal(keyspace.seq, seq)
  }
  for (let step = 0; step < 60; step++) {
    nowMs += dice.below(700)
    seq = await randomEpoch(keyspace, model, dice, seq, 1 + dice.below(10), shape)
    if (dice.chance(6)) checkpoints.push(keyspace.checkpoint(wanted => wanted))
    if (dice.chance(8)) views.push({ view: keyspace.view(), records: new Map(model) })
    if (dice.chance(30)) await reopen()
  }
  for (const { view, records } of views) await assertShows(view, records)
  assert.deepEqual(keyspace.digestS, digestOf(model))
  await reopen()
  // Once the retained roots have aged, only the newest tree and two checkpoints' maps are left in the file.
  for (let i = 0; i < 4; i++) {
    nowMs += 1e7
    keyspace.beginEpoch()
    keyspace.publish(++seq, META)
    await keyspace.checkpoint(wanted => wanted)
  }
  let reachable = 0
  for await (const page of keyspace.listPages()) reachable += page.length / pageBytes
  const extra = keyspace.stats.usedPages - reachable
  assert.ok(extra <= 8, `${extra} pages are in use and reached by nothing (seed ${seed})`)
  assert.equal((await keyspace.scrub()).isEqual, true)
  using view = keyspace.view()
  await assertShows(view, model)
}

describe('whole lives of a keyspace', () => {
  it(`show what was written, lose nothing and leak no page (seed ${SEED})`, async () => {
    for (let seed = SEED; seed < SEED + 12; seed++) await live(seed)
  })
})
