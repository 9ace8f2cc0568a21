import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RetryBudget } from '../../src/client/backoff.ts'
import { QuorateError } from '../../src/model/index.ts'

const TOKENS = 20
const busy = new QuorateError('busy', 'later', { retryable: true })

/** The shortest waits that chance allows: none within the budget, half of the longest backoff beyond it. */
function budgetOf(float = 0): RetryBudget {
  return new RetryBudget({ u32: () => 0, float: () => float, bytes: length => new Uint8Array(length) })
}

function used(budget: RetryBudget, count = TOKENS): RetryBudget {
  for (let i = 0; i < count; i++) assert.equal(budget.delayMs(0, busy), 0, `retry ${i + 1}`)
  return budget
}

describe('the budget of retries', () => {
  it('is used up by refusals as busy: from then on each waits about the longest backoff', () => {
    const budget = used(budgetOf())
    for (let i = 0; i < 3; i++) assert.equal(budget.delayMs(0, busy), 500)
    const late = budgetOf(0.999)
    for (let i = 0; i < TOKENS; i++) assert.ok(late.delayMs(0, busy) < 10)
    assert.ok(late.delayMs(0, busy) > 990)
  })

  it('is not touched by other refusals, and does not slow them down', () => {
    const budget = budgetOf()
    const lost = new QuorateError('not_leader', 'gone', { retryable: true })
    for (let i = 0; i < 2 * TOKENS; i++) assert.equal(budget.delayMs(0, lost), 0)
    used(budget)
    assert.equal(budget.delayMs(0, lost), 0)
    assert.equal(budget.delayMs(0, busy), 500)
  })

  it('grows by a tenth with each success, to no more than it began with', () => {
    const budget = used(budgetOf())
    for (let i = 0; i < 9; i++) budget.succeeded()
    assert.equal(budget.delayMs(0, busy), 500)
    for (let i = 0; i < 2; i++) budget.succeeded()
    used(budget, 1)
    assert.equal(budget.delayMs(0, busy), 500)
    for (let i = 0; i < 100 * TOKENS; i++) budget.succeeded()
    used(budget)
    assert.equal(budget.delayMs(0, busy), 500)
  })

  it('never shortens the wait that a node asks for', () => {
    const patient = new QuorateError('busy', 'later', { retryable: true, backoffMs: 700 })
    const budget = budgetOf()
    for (let i = 0; i < TOKENS + 1; i++) assert.equal(budget.delayMs(0, patient), 700)
  })
})
