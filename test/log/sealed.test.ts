import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32, writeU32 } from '../../src/encoding/index.ts'
import { inspectLog, LogError } from '../../src/log/index.ts'
import { ChecksumSeeds } from '../../src/log/checksum-seed.ts'
import { QuorateError } from '../../src/model/index.ts'
import { holdsText, testSeal } from '../sealing/test-seal.ts'
import type { TestSealOptions } from '../sealing/test-seal.ts'
import { batch, DIRECTORY_ID, entry, GROUP_ID, LogWorld, readAll, segmentPath, settle, tamper } from './log-world.ts'

const VOTES = '/data/log/votes'
const SEEDS = new ChecksumSeeds(DIRECTORY_ID)
const KINDS: Readonly<Record<string, TestSealOptions>> = {
  'encrypted and signed': {},
  'only encrypted': { isSigning: false },
  'only signed': { isEncrypting: false },
}

/** A log of frames with entries, hard state, marks and several segments, closed by the end of its process. */
async function written(options: TestSealOptions): Promise<LogWorld> {
  const world = new LogWorld(1, { seal: testSeal(options) })
  const { log } = await world.create()
  for (let seq = 1; seq <= 12; seq++) {
    await settle()
    log.append({ hardState: { term: seq, votedFor: 2, commitSeq: 0 }, entries: batch(seq, 1, seq, 900) })
    log.flushSync()
  }
  log.mark()
  log.flushSync()
  assert.ok(log.segmentCount > 1)
  world.disk.crash('process')
  await settle()
  return world
}

/** Writes over a place, and makes the checksums of the frame at `offset` of segment 1 hold again. */
async function forgeFrame(world: LogWorld, offset: number, change: (frame: Uint8Array) => void): Promise<void> {
  const segment = world.disk.contents(segmentPath(1))
  const length = new DataView(segment.buffer, segment.byteOffset + offset + 8).getUint32(0, true)
  const frame = segment.slice(offset, offset + length)
  change(frame)
  const seed = SEEDS.at(1, offset)
  writeU32(frame, 16, crc32(frame.subarray(176), seed))
  writeU32(frame, 12, 0)
  writeU32(frame, 12, crc32(frame.subarray(0, 176), seed))
  await tamper(world, segmentPath(1), offset, frame)
}

/** Everything that is said to be damaged, by an opening and by an inspection. */
async function damageOf(world: LogWorld, options: TestSealOptions): Promise<string[]> {
  const { log, recovered } = await world.open({ seal: testSeal(options) })
  const place = { files: world.disk.files(), directory: '/data', directoryId: DIRECTORY_ID, groupId: GROUP_ID }
  const { damage, verdict } = await inspectLog({ ...place, seal: testSeal(options) }, () => undefined)
  assert.equal(verdict === 'damaged', recovered.damage.length > 0)
  assert.equal(log.state === 'damaged', recovered.damage.length > 0)
  assert.deepEqual(damage, recovered.damage)
  return damage.map(({ kind, file, offset, what }) => `${kind} ${file} ${offset} ${what}`)
}

for (const [name, options] of Object.entries(KINDS)) {
  describe(`a log that is ${name}`, () => {
    it('holds its entries over a restart, and shows none of them if it is encrypted', async () => {
      const world = await written(options)
      assert.deepEqual(await damageOf(world, options), [])
      const { log, recovered } = await world.open({ seal: testSeal({ ...options, seed: 2 }), tailCacheBytes: 1 })
      assert.deepEqual(
        await readAll(log),
        Array.from({ length: 12 }, (_, i) => entry(i + 1, i + 1, 900)),
      )
      assert.deepEqual(recovered.hardState, { term: 12, votedFor: 2, commitSeq: 0 })
      const piece = Buffer.from(entry(5, 5, 900).subarray(40, 60)).toString('latin1')
      for (const segment of [1, 2]) {
        const text = Buffer.from(world.disk.contents(segmentPath(segment))).toString('latin1')
        if (options.isEncrypting !== false) assert.ok(!text.includes(piece))
      }
      log.append({ entries: batch(13, 1, 12) })
      log.flushSync()
      assert.deepEqual((await readAll(log)).length, 13)
    })

    it('is not opened without its keys', async () => {
      const world = await written(options)
      const isKeyMissing = (error: unknown): boolean =>
        error instanceof QuorateError && error.code === 'seal_key_missing'
      await assert.rejects(world.open({ seal: undefined }), isKeyMissing)
    })

    it('is damaged where somebody without the keys has changed a frame and its checksums', async () => {
      const changes: Readonly<Record<string, (frame: Uint8Array) => void>> = {
        'an entry': frame => (frame[250]! ^= 1),
        'the term of the hard state': frame => (frame[48]! ^= 1),
        'the vote': frame => (frame[56]! ^= 1),
        'the chain of entries': frame => (frame[104]! ^= 1),
        'the flags': frame => (frame[6]! &= 15),
      }
      for (const [what, change] of Object.entries(changes)) {
        const world = await written(options)
        await forgeFrame(world, 512, change)
        const [first] = await damageOf(world, options)
        assert.match(first ?? 'nothing', /^frame .*segment-0000000001 512 not sealed with/, what)
      }
    })

    it('is damaged where a segment begins with a header of somebody else', async () => {
      for (const last of [1, 2]) {
        const world = await written(options)
        const header = world.disk.contents(segmentPath(last)).slice(0, 512)
        header[40]! ^= 1 // the base
        writeU32(header, 8, 0)
        writeU32(header, 8, crc32(header, SEEDS.at(last, 0)))
        await tamper(world, segmentPath(last), 0, header)
        const [first] = await damageOf(world, options)
        assert.match(first ?? 'nothing', new RegExp(`^segment_header .*${last} 0 `))
      }
    })
  })
}

describe('a signed log', () => {
  it('is damaged by a forged vote, which is no torn one', async () => {
    const world = await written({})
    const vote = world.disk.contents(VOTES).slice(0, 512)
    vote[48]! += 1
    writeU32(vote, 8, 0)
    writeU32(vote, 8, crc32(vote, SEEDS.at(0, 0)))
    await tamper(world, VOTES, 0, vote)
    const found = await damageOf(world, {})
    assert.ok(
      found.some(one => /^vote_slot .*votes 0 the vote is not sealed/.test(one)),
      found.join('\n'),
    )
  })

  it('does not take a frame of the same log at another place, nor an unsigned log for its own', async () => {
    const world = await written({ isSigning: false })
    const found = await damageOf(world, {})
    assert.match(found[0] ?? 'nothing', /^segment_header /)
  })

  it('notices a frame that was changed under it when it reads it again', async () => {
    for (const options of Object.values(KINDS)) {
      const world = await written(options)
      const { log } = await world.open({ seal: testSeal({ ...options, seed: 2 }), tailCacheBytes: 1 })
      await forgeFrame(world, 512, frame => (frame[190]! ^= 1))
      await assert.rejects(readAll(log), (error: unknown) => error instanceof LogError && error.code === 'damaged')
    }
  })
})

describe('the bytes of a sealed log', () => {
  it('begin as those of docs/formats/log.md, with the flags, nonce, tag and MAC in their places', async () => {
    const world = await written({})
    const segment = Buffer.from(world.disk.contents(segmentPath(1)))
    assert.equal(segment.subarray(4, 8).toString('hex'), '01000700', 'version 1; begins anew, encrypted, signed')
    const frame = segment.subarray(512)
    assert.equal(frame.subarray(4, 8).toString('hex'), '01003500', 'hard state, entries, encrypted, signed')
    // Key number 1, fourteen bytes of salt that the segment and the frame share, and the counter.
    assert.equal(segment.subarray(456, 458).toString('hex'), '0100')
    assert.deepEqual(segment.subarray(456, 472), frame.subarray(112, 128))
    assert.equal(segment.subarray(472, 480).toString('hex'), '0100000000000000')
    assert.equal(frame.subarray(128, 136).toString('hex'), '0200000000000000')
    for (const [from, to] of [
      [480, 496],
      [496, 512],
      [512 + 136, 512 + 152],
      [512 + 152, 512 + 168],
    ] as const) {
      assert.ok(
        segment.subarray(from, to).some(byte => byte !== 0),
        `bytes ${from} to ${to}`,
      )
    }
    assert.ok(holdsText(frame, 'QHOD'))
  })
})
