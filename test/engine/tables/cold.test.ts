import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { EntryKind } from '../../../src/encoding/index.ts'
import { Harness, request } from '../harness.ts'

describe('a mutation of many rows that are not in memory', () => {
  it('begins again once for many pages, not for each', async () => {
    const harness = await Harness.create({ pageBytes: 4096, budgetBytes: 1 })
    const table = { project: 'p', table: 't' } as const
    const columns = [
      { name: 'id', type: 'integer' },
      { name: 'note', type: 'text' },
      { name: 'n', type: 'integer', default: 0 },
    ] as const
    await harness.commit({ mutations: [{ type: 'ddl', operation: { type: 'createProject', project: 'p' } }] })
    const operation = { type: 'createTable', ...table, columns, primaryKey: ['id'] } as const
    await harness.commit({ mutations: [{ type: 'ddl', operation }] })
    const note = 'n'.repeat(180)
    for (let from = 0; from < 4_000; from += 500) {
      const rows = Array.from({ length: 500 }, (_, i) => ({ id: from + i, note }))
      assert.equal((await harness.commit({ mutations: [{ type: 'insert', ...table, rows }] })).status, 'committed')
      await harness.checkpoint()
    }
    const where = { op: 'eq', column: 'n', value: 1 } as const
    const seq = harness.append(
      EntryKind.transaction,
      request({ mutations: [{ type: 'deleteWhere', ...table, where }] }),
    )
    let colds = 0
    while (harness.core.appliedSeq < seq) {
      const { cold } = harness.core.apply(harness.batch(seq), () => false)
      await cold
      if (cold !== undefined) colds++
    }
    assert.ok(colds > 3, `only ${colds} times pages were missing: the rows were in memory`)
    assert.ok(colds < 30, `the entry began again ${colds} times`)
    await harness.core.close()
  })
})
