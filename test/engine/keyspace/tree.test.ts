import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { Keyspace as KeyspaceType, KeyspaceOptions, KeyspaceView } from '../../../src/engine/keyspace/index.ts'
import { Keyspace, maxKeyBytes } from '../../../src/engine/keyspace/index.ts'
import {
  Dice,
  digestOf,
  hex,
  key,
  META,
  optionsFor,
  randomEntry,
  randomKey,
  sameRecord,
  SEED,
  sortedKeys,
  warm,
} from './support.ts'
import type { Model } from './support.ts'

function options(pageBytes: KeyspaceOptions['pageBytes']): KeyspaceOptions {
  const files = new SimulatedDisk({ seed: SEED }).files()
  return optionsFor(files, pageBytes, { retention: { maxVersions: 100, maxAgeMs: 60_000, now: () => 0 } })
}

function scan(view: KeyspaceView, range: { start?: Uint8Array; end?: Uint8Array; reverse?: boolean }): string[] {
  const cursor = view.cursor(range)
  const found: string[] = []
  while (view.advanceSync(cursor)) found.push(hex(cursor.key))
  return found
}

function compareWithModel(view: KeyspaceView, model: Model, dice: Dice): void {
  const keys = sortedKeys(model)
  const cursor = view.cursor()
  for (const text of keys) {
    assert.equal(view.advanceSync(cursor), true)
    assert.equal(hex(cursor.key), text)
    sameRecord(view.recordOfSync(cursor), model.get(text), text)
    sameRecord(view.getSync(Buffer.from(text, 'hex')), model.get(text), text)
  }
  assert.equal(view.advanceSync(cursor), false)
  assert.deepEqual(scan(view, { reverse: true }), keys.toReversed())
  for (let i = 0; i < 20; i++) {
    const [start, end] = [randomKey(dice, 4000, 60), randomKey(dice, 4000, 60)]
    const wanted = keys.filter(text => text >= hex(start) && text < hex(end))
    assert.deepEqual(scan(view, { start, end }), wanted)
    assert.deepEqual(scan(view, { start, end, reverse: true }), wanted.toReversed())
  }
}

function grow(keyspace: KeyspaceType, count: number, text: (i: number) => string, valueBytes = 40): void {
  for (let i = 0; i < count; i += 64) {
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(i + 64)
    for (let j = i; j < Math.min(count, i + 64); j++) {
      keyspace.writer.put(key(text(j)), new Uint8Array(valueBytes), i + 64, i + 64, 0)
    }
    keyspace.publish(i + 64, META)
  }
}

describe('the tree, compared with a sorted map', () => {
  for (const pageBytes of [4096, 8192, 16384, 32768] as const) {
    it(`holds the same records under random puts and deletes, pages of ${pageBytes} (seed ${SEED})`, async () => {
      const dice = new Dice(SEED + pageBytes)
      const keyspace = await Keyspace.create(options(pageBytes))
      const model: Model = new Map()
      let seq = 0
      for (let round = 0; round < 12; round++) {
        const deletesIn10 = [2, 8, 5][round % 3]!
        for (let epoch = 0; epoch < 15; epoch++) {
          keyspace.beginEpoch()
          for (let entry = 0; entry < 12; entry++) {
            const shape = { universe: 4000, maxKey: maxKeyBytes(pageBytes), maxValue: pageBytes, deletesIn10 }
            await randomEntry(keyspace, model, dice, ++seq, shape)
          }
          keyspace.publish(seq, META)
        }
        assert.deepEqual(keyspace.digestS, digestOf(model), `S after seq ${seq}`)
        assert.equal(keyspace.stats.records, model.size)
        using view = keyspace.view()
        compareWithModel(view, model, dice)
      }
    })
  }

  it(`finds prepared keys where they have moved to since (seed ${SEED})`, async () => {
    const dice = new Dice(SEED)
    const keyspace = await Keyspace.create(options(4096))
    const model: Model = new Map()
    const { writer } = keyspace
    for (let seq = 1; seq <= 300; seq++) {
      // Neighbours: what happens to one splits, empties, merges or refills the leaves of those that follow.
      const from = dice.below(600)
      const keys = Array.from({ length: 24 }, (_, i) => key(`k${String(from + i).padStart(5, '0')}`))
      keyspace.beginEpoch()
      writer.beginEntry(seq)
      assert.equal(writer.prepare(keys), undefined)
      const isDeleting = seq % 2 === 0
      if (dice.chance(2)) keys.reverse()
      for (const bytes of keys) {
        for (const other of keys) assert.equal(writer.has(other), model.has(hex(other)))
        const text = hex(bytes)
        const old = model.get(text)
        if (isDeleting) {
          assert.equal(writer.delete(bytes), model.delete(text))
          continue
        }
        const value = dice.bytes(dice.chance(2) ? 900 + dice.below(70) : dice.below(30))
        assert.equal(writer.put(bytes, value, seq, seq, 0).oldVersionSeq, old?.versionSeq ?? 0)
        model.set(text, { value, versionSeq: seq, createdSeq: seq, expiresAtMicros: 0 })
      }
      keyspace.publish(seq, META)
    }
    using view = keyspace.view()
    compareWithModel(view, model, dice)
    assert.deepEqual(keyspace.digestS, digestOf(model))
  })

  it('gives nearly all pages back when everything is deleted', async () => {
    const keyspace = await Keyspace.create(options(4096))
    grow(keyspace, 20_000, i => `k${String((i * 7919) % 20_000).padStart(8, '0')}`)
    assert.ok(keyspace.stats.usedPages > 300)
    let seq = 20_064
    for (let i = 0; i < 20_000; i += 50) {
      keyspace.beginEpoch()
      keyspace.writer.beginEntry(++seq)
      for (let j = i; j < i + 50; j++) {
        assert.equal(keyspace.writer.delete(key(`k${String((j * 31) % 20_000).padStart(8, '0')}`)), true)
      }
      keyspace.publish(seq, META)
    }
    assert.equal(keyspace.stats.records, 0)
    assert.deepEqual(keyspace.digestS, { lo: 0, hi: 0 })
    assert.ok(keyspace.stats.usedPages <= 40, `${keyspace.stats.usedPages} pages are still in use`)
  })

  it('fills pages when keys ascend', async () => {
    const keyspace = await Keyspace.create(options(8192))
    grow(keyspace, 20_000, i => `k${String(i).padStart(16, '0')}`)
    // 40 bytes of value and about 20 of key, version, slot: under 75 bytes a record in full pages.
    assert.ok(keyspace.stats.usedPages * 8192 < 20_000 * 85, `${keyspace.stats.usedPages} pages`)
  })
})

describe('views', () => {
  it(`each shows its own moment, however long it is held (seed ${SEED})`, async () => {
    const dice = new Dice(SEED)
    const keyspace = await Keyspace.create(options(4096))
    const model: Model = new Map()
    const held: { view: KeyspaceView; records: Model }[] = []
    let seq = 0
    for (let epoch = 0; epoch < 120; epoch++) {
      keyspace.beginEpoch()
      for (let entry = 0; entry < 10; entry++) {
        await randomEntry(keyspace, model, dice, ++seq, { universe: 1500, maxKey: 300, maxValue: 3000, deletesIn10: 4 })
      }
      keyspace.publish(seq, META)
      if (dice.chance(6)) held.push({ view: keyspace.view(), records: new Map(model) })
      if (held.length > 6) held.splice(dice.below(held.length), 1)[0]!.view.close()
    }
    for (const { view, records } of held) compareWithModel(view, records, dice)
    for (const { view } of held) view.close()
  })

  it('keep no page once they are closed', async () => {
    const keyspace = await Keyspace.create(options(4096))
    grow(keyspace, 5000, i => `k${String((i * 7919) % 5000).padStart(8, '0')}`)
    const before = keyspace.stats.usedPages
    const view = keyspace.view()
    let seq = 6000
    for (let i = 0; i < 2000; i++) {
      keyspace.beginEpoch()
      keyspace.writer.beginEntry(++seq)
      keyspace.writer.put(key(`k${String((i * 31) % 5000).padStart(8, '0')}`), new Uint8Array(40), seq, 1, 0)
      keyspace.publish(seq, META)
    }
    // The view sees the old pages, one copy of each; what was born and died since is gone already.
    assert.ok(keyspace.stats.usedPages <= before * 2 + 10, `${keyspace.stats.usedPages} of ${before}`)
    view.close()
    assert.ok(keyspace.stats.usedPages <= before + 20, `${keyspace.stats.usedPages} of ${before}`)
  })

  it('show a record where it lies, and of a large one that it is large', async () => {
    const keyspace = await Keyspace.create(options(4096))
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(7)
    keyspace.writer.put(key('small'), Uint8Array.of(1, 2, 3), 7, 5, 9)
    keyspace.writer.put(key('large'), new Uint8Array(5000), 7, 7, 0)
    keyspace.publish(7, META)
    using view = keyspace.view()
    const small = warm(view.peek(key('small')))!
    const { versionSeq, createdSeq, expiresAtMicros, isLarge, bytes, valueAt, valueBytes } = small
    assert.deepEqual(
      { versionSeq, createdSeq, expiresAtMicros, isLarge },
      { versionSeq: 7, createdSeq: 5, expiresAtMicros: 9, isLarge: false },
    )
    assert.deepEqual(bytes.slice(valueAt, valueAt + valueBytes), Uint8Array.of(1, 2, 3))
    assert.equal(warm(view.peek(key('large')))!.isLarge, true)
    assert.equal(view.peek(key('other')), undefined)
  })

  it('the writer sees its own changes, views only what was published', async () => {
    const keyspace = await Keyspace.create(options(4096))
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(1)
    keyspace.writer.put(key('a'), Uint8Array.of(1), 1, 1, 0)
    assert.equal(keyspace.writer.has(key('a')), true)
    assert.equal(keyspace.view().getSync(key('a')), undefined)
    keyspace.publish(1, META)
    assert.equal(keyspace.view().getSync(key('a'))?.versionSeq, 1)
    assert.equal(keyspace.viewAt(0)?.getSync(key('a')), undefined)
  })

  it('a cursor of the writer goes on behind its last key after a change', async () => {
    const keyspace = await Keyspace.create(options(4096))
    keyspace.beginEpoch()
    keyspace.writer.beginEntry(1)
    for (let i = 0; i < 500; i++) keyspace.writer.put(key(`k${1000 + i * 2}`), new Uint8Array(30), 1, 1, 0)
    const cursor = keyspace.writer.cursor({})
    const seen: string[] = []
    while (cursor.next() === true) {
      seen.push(new TextDecoder().decode(cursor.key))
      if (seen.length % 10 === 0) keyspace.writer.delete(cursor.key)
    }
    assert.equal(seen.length, 500)
    assert.deepEqual(seen, seen.toSorted())
    assert.equal(keyspace.stats.records, 450)
  })
})
