import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32, MalformedBytes, readU32 } from '../../../src/encoding/index.ts'
import { SimulatedDisk } from '../../../src/platform/simulated/index.ts'
import { decodeProgress, encodeProgress, ImageReader, Keyspace } from '../../../src/engine/keyspace/index.ts'
import { RunList } from '../../../src/engine/keyspace/run-list.ts'
import { decodeSuperblock } from '../../../src/engine/keyspace/superblock.ts'
import { key, META, optionsFor, SEED } from './support.ts'

/** docs/formats/pages.md, byte by byte: two small records and a large one, the first checkpoint after them. */
async function written(): Promise<{ bytes: Uint8Array; keyspace: Keyspace }> {
  const disk = new SimulatedDisk({ seed: 1 })
  const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096))
  keyspace.beginEpoch()
  const { writer } = keyspace
  writer.beginEntry(5)
  writer.put(key('users/ann'), Uint8Array.of(0xa1), 5, 5, 0)
  writer.put(key('users/bo'), Uint8Array.of(0xb1, 0xb2), 5, 3, 0x1122334455)
  writer.put(key('users/large'), new Uint8Array(5000).fill(0xee), 5, 5, 0)
  keyspace.publish(5, META)
  await keyspace.checkpoint(seq => seq)
  return { bytes: disk.contents('pages/data'), keyspace }
}

function hexAt(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length)).toString('hex')
}

describe('the page file', () => {
  it('has a superblock of these bytes', async () => {
    const { bytes, keyspace } = await written()
    const state = keyspace.superblocks[0]!
    assert.equal(state.number, 2)
    const length = readU32(bytes, 12)
    const golden = GOLDEN_SUPERBLOCK
    assert.equal(hexAt(bytes, 0, length), golden)
  })

  it('has a superblock in which no changed byte passes', async () => {
    const { bytes } = await written()
    const length = readU32(bytes, 12)
    for (let at = 0; at < length; at++) {
      const changed = bytes.slice(0, length)
      changed[at]! ^= 1 << (at % 8)
      assert.equal(decodeSuperblock(changed), undefined, `byte ${at}`)
    }
  })

  it('has a leaf of these bytes', async () => {
    const { bytes, keyspace } = await written()
    const { page, checksum } = keyspace.superblocks[0]!.root
    const leaf = bytes.subarray(page * 4096, page * 4096 + 4096)
    assert.equal(crc32(leaf), checksum)
    assert.equal(hexAt(leaf, 0, 64), GOLDEN_LEAF_HEADER)
    assert.equal(hexAt(leaf, 64, 24), GOLDEN_SLOTS)
    const heap = leaf[4]! | (leaf[5]! << 8)
    assert.equal(hexAt(leaf, heap, 4096 - heap), GOLDEN_CELLS)
  })

  it('has nothing of other pages between the slots and the cells of a page', async () => {
    const disk = new SimulatedDisk({ seed: 1 })
    const retention = { maxVersions: 1, maxAgeMs: 1, now: () => 0 }
    const keyspace = await Keyspace.create(optionsFor(disk.files(), 4096, { retention }))
    // Frames change hands: a page is copied to where a fuller one was.
    for (let seq = 1; seq <= 400; seq++) {
      keyspace.beginEpoch()
      keyspace.writer.beginEntry(seq)
      const name = key(`k${String((seq * 7) % 100).padStart(3, '0')}`)
      keyspace.writer.prepare([name])
      if (seq > 200 && seq % 3 > 0) keyspace.writer.delete(name)
      else keyspace.writer.put(name, new Uint8Array(120).fill(0xdd), seq, seq, 0)
      keyspace.publish(seq, META)
    }
    await keyspace.checkpoint(seq => seq)
    const bytes = disk.contents('pages/data')
    let pages = 0
    for await (const { kind, offset } of keyspace.listPages()) {
      if (kind !== 'leaf' && kind !== 'branch') continue
      const cells = bytes[offset + 2]! | (bytes[offset + 3]! << 8)
      const heap = bytes[offset + 4]! | (bytes[offset + 5]! << 8)
      const gap = bytes.subarray(offset + 64 + cells * 8, offset + heap)
      assert.ok(
        gap.every(byte => byte === 0),
        `a ${kind} at ${offset}`,
      )
      pages++
    }
    assert.ok(pages > 2)
  })

  it('has an extent, a map page and a digest page with these headers', async () => {
    const { bytes, keyspace } = await written()
    const extents: number[] = []
    for await (const report of keyspace.listPages()) if (report.kind === 'extent') extents.push(report.offset)
    assert.equal(extents.length, 1)
    assert.equal(hexAt(bytes, extents[0]!, 66), GOLDEN_EXTENT)
    const { map, spaces } = keyspace.superblocks[0]!
    assert.equal(hexAt(bytes, map.page * 4096, 110), GOLDEN_DIRECTORY)
    const mapPage = readU32(bytes, map.page * 4096 + 88)
    assert.equal(hexAt(bytes, mapPage * 4096, 68), GOLDEN_MAP)
    assert.equal(hexAt(bytes, spaces.page * 4096, 120), GOLDEN_SPACES)
  })
})

const GOLDEN_SUPERBLOCK =
  '515254504147455303000000150100000d020182000000000000000000000000001000000100000002000000000000000500' +
  '000000000000020000000000000003000000000000001a00000000000000140000000500000000000000850d3ef600000000' +
  '00000000000000001800000000000000000000009442f4d4000000000000000000000000170000000000000000000000a27a' +
  '0f090000000000000000000000001f0000000000000003000000000000007720f7aa7c3d54a20b000000000000000c000000' +
  '0000000000401e18240a06000100000000000000010000000000000010000707070707070707070707070707070710000909' +
  '090909090909090909090909090903000000010203020000000405'
const GOLDEN_LEAF_HEADER =
  '01010300900f0000000000031400000002000000000000000000000000000000000000000000000000000000000000000000' +
  '0000000000000000000000000000'
const GOLDEN_SLOTS = '72657375f00f090072657375d10f080072657375900f0b00'
const GOLDEN_CELLS =
  '380002050000000000001500000000000000881300000000000002000000000000009488f9e48a4071aa28d8a71c00000000' +
  '0000000000000000732f6c6172676519000505000000000000030000000000005544332211000000b1b2732f626f09000005' +
  '000000000000a1732f616e6e'
const GOLDEN_EXTENT =
  '0301000088130000000000001500000002000000000000000000000000000000000000000000000000000000000000000000' +
  '0000000000000000000000000000eeee'
const GOLDEN_DIRECTORY =
  '0501000000000000000000001800000002000000000000000000000000000000000000000000000000000000000000000000' +
  '000000000000000000000000000000000000000000000000000000000000000000001400000019000000f0c98b2d00000000' +
  '00000000000000000000'
const GOLDEN_MAP =
  '0401000000000000000000001900000002000000000000000000000000000000000000000000000000000000000000000000' +
  '0000000000000000000000000000f0030000'
const GOLDEN_SPACES =
  '0601000000000000000000001700000002000000000000000000000000000000000000000000000000000000000000000000' +
  '000000000000000000000000000000000000000000000000000000000000000000001f000000010000000100757720f7aa7c' +
  '3d54a20300000000000000a41300000000000000'

describe('a snapshot chunk', () => {
  /** Records of keys "a1" to "a3", the second one a large value of version 5. */
  async function chunkSince(since: number): Promise<Uint8Array> {
    const files = new SimulatedDisk({ seed: SEED }).files()
    const keyspace = await Keyspace.create(optionsFor(files, 4096, { inlineThresholdBytes: 4 }))
    keyspace.beginEpoch()
    for (const [text, seq, created, expiry, value] of [
      ['a1', 5, 5, 0, 'v'],
      ['a2', 5, 5, 0, 'large'],
      ['a3', 7, 6, 9, 'w'],
    ] as const) {
      keyspace.writer.beginEntry(seq)
      keyspace.writer.put(key(text), key(value), seq, created, expiry)
    }
    keyspace.publish(7, META)
    using view = keyspace.view()
    const chunk = (await view.changedSince(since).next(1 << 16))!
    assert.equal(chunk.fence.length, 0)
    return chunk.bytes
  }

  // Format, images; fences, seq, records, prefix.
  const image = ['03', '01000000', '0000', '00', '0000', '0700000000000000', '03000000', '0000'].join('')
  const first = ['02000900', '6131', '0005000000000000', '76'].join('')
  const second = ['02001500', '6132', '0205000000000000', '05000000db8b4a71c72b53b7'].join('')
  const third = ['02001800', '6133', '0507000000000000', '06000000000000', '0900000000000000', '77'].join('')

  it('has exactly these bytes', async () => {
    const bytes = await chunkSince(0)
    assert.equal(hexAt(bytes, 0, bytes.length), `${image}${first}${second}016c61726765${third}`)
  })

  it('leaves out a large value that the receiver has', async () => {
    const bytes = await chunkSince(5)
    assert.equal(hexAt(bytes, 0, bytes.length), `${image}${first}${second}00${third}`)
  })

  it('is refused where it is cut, out of order or out of its range', async () => {
    const bytes = await chunkSince(0)
    const readAll = (chunk: Uint8Array): void => {
      for (const reader = new ImageReader(chunk); reader.nextImage();) while (reader.nextRecord());
    }
    const read = (change: (bytes: Uint8Array) => void): void => {
      const copy = bytes.slice()
      change(copy)
      readAll(copy)
    }
    read(() => {})
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => readAll(bytes.subarray(0, length)), MalformedBytes)
    }
    const firstKey = bytes.indexOf(0x61)
    const changes: Record<string, (copy: Uint8Array) => void> = {
      'another format': copy => (copy[0] = 2),
      'a key before the one before': copy => (copy[firstKey] = 0x62),
      'the same key twice': copy => (copy[firstKey + 1] = 0x32),
      'a version later than the image': copy => (copy[firstKey + 3] = 8),
      'flags that mean nothing': copy => (copy[firstKey + 2] = 0x80),
      'more images than there are': copy => (copy[1] = 2),
      'more records than there are': copy => (copy[18] = 4),
      'fewer records than there are': copy => (copy[18] = 2),
    }
    for (const [what, change] of Object.entries(changes)) assert.throws(() => read(change), MalformedBytes, what)
  })
})

describe('the progress of an install', () => {
  const progress = {
    manifest: Uint8Array.of(0xaa),
    baseNumber: 3,
    epoch: 4,
    gapSeq: 5,
    fence: key('m'),
    root: { page: 6, seq: 7, checksum: 8 },
    spaces: Uint8Array.of(0xbb),
    own: new RunList([20, 2]),
    dead: new RunList([30, 1]),
    path: [31],
  }

  it('has exactly these bytes and comes back as it was', () => {
    const bytes = encodeProgress(progress)
    const golden = [
      '515254494e53544103000000',
      hexAt(bytes, 12, 4),
      '030000000000000004000000000000000500000000000000',
      '06000000070000000000000008000000000000000000000000000000',
      '01000000aa',
      '0101006d',
      '01000000bb',
      '020000001400000002000000',
      '020000001e00000001000000',
      '010000001f000000',
    ]
    assert.equal(hexAt(bytes, 0, bytes.length), golden.join(''))
    assert.deepEqual(decodeProgress(bytes), progress)
    const { fence, ...rest } = decodeProgress(encodeProgress({ ...progress, fence: undefined }))
    assert.equal(fence, undefined)
    assert.deepEqual({ ...rest, fence: progress.fence }, progress)
  })

  it('is none if a byte is changed or missing', () => {
    const bytes = encodeProgress(progress)
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice()
      changed[at]! ^= 0x10
      assert.throws(() => decodeProgress(changed), MalformedBytes)
      assert.throws(() => decodeProgress(bytes.subarray(0, at)), MalformedBytes)
    }
  })
})
