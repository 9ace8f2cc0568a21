import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { AT_HEAP, PageKind } from '../../../src/engine/keyspace/layout.ts'
import {
  cellBytes,
  cellCount,
  compactPage,
  copyKey,
  copyPage,
  freeBytes,
  initPage,
  insertCell,
  PageRef,
  packedBytes,
  payloadAt,
  payloadLength,
  rebuildPage,
  removeCell,
  searchPage,
  setPrefix,
  takeCells,
  usedBytes,
} from '../../../src/engine/keyspace/page.ts'

import { Dice, SEED } from './support.ts'

const PAGE_BYTES = 4096

describe('a page with a prefix', () => {
  it('keeps it when its only cell gives way to a larger one', () => {
    const page = PageRef.scratch(PAGE_BYTES)
    const key = new TextEncoder().encode('a key with more than its prefix')
    initPage(page, PageKind.leaf, 0, 7, 1)
    setPrefix(page, key, 5)
    insertCell(page, 0, key, key.length, 2500)
    removeCell(page, 0)
    // The free bytes are in two pieces, neither large enough: the empty page is compacted.
    assert.ok(insertCell(page, 0, key, key.length, 3000) >= 0)
    assert.deepEqual(copyKey(page, 0), key)
    assert.equal(searchPage(page, key, key.length, 0), 0)
  })

  it('finds keys, and the places of those that it has not, whatever of its prefix they have', () => {
    for (let prefix = 0; prefix <= 14; prefix++) {
      const stem = Uint8Array.from({ length: prefix }, (_, i) => 100 + i)
      const cells = [[], [0], [7, 7, 7, 7], [7, 7, 7, 7, 9, 1, 2], [200]].map(rest => Uint8Array.of(...stem, ...rest))
      // One byte of the prefix is another, or some are missing; and whatever has the prefix.
      const others = Array.from(stem, (byte, i) =>
        [byte - 1, byte + 1].flatMap(wrong => [
          Uint8Array.of(...stem.subarray(0, i), wrong, ...stem.subarray(i + 1), 7, 7),
          Uint8Array.of(...stem.subarray(0, i), wrong),
          stem.slice(0, i),
        ]),
      ).flat()
      const wanted = [...cells, ...others, Uint8Array.of(...stem, 7), Uint8Array.of(...stem, 7, 7, 7, 7, 9, 1, 3)]
      for (const base of [0, PAGE_BYTES]) {
        const buffer = new ArrayBuffer(2 * PAGE_BYTES)
        const page = new PageRef(PAGE_BYTES, new Uint8Array(buffer), new Uint32Array(buffer))
        page.base = base
        initPage(page, PageKind.leaf, 0, 7, 1)
        setPrefix(page, stem, prefix)
        cells.forEach((cell, i) => insertCell(page, i, cell, cell.length, 8))
        for (const key of wanted) {
          const at = cells.findIndex(cell => Buffer.compare(cell, key) >= 0)
          const place = at < 0 ? cells.length : at
          const expected = at >= 0 && Buffer.compare(cells[at]!, key) === 0 ? at : ~place
          // What lies behind the key in its array does not count.
          const longer = Uint8Array.of(...key, 100, 101, 102, 103)
          assert.equal(searchPage(page, key, key.length, 0), expected, `${key.join()} among ${prefix}`)
          assert.equal(searchPage(page, longer, key.length, 0), expected, `${key.join()} and more`)
        }
      }
    }
  })
})

interface Cell {
  key: Uint8Array
  payload: Uint8Array
}

describe('a page that is compacted or split', () => {
  for (const size of [4096, 8192, 32768]) {
    it(`of ${size} bytes keeps every cell, whatever was taken out in which order, and so do its parts (seed ${SEED})`, () => {
      const random = new Dice(SEED)
      const page = PageRef.scratch(size)
      const stem = new TextEncoder().encode('stem')
      initPage(page, PageKind.leaf, 0, 7, 1)
      setPrefix(page, stem, stem.length)
      const cells: Cell[] = []
      const check = (page: PageRef, cells: readonly Cell[], prefix = stem.length): void => {
        assert.equal(cellCount(page), cells.length)
        let bytes = prefix
        for (const [i, { key, payload }] of cells.entries()) {
          assert.deepEqual(copyKey(page, i), key)
          const at = payloadAt(page, i)
          assert.deepEqual(page.bytes.slice(at, at + payloadLength(page, i)), payload)
          bytes += cellBytes(key.length, prefix, payload.length)
        }
        assert.equal(usedBytes(page), bytes)
      }
      for (let round = 0; round < 3_000; round++) {
        if (cells.length > 0 && random.below(100) < 45) {
          const index = random.below(cells.length)
          removeCell(page, index)
          cells.splice(index, 1)
        } else {
          const rest = random.bytes(random.below(9))
          const key = Uint8Array.of(...stem, ...rest)
          const found = searchPage(page, key, key.length, 0)
          if (found >= 0) continue
          const payload = random.bytes(random.below(random.below(4) === 0 ? 600 : 20))
          const at = insertCell(page, ~found, key, key.length, payload.length)
          if (at < 0) continue
          page.bytes.set(payload, at)
          cells.splice(~found, 0, { key, payload })
        }
        if (round % 50 === 0) {
          compactPage(page)
          assert.ok(freeInOnePiece(page))
        }
        if (round % 10 !== 0 || cells.length < 2) continue
        check(page, cells)
        const middle = 1 + random.below(cells.length - 1)
        const [left, right, scratch] = [0, 0, 0].map(() => PageRef.scratch(size)) as [PageRef, PageRef, PageRef]
        copyPage(left, page)
        initPage(right, PageKind.leaf, 0, 8, 1)
        takeCells(right, left, middle, cells.length)
        check(right, cells.slice(middle))
        rebuildPage(left, scratch, 0, middle, stem.length)
        check(left, cells.slice(0, middle))
        if (packedBytes(left, 0, middle, 2) <= size - 64) {
          rebuildPage(left, scratch, 0, middle, 2)
          check(left, cells.slice(0, middle), 2)
        }
        assert.deepEqual([left, right].map(freeInOnePiece), [true, true])
      }
      check(page, cells)
    })
  }
})

function freeInOnePiece(page: PageRef): boolean {
  return freeBytes(page) === heapOf(page) - 64 - cellCount(page) * 8
}

function heapOf(page: PageRef): number {
  return page.bytes[AT_HEAP]! | (page.bytes[AT_HEAP + 1]! << 8)
}
