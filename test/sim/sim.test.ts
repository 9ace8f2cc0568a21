import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { drainMicrotasks } from '../../src/platform/node/index.ts'
import { simulate } from '../../src/testing/index.ts'
import type { Profile } from '../../src/testing/index.ts'
import { runSeed, SIMULATED_KEYS } from './run-seed.ts'
import { sharedLogNodes } from './shared-log-nodes.ts'
import type { PlantedFault } from './shared-log-nodes.ts'

/** `QUORATE_SEED` moves the range; `npm run sim -- --seeds N` runs more. */
const firstSeed = Number(process.env['QUORATE_SEED'] ?? 1)
const SEEDS = 3

describe('three simulated nodes', () => {
  it(`keep every promise through faults and converge after them (seeds ${firstSeed} to ${firstSeed + SEEDS - 1})`, async () => {
    for (let seed = firstSeed; seed < firstSeed + SEEDS; seed++) {
      const { failure } = await runSeed(seed)
      assert.equal(failure, undefined, `seed ${seed}: ${failure}`)
    }
  })

  it(`keep them with encrypted and signed directories, too (seed ${firstSeed + SEEDS})`, async () => {
    const { failure } = await runSeed(firstSeed + SEEDS, { keys: SIMULATED_KEYS })
    assert.equal(failure, undefined)
  })

  it('do the same for the same seed', async () => {
    assert.equal((await runSeed(firstSeed)).hash, (await runSeed(firstSeed)).hash)
  })
})

/** Nodes over a shared log have no leader time but the clock of whoever writes. */
const withGoodClocks = (profile: Profile): Profile => ({
  ...profile,
  faults: { ...profile.faults, hasClockJumps: false },
})

describe('the simulator', () => {
  const findFault = async (fault: PlantedFault | undefined, seeds: number): Promise<string | undefined> => {
    for (let seed = 1; seed <= seeds; seed++) {
      const openNode = sharedLogNodes(fault)
      const { failure } = await simulate({ seed, drainMicrotasks, openNode, jobs: {}, adjust: withGoodClocks })
      if (failure !== undefined) return failure
    }
    return undefined
  }

  it('finds nothing wrong with nodes over a log that never fails', async () => {
    assert.equal(await findFault(undefined, 2), undefined)
  })

  for (const [fault, message] of [
    ['forgetful', /answered otherwise|the session recorded/],
    ['stale', /stale read/],
    ['twice', /not linearizable/],
    ['silent watch', /was told of/],
  ] as const) {
    it(`notices nodes with the fault "${fault}"`, async () => {
      assert.match((await findFault(fault, 10)) ?? 'nothing was found', message)
    })
  }
})
