import type { CallFilter, SeededRandom } from '../../platform/simulated/index.ts'
import type { ClusterNode, SimulatedCluster } from './cluster.ts'
import type { FaultClasses } from './profile.ts'
import type { Workload } from './workload.ts'
import { hasTables } from './write-mix.ts'

type FaultName =
  | 'partition'
  | 'heal'
  | 'reset'
  | 'clog'
  | 'crash'
  | 'power'
  | 'blackout'
  | 'crashInside'
  | 'pause'
  | 'stall'
  | 'hangReads'
  | 'failSync'
  | 'fullDisk'
  | 'jump'
  | 'transfer'
  | 'lie'
  | 'lieLog'

const LOG_SYNC: CallFilter = (operation, path) => operation === 'sync' && path.includes('/log/segment')

/** Calls before which a loss of power hurts most: something is written and not on the medium yet. Undefined: any call. */
const AIMS: readonly (CallFilter | undefined)[] = [
  undefined,
  undefined,
  (operation, path) => operation === 'sync' && path.includes('/pages/'),
  (operation, path) => operation === 'sync' && path.endsWith('/votes'),
  LOG_SYNC,
  operation => operation === 'syncDirectory',
]

/** Draws misfortunes of the classes that the seed has left on, until the world is healed. */
export class FaultInjector {
  readonly counts: Record<string, number> = {}
  readonly #cluster: SimulatedCluster
  readonly #workload: Workload
  readonly #random: SeededRandom
  readonly #choices: readonly FaultName[]
  readonly #aims: SeededRandom
  #isHealing = false

  constructor(cluster: SimulatedCluster, workload: Workload) {
    this.#cluster = cluster
    this.#workload = workload
    this.#random = cluster.world.random.split('faults')
    this.#choices = choicesOf(cluster.profile.faults)
    this.#aims = cluster.world.random.split('aims')
  }

  begin(): void {
    this.#driftOnce()
    this.#wipeOnce()
    if (this.#choices.length === 0) return
    const next = (): void => {
      this.#cluster.world.schedule(this.#random.exponential(this.#cluster.profile.meanFaultGapMs), () => {
        if (this.#isHealing) return
        this.inject(this.#random.pick(this.#choices))
        next()
      })
    }
    next()
  }

  /** A leader's state goes to others before it is found; whoever does not lead is found first. */
  #driftOnce(): void {
    const { hasDrift, hasLyingDisk, hasLyingLog, hasRot } = this.#cluster.profile.faults
    if (!hasDrift || hasLyingDisk || hasLyingLog || hasRot) return
    const random = this.#cluster.world.random.split('drift fault')
    this.#cluster.world.schedule(random.uniform(200, 8000), () => {
      const leader = this.#cluster.leader()
      const victim = random.pick(this.#cluster.nodes.filter(node => node !== leader))
      this.counts['drift'] = 1
      this.#cluster.trace.note(`${victim.name} drifts`)
      victim.drift.arm(hasTables(this.#cluster.profile.workload.mix) && random.chance(0.5) ? 'index' : 'sum')
    })
  }

  /** Somebody loses its directory and comes back without: from then on the two others are all. */
  #wipeOnce(): void {
    const cluster = this.#cluster
    const { hasWipe, hasLyingDisk, hasLyingLog, hasRot, hasDrift } = cluster.profile.faults
    if (!hasWipe || hasLyingDisk || hasLyingLog || hasRot || hasDrift) return
    const random = cluster.world.random.split('wipe')
    cluster.world.schedule(random.uniform(200, 10_000), () => {
      if (this.#isHealing) return
      this.counts['wipe'] = 1
      random.pick(cluster.nodes).wipe()
    })
  }

  /** Ends all trouble: what is down starts, what is cut or slow is whole. */
  heal(): void {
    const cluster = this.#cluster
    this.#isHealing = true
    cluster.isHealing = true
    cluster.network.heal()
    cluster.network.setProfile({ minDelayMs: 0.1, meanDelayMs: 0.5, breakChance: 0, bytesPerMs: 100_000 })
    cluster.frameFaults.chance = 0
    for (const node of cluster.nodes) {
      node.machine.disk.clearFaults()
      node.machine.disk.cancelCrash()
      node.crashAtSend(0, 'process')
      node.machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER
      node.host?.resume()
      node.start()
    }
  }

  inject(name: FaultName): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1
    const { network, trace, nodes } = this.#cluster
    const random = this.#random
    const victim = this.#pickVictim()
    switch (name) {
      case 'partition':
        return this.#partition(victim)
      case 'heal':
        trace.note('network heals')
        return network.heal()
      case 'reset':
        trace.note(`links of ${victim.name} break`)
        return network.breakLinks(victim.name, random.chance(0.5) ? undefined : random.pick(nodes).name)
      case 'clog': {
        const other = random.pick(nodes)
        trace.note(`clog from ${victim.name} to ${other.name}`)
        return network.clog(victim.name, other.name, random.uniform(50, 2500))
      }
      case 'crash':
        return victim.crash('process')
      case 'power':
        return this.#losePower(victim)
      case 'blackout':
        for (const node of nodes) this.#losePower(node)
        return
      case 'crashInside':
        return this.#crashInside(victim)
      case 'pause':
        return this.#pause(victim)
      case 'stall':
        return this.#stall(victim, random.uniform(50, 3000))
      case 'hangReads':
        trace.note(`reads of ${victim.name} hang`)
        return victim.machine.stallReads(random.uniform(50, 2000))
      case 'failSync':
        trace.note(`a sync of ${victim.name} will fail`)
        victim.excuses++
        return victim.machine.disk.inject({
          operation: 'sync',
          skip: random.below(20),
          effect: { type: 'fail', systemCode: 'EIO' },
        })
      case 'fullDisk':
        return this.#fillDisk(victim)
      case 'jump':
        return this.#jumpClock(victim)
      case 'transfer':
        return this.#transfer()
      case 'lie':
        return this.#lie(this.#cluster.profile.faults.hasLyingDisks ? victim : nodes[0]!)
      case 'lieLog':
        return this.#cluster.lyingLog.begin()
      default:
        throw new RangeError(`fault ${String(name satisfies never)}`)
    }
  }

  /** A leader is hit more often than others: that is where it hurts. */
  #pickVictim(): ClusterNode {
    const leader = this.#cluster.leader()
    return leader !== undefined && this.#random.chance(0.4) ? leader : this.#random.pick(this.#cluster.nodes)
  }

  #partition(victim: ClusterNode): void {
    const { network, trace, nodes, world } = this.#cluster
    const random = this.#random
    network.heal()
    const others = nodes.filter(node => node !== victim).map(node => node.name)
    const kind = random.below(4)
    trace.note(`partition ${kind} of ${victim.name}`)
    if (kind === 0) network.partition([[victim.name], others])
    else if (kind === 1) for (const other of others) network.block(victim.name, other)
    else if (kind === 2) for (const other of others) network.block(other, victim.name)
    // The victim is the bridge between the others (E12).
    else network.partition(others.map(other => [other, victim.name]))
    if (random.chance(0.7)) {
      world.schedule(random.uniform(100, 4000), () => {
        if (this.#isHealing) return
        trace.note('network heals')
        network.heal()
      })
    }
  }

  /** At once, or when the log is next written and not synced: no other moment leaves an end of it that is torn. */
  #losePower(victim: ClusterNode): void {
    if (this.#aims.chance(0.5)) return victim.crash('power')
    victim.machine.disk.crashAt(1, 'before', LOG_SYNC)
    this.#cluster.trace.note(`${victim.name} will lose power before a sync of its log`)
  }

  #crashInside(victim: ClusterNode): void {
    const random = this.#random
    const aim = this.#aims.pick(AIMS)
    if (aim !== undefined) victim.machine.disk.crashAt(random.between(1, 4), 'before', aim)
    else if (random.chance(0.5)) {
      victim.machine.disk.crashAt(random.between(1, 60), random.chance(0.5) ? 'before' : 'after')
    } else victim.crashAtSend(random.between(1, 100), random.chance(0.5) ? 'power' : 'process')
    this.#cluster.trace.note(`${victim.name} will die inside a call`)
  }

  /** The whole disk, or only the thread that writes the log. */
  #stall(victim: ClusterNode, forMs: number): void {
    const isThread = this.#aims.chance(0.5)
    this.#cluster.trace.note(`${isThread ? 'threads' : 'disk'} of ${victim.name} stall`)
    this.#held(victim, forMs)
    if (isThread) victim.machine.stallThreads(forMs)
    else victim.machine.stallDisk(forMs)
  }

  /** What does not run marks the end of no log. */
  #held(victim: ClusterNode, forMs: number): void {
    this.#cluster.promises.onHeld(victim.name, this.#cluster.world.nowMs + forMs)
  }

  #pause(victim: ClusterNode): void {
    const { host } = victim
    if (host === undefined) return
    this.#cluster.trace.note(`${victim.name} pauses`)
    host.pause()
    const forMs = this.#random.uniform(20, 3000)
    this.#held(victim, forMs)
    this.#cluster.world.schedule(forMs, () => host.resume())
  }

  #fillDisk(victim: ClusterNode): void {
    const { disk } = victim.machine
    const forMs = this.#random.uniform(200, 3000)
    this.#cluster.trace.note(`disk of ${victim.name} is full`)
    disk.capacityBytes = disk.usedBytes + this.#random.below(40_000)
    victim.excusedUntilMs = this.#cluster.world.nowMs + forMs + 500
    this.#cluster.world.schedule(forMs, () => {
      disk.capacityBytes = Number.MAX_SAFE_INTEGER
    })
  }

  #jumpClock(victim: ClusterNode): void {
    const jumpMs = this.#random.uniform(-3000, 3000)
    this.#cluster.trace.note(`wall clock of ${victim.name} jumps by ${jumpMs.toFixed(0)} ms`)
    const clock = victim.host?.clock
    if (clock === undefined) return
    clock.jumpWall(Math.floor(jumpMs * 1000))
    // An entry may have this time before anybody looks again.
    this.#cluster.time.onLook(victim.name, this.#cluster.world.nowMs, clock.wallMicros())
  }

  #transfer(): void {
    const leader = this.#cluster.leader()
    if (leader === undefined) return
    this.#cluster.trace.note(`${leader.name} hands over`)
    // Whatever becomes of it is fine, but it must not throw anything else than an error with a code.
    leader.node!.service.transferLeadership(undefined, 1000).then(undefined, (error: unknown) => {
      this.#workload.checkError(leader, error)
    })
  }

  /** A write of pages is lost or misplaced; only ever on one machine, so that the others hold every
   * entry, unless the seed asks for safety alone. */
  #lie(victim: ClusterNode): void {
    const { pageBytes } = this.#cluster.profile.storage
    this.#cluster.trace.note(`disk of ${victim.name} lies`)
    victim.machine.disk.inject({
      operation: 'write',
      path: path => path.includes('/pages/'),
      skip: this.#random.below(10),
      effect: this.#random.chance(0.5)
        ? { type: 'lose' }
        : { type: 'misdirect', position: pageBytes * this.#random.between(2, 40) },
    })
  }
}

function choicesOf(faults: FaultClasses): FaultName[] {
  const choices: FaultName[] = []
  const add = (isOn: boolean, ...names: FaultName[]): void => {
    if (isOn) choices.push(...names)
  }
  add(faults.hasPartitions, 'partition', 'partition', 'heal')
  add(faults.hasResets, 'reset')
  add(faults.hasClogs, 'clog')
  add(faults.hasProcessCrashes, 'crash')
  add(faults.hasPowerLosses, 'power', 'blackout')
  add(faults.hasCrashesInside, 'crashInside')
  add(faults.hasPauses, 'pause')
  add(faults.hasStalls, 'stall')
  add(faults.hasHungReads, 'hangReads')
  add(faults.hasFailedSyncs, 'failSync')
  add(faults.hasFullDisks, 'fullDisk')
  add(faults.hasClockJumps, 'jump')
  add(faults.hasTransfers, 'transfer')
  add(faults.hasLyingDisk, 'lie')
  add(faults.hasLyingLog, 'lieLog')
  return choices
}
