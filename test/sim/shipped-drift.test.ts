import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runScenario } from './scenarios.ts'
import { DECIDED, UNDECIDED } from './shipped-drift.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

describe('a state that has drifted, where a third node needs one', () => {
  for (const scenario of [UNDECIDED, DECIDED]) {
    it(`${scenario.name} (seed ${seed})`, async () => {
      assert.equal(await runScenario(scenario, seed), undefined)
    })
  }
})
