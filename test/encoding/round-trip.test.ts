import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  checkedDdl,
  checkedTransaction,
  checkEnvelope,
  compareBytes,
  ddlFromJson,
  ddlToJson,
  decodeConfiguration,
  decodeEnvelope,
  decodeOrderedKey,
  decodeOutcome,
  decodeRequestHeader,
  decodeSessionOpening,
  decodeTick,
  encodeConfiguration,
  encodeEnvelope,
  encodeOutcome,
  encodeRequest,
  encodeSessionOpening,
  EnvelopeCursor,
  fromBase64,
  MalformedBytes,
  MalformedData,
  prefixSuccessor,
  readEntryHeader,
  toBase64,
  transactionFromJson,
  transactionToJson,
  utf8Bytes,
} from '../../src/encoding/index.ts'
import { bytes, check, ddl, throughJson, transaction } from './arbitraries.ts'

describe('what is encoded', () => {
  it('decodes to the same transaction', () => {
    check(transaction, 500, envelope => {
      const encoded = encodeEnvelope(envelope)
      assert.deepEqual(decodeEnvelope(encoded), envelope)
      checkEnvelope(new EnvelopeCursor(), encoded, 0, encoded.length)
      const padded = new Uint8Array(encoded.length + 20)
      padded.set(encoded, 7)
      assert.deepEqual(decodeEnvelope(padded, 7, 7 + encoded.length), envelope)
    })
  })

  it('does not depend on what was encoded before, a failure included', () => {
    const envelope = { mutations: [{ type: 'kvDelete' as const, project: 'p', key: Uint8Array.of(1) }] }
    const first = encodeEnvelope(envelope)
    const tooLong = { type: 'kvDelete' as const, project: 'q', key: new Uint8Array(70_000) }
    assert.throws(() => encodeEnvelope({ mutations: [...envelope.mutations, tooLong] }), RangeError)
    encodeEnvelope({ mutations: [{ type: 'kvSet', project: 'q', key: first, value: new Uint8Array(2_000_000) }] })
    assert.deepEqual(encodeEnvelope(envelope), first)
  })

  it('passes through JSON and through the check of native data', () => {
    check(transaction, 500, envelope => {
      const json = JSON.stringify(transactionToJson(envelope))
      assert.deepEqual(transactionFromJson(JSON.parse(json)), throughJson(envelope))
      assert.deepEqual(checkedTransaction(envelope), envelope)
    })
    check(fc.array(ddl), 300, operations => {
      const json = JSON.stringify(operations.map(ddlToJson))
      assert.deepEqual(ddlFromJson(JSON.parse(json)), throughJson(operations))
      assert.deepEqual(checkedDdl(operations), operations)
    })
  })

  it('is refused where the format has no room', () => {
    const target = { project: 'p', key: new Uint8Array(0) }
    assert.throws(() => encodeEnvelope({ idempotencyKey: 'x'.repeat(256), mutations: [] }), RangeError)
    for (const by of [-1n, 1n << 64n]) {
      assert.throws(
        () => encodeEnvelope({ mutations: [{ type: 'kvIncrement', ...target, by, width: 64 }] }),
        RangeError,
      )
    }
    const points = Array.from({ length: 65_536 }, () => ({ ...target, seq: 0 }))
    assert.throws(() => encodeEnvelope({ readSet: { points }, mutations: [] }), RangeError)
    const permission = { type: 'kvRead', scope: 's' } as const
    const grant = { type: 'grant', caller: 'c', permission } as const
    assert.throws(() => encodeEnvelope({ mutations: [{ type: 'ddl', operation: grant }] }), RangeError)
  })
})

describe('base64', () => {
  it('is that of RFC 4648, and only its canonical form is read', () => {
    check(bytes(50), 300, data => {
      assert.equal(toBase64(data), Buffer.from(data).toString('base64'))
      assert.deepEqual(fromBase64(toBase64(data)), data)
    })
    for (const wrong of ['A', 'AA', 'AAA', 'AB==', 'AAB=', '====', 'A===', 'AA=A', 'A AA', 'AA\n=', 'ÄAAA', 'AA__']) {
      assert.throws(() => fromBase64(wrong), MalformedBytes, wrong)
    }
  })
})

describe('JSON from outside', () => {
  const valid = {
    mutations: [{ type: 'kvIncrement', project: 'p', key: { $b: 'aw==' }, by: '18446744073709551615', width: 64 }],
  }

  it('names the wrong field', () => {
    assert.equal(transactionFromJson(valid).mutations.length, 1)
    const change = (fields: object): unknown => ({ mutations: [{ ...valid.mutations[0], ...fields }] })
    const wrong: [unknown, string][] = [
      [null, 'transaction'],
      [[], 'transaction'],
      [{}, 'transaction.mutations'],
      [{ ...valid, assertion: [] }, 'transaction.assertion'],
      [{ mutations: {} }, 'transaction.mutations'],
      [{ mutations: [1] }, 'transaction.mutations[0]'],
      [change({ type: 'kvIncremint' }), 'transaction.mutations[0].type'],
      [change({ key: 'k' }), 'transaction.mutations[0].key'],
      [change({ key: { $b: 'aw' } }), 'transaction.mutations[0].key'],
      [change({ key: { $b: 'aw==', more: 1 } }), 'transaction.mutations[0].key'],
      [change({ by: 1.5 }), 'transaction.mutations[0].by'],
      [change({ by: 2 ** 53 }), 'transaction.mutations[0].by'],
      [change({ by: '18446744073709551616' }), 'transaction.mutations[0].by'],
      [change({ by: '-1' }), 'transaction.mutations[0].by'],
      [change({ by: '9'.repeat(10_000) }), 'transaction.mutations[0].by'],
      [change({ width: 32 }), 'transaction.mutations[0].width'],
      [change({ onUnderflow: 'reject' }), 'transaction.mutations[0].onUnderflow'],
      [change({ project: '\ud800' }), 'transaction.mutations[0].project'],
      [JSON.parse('{"mutations":[],"__proto__":{}}'), 'transaction.__proto__'],
      [
        { mutations: [], assertions: [{ type: 'keyVersion', project: 'p', key: { $b: '' }, seq: -1 }] },
        'transaction.assertions[0].seq',
      ],
      [
        { mutations: [], readSet: { ranges: [{ project: 'p', limit: 1, digest: 'x' }] } },
        'transaction.readSet.ranges[0].digest',
      ],
      [
        {
          mutations: [
            { type: 'ddl', operation: { type: 'grant', caller: 'c', permission: { type: 'kvRead', scope: 's' } } },
          ],
        },
        'transaction.mutations[0].operation.permission.project',
      ],
    ]
    const t = { project: 'p', table: 't' }
    const one = (mutation: object): unknown => ({ mutations: [{ ...t, ...mutation }] })
    const update = (set: object): unknown => one({ type: 'update', key: {}, set })
    const where = (expr: unknown): unknown => one({ type: 'deleteWhere', where: expr })
    const deep = (levels: number): object =>
      levels === 1 ? { op: 'isNull', column: 'c' } : { op: 'not', arg: deep(levels - 1) }
    const assertion = (levels: number): object =>
      levels === 0
        ? { type: 'rowExists', ...t, key: {}, expected: true }
        : { type: 'not', assertion: assertion(levels - 1) }
    const ddl = (operation: object): unknown => ({ mutations: [{ type: 'ddl', operation: { ...t, ...operation } }] })
    const column = { name: 'c', type: 'text' }
    const table = { type: 'createTable', columns: [column], primaryKey: ['c'] }
    const grant = (permission: object): unknown => ddl({ type: 'grant', caller: 'c', permission })
    assert.equal(transactionFromJson(where(deep(32))).mutations.length, 1)
    assert.equal(transactionFromJson({ mutations: [], assertions: [assertion(16)] }).assertions?.length, 1)
    const at = 'transaction.mutations[0]'
    wrong.push(
      [one({ type: 'insert' }), `${at}.rows`],
      [one({ type: 'insert', rows: [{ a: 1 }, { b: {} }] }), `${at}.rows[1].b`],
      [one({ type: 'insert', rows: [JSON.parse('{"__proto__":1}')] }), `${at}.rows[0].__proto__`],
      [one({ type: 'insert', rows: [], onConflict: { action: 'replace' } }), `${at}.onConflict.action`],
      [
        one({ type: 'insert', rows: [], onConflict: { action: 'merge', target: {} } }),
        `${at}.onConflict.target.columns`,
      ],
      [one({ type: 'upsert', rows: [], onConflict: { action: 'merge' } }), `${at}.onConflict`],
      [update({ c: {} }), `${at}.set.c.set`],
      [update({ c: { set: 1, add: 1 } }), `${at}.set.c.add`],
      [update({ c: { add: 1.5 } }), `${at}.set.c.add`],
      [update({ c: { add: (1n << 256n).toString() } }), `${at}.set.c.add`],
      [where({ op: 'is', column: 'c' }), `${at}.where.op`],
      [where({ op: 'eq', column: 'c', value: { caller: false } }), `${at}.where.value.caller`],
      [where({ op: 'eq', column: 'c', value: { column: 'd', caller: true } }), `${at}.where.value.column`],
      [where({ op: 'like', column: 'c', pattern: 'é'.repeat(129) }), `${at}.where.pattern`],
      [where({ op: 'in', column: 'c', values: Array(10_001).fill(1) }), `${at}.where.values`],
      [where(deep(33)), `${at}.where${'.arg'.repeat(32)}.op`],
      [one({ type: 'deleteWhere', limit: 2 ** 32 }), `${at}.limit`],
      [{ mutations: [], assertions: [assertion(17)] }, `transaction.assertions[0]${'.assertion'.repeat(16)}.type`],
      [{ mutations: [{ type: 'postflight', assertions: [{ type: 'all' }] }] }, `${at}.assertions[0].assertions`],
      [ddl({ ...table, columns: [{ ...column, type: 'varchar' }] }), `${at}.operation.columns[0].type`],
      [ddl({ ...table, foreignKeys: [{ name: 'f' }] }), `${at}.operation.foreignKeys[0].columns`],
      [ddl({ type: 'alterTable', alteration: { type: 'dropTable' } }), `${at}.operation.alteration.type`],
      [grant({ type: 'tableRead', project: 'p', table: 't' }), `${at}.operation.permission.scope`],
      [grant({ type: 'scopeAdmin', project: 'p' }), `${at}.operation.permission.scope`],
      [grant({ type: 'admin', project: 'p' }), `${at}.operation.permission.project`],
      [change({ type: 'counterAdd', shards: 4, shard: 4, width: undefined }), `${at}.shard`],
      [change({ type: 'kvAddSigned', by: '9223372036854775808', width: undefined }), `${at}.by`],
      [
        { mutations: [], readSet: { ranges: [{ project: 'p', index: 'i', limit: 1, digest: '0'.repeat(16) }] } },
        'transaction.readSet.ranges[0].table',
      ],
    )
    for (const [value, path] of wrong) {
      assert.throws(
        () => transactionFromJson(value),
        (error: unknown) => {
          assert.ok(error instanceof MalformedData, String(error))
          assert.equal(error.path, path)
          return true
        },
      )
    }
  })

  it('is never answered with any other error', () => {
    check(fc.jsonValue(), 1000, value => onlyThrows(MalformedData, () => transactionFromJson(value)))
    const patched = fc.tuple(transaction, fc.jsonValue(), fc.nat())
    check(patched, 500, ([envelope, value, at]) => {
      const json = JSON.parse(JSON.stringify(transactionToJson(envelope))) as unknown
      const places: [Record<string, unknown>, string][] = []
      const walk = (node: unknown): void => {
        if (typeof node !== 'object' || node === null) return
        for (const name of Object.keys(node)) {
          places.push([node as Record<string, unknown>, name])
          walk((node as Record<string, unknown>)[name])
        }
      }
      walk(json)
      const [node, name] = places[at % places.length]!
      node[name] = value
      onlyThrows(MalformedData, () => transactionFromJson(json))
    })
  })
})

function onlyThrows(type: new (...args: never[]) => Error, work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof type)) throw error
  }
}

const requestHeader = { caller: 'é', session: 1, serial: 2, acknowledgedThrough: 1, notAfterMicros: 9, copy: 0 }
const configuration = {
  historyId: 'ab'.repeat(16),
  members: [{ nodeId: 1, name: 'n', peerAddress: 'a:1', clientAddress: 'a:2', directoryId: 'cd'.repeat(16) }],
  voters: [1],
  outgoing: [],
  learners: [],
  learnersNext: [],
}

/** Each decoder, and bytes that it takes. What it accepts must encode and decode to the same again. */
const decoders: { name: string; samples: fc.Arbitrary<Uint8Array>; decode: (data: Uint8Array) => void }[] = [
  {
    name: 'envelope',
    samples: transaction.map(encodeEnvelope),
    decode(data) {
      const envelope = decodeEnvelope(data)
      checkEnvelope(new EnvelopeCursor(), data, 0, data.length)
      assert.deepEqual(decodeEnvelope(encodeEnvelope(envelope)), envelope)
    },
  },
  {
    name: 'outcome',
    samples: fc.constantFrom(
      encodeOutcome({ status: 'committed', seq: 4, results: [1n, undefined, true, 1n << 200n] }),
      encodeOutcome({ status: 'committed', seq: 4, results: [], isDuplicate: true }),
      encodeOutcome({ status: 'refused', seq: 4, code: 'conflict', message: 'ü', detail: { index: 1, actualSeq: 2 } }),
      encodeOutcome({
        status: 'refused',
        seq: 4,
        code: 'assertion_failed',
        message: '',
        detail: {
          index: 1,
          actualSeq: 2,
          condition: {
            path: 'assertions[1]',
            type: 'rowCompare',
            op: 'lt',
            isNegated: true,
            expected: 1n << 200n,
            actual: Uint8Array.of(1),
            actualBytes: 70,
            columnType: 'u256',
          },
        },
      }),
    ),
    decode(data) {
      const outcome = decodeOutcome(data)
      assert.deepEqual(decodeOutcome(encodeOutcome(outcome)), outcome)
    },
  },
  {
    name: 'request',
    samples: fc.constant(encodeRequest(requestHeader, utf8Bytes('envelope'))),
    decode(data) {
      const { envelope, ...header } = decodeRequestHeader(data)
      assert.deepEqual(decodeRequestHeader(encodeRequest(header, envelope)), { ...header, envelope })
    },
  },
  {
    name: 'session opening',
    samples: fc.constant(
      encodeSessionOpening({ caller: 'ann', kind: 'client', nonce: new Uint8Array(16), notAfterMicros: 3 }),
    ),
    decode(data) {
      const opening = decodeSessionOpening(data)
      assert.deepEqual(encodeSessionOpening(opening), data)
    },
  },
  { name: 'tick', samples: bytes(8), decode: decodeTick },
  {
    name: 'configuration',
    samples: fc.constant(encodeConfiguration(configuration)),
    decode(data) {
      assert.deepEqual(encodeConfiguration(decodeConfiguration(data)), data)
    },
  },
  { name: 'entry header', samples: bytes(64), decode: data => readEntryHeader(data, 0, data.length) },
  { name: 'ordered key', samples: bytes(64), decode: decodeOrderedKey },
]

describe('a decoder given arbitrary bytes', () => {
  for (const { name, samples, decode } of decoders) {
    it(`of the ${name} accepts them or throws MalformedBytes`, () => {
      const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 })
      const mutated = fc.tuple(samples, changes, fc.nat(30), bytes(4)).map(([sample, changes, cut, tail]) => {
        const data = new Uint8Array([...sample.subarray(0, Math.max(0, sample.length - (cut > 10 ? 0 : cut))), ...tail])
        if (data.length > 0) for (const [at, byte] of changes) data[at % data.length] = byte
        return data
      })
      check(fc.oneof(mutated, bytes(120)), 1500, data => onlyThrows(MalformedBytes, () => decode(data)))
      // Every cut of a whole one: no field is read past the end.
      check(samples, 20, sample => {
        for (let end = 0; end < sample.length; end++) onlyThrows(MalformedBytes, () => decode(sample.slice(0, end)))
      })
    })
  }
})

describe('the successor of a prefix', () => {
  it('is the first key after all keys that begin with it', () => {
    check(fc.tuple(bytes(4), bytes(4)), 1000, ([prefix, rest]) => {
      const successor = prefixSuccessor(prefix)
      const key = new Uint8Array([...prefix, ...rest])
      if (successor === undefined) assert.ok(prefix.every(byte => byte === 255))
      else {
        assert.ok(compareBytes(key, successor) < 0)
        assert.ok(compareBytes(successor.subarray(0, prefix.length), prefix) > 0)
        const other = rest
        const startsWith = compareBytes(other.subarray(0, prefix.length), prefix) === 0
        if (!startsWith && compareBytes(other, prefix) > 0) assert.ok(compareBytes(other, successor) >= 0)
      }
    })
  })
})
