import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Log } from '../../src/log/index.ts'
import type { File, Files } from '../../src/platform/index.ts'
import { SeededRandom } from '../../src/platform/simulated/index.ts'
import { replaced } from '../replaced.ts'
import { testSeal } from '../sealing/test-seal.ts'
import type { TestSealOptions } from '../sealing/test-seal.ts'
import { concat, entry, LogWorld, settle, testSeed } from './log-world.ts'

const KINDS: Readonly<Record<string, TestSealOptions | undefined>> = {
  'in plain': undefined,
  'encrypted and signed': {},
  'only encrypted': { isSigning: false },
  'only signed': { isEncrypting: false },
}

/** Counts reads of segments that the log keeps open for reading. */
function counting(files: Files, counted: { reads: number }): Files {
  const watched = (file: File): File =>
    replaced(file, {
      read: (target, position) => {
        counted.reads++
        return file.read(target, position)
      },
    })
  return replaced(files, {
    open: async (path, mode) => {
      const file = await files.open(path, mode)
      return path.includes('segment-') ? watched(file) : file
    },
  })
}

/** A log of frames of one entry each, with these lengths of payload, that keeps as good as nothing in memory. */
async function written(lengths: readonly number[], segmentBytes: number, seal?: TestSealOptions): Promise<LogWorld> {
  const sealed = seal === undefined ? {} : { seal: testSeal(seal) }
  const world = new LogWorld(1, { tailCacheBytes: 500, segmentBytes, ...sealed })
  const { log } = await world.create()
  for (const [i, length] of lengths.entries()) {
    log.append({ entries: { firstSeq: i + 1, lastSeq: i + 1, bytes: entry(i + 1, 1, length) } })
    log.flushSync()
    await settle()
  }
  await log.close()
  return world
}

async function partsOf(log: Log, fromSeq: number, maxBytes: number): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = []
  for (let seq = fromSeq; seq <= log.lastSeq;) {
    const { firstSeq, lastSeq, bytes } = await log.read(seq, maxBytes)
    assert.equal(firstSeq, seq)
    assert.ok(
      bytes.length <= maxBytes || lastSeq === firstSeq,
      `${bytes.length} bytes where ${maxBytes} were asked for`,
    )
    parts.push(bytes)
    seq = lastSeq + 1
  }
  return parts
}

describe('entries that are read from files', () => {
  it('come in blocks, however small their frames are', async () => {
    const lengths = Array.from({ length: 1_000 }, () => 300)
    const world = await written(lengths, 1 << 20)
    const counted = { reads: 0 }
    const { log } = await world.open({ files: counting(world.disk.files(), counted) })
    counted.reads = 0 // the opening reads all of it, once
    const parts = await partsOf(log, 1, 1 << 20)
    assert.deepEqual(concat(parts), concat(lengths.map((length, i) => entry(i + 1, 1, length))))
    // 1,000 frames of 512 bytes are two blocks of 256 KiB; the segments that the log begins with are smaller.
    assert.ok(counted.reads > 0 && counted.reads <= 2 * log.segmentCount, `${counted.reads} reads`)
    await log.close()
  })

  for (const [name, seal] of Object.entries(KINDS)) {
    it(`are the ones that were written, ${name}, from wherever and in whatever portions`, async () => {
      const seed = testSeed()
      const random = new SeededRandom(seed)
      const lengths = Array.from({ length: 60 }, () => {
        const bound = [100, 3_000, 3_000, 3_000, 70_000, 300_000][random.below(6)]!
        return random.below(bound)
      })
      const world = await written(lengths, 1 << 19, seal)
      const { log } = await world.open()
      const expected = lengths.map((length, i) => entry(i + 1, 1, length))
      for (let i = 0; i < 12; i++) {
        const fromSeq = 1 + random.below(lengths.length)
        const maxBytes = 1 + random.below([200, 5_000, 100_000, 2_000_000][random.below(4)]!)
        const parts = await partsOf(log, fromSeq, maxBytes)
        const isSame = Buffer.from(concat(parts)).equals(concat(expected.slice(fromSeq - 1)))
        assert.ok(isSame, `seed ${seed}: from ${fromSeq} in portions of ${maxBytes}`)
      }
      await log.close()
    })
  }
})
