import { percentiles, NS, Result } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { benchFolder, filled, timedNow, warmUp } from './setup.ts'
import { PagedStore } from '../../src/entry/engine.ts'

const PAGE_BYTES = 4_096
const CACHE_PAGES = 128
const PAGES = 1_024
const PAYLOAD_BYTES = 2_048

export async function run(): Promise<Outcome> {
  const payloads = Array.from({ length: PAGES }, (_, i) => filled(PAYLOAD_BYTES, i))
  const single = await PagedStore.open(`${benchFolder()}/rows`, { pageBytes: PAGE_BYTES, cachePages: CACHE_PAGES })
  const singleMs = timedNow(() => {
    for (const payload of payloads) single.append(payload)
  })
  const path = `${benchFolder()}/rows`
  const store = await PagedStore.open(path, { pageBytes: PAGE_BYTES, cachePages: CACHE_PAGES })
  let pages = store.appendMany([])
  const batchMs = timedNow(() => (pages = store.appendMany(payloads)))
  const areInOrder = pages.length === PAGES && pages.every((page, i) => page.pageId === i)
  const { pageCount, cachedPages } = store
  let areWhole = true
  const read = (from: PagedStore, page: (typeof pages)[number]): number =>
    timedNow(() => {
      areWhole &&= from.read(page).length === PAYLOAD_BYTES
    })
  const hotPages = pages.toReversed().slice(0, CACHE_PAGES)
  warmUp(() => hotPages.map(page => read(store, page)), 30)
  const hot = hotPages.map(page => read(store, page))
  const coldStore = await PagedStore.open(path, { pageBytes: PAGE_BYTES, cachePages: 0 })
  const coldPages = pages.slice(0, CACHE_PAGES)
  warmUp(() => coldPages.map(page => read(coldStore, page)), 10)
  const cold = coldPages.map(page => read(coldStore, page))
  for (const one of [single, store, coldStore]) await one.close()
  return new Result('page_store_batch')
    .add('', { pages: PAGES, payload_bytes: PAYLOAD_BYTES })
    .add('ms', { individual_append: singleMs, batch_append: batchMs })
    .add('ns', {
      individual_per_page: Math.floor((singleMs * NS) / PAGES),
      batch_per_page: Math.floor((batchMs * NS) / PAGES),
      ...percentiles('hot_read', hot, NS),
      ...percentiles('cold_read', cold, NS),
    })
    .check('pages are numbered in order', areInOrder)
    .check(`page count ${pageCount}`, pageCount === PAGES)
    .atMost('pages in memory', cachedPages, CACHE_PAGES)
    .check('every page has its length', areWhole)
    .check('all took some time', batchMs > 0 && Math.max(...hot) > 0 && Math.max(...cold) > 0)
    .check(`batch append ${batchMs.toFixed(2)} ms < one by one ${singleMs.toFixed(2)} ms`, batchMs < singleMs).outcome
}
