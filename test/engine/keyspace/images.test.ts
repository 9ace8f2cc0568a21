import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedCrash, SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { ChangedSinceOptions, ImageChunk, KeyspaceOptions, Mutants } from '../../../src/engine/keyspace/index.ts'
import { ImageReader, InstallMismatch, Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, digestOf, hex, key, META, optionsFor, randomEpoch, SEED, sortedKeys } from './support.ts'

const SHAPE = { universe: 600, maxKey: 200, maxValue: 5000, deletesIn10: 4 }

async function fresh(
  seed: number,
  pageBytes: KeyspaceOptions['pageBytes'],
  mutants: Mutants = {},
  pages = 24,
): Promise<Keyspace> {
  const files = new SimulatedDisk({ seed }).files()
  return Keyspace.create(optionsFor(files, pageBytes, { budgetBytes: pages * pageBytes, mutants }))
}

async function run(keyspace: Keyspace, model: Model, dice: Dice, seq: number, epochs: number): Promise<number> {
  for (let i = 0; i < epochs; i++) seq = await randomEpoch(keyspace, model, dice, seq, 6, SHAPE)
  return seq
}

/** Ships everything after `since` from one keyspace to another; returns how many images and large values travelled. */
async function ship(
  from: Keyspace,
  to: Keyspace,
  since: number,
  base: 'current' | 'empty' = 'current',
  options: ChangedSinceOptions = {},
): Promise<{ images: number; large: number }> {
  const install = await to.beginInstall(base)
  using view = from.view()
  const travelled = { images: 0, large: 0 }
  const scan = view.changedSince(since, options)
  for (let chunk = await scan.next(8_192); chunk !== undefined; chunk = await scan.next(8_192)) {
    for (const record of recordsOf(chunk)) if (record.travels) travelled.large++
    for (const reader = new ImageReader(chunk.bytes); reader.nextImage();) travelled.images++
    await install.apply(chunk.bytes)
  }
  await install.finish({ seq: view.seq, meta: META, digestS: view.root.digest })
  return travelled
}

interface Travelled {
  key: string
  isLarge: boolean
  travels: boolean
}

function recordsOf(chunk: ImageChunk): Travelled[] {
  const found: Travelled[] = []
  for (const reader = new ImageReader(chunk.bytes); reader.nextImage();) {
    while (reader.nextRecord()) {
      found.push({ key: hex(reader.keyView), isLarge: reader.isLarge, travels: reader.isLarge && reader.travels })
    }
  }
  return found
}

describe('leaf images', () => {
  for (const [fromBytes, toBytes] of [
    [4096, 16384],
    [16384, 4096],
    [4096, 4096],
  ] as const) {
    it(`carry a keyspace from pages of ${fromBytes} to pages of ${toBytes}, from nothing (seed ${SEED})`, async () => {
      const model: Model = new Map()
      const from = await fresh(SEED, fromBytes)
      await run(from, model, new Dice(SEED), 0, 60)
      const to = await fresh(SEED, toBytes)
      await run(to, new Map(), new Dice(SEED + 1), 0, 20)
      await ship(from, to, 0, SEED % 2 === 0 ? 'empty' : 'current')
      assert.deepEqual(to.digestS, from.digestS)
      assert.deepEqual(to.digestS, digestOf(model))
      using view = to.view()
      await assertShows(view, model)
    })
  }

  it('an install from nothing gives the old pages back', async () => {
    const model: Model = new Map()
    const from = await fresh(SEED, 4096)
    await run(from, model, new Dice(SEED), 0, 40)
    const to = await fresh(SEED, 4096)
    for (let i = 0; i < 6; i++) await ship(from, to, 0, 'empty')
    assert.ok(to.stats.usedPages <= 2 * from.stats.usedPages + 30, `${to.stats.usedPages} of ${from.stats.usedPages}`)
    assert.deepEqual((await to.scrub()).isEqual, true)
  })

  /** A at X is copied to B and C; A goes on; B gets what changed since X from A, and C the same from B. */
  async function chain(seed: number, mutants: Mutants): Promise<void> {
    const dice = new Dice(seed)
    const model: Model = new Map()
    const a = await fresh(seed, 4096, mutants)
    let seq = await run(a, model, dice, 0, 30)
    const b = await fresh(seed, 8192, mutants)
    const c = await fresh(seed, 4096, mutants)
    await ship(a, b, 0)
    await ship(a, c, 0)
    for (let round = 0; round < 4; round++) {
      const since = seq
      seq = await run(a, model, dice, seq, 1 + dice.below(6))
      await ship(a, b, since)
      assert.deepEqual(b.digestS, digestOf(model))
      await ship(b, c, since)
      assert.deepEqual(c.digestS, digestOf(model))
      assert.deepEqual(c.stats.records, model.size)
    }
    using view = c.view()
    await assertShows(view, model)
  }

  it(`bring a receiver from seq X to now with what changed since X, and the receiver can pass it on (seed ${SEED})`, async () => {
    for (let seed = SEED; seed < SEED + 6; seed++) await chain(seed, {})
  })

  /** Deletes neighbouring keys one an epoch, so that leaves merge, and ships each time what changed. */
  async function mergeAndShip(mutants: Mutants): Promise<void> {
    const from = await fresh(SEED, 4096, mutants, 10_000)
    const to = await fresh(SEED, 4096, {}, 10_000)
    const text = (i: number): Uint8Array => key(`k${100_000 + i}`)
    from.beginEpoch()
    from.writer.beginEntry(1)
    for (let i = 0; i < 600; i++) from.writer.put(text(i), new Uint8Array(60), 1, 1, 0)
    from.publish(1, META)
    await ship(from, to, 0)
    for (let seq = 2; seq < 150; seq++) {
      from.beginEpoch()
      from.writer.beginEntry(seq)
      assert.equal(from.writer.delete(text(200 + seq)), true)
      from.publish(seq, META)
      await ship(from, to, seq - 1)
      assert.deepEqual(to.digestS, from.digestS)
    }
  }

  it('tell of deletes whose leaf merged into its neighbour', async () => {
    await mergeAndShip({})
  })

  it('would show a seq that is lost when pages merge', async () => {
    await assert.rejects(mergeAndShip({ seqLostOnMerge: true }), InstallMismatch)
  })

  it('skip what did not change, and large values that the receiver has', async () => {
    const from = await fresh(SEED, 4096, {}, 1000)
    const to = await fresh(SEED, 4096)
    from.beginEpoch()
    from.writer.beginEntry(1)
    for (let i = 0; i < 2000; i++)
      from.writer.put(key(`k${10_000 + i}`), new Uint8Array(i % 100 === 0 ? 9000 : 40), 1, 1, 0)
    from.publish(1, META)
    const all = await ship(from, to, 0)
    assert.equal(all.large, 20)
    from.beginEpoch()
    from.writer.beginEntry(2)
    from.writer.put(key('k10101'), new Uint8Array(41), 2, 1, 0)
    from.publish(2, META)
    const some = await ship(from, to, 1)
    assert.deepEqual(some, { images: 1, large: 0 })
    assert.deepEqual(await ship(from, to, 2), { images: 0, large: 0 })
    assert.deepEqual(to.digestS, from.digestS)
  })

  it('count damaged ranges as changed, large values in them included', async () => {
    const from = await fresh(SEED, 4096)
    const model: Model = new Map()
    const seq = await run(from, model, new Dice(SEED), 0, 40)
    using view = from.view()
    const keys = sortedKeys(model)
    const damaged = [{ lower: Buffer.from(keys[10]!, 'hex'), upper: Buffer.from(keys[40]!, 'hex') }]
    const seen = new Set<string>()
    const scan = view.changedSince(seq, { damaged })
    for (let chunk = await scan.next(8_192); chunk !== undefined; chunk = await scan.next(8_192)) {
      for (const record of recordsOf(chunk)) {
        seen.add(record.key)
        assert.equal(record.travels, record.isLarge)
      }
    }
    for (const text of keys.slice(10, 40)) assert.ok(seen.has(text), `${text} did not travel`)
    assert.ok(seen.size < keys.length)
  })

  it('go on from a fence after a break', async () => {
    const from = await fresh(SEED, 4096)
    const model: Model = new Map()
    await run(from, model, new Dice(SEED), 0, 40)
    using view = from.view()
    const seen: string[] = []
    let fence = new Uint8Array(0)
    do {
      const chunk = (await view.changedSince(0, { from: fence }).next(1 + seen.length * 10))!
      seen.push(...recordsOf(chunk).map(record => record.key))
      fence = Uint8Array.from(chunk.fence)
    } while (fence.length > 0)
    assert.deepEqual(seen, sortedKeys(model))
  })

  it("do not commit a state that is not the sender's", async () => {
    const from = await fresh(SEED, 4096)
    const to = await fresh(SEED, 4096)
    await run(from, new Map(), new Dice(SEED), 0, 10)
    const install = await to.beginInstall('current')
    await assert.rejects(install.finish({ seq: 60, meta: META, digestS: from.digestS }), InstallMismatch)
    assert.equal(to.seq, 0)
  })
})

describe('a power loss during an install', () => {
  it(`leaves the old state or the new one (seed ${SEED})`, async () => {
    const model: Model = new Map()
    const from = await fresh(SEED, 4096)
    await run(from, model, new Dice(SEED), 0, 15)
    let isThrough = false
    let calls = 0
    for (let call = 1; !isThrough; call++) {
      const disk = new SimulatedDisk({ seed: SEED + call })
      const old: Model = new Map()
      const to = await Keyspace.create(optionsFor(disk.files(), 4096, { budgetBytes: 12 * 4096 }))
      const oldSeq = await run(to, old, new Dice(7), 0, 6)
      await to.checkpoint(wanted => wanted)
      disk.crashAt(call, call % 4 === 1 ? 'before' : 'after')
      let isAcknowledged = false
      try {
        await ship(from, to, 0, call % 3 === 0 ? 'empty' : 'current')
        isAcknowledged = true
        isThrough = true
        disk.cancelCrash()
        disk.crash()
      } catch (error) {
        const cause = error instanceof Error ? error.cause : undefined
        assert.ok(error instanceof SimulatedCrash || cause instanceof SimulatedCrash, String(error))
        calls++
      }
      const { keyspace, superblock } = await Keyspace.open(optionsFor(disk.files(), 4096))
      if (isAcknowledged) {
        assert.deepEqual(
          keyspace.superblocks.map(state => [state.kind, state.seq]),
          [
            ['install', from.seq],
            ['install', from.seq],
          ],
        )
      }
      const isNew = superblock.kind === 'install'
      assert.equal(superblock.seq, isNew ? from.seq : oldSeq)
      using view = keyspace.view()
      await assertShows(view, isNew ? model : old)
      await keyspace.close()
    }
    assert.ok(calls > 5, `${calls} crashes`)
  })
})
