import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeEntry, encodeEnvelope, encodeRequest, EntryKind } from '../../../src/encoding/index.ts'
import type { Mutation } from '../../../src/encoding/index.ts'
import { declaredKeys } from '../../../src/engine/prefetch.ts'
import { Bed, hex, insert, remove, T, update, upsert } from './bed.ts'

describe('the keys that a batch declares', () => {
  it('are those of rows it names, and of the entries that new rows will have', () => {
    const bed = new Bed()
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'text', nullable: true, default: 'd' },
    ] as const
    const indexes = [
      { name: 'i', columns: ['name'] },
      { name: 'w', columns: ['id'], where: { op: 'isNull', column: 'name' } },
    ] as const
    bed.ddl({ type: 'createTable', ...T, columns, primaryKey: ['id'], indexes })
    const declared = (...mutations: Mutation[]): string[] => {
      const header = { caller: 'root', session: 0, serial: 0, acknowledgedThrough: 0, notAfterMicros: 0, copy: 0 }
      const payload = encodeRequest(header, encodeEnvelope({ mutations }))
      const entry = { kind: EntryKind.transaction, seq: 9, term: 1, leaderTimeMicros: bed.timeMicros }
      const batch = { firstSeq: 9, lastSeq: 9, bytes: encodeEntry(entry, payload) }
      return declaredKeys(batch, bed.applier.state).map(hex)
    }
    const written = (mutation: Mutation): string[] => {
      bed.commit(mutation)
      const records = bed.records().filter(record => /^1[12]/.test(record) && record.includes(` ${bed.seq} `))
      return records.map(record => record.split(':')[0]!)
    }
    const rows = insert('t', { id: 1 }, { id: 2, name: null })
    assert.deepEqual(declared(rows).toSorted(), written(rows))
    const replaced = upsert('t', { id: 2, name: 'x' })
    assert.deepEqual(declared(replaced).toSorted(), written(replaced))
    const changed = update('t', { id: 1 }, { name: { set: 'z' } })
    assert.deepEqual(declared(changed), written(changed).slice(0, 1))
    assert.deepEqual(declared(remove('t', { id: 1 })), declared(changed))
    assert.deepEqual(declared({ type: 'deleteWhere', ...T }, insert('x', { id: 1 }), insert('t', { nope: 1 })), [])
  })
})
