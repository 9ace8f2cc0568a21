import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { runSeed } from './world.ts'

/** `QUORATE_SEED` moves the range; `node dist/test/raft/core/sim/main.js` runs more. */
const firstSeed = Number(process.env['QUORATE_SEED'] ?? 1)
const SEEDS = 50

describe('the simulated group', () => {
  it(`keeps every promise through faults and converges after them (seeds ${firstSeed} to ${firstSeed + SEEDS - 1})`, () => {
    for (let seed = firstSeed; seed < firstSeed + SEEDS; seed++) {
      const result = runSeed(seed)
      assert.equal(result.failure, null, `seed ${seed}: ${result.failure}`)
    }
  })

  it('runs the same for the same seed', () => {
    for (const seed of [firstSeed, firstSeed + 1, firstSeed + 2]) assert.equal(runSeed(seed).hash, runSeed(seed).hash)
  })
})
