import { activeConfiguration, type NodeId } from '../../../../src/raft/core/index.ts'
import { stageDrama } from './dramas.ts'
import type { SimNode } from './node.ts'
import { memberOf, type World } from './world.ts'

/** One random misfortune out of the classes that the profile leaves on. */
export function injectFault(world: World): void {
  const { faults } = world.profile
  if (faults.isStaged) return stageDrama(world)
  const choices: ((world: World) => void)[] = [checkpointOne]
  if (faults.hasPartitions) choices.push(partition, partition, heal)
  if (faults.hasCrashes) choices.push(crashOne, crashOne)
  if (faults.hasPauses) choices.push(pauseOne)
  if (faults.hasStalls) choices.push(stallOne)
  if (faults.hasTransfers) choices.push(transfer, campaign)
  if (faults.hasChanges) choices.push(changeSomewhere)
  choices.push(dropLink, stageDrama)
  world.chance.pick(choices)(world)
}

function leaderOf(world: World): SimNode | undefined {
  return world.nodes.find(node => node.isUp && node.isLeader)
}

/** Leaders are hit more often than others: that is where it hurts. */
function pickVictim(world: World): SimNode {
  const leader = leaderOf(world)
  return leader !== undefined && world.chance.isTrue(0.4) ? leader : world.chance.pick(world.nodes)
}

function heal(world: World): void {
  world.trace('heal network')
  world.network.heal()
}

function partition(world: World): void {
  const { network, chance } = world
  network.heal()
  const ids = chance.shuffle(world.nodes.map(node => node.id))
  const kind = chance.between(0, 3)
  world.trace(`partition ${kind} ${ids.join(',')}`)
  if (kind === 0) cutBetween(world, ids.slice(0, chance.between(1, ids.length - 1)), ids)
  else if (kind === 1) cutBetween(world, [pickVictim(world).id], ids)
  else if (kind === 2) {
    // One-way: the victim hears but is not heard, or speaks but does not hear.
    const victim = pickVictim(world).id
    const isDeaf = chance.isTrue(0.5)
    for (const other of ids) {
      if (other === victim) continue
      if (isDeaf) network.cut(other, victim)
      else network.cut(victim, other)
    }
  } else {
    // Bridge (E12): two sides that only one member can reach both of.
    const bridge = ids[0]!
    const side = ids.slice(1, 1 + Math.max(1, Math.floor((ids.length - 1) / 2)))
    cutBetween(
      world,
      side,
      ids.filter(id => id !== bridge),
    )
  }
}

function cutBetween(world: World, side: readonly NodeId[], all: readonly NodeId[]): void {
  for (const a of side) {
    for (const b of all) {
      if (side.includes(b)) continue
      world.network.cut(a, b)
      world.network.cut(b, a)
    }
  }
}

function crashOne(world: World): void {
  const victim = pickVictim(world)
  if (!victim.isUp) return
  const { faults } = world.profile
  const lies = world.isLiar(victim.id) && world.chance.isTrue(0.5)
  victim.crash({ canBeSuspect: faults.hasSuspects, lostEntries: lies ? world.chance.between(1, 4) : 0 })
  const downMs = world.chance.isTrue(0.2) ? world.chance.between(1_000, 4_000) : world.chance.between(5, 500)
  world.queue.schedule(downMs, () => {
    if (!victim.isUp) victim.start()
  })
}

function pauseOne(world: World): void {
  const victim = pickVictim(world)
  world.trace(`${victim.id} paused`)
  victim.isPaused = true
  world.queue.schedule(world.chance.between(20, 2_000), () => victim.resume())
}

function stallOne(world: World): void {
  const victim = pickVictim(world)
  world.trace(`${victim.id} disk stall`)
  victim.stallUntilMs = world.queue.nowMs + world.chance.between(100, 3_000)
}

function transfer(world: World): void {
  const leader = leaderOf(world)
  leader?.give({ type: 'transfer', to: world.chance.isTrue(0.3) ? 0 : world.chance.pick(world.nodes).id })
}

function campaign(world: World): void {
  pickVictim(world).give({ type: 'campaign' })
}

function checkpointOne(world: World): void {
  if (world.profile.faults.hasCompaction) world.chance.pick(world.nodes).checkpoint(world.chance.pick([0, 2, 20]))
}

function dropLink(world: World): void {
  const [a, b] = world.chance.shuffle(world.nodes)
  if (a !== undefined && b !== undefined) a.give({ type: 'unreachable', peer: b.id })
}

/** Random voters and learners, asked of a leader or of whoever believes to be one. */
function changeSomewhere(world: World): void {
  const leaders = world.nodes.filter(node => node.isUp && node.isLeader)
  if (leaders.length > 0) changeConfiguration(world, world.chance.pick(leaders))
}

export function changeConfiguration(world: World, leader: SimNode): void {
  const shuffled = world.chance.shuffle(world.nodes)
  // Mostly voters that are members already: an unknown node must be a learner first (M9).
  const known = leader.core === null ? [] : (activeConfiguration(leader.core.state)?.members ?? [])
  const isKnown = (node: SimNode): boolean => known.some(member => member.id === node.id)
  const nodes = [...shuffled.filter(isKnown), ...shuffled.filter(node => !isKnown(node))]
  const voterCount = world.chance.between(1, Math.min(3, nodes.length))
  const members = nodes.slice(0, world.chance.between(voterCount, nodes.length))
  const ids = members.map(node => node.id)
  const target = {
    members: members.map(node => memberOf(node)),
    voters: ids.slice(0, voterCount),
    learners: ids.slice(voterCount),
  }
  leader.give({ type: 'proposeConfiguration', target })
  // Two operators at once, of whom one must be refused (M1).
  if (world.chance.isTrue(0.3)) leader.give({ type: 'proposeConfiguration', target })
}
