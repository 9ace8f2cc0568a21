import assert from 'node:assert/strict'
import { it } from 'node:test'
import { recordsOf } from '../dump.ts'
import { Harness } from '../harness.ts'

it('the record of a table has the bytes of docs/formats/tables.md', async () => {
  const harness = await Harness.create()
  await harness.commit({
    mutations: [
      { type: 'ddl', operation: { type: 'createProject', project: 'p' } },
      {
        type: 'ddl',
        operation: {
          type: 'createTable',
          project: 'p',
          scope: 'app',
          table: 't',
          owner: 'al',
          columns: [
            { name: 'a', type: 'u64' },
            { name: 'b', type: 'timestamp', defaultNow: true },
            { name: 'c', type: 'u64', nullable: true },
            { name: 'd', type: 'text', default: 'x' },
          ],
          primaryKey: ['a'],
          indexes: [
            { name: 'i', columns: ['d', 'b'], kind: 'hash', unique: true, where: { op: 'isNull', column: 'd' } },
          ],
          checks: [{ name: 'k', check: { op: 'isNotNull', column: 'd' } }],
          foreignKeys: [{ name: 'f', columns: ['c'], table: 't', onDelete: 'setNull' }],
        },
      },
      {
        type: 'ddl',
        operation: {
          type: 'setReadPolicy',
          project: 'p',
          scope: 'app',
          table: 't',
          policy: { op: 'isNotNull', column: 'a' },
        },
      },
    ],
  })
  const record = (await recordsOf(harness)).find(each => each.startsWith('0203'))
  const fields = [
    '01 01000000 01000000  0100 74  0200 616c  05000000',
    '0400',
    '01000000 0100 61 02 00 00 00',
    '02000000 0100 62 09 02 00 00',
    '03000000 0100 63 02 01 00 00',
    '04000000 0100 64 00 00 0a0178 00',
    '0100 01000000',
    '0100  0100 0300 02000000 09 03000000 02 04000000 00',
    '0200',
    '01000000 0100 69 0f 0200 04000000 02000000  08 0100 64',
    '02000000 0100 66 04 0100 03000000',
    '0100  0100 6b 01 09 0100 64',
    '0100  0100 66 03 02 00 01000000 00000000 02000000 0100 03000000 0100 01000000',
    '01 09 0100 61',
    '0000',
  ]
  assert.equal(record, `02030000000000000001: ${fields.join('').replaceAll(' ', '')}`)
})
