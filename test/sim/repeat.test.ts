import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Profile } from '../../src/testing/index.ts'
import { runSeed } from './run-seed.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 1)

/** Every class of faults at once, a replica that drifts among them, and snapshots often. */
function everything(profile: Profile): Profile {
  const on = Object.fromEntries(Object.keys(profile.faults).map(name => [name, true]))
  return {
    ...profile,
    faults: { ...profile.faults, ...on, hasLyingDisk: false, hasLyingLog: false, hasLyingDisks: false, hasRot: false },
    troubleMs: 4_000,
    endsInBlackout: false,
    meanFaultGapMs: 250,
    frameFaultChance: 0.03,
    storage: { ...profile.storage, digestInterval: 16, lagLogBytes: 4_096, checkpointLogBytes: 8_192 },
  }
}

describe('a run of the simulator', () => {
  it(`is the same byte for byte for the same seed, whatever happens in it (seed ${seed})`, async () => {
    const options = { keepsTrace: true, adjust: everything }
    const first = await runSeed(seed, options)
    const second = await runSeed(seed, options)
    assert.equal(first.failure, undefined)
    assert.deepEqual(second.trace, first.trace)
    assert.equal(second.hash, first.hash)
    assert.deepEqual(second.counts, first.counts)
    assert.ok(first.counts['events']! > 2_000)
    const other = await runSeed(seed + 1, options)
    assert.notEqual(other.hash, first.hash)
  })
})
