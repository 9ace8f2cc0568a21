import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { chainEntry, EntryKind } from '../../src/encoding/index.ts'
import { Harness, request, set } from './harness.ts'

describe('the entry chain of a state machine', () => {
  it('goes over the entries that were applied, and is what the batch says once all of it is', async () => {
    const harness = await Harness.withProject()
    const before = harness.core.appliedChain
    for (const value of ['1', '2', '3', '4'])
      harness.append(EntryKind.transaction, request({ mutations: [set('a', value)] }))
    const first = harness.core.appliedSeq + 1
    const batch = { ...harness.batch(first), lastChain: 12_345 }
    let left = 2
    harness.core.apply(batch, () => --left === 0)
    assert.equal(harness.core.appliedSeq, first + 1)
    const applied = harness.batch(first, first + 1).bytes
    assert.equal(harness.core.appliedChain, chainEntry(before, applied, 0, applied.length))
    harness.core.apply(batch, () => false)
    assert.deepEqual([harness.core.appliedSeq, harness.core.appliedChain], [first + 3, 12_345])
  })
})
