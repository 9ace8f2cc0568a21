import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DigestRecords } from '../../src/engine/digest-records.ts'
import { EffectLog } from '../../src/engine/events/index.ts'
import { Keyspace } from '../../src/engine/keyspace/index.ts'
import { kvKey, spaceLength } from '../../src/engine/layers.ts'
import { SLOTTED_RECORDS } from '../../src/engine/sessions/index.ts'
import { at, bytes, Harness, nonce, set } from './harness.ts'

function hex(part: Uint8Array): string {
  return Buffer.from(part).toString('hex')
}

/** Every record of the newest checkpoint, as key: value. */
async function records(harness: Harness): Promise<string[]> {
  await harness.checkpoint()
  await harness.core.close()
  const { keyspace } = await Keyspace.open({
    files: harness.files(),
    directory: '/data/pages',
    pageBytes: 8192,
    budgetBytes: 1 << 20,
    retention: { maxVersions: 4, maxAgeMs: 1_000, now: () => 0 },
    spaceLength,
    slotted: SLOTTED_RECORDS,
    identity: { historyId: new Uint8Array(16), groupId: 1, directoryId: new Uint8Array(16) },
  })
  const view = keyspace.view()
  const cursor = view.cursor()
  const found: string[] = []
  while (view.advanceSync(cursor)) found.push(`${hex(cursor.key)}: ${hex(view.recordOfSync(cursor).value)}`)
  view.close()
  await keyspace.close()
  return found
}

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
    const found = await records(harness)
    assert.deepEqual(
      found.filter(record => !record.startsWith('0802')),
      [
        '0101: 0102000000020000000100000000000000010000000100000001000000',
        `0103${hex(bytes('tickKeysMax'))}: 0700000000000000`,
        `02010000000000000001: 01${time}010070`,
        '02020000000000000001: 01010000000300617070',
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

describe('effects', () => {
  it('have exactly these bytes, and their chain does not depend on epochs', () => {
    const log = new EffectLog()
    log.beginEpoch(0)
    log.beginEntry(9)
    log.put(3, kvKey(3, bytes('k'), 0, 1), bytes('<val>'), 1, 4)
    log.delete(3, kvKey(3, bytes('d'), 0, 1))
    log.endEntry()
    log.beginEntry(10)
    log.drop()
    log.endEntry()
    const golden = ['090000000000000002000000', '0100010003000000030000006b76616c', '02000100030000000000000064'].join(
      '',
    )
    assert.equal(hex(log.bytes), golden)
    const whole = log.chain
    const apart = new EffectLog()
    apart.beginEpoch(0)
    apart.beginEntry(9)
    apart.put(3, kvKey(3, bytes('k'), 0, 1), bytes('<val>'), 1, 4)
    apart.delete(3, kvKey(3, bytes('d'), 0, 1))
    apart.endEntry()
    const between = apart.chain
    apart.beginEpoch(between)
    assert.equal(apart.chain, whole)
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
