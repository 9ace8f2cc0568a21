import { require } from '../../src/testing/index.ts'
import type { Profile, Stage } from '../../src/testing/index.ts'
import { INDEX_DRIFT } from './scenarios.ts'
import type { Scenario } from './scenarios.ts'

type Cluster = Stage['cluster']
type Node = Cluster['nodes'][number]

/** The first leader, a follower that is to drift, and one that is to fall behind. */
interface Roles {
  readonly right: Node
  readonly drifter: Node
  readonly lagging: Node
}

/** What one has to lack so that no log reaches back to it: a few segments. */
const FAR_ENTRIES = 100

/** Digests close to each other, and logs so short that whoever was away for long needs a snapshot. */
function overShortLogs(drawn: Profile): Profile {
  const profile = INDEX_DRIFT.adjust(drawn)
  const log = { segmentBytes: 16_384, checkpointLogBytes: 8_192, checkpointAgeMs: 500, lagLogBytes: 4_096 }
  const mix = { ...profile.workload.mix }
  const workload = { ...profile.workload, clients: 5, meanGapMs: 20, valueBytes: 1_500, lostAnswers: 0, mix }
  return { ...profile, troubleMs: 5_000, storage: { ...profile.storage, ...log }, workload }
}

/** Looks every few milliseconds; never ends once the world is being healed. */
function until({ cluster }: Stage, condition: () => boolean): Promise<void> {
  return new Promise(resolve => {
    const look = (): void => {
      if (cluster.isHealing) return
      if (condition()) resolve()
      else cluster.world.schedule(5, look)
    }
    look()
  })
}

/** Has an entry of an index drift, and lasts until many digests are recorded: no row is written any more, which would write it anew. */
async function drift(stage: Stage, drifter: Node): Promise<void> {
  const mix: { rows: number } = stage.cluster.profile.workload.mix
  const { fences } = stage.cluster
  while (!drifter.drift.hasDrifted && fences.up === 0) {
    mix.rows = 60
    drifter.drift.arm('index')
    await until(stage, () => drifter.drift.hasDrifted)
    mix.rows = 0
    const seq = seqOf(drifter)
    await until(stage, () => seqOf(drifter) > seq + 64)
  }
}

/** `apart` is away from the two others. */
function isolate({ network, nodes }: Cluster, apart: Node): void {
  network.heal()
  network.partition([[apart.name], nodes.filter(node => node !== apart).map(({ name }) => name)])
}

async function rolesOf(stage: Stage): Promise<Roles> {
  const { cluster } = stage
  await until(stage, () => cluster.leader() !== undefined)
  const right = cluster.leader()!
  const [drifter, lagging] = cluster.nodes.filter(node => node !== right) as [Node, Node]
  return { right, drifter, lagging }
}

const seqOf = (node: Node): number => node.inspect()?.appliedSeq ?? 0

/** `right` is cut off as soon as `lagging` lacks more than any log has; the drifter brings it forward. */
async function bringForward(stage: Stage, { right, drifter, lagging }: Roles): Promise<void> {
  await until(stage, () => Math.min(seqOf(right), seqOf(drifter)) > seqOf(lagging) + FAR_ENTRIES)
  isolate(stage.cluster, right)
  const seq = seqOf(drifter)
  await until(stage, () => seqOf(lagging) > seq)
}

function check({ cluster }: Stage, isTrue: boolean, text: string): void {
  cluster.guard(() => require(isTrue, () => text))
}

async function playUndecided(stage: Stage): Promise<void> {
  const { cluster, oracle } = stage
  const roles = await rolesOf(stage)
  const { right, drifter, lagging } = roles
  isolate(cluster, lagging)
  await drift(stage, drifter)
  check(stage, cluster.fences.up === 0 && cluster.leader() === right, 'a drift was found that nobody could tell')
  await bringForward(stage, roles)
  check(stage, lagging.drift.hasDrifted && cluster.inherited === 1, 'nobody has taken over the state')
  check(stage, oracle.drifterWith(lagging.inspect()!.digest) !== undefined, 'it is not the one that was sent')
  cluster.network.heal()
}

async function playDecided(stage: Stage): Promise<void> {
  const { cluster } = stage
  const roles = await rolesOf(stage)
  await drift(stage, roles.drifter)
  isolate(cluster, roles.lagging)
  await bringForward(stage, roles)
  check(stage, cluster.installs.begun > 0 && cluster.inherited === 0, 'the state is that of the drifter')
  cluster.network.heal()
}

/** All of it happens before the world is healed. */
function stageToEnd(stage: Stage, play: (stage: Stage) => Promise<void>): void {
  const { world, profile } = stage.cluster
  let isOver = false
  void play(stage).then(() => {
    isOver = true
  })
  world.schedule(profile.troubleMs - world.nowMs - 10, () => check(stage, isOver, 'there was not enough time for it'))
}

/**
 * What digests cannot decide (docs/operate/digests.md): two nodes differ while the third is away, and then the one that is right is cut
 * off. The other one leads, and has neither log nor roots from before it drifted; the third has fallen behind, and takes over its state.
 * From then on that is what a majority has, and the one that was right is brought to it.
 */
export const UNDECIDED: Scenario = {
  name: 'a drift that no majority can tell becomes the state of all, and they are alike again',
  adjust: overShortLogs,
  drama: stage => stageToEnd(stage, playUndecided),
}

/** The same where the third had recorded its own digest before it fell behind: whoever has drifted is rebuilt, and gives that to the third. */
export const DECIDED: Scenario = {
  name: 'a drift that a majority can tell becomes the state of nobody else',
  adjust: overShortLogs,
  drama: stage => stageToEnd(stage, playDecided),
}
