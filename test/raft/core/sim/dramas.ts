import type { NodeId } from '../../../../src/raft/core/index.ts'
import type { SimNode } from './node.ts'
import { changeConfiguration } from './faults.ts'
import type { World } from './world.ts'

/**
 * Misfortunes in the order that hurts most. Chance alone would find them, after more seeds than anybody runs: each
 * sets the stage of one known failure and leaves the details to chance.
 */
export const dramas: readonly ((world: World, leader: SimNode) => void)[] = [
  forgottenVotes,
  pausedLease,
  lostPromise,
  leaseAfterTransfer,
  lostAcknowledgement,
  lostChange,
]

export function stageDrama(world: World): void {
  const leader = world.nodes.find(node => node.isUp && node.isLeader)
  if (leader === undefined) return
  world.chance.pick(dramas)(world, leader)
}

function later(world: World, delayMs: number, act: () => void): void {
  world.queue.schedule(delayMs, () => {
    if (!world.isHealing) act()
  })
}

function othersOf(world: World, node: SimNode): SimNode[] {
  return world.chance.shuffle(world.nodes.filter(other => other !== node))
}

function isolate(world: World, id: NodeId): void {
  for (const other of world.nodes) {
    if (other.id === id) continue
    world.network.cut(id, other.id)
    world.network.cut(other.id, id)
  }
}

function readOften(world: World, node: SimNode, forMs: number): void {
  for (let atMs = 0; atMs < forMs; atMs += 7) later(world, atMs, () => node.read('lease'))
}

function restart(world: World, node: SimNode, downMs: number): void {
  node.crash({ canBeSuspect: false, lostEntries: 0 })
  world.queue.schedule(downMs, () => {
    if (!node.isUp) node.start()
  })
}

/** E1, E3: two candidates of one term, and a voter that falls right after its vote, before it is synced. */
function forgottenVotes(world: World, leader: SimNode): void {
  if (!world.profile.faults.hasCrashes) return
  world.trace('drama: forgotten votes')
  const rivals = othersOf(world, leader).slice(0, 2)
  restart(world, leader, 3)
  const [a, b] = rivals
  if (a === undefined || b === undefined) return
  // Neither rival hears the other: all depends on the voter.
  world.network.cut(a.id, b.id)
  world.network.cut(b.id, a.id)
  later(world, 500, () => world.network.heal())
  const startMs = 302
  later(world, startMs, () => {
    for (const rival of rivals) rival.give({ type: 'campaign' })
    leader.stallUntilMs = world.queue.nowMs + 200
  })
  let votedTerm = 0
  for (let atMs = startMs; atMs < startMs + 40; atMs += 0.1) {
    later(world, atMs, () => {
      const state = leader.core?.state
      if (state === undefined || state.vote === 0 || state.vote === leader.id || state.term <= votedTerm) return
      votedTerm = state.term
      if (state.storage.pending.length > 0 && world.chance.isTrue(0.7)) restart(world, leader, 0.05)
    })
  }
}

/** R7: a leader sleeps through its own deposition, wakes, and reads what waited in its sockets. */
function pausedLease(world: World, leader: SimNode): void {
  if (!world.profile.faults.hasPauses) return
  world.trace('drama: paused lease')
  leader.isPaused = true
  later(world, world.chance.between(1, 60), () => isolate(world, leader.id))
  const pauseMs = world.chance.between(500, 1_500)
  later(world, pauseMs - 100, () => readOften(world, leader, 100))
  later(world, pauseMs, () => leader.resume())
  later(world, pauseMs + 400, () => world.network.heal())
}

/** R8: the voter that gave the lease restarts and helps another leader, while the old one still reads. */
function lostPromise(world: World, leader: SimNode): void {
  const [voter, rival] = othersOf(world, leader)
  if (!world.profile.faults.hasCrashes || voter === undefined || rival === undefined) return
  world.trace('drama: lost promise')
  for (const node of world.nodes) {
    if (node === leader || node === voter) continue
    world.network.cut(leader.id, node.id)
    world.network.cut(node.id, leader.id)
  }
  const startMs = world.chance.between(320, 450)
  later(world, startMs, () => {
    isolate(world, leader.id)
    restart(world, voter, 1)
    later(world, 3, () => rival.give({ type: 'campaign' }))
    readOften(world, leader, 300)
  })
  later(world, startMs + 500, () => world.network.heal())
}

/** R6: leadership is handed over and the old leader hears no more of it. */
function leaseAfterTransfer(world: World, leader: SimNode): void {
  const target = othersOf(world, leader)[0]
  if (!world.profile.faults.hasTransfers || target === undefined) return
  world.trace('drama: lease after transfer')
  leader.give({ type: 'transfer', to: target.id })
  later(world, world.chance.between(0, 40), () => {
    isolate(world, leader.id)
    readOften(world, leader, 900)
  })
  later(world, 1_200, () => world.network.heal())
}

/** M4: a change of members that only its leader ever has, and loses again. */
function lostChange(world: World, leader: SimNode): void {
  if (!world.profile.faults.hasChanges || !world.profile.faults.hasPartitions) return
  world.trace('drama: lost change')
  isolate(world, leader.id)
  later(world, world.chance.between(0, 100), () => changeConfiguration(world, leader))
  later(world, world.chance.between(700, 1_500), () => world.network.heal())
}

/** W6: the one voter that acknowledged a commit loses it, while the member that lacks it asks for votes. */
function lostAcknowledgement(world: World, leader: SimNode): void {
  const liar = world.nodes[0]!
  const lagging = world.nodes.find(node => node !== liar && node !== leader)
  if (!world.profile.faults.hasLiar || leader === liar || lagging === undefined) return
  world.trace('drama: lost acknowledgement')
  isolate(world, lagging.id)
  later(world, world.chance.between(20, 250), () => {
    world.network.heal()
    isolate(world, leader.id)
    liar.crash({ canBeSuspect: false, lostEntries: 1_000 })
    later(world, 2, () => {
      if (!liar.isUp) liar.start()
    })
    later(world, 310, () => lagging.give({ type: 'campaign' }))
  })
  later(world, 1_500, () => world.network.heal())
}
