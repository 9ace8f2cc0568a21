import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { KeyspaceView, SpaceUsage } from '../../../src/engine/keyspace/index.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { Dice, hex, META, optionsFor, randomEpoch, SEED } from './support.ts'
import type { Model } from './support.ts'

const SHAPE = { universe: 300, maxKey: 60, maxValue: 5_000, deletesIn10: 4 }
const PAGE_BYTES = 4096

/** What every space holds, record by record. */
function walked(view: KeyspaceView): Map<string, SpaceUsage> {
  const usages = new Map<string, SpaceUsage>()
  const cursor = view.cursor()
  while (view.advanceSync(cursor)) {
    const { key } = cursor
    const space = hex(key.subarray(0, 1))
    const { records, bytes } = usages.get(space) ?? { records: 0, bytes: 0 }
    const { value } = view.recordOfSync(cursor)
    usages.set(space, { records: records + 1, bytes: bytes + key.length - Math.min(1, key.length) + value.length })
  }
  return usages
}

/** `spaces`: all that have ever had a record. */
function assertExact(view: KeyspaceView, spaces: Set<string>, when: string): void {
  const wanted = walked(view)
  for (const space of wanted.keys()) spaces.add(space)
  for (const space of spaces) {
    const { records, bytes } = view.reader.usage(Buffer.from(space, 'hex'))
    assert.deepEqual({ records, bytes }, wanted.get(space) ?? { records: 0, bytes: 0 }, `space ${space} ${when}`)
  }
}

const syncedAtOnce = (wanted: number): Promise<number> => Promise.resolve(wanted)

describe('what a space holds', () => {
  it(`is exact in every root, through checkpoints and restarts (seed ${SEED})`, async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const dice = new Dice(SEED)
    const model: Model = new Map()
    const spaces = new Set<string>()
    const options = { budgetBytes: 64 * PAGE_BYTES }
    let keyspace = await Keyspace.create(optionsFor(disk.files(), PAGE_BYTES, options))
    let seq = 0
    for (let round = 0; round < 30; round++) {
      const held: KeyspaceView[] = []
      for (let epoch = 0; epoch < 6; epoch++) {
        seq = await randomEpoch(keyspace, model, dice, seq, 4, SHAPE)
        if (dice.chance(2)) held.push(keyspace.view())
      }
      for (const view of held) assertExact(view, spaces, `at ${view.seq}, held, in round ${round}`)
      for (const view of held) view.close()
      await keyspace.checkpoint(syncedAtOnce)
      if (!dice.chance(2)) continue
      await keyspace.close()
      keyspace = (await Keyspace.open(optionsFor(disk.files(), PAGE_BYTES, options))).keyspace
      const [newest, older] = keyspace.superblocks
      for (const superblock of [newest, older]) {
        if (superblock === undefined) continue
        using view = keyspace.viewAt(superblock.seq)
        assertExact(view!, spaces, `at ${superblock.seq}, of a superblock, after the restart of round ${round}`)
      }
    }
    assert.equal((await keyspace.scrub()).isEqual, true)
    assert.ok(spaces.size > 20)
    await keyspace.close()
  })

  it(`is exact before and after an install, and in a view from before it (seed ${SEED})`, async () => {
    const fresh = (seed: number): Promise<Keyspace> =>
      Keyspace.create(optionsFor(new SimulatedDisk({ seed }).files(), PAGE_BYTES, { budgetBytes: 64 * PAGE_BYTES }))
    for (const base of ['empty', 'current'] as const) {
      const [from, to] = [await fresh(SEED), await fresh(SEED + 1)]
      const [dice, model, other]: [Dice, Model, Model] = [new Dice(SEED), new Map(), new Map()]
      let seq = 0
      for (let epoch = 0; epoch < 40; epoch++) {
        const from7 = new Dice(epoch)
        await randomEpoch(to, other, from7, seq, 4, SHAPE)
        seq = await randomEpoch(from, model, new Dice(epoch), seq, 4, SHAPE)
      }
      const since = base === 'current' ? seq : 0
      for (let epoch = 0; epoch < 20; epoch++) seq = await randomEpoch(from, model, dice, seq, 4, SHAPE)
      const before = to.view()
      const install = await to.beginInstall(base)
      using source = from.view()
      const scan = source.changedSince(since)
      for (let chunk = await scan.next(8_192); chunk !== undefined; chunk = await scan.next(8_192)) {
        await install.apply(chunk.bytes)
      }
      await install.finish({ seq: source.seq, meta: META, digestS: source.root.digest })
      const spaces = new Set<string>()
      assertExact(before, spaces, `before the install on ${base}`)
      before.close()
      using after = to.view()
      assertExact(after, spaces, `after the install on ${base}`)
      assert.equal((await to.scrub()).isEqual, true)
    }
  })

  it('that is said wrongly is found by a scrub', async () => {
    const options = { mutants: { usageKeepsOverwritten: true } }
    const keyspace = await Keyspace.create(optionsFor(new SimulatedDisk({ seed: SEED }).files(), PAGE_BYTES, options))
    await randomEpoch(keyspace, new Map(), new Dice(SEED), 0, 200, SHAPE)
    const { isEqual, records } = await keyspace.scrub()
    assert.deepEqual([isEqual, records], [false, keyspace.stats.records])
  })
})
