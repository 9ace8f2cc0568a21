import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { File, Files } from '../../../src/platform/index.ts'
import { Cold, Keyspace } from '../../../src/engine/keyspace/index.ts'
import type { Install } from '../../../src/engine/keyspace/index.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, digestOf, key, META, optionsFor, randomEpoch, SEED } from './support.ts'

const SHAPE = { universe: 600, maxKey: 200, maxValue: 5000, deletesIn10: 4 }

async function run(keyspace: Keyspace, model: Model, dice: Dice, seq: number, epochs: number): Promise<number> {
  for (let i = 0; i < epochs; i++) seq = await randomEpoch(keyspace, model, dice, seq, 6, SHAPE)
  return seq
}

/** Applies chunks of `from` until `chunksMax` were. */
async function install(from: Keyspace, install: Install, chunksMax: number): Promise<void> {
  using view = from.view()
  const scan = view.changedSince(0)
  for (let chunks = 0; chunks < chunksMax; chunks++) {
    const chunk = await scan.next(2_000)
    if (chunk === undefined) return
    await install.apply(chunk.bytes)
  }
}

describe('an install that is given up', () => {
  it(`leaves the keyspace as it was, which then goes on, in memory and on disk (seed ${SEED})`, async () => {
    const from = await Keyspace.create(optionsFor(new SimulatedDisk({ seed: SEED }).files(), 4096))
    await run(from, new Map(), new Dice(SEED), 0, 40)
    for (let seed = SEED; seed < SEED + 6; seed++) {
      const dice = new Dice(seed)
      const disk = new SimulatedDisk({ seed })
      const options = optionsFor(disk.files(), 4096, { budgetBytes: (12 + dice.below(40)) * 4096 })
      let to = await Keyspace.create(options)
      const model: Model = new Map()
      let seq = 0
      for (let round = 0; round < 4; round++) {
        seq = await run(to, model, dice, seq, 4 + dice.below(8))
        if (dice.chance(2)) await to.checkpoint(wanted => wanted)
        const { digestS } = to
        const { records, usedPages } = to.stats
        const given = await to.beginInstall(dice.chance(2) ? 'empty' : 'current')
        await install(from, given, dice.below(60))
        await given.abort()
        assert.deepEqual(to.digestS, digestS)
        assert.equal(to.stats.records, records)
        using view = to.view()
        await assertShows(view, model)
        seq = await run(to, model, dice, seq, 3)
        // Writes that were on their way give their places back when they return.
        await to.checkpoint(wanted => wanted)
        assert.ok(to.stats.usedPages <= usedPages + 200, `${to.stats.usedPages} pages are used, before ${usedPages}`)
        assert.deepEqual(to.digestS, digestOf(model))
        assert.equal((await to.scrub()).isEqual, true)
        if (!dice.chance(2)) continue
        await to.close()
        to = (await Keyspace.open(options)).keyspace
        using reopened = to.view()
        await assertShows(reopened, model)
      }
      await to.close()
    }
  })

  it('may be followed by one that is committed', async () => {
    const from = await Keyspace.create(optionsFor(new SimulatedDisk({ seed: SEED }).files(), 4096))
    const model: Model = new Map()
    const seq = await run(from, model, new Dice(SEED), 0, 30)
    const disk = new SimulatedDisk({ seed: SEED + 1 })
    const options = optionsFor(disk.files(), 8192, { budgetBytes: 20 * 8192 })
    const to = await Keyspace.create(options)
    await run(to, new Map(), new Dice(SEED + 1), 0, 5)
    const given = await to.beginInstall('empty')
    await install(from, given, 20)
    await given.abort()
    const second = await to.beginInstall('empty')
    await install(from, second, Number.POSITIVE_INFINITY)
    await second.finish({ seq, meta: META, digestS: from.digestS })
    await assert.rejects(second.abort(), /over/)
    await to.close()
    using view = (await Keyspace.open(options)).keyspace.view()
    await assertShows(view, model)
  })

  it('cannot be taken back when the file has failed', async () => {
    const disk = new SimulatedDisk({ seed: SEED })
    const to = await Keyspace.create(optionsFor(disk.files(), 4096))
    await run(to, new Map(), new Dice(SEED), 0, 5)
    disk.inject({ operation: 'sync', effect: { type: 'fail', systemCode: 'EIO' } })
    await assert.rejects(to.checkpoint(wanted => wanted))
    const given = await to.beginInstall('empty')
    await assert.rejects(given.abort(), /failed before/)
  })
})

describe('an epoch in which nothing was written', () => {
  it('can be dropped, which lets a checkpoint that waits for its end go on', async () => {
    const keyspace = await Keyspace.create(optionsFor(new SimulatedDisk({ seed: SEED }).files(), 4096))
    const model: Model = new Map()
    const seq = await run(keyspace, model, new Dice(SEED), 0, 3)
    keyspace.beginEpoch()
    const checkpoint = keyspace.checkpoint(wanted => wanted)
    await Promise.resolve()
    await Promise.resolve()
    keyspace.dropEpoch()
    assert.equal((await checkpoint).seq, seq)
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(seq + 1)
    keyspace.writer.put(key('k'), new Uint8Array(1), seq + 1, seq + 1, 0)
    assert.throws(() => keyspace.dropEpoch(), /with changes/)
  })
})

/** Holds back every write to the file from the moment that `gate` is closed. */
class GatedFiles {
  readonly written: { position: number; length: number }[] = []
  #release: (() => void) | undefined
  #gate: Promise<void> | undefined

  close(): void {
    this.#gate = new Promise(resolve => (this.#release = resolve))
  }

  open(): void {
    this.#gate = undefined
    this.#release?.()
  }

  over(files: Files): Files {
    const opened = async (path: string, mode: Parameters<Files['open']>[1]): Promise<File> => {
      const file = await files.open(path, mode)
      const write = file.write.bind(file)
      file.write = async (bytes, position) => {
        this.written.push({ position, length: bytes.length })
        await this.#gate
        return write(bytes, position)
      }
      return file
    }
    return new Proxy(files, {
      get: (target, name: keyof Files) => (name === 'open' ? opened : target[name].bind(target)),
    })
  }
}

describe('a large value that is replaced while others are being written', () => {
  it('is not written afterwards: its place may be given to another', async () => {
    const gated = new GatedFiles()
    const files = gated.over(new SimulatedDisk({ seed: SEED }).files())
    const keyspace = await Keyspace.create(optionsFor(files, 4096, { budgetBytes: 64 * 4096 }))
    const large = (fill: number): Uint8Array => new Uint8Array(20_000).fill(fill)
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(1)
    for (let i = 0; i < 4; i++) keyspace.writer.put(key(`k${i}`), large(i), 1, 1, 0)
    gated.written.length = 0
    gated.close()
    // Memory is short, and the first of the four is on its way; the others wait for it.
    await keyspace.load(new Cold())
    assert.equal(gated.written.length, 1)
    keyspace.writer.put(key('k3'), large(9), 1, 1, 0)
    gated.open()
    keyspace.publish(1, META)
    await keyspace.checkpoint(wanted => wanted)
    const places = gated.written.filter(({ length }) => length > 20_000).map(({ position }) => position)
    assert.equal(places.length, 4)
    using view = keyspace.view()
    assert.equal((await view.get(key('k3')))!.value[0], 9)
    assert.equal((await keyspace.scrub()).isEqual, true)
  })
})

describe('a scrub while pages are being written', () => {
  it('takes those from memory that have not arrived, and lets the loop run between its steps', async () => {
    const gated = new GatedFiles()
    const files = gated.over(new SimulatedDisk({ seed: SEED }).files())
    const keyspace = await Keyspace.create(optionsFor(files, 4096, { budgetBytes: 20 * 4096 }))
    const model: Model = new Map()
    const dice = new Dice(SEED)
    // Inline values only: otherwise it is the large ones that are on their way.
    const shape = { universe: 2_000, maxKey: 200, maxValue: 300, deletesIn10: 2 }
    let seq = 0
    for (let i = 0; i < 60; i++) seq = await randomEpoch(keyspace, model, dice, seq, 20, shape)
    gated.close()
    gated.written.length = 0
    while (gated.written.length === 0) seq = await randomEpoch(keyspace, model, dice, seq, 5, shape)
    let turns = 0
    const { damaged, isEqual, pages } = await keyspace.scrub(undefined, () => {
      turns++
      return Promise.resolve()
    })
    assert.deepEqual(damaged, [])
    assert.ok(isEqual)
    assert.ok(turns > pages / 32 && turns < pages, `${turns} turns for ${pages} pages`)
    gated.open()
    await keyspace.checkpoint(wanted => wanted)
    assert.deepEqual(keyspace.digestS, digestOf(model))
  })
})
