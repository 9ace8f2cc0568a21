import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedCrash, SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { KeyspaceOptions, Mutants } from '../../../src/engine/keyspace/index.ts'
import { decodeProgress, InstallMismatch, Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, digestOf, META, optionsFor, randomEpoch, SEED } from './support.ts'

const SHAPE = { universe: 600, maxKey: 200, maxValue: 5000, deletesIn10: 4 }
const MANIFEST = Uint8Array.of(1, 2, 3)
const CHUNK_BYTES = 2_000
/** Progress is recorded after a few chunks. */
const PROGRESS_BYTES = 6_000

async function run(keyspace: Keyspace, model: Model, dice: Dice, seq: number, epochs: number): Promise<number> {
  for (let i = 0; i < epochs; i++) seq = await randomEpoch(keyspace, model, dice, seq, 6, SHAPE)
  return seq
}

function receiverOptions(disk: SimulatedDisk, more: Partial<KeyspaceOptions> = {}): KeyspaceOptions {
  const own = { budgetBytes: 40 * 4096, installProgressBytes: PROGRESS_BYTES }
  return optionsFor(disk.files(), 4096, { ...own, ...more })
}

interface Shipment {
  readonly from: Keyspace
  readonly since: number
  readonly manifest?: Uint8Array
  /** Give up after so many chunks. */
  readonly chunksMax?: number
}

/** Ships to `to`, going on where it has come to; returns from which fence, and how many chunks that took. */
async function ship(
  to: Keyspace,
  { from, since, manifest = MANIFEST, chunksMax = Infinity }: Shipment,
): Promise<{ fence: Uint8Array; chunks: number }> {
  const install = await to.beginInstall(since === 0 ? 'empty' : 'current', manifest)
  using view = from.view()
  const fence = install.fence ?? new Uint8Array(0)
  let chunks = 0
  if (install.fence !== undefined) {
    const scan = view.changedSince(since, { from: fence })
    for (let chunk = await scan.next(CHUNK_BYTES); chunk !== undefined; chunk = await scan.next(CHUNK_BYTES)) {
      if (chunks++ >= chunksMax) {
        await install.abort()
        return { fence, chunks }
      }
      await install.apply(chunk.bytes)
    }
  }
  await install.finish({ seq: view.seq, meta: META, digestS: view.root.digest })
  return { fence, chunks }
}

interface Scene {
  readonly from: Keyspace
  readonly model: Model
  readonly disk: SimulatedDisk
  readonly since: number
  /** What the receiver has. */
  readonly old: Model
  readonly to: Keyspace
}

/** A sender, and a receiver that has nothing in common with it, or what the sender had at `since`. */
async function scene(
  seed: number,
  isIncremental: boolean,
  mutants: Mutants = {},
  sectorBytes: number = 512,
): Promise<Scene> {
  const dice = new Dice(seed)
  const from = await Keyspace.create(optionsFor(new SimulatedDisk({ seed }).files(), 4096))
  const model: Model = new Map()
  let seq = await run(from, model, dice, 0, 20)
  const disk = new SimulatedDisk({ seed: seed + 1, sectorBytes })
  const to = await Keyspace.create(receiverOptions(disk, { mutants }))
  const since = isIncremental ? seq : 0
  const old: Model = isIncremental ? new Map(model) : new Map()
  if (isIncremental) {
    await ship(to, { from, since: 0, manifest: Uint8Array.of(9) })
    seq = await run(from, model, dice, seq, 8)
  } else {
    await run(to, old, new Dice(seed + 2), 0, 4)
    await to.checkpoint(wanted => wanted)
  }
  return { from, model, disk, since, old, to }
}

async function assertIs(keyspace: Keyspace, model: Model): Promise<void> {
  assert.deepEqual(keyspace.digestS, digestOf(model))
  assert.equal(keyspace.stats.records, model.size)
  using view = keyspace.view()
  await assertShows(view, model)
  assert.equal((await keyspace.scrub()).isEqual, true)
}

function isCrash(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof SimulatedCrash) return true
  return false
}

for (const isIncremental of [false, true]) {
  const kind = isIncremental ? 'an incremental install' : 'an install from nothing'

  describe(kind, () => {
    it(`goes on where it was after a loss of power at any call (seed ${SEED})`, async () => {
      let resumed = 0
      let isThrough = false
      let least = Infinity
      for (let call = 1; !isThrough; call += 2) {
        const { from, model, disk, since, old, to } = await scene(SEED, isIncremental)
        disk.crashAt(call, call % 4 === 1 ? 'before' : 'after')
        try {
          await ship(to, { from, since })
          isThrough = true
          disk.cancelCrash()
          disk.crash()
        } catch (error) {
          assert.ok(isCrash(error), String(error))
        }
        const opened = (await Keyspace.open(receiverOptions(disk))).keyspace
        if (opened.superblocks[0]!.kind === 'install' && opened.seq === from.seq) {
          await assertIs(opened, model)
          await opened.close()
          continue
        }
        await assertIs(opened, old)
        const { fence, chunks } = await ship(opened, { from, since })
        if (fence.length > 0) resumed++
        least = Math.min(least, chunks)
        await assertIs(opened, model)
        await opened.close()
        const again = (await Keyspace.open(receiverOptions(disk))).keyspace
        await assertIs(again, model)
        await again.close()
      }
      assert.ok(resumed > 3, `${resumed} went on`)
      assert.ok(least < 12, `the last one still needed ${least} chunks`)
    })

    it(`arrives through many losses of power, and what it made can be passed on (seed ${SEED})`, async () => {
      for (let seed = SEED; seed < SEED + 4; seed++) {
        const dice = new Dice(seed)
        const { from, model, disk, since, to } = await scene(seed, isIncremental)
        let keyspace = to
        let crashes = 0
        for (let isThrough = false; !isThrough && crashes < 60;) {
          disk.crashAt(8 + dice.below(12), dice.chance(2) ? 'before' : 'after')
          try {
            await ship(keyspace, { from, since })
            isThrough = true
            disk.cancelCrash()
          } catch (error) {
            assert.ok(isCrash(error), String(error))
            crashes++
            keyspace = (await Keyspace.open(receiverOptions(disk))).keyspace
            if (keyspace.seq === from.seq) isThrough = true
          }
        }
        assert.ok(crashes > 1 && crashes < 60, `${crashes} crashes`)
        await assertIs(keyspace, model)
        const third = await Keyspace.create(optionsFor(new SimulatedDisk({ seed }).files(), 8192))
        await ship(third, { from: keyspace, since: 0 })
        const { seq } = keyspace
        await run(from, model, dice, seq, 4)
        for (const [a, b] of [
          [from, keyspace],
          [keyspace, third],
        ] as const) {
          await ship(b, { from: a, since: seq, manifest: Uint8Array.of(5) })
          await assertIs(b, model)
        }
      }
    })

    it('goes on in place after it was given up', async () => {
      const { from, model, since, old, to } = await scene(SEED, isIncremental)
      const { chunks } = await ship(to, { from, since, chunksMax: 10 })
      assert.equal(chunks, 11)
      await assertIs(to, old)
      const { fence } = await ship(to, { from, since })
      assert.ok(fence.length > 0)
      await assertIs(to, model)
    })

    it('begins anew for another snapshot, and gives the pages of the first back', async () => {
      const { from, model, since, disk, to } = await scene(SEED, isIncremental)
      await ship(to, { from, since, chunksMax: 10 })
      const { fence } = await ship(to, { from, since, manifest: Uint8Array.of(7) })
      assert.equal(fence.length, 0)
      await assertIs(to, model)
      const { usedPages } = to.stats
      await to.close()
      const opened = (await Keyspace.open(receiverOptions(disk))).keyspace
      assert.ok(opened.stats.usedPages <= usedPages, `${opened.stats.usedPages} pages are used, before ${usedPages}`)
      await assertIs(opened, model)
    })

    it('begins anew once a checkpoint was made without it', async () => {
      const { from, model, since, old, disk, to } = await scene(SEED, isIncremental)
      await ship(to, { from, since, chunksMax: 10 })
      const before = disk.contents('pages/install')
      const { usedPages } = to.stats
      await run(to, old, new Dice(1), to.seq, 1)
      await to.checkpoint(wanted => wanted)
      assert.ok(decodeProgress(before).own.runs.length > 0)
      assert.ok(to.stats.usedPages < usedPages + 20)
      await to.close()
      const opened = (await Keyspace.open(receiverOptions(disk))).keyspace
      await assertIs(opened, old)
      const { fence } = await ship(opened, { from, since: 0 })
      assert.equal(fence.length, 0)
      await assertIs(opened, model)
    })

    it('begins anew if what it has written is damaged', async () => {
      for (const place of ['root', 'file'] as const) {
        const { from, model, since, disk, to } = await scene(SEED, isIncremental)
        await ship(to, { from, since, chunksMax: 10 })
        await to.close()
        const { root } = decodeProgress(disk.contents('pages/install'))
        const [path, offset] = place === 'root' ? ['pages/data', root.page * 4096 + 100] : ['pages/install', 60]
        const file = await disk.files().open(path, 'readWrite')
        const byte = new Uint8Array(1)
        await file.read(byte, offset)
        await file.write(Uint8Array.of(byte[0]! ^ 1), offset)
        await file.close()
        const opened = (await Keyspace.open(receiverOptions(disk))).keyspace
        const { fence } = await ship(opened, { from, since })
        assert.equal(fence.length, 0)
        await assertIs(opened, model)
      }
    })
  })
}

describe('a test of interrupted installs', () => {
  it('would show an install that goes on where one of another snapshot has come to', async () => {
    const { from, model, to } = await scene(SEED, false, { progressOfAnother: true })
    await ship(to, { from, since: 0, chunksMax: 10 })
    await run(from, model, new Dice(SEED + 9), from.seq, 6)
    await assert.rejects(ship(to, { from, since: 0, manifest: Uint8Array.of(7) }), InstallMismatch)
  })
})

describe('a test of installs that lose power', () => {
  /** Whether what was on file after a loss of power at that call was enough to go on from; undefined: there was no such call. */
  const isKept = async (call: number, mutants: Mutants): Promise<boolean | undefined> => {
    // A sector is a page: of those that are not synced each is lost by itself.
    const { from, model, disk, to } = await scene(20_261, false, mutants, 4096)
    disk.crashAt(call, 'after')
    try {
      await ship(to, { from, since: 0 })
      return undefined
    } catch (error) {
      assert.ok(isCrash(error), String(error))
    }
    const opened = (await Keyspace.open(receiverOptions(disk))).keyspace
    if (opened.seq === from.seq) return true
    try {
      await ship(opened, { from, since: 0 })
      await assertIs(opened, model)
      return true
    } catch (error) {
      if (error instanceof Error && error.name === 'PageDamage') return false
      throw error
    }
  }

  it('would show progress that is on file before the pages that it names', async () => {
    const lost: number[] = []
    for (let call = 1, kept = await isKept(call, {}); kept !== undefined; kept = await isKept((call += 3), {})) {
      assert.ok(kept, `call ${call}`)
      if ((await isKept(call, { progressBeforePages: true })) === false) lost.push(call)
    }
    assert.ok(lost.length > 0)
  })
})

describe('an install that does not make the state that was announced', () => {
  for (const isIncremental of [false, true]) {
    it(`leaves no progress behind, and begins anew${isIncremental ? ' (incremental)' : ''}`, async () => {
      const { from, model, since, old, disk, to } = await scene(SEED, isIncremental)
      const { usedPages } = to.stats
      await ship(to, { from, since, chunksMax: 10 })
      const install = await to.beginInstall(isIncremental ? 'current' : 'empty', MANIFEST)
      assert.ok(install.fence!.length > 0)
      await assert.rejects(install.finish({ seq: from.seq, meta: META, digestS: { lo: 1, hi: 2 } }), InstallMismatch)
      await install.abort()
      assert.equal(await disk.files().size('pages/install'), undefined)
      assert.equal(to.stats.usedPages, usedPages)
      await assertIs(to, old)
      const { fence } = await ship(to, { from, since })
      assert.equal(fence.length, 0)
      await assertIs(to, model)
    })
  }
})

describe('an incremental install that was interrupted', () => {
  it('begins anew on a state that has moved on, from which the old pages may be gone', async () => {
    const { from, model, since, to } = await scene(SEED, true)
    await ship(to, { from, since, chunksMax: 10 })
    // The same entries, applied here as well.
    const root = to.seq
    to.beginEpoch()
    to.publish(root + 1, META)
    const { fence } = await ship(to, { from, since })
    assert.equal(fence.length, 0)
    await assertIs(to, model)
  })
})
