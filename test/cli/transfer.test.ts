import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { importRecords } from '../../src/cli/import-records.ts'
import { keyLines, readKeys, readRows, rowLines } from '../../src/cli/transfer-records.ts'
import type { KeyRecord, TransferFormat } from '../../src/cli/transfer-records.ts'
import { utf8Bytes } from '../../src/encoding/index.ts'
import type { ColumnDefinition, Row } from '../../src/encoding/index.ts'
import { bytesCodec, createDatabase, QuorateError } from '../../src/model/index.ts'
import type { Database } from '../../src/model/index.ts'
import { ReferenceCore } from '../model/reference-core.ts'

const FORMATS: readonly TransferFormat[] = ['ndjson', 'csv']

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

const records: KeyRecord[] = [
  { key: utf8Bytes('a'), value: utf8Bytes('1') },
  { key: utf8Bytes('b,"\r\n'), value: utf8Bytes('') },
  { key: Uint8Array.of(0xff, 0), value: Uint8Array.of(1, 2, 0xfe) },
  { key: utf8Bytes('\uFEFFc'), value: utf8Bytes('{"json":1}'), expiresAtMicros: 9_000_000 },
]

describe('keys', () => {
  it('come out of both formats as they went in', async () => {
    for (const format of FORMATS) {
      const lines = await all(keyLines(format, each(records)))
      assert.deepEqual(await all(readKeys(format, each(lines))), records, format)
    }
    assert.deepEqual(await all(keyLines('ndjson', each(records.slice(0, 1)))), ['{"key":"a","value":"1"}\n'])
    assert.deepEqual(await all(keyLines('csv', each(records.slice(2, 3)))), [
      'key,value,encoding,expiresAtMicros\n',
      '/wA=,AQL+,base64,\n',
    ])
  })

  it('that are wrong are refused with the number of the record', async () => {
    const cases: [TransferFormat, string, RegExp][] = [
      ['ndjson', '{"key":"a","value":"1"}\n\n{"key":"a"}', /record 2: value is a text/],
      ['ndjson', '{"key":"a","value":"1","ttl":1}', /record 1: an unknown field ttl/],
      ['ndjson', '{"key":', /record 1: /],
      ['ndjson', '{"key":"a","value":"1","expiresAtMicros":1.5}', /record 1: expiresAtMicros/],
      ['ndjson', '[1]\n', /record 1: /],
      ['csv', 'key,value\na', /record 1: 1 fields under 2 columns/],
      ['csv', 'key,value\n,b', /record 1: no key/],
      ['csv', 'key,worth\n', /'worth', unknown or twice/],
      ['csv', 'key,key\n', /'key', unknown or twice/],
      ['csv', 'key,encoding\n', /lacks key or value/],
      ['csv', 'key,value,encoding\na,b,hex', /record 1: encoding hex/],
    ]
    for (const [format, text, message] of cases) {
      await assert.rejects(all(readKeys(format, each([text]))), message, text)
    }
  })
})

describe('rows', () => {
  const columns: ColumnDefinition[] = [
    { name: 'id', type: 'integer' },
    { name: 'note', type: 'text', nullable: true },
    { name: 'data', type: 'blob', nullable: true },
    { name: 'amount', type: 'u256', nullable: true },
    { name: 'rate', type: 'float', nullable: true },
    { name: 'isOn', type: 'boolean', nullable: true },
  ]
  const rows: Row[] = [
    { id: 1, note: 'x,"y"', data: Uint8Array.of(0, 255), amount: 2n ** 200n, rate: 1.5, isOn: true },
    { id: -2, note: '', data: new Uint8Array(0), amount: 0n, rate: -0.25, isOn: false },
    { id: 3, note: null, data: null, amount: null, rate: null, isOn: null },
    { id: 4, note: 'null', data: null, amount: null, rate: null, isOn: null },
  ]

  it('come out of CSV as they went in, Null apart from the empty text', async () => {
    const lines = await all(rowLines('csv', columns, each(rows)))
    assert.equal(lines[3], '3,,,,,\n')
    const found = await all(readRows('csv', columns, each(lines)))
    assert.deepEqual(
      found.map(row => ({ ...row, amount: row['amount'] === null ? null : BigInt(row['amount'] as number | bigint) })),
      rows,
    )
  })

  it('come out of NDJSON so that they mean the same in their columns', async () => {
    const lines = await all(rowLines('ndjson', columns, each(rows)))
    const found = await all(readRows('ndjson', columns, each(lines)))
    assert.deepEqual(found[0], { ...rows[0], amount: String(2n ** 200n) })
    assert.deepEqual(found[2], rows[2])
  })

  it('that are wrong are refused with the number of the record', async () => {
    await assert.rejects(
      all(readRows('csv', columns, each(['id,note\n1,a\nx,b\n']))),
      /record 2: id: 'x' is no integer/,
    )
    await assert.rejects(all(readRows('csv', columns, each(['id,other\n']))), /'other', unknown/)
    await assert.rejects(all(readRows('ndjson', columns, each(['{"id":1}\n[]\n']))), /record 2: /)
  })
})

describe('an import', () => {
  const many = (count: number): KeyRecord[] =>
    Array.from({ length: count }, (_, i) => ({
      key: utf8Bytes(`k${String(i).padStart(3, '0')}`),
      value: utf8Bytes(String(i)),
    }))

  async function world(): Promise<{ database: Database; core: ReferenceCore; keys: () => Promise<string[]> }> {
    const core = new ReferenceCore()
    const database = createDatabase(core)
    await database.ddl({ type: 'createProject', project: 'p' })
    const space = database.kv<Uint8Array>('p', { key: bytesCodec })
    const keys = async (): Promise<string[]> => (await all(space.scan())).map(({ key }) => Buffer.from(key).toString())
    return { database, core, keys }
  }
  const target = { project: 'p', scope: 'app' }

  it('sets every key, tells how far it is, and leaves no note behind', async () => {
    const { database, keys } = await world()
    const progress: number[] = []
    const options = { id: 'i', batch: 4, onProgress: (done: number) => progress.push(done) }
    const result = await importRecords(database, target, each(many(10)), options)
    assert.deepEqual([result, progress], [{ records: 10, skipped: 0, expired: 0 }, [4, 8, 10]])
    assert.deepEqual(
      await keys(),
      many(10).map(({ key }) => Buffer.from(key).toString()),
    )
  })

  it('goes on behind the last commit, whatever ended it, and writes nothing twice', async () => {
    for (let failing = 1; failing <= 4; failing++) {
      for (const isApplied of [false, true]) {
        const { database, core, keys } = await world()
        let commits = 0
        const breaking = new Proxy(database, {
          get(of, name) {
            if (name !== 'commit') return (Reflect.get(of, name, of) as (...args: unknown[]) => unknown).bind(of)
            return async (envelope: Parameters<Database['commit']>[0]) => {
              const isLast = ++commits === failing
              const result = isLast && !isApplied ? undefined : await of.commit(envelope)
              if (isLast) throw new QuorateError('unavailable', 'gone')
              return result
            }
          },
        })
        const records = many(10)
        const broken = importRecords(breaking, target, each(records), { id: 'i', batch: 3 })
        await assert.rejects(broken, { code: 'unavailable' })
        const done = Math.min(10, (failing - (isApplied ? 0 : 1)) * 3)
        // Whoever changes a key in between keeps the change: it is not written again.
        if (done > 0) await database.kv('p').set('k000', utf8Bytes('changed'))
        const before = core.calls.submit
        const result = await importRecords(database, target, each(records), { id: 'i', batch: 3 })
        assert.deepEqual(result, { records: 10, skipped: done, expired: 0 })
        assert.equal(core.calls.submit - before, Math.ceil((10 - done) / 3) + 1)
        assert.equal((await keys()).length, 10)
        const first = await database.kv('p').get('k000')
        assert.equal(Buffer.from(first!).toString(), done > 0 ? 'changed' : '0')
      }
    }
  })

  it('cannot run twice at a time', async () => {
    const { database } = await world()
    const broken = async function* (): AsyncGenerator<KeyRecord> {
      yield* many(2)
      throw new Error('the other run ends here')
    }
    const second = async function* (): AsyncGenerator<KeyRecord> {
      yield* many(3)
      await assert.rejects(importRecords(database, target, broken(), { id: 'i', batch: 1 }), /ends here/)
      yield* many(10).slice(3)
    }
    await assert.rejects(importRecords(database, target, second(), { id: 'i', batch: 5 }), { code: 'conflict' })
  })

  it('keeps expiries, and leaves out what has expired', async () => {
    const { database, core } = await world()
    const now = database.leaderTimeMicros()
    const timed = [
      { key: utf8Bytes('gone'), value: utf8Bytes('1'), expiresAtMicros: now },
      { key: utf8Bytes('stays'), value: utf8Bytes('1'), expiresAtMicros: now + 5_000_000 },
    ]
    const result = await importRecords(database, target, each(timed), { id: 'i', batch: 5 })
    assert.deepEqual(result, { records: 2, skipped: 0, expired: 1 })
    const space = database.kv('p')
    assert.equal(await space.get('gone'), undefined)
    assert.equal((await space.entry('stays'))?.expiresAtMicros, now + 5_000_000)
    core.advanceTimeMs(5_001)
    assert.equal(await space.get('stays'), undefined)
  })

  it('of rows replaces those that are there', async () => {
    const { database } = await world()
    const columns = [
      { name: 'id', type: 'integer' as const },
      { name: 'n', type: 'integer' as const },
    ]
    await database.ddl({ type: 'createTable', project: 'p', scope: 'app', table: 't', columns, primaryKey: ['id'] })
    const table = database.table({ project: 'p', scope: 'app', table: 't' })
    await table.insert({ id: 1, n: 0 })
    const rows = Array.from({ length: 5 }, (_, i) => ({ id: i, n: i * 2 }))
    await importRecords(database, { ...target, table: 't' }, each(rows), { id: 'i', batch: 2 })
    assert.deepEqual(await all(table.scan()), rows)
  })
})
