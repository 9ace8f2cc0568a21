import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BUSY_APPLY, DRIFT, HUNG_READS, INDEX_DRIFT, LIARS, MISFIT, runScenario } from './scenarios.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

describe('a staged run', () => {
  for (const scenario of [BUSY_APPLY, HUNG_READS, DRIFT, INDEX_DRIFT, MISFIT, LIARS]) {
    it(`${scenario.name} (seed ${seed})`, async () => {
      assert.equal(await runScenario(scenario, seed), undefined)
    })
  }
})
