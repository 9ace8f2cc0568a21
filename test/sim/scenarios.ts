import { HeartbeatWatch, openSimulatedReplica, require, USUAL_MIX } from '../../src/testing/index.ts'
import type { FaultClasses, Profile, SimulationOptions, Stage } from '../../src/testing/index.ts'
import { runSeed } from './run-seed.ts'

/** A staged run: a certain weather, what happens in it, and what must hold beside all that holds always. */
export interface Scenario {
  readonly name: string
  readonly adjust: (profile: Profile) => Profile
  readonly drama: (stage: Stage) => void
  readonly openNode?: SimulationOptions['openNode']
  readonly isDrifting?: (node: string) => boolean
}

/** Runs a scenario; what was found wrong. */
export async function runScenario(scenario: Scenario, seed: number): Promise<string | undefined> {
  return (await runSeed(seed, scenario)).failure
}

const NO_FAULTS = (profile: Profile): FaultClasses =>
  Object.fromEntries(Object.keys(profile.faults).map(name => [name, false])) as unknown as FaultClasses

/** Nothing goes wrong but what the scenario does. */
function calm(profile: Profile): Profile {
  return {
    ...profile,
    troubleMs: 7_000,
    faults: NO_FAULTS(profile),
    network: { minDelayMs: 0.2, meanDelayMs: 0.5, breakChance: 0 },
    storage: { ...profile.storage, lane: 'worker' },
    frameFaultChance: 0,
    sliceChance: 0,
    applyMs: 0,
    clockDrift: 0.02,
    wallOffsetMs: 50,
    syncMs: 0.8,
    endsInBlackout: false,
  }
}

/** Heartbeats are due every 50 ms; a voter campaigns after 300 without. */
const GAP_MS_MAX = 250

function watchHeartbeats({ cluster }: Stage): void {
  const watch = new HeartbeatWatch(cluster)
  const look = (): void => {
    for (const [index, { node }] of cluster.nodes.entries()) if (node === undefined) watch.forget(index + 1)
    cluster.guard(() => watch.check(GAP_MS_MAX))
    if (!cluster.isHealing) cluster.world.schedule(50, look)
  }
  cluster.world.schedule(50, look)
}

/** DESIGN 7, never stall the loop: apply cannot keep up with the log, and is behind by seconds. */
export const BUSY_APPLY: Scenario = {
  name: 'heartbeats go on while apply is busy for seconds',
  adjust: drawn => {
    const profile = calm(drawn)
    const workload = { ...profile.workload, clients: 5, meanGapMs: 50, pipeline: 50, valueBytes: 200, lostAnswers: 0 }
    return { ...profile, applyMs: 2, workload }
  },
  drama: stage => {
    watchHeartbeats(stage)
    const { cluster } = stage
    const slow = (): void => {
      if (cluster.isHealing) return
      // Twice as long as there is time for.
      cluster.applyMs = 25
      cluster.world.schedule(2_000, () => (cluster.applyMs = 2))
      cluster.world.schedule(5_000, slow)
    }
    cluster.world.schedule(1_000, slow)
  },
}

/** DESIGN 7, never stall the loop: pages that apply needs do not come for seconds. */
export const HUNG_READS: Scenario = {
  name: 'heartbeats go on while page reads hang',
  adjust: drawn => {
    const profile = calm(drawn)
    const { mix } = profile.workload
    const workload = { ...profile.workload, clients: 5, meanGapMs: 20, pipeline: 8, lostAnswers: 0 }
    return {
      ...profile,
      storage: { ...profile.storage, budgetBytes: profile.storage.pageBytes * 48 },
      workload: { ...workload, mix: { ...mix, bulk: 12, sweep: 4 } },
    }
  },
  drama: stage => {
    watchHeartbeats(stage)
    const { cluster } = stage
    const hang = (): void => {
      if (cluster.isHealing) return
      for (const node of cluster.nodes) node.machine.stallReads(2_000)
      cluster.world.schedule(4_000, hang)
    }
    cluster.world.schedule(2_000, hang)
  },
}

const DRIFTER = 'n3'

/**
 * Promise 5: a replica whose state differs (here in S alone, so that nobody is told anything wrong) is found when digests are compared
 * next, answers nothing of its own from then on, and does not lead.
 */
export const DRIFT: Scenario = {
  name: 'a replica that drifts is fenced',
  adjust: drawn => {
    const profile = calm(drawn)
    const workload = { ...profile.workload, clients: 4, meanGapMs: 20, mix: USUAL_MIX }
    return { ...profile, storage: { ...profile.storage, digestInterval: 32 }, workload }
  },
  openNode: opening =>
    openSimulatedReplica(opening, opening.name === DRIFTER ? { digestKeepsOverwritten: true } : undefined),
  isDrifting: name => name === DRIFTER,
  drama: ({ cluster }) => {
    const drifter = cluster.nodes.find(({ name }) => name === DRIFTER)!
    const { world } = cluster
    const look = (): void => {
      if (cluster.isHealing) return
      const deadlineMs = drifter.host!.clock.monotonicMs() + 500
      drifter.node!.service.whenReadable('local', deadlineMs, (view, error) => {
        view?.release()
        cluster.guard(() => require(error?.code === 'fenced', () => `${DRIFTER} has drifted and still answers`))
      })
      cluster.guard(() => require(cluster.leader() !== drifter, () => `${DRIFTER} has drifted and leads`))
      world.schedule(200, look)
    }
    // Many digests after the first overwritten key.
    world.schedule(4_000, look)
  },
}

/**
 * Promise 5 where no majority can say who is right: a leader whose S has drifted, one follower that agrees with the records, and one that
 * can only be brought forward by a snapshot, which does not fit. The leader must find that it is the one who is wrong.
 */
export const MISFIT: Scenario = {
  name: 'a leader whose snapshots do not fit is fenced',
  adjust: drawn => {
    const profile = calm(drawn)
    const workload = { ...profile.workload, clients: 4, meanGapMs: 20, mix: USUAL_MIX, sessionLifetimeMs: 0 }
    const log = { segmentBytes: 16_384, checkpointLogBytes: 8_192, checkpointAgeMs: 500, lagLogBytes: 4_096 }
    return { ...profile, storage: { ...profile.storage, ...log, digestInterval: 1_000_000 }, workload }
  },
  drama: ({ cluster }) => {
    const { world, network, nodes } = cluster
    world.schedule(1_000, () => {
      const leader = cluster.leader()!
      const lagging = nodes.find(node => node !== leader)!
      network.partition([[lagging.name], nodes.filter(node => node !== lagging).map(({ name }) => name)])
      leader.drift.arm('sum')
    })
    world.schedule(4_000, () => network.heal())
  },
}

/** Promise 5 for what no read of a row shows: an entry of an index differs, and nothing else. */
export const INDEX_DRIFT: Scenario = {
  name: 'a replica of which an entry of an index drifts is fenced and rebuilt',
  adjust: drawn => {
    const profile = calm(drawn)
    const mix = { ...USUAL_MIX, rows: 60 }
    const workload = { ...profile.workload, clients: 2, meanGapMs: 50, callers: 0, sessionLifetimeMs: 0, mix }
    return { ...profile, storage: { ...profile.storage, digestInterval: 16 }, workload }
  },
  drama: ({ cluster }) => {
    const { world, fences } = cluster
    world.schedule(500, () => cluster.nodes.find(node => node !== cluster.leader())!.drift.arm('index'))
    world.schedule(6_000, () => {
      cluster.guard(() => require(fences.up > 0 && fences.down > 0, () => 'nobody has found the entry that differs'))
    })
  },
}

/**
 * Promise 6 with more than one bad disk: writes of pages that are lost or land elsewhere on any machine. Nothing wrong is served; where
 * most refuse, the group waits.
 */
export const LIARS: Scenario = {
  name: 'disks of all machines lie, and nobody is told anything wrong',
  adjust: drawn => {
    const { mix } = drawn.workload
    return {
      ...drawn,
      troubleMs: 7_000,
      faults: { ...drawn.faults, hasLyingDisk: true, hasLyingDisks: true, hasPowerLosses: true },
      meanFaultGapMs: 250,
      storage: { ...drawn.storage, budgetBytes: drawn.storage.pageBytes * 48, checkpointAgeMs: 500 },
      workload: { ...drawn.workload, clients: 5, meanGapMs: 20, mix: { ...mix, bulk: 12, sweep: 4 } },
    }
  },
  drama: () => {},
}
