import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import type { Mutation } from '../../src/encoding/index.ts'
import { DigestRecords } from '../../src/engine/digest-records.ts'
import { decodeEffects, EFFECT_INLINE_BYTES, EffectLog } from '../../src/engine/events/index.ts'
import { kvKey } from '../../src/engine/layers.ts'
import { hex, recordsOf } from './dump.ts'
import { at, bytes, Harness, nonce, set } from './harness.ts'

describe('the layers', () => {
  it('have exactly these keys and records', async () => {
    const harness = await Harness.create()
    harness.timeMicros = 0x0102
    const permission = { type: 'kvWrite', project: 'p', scope: 'app', prefix: bytes('x') } as const
    await harness.commit({
      mutations: [
        { type: 'ddl', operation: { type: 'createProject', project: 'p' } },
        { type: 'ddl', operation: { type: 'grant', caller: 'al', permission } },
        { type: 'ddl', operation: { type: 'setSetting', name: 'tickKeysMax', value: 7 } },
        set('k', 'v', 1),
      ],
    })
    const { session } = await harness.openSession({ nonce: nonce(1) })
    await harness.commit(
      { mutations: [{ type: 'kvIncrement', ...at('n'), by: 5n, width: 64 }] },
      { session, serial: 1 },
    )
    const time = '0201000000000000'
    const sessionId = '0200000000000000'
    const slots = `${'00'.repeat(24)}020300000000000005${'00'.repeat(7)}${time}${'00'.repeat(30 * 24)}`
    const seqOne = '0000000000000001'
    const operation = `0700 0200 ${hex(bytes('al'))} 0307 0100 70 0300 ${hex(bytes('app'))} 0100 78`.replaceAll(' ', '')
    const root = `0400${hex(bytes('root'))}`
    const auditRow =
      `0203${time}${root}${root}0000 ${(operation.length / 2).toString(16)}000000 ${operation} ${'00'.repeat(32)}`.replaceAll(
        ' ',
        '',
      )
    const auditKey = `0301${seqOne}${'00'.repeat(8)}`
    const auditHash = createHash('sha256')
      .update(Buffer.from(auditKey + auditRow, 'hex'))
      .digest('hex')
    const found = await recordsOf(harness)
    assert.deepEqual(
      found.filter(record => !record.startsWith('0802') && !record.startsWith('0a') && !record.startsWith('0b')),
      [
        '0101: 0102000000020000000100000000000000010000000100000001000000',
        `0103${hex(bytes('tickKeysMax'))}: 0700000000000000`,
        `02010000000000000001: 01${time}010070`,
        `02020000000000000001: 030100000003006170700000${time}`,
        `${auditKey}: ${auditRow}`,
        `0302: 0100000000000000${auditHash}`,
        '0401616c: 0201000300010000000100000000000000010078',
        `05010000000000000002: 0100${time}${'00'.repeat(8)}${hex(nonce(1))}0400726f6f74`,
        `0502${hex(nonce(1))}: ${sessionId}`,
        `06010000000000000002${'00'.repeat(8)}: ${slots}`,
        '080100000000000004ea000000016b: ',
        '10000000016b: 76',
        '10000000016e: 0000000000000005',
      ],
    )
    const rows = found.filter(record => record.startsWith('0802'))
    assert.deepEqual(rows, [`0802${(0x0102 + 60_000_000 + 1).toString(16).padStart(16, '0')}0000000000000002: `])
  })
})

describe('the layer of events', () => {
  const emit = (key: string, topic: string): Mutation => ({
    type: 'emitEvent',
    project: 'p',
    topic,
    key,
    payload: '{}',
  })
  const ofEvents = async (harness: Harness): Promise<string[]> =>
    (await recordsOf(harness)).filter(record => record.startsWith('13') || record.startsWith('14'))

  it('has exactly these records', async () => {
    const harness = await Harness.withProject()
    harness.timeMicros += 0x0102 - (harness.timeMicros % 0x10000) + 0x10000
    await harness.commit({ mutations: [emit('k', 't'), emit('l', 'u')] })
    await harness.commit({ mutations: [emit('m', 't')] })
    const number = (value: number): string => value.toString(16).padStart(16, '0')
    const time = u64(harness.timeMicros)
    const value = (topic: string, key: string): string =>
      `01${hex(time)}0100${hex(bytes(topic))}0100${hex(bytes(key))}020000007b7d`
    assert.deepEqual(await ofEvents(harness), [
      `130000000100: 02${number64(3)}${number64(0)}${number64(3)}${number64(12)}`,
      `130000000101${number(2)}${number(0)}: ${value('t', 'k')}`,
      `130000000101${number(2)}${number(1)}: ${value('u', 'l')}`,
      `130000000101${number(3)}${number(2)}: ${value('t', 'm')}`,
      `130000000102${hex(bytes('t'))}00${number(2)}${number(0)}: `,
      `130000000102${hex(bytes('t'))}00${number(3)}${number(2)}: `,
      `130000000102${hex(bytes('u'))}00${number(2)}${number(1)}: `,
      `1300000001030001${hex(bytes('k'))}${number(2)}${number(0)}: `,
      `1300000001030001${hex(bytes('l'))}${number(2)}${number(1)}: `,
      `1300000001030001${hex(bytes('m'))}${number(3)}${number(2)}: `,
      `1400000001${hex(bytes('t'))}: 01${number64(2)}${number64(8)}${number64(3)}${hex(time)}`,
      `1400000001${hex(bytes('u'))}: 01${number64(1)}${number64(4)}${number64(2)}${hex(time)}`,
    ])
  })

  it('has those of the database itself in a scope that no user has', async () => {
    const harness = await Harness.create()
    harness.timeMicros = 5
    await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] })
    const place = `${'0'.repeat(15)}1${'0'.repeat(15)}`
    const text = (value: string): string => `${hex(Uint8Array.of(value.length, 0))}${hex(bytes(value))}`
    const event = (type: string, key: string, payload: string): string =>
      `01${number64(5)}${text(type)}${text(key)}${text(payload)}`.replace(
        text(payload),
        `${hex(Uint8Array.of(payload.length, 0, 0, 0))}${hex(bytes(payload))}`,
      )
    const [project, scope] = ['projectCreated', 'scopeCreated'].map(type => hex(bytes(type)))
    assert.deepEqual(
      (await recordsOf(harness)).filter(record => record.startsWith('0a') || record.startsWith('0b')),
      [
        `0a0000000000: 02${number64(2)}${number64(0)}${number64(2)}${number64(116)}`,
        `0a0000000001${place}0: ${event('projectCreated', 'p', '{"project":"p","projectId":1}')}`,
        `0a0000000001${place}1: ${event('scopeCreated', 'p/app', '{"project":"p","projectId":1,"scope":"app","scopeId":1}')}`,
        `0a0000000002${project}00${place}0: `,
        `0a0000000002${scope}00${place}1: `,
        `0a0000000003000170${place}0: `,
        `0a00000000030005${hex(bytes('p/app'))}${place}1: `,
        `0b00000000${project}: 01${number64(1)}${number64(44)}${number64(1)}${number64(5)}`,
        `0b00000000${scope}: 01${number64(1)}${number64(72)}${number64(1)}${number64(5)}`,
      ],
    )
  })

  it('keeps of removed events how far they are removed, and of a dropped scope nothing', async () => {
    const compacted = async (): Promise<Harness> => {
      const harness = await Harness.withProject()
      for (const key of ['a', 'b']) await harness.commit({ mutations: [emit(key, 't')] })
      const operation = { type: 'compactEvents', project: 'p', keepLast: 0 } as const
      await harness.commit({ mutations: [{ type: 'ddl', operation }] })
      await harness.tick()
      return harness
    }
    assert.deepEqual(await ofEvents(await compacted()), [
      `130000000100: 02${number64(2)}${number64(3)}${number64(0)}${number64(0)}`,
      `130000000104: 01${number64(4)}${number64(2)}${number64(2)}${number64(3)}${number64(0)}`,
    ])
    const harness = await compacted()
    await harness.commit({
      mutations: [emit('c', 't'), { type: 'ddl', operation: { type: 'dropProject', project: 'p' } }],
    })
    for (let i = 0; i < 6; i++) await harness.tick()
    assert.deepEqual(await ofEvents(harness), [])
  })
})

function u64(value: number): Uint8Array {
  const buffer = Buffer.alloc(8)
  buffer.writeBigUInt64LE(BigInt(value))
  return buffer
}

function number64(value: number): string {
  return hex(u64(value))
}

/** A row's whole key, whose space effects leave out. */
const rowOf = (key: string): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, ...bytes(key))

describe('effects', () => {
  it('have exactly these bytes, and their chain does not depend on epochs', () => {
    const log = new EffectLog()
    log.beginEpoch(0)
    log.beginEntry(9)
    log.put(3, kvKey(3, bytes('k'), 0, 1), bytes('<val>'), 1, 4)
    log.delete(3, kvKey(3, bytes('d'), 0, 1))
    log.event(3, bytes('t'))
    log.endEntry()
    log.beginEntry(10)
    log.drop()
    log.endEntry()
    log.beginEntry(11)
    log.rowPut(4, rowOf('k'), bytes('v'), undefined)
    log.rowPut(4, rowOf('k'), bytes('w'), bytes('v'))
    log.rowDelete(4, rowOf('k'), bytes('w'))
    log.rowExpire(4, rowOf('k'), new Uint8Array(0))
    log.rowDelete(4, rowOf('k'), new Uint8Array(EFFECT_INLINE_BYTES + 1))
    log.endEntry()
    const golden = [
      '090000000000000003000000',
      '0100010003000000030000006b76616c',
      '02000100030000000000000064',
      '01040100030000000000000074',
      '0b0000000000000005000000',
      '0102010004000000010000006b76',
      '010a010004000000010000006b770100000076',
      '020a010004000000000000006b0100000077',
      '030a010004000000000000006b00000000',
      '020a010004000000000000006bffffffff',
    ].join('')
    assert.equal(hex(log.bytes), golden)
    const whole = log.chain
    const apart = new EffectLog()
    apart.beginEpoch(0)
    apart.beginEntry(9)
    apart.put(3, kvKey(3, bytes('k'), 0, 1), bytes('<val>'), 1, 4)
    apart.delete(3, kvKey(3, bytes('d'), 0, 1))
    apart.event(3, bytes('t'))
    apart.endEntry()
    const between = apart.chain
    apart.beginEpoch(between)
    apart.beginEntry(11)
    apart.rowPut(4, rowOf('k'), bytes('v'), undefined)
    apart.rowPut(4, rowOf('k'), bytes('w'), bytes('v'))
    apart.rowDelete(4, rowOf('k'), bytes('w'))
    apart.rowExpire(4, rowOf('k'), new Uint8Array(0))
    apart.rowDelete(4, rowOf('k'), new Uint8Array(EFFECT_INLINE_BYTES + 1))
    apart.endEntry()
    assert.equal(apart.chain, whole)
    const [, rows] = decodeEffects(log.bytes)
    assert.deepEqual(
      rows!.effects.map(({ before }) => (before instanceof Uint8Array ? hex(before) : before)),
      [undefined, hex(bytes('v')), hex(bytes('w')), 'none', 'large'],
    )
  })
})

describe('recorded digests', () => {
  it('are these bytes', () => {
    const records = new DigestRecords()
    assert.equal(hex(records.encoded), '0000')
    records.record(4096, 0x01020304, { lo: 0x11, hi: 0x22 })
    records.record(8192, 5, { lo: 6, hi: 7 })
    const bytes = [
      '0200',
      '0010000000000000',
      '04030201',
      '11000000',
      '22000000',
      '0020000000000000',
      '05000000',
      '06000000',
      '07000000',
    ]
    assert.equal(hex(records.encoded), bytes.join(''))
    const again = new DigestRecords()
    again.restore(records.encoded)
    assert.deepEqual(again.all, records.all)
    for (let i = 3; i <= 100; i++) again.record(i * 4096, i, { lo: i, hi: i })
    assert.deepEqual([again.all.length, again.all.at(-1)?.seq], [64, 409_600])
  })
})
