import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Files } from '../../../src/platform/index.ts'
import { SimulatedCrash, SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { Mutants } from '../../../src/engine/keyspace/index.ts'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, digestOf, key, META, optionsFor, randomEpoch, SEED } from './support.ts'

/** Adds the length of each write of the page file to `writes`, and 0 for each sync. */
function countingWrites(files: Files, writes: number[]): Files {
  const opening = files.open.bind(files)
  const open: Files['open'] = async (path, mode) => {
    const file = await opening(path, mode)
    const write = file.write.bind(file)
    file.write = (bytes, position) => {
      writes.push(bytes.length)
      return write(bytes, position)
    }
    const sync = file.sync.bind(file)
    file.sync = () => {
      writes.push(0)
      return sync()
    }
    return file
  }
  return Object.assign(files, { open })
}

/** Has each write take its bytes some turns after it was called, in no order. */
function slowWrites(files: Files, dice: Dice): Files {
  const opening = files.open.bind(files)
  const open: Files['open'] = async (path, mode) => {
    const file = await opening(path, mode)
    const write = file.write.bind(file)
    file.write = async (bytes, position) => {
      for (let turns = dice.below(8); turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
      await write(bytes, position)
    }
    return file
  }
  return Object.assign(files, { open })
}

const SHAPE = { universe: 300, maxKey: 200, maxValue: 6000, deletesIn10: 4 }
const FOUR_PAGES = 4 * 4096

describe('a keyspace on disk', () => {
  it(`is the same after it was closed and opened (seed ${SEED})`, async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const dice = new Dice(SEED)
    const model: Model = new Map()
    let keyspace = await Keyspace.create(optionsFor(disk.files(), 4096))
    let seq = 0
    for (let round = 0; round < 6; round++) {
      for (let epoch = 0; epoch < 8; epoch++) seq = await randomEpoch(keyspace, model, dice, seq, 8, SHAPE)
      assert.deepEqual(await keyspace.checkpoint(wanted => wanted), { seq })
      await keyspace.close()
      const opened = await Keyspace.open(optionsFor(disk.files(), 8192))
      keyspace = opened.keyspace
      assert.equal(opened.superblock.seq, seq)
      assert.equal(opened.superblock.pageBytes, 4096)
      assert.deepEqual(opened.superblock.membership, Uint8Array.of(1, 2, 3))
      assert.deepEqual(opened.superblock.digestS, digestOf(model))
      assert.deepEqual(keyspace.digestS, digestOf(model))
      using view = keyspace.view()
      await assertShows(view, model)
    }
    await keyspace.close()
  })

  it(`works within four pages of memory, everything else on file (seed ${SEED})`, async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const dice = new Dice(SEED + 1)
    const model: Model = new Map()
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { budgetBytes: FOUR_PAGES }))
    let seq = 0
    const shape = { ...SHAPE, universe: 2000, deletesIn10: 3 }
    for (let epoch = 0; epoch < 60; epoch++) {
      seq = await randomEpoch(keyspace, model, dice, seq, 6, shape)
      if (epoch % 20 === 19) await keyspace.checkpoint(wanted => wanted)
    }
    assert.deepEqual(keyspace.digestS, digestOf(model))
    using view = keyspace.view()
    await assertShows(view, model)
    assert.ok(keyspace.stats.usedPages > 60, `${keyspace.stats.usedPages} pages`)
    assert.ok(keyspace.stats.residentPages <= 20, `${keyspace.stats.residentPages} pages in memory`)
    await keyspace.close()
  })

  it(`lets views of long ago read pages that have left memory (seed ${SEED})`, async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const dice = new Dice(SEED + 2)
    const model: Model = new Map()
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { budgetBytes: 16 * 4096 }))
    let seq = 0
    for (let epoch = 0; epoch < 30; epoch++) seq = await randomEpoch(keyspace, model, dice, seq, 6, SHAPE)
    const view = keyspace.view()
    const records: Model = new Map(model)
    for (let epoch = 0; epoch < 60; epoch++) {
      seq = await randomEpoch(keyspace, model, dice, seq, 6, SHAPE)
      if (epoch % 7 === 0) await keyspace.checkpoint(wanted => wanted)
    }
    await assertShows(view, records)
    for (const [text, record] of records) {
      assert.deepEqual(view.getSync(Buffer.from(text, 'hex'))?.value, record.value)
    }
    view.close()
    await keyspace.close()
  })

  it('writes neighbours in the file together, however far apart their keys are', async () => {
    const writes: number[] = []
    const disk = new SimulatedDisk({ seed: SEED })
    const keyspace = await Keyspace.create(optionsFor(countingWrites(disk.files(), writes), 4096))
    const dice = new Dice(SEED)
    const keys = Array.from({ length: 6_000 }, () => dice.bytes(12))
    let seq = 0
    for (let round = 0; round < 2; round++) {
      keyspace.beginEpoch(true)
      for (const bytes of keys) {
        keyspace.writer.beginEntry(++seq)
        keyspace.writer.put(bytes, dice.bytes(100), seq, seq, 0)
      }
      keyspace.publish(seq, META)
      writes.length = 0
      await keyspace.checkpoint(wanted => wanted)
    }
    const pages = writes.reduce((sum, bytes) => sum + bytes, 0) / 4096
    assert.ok(pages > 200, `${pages} pages`)
    const count = writes.filter(bytes => bytes > 0).length
    assert.ok(count < pages / 10, `${count} writes of ${pages} pages`)
    await keyspace.close()
  })

  it(`leaves what is on its way to the file as it is, while a checkpoint and what memory has no room for are written (seed ${SEED})`, async () => {
    const dice = new Dice(SEED)
    const files = slowWrites(new SimulatedDisk({ seed: SEED }).files(), dice)
    const keyspace = await Keyspace.create(optionsFor(files, 4096, { budgetBytes: 160 * 4096 }))
    const names = Array.from({ length: 2_400 }, (_, i) => key(`name ${i}`))
    let seq = 0
    for (let round = 0; round < 4; round++) {
      const checkpoints = []
      for (let epoch = 0; epoch < 12; epoch++) {
        keyspace.beginEpoch()
        for (const name of names.filter((_, i) => i % 4 === epoch % 4)) {
          keyspace.writer.beginEntry(++seq)
          for (let cold; (cold = keyspace.writer.prepare([name])) !== undefined;) await keyspace.load(cold)
          keyspace.writer.put(name, dice.bytes(400), seq, seq, 0)
        }
        keyspace.publish(seq, META)
        checkpoints.push(keyspace.checkpoint(wanted => wanted))
        for (let turns = dice.below(6); turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
      }
      await Promise.all(checkpoints)
      const { damaged } = await keyspace.scrub()
      assert.deepEqual(damaged, [])
    }
    await keyspace.close()
  })

  it('never has the disk take much at once: a checkpoint syncs on the way, its large values too', async () => {
    const MIB = 1 << 20
    const writes: number[] = []
    const files = countingWrites(new SimulatedDisk({ seed: SEED }).files(), writes)
    const keyspace = await Keyspace.create(optionsFor(files, 4096, { budgetBytes: 64 * MIB }))
    const dice = new Dice(SEED)
    let seq = 0
    for (const [count, bytes] of [
      [12_000, 500],
      [30, 200_000],
    ] as const) {
      keyspace.beginEpoch(true)
      for (let i = 1; i <= count; i++) {
        const name = key(`${count}:${i}`)
        keyspace.writer.beginEntry(++seq)
        assert.equal(keyspace.writer.prepare([name]), undefined)
        keyspace.writer.put(name, dice.bytes(bytes), seq, seq, 0)
      }
      keyspace.publish(seq, META)
      writes.length = 0
      await keyspace.checkpoint(wanted => wanted)
      let unsynced = 0
      let most = 0
      for (const written of writes) most = Math.max(most, (unsynced = written === 0 ? 0 : unsynced + written))
      const all = writes.reduce((sum, written) => sum + written, 0)
      assert.ok(all > 5 * MIB, `${all} bytes in all`)
      assert.ok(most < MIB, `${most} bytes before a sync`)
    }
    await keyspace.close()
  })

  it('reads one page once for all who miss it at the same time', async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const model: Model = new Map()
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096))
    await randomEpoch(keyspace, model, new Dice(SEED), 0, 200, { ...SHAPE, deletesIn10: 0 })
    await keyspace.checkpoint(wanted => wanted)
    await keyspace.close()
    const { keyspace: opened } = await Keyspace.open(optionsFor(disk.files(), 4096))
    using view = opened.view()
    const keys = [...model.keys()].map(text => Buffer.from(text, 'hex'))
    const all = await Promise.all([...keys, ...keys].map(async bytes => view.get(bytes)))
    assert.ok(all.every(record => record !== undefined))
    assert.ok(opened.stats.residentPages <= opened.stats.usedPages, 'a page was read into two frames')
    await opened.close()
  })
})

/** The script whose every disk call is a place to crash. Tells which seqs were acknowledged as durable. */
async function script(
  disk: SimulatedDisk,
  seed: number,
  mutants: Mutants,
  history: Map<number, Model>,
  acknowledged: number[],
): Promise<void> {
  const dice = new Dice(seed)
  const model: Model = new Map()
  const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { budgetBytes: 12 * 4096, mutants }))
  acknowledged.push(0)
  let seq = 0
  for (let round = 0; round < 5; round++) {
    // Half of the epochs run while the checkpoint does.
    for (let epoch = 0; epoch < 3; epoch++) {
      seq = await randomEpoch(keyspace, model, dice, seq, 3, SHAPE)
      history.set(seq, new Map(model))
    }
    const checkpoint = keyspace.checkpoint(async wanted => wanted)
    for (let epoch = 0; epoch < 3; epoch++) {
      seq = await randomEpoch(keyspace, model, dice, seq, 3, SHAPE)
      history.set(seq, new Map(model))
    }
    acknowledged.push((await checkpoint).seq)
  }
  await keyspace.close()
}

/** Crashes the script at one call and checks what is found then. False when the script ended before that call. */
async function crashAndReopen(
  seed: number,
  call: number,
  moment: 'before' | 'after',
  mutants: Mutants,
): Promise<boolean> {
  const disk = new SimulatedDisk({ seed: seed + call })
  const history = new Map<number, Model>([[0, new Map()]])
  const acknowledged: number[] = []
  disk.crashAt(call, moment)
  let crashed = false
  try {
    await script(disk, seed, mutants, history, acknowledged)
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined
    assert.ok(error instanceof SimulatedCrash || cause instanceof SimulatedCrash, String(error))
    crashed = true
  }
  if (!crashed) return false
  disk.cancelCrash()
  if (acknowledged.length === 0) return true
  const options = optionsFor(disk.files(), 4096, { budgetBytes: 12 * 4096, mutants })
  const { keyspace, superblock } = await Keyspace.open(options)
  assert.ok(superblock.seq >= acknowledged.at(-1)!, `durable ${acknowledged.at(-1)}, found ${superblock.seq}`)
  const model: Model = new Map(history.get(superblock.seq))
  assert.deepEqual(superblock.digestS, digestOf(model))
  {
    using view = keyspace.view()
    await assertShows(view, model)
  }
  // The older root is whole too, and what was never reached by a superblock is free again.
  const older = keyspace.superblocks[1]
  if (older !== undefined) {
    using view = keyspace.viewAt(older.seq)!
    await assertShows(view, history.get(older.seq)!)
  }
  const dice = new Dice(call)
  let seq = superblock.seq
  for (let epoch = 0; epoch < 3; epoch++) seq = await randomEpoch(keyspace, model, dice, seq, 3, SHAPE)
  await keyspace.checkpoint(wanted => wanted)
  await keyspace.close()
  const again = await Keyspace.open(optionsFor(disk.files(), 4096, { mutants }))
  using view = again.keyspace.view()
  await assertShows(view, model)
  await again.keyspace.close()
  return true
}

/** Crashes at every `step`-th call until the script gets through. */
async function crashEverywhere(seed: number, step: number, mutants: Mutants = {}): Promise<number> {
  let call = 1
  while (await crashAndReopen(seed, call, call % 2 === 0 ? 'before' : 'after', mutants)) call += step
  return call
}

describe('a power loss', () => {
  it(`at any disk call leaves a checkpoint that is whole and not older than acknowledged (seed ${SEED})`, async () => {
    const calls = await crashEverywhere(SEED, 1)
    assert.ok(calls > 60, `${calls} calls`)
  })

  for (const mutant of ['superblockBeforePages', 'freeBeforeSuperblock', 'overwriteInPlace'] as const) {
    it(`would show that ${mutant} is wrong`, async () => {
      await assert.rejects(async () => {
        for (let seed = SEED; seed < SEED + 8; seed++) await crashEverywhere(seed, 1, { [mutant]: true })
      })
    })
  }
})
