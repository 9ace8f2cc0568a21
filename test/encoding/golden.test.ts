import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { crc32ByTable } from '../../src/encoding/crc32.ts'
import {
  addDigest,
  bytesToHex,
  chainEntry,
  crc32,
  decodeConfiguration,
  decodeEnvelope,
  decodeOutcome,
  decodeRequestHeader,
  decodeSessionOpening,
  decodeTick,
  digestBytes,
  digestRecord,
  digestToHex,
  encodeConfiguration,
  encodeEntry,
  encodeEnvelope,
  encodeOutcome,
  firstOutcome,
  hexToBytes,
  MalformedBytes,
  encodePlainCommit,
  encodeRequest,
  encodeSessionOpening,
  encodeTick,
  EntryKind,
  plainCommitSeq,
  repeatedOutcome,
  raiseCopy,
  readEntryHeader,
  requestCopy,
  subtractDigest,
  utf8Bytes,
  zeroDigest,
  type Configuration,
  type Outcome,
  type TransactionEnvelope,
} from '../../src/encoding/index.ts'

/** Hexadecimal text as the format pages write it: fields apart, in their order. */
const layout = (...fields: string[]): string => fields.join('').replaceAll(' ', '')
const key = utf8Bytes('k')
const value = utf8Bytes('vv')

function golden(envelope: TransactionEnvelope, ...fields: string[]): void {
  const bytes = encodeEnvelope(envelope)
  assert.equal(bytesToHex(bytes), layout(...fields))
  assert.deepEqual(decodeEnvelope(bytes), envelope)
}

const APP = '01 70  03 617070' // project p, scope app
const target = { project: 'p', scope: 'app', key }

describe('golden bytes of the envelope', () => {
  it('header, names and every kind of mutation', () => {
    golden(
      {
        idempotencyKey: 'id',
        mutations: [
          { type: 'kvSet', ...target, value },
          { type: 'kvSet', ...target, ttlMs: 1000, value },
          { type: 'kvDelete', ...target, scope: 's' },
          { type: 'kvIncrement', ...target, by: 3n, width: 64, onMissing: 'zero', onOverflow: 'saturate' },
          { type: 'kvDecrement', ...target, by: 1n, width: 256, onMissing: 'reject', onUnderflow: 'ignore' },
        ],
      },
      '01 01 0200 0000 0000 0000 0000 05000000  02 6964',
      APP,
      '01 70  01 73',
      '40 00 0000 05000000  0100 6b 7676',
      '40 01 0000 0d000000  0100 6b e803000000000000 7676',
      '41 00 0100 03000000  0100 6b',
      '42 04 0000 0b000000  0100 6b 0000000000000003',
      `43 0b 0000 23000000  0100 6b ${'00'.repeat(31)}01`,
    )
  })

  it('assertions and the read set', () => {
    golden(
      {
        assertions: [
          { type: 'keyVersion', ...target, seq: 5 },
          { type: 'keyExists', ...target, expected: true },
          { type: 'keyEquals', ...target, value },
          { type: 'keyCompare', ...target, op: 'gte', threshold: value },
        ],
        readSet: {
          points: [{ ...target, seq: 2 ** 40 }],
          ranges: [
            { project: 'p', scope: 'app', start: key, reverse: true, limit: 9, digest: '0123456789abcdef' },
            { project: 'p', scope: 'app', end: key, reverse: false, limit: 0, digest: '0000000000000000' },
          ],
        },
        mutations: [],
      },
      '01 00 0100 0400 0100 0200 0000 00000000',
      APP,
      '01 00 0000 0b000000  0100 6b 0500000000000000',
      '02 01 0000 03000000  0100 6b',
      '03 00 0000 05000000  0100 6b 7676',
      '04 05 0000 05000000  0100 6b 7676',
      '20 00 0000 0b000000  0100 6b 0000000000010000',
      '21 05 0000 11000000  0100 6b 0000 09000000 efcdab89 67452301',
      '21 02 0000 11000000  0000 0100 6b 00000000 00000000 00000000',
    )
  })

  it('every catalog operation', () => {
    const prefix = utf8Bytes('x')
    golden(
      {
        mutations: [
          { type: 'ddl', operation: { type: 'createProject', project: 'p', ifNotExists: true } },
          { type: 'ddl', operation: { type: 'renameProject', project: 'p', to: 'q' } },
          { type: 'ddl', operation: { type: 'dropProject', project: 'p', ifExists: false } },
          { type: 'ddl', operation: { type: 'createScope', project: 'p', scope: 's', ifNotExists: false } },
          { type: 'ddl', operation: { type: 'renameScope', project: 'p', scope: 's', to: 't' } },
          { type: 'ddl', operation: { type: 'dropScope', project: 'p', scope: 's', ifExists: true } },
          { type: 'ddl', operation: { type: 'grant', caller: 'c', permission: { type: 'admin' } } },
          {
            type: 'ddl',
            operation: {
              type: 'revoke',
              caller: 'c',
              permission: { type: 'kvWrite', project: 'p', scope: 's', prefix },
            },
          },
          { type: 'ddl', operation: { type: 'setSetting', name: 'n', value: 1 } },
          { type: 'ddl', operation: { type: 'createProject', project: 'p', ifNotExists: false, owner: 'o' } },
          { type: 'ddl', operation: { type: 'transferOwnership', project: 'p', to: '' } },
          { type: 'ddl', operation: { type: 'transferOwnership', project: 'p', scope: 's', table: 't', to: 'o' } },
          { type: 'ddl', operation: { type: 'compactEvents', project: 'p', scope: 's' } },
          { type: 'ddl', operation: { type: 'compactEvents', project: 'p', scope: 's', maxAgeMs: 5, keepLast: 6 } },
          { type: 'ddl', operation: { type: 'compactEvents', project: 'p', scope: 's', maxEvents: 7 } },
          { type: 'ddl', operation: { type: 'setQuota', project: 'p' } },
          { type: 'ddl', operation: { type: 'setQuota', project: 'p', bytes: 5, records: 6 } },
        ],
      },
      '01 00 0000 0000 0000 0000 0000 11000000',
      '80 00 ffff 05000000  01 01 0100 70',
      '80 00 ffff 08000000  02 00 0100 70 0100 71',
      '80 00 ffff 05000000  03 00 0100 70',
      '80 00 ffff 08000000  04 00 0100 70 0100 73',
      '80 00 ffff 0b000000  05 00 0100 70 0100 73 0100 74',
      '80 00 ffff 08000000  06 01 0100 70 0100 73',
      '80 00 ffff 07000000  07 00 0100 63 00 00',
      '80 00 ffff 10000000  08 00 0100 63 03 07 0100 70 0100 73 0100 78',
      '80 00 ffff 0d000000  09 00 0100 6e 000000000000f03f',
      '80 00 ffff 08000000  01 02 0100 70 0100 6f',
      '80 00 ffff 07000000  12 00 0100 70 0000',
      '80 00 ffff 0e000000  12 03 0100 70 0100 73 0100 74 0100 6f',
      '80 00 ffff 08000000  13 00 0100 70 0100 73',
      '80 00 ffff 18000000  13 03 0100 70 0100 73 0500000000000000 0600000000000000',
      '80 00 ffff 10000000  13 04 0100 70 0100 73 0700000000000000',
      '80 00 ffff 05000000  14 00 0100 70',
      '80 00 ffff 15000000  14 03 0100 70 0500000000000000 0600000000000000',
    )
  })
})

describe('golden bytes of the request', () => {
  const header = {
    caller: 'ann',
    session: 7,
    serial: 2 ** 33,
    acknowledgedThrough: 5,
    notAfterMicros: 1_000_000,
    copy: 1,
  }

  it('header, caller and envelope', () => {
    const request = encodeRequest(header, value)
    assert.deepEqual(encodeRequest(header, value, 7).subarray(7), request)
    const bytes = layout(
      '01 01 0300 00000000  0700000000000000 0000000002000000 0500000000000000 40420f0000000000',
      '616e6e 7676',
    )
    assert.equal(bytesToHex(request), bytes)
    assert.deepEqual(decodeRequestHeader(request), { ...header, envelope: value })
    raiseCopy(request)
    assert.equal(requestCopy(request), 2)
    request[1] = 255
    raiseCopy(request)
    assert.equal(requestCopy(request), 255)
  })

  it('session openings and ticks', () => {
    const opening = { caller: 'ann', kind: 'node' as const, nonce: new Uint8Array(16).fill(0xab), notAfterMicros: 1 }
    const bytes = encodeSessionOpening(opening)
    assert.equal(bytesToHex(bytes), layout('01 01 0100000000000000', 'ab'.repeat(16), '0300 616e6e'))
    assert.deepEqual(decodeSessionOpening(bytes), opening)
    assert.equal(bytesToHex(encodeTick(1000)), 'e8030000')
    assert.equal(decodeTick(encodeTick(1000)), 1000)
  })
})

describe('golden bytes of the outcome', () => {
  type Case = [Outcome, string]
  const cases: Case[] = [
    [{ status: 'committed', seq: 9, results: [] }, '01 00 0000 0900000000000000 00000000'],
    [{ status: 'committed', seq: 9, results: [], isDuplicate: true }, '01 00 0100 0900000000000000 00000000'],
    [
      { status: 'committed', seq: 9, results: [undefined, 258n, 1n << 64n, true] },
      `01 00 0000 0900000000000000 04000000  00  01 0000000000000102  02 ${'00'.repeat(23)}01${'00'.repeat(8)}  03 01`,
    ],
    [
      { status: 'refused', seq: 9, code: 'conflict', message: 'm', detail: { index: 2, actualSeq: 3 } },
      '01 01 0000 0900000000000000  0800 636f6e666c696374  0100 6d  01 02000000 0300000000000000',
    ],
    [
      {
        status: 'refused',
        seq: 9,
        code: 'c',
        message: '',
        detail: {
          index: 2,
          actualSeq: 3,
          condition: { path: 'assertions[2]', type: 'keyVersion', op: 'eq', expected: 4, actual: 3 },
        },
      },
      `01 01 0000 0900000000000000  0100 63  0000  02 02000000 0300000000000000`.concat(
        ` 0d00 ${bytesToHex(utf8Bytes('assertions[2]'))} 01 00 02 04 04000000 04 03000000`,
      ),
    ],
    [
      {
        status: 'refused',
        seq: 9,
        code: 'c',
        message: '',
        detail: {
          index: 0,
          actualSeq: 0,
          condition: {
            path: '',
            type: 'rowCompare',
            op: 'lte',
            isNegated: true,
            expected: null,
            actual: 'a',
            expectedBytes: 100,
            actualBytes: 200,
            columnType: 'u64',
          },
        },
      },
      `01 01 0000 0900000000000000  0100 63  0000  02 00000000 0000000000000000 0000 0a 03 1f 00 64000000 0a01 61 c8000000 02`,
    ],
    [{ status: 'refused', seq: 9, code: 'c', message: '' }, '01 01 0000 0900000000000000  0100 63  0000  00'],
  ]

  it('committed, with results, and refused', () => {
    for (const [outcome, bytes] of cases) {
      assert.equal(bytesToHex(encodeOutcome(outcome)), layout(bytes))
      assert.deepEqual(decodeOutcome(encodeOutcome(outcome)), outcome)
    }
    assert.equal(bytesToHex(encodePlainCommit(9)), layout(cases[0]![1]))
  })

  it('the answer to a repetition is the first answer with a flag, and a refusal as it is', () => {
    const [[plain], [repeated], [, numbers], [, refused]] = cases as [Case, Case, Case, Case]
    assert.deepEqual(repeatedOutcome(encodeOutcome(plain)), encodeOutcome(repeated))
    assert.equal(plainCommitSeq(encodeOutcome(repeated)), undefined)
    for (const bytes of [numbers, refused].map(text => hexToBytes(layout(text)))) {
      const before = bytesToHex(bytes)
      assert.equal(bytesToHex(firstOutcome(repeatedOutcome(bytes))), before)
      assert.equal(bytesToHex(bytes), before, 'it was changed in place')
    }
    const refusal = hexToBytes(layout(refused))
    assert.equal(repeatedOutcome(refusal), refusal)
    refusal[2] = 1
    assert.throws(() => decodeOutcome(refusal), MalformedBytes)
    assert.throws(() => decodeOutcome(hexToBytes(layout('01 00 0200 0900000000000000 00000000'))), MalformedBytes)
  })

  it('the plain commit, read in place', () => {
    assert.deepEqual(
      cases.map(([outcome]) => plainCommitSeq(encodeOutcome(outcome))),
      [9, ...cases.slice(1).map(() => undefined)],
    )
    assert.equal(plainCommitSeq(encodePlainCommit(2 ** 50)), 2 ** 50)
  })
})

describe('golden bytes of the configuration', () => {
  it('members and who votes', () => {
    const configuration: Configuration = {
      historyId: '0123456789abcdef'.repeat(2),
      members: [{ nodeId: 3, name: 'n1', peerAddress: 'h:1', clientAddress: 'h:2', directoryId: 'fe'.repeat(16) }],
      voters: [3],
      outgoing: [1, 2],
      learners: [],
      learnersNext: [],
    }
    const bytes = encodeConfiguration(configuration)
    assert.equal(
      bytesToHex(bytes),
      layout(
        '01',
        '0123456789abcdef'.repeat(2),
        '0100  03000000 0200 6e31 0300 683a31 0300 683a32',
        'fe'.repeat(16),
        '0100 03000000  0200 01000000 02000000  0000  0000',
      ),
    )
    assert.deepEqual(decodeConfiguration(bytes), configuration)
  })
})

describe('golden bytes of the entry', () => {
  it('header, payload and chain', () => {
    const header = { kind: EntryKind.transaction, seq: 258, term: 3, leaderTimeMicros: 2 ** 50 }
    const entry = encodeEntry(header, value)
    assert.equal(
      bytesToHex(entry),
      layout('22000000 01 03 0000 0201000000000000 0300000000000000 0000000000000400 7676'),
    )
    assert.deepEqual(readEntryHeader(entry, 0, entry.length), { ...header, length: 34 })
    const chain = chainEntry(0, entry, 0, entry.length)
    assert.equal(chain, 3478646345)
    assert.equal(chainEntry(chain, entry, 0, entry.length), 124380778)
  })
})

describe('golden values of digests', () => {
  const digest = (text: string, seedLo?: number, seedHi?: number): string => {
    const out = zeroDigest()
    const bytes = utf8Bytes(text)
    digestBytes(out, bytes, 0, bytes.length, seedLo, seedHi)
    return digestToHex(out)
  }

  it('of bytes, of every tail length, with a seed', () => {
    const texts = ['', 'a', 'ab', 'abc', 'abcd', 'abcde', 'The quick brown fox jumps over the lazy dog']
    assert.deepEqual(
      texts.map(text => digest(text)),
      [
        '97636fb6b3908561',
        'b42e99f961342679',
        '43d8eda0624662c8',
        'c38a370a1ae0cc9e',
        'a8f9d683878fbb41',
        'ede67b140aa783c0',
        'cae284af009387ad',
      ],
    )
    assert.equal(digest('abc', 1, 2), '42afc611ba6c8c67')
  })

  it('of records, and of their sum', () => {
    const valueDigest = zeroDigest()
    digestBytes(valueDigest, value, 0, value.length)
    const one = zeroDigest()
    digestRecord(one, key, 0, key.length, 5, 4, 0, value.length, valueDigest)
    const two = zeroDigest()
    digestRecord(two, key, 0, key.length, 2 ** 45, 4, 1_000_000, value.length, valueDigest)
    assert.equal(digestToHex(one), '71c371d6bc7edfc3')
    assert.equal(digestToHex(two), '65ce24aab14ef457')
    const sum = { ...one }
    addDigest(sum, two)
    const exact = (BigInt(`0x${digestToHex(one)}`) + BigInt(`0x${digestToHex(two)}`)) & ((1n << 64n) - 1n)
    assert.equal(BigInt(`0x${digestToHex(sum)}`), exact)
    subtractDigest(sum, one)
    assert.deepEqual(sum, two)
  })
})

it('the CRC-32 of browsers is that of Node', () => {
  for (const length of [0, 1, 3, 255, 4096]) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 37) ^ (i >> 3))
    for (const seed of [0, 1, 0xffffffff, 0x12345678]) assert.equal(crc32ByTable(bytes, seed), crc32(bytes, seed))
  }
  assert.equal(crc32ByTable(Uint8Array.from(Buffer.from('123456789'))), 0xcbf43926)
})
