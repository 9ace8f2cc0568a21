import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32, MalformedBytes, writeU32 } from '../../../src/encoding/index.ts'
import { Keyspace, PageDamage } from '../../../src/engine/keyspace/index.ts'
import type { KeyspaceOptions, SuperblockState } from '../../../src/engine/keyspace/index.ts'
import { decodeSuperblock, encodeSuperblock } from '../../../src/engine/keyspace/superblock.ts'
import { SimulatedCrash, SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import type { Seal } from '../../../src/sealing/index.ts'
import { holdsText, testSeal } from '../../sealing/test-seal.ts'
import type { TestSealOptions } from '../../sealing/test-seal.ts'
import type { Model } from './support.ts'
import { assertShows, Dice, digestOf, key, META, optionsFor, randomEpoch, SEED } from './support.ts'

const FILE = 'pages/data'
const MARKER = 'a value that must not be read off the disk'
const SHAPE = { universe: 300, maxKey: 200, maxValue: 6000, deletesIn10: 3 }
const KINDS: Readonly<Record<string, TestSealOptions>> = {
  'encrypted and signed': {},
  'only encrypted': { isSigning: false },
  'only signed': { isEncrypting: false },
}

function sealed(disk: SimulatedDisk, seal: Seal | undefined, more: Partial<KeyspaceOptions> = {}): KeyspaceOptions {
  return optionsFor(disk.files(), 4096, { seal, budgetBytes: 12 * 4096, installProgressBytes: 6000, ...more })
}

function put(keyspace: Keyspace, seq: number, name: string, value: string): void {
  keyspace.beginEpoch()
  keyspace.writer.beginEntry(seq)
  keyspace.writer.put(key(name), new TextEncoder().encode(value), seq, 1, 0)
  keyspace.publish(seq, META)
}

/** Records with the marker: some inline, some in extents. */
async function marked(disk: SimulatedDisk, seal: Seal | undefined): Promise<Keyspace> {
  const keyspace = await Keyspace.create(sealed(disk, seal, { budgetBytes: 64 << 20 }))
  for (let i = 1; i <= 40; i++) put(keyspace, i, `${MARKER} ${i}`, MARKER.repeat(1 + (i % 4) * 30))
  await keyspace.checkpoint(wanted => wanted)
  return keyspace
}

/** What stands in the page file, and the ways to change it behind the keyspace's back. */
async function overwrite(disk: SimulatedDisk, offset: number, bytes: Uint8Array): Promise<void> {
  const file = await disk.files().open(FILE, 'readWrite')
  file.writeSync(bytes, offset)
  await file.close()
}

function isCrash(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof SimulatedCrash) return true
  return false
}

for (const [name, options] of Object.entries(KINDS)) {
  describe(`a keyspace that is ${name}`, () => {
    it(`shows what was written within few pages, over closes and losses of power (seed ${SEED})`, async () => {
      const disk = new SimulatedDisk({ seed: SEED })
      const dice = new Dice(SEED)
      const model: Model = new Map()
      let keyspace = await Keyspace.create(sealed(disk, testSeal(options)))
      let seq = 0
      for (let round = 1; round <= 5; round++) {
        for (let epoch = 0; epoch < 8; epoch++) seq = await randomEpoch(keyspace, model, dice, seq, 8, SHAPE)
        await keyspace.checkpoint(wanted => wanted)
        assert.equal((await keyspace.scrub()).isEqual, true)
        await keyspace.close()
        disk.crash()
        const opened = await Keyspace.open(sealed(disk, testSeal({ ...options, seed: round })))
        keyspace = opened.keyspace
        assert.deepEqual(keyspace.digestS, digestOf(model))
        using view = keyspace.view()
        await assertShows(view, model)
      }
      assert.ok(keyspace.stats.usedPages > 60, 'more than fits in memory')
      await keyspace.close()
    })

    it('is refused without its seal, and with another kind of seal', async () => {
      const disk = new SimulatedDisk({ seed: 1 })
      await (await marked(disk, testSeal(options))).close()
      const others = [
        undefined,
        ...Object.values(KINDS)
          .filter(kind => kind !== options)
          .map(testSeal),
      ]
      for (const other of others) {
        await assert.rejects(Keyspace.open(sealed(disk, other)), (error: unknown) => error instanceof PageDamage)
      }
    })

    it('finds every page that was changed, or is an older one of the same place', async () => {
      const disk = new SimulatedDisk({ seed: 2 })
      const keyspace = await marked(disk, testSeal(options))
      const before = disk.contents(FILE)
      const pages: { offset: number; length: number }[] = []
      for await (const page of keyspace.listPages()) pages.push({ offset: page.offset, length: page.checkedBytes })
      assert.ok(pages.length > 10)
      await keyspace.close()
      for (const [i, { offset, length }] of pages.entries()) {
        const at = offset + [0, 5, 13, 24, 40, 55, 64, 100, length - 1][i % 9]!
        await overwrite(disk, at, Uint8Array.of(before[at]! ^ 0x20))
        const opened = await Keyspace.open(sealed(disk, testSeal({ ...options, seed: 7 })))
        const { damaged } = await opened.keyspace.scrub()
        assert.ok(
          damaged.some(report => report.offset === offset),
          `byte ${at - offset} of the page at ${offset}`,
        )
        await opened.keyspace.close()
        await overwrite(disk, at, before.subarray(at, at + 1))
      }
    })
  })
}

describe('an encrypted keyspace', () => {
  it('has neither keys nor values on disk, whatever is evicted, checkpointed or installed; a plain one has', async () => {
    for (const [seal, isPlain] of [
      [undefined, true],
      [testSeal(), false],
    ] as const) {
      const disk = new SimulatedDisk({ seed: 3 })
      const from = await marked(disk, seal)
      assert.equal(holdsText(disk.contents(FILE), MARKER), isPlain)
      const receiver = new SimulatedDisk({ seed: 4 })
      const to = await Keyspace.create(sealed(receiver, seal && testSeal({ seed: 2 })))
      using view = from.view()
      const install = await to.beginInstall('empty', Uint8Array.of(1))
      const scan = view.changedSince(0)
      let isRecorded = false
      for (let chunk = await scan.next(1500); chunk !== undefined; chunk = await scan.next(1500)) {
        await install.apply(chunk.bytes)
        isRecorded ||= (await receiver.files().size('pages/install')) !== undefined
        if (isRecorded) assert.equal(holdsText(receiver.contents('pages/install'), MARKER), isPlain)
      }
      assert.ok(isRecorded, 'progress was recorded on the way')
      await install.finish({ seq: view.seq, meta: META, digestS: view.root.digest })
      assert.equal(holdsText(receiver.contents(FILE), MARKER), isPlain)
      assert.deepEqual(to.digestS, from.digestS)
      assert.equal((await to.scrub()).isEqual, true)
    }
  })

  it('goes on with an install where a loss of power had interrupted it, at any call', async () => {
    const from = await marked(new SimulatedDisk({ seed: 5 }), undefined)
    const manifest = Uint8Array.of(1)
    let resumed = 0
    for (let call = 1, isThrough = false; !isThrough; call += 3) {
      const disk = new SimulatedDisk({ seed: 6 })
      const to = await Keyspace.create(sealed(disk, testSeal({ seed: call })))
      using view = from.view()
      const ship = async (keyspace: Keyspace): Promise<void> => {
        const install = await keyspace.beginInstall('empty', manifest)
        if (install.fence !== undefined && install.fence.length > 0) resumed++
        const scan = view.changedSince(0, { from: install.fence ?? new Uint8Array(0) })
        if (install.fence !== undefined) {
          for (let chunk = await scan.next(1500); chunk !== undefined; chunk = await scan.next(1500)) {
            await install.apply(chunk.bytes)
          }
        }
        await install.finish({ seq: view.seq, meta: META, digestS: view.root.digest })
      }
      disk.crashAt(call, 'after')
      try {
        await ship(to)
        isThrough = true
      } catch (error) {
        if (!isCrash(error)) throw error
      }
      disk.cancelCrash()
      if (!isThrough) {
        const { keyspace } = await Keyspace.open(sealed(disk, testSeal({ seed: 1000 + call })))
        if (keyspace.seq !== view.seq) await ship(keyspace)
        assert.deepEqual(keyspace.digestS, from.digestS)
      }
    }
    assert.ok(resumed > 0, 'some went on from recorded progress')
  })
})

describe('a signed page file', () => {
  it('finds an older page of the same place even where a CRC-32 would fit', async () => {
    const disk = new SimulatedDisk({ seed: 8 })
    const keyspace = await marked(disk, testSeal({ isEncrypting: false }))
    const pages: number[] = []
    for await (const { offset, kind } of keyspace.listPages()) if (kind === 'leaf') pages.push(offset)
    await keyspace.close()
    const leaf = pages[0]!
    const page = disk.contents(FILE).slice(leaf, leaf + 4096)
    const wanted = crc32(page)
    page[4000]! ^= 1
    // Four bytes that nothing reads make the CRC-32 what it was: they follow from the remainder.
    forceCrc(page, 3000, wanted)
    assert.equal(crc32(page), wanted)
    await overwrite(disk, leaf, page)
    const opened = await Keyspace.open(sealed(disk, testSeal({ isEncrypting: false })))
    const { damaged } = await opened.keyspace.scrub()
    assert.deepEqual(
      damaged.map(({ offset }) => offset),
      [leaf],
    )
  })
})

/** Sets the four bytes at `at` so that the CRC-32 of all is `wanted`: CRC-32 is linear, so 32 equations do. */
function forceCrc(bytes: Uint8Array, at: number, wanted: number): void {
  writeU32(bytes, at, 0)
  const base = crc32(bytes)
  const columns = Array.from({ length: 32 }, (_, bit) => {
    writeU32(bytes, at, 2 ** bit)
    return (crc32(bytes) ^ base) >>> 0
  })
  let target = (wanted ^ base) >>> 0
  let solution = 0
  const rows = columns.map((value, bit) => ({ value, mask: 2 ** bit }))
  for (let bit = 31; bit >= 0; bit--) {
    const pivot = rows.findIndex(({ value }) => 31 - Math.clz32(value) === bit)
    if (pivot < 0) continue
    const [row] = rows.splice(pivot, 1)
    for (const other of rows) {
      if ((other.value >>> bit) % 2 === 0) continue
      other.value = (other.value ^ row!.value) >>> 0
      other.mask = (other.mask ^ row!.mask) >>> 0
    }
    if ((target >>> bit) % 2 === 0) continue
    target = (target ^ row!.value) >>> 0
    solution = (solution ^ row!.mask) >>> 0
  }
  writeU32(bytes, at, solution)
}

describe('the bytes of a sealed superblock', () => {
  const state: SuperblockState = {
    ...META,
    number: 3,
    kind: 'checkpoint',
    pageBytes: 4096,
    seq: 40,
    epoch: 41,
    root: { page: 20, seq: 39, checksum: new Uint8Array(16).fill(0xaa) },
    map: { page: 21, seq: 0, checksum: new Uint8Array(16).fill(0xbb) },
    end: 30,
    spaces: { page: 22, seq: 0, checksum: new Uint8Array(16).fill(0xcc) },
    spacesBytes: 4,
    digestS: { lo: 1, hi: 2 },
    records: 5,
    historyId: new Uint8Array(16).fill(1),
    groupId: 1,
    directoryId: new Uint8Array(16).fill(2),
  }

  it('are those of docs/formats/pages.md: the head, a box, and inside it what a plain one has', () => {
    const signed = testSeal({ isEncrypting: false })
    const bytes = Buffer.from(encodeSuperblock(state, signed))
    assert.equal(bytes.subarray(0, 12).toString('hex'), '515254504147455304000000')
    assert.equal(bytes.readUInt32LE(12), bytes.length)
    assert.equal(bytes.subarray(32, 40).toString('hex'), '0010000001010000')
    assert.equal(bytes.subarray(40, 80).toString('hex'), '00'.repeat(40), 'neither nonce nor tag')
    assert.equal(bytes.subarray(96, 104).toString('hex'), '0300000000000000')
    assert.equal(bytes.subarray(136, 164).toString('hex'), `140000002700000000000000${'aa'.repeat(16)}`)
    assert.deepEqual(decodeSuperblock(bytes, signed), state)
    const hidden = Buffer.from(encodeSuperblock(state, testSeal()))
    assert.equal(hidden.length, bytes.length)
    assert.equal(hidden.subarray(40, 42).toString('hex'), '0100')
    assert.ok(!hidden.toString('hex').includes('aa'.repeat(4)))
    assert.deepEqual(decodeSuperblock(hidden, testSeal({ seed: 2 })), state)
  })

  it('are misunderstood, not torn, where somebody without the keys has made the checksum hold', () => {
    for (const at of [36, 37, 45, 70, 90, 120, 200]) {
      const bytes = encodeSuperblock(state, testSeal())
      bytes[at]! ^= 1
      writeU32(bytes, 16, crc32(bytes.subarray(32), crc32(bytes.subarray(0, 16))))
      assert.throws(() => decodeSuperblock(bytes, testSeal()), MalformedBytes, `byte ${at}`)
    }
    assert.throws(() => decodeSuperblock(encodeSuperblock(state), testSeal()), MalformedBytes)
    assert.throws(() => decodeSuperblock(encodeSuperblock(state, testSeal())), MalformedBytes)
  })
})
