import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { Mutants, PageReport } from '../../../src/engine/keyspace/index.ts'
import { Keyspace, PageDamage } from '../../../src/engine/keyspace/index.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, digestOf, key, META, optionsFor, randomEpoch, SEED } from './support.ts'

const SHAPE = { universe: 300, maxKey: 200, maxValue: 6000, deletesIn10: 4 }
const FILE = 'pages/data'

/**
 * Runs with one write of the page file lost or misplaced, crashes the machine, and reads everything. Nothing wrong may be
 * shown; returns whether damage was reported.
 */
async function withFault(seed: number, skip: number, effect: 'lose' | 'misdirect', mutants: Mutants): Promise<boolean> {
  const disk = new SimulatedDisk({ seed })
  const dice = new Dice(seed)
  const model: Model = new Map()
  const options = optionsFor(disk.files(), 4096, { budgetBytes: 12 * 4096, mutants })
  const history = new Map<number, Model>([[0, new Map()]])
  try {
    const keyspace = await Keyspace.create(options)
    let seq = 0
    for (let round = 0; round < 6; round++) {
      // From the third round on places are used again, so that a lost write leaves an older page behind.
      if (round === 3) {
        const fault = effect === 'lose' ? { type: effect } : { type: effect, position: 65536 + 4096 * (seed % 20) }
        disk.inject({ operation: 'write', path: path => path.endsWith('data'), skip, effect: fault })
      }
      for (let epoch = 0; epoch < 4; epoch++) {
        seq = await randomEpoch(keyspace, model, dice, seq, 3, SHAPE)
        history.set(seq, new Map(model))
      }
      await keyspace.checkpoint(wanted => wanted)
    }
    await keyspace.close()
    disk.crash()
    const opened = await Keyspace.open(optionsFor(disk.files(), 4096, { mutants }))
    using view = opened.keyspace.view()
    await assertShows(view, history.get(opened.superblock.seq)!)
    return false
  } catch (error) {
    if (error instanceof PageDamage) {
      assert.match(error.file, /data$/)
      assert.ok(error.offset >= 0 && error.length > 0)
      return true
    }
    throw error
  }
}

describe('damage', () => {
  it(`a lost or misplaced write is reported or harmless, never served (seed ${SEED})`, async () => {
    let reported = 0
    for (let skip = 0; skip < 25; skip++) {
      if (await withFault(SEED + skip, skip, 'lose', {})) reported++
      if (await withFault(SEED + skip, skip, 'misdirect', {})) reported++
    }
    assert.ok(reported >= 10, `${reported} of 50 faults were reported`)
  })

  /** A keyspace of one leaf, checkpointed after every change; the leaf of checkpoint `lostAt` is never written. */
  async function loseLeaf(lostAt: number, mutants: Mutants): Promise<void> {
    const disk = new SimulatedDisk({ seed: lostAt })
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { mutants }))
    for (let seq = 1; seq <= lostAt; seq++) {
      keyspace.beginEpoch()
      keyspace.writer.beginEntry(seq)
      keyspace.writer.put(key('k'), Uint8Array.of(seq), seq, 1, 0)
      keyspace.publish(seq, META)
      // Space digests, directory and map are written before the tree.
      if (seq === lostAt) disk.inject({ operation: 'write', skip: 3, effect: { type: 'lose' } })
      await keyspace.checkpoint(wanted => wanted)
    }
    await keyspace.close()
    disk.crash()
    const { keyspace: opened, superblock } = await Keyspace.open(optionsFor(disk.files(), 4096, { mutants }))
    assert.equal(superblock.seq, lostAt)
    assert.equal(opened.view().getSync(key('k'))?.versionSeq, lostAt)
  }

  it('a lost write is seen even where an older version of the same page lies', async () => {
    for (let lostAt = 1; lostAt <= 16; lostAt++) await assert.rejects(loseLeaf(lostAt, {}), PageDamage)
  })

  it('would show a checksum that stands in the page instead of the pointer', async () => {
    const wrong: unknown[] = []
    for (let lostAt = 1; lostAt <= 16; lostAt++) {
      await loseLeaf(lostAt, { checksumInPage: true }).catch((error: unknown) => wrong.push(error))
    }
    assert.ok(wrong.some(error => error instanceof assert.AssertionError))
  })

  it('any flipped bit of a reachable page or extent is found by scrub, at its place', async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const model: Model = new Map()
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096))
    let seq = 0
    for (let epoch = 0; epoch < 20; epoch++)
      seq = await randomEpoch(keyspace, model, new Dice(SEED + epoch), seq, 6, SHAPE)
    await keyspace.checkpoint(wanted => wanted)
    const clean = await keyspace.scrub()
    assert.equal(clean.isEqual, true)
    assert.deepEqual(clean.digestS, digestOf(model))
    assert.deepEqual(clean.damaged, [])
    const dice = new Dice(SEED)
    const pages: PageReport[] = []
    for await (const page of keyspace.listPages()) pages.push(page)
    assert.equal(pages.length, clean.pages)
    assert.ok(pages.some(page => page.kind === 'extent') && pages.some(page => page.kind === 'branch'))
    for (let i = 0; i < 40; i++) {
      const page = pages[dice.below(pages.length)]!
      // An extent's padding is not checked: nothing reads it.
      const position = page.offset + dice.below(page.kind === 'extent' ? 1000 : page.length)
      disk.flipBit(FILE, position, i & 7)
      const found = await keyspace.scrub()
      assert.deepEqual(
        found.damaged.map(damage => damage.offset),
        [page.offset],
      )
      disk.flipBit(FILE, position, i & 7)
    }
  })

  it('a flipped bit in one superblock falls back to the other; in both it refuses to open', async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const model: Model = new Map()
    const dice = new Dice(SEED)
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096))
    let seq = await randomEpoch(keyspace, model, dice, 0, 6, SHAPE)
    await keyspace.checkpoint(wanted => wanted)
    const before: Model = new Map(model)
    const beforeSeq = seq
    seq = await randomEpoch(keyspace, model, dice, seq, 6, SHAPE)
    await keyspace.checkpoint(wanted => wanted)
    const newest = keyspace.superblocks[0]!.number % 2
    await keyspace.close()
    disk.flipBit(FILE, newest * 32768 + 60, 3)
    const opened = await Keyspace.open(optionsFor(disk.files(), 4096))
    assert.equal(opened.superblock.seq, beforeSeq)
    {
      using view = opened.keyspace.view()
      await assertShows(view, before)
    }
    await opened.keyspace.close()
    disk.flipBit(FILE, (1 - newest) * 32768 + 60, 3)
    await assert.rejects(Keyspace.open(optionsFor(disk.files(), 4096)), PageDamage)
  })

  it('the first failed write is final', async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096))
    await randomEpoch(keyspace, new Map(), new Dice(SEED), 0, 6, SHAPE)
    disk.inject({ operation: 'sync', effect: { type: 'fail', systemCode: 'EIO' } })
    await assert.rejects(keyspace.checkpoint(wanted => wanted))
    assert.notEqual(keyspace.failure, undefined)
    await assert.rejects(
      keyspace.checkpoint(wanted => wanted),
      /failed before/,
    )
  })
})

describe('mutants of the tree', () => {
  for (const mutant of ['viewSeesLater', 'digestKeepsOverwritten'] as const) {
    it(`would show that ${mutant} is wrong`, async () => {
      const disk = new SimulatedDisk({ seed: SEED })
      const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { mutants: { [mutant]: true } }))
      const model: Model = new Map()
      const dice = new Dice(SEED)
      let seq = await randomEpoch(keyspace, model, dice, 0, 20, SHAPE)
      using view = keyspace.view()
      const then: Model = new Map(model)
      for (let epoch = 0; epoch < 10; epoch++) seq = await randomEpoch(keyspace, model, dice, seq, 20, SHAPE)
      await assert.rejects(async () => {
        await assertShows(view, then)
        assert.deepEqual(keyspace.digestS, digestOf(model))
      })
    })
  }
})

describe('a keyspace whose S has drifted', () => {
  it('opens again with that S, which a scrub shows to be wrong, even if the space where it drifted is empty by now', async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const options = optionsFor(disk.files(), 4096, { mutants: { digestKeepsOverwritten: true } })
    const keyspace = await Keyspace.create(options)
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(1)
    for (const text of ['a', 'b', 'b']) keyspace.writer.put(key(text), Uint8Array.of(1), 1, 1, 0)
    keyspace.writer.delete(key('b'))
    keyspace.publish(1, META)
    await keyspace.checkpoint(wanted => wanted)
    const { digestS } = keyspace
    await keyspace.close()
    const { keyspace: opened } = await Keyspace.open(options)
    assert.deepEqual(opened.digestS, digestS)
    assert.deepEqual(
      opened.spaceDigests().map(({ records }) => records),
      [1],
    )
    assert.equal((await opened.scrub()).isEqual, false)
  })
})
