import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeSuspectHeader } from '../../src/log/suspects.ts'
import { LogWorld, batch, segmentPath, settle } from './log-world.ts'

const DIRECTORY = '0102030405060708090a0b0c0d0e0f10'

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** Fields with blanks between them, as the pages of docs/formats write them. */
function bytesOf(...fields: string[]): string {
  return fields.join('').replaceAll(' ', '')
}

describe('the bytes of docs/formats/log.md', () => {
  it('a segment header, a frame with hard state and one entry, and a vote', async () => {
    const world = new LogWorld(1)
    const { log } = await world.create()
    await settle()
    log.append({ hardState: { term: 2, votedFor: 3, commitSeq: 0 }, entries: batch(1, 1, 2, 4) })
    log.flushSync()
    const segment = world.disk.contents(segmentPath(1))
    const header = bytesOf(
      '51534547 0100 0100 287370c8 01000000',
      DIRECTORY,
      '0700000000000000',
      '0000000000000000 0000000000000000 00000000 00000000',
      '0100000000000000 0000000000000000 0000000000000000 00000000',
      '00'.repeat(420),
    )
    assert.equal(hex(segment.slice(0, 512)), header)
    const frame = bytesOf(
      '5146524d 0100 0500 e0000000 a7efff1b c36a8a91 00000000 0700000000000000 287370c8',
      '01000000 00020000 00000000 0200000000000000 0300000000000000 0000000000000000 0000000000000000',
      '0100000000000000 0100000000000000 0200000000000000 2c98a9e1 24000000',
      '00'.repeat(56),
      '51484f44 00000000',
      '24000000 01 03 0000 0100000000000000 0200000000000000 e803000000000000 2d2e2f30',
      '00000000',
      '51454e44 e0000000',
    )
    assert.equal(hex(segment.slice(512, log.end.offset)), frame)
    const vote = bytesOf(
      '51564f54 0100 0000 d0ea4339 00000000',
      DIRECTORY,
      '0700000000000000',
      '0200000000000000 0200000000000000 0300000000000000',
      '00'.repeat(448),
    )
    assert.equal(hex(world.disk.contents('/data/log/votes').slice(0, 512)), vote)
  })

  it('what a segment header and a frame say of superblocks: the number doubled, plus one while the next is written', async () => {
    const world = new LogWorld(1)
    const { log } = await world.create()
    await settle()
    const field = (offset: number): string => hex(world.disk.contents(segmentPath(1)).slice(offset, offset + 4))
    log.superblockSynced(6)
    const first = log.end.offset
    await log.superblockBegins(7)
    assert.equal(field(first + 172), '0d000000')
    const second = log.end.offset
    log.superblockSynced(7)
    log.append({ entries: batch(1, 1, 1) })
    log.flushSync()
    assert.equal(field(second + 172), '0e000000')
    await log.startAfter({ seq: 50, term: 1, chain: 1 })
    const header = world.disk.contents(segmentPath(2))
    assert.equal(hex(header.slice(92, 96)), '0e000000')
    world.disk.crash('process')
    assert.deepEqual((await world.open()).recovered.superblock, { number: 7, isUnderWay: false, isCertain: true })
  })

  it('a frame that lists its zero sectors', async () => {
    const world = new LogWorld(1)
    const { log } = await world.create()
    const { offset } = log.end
    log.append({ entries: batch(1, 3, 1, 1100) })
    log.flushSync()
    const frame = world.disk.contents(segmentPath(1)).slice(offset, log.end.offset)
    assert.equal(hex(frame.slice(44, 48)), '01000000', 'one whole sector of the third entry is zero')
    assert.equal(hex(frame.slice(-16)), bytesOf('05000000 00000000 51454e44', hex(frame.slice(8, 12))))
  })

  it('the header of what is kept aside', () => {
    const header = encodeSuspectHeader({ segment: 4, offset: 1024 }, 300, { seq: 77, term: 5 })
    const fields = bytesOf('04000000 00040000 2c010000 4d00000000000000 0500000000000000', '00'.repeat(472))
    assert.equal(hex(header.slice(0, 8)), bytesOf('51535553 0100 0000'))
    assert.equal(hex(header.slice(12)), fields)
    assert.equal(hex(header.slice(8, 12)), 'db99e43a')
  })
})
