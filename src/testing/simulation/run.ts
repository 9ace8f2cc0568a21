import type { StartJob } from '../../platform/index.ts'
import { SimulatedWorld } from '../../platform/simulated/index.ts'
import type { ConfiguredKeys } from '../../sealing/index.ts'
import { SimulatedCluster } from './cluster.ts'
import { blackOut, checkEndState, isConverged } from './end-state.ts'
import type { DriftFault } from './drift-fault.ts'
import { EntryOracle } from './entry-oracle.ts'
import { FaultInjector } from './faults.ts'
import { History } from './history.ts'
import type { NodeOpening, OpenNode, RunningNode } from './node.ts'
import { drawProfile, HEALING_MS } from './profile.ts'
import type { Profile } from './profile.ts'
import { require, Trace, Violation } from './trace.ts'
import { Workload } from './workload.ts'

export interface SimulationOptions {
  readonly seed: number
  readonly drainMicrotasks: () => Promise<void>
  readonly openNode: OpenNode
  readonly jobs: Readonly<Record<string, StartJob>>
  /** Whether a frame holds only messages whose loss, doubling and lateness the receiver tolerates. */
  readonly isTolerantFrame?: (frame: Uint8Array) => boolean
  /** A frame of the log of another directory, which has come further than any run does: clients write it as a value. */
  readonly foreignFrame?: Uint8Array
  readonly keepsTrace?: boolean
  /** What directories are encrypted and signed with. */
  readonly keys?: ConfiguredKeys
  /** Changes what the seed has drawn, for scenarios. */
  readonly adjust?: (profile: Profile) => Profile
  /** Nodes whose state is made to differ from that of the others. */
  readonly isDrifting?: (node: string) => boolean
  /** Stages a scenario beside, or instead of, the drawn faults. */
  readonly drama?: (stage: Stage) => void
}

/** What a scenario may use. */
export interface Stage {
  readonly cluster: SimulatedCluster
  readonly workload: Workload
  readonly history: History
  readonly oracle: EntryOracle
}

export interface SimulationResult {
  readonly seed: number
  /** Equal for equal seeds and code. */
  readonly hash: string
  readonly failure: string | undefined
  readonly profile: Profile
  readonly counts: Readonly<Record<string, number>>
  readonly trace: readonly string[]
}

/** Setting up may take this long before faults begin: forming the group, the first session, the first project. */
const SETUP_MS_MAX = 15_000
/** Stalls that began in the trouble, and what they have caused, are over by then. */
const AFTERMATH_MS = 5_000
/** What the background commits is with all members within so long. */
const STILL_MS_MAX = 1_000
/** And so long until everything that is due is removed. */
const DUE_MS_MAX = 2_000
/** And so long to be back after a loss of all power. */
const BLACKOUT_MS_MAX = 8_000

/** One simulated cluster from an empty disk to its end: a pure function of the seed and the code. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const world = new SimulatedWorld({ seed: options.seed, drainMicrotasks: options.drainMicrotasks })
  const drawn = drawProfile(world.random.split('profile'))
  const profile = options.adjust?.(drawn) ?? drawn
  const trace = new Trace(() => world.nowMs, options.keepsTrace === true)
  const oracle = new EntryOracle()
  oracle.isDrifting = options.isDrifting ?? (() => false)
  const driftOf = (name: string): DriftFault => cluster.nodes.find(node => node.name === name)!.drift
  oracle.mayDiffer = name => driftOf(name).isPossible
  oracle.hasDrifted = name => driftOf(name).hasDrifted
  oracle.excusesDigest = (name, isRight) => driftOf(name).excuses(isRight)
  oracle.describe = (seq, text) => trace.note(`entry ${seq} ${text}`)
  const cluster = new SimulatedCluster({
    world,
    profile,
    trace,
    oracle,
    openNode: opening => openChecked(options.openNode, opening, () => cluster),
    jobs: options.jobs,
    isTolerantFrame: options.isTolerantFrame ?? (() => false),
    foreignFrame: options.foreignFrame,
    keys: options.keys,
  })
  oracle.onCommit = seq => {
    const seen = cluster.nodes.map(node => [node.name, node.inspectPaused()] as const)
    cluster.promises.onCommit(seq, seen)
  }
  oracle.onTime = (seq, timeMicros) => cluster.time.onEntry(seq, timeMicros, world.nowMs)
  const history = new History()
  const workload = new Workload(cluster, oracle, history)
  const faults = new FaultInjector(cluster, workload)
  let failure: string | undefined
  try {
    await play({ cluster, workload, history, oracle }, faults, options.drama)
  } catch (error) {
    failure = describe(error)
  }
  failure ??= cluster.failure === undefined ? undefined : describe(cluster.failure)
  trace.note(`end after ${world.eventCount} events: ${cluster.describe()}`)
  return {
    seed: options.seed,
    hash: trace.hash,
    failure,
    profile,
    counts: {
      entries: oracle.lastSeq,
      events: world.eventCount,
      ...workload.counts,
      ...faults.counts,
      logLies: cluster.lyingLog.counts.hit,
      logLiesShown: cluster.lyingLog.counts.shown,
      fullLinks: cluster.fullLinks,
      fenced: cluster.fences.up,
      rebuilt: cluster.fences.down,
      inherited: cluster.inherited,
      installs: cluster.installs.begun,
      incremental: cluster.installs.incremental,
      resumed: cluster.installs.resumed,
      installDeaths: cluster.installs.died,
      undecided: history.undecided,
    },
    trace: trace.lines,
  }
}

async function play(stage: Stage, faults: FaultInjector, drama: SimulationOptions['drama']): Promise<void> {
  const { cluster, workload, history } = stage
  const { world, trace } = cluster
  const until = async (condition: () => boolean, limitMs: number): Promise<boolean> => {
    const isReached = await world.runWhileNot(() => cluster.failure !== undefined || condition(), limitMs)
    if (cluster.failure !== undefined) throw cluster.failure
    return isReached
  }
  cluster.start()
  workload.begin()
  if (!(await until(() => workload.isSetUp, SETUP_MS_MAX))) {
    throw new Violation(`no service after ${SETUP_MS_MAX} ms without faults: ${cluster.describe()}`)
  }
  trace.note('--- trouble')
  drama?.(stage)
  faults.begin()
  await until(() => false, Math.max(0, cluster.profile.troubleMs - world.nowMs))
  trace.note(`--- healing: ${cluster.describe()}`)
  faults.heal()
  workload.finish()
  const isEnd = (): boolean => cluster.isWaiting || (workload.isFinished && isConverged(cluster, stage.oracle))
  const isWell = await until(isEnd, HEALING_MS)
  if (cluster.isWaiting) return history.check()
  if (!isWell) {
    throw new Violation(`no convergence: ${workload.describeOpen()} ${cluster.describe()}`)
  }
  const { reference } = stage.oracle
  if (!(await until(() => reference.findOverdue() === undefined, DUE_MS_MAX))) {
    throw new Violation(`${reference.findOverdue()} is due and not removed`)
  }
  await checkEndState(stage)
  await rest(stage, until)
  if (cluster.profile.endsInBlackout) {
    await blackOut(cluster)
    const isBack = await until(() => cluster.isWaiting || isConverged(cluster, stage.oracle), BLACKOUT_MS_MAX)
    if (cluster.isWaiting) return history.check()
    if (!isBack) throw new Violation(`no convergence after the loss of all power: ${cluster.describe()}`)
    await checkEndState(stage)
  }
  if (cluster.failure !== undefined) throw cluster.failure
  workload.checkEnd()
  history.check()
}

/** What is left of the time: nobody does anything, and so nothing happens but what the background commits, which all apply. */
async function rest(
  { cluster, oracle }: Stage,
  until: (condition: () => boolean, limitMs: number) => Promise<boolean>,
): Promise<void> {
  const { world, profile, fences } = cluster
  const pass = (ms: number): Promise<boolean> => until(() => false, Math.max(0, profile.troubleMs + ms - world.nowMs))
  await pass(AFTERMATH_MS)
  const before = cluster.termsOfMembers()
  const fenced = fences.up
  await pass(HEALING_MS)
  const after = cluster.termsOfMembers()
  // A leader whose state is found to differ only now hands over.
  require(after === before || fences.up > fenced, () => `an election without cause: terms ${before}, then ${after}`)
  // An entry may be on its way at this very moment.
  const isStill = await until(() => isConverged(cluster, oracle), STILL_MS_MAX)
  require(isStill, () => `no longer converged, without cause: ${cluster.describe()}`)
}

/** Whatever a node's start throws belongs to that node. */
async function openChecked(
  openNode: OpenNode,
  opening: NodeOpening,
  cluster: () => SimulatedCluster,
): Promise<RunningNode> {
  try {
    return await openNode({
      ...opening,
      onApplied: report => {
        try {
          opening.onApplied(report)
        } catch (error) {
          cluster().fail(error as Error)
        }
      },
    })
  } catch (error) {
    throw error instanceof Error ? error : new Error(String(error))
  }
}

function describe(error: unknown): string {
  if (error instanceof Violation) return error.message
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
