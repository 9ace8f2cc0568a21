import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PageKind } from '../../../src/engine/keyspace/layout.ts'
import {
  copyKey,
  initPage,
  insertCell,
  PageRef,
  removeCell,
  searchPage,
  setPrefix,
} from '../../../src/engine/keyspace/page.ts'

const PAGE_BYTES = 4096

describe('a page with a prefix', () => {
  it('keeps it when its only cell gives way to a larger one', () => {
    const page = PageRef.scratch(PAGE_BYTES)
    const scratch = PageRef.scratch(PAGE_BYTES)
    const key = new TextEncoder().encode('a key with more than its prefix')
    initPage(page, PageKind.leaf, 0, 7, 1)
    setPrefix(page, key, 5)
    insertCell(page, scratch, 0, key, key.length, 2500)
    removeCell(page, 0)
    // The free bytes are in two pieces, neither large enough: the empty page is compacted.
    assert.ok(insertCell(page, scratch, 0, key, key.length, 3000) >= 0)
    assert.deepEqual(copyKey(page, 0), key)
    assert.equal(searchPage(page, key, key.length, 0), 0)
  })
})
