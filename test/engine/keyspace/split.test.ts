import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Keyspace } from '../../../src/engine/keyspace/index.ts'
import { PageKind } from '../../../src/engine/keyspace/layout.ts'
import { initPage, insertCell, PageRef } from '../../../src/engine/keyspace/page.ts'
import { recordHeaderBytes, writeRecordHeader } from '../../../src/engine/keyspace/record.ts'
import { isEndOfRun } from '../../../src/engine/keyspace/split-point.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, hex, key, META, optionsFor, SEED } from './support.ts'

describe('a leaf that is split right where the new record goes', () => {
  it('takes it on the side on which it was counted', async () => {
    const files = new SimulatedDisk({ seed: SEED }).files()
    const retention = { maxVersions: 100, maxAgeMs: 60_000, now: () => 0 }
    const keyspace = await Keyspace.create(optionsFor(files, 4096, { retention }))
    // Many small records, then large ones: half of the bytes is reached with the new one, in front of the large ones.
    const sizes = new Map<string, number>(Array.from({ length: 7 }, (_, i): [string, number] => [`a${i + 10}`, 8]))
    for (const [name, size] of [
      ['m1', 944],
      ['m2', 944],
      ['m3', 560],
      ['m4', 560],
      ['m0', 980],
    ] as const)
      sizes.set(name, size)
    keyspace.beginEpoch()
    let seq = 0
    for (const [name, size] of sizes) {
      keyspace.writer.beginEntry(++seq)
      assert.equal(keyspace.writer.prepare([key(name)]), undefined)
      keyspace.writer.put(key(name), new Uint8Array(size), seq, seq, 0)
    }
    keyspace.publish(seq, META)
    const view = keyspace.view()
    const cursor = view.cursor()
    const found: string[] = []
    while (view.advanceSync(cursor)) found.push(hex(cursor.key))
    assert.deepEqual(found, [...sizes.keys()].map(name => hex(key(name))).sort())
    view.close()
    await keyspace.close()
  })
})

interface Put {
  readonly name: string
  readonly bytes: number
  /** Entries count from 1; one may put many. */
  readonly entry: number
}

const digits = (n: number): string => String(n).padStart(6, '0')

/** Puts all in one epoch, which copies nothing; gives the share of the pages' bytes that the records need. */
async function fillOf(puts: Iterable<Put>): Promise<number> {
  const pageBytes = 4096
  const keyspace = await Keyspace.create(optionsFor(new SimulatedDisk({ seed: SEED }).files(), pageBytes))
  const model: Model = new Map()
  keyspace.beginEpoch()
  let seq = 0
  let bytes = 0
  for (const { name, bytes: length, entry } of puts) {
    seq = entry
    const record = key(name)
    keyspace.writer.beginEntry(seq)
    assert.equal(keyspace.writer.prepare([record]), undefined)
    const value = new Uint8Array(length).fill(entry)
    keyspace.writer.put(record, value, seq, seq, 0)
    model.set(hex(record), { value, versionSeq: seq, createdSeq: seq, expiresAtMicros: 0 })
    // Slot, lengths, seq, and what of the key the page's prefix does not have.
    bytes += 8 + 2 + 8 + length
  }
  keyspace.publish(seq, META)
  const view = keyspace.view()
  await assertShows(view, model)
  view.close()
  const { usedPages } = keyspace.stats
  await keyspace.close()
  return bytes / (usedPages * pageBytes)
}

/** `count` records of each of `series`, which grow in turn; `ofAnEntry` records of a series are one entry. */
function* seriesOf(series: number, count: number, ofAnEntry: number, bytes: (i: number) => number): Generator<Put> {
  let entry = 0
  for (let i = 0; i < count; i += ofAnEntry) {
    for (let s = 0; s < series; s++) {
      entry++
      for (let n = i; n < i + ofAnEntry; n++) yield { name: `s${digits(s)}/${digits(n)}`, bytes: bytes(n), entry }
    }
  }
}

/** A leaf whose cells were created at these seqs. */
function leafOf(created: readonly number[]): PageRef {
  const leaf = PageRef.scratch(4096)
  initPage(leaf, PageKind.leaf, 0, 20, 1)
  created.forEach((seq, i) => {
    // Every third record was changed later: that says nothing of where it was put.
    const version = i % 3 === 0 ? seq + 1_000 : seq
    const name = key(digits(i))
    const at = insertCell(leaf, i, name, name.length, recordHeaderBytes(version, seq, 0) + 1)
    writeRecordHeader(leaf.bytes, at, version, seq, 0, false)
  })
  return leaf
}

describe('leaves where several ascending series grow', () => {
  it('are known by when their records were created', () => {
    const run = [5, 6, 7, 7, 8, 9, 11, 12]
    const isEnd = (before: readonly number[], after: readonly number[]): boolean =>
      isEndOfRun(leafOf([...before, ...after]), before.length)
    assert.equal(isEnd(run, [3]), true)
    assert.equal(isEnd([20, 2, ...run], [11, 30]), true, 'nothing else on the page matters')
    assert.equal(isEnd(run, [12]), false, 'what follows was not there before')
    assert.equal(isEnd(run, [40]), false)
    assert.equal(isEnd(run, []), false, 'the end of a page is that of an ascending load, or nothing')
    assert.equal(isEnd(run.slice(1), [3]), false, 'too few')
    for (let i = 0; i < run.length - 1; i++) {
      assert.equal(isEnd(run.with(i, 13), [3]), false, `the record ${i} was created last`)
    }
  })

  it('are left behind full, as those at the end of an ascending load', async () => {
    for (const ofAnEntry of [1, 4, 25]) {
      const fill = await fillOf(seriesOf(10, 300, ofAnEntry, () => 32))
      assert.ok(fill > 0.65, `series by ${ofAnEntry} fill ${fill.toFixed(2)} of their pages`)
    }
  })

  it('hold all records, whatever their sizes: the new one may fit on the left, or begin the right page', async () => {
    const dice = new Dice(SEED)
    const fill = await fillOf(seriesOf(7, 300, 1, () => (dice.chance(4) ? dice.below(900) : dice.below(60))))
    assert.ok(fill > 0.7, `fill ${fill.toFixed(2)}`)
  })

  it('are halved where nothing ascends: what is put in no order, by many entries or by one, and between what was loaded in order', async () => {
    const dice = new Dice(SEED + 1)
    const names = Array.from({ length: 6_000 }, (_, i) => digits(i))
    for (let i = names.length - 1; i > 0; i--) {
      const other = dice.below(i + 1)
      ;[names[i], names[other]] = [names[other]!, names[i]!]
    }
    const byMany = names.map((name, i) => ({ name, bytes: 32, entry: i + 1 }))
    const byOne = names.map(name => ({ name, bytes: 32, entry: 1 }))
    const loaded = Array.from({ length: 3_000 }, (_, i) => ({ name: digits(i), bytes: 32, entry: i + 1 }))
    const between = names.slice(0, 3_000).map((name, i) => ({
      name: `${digits(Number(name) >>> 1)}+${name}`,
      bytes: 32,
      entry: 3_001 + i,
    }))
    for (const [what, puts] of Object.entries({ byMany, byOne, between: [...loaded, ...between] })) {
      const fill = await fillOf(puts)
      // Longer keys, of which more than is counted stands in the pages.
      assert.ok(fill > (what === 'between' ? 0.46 : 0.58), `${what}: fill ${fill.toFixed(2)}`)
    }
  })
})
