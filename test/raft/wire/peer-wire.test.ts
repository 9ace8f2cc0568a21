import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chainEntry, crc32, EntryKind, MalformedBytes, sha256, utf8Bytes } from '../../../src/encoding/index.ts'
import { QuorateError } from '../../../src/model/index.ts'
import {
  describeEntries,
  encodeManifest,
  fromCoreConfiguration,
  isCoreMessage,
  manifestHash,
  PeerFrameCursor,
  PeerFrameWriter,
  PeerMessageCode,
  readPeerMessage,
  toCoreConfiguration,
  type IncomingPeerMessage,
  type OutgoingPeerMessage,
} from '../../../src/raft/wire/index.ts'
import { createRandom, damage, randomBytes, seed } from './random.ts'
import { bytes, configuration, encodeEntries, samples, type SampleEntry } from './samples.ts'

const MAX = 1 << 20

function encodeFrame(messages: readonly OutgoingPeerMessage[]): Uint8Array {
  const writer = new PeerFrameWriter(7)
  for (const message of messages) writer.add(message)
  return writer.finish()
}

function readFrame(frame: Uint8Array): IncomingPeerMessage[] {
  const cursor = new PeerFrameCursor()
  const messages: IncomingPeerMessage[] = []
  for (cursor.open(frame, MAX); cursor.next();) messages.push(readPeerMessage(cursor))
  return messages
}

/** What the receiver should see: an AppendRequest with its entries described. */
function expected(message: OutgoingPeerMessage): IncomingPeerMessage {
  if (message.type !== 'appendRequest') return message
  const { entries, prevSeq, prevTerm, prevChain } = message
  if (entries === null) return { ...message, entries: null }
  const ref = new Uint8Array(entries.bytes)
  const chains: number[] = []
  let at = 0
  for (let chain = prevChain; at < ref.length;) {
    const length = new DataView(ref.buffer).getUint32(at, true)
    chain = chainEntry(chain, ref, at, at + length)
    chains.push(chain)
    at += length
  }
  assert.deepEqual([prevSeq, prevTerm], [10, 3])
  return {
    ...message,
    entries: {
      firstSeq: 11,
      lastSeq: 13,
      byteLength: ref.length,
      terms: [
        { term: 4, lastSeq: 12 },
        { term: 5, lastSeq: 13 },
      ],
      configurations: [{ seq: 12, configuration: toCoreConfiguration(configuration) }],
      chains: Uint32Array.from(chains),
      ref,
    },
  }
}

/** The bytes of a message after its header, in groups as the format page has them. */
function assertBody(message: OutgoingPeerMessage, flags: number, body: string): void {
  const actual = Buffer.from(encodeFrame([message]))
  const length = (actual.length - 8).toString(16).padStart(2, '0')
  const code = PeerMessageCode[message.type].toString(16).padStart(2, '0')
  const head = `01 00 0000 07000000 ${length}000000 ${code} 0${flags} 0000 01000000 02000000 0500000000000000`
  assert.equal(actual.toString('hex'), `${head} ${body}`.replaceAll(' ', ''), message.type)
}

const u64 = (value: number): string => {
  const field = Buffer.alloc(8)
  field.writeBigUInt64LE(BigInt(value))
  return field.toString('hex')
}
const hex = (value: Uint8Array): string => Buffer.from(value).toString('hex')

describe('the peer wire', () => {
  it('has a sample of every type', () => {
    assert.deepEqual(new Set(samples.map(m => m.type)), new Set(Object.keys(PeerMessageCode)))
    assert.equal(new Set(Object.values(PeerMessageCode)).size, Object.keys(PeerMessageCode).length)
  })

  it('gives back every message, alone and many in one frame', () => {
    for (const message of samples) assert.deepEqual(readFrame(encodeFrame([message])), [expected(message)])
    assert.deepEqual(readFrame(Buffer.from(encodeFrame(samples))), samples.map(expected))
  })

  it('tells the core which messages are its own', () => {
    const own = readFrame(encodeFrame(samples)).filter(isCoreMessage)
    assert.equal(
      own.length,
      samples.findIndex(m => m.type === 'forward'),
    )
  })

  it('names the group in the frame and counts its bytes before it is made', () => {
    const writer = new PeerFrameWriter(7)
    assert.ok(writer.isEmpty)
    for (const message of samples) writer.add(message)
    const { byteLength } = writer
    const frame = writer.finish()
    assert.equal(frame.length, byteLength)
    assert.equal(frame.buffer.byteLength, byteLength)
    assert.ok(writer.isEmpty)
    const cursor = new PeerFrameCursor()
    cursor.open(frame, MAX)
    assert.equal(cursor.group, 7)
  })

  it('leaves the frame as it was when a message cannot be written', () => {
    const writer = new PeerFrameWriter(7)
    const [forward] = samples.filter(m => m.type === 'forward')
    writer.add(samples[0]!)
    assert.throws(
      () =>
        writer.add({
          ...forward!,
          type: 'forward',
          requests: [
            { forwardId: 1, request: bytes(1) },
            { forwardId: -1, request: bytes(1) },
          ],
        }),
      RangeError,
    )
    assert.throws(
      () => writer.add({ type: 'timeoutNow', from: 1, to: 2, term: 1.5, last: { term: 1, seq: 1 } }),
      RangeError,
    )
    writer.add(samples[1]!)
    assert.deepEqual(readFrame(writer.finish()), samples.slice(0, 2))
  })

  it('refuses entries that do not start after prevSeq', () => {
    const append = samples.find(m => m.type === 'appendRequest')
    assert.ok(append?.type === 'appendRequest')
    assert.throws(() => encodeFrame([{ ...append, prevSeq: 9 }]), RangeError)
  })

  it('refuses a frame above its bound, of another format, with unknown flags, of an unknown type', () => {
    const frame = encodeFrame(samples.slice(0, 1))
    const cursor = new PeerFrameCursor()
    assert.throws(() => cursor.open(frame, frame.length - 1), MalformedBytes)
    const changes: [number, number][] = [
      [0, 2],
      [1, 1],
      [12, 63],
      [12, 255],
      [13, 4],
    ]
    for (const [at, value] of changes) {
      const changed = frame.slice()
      changed[at] = value
      assert.throws(() => readFrame(changed), MalformedBytes, `${at}`)
    }
  })

  it('refuses a chunk, a manifest and a first entry that are not what they say', () => {
    for (const type of ['snapshotChunk', 'snapshotManifest', 'bootstrap']) {
      const frame = encodeFrame(samples.filter(m => m.type === type))
      // The last byte of each is content; the seq of the bootstrap entry is at 8 of the entry.
      frame[type === 'bootstrap' ? 40 : frame.length - 1]! ^= 2
      assert.throws(() => readFrame(frame), MalformedBytes, type)
    }
  })

  it('keeps the client address of a member through the core and back', () => {
    assert.deepEqual(fromCoreConfiguration(toCoreConfiguration(configuration)), configuration)
    const members = toCoreConfiguration(configuration).members.map(({ id, name, address, directoryId }) => ({
      id,
      name,
      address,
      directoryId,
    }))
    const stripped = fromCoreConfiguration({ ...toCoreConfiguration(configuration), members })
    assert.deepEqual(
      stripped.members.map(m => m.clientAddress),
      ['', ''],
    )
  })
})

describe('entries of an AppendRequest', () => {
  const noop = (seq: number, term: number): SampleEntry => ({ seq, term, kind: EntryKind.noop, payload: bytes() })
  const previous = { seq: 10, term: 3, chain: 5 }
  const describeAll = (entries: SampleEntry[], maxTerm = 9, count = entries.length) =>
    describeEntries(encodeEntries(entries), count, previous, maxTerm)

  it('are described by runs of terms and chained from the one before', () => {
    const batch = describeAll([noop(11, 3), noop(12, 3), noop(13, 8), noop(14, 9)])
    assert.deepEqual(batch.terms, [
      { term: 3, lastSeq: 12 },
      { term: 8, lastSeq: 13 },
      { term: 9, lastSeq: 14 },
    ])
    const first = encodeEntries([noop(11, 3)])
    assert.equal(batch.chains[0], crc32(first, 5))
    assert.equal(batch.chains[1], crc32(encodeEntries([noop(12, 3)]), batch.chains[0]))
  })

  it('are refused with a gap, a term that decreases or that the leader cannot have, or another count', () => {
    assert.throws(() => describeAll([noop(12, 3)]), MalformedBytes)
    assert.throws(() => describeAll([noop(11, 3), noop(13, 3)]), MalformedBytes)
    assert.throws(() => describeAll([noop(11, 2)]), MalformedBytes)
    assert.throws(() => describeAll([noop(11, 5), noop(12, 4)]), MalformedBytes)
    assert.throws(() => describeAll([noop(11, 5)], 4), MalformedBytes)
    assert.throws(() => describeAll([noop(11, 5), noop(12, 5)], 9, 1), MalformedBytes)
    assert.throws(() => describeAll([noop(11, 5)], 9, 2), MalformedBytes)
    assert.throws(() => describeAll([noop(11, 5)], 9, 0xffffffff), MalformedBytes)
  })

  it('are the same for random batches as what a plain walk finds', () => {
    const random = createRandom(seed)
    for (let round = 0; round < 200; round++) {
      let term = 3
      const entries = Array.from({ length: 1 + random(40) }, (_, i) => {
        if (random(5) === 0) term += random(3)
        return { seq: 11 + i, term, kind: EntryKind.transaction, payload: randomBytes(random, random(80)) }
      })
      const batch = describeAll(entries, term)
      assert.deepEqual(
        entries.map(entry => batch.terms.find(run => entry.seq <= run.lastSeq)?.term),
        entries.map(entry => entry.term),
      )
      assert.ok(batch.terms.every((run, i) => i === 0 || batch.terms[i - 1]!.term < run.term))
      let chain = previous.chain
      for (const [i, entry] of entries.entries()) {
        chain = crc32(encodeEntries([entry]), chain)
        assert.equal(batch.chains[i], chain)
      }
    }
  })
})

describe('the bytes of the peer wire (docs/formats/peer-wire.md)', () => {
  const header = { from: 1, to: 2, term: 5 } as const
  const last = { term: 4, seq: 13 }
  const lastHex = u64(4) + u64(13)
  const half = '000000000000e03f'
  const six = '0000000000001840'

  it('of elections', () => {
    const campaign = { ...header, campaignTerm: 6, campaignId: 7 }
    assertBody({ type: 'preVoteRequest', ...campaign, last }, 0, `${u64(6)} ${u64(7)} ${lastHex}`)
    const answer = { type: 'preVoteResponse', ...campaign, isGranted: true, reason: 'granted', recoveryId: 0 } as const
    assertBody({ ...answer, intactEnd: last }, 3, `${u64(6)} ${u64(7)} 00 ${u64(0)} ${lastHex}`)
    assertBody(
      { ...answer, intactEnd: null, isGranted: false, reason: 'embargo' },
      0,
      `${u64(6)} ${u64(7)} 06 ${u64(0)}`,
    )
    const answers = [{ voter: 3, end: last, recoveryId: 9 }]
    assertBody(
      { type: 'voteRequest', ...header, campaignId: 7, last, isTransfer: true, answers },
      1,
      `${u64(7)} ${lastHex} 0100 03000000 ${lastHex} ${u64(9)}`,
    )
    assertBody({ type: 'voteResponse', ...campaign, isGranted: true, reason: 'term' }, 1, `${u64(6)} ${u64(7)} 04`)
    assertBody({ type: 'timeoutNow', ...header, last }, 0, lastHex)
  })

  it('of replication', () => {
    const entry = encodeEntries([{ seq: 11, term: 5, kind: EntryKind.noop, payload: bytes() }])
    const append = {
      type: 'appendRequest',
      ...header,
      prevSeq: 10,
      prevTerm: 4,
      prevChain: 0xa1b2c3d4,
      commit: 9,
      streamId: 8,
      sentAtMs: 0.5,
    } as const
    const fixed = (count: string): string => `${u64(10)} ${u64(4)} d4c3b2a1 ${count} ${u64(9)} ${u64(8)} ${half}`
    assertBody({ ...append, entries: null, recovery: null }, 0, fixed('00000000'))
    assertBody(
      {
        ...append,
        entries: { firstSeq: 11, lastSeq: 11, byteLength: 32, bytes: entry },
        recovery: { recoveryId: 2, throughSeq: 3 },
      },
      1,
      `${fixed('01000000')} ${u64(2)} ${u64(3)} ${hex(entry)}`,
    )
    assertBody(
      {
        type: 'appendResponse',
        ...header,
        isAccepted: true,
        matchSeq: 13,
        rejectedSeq: 1,
        hint: last,
        streamId: 8,
        sentAtMs: 0.5,
        recoveryId: 2,
      },
      1,
      `${u64(13)} ${u64(1)} ${lastHex} ${u64(8)} ${half} ${u64(2)}`,
    )
  })

  it('of heartbeats and reads', () => {
    const digest = { seq: 4096, chain: 1, s: 'ab' }
    const beat = { ...header, readSeq: 3, sentAtMs: 0.5, wallMicros: 6 }
    assertBody(
      { type: 'heartbeatRequest', ...beat, commit: 9, digest },
      1,
      `${u64(9)} ${u64(3)} ${half} ${six} ${u64(4096)} 01000000 02006162`,
    )
    const answer = {
      type: 'heartbeatResponse',
      ...beat,
      syncedSeq: 13,
      diskStallMs: 0.5,
      digest: null,
      isUnfitToLead: true,
    } as const
    assertBody(answer, 2, `${u64(3)} ${half} ${u64(13)} ${half} ${six}`)
    assertBody({ type: 'readIndexRequest', ...header, reqId: 4 }, 0, u64(4))
    assertBody({ type: 'readIndexResponse', ...header, reqId: 4, readSeq: 13 }, 1, u64(4) + u64(13))
    assertBody({ type: 'readIndexResponse', ...header, reqId: 4, readSeq: null }, 0, u64(4))
  })

  it('of forwarded requests', () => {
    assertBody(
      {
        type: 'forward',
        ...header,
        requests: [
          { forwardId: 4, request: bytes(1, 2) },
          { forwardId: 5, request: bytes(3) },
        ],
      },
      0,
      `02000000 ${u64(4)} 02000000 0102 ${u64(5)} 01000000 03`,
    )
    assertBody(
      { type: 'forwardResults', ...header, results: [{ forwardId: 4, outcome: bytes(9) }] },
      0,
      `01000000 ${u64(4)} 00 01000000 09`,
    )
    const nonce = new Uint8Array(16).fill(7)
    assertBody(
      {
        type: 'openSession',
        ...header,
        forwardId: 4,
        opening: { caller: 'a', kind: 'client', nonce, notAfterMicros: 5 },
      },
      0,
      `${u64(4)} 01 00 ${u64(5)} ${'07'.repeat(16)} 010061`,
    )
    assertBody({ type: 'membershipNotice', ...header, state: 'unjoined', configurationSeq: 6 }, 0, `01 ${u64(6)}`)
  })

  it('of snapshots', () => {
    const transfer = { ...header, transferId: 9 }
    const base = { seq: 4, sum: { lo: 1, hi: 2 }, effectChain: 3 }
    assertBody(
      { type: 'snapshotRequest', ...transfer, seq: 6, base },
      1,
      `${u64(9)} ${u64(6)} ${u64(4)} 01000000 02000000 03000000`,
    )
    assertBody(
      { type: 'snapshotResume', ...transfer, manifestHash: new Uint8Array(32), afterFence: bytes(5) },
      1,
      `${u64(9)} ${'00'.repeat(32)} 010005`,
    )
    const crc = Buffer.alloc(4)
    crc.writeUInt32LE(crc32(bytes(5, 1, 2)))
    assertBody(
      { type: 'snapshotChunk', ...transfer, number: 3, fence: bytes(5), bytes: bytes(1, 2) },
      0,
      `${u64(9)} 03000000 ${hex(crc)} 010005 02000000 0102`,
    )
    assertBody({ type: 'snapshotChunkAck', ...transfer, number: 3 }, 0, `${u64(9)} 03000000`)
    assertBody({ type: 'snapshotEnd', ...transfer, chunks: 4 }, 0, `${u64(9)} 04000000`)
    assertBody({ type: 'snapshotInstalled', ...transfer, seq: 6 }, 0, u64(9) + u64(6))
    const error = new QuorateError('unavailable', 'S')
    const errorHex = `0b00 ${hex(utf8Bytes('unavailable'))} 0100 53 00`
    assertBody({ type: 'snapshotFailed', ...transfer, isMismatch: false, error }, 0, `${u64(9)} ${errorHex}`)
    assertBody({ type: 'snapshotFailed', ...transfer, isMismatch: true, error }, 1, `${u64(9)} ${errorHex}`)
    const manifest = {
      seq: 6,
      term: 5,
      chain: 7,
      effectChain: 8,
      sum: { lo: 1, hi: 2 },
      leaderTimeMicros: 3,
      featureLevel: 1,
      historyId: configuration.historyId,
      configuration: bytes(4),
      sinceSeq: 2,
    }
    const manifestHex = `01 00 0000 01000000 ${u64(6)} ${u64(5)} 07000000 08000000 01000000 02000000 ${u64(3)} ${u64(2)} ${configuration.historyId} 01000000 04`
    assert.equal(hex(encodeManifest(manifest)), manifestHex.replaceAll(' ', ''))
    assert.deepEqual(manifestHash(manifest), sha256(encodeManifest(manifest)))
    assertBody(
      { type: 'snapshotManifest', ...transfer, manifest },
      0,
      `${u64(9)} ${hex(manifestHash(manifest))} ${manifestHex}`,
    )
  })
})

describe('damaged peer frames', () => {
  it('give a message or MalformedBytes, nothing else', () => {
    const random = createRandom(seed)
    const frames = samples.map(message => encodeFrame([message]))
    let refused = 0
    for (let round = 0; round < 300; round++) {
      for (const frame of frames) {
        try {
          readFrame(damage(random, frame))
        } catch (error) {
          assert.ok(error instanceof MalformedBytes, String(error))
          refused++
        }
      }
    }
    assert.ok(refused > 1000)
  })

  it('are refused wherever they are cut', () => {
    for (const message of samples) {
      const frame = encodeFrame([message])
      for (let end = 0; end < frame.length; end++) {
        if (end !== 8) assert.throws(() => readFrame(frame.subarray(0, end)), MalformedBytes, message.type)
      }
    }
  })

  it('of random bytes under every type are refused or read', () => {
    const random = createRandom(seed + 1)
    const codes = Object.values(PeerMessageCode)
    for (let round = 0; round < 20_000; round++) {
      const frame = randomBytes(random, 32 + random(90))
      frame.fill(0, 0, 8)
      frame[0] = 1
      new DataView(frame.buffer).setUint32(8, frame.length - 8, true)
      frame[12] = codes[random(codes.length)]!
      frame[13] = random(2)
      frame.fill(0, 14, 16)
      frame.fill(0, 30, 32)
      try {
        readFrame(frame)
      } catch (error) {
        assert.ok(error instanceof MalformedBytes, String(error))
      }
    }
  })
})
