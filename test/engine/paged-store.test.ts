import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PagedStore } from '../../src/engine/index.ts'
import type { PagedStoreOptions } from '../../src/engine/index.ts'
import { QuorateError } from '../../src/model/index.ts'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { SimulatedMachine, SimulatedWorld } from '../../src/platform/simulated/index.ts'
import type { Files } from '../../src/platform/index.ts'
import { seed } from './seed.ts'

const PATH = '/data/pages'
const STRIDE = 32 + 256

class Bed {
  readonly world = new SimulatedWorld({ seed, drainMicrotasks })
  readonly machine = new SimulatedMachine(this.world, { name: 'one' })
  files: Files = this.machine.start().files

  run<T>(task: Promise<T>): Promise<T> {
    return this.world.runToCompletion(task, 60_000)
  }

  async open(options: Partial<PagedStoreOptions> = {}): Promise<PagedStore> {
    await this.run(this.files.makeDirectory('/data'))
    return this.run(PagedStore.open(this.files, PATH, { pageBytes: 256, ...options }))
  }

  crash(kind: 'process' | 'power'): void {
    this.machine.disk.crash(kind)
    this.files = this.machine.start().files
  }

  async change(offset: number, bytes: Uint8Array): Promise<void> {
    const file = await this.run(this.files.open(PATH, 'readWrite'))
    await this.run(file.write(bytes, offset))
    await this.run(file.close())
  }
}

function payload(i: number, length = 100 + (i % 100)): Uint8Array {
  return new Uint8Array(length).fill(i)
}

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof QuorateError) return error.code
    throw error
  }
  return 'none'
}

describe('a paged store', () => {
  it('has exactly these bytes', async () => {
    const bed = new Bed()
    const store = await bed.open()
    store.append(Uint8Array.of(1, 2, 3))
    store.append(new Uint8Array(256).fill(0xee))
    store.append(new Uint8Array(0))
    const bytes = new Uint8Array(64 + 3 * STRIDE)
    const file = await bed.run(bed.files.open(PATH, 'read'))
    assert.equal(await bed.run(file.read(bytes, 0)), bytes.length)
    const hex = (from: number, length: number): string =>
      Buffer.from(bytes.subarray(from, from + length)).toString('hex')
    assert.equal(hex(0, 64), `51504147455300010100000000010000${'0'.repeat(88)}${GOLDEN.header}`)
    assert.equal(hex(64, 40), `${'0'.repeat(16)}03000000${GOLDEN.first}${'0'.repeat(32)}0102030000000000`)
    assert.equal(hex(64 + STRIDE, 34), `010000000000000000010000${GOLDEN.second}${'0'.repeat(32)}eeee`)
    assert.equal(hex(64 + 2 * STRIDE, STRIDE), `020000000000000000000000${GOLDEN.third}${'0'.repeat(32 + 512)}`)
  })

  it('gives back what was appended, one by one or together, from memory and from the file', async () => {
    const bed = new Bed()
    const store = await bed.open({ cachePages: 16 })
    const payloads = Array.from({ length: 60 }, (_, i) => payload(i))
    const single = payloads.slice(0, 20).map(one => store.append(one))
    const many = store.appendMany(payloads.slice(20))
    const pages = [...single, ...many]
    assert.deepEqual(
      pages.map(page => page.pageId),
      payloads.map((_, i) => i),
    )
    assert.equal(store.pageCount, 60)
    assert.equal(store.cachedPages, 16)
    payloads[59]!.fill(0)
    assert.deepEqual(store.read(pages[59]!), payload(59))
    for (let i = 0; i < 60; i++) assert.deepEqual(store.read(pages[i]!), payload(i))
    assert.equal(store.cachedPages, 16)
    store.sync()
    await bed.run(store.close())
    const cold = await bed.open({ cachePages: 0 })
    assert.equal(cold.pageCount, 60)
    for (let i = 59; i >= 0; i--) assert.deepEqual(cold.read(pages[i]!), payload(i))
    assert.equal(cold.cachedPages, 0)
    assert.equal(cold.append(payload(60)).pageId, 60)
  })

  it('keeps in memory what is in use', async () => {
    const bed = new Bed()
    const store = await bed.open({ cachePages: 4 })
    const pages = store.appendMany(Array.from({ length: 8 }, (_, i) => payload(i)))
    const hot = store.read(pages[7]!)
    for (let i = 0; i < 3; i++) {
      assert.equal(store.read(pages[7]!), hot)
      store.read(pages[i]!)
    }
    assert.equal(store.read(pages[7]!), hot)
  })

  it('keeps what was synced through a loss of power', async () => {
    const bed = new Bed()
    const store = await bed.open()
    const pages = store.appendMany(Array.from({ length: 5 }, (_, i) => payload(i)))
    store.sync()
    store.append(payload(5))
    bed.crash('power')
    const after = await bed.open({ repair: true })
    assert.ok(after.pageCount >= 5)
    for (let i = 0; i < 5; i++) assert.deepEqual(after.read(pages[i]!), payload(i))
  })

  it('finds every changed, moved and old page, and names the place', async () => {
    const bed = new Bed()
    const store = await bed.open()
    const pages = store.appendMany(Array.from({ length: 4 }, (_, i) => payload(i)))
    await bed.run(store.close())
    const whole = new Uint8Array(STRIDE)
    const file = await bed.run(bed.files.open(PATH, 'read'))
    await bed.run(file.read(whole, 64 + STRIDE))
    await bed.run(file.close())
    await bed.change(64 + 2 * STRIDE, whole)
    await bed.change(64 + 32 + 50, Uint8Array.of(7))
    await bed.change(64 + 3 * STRIDE + 7, Uint8Array.of(0x80))
    const after = await bed.open({ cachePages: 8 })
    for (const id of [0, 2, 3]) {
      assert.throws(
        () => after.read(pages[id]!),
        (error: unknown) =>
          error instanceof QuorateError &&
          error.code === 'damaged' &&
          (error.detail as { offset: number }).offset === 64 + id * STRIDE,
      )
    }
    assert.deepEqual(after.read(pages[1]!), payload(1))
    assert.equal(
      codeOf(() => after.read({ ...pages[1]!, checksum: 1 })),
      'damaged',
    )
    assert.equal(
      codeOf(() => after.read({ ...pages[3]!, length: 5 })),
      'damaged',
    )
    assert.equal(
      codeOf(() => after.read({ ...pages[3]!, pageId: 4 })),
      'not_found',
    )
    await bed.run(after.close())
    await bed.change(3, Uint8Array.of(0))
    await assert.rejects(bed.open(), { code: 'damaged' })
  })

  it('refuses a last page that is not whole, unless it may cut it off', async () => {
    const bed = new Bed()
    const store = await bed.open()
    const page = store.append(payload(1))
    store.append(payload(2))
    await bed.run(store.close())
    const file = await bed.run(bed.files.open(PATH, 'readWrite'))
    await bed.run(file.truncate(64 + STRIDE + 40))
    await bed.run(file.close())
    await assert.rejects(bed.open(), { code: 'damaged', detail: { file: PATH, offset: 64 + STRIDE } })
    const repaired = await bed.open({ repair: true })
    assert.equal(repaired.pageCount, 1)
    assert.deepEqual(repaired.read(page), payload(1))
    assert.equal(repaired.append(payload(3)).pageId, 1)
    await bed.run(repaired.close())
    assert.equal((await bed.open()).pageCount, 2)
  })

  it('refuses what does not fit, and everything after a write that failed', async () => {
    const bed = new Bed()
    await assert.rejects(bed.open({ pageBytes: 255 }), { code: 'invalid_argument' })
    await assert.rejects(bed.open({ cachePages: -1 }), { code: 'invalid_argument' })
    const store = await bed.open()
    assert.equal(
      codeOf(() => store.append(new Uint8Array(257))),
      'value_too_large',
    )
    assert.equal(
      codeOf(() => store.appendMany([payload(1), new Uint8Array(257)])),
      'value_too_large',
    )
    assert.equal(store.pageCount, 0)
    const page = store.append(payload(1))
    await assert.rejects(bed.open({ pageBytes: 512 }), { code: 'invalid_argument' })
    bed.machine.disk.inject({ operation: 'write', effect: { type: 'fail', systemCode: 'ENOSPC' } })
    assert.throws(() => store.append(payload(2)), { code: 'no_space' })
    bed.machine.disk.clearFaults()
    assert.equal(
      codeOf(() => store.append(payload(2))),
      'storage_failed',
    )
    assert.equal(
      codeOf(() => store.appendMany([payload(2)])),
      'storage_failed',
    )
    assert.equal(
      codeOf(() => store.sync()),
      'storage_failed',
    )
    assert.equal(store.pageCount, 1)
    assert.deepEqual(store.read(page), payload(1))
  })
})

const GOLDEN = { header: 'fa242452', first: '7540c64c', second: 'f935d460', third: 'f058ee97' }
