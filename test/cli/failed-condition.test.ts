import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeError } from '../../src/cli/exit-codes.ts'
import { utf8Bytes } from '../../src/encoding/index.ts'
import type { FailedCondition } from '../../src/encoding/index.ts'
import { QuorateError } from '../../src/model/index.ts'

describe('the condition of a refusal on the command line', () => {
  const said = (condition: FailedCondition): string =>
    describeError(new QuorateError('assertion_failed', 'assertions[0] does not hold', { detail: { condition } }))
  const start = 'assertion_failed: assertions[0] does not hold'

  it('says what was wanted and what was found', () => {
    assert.equal(
      said({
        path: 'assertions[0]',
        type: 'keyCompare',
        op: 'lte',
        expected: utf8Bytes('b'),
        actual: utf8Bytes('xxx'),
        actualBytes: 70,
      }),
      `${start} (assertions[0]: keyCompare <= b, found xxx... of 70 bytes)`,
    )
    assert.equal(
      said({ path: 'assertions[0]', type: 'keyEquals', op: 'eq', expected: Uint8Array.of(0, 1) }),
      `${start} (assertions[0]: keyEquals = 0x0001, found nothing)`,
    )
    assert.equal(
      said({ path: 'assertions[0]', type: 'rowCompare', op: 'ne', expected: 'a', actual: null, columnType: 'text' }),
      `${start} (assertions[0]: rowCompare != "a", found null)`,
    )
  })

  it('says where in a group it stands, and that it must not hold', () => {
    const path = 'assertions[0].assertion'
    assert.equal(
      said({ path, type: 'keyExists', op: 'eq', isNegated: true, expected: true, actual: true }),
      `${start} (${path}: not keyExists = true, found true)`,
    )
  })
})
