import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  bytesToHex,
  ByteReader,
  ByteWriter,
  checkEnvelope,
  counterShardKey,
  decodeEnvelope,
  encodeEnvelope,
  encodeOutcome,
  EnvelopeCursor,
  readScalar,
  readValue,
  utf8Bytes,
  writeScalar,
  writeValue,
} from '../../src/encoding/index.ts'
import type { Ddl, Expr, Permission, ScalarExpr, TransactionEnvelope, Value } from '../../src/encoding/index.ts'

/** Hexadecimal text as the format pages write it: fields apart, in their order. */
const layout = (...fields: string[]): string => fields.join('').replaceAll(' ', '')

function golden(envelope: TransactionEnvelope, ...fields: string[]): void {
  const bytes = encodeEnvelope(envelope)
  assert.equal(bytesToHex(bytes), layout(...fields))
  assert.deepEqual(decodeEnvelope(bytes), envelope)
}

const APP = '01 70  03 617070' // project p, scope app
const place = { project: 'p', scope: 'app' } as const
const t = { ...place, table: 't' } as const

describe('golden bytes of values', () => {
  const values: [Value, string][] = [
    [null, '00'],
    [false, '01'],
    [true, '02'],
    [1.5, '03 000000000000f83f'],
    [2 ** 60, '03 000000000000b043'],
    [-2, '04 feffffff'],
    [2 ** 31, '05 0000008000000000'],
    [-(2 ** 31) - 1, '05 ffffff7fffffffff'],
    [-1n, '06 ffffffffffffffff'],
    [2n ** 63n, '07 0000000000000080'],
    [2n ** 64n, `08 0000000000000000 01 ${'00'.repeat(23)}`],
    [2n ** 255n, `09 ${'00'.repeat(31)}80`],
    ['é', '0a 02 c3a9'],
    ['a'.repeat(256), `0b 00010000 ${'61'.repeat(256)}`],
    [Uint8Array.of(9), '0c 01 09'],
    [new Uint8Array(256), `0d 00010000 ${'00'.repeat(256)}`],
  ]

  it('of every kind', () => {
    for (const [value, hex] of values) {
      const writer = new ByteWriter()
      writeValue(writer, value)
      assert.equal(bytesToHex(writer.view()), layout(hex))
      assert.deepEqual(readValue(new ByteReader(writer.finish())), value)
    }
    const zero = new ByteWriter()
    writeValue(zero, -0)
    assert.equal(bytesToHex(zero.view()), '0400000000')
  })

  it('that are none are refused', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 2n ** 256n, -(2n ** 255n) - 1n]) {
      assert.throws(() => writeValue(new ByteWriter(), value), RangeError)
    }
    for (const hex of ['0e', '03000000000000f07f', '050000000000002000', '05ffffffffffffdfff', '0a02c3', '0a01ff']) {
      const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))
      assert.throws(() => readValue(new ByteReader(bytes)), { name: 'MalformedBytes' }, hex)
    }
  })
})

describe('golden bytes of expressions', () => {
  it('conditions of every kind', () => {
    golden(
      {
        mutations: [
          {
            type: 'deleteWhere',
            ...t,
            where: {
              op: 'and',
              args: [
                { op: 'eq', column: 'c', value: 1 },
                { op: 'gte', column: 'c', value: { column: 'd' } },
                { op: 'in', column: 'c', values: [true, { caller: true }] },
                { op: 'between', column: 'c', low: 1, high: null },
                { op: 'isNull', column: 'c' },
                { op: 'isNotNull', column: 'c' },
                { op: 'like', column: 'c', pattern: 'a%' },
                { op: 'not', arg: { op: 'or', args: [] } },
              ],
            },
          },
        ],
      },
      '01 00 0100 0000 0000 0000 0000 01000000',
      APP,
      '55 01 0000 3c000000  01 74',
      '0b 0800',
      '00 0100 63 04 01000000',
      '05 0100 63 40 0100 64',
      '06 0100 63 0200 02 41',
      '07 0100 63 04 01000000 00',
      '08 0100 63',
      '09 0100 63',
      '0a 0100 63 0200 6125',
      '0d 0c 0000',
    )
  })

  it('computed values', () => {
    const scalar: ScalarExpr = {
      op: 'divide',
      left: { op: 'add', left: { column: 'c' }, right: { value: 1 } },
      right: { op: 'multiply', left: { value: 2 }, right: { op: 'subtract', left: { value: 3 }, right: { value: 4 } } },
    }
    const writer = new ByteWriter()
    writeScalar(writer, scalar)
    const hex = '05 02 00 0100 63 01 04 01000000 04 01 04 02000000 03 01 04 03000000 01 04 04000000'
    assert.equal(bytesToHex(writer.view()), layout(hex))
    assert.deepEqual(readScalar(new ByteReader(writer.finish())), scalar)
  })
})

describe('golden bytes of rows in the envelope', () => {
  it('mutations', () => {
    golden(
      {
        mutations: [
          { type: 'insert', ...t, rows: [{ a: 1, b: 'x' }, { b: null }] },
          {
            type: 'insert',
            ...t,
            ttlMs: 1000,
            onConflict: {
              target: { index: 'i' },
              action: { update: { a: { proposed: 'b' }, b: { addProposed: 'a' } } },
            },
            rows: [],
          },
          { type: 'insert', ...t, onConflict: { target: { columns: ['a'] }, action: 'merge' }, rows: [{}] },
          { type: 'insert', ...t, onConflict: { action: 'nothing' }, rows: [] },
          { type: 'upsert', ...t, ttlMs: 1, rows: [{ a: true }] },
          {
            type: 'update',
            ...t,
            key: { a: 1 },
            set: { a: { set: null }, b: { copy: 'a' }, c: { add: 1 }, d: { subtract: 2n }, e: { coalesce: false } },
          },
          { type: 'delete', ...t, key: {} },
          { type: 'updateWhere', ...t, limit: 3, where: { op: 'isNull', column: 'c' }, set: {} },
          { type: 'deleteWhere', ...t, limit: 3 },
        ],
      },
      '01 00 0100 0000 0000 0000 0000 09000000',
      APP,
      '50 00 0000 16000000  01 74  0200 01 61 01 62  02000000  04 01000000 0a 01 78  ff 00',
      '50 03 0000 20000000  01 74  e803000000000000  01 01 69 02 0200 01 61 05 01 62 01 62 06 01 61  0000 00000000',
      '50 02 0000 0e000000  01 74  02 0100 01 61 01  0000 01000000',
      '50 02 0000 0a000000  01 74  00 00  0000 00000000',
      '51 01 0000 13000000  01 74  0100000000000000  0100 01 61  01000000  02',
      '52 00 0000 2e000000  01 74  0100 01 61 04 01000000',
      '0500 01 61 00 00  01 62 01 01 61  01 63 02 04 01000000  01 64 03 06 0200000000000000  01 65 04 01',
      '53 00 0000 04000000  01 74  0000',
      '54 03 0000 0c000000  01 74  03000000  08 0100 63  0000',
      '55 02 0000 06000000  01 74  03000000',
    )
  })

  it('assertions, groups of them, and the read set', () => {
    const where = { op: 'isNull', column: 'c' } as const
    golden(
      {
        assertions: [
          { type: 'rowVersion', ...t, key: { a: 1 }, seq: 5 },
          { type: 'rowExists', ...t, key: {}, expected: true },
          { type: 'rowCompare', ...t, key: {}, column: 'c', op: 'lt', value: 2 },
          { type: 'count', ...t, where, op: 'gte', value: 7 },
          { type: 'sum', ...t, column: 'c', op: 'eq', value: 1n },
          {
            type: 'all',
            assertions: [
              { type: 'any', assertions: [] },
              { type: 'not', assertion: { type: 'keyExists', ...place, key: utf8Bytes('k'), expected: false } },
            ],
          },
        ],
        readSet: {
          points: [{ ...t, key: utf8Bytes('k'), seq: 3 }],
          ranges: [
            { ...t, start: utf8Bytes('k'), reverse: false, limit: 9, digest: '0123456789abcdef' },
            { ...t, index: 'i', end: utf8Bytes('k'), reverse: true, limit: 0, digest: '0000000000000000' },
          ],
        },
        mutations: [{ type: 'postflight', assertions: [{ type: 'rowExists', ...t, key: {}, expected: false }] }],
      },
      '01 00 0100 0600 0100 0200 0000 01000000',
      APP,
      '08 00 0000 13000000  01 74  0100 01 61 04 01000000  0500000000000000',
      '09 01 0000 04000000  01 74  0000',
      '0a 02 0000 0b000000  01 74  0000  01 63  04 02000000',
      '0b 0d 0000 0e000000  01 74  08 0100 63  0700000000000000',
      '0c 00 0000 0d000000  01 74  01 63  06 0100000000000000',
      '10 00 ffff 21000000  0200',
      '11 00 ffff 02000000  0000',
      '12 00 ffff 0d000000  0100  02 00 0000 03000000 0100 6b',
      '22 00 0000 0d000000  01 74  0100 6b  0300000000000000',
      '23 01 0000 13000000  01 74  0100 6b 0000  09000000 efcdab89 67452301',
      '23 0e 0000 15000000  01 74  01 69  0000 0100 6b  00000000 00000000 00000000',
      '61 00 ffff 0e000000  0100  09 00 0000 04000000 01 74 0000',
    )
  })

  it('numbers of keys, counters and events', () => {
    const key = { ...place, key: utf8Bytes('k') }
    golden(
      {
        mutations: [
          { type: 'kvMax', ...key, value: 3n, width: 64, onMissing: 'set' },
          { type: 'kvMin', ...key, value: 3n, width: 256, onMissing: 'reject' },
          { type: 'kvMutate', ...key, op: 'add', operand: 1n, width: 64 },
          { type: 'kvMutate', ...key, op: 'subtract', operand: 1n, width: 64, expectedSeq: 2 },
          { type: 'kvAddSigned', ...key, by: -1n, min: -2n, max: 5n, onMissing: 'reject' },
          { type: 'counterAdd', ...key, by: 1n, shards: 4_096, shard: 2 },
          { type: 'emitEvent', ...place, topic: 't', key: 'k', payload: '{}' },
        ],
      },
      '01 00 0100 0000 0000 0000 0000 07000000',
      APP,
      '44 00 0000 0b000000  0100 6b  0000000000000003',
      `45 05 0000 23000000  0100 6b  ${'00'.repeat(31)}03`,
      '46 02 0000 0b000000  0100 6b  0000000000000001',
      '46 0c 0000 13000000  0100 6b  0200000000000000  0000000000000001',
      '47 0e 0000 1b000000  0100 6b  ffffffffffffffff fffffffffffffffe 0000000000000005',
      '48 00 0000 0f000000  0100 6b  0010 0200 0000000000000001',
      '60 00 0000 07000000  01 74  0100 6b  7b7d',
    )
    assert.equal(bytesToHex(counterShardKey(utf8Bytes('k'), 258)), '6b00230102')
    assert.equal(bytesToHex(counterShardKey(utf8Bytes('k'))), '6b0023')
    const negative = encodeOutcome({ status: 'committed', seq: 9, results: [-2n] })
    assert.equal(bytesToHex(negative), layout('01 00 0000 0900000000000000 01000000  04 fffffffffffffffe'))
  })
})

describe('golden bytes of tables', () => {
  const ddl = (operation: Ddl, ...fields: string[]): void => {
    const body = layout(...fields)
    const length = (body.length / 2).toString(16).padStart(2, '0')
    golden(
      { mutations: [{ type: 'ddl', operation }] },
      `01 00 0000 0000 0000 0000 0000 01000000  80 00 ffff ${length}000000`,
      body,
    )
  }
  const T = '01 70 03 617070 01 74' // project p, scope app, table t

  it('definitions', () => {
    ddl(
      {
        type: 'createTable',
        ...t,
        ifNotExists: true,
        owner: 'ann',
        columns: [
          { name: 'a', type: 'integer' },
          { name: 'b', type: 'json', nullable: true, default: '{}' },
          { name: 'c', type: 'timestamp', defaultNow: true },
        ],
        primaryKey: ['a'],
        indexes: [
          { name: 'i', columns: ['b', 'c'], kind: 'hash', unique: true, where: { op: 'isNull', column: 'c' } },
          { name: 'j', columns: ['b'], kind: 'ordered' },
        ],
        checks: [{ name: 'k', check: { op: 'isNull', column: 'c' } }],
        foreignKeys: [
          { name: 'f', columns: ['a'], table: 'u' },
          {
            name: 'g',
            columns: ['a'],
            project: '_global',
            scope: 'app',
            table: 'u',
            references: ['x'],
            onDelete: 'restrict',
            onUpdate: 'noAction',
          },
        ],
      },
      `0a 03 ${T} 03 616e6e`,
      '0300  01 61 03 00  01 62 0a 03 0a 02 7b7d  01 63 09 04',
      '0100 01 61  07',
      '0200  01 69 07 0200 01 62 01 63 08 0100 63  01 6a 08 0100 01 62',
      '0100  01 6b 08 0100 63',
      '0200  01 66 00 0100 01 61 01 75 00 00',
      '01 67 07 0100 01 61 07 5f676c6f62616c 03 617070 01 75 0100 01 78 01 05',
    )
    ddl({ type: 'createTable', ...t, columns: [], primaryKey: [] }, `0a 00 ${T} 0000 0000 00`)
  })

  it('what changes them', () => {
    ddl({ type: 'renameTable', ...t, to: 'u' }, `0b 00 ${T} 01 75`)
    ddl({ type: 'dropTable', ...t, ifExists: true }, `0c 01 ${T}`)
    ddl({ type: 'createIndex', ...t, index: { name: 'i', columns: ['a'] } }, `0e 00 ${T} 01 69 00 0100 01 61`)
    ddl({ type: 'dropIndex', ...t, name: 'i', ifExists: true }, `0f 01 ${T} 01 69`)
    ddl({ type: 'setReadPolicy', ...t, policy: { op: 'isNull', column: 'c' } }, `10 00 ${T} 08 0100 63`)
    ddl({ type: 'clearReadPolicy', ...t }, `11 00 ${T}`)
    const alter = (alteration: Extract<Ddl, { type: 'alterTable' }>['alteration'], hex: string): void =>
      ddl({ type: 'alterTable', ...t, alteration }, `0d 00 ${T}`, hex)
    alter({ type: 'addColumn', column: { name: 'b', type: 'u8' } }, '01 01 62 01 00')
    alter({ type: 'dropColumn', column: 'b' }, '02 01 62')
    alter({ type: 'renameColumn', column: 'b', to: 'c' }, '03 01 62 01 63')
    alter({ type: 'setNullable', column: 'b', nullable: true }, '04 01 62 01')
    alter({ type: 'setDefault', column: 'b', default: true }, '05 01 62 02 02')
    alter({ type: 'setDefault', column: 'b', defaultNow: true }, '05 01 62 04')
    alter({ type: 'addCheck', check: { name: 'k', check: { op: 'isNull', column: 'c' } } }, '06 01 6b 08 0100 63')
    alter({ type: 'dropCheck', name: 'k' }, '07 01 6b')
    const foreignKey = { name: 'f', columns: ['a'], table: 'u', onDelete: 'cascade' } as const
    alter({ type: 'addForeignKey', foreignKey }, '08 01 66 00 0100 01 61 01 75 02 00')
    alter({ type: 'dropForeignKey', name: 'f' }, '09 01 66')
  })

  it('permissions on them', () => {
    const grant = (permission: Permission, hex: string, delegable = false): void =>
      ddl(
        { type: 'grant', caller: 'c', permission, ...(delegable && { delegable }) },
        `07 0${delegable ? 1 : 0} 0100 63`,
        hex,
      )
    grant({ type: 'projectAdmin', project: 'p' }, '04 01 0100 70')
    grant({ type: 'scopeAdmin', project: 'p', scope: 's' }, '05 03 0100 70 0100 73')
    grant({ type: 'tableRead', project: 'p', scope: 's', table: 't' }, '06 0b 0100 70 0100 73 0100 74', true)
    grant({ type: 'tableWrite' }, '07 00')
    grant({ type: 'policyBypass', project: 'p' }, '08 01 0100 70')
    grant({ type: 'tableDdl', project: 'p', scope: 's' }, '09 03 0100 70 0100 73')
  })
})

describe('the limits of the format', () => {
  const refused = (envelope: TransactionEnvelope): void => {
    assert.throws(() => encodeEnvelope(envelope), RangeError)
  }

  it('are kept by the encoder', () => {
    let deep: Expr = { op: 'isNull', column: 'c' }
    for (let level = 1; level < 32; level++) deep = { op: 'not', arg: deep }
    encodeEnvelope({ mutations: [{ type: 'deleteWhere', ...t, where: deep }] })
    refused({ mutations: [{ type: 'deleteWhere', ...t, where: { op: 'not', arg: deep } }] })
    let group: NonNullable<TransactionEnvelope['assertions']>[number] = {
      type: 'rowExists',
      ...t,
      key: {},
      expected: true,
    }
    for (let level = 0; level < 16; level++) group = { type: 'not', assertion: group }
    encodeEnvelope({ assertions: [group], mutations: [] })
    refused({ assertions: [{ type: 'not', assertion: group }], mutations: [] })
    refused({ mutations: [{ type: 'insert', ...t, rows: [{}, {}] }] })
    const wide = Object.fromEntries(Array.from({ length: 1_001 }, (_, i) => [`c${i}`, 1]))
    refused({ mutations: [{ type: 'upsert', ...t, rows: [wide] }] })
    refused({ mutations: [{ type: 'update', ...t, key: {}, set: { c: { add: 1.5 } } }] })
    refused({ mutations: [{ type: 'counterAdd', ...t, key: utf8Bytes('k'), by: 1n, shards: 4, shard: 4 }] })
    const named = JSON.parse('{"__proto__":1}') as Record<string, number>
    refused({ mutations: [{ type: 'upsert', ...t, rows: [named] }] })
  })

  it('are kept by the decoder', () => {
    const item = (op: string, flags: string, body: string): Uint8Array => {
      const bytes = layout(body)
      const length = (bytes.length / 2).toString(16).padStart(4, '0')
      const header = op < '20' ? '0100 0100 0000 0000 0000 00000000' : '0100 0000 0000 0000 0000 01000000'
      const namespace = /^(1[0-2]|61)$/.test(op) ? 'ffff' : '0000'
      const size = `${length.slice(2)}${length.slice(0, 2)}0000`
      return Uint8Array.from(Buffer.from(layout('01 00', header, APP, op, flags, namespace, size, bytes), 'hex'))
    }
    const not = '0d'
    const nested = (levels: number): string => {
      let body = '09 01 0000 04000000 01 74 0000'
      for (let level = 0; level < levels; level++) {
        const length = (layout(body).length / 2 + 2).toString(16).padStart(4, '0')
        body = `12 00 ffff ${length.slice(2)}${length.slice(0, 2)}0000 0100 ${body}`
      }
      return body
    }
    decodeEnvelope(item('55', '01', `01 74 ${not.repeat(31)} 08 0100 63`))
    decodeEnvelope(item('10', '00', `0100 ${nested(15)}`))
    const malformed: [string, string, string][] = [
      ['55', '01', `01 74 ${not.repeat(32)} 08 0100 63`],
      ['10', '00', `0100 ${nested(16)}`],
      ['12', '00', '0000'],
      ['40', '00', '01'],
      ['40', '00', '0200 6b'],
      ['40', '02', '0100 6b'],
      ['10', '00', '0100 50 00 0000 00000000'],
      ['50', '00', '01 74  0000 02000000'],
      ['50', '00', '01 74  0200 01 61 01 61  01000000 00 00'],
      ['50', '00', '01 74  0100 09 5f5f70726f746f5f5f  01000000 00'],
      ['50', '00', '01 74  0100 01 61  ffffffff 00'],
      ['52', '00', '01 74  0000 0200 01 61 00 00 01 61 00 00'],
      ['52', '00', '01 74  0000 0100 01 61 02 03 000000000000f83f'],
      ['52', '00', '01 74  0000 0100 01 61 07 00'],
      ['55', '01', '01 74  06 0100 63 1127'],
      ['55', '01', `01 74  0a 0100 63 0101 ${'61'.repeat(257)}`],
      ['0a', '06', '01 74  0000 01 63 00'],
      ['0b', '06', '01 74  0000000000000000'],
      ['48', '00', '0100 6b  0000 0000 0000000000000001'],
      ['48', '00', '0100 6b  0110 0000 0000000000000001'],
      ['46', '06', '0100 6b  0000000000000001'],
      ['45', '06', '0100 6b  0000000000000001'],
      ['47', '01', '0100 6b  0000000000000001'],
    ]
    const isSeen = (bytes: Uint8Array): void => checkEnvelope(new EnvelopeCursor(), bytes, 0, bytes.length)
    for (const [op, flags, body] of malformed) {
      const bytes = item(op, flags, body)
      assert.throws(() => decodeEnvelope(bytes), { name: 'MalformedBytes' }, `${op} ${flags} ${body}`)
      // The pass without decoding leaves a column that comes twice, or that is none, to readers.
      if (!/01 61.*01 61|5f5f/.test(body)) assert.throws(() => isSeen(bytes), { name: 'MalformedBytes' }, body)
    }
    const inPlaceOfAnAssertion = item('03', '00', '0100 6b')
    isSeen(inPlaceOfAnAssertion)
    inPlaceOfAnAssertion[22] = 0x40
    assert.throws(() => isSeen(inPlaceOfAnAssertion), { name: 'MalformedBytes' })
  })

  it('count the assertions within groups', () => {
    const one = { type: 'rowExists', ...t, key: {}, expected: true } as const
    const bytes = encodeEnvelope({
      assertions: [one, { type: 'all', assertions: [one, { type: 'not', assertion: one }] }],
      mutations: [{ type: 'postflight', assertions: [one] }],
    })
    const cursor = new EnvelopeCursor()
    checkEnvelope(cursor, bytes, 0, bytes.length)
    assert.equal(cursor.assertions, 2)
    assert.equal(cursor.grouped, 4)
  })
})
