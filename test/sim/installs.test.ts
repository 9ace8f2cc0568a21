import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Profile, Stage } from '../../src/testing/index.ts'
import { runSeed } from './run-seed.ts'

const seed = Number(process.env['QUORATE_SEED'] ?? 5)

/** Little log is kept for those that lag, and the only faults are deaths in the midst of installs. */
function adjust(profile: Profile): Profile {
  const faults = Object.fromEntries(
    Object.keys(profile.faults).map(name => [name, false]),
  ) as unknown as Profile['faults']
  return {
    ...profile,
    faults: { ...faults, hasPowerLosses: true, hasProcessCrashes: true },
    meanFaultGapMs: 1_000_000,
    storage: {
      ...profile.storage,
      segmentBytes: 16_384,
      checkpointLogBytes: 8_192,
      checkpointAgeMs: 500,
      lagLogBytes: 4_096,
    },
    workload: { ...profile.workload, clients: 3, meanGapMs: 20, pipeline: 3, keys: 200, valueBytes: 1500, watchers: 0 },
  }
}

/** Cuts a follower off for a while, again and again, so that it needs a snapshot each time. */
function cutOff({ cluster }: Stage): void {
  const { world, network, nodes } = cluster
  const isLevel = (): boolean => {
    const seen = nodes.map(node => node.inspect())
    const newest = Math.max(...seen.map(one => one?.commitSeq ?? 0))
    return seen.every(one => one !== undefined && one.appliedSeq >= newest - 20)
  }
  const next = (): void => {
    if (cluster.isHealing) return
    if (!isLevel()) {
      world.schedule(50, next)
      return
    }
    const victim = nodes.findLast(node => node !== cluster.leader())!
    network.partition([[victim.name], nodes.filter(node => node !== victim).map(node => node.name)])
    world.schedule(900, () => network.heal())
    world.schedule(1_000, next)
  }
  world.schedule(100, next)
}

describe('installs in the midst of which nodes die', () => {
  it(`go on where they were, and every promise is kept (seed ${seed})`, async () => {
    const { failure, counts } = await runSeed(seed, { adjust, drama: cutOff })
    assert.equal(failure, undefined, `seed ${seed}: ${failure}`)
    const { installs = 0, resumed = 0, installDeaths = 0 } = counts
    assert.ok(installs > 3, `${installs} installs`)
    assert.ok(resumed > 0 || installDeaths < 4, `${resumed} of ${installDeaths} interrupted installs went on`)
  })
})
