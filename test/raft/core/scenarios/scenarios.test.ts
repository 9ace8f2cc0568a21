import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { activateMutant } from '../../../../src/raft/core/index.ts'
import { scenarios } from './index.ts'

afterEach(() => activateMutant(null))

describe('the rules of the core', () => {
  for (const { rule, name, mutant, run } of scenarios) {
    it(`${rule}: ${name}`, run)
    if (mutant === undefined) continue
    it(`${rule}: ${name} (and the story notices "${mutant}")`, () => {
      activateMutant(mutant)
      assert.throws(run)
    })
  }
})
