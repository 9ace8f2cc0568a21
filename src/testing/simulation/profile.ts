import type { RequestLimits } from '../../raft/index.ts'
import type { NetworkProfile, SeededRandom } from '../../platform/simulated/index.ts'
import type { StorageShape } from './node.ts'
import { drawPrograms } from './programs/program-kinds.ts'
import type { ProgramKind } from './programs/program-kinds.ts'
import { drawMix } from './write-mix.ts'
import type { WriteMix } from './write-mix.ts'

/** Classes of faults; each seed switches every one off with probability 1/2, so that rare mixtures get deep runs. */
export interface FaultClasses {
  readonly hasPartitions: boolean
  readonly hasResets: boolean
  /** Single frames of the core's messages are lost, doubled or late. */
  readonly hasFrameFaults: boolean
  readonly hasClogs: boolean
  readonly hasProcessCrashes: boolean
  readonly hasPowerLosses: boolean
  /** At a chosen disk call or a chosen send instead of between two events. */
  readonly hasCrashesInside: boolean
  readonly hasPauses: boolean
  readonly hasStalls: boolean
  /** Reads of the disk do not come back for a while; writes do. */
  readonly hasHungReads: boolean
  readonly hasFailedSyncs: boolean
  readonly hasFullDisks: boolean
  readonly hasClockJumps: boolean
  readonly hasTransfers: boolean
  /** Of one node: writes of pages that are lost or land elsewhere. */
  readonly hasLyingDisk: boolean
  /** Of the first node: writes of the log that are lost or land elsewhere. */
  readonly hasLyingLog: boolean
  /** The disks of the others do it too: safety is all that can be asked for then. */
  readonly hasLyingDisks: boolean
  /** Of the first node: bits of its files flip while it is down. */
  readonly hasRot: boolean
  /** Of one node, once: its whole directory is lost. */
  readonly hasWipe: boolean
  /** Of one node, once: its state differs from its peers'. */
  readonly hasDrift: boolean
}

/** Bounds that a busy second reaches. */
export interface Bounds {
  /** Bytes that may wait on a link between two nodes, beside what its socket takes. */
  readonly queueBytes: number
  readonly socketBytes: number
  readonly bytesPerMs: number
  readonly requests: RequestLimits
}

export interface Profile {
  readonly nodeCount: number
  /** Until then things go wrong. */
  readonly troubleMs: number
  readonly faults: FaultClasses
  readonly network: Partial<NetworkProfile>
  readonly storage: StorageShape
  /** Undefined = those of a node, which no run comes near. */
  readonly bounds: Bounds | undefined
  /** Chance that a frame of core messages is lost, doubled or late; 0 without frame faults. */
  readonly frameFaultChance: number
  /** Chance that a call of `apply` stops after one entry. */
  readonly sliceChance: number
  /** Processor time that applying an entry takes. */
  readonly applyMs: number
  readonly meanFaultGapMs: number
  readonly clockDrift: number
  readonly wallOffsetMs: number
  readonly tear: 'sector' | 'byte'
  readonly sectorBytes: number
  readonly syncMs: number
  /** After all is compared the power of all machines goes, and everything must be there again. */
  readonly endsInBlackout: boolean
  readonly workload: WorkloadProfile
}

export interface WorkloadProfile {
  readonly clients: number
  readonly meanGapMs: number
  /** Callers beside root, with permissions that come and go; 0 = none. Some of the clients, readers and watchers are theirs. */
  readonly callers: number
  /** Requests of one client that may be open at once. */
  readonly pipeline: number
  readonly keys: number
  readonly valueBytes: number
  /** How long a client waits before it sends a copy, from and to; those that wait for long leave copies to the nodes. */
  readonly attemptMs: readonly [number, number]
  /** Chance that an answer is lost on its way to the client. */
  readonly lostAnswers: number
  readonly watchers: number
  /** 0 = the default. */
  readonly sessionLifetimeMs: number
  /** How often each kind of write is drawn. */
  readonly mix: WriteMix
  /** Programs over the whole `Database`: what queues, leases, effects, events and transactions promise. */
  readonly programs: readonly ProgramKind[]
}

const TROUBLE_MS = 12_000
export const ATTEMPT_MS: readonly [number, number] = [150, 1200]
const PATIENT_MS: readonly [number, number] = [1000, 3000]
/** After the trouble everything must be well within so long. */
export const HEALING_MS = 8_000

/** Everything that a seed decides before the run begins. */
export function drawProfile(random: SeededRandom): Profile {
  const on = (): boolean => random.chance(0.5)
  const isCalm = random.chance(0.1)
  const fault = (): boolean => on() && !isCalm
  const drawn = {
    hasPartitions: fault(),
    hasResets: fault(),
    hasFrameFaults: fault(),
    hasClogs: fault(),
    hasProcessCrashes: fault(),
    hasPowerLosses: fault(),
    hasCrashesInside: fault(),
    hasPauses: fault(),
    hasStalls: fault(),
    hasFailedSyncs: fault(),
    hasFullDisks: fault(),
    hasClockJumps: fault(),
    hasTransfers: fault(),
    hasLyingDisk: fault() && random.chance(0.3),
    hasLyingDisks: false,
    hasHungReads: !isCalm && random.split('hung reads').chance(0.3),
    hasRot: !isCalm && random.split('rot').chance(0.2),
    hasLyingLog: !isCalm && random.split('lying log').chance(0.12),
  }
  // Who is wrong is found by a majority: no other node may be missing for good.
  const isSpared = isCalm || drawn.hasLyingDisk || drawn.hasLyingLog || drawn.hasRot
  const hasWipe = !isSpared && random.split('wipe').chance(0.1)
  const hasDrift = !isSpared && !hasWipe && random.split('drift').chance(0.3)
  const faults: FaultClasses = { ...drawn, hasWipe, hasDrift }
  const calling = random.split('callers')
  const callers = calling.chance(0.35) ? calling.between(1, 3) : 0
  const bounds = drawBounds(random.split('bounds'))
  const mix = drawMix(random.split('mix'), callers)
  return {
    nodeCount: 3,
    troubleMs: TROUBLE_MS,
    faults,
    network: {
      minDelayMs: random.pick([0.05, 0.2, 2]),
      meanDelayMs: random.pick([0.2, 1, 5]),
      linkSpread: random.pick([1, 1, 4]),
      breakChance: faults.hasResets ? random.pick([0.0005, 0.003]) : 0,
      giveUpMs: [300, 4000],
      ...(bounds !== undefined && { bytesPerMs: bounds.bytesPerMs, socketBufferBytes: bounds.socketBytes }),
    },
    bounds,
    storage: drawStorage(random, mix, hasDrift),
    frameFaultChance: faults.hasFrameFaults ? random.pick([0.005, 0.03, 0.1]) : 0,
    sliceChance: random.pick([0, 0, 0.2, 1]),
    applyMs: random.split('processor').pick([0, 0, 0.05, 1]),
    meanFaultGapMs: random.pick([250, 600, 1500]),
    clockDrift: random.pick([0, 0.02, 0.05]),
    wallOffsetMs: random.pick([0, 50, 400]),
    tear: random.pick(['sector', 'byte'] as const),
    sectorBytes: random.pick([512, 512, 4096]),
    syncMs: random.pick([0.2, 0.8, 5]),
    endsInBlackout: random.split('end').chance(0.4),
    workload: {
      clients: random.between(1, 5),
      meanGapMs: random.pick([20, 50, 120]),
      callers,
      pipeline: random.pick([1, 1, 3, 8]),
      keys: random.pick([3, 20, 200]),
      valueBytes: random.pick([20, 200, 1500]),
      attemptMs: random.split('patience').chance(0.3) ? PATIENT_MS : ATTEMPT_MS,
      lostAnswers: random.pick([0, 0.02, 0.1]),
      watchers: random.between(0, 3),
      sessionLifetimeMs: random.pick([0, 0, 1500, 4000]),
      mix,
      programs: drawPrograms(random.split('programs')),
    },
  }
}

/** Links that are soon full, and nodes that soon have too many requests. */
function drawBounds(random: SeededRandom): Bounds | undefined {
  if (!random.chance(0.3)) return undefined
  return {
    queueBytes: random.pick([1, 2_048, 16_384]),
    socketBytes: random.pick([512, 4_096]),
    bytesPerMs: random.pick([200, 1_000, 100_000]),
    requests: {
      waitingBytes: random.pick([4_096, 16_384, 1 << 20]),
      frameBytes: random.pick([1, 4_096]),
      queuedBytes: random.pick([1, 2_048]),
    },
  }
}

function drawStorage(random: SeededRandom, mix: WriteMix, hasDrift: boolean): StorageShape {
  const pageBytes = random.pick([4096, 4096, 8192] as const)
  const budgetPages = random.pick([48, 96, 1024])
  return {
    pageBytes,
    // Where many keys come and go, memory holds few of them.
    budgetBytes: pageBytes * (mix.bulk === 0 ? budgetPages : Math.min(budgetPages, 96)),
    segmentBytes: random.pick([16_384, 65_536, 262_144]),
    lane: random.pick(['worker', 'worker', 'inline'] as const),
    checkpointLogBytes: random.pick([8_192, 32_768, 262_144]),
    checkpointAgeMs: random.pick([500, 2_000, 10_000]),
    lagLogBytes: random.pick([4_096, 65_536, 1 << 28]),
    snapshotLimits: { chunkBytes: pageBytes, windowBytes: 2 * pageBytes },
    installProgressBytes: 3 * pageBytes,
    digestInterval: random.split('digest interval').pick(hasDrift ? [16, 64] : [16, 64, 4_096]),
  }
}
