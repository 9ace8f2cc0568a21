import { InvariantError, QuorateError } from '../../model/index.ts'
import type { StateDigest } from '../../model/index.ts'
import type { StartJob } from '../../platform/index.ts'
import {
  SimulatedCrash,
  SimulatedMachine,
  SimulatedNetwork,
  WORLD_EPOCH_MICROS,
} from '../../platform/simulated/index.ts'
import type { SeededRandom, SimulatedProcess, SimulatedWorld } from '../../platform/simulated/index.ts'
import type { ConfiguredKeys } from '../../sealing/index.ts'
import { DriftFault } from './drift-fault.ts'
import type { EntryOracle } from './entry-oracle.ts'
import { LeaderTimeOracle } from './leader-time-oracle.ts'
import type { ConfiguredMember, NodeInspection, OpenNode, RunningNode } from './node.ts'
import { LyingLog } from './lying-log.ts'
import { SimulatedPeerTransport } from './peer-transport.ts'
import type { FrameFaults } from './peer-transport.ts'
import { ATTEMPT_MS } from './profile.ts'
import type { Profile } from './profile.ts'
import { PromiseOracle } from './promise-oracle.ts'
import { rot } from './rot.ts'
import { Violation } from './trace.ts'
import type { Trace } from './trace.ts'
import { hasTables } from './write-mix.ts'

export const DIRECTORY = '/data'
const PEER_PORT = 7410
const LOOK_MS = 10
const VOTE_DEATHS = 0.1
const INSTALL_DEATHS = 0.04
const RELAPSES = 0.2

export interface ClusterOptions {
  readonly world: SimulatedWorld
  readonly profile: Profile
  readonly trace: Trace
  readonly oracle: EntryOracle
  readonly openNode: OpenNode
  readonly jobs: Readonly<Record<string, StartJob>>
  readonly isTolerantFrame: (frame: Uint8Array) => boolean
  readonly foreignFrame: Uint8Array | undefined
  /** What directories are encrypted and signed with. */
  readonly keys: ConfiguredKeys | undefined
}

/** A member on its machine: a process if it runs, a node if that has opened. */
export class ClusterNode {
  readonly name: string
  readonly machine: SimulatedMachine
  readonly #cluster: SimulatedCluster
  #node: RunningNode | undefined
  #host: SimulatedProcess | undefined
  /** Sends left until the process dies in one; 0 = it does not. */
  #sendsLeft = 0
  #sendCrash: 'power' | 'process' = 'process'
  readonly drift: DriftFault = new DriftFault()
  #isFenced = false
  /** Set when the node refuses to serve what its disk holds: it stays down. */
  refusal: Error | undefined
  /** It has lost its directory: it comes back under its name, and is no member. */
  isWiped = false
  /** Times that an injected disk fault may excuse the node for stopping itself. */
  excuses = 0
  /** Until then it may stop as often as it likes: its disk is full. */
  excusedUntilMs = 0

  constructor(cluster: SimulatedCluster, machine: SimulatedMachine) {
    this.#cluster = cluster
    this.name = machine.name
    this.machine = machine
    machine.onDeath = kind => {
      const wasOpen = this.#node !== undefined
      if (this.#node !== undefined) cluster.promises.onDeath(this.name, this.#node.inspect(), cluster.world.nowMs)
      if (this === cluster.nodes[0]) cluster.lyingLog.onDeath(kind, wasOpen)
      this.#node = undefined
      this.#host = undefined
      cluster.onDeath(this, kind, wasOpen)
    }
  }

  noteFence(isFenced: boolean): void {
    if (isFenced === this.#isFenced) return
    this.#isFenced = isFenced
    this.#cluster.fences[isFenced ? 'up' : 'down']++
    this.#cluster.trace.note(`${this.name} is ${isFenced ? 'fenced' : 'not fenced any more'}`)
  }

  get host(): SimulatedProcess | undefined {
    return this.#host
  }

  /** The node, while its process runs; undefined too while it opens or is paused. */
  get node(): RunningNode | undefined {
    return this.#host?.state === 'running' ? this.#node : undefined
  }

  get isUp(): boolean {
    return this.#host !== undefined
  }

  inspect(): NodeInspection | undefined {
    return this.node?.inspect()
  }

  /** The inside of a paused node too. */
  inspectPaused(): NodeInspection | undefined {
    return this.#node?.inspect()
  }

  start(): void {
    if (this.#host !== undefined || this.refusal !== undefined) return
    const host = this.machine.start(this.#cluster.drawClock())
    this.#host = host
    this.#sendsLeft = 0
    this.#cluster.trace.note(`${this.name} starts`)
    this.#cluster.perhapsRelapse(this)
    const opening = this.#cluster.open(this, host, DIRECTORY, frame => this.#onSend(host, frame))
    opening.then(
      node => {
        if (this.#host !== host) return
        this.#node = node
        const { promises, world } = this.#cluster
        this.#cluster.guard(() =>
          promises.onOpen(this.name, node.inspect(), world.nowMs, this.#cluster.mayBeSuspect(this)),
        )
        this.#cluster.trace.note(`${this.name} is open`)
      },
      (error: unknown) => {
        if (this.#host === host) this.#cluster.onStop(this, error, true)
      },
    )
  }

  crash(kind: 'power' | 'process'): void {
    if (this.#host !== undefined) this.machine.crash(kind)
  }

  /** The process dies, and what it starts from again is an empty directory. */
  wipe(): void {
    this.crash('power')
    this.machine.disk.wipe(DIRECTORY)
    this.isWiped = true
    this.#cluster.promises.onWipe(this.name)
    this.#cluster.trace.note(`${this.name} has lost its directory`)
  }

  /** Ends the process inside its `sends`-th send from now. */
  crashAtSend(sends: number, kind: 'power' | 'process'): void {
    this.#sendsLeft = sends
    this.#sendCrash = kind
  }

  #onSend(host: SimulatedProcess, frame: Uint8Array): void {
    if (host.state === 'dead') throw new SimulatedCrash('a dead process sends')
    if (this.#sendsLeft === 0 || --this.#sendsLeft > 0) {
      this.#cluster.guard(() => {
        for (const watch of this.#cluster.frameWatchers) watch(frame)
        const hasVote = this.#cluster.promises.onSend(this.name, frame, this.#node?.inspect())
        // Right behind a vote: the moment in which one that is not on disk is lost.
        if (hasVote && this.#cluster.diesAfterVote()) this.#cluster.world.schedule(0, () => this.crash('power'), host)
      })
      return
    }
    this.#cluster.trace.note(`${this.name} dies while it sends`)
    this.machine.crash(this.#sendCrash)
    throw new SimulatedCrash('the process ended during a send')
  }
}

/** Whole nodes on simulated machines, one network between them. */
export class SimulatedCluster {
  readonly world: SimulatedWorld
  readonly network: SimulatedNetwork
  readonly nodes: readonly ClusterNode[]
  readonly trace: Trace
  readonly profile: Profile
  readonly frameFaults: FrameFaults
  /** A frame of the log of another directory. */
  readonly foreignFrame: Uint8Array | undefined
  /** The first broken promise, or the first unexpected error of a node. */
  failure: Error | undefined
  /** From then on what dies is started again at once. */
  isHealing = false
  /** Processor time that applying an entry takes on every node. */
  applyMs: number
  /** For scenarios: shown every frame that leaves a node. */
  readonly frameWatchers: ((frame: Uint8Array) => void)[] = []
  /** Of the first node. */
  readonly lyingLog: LyingLog
  readonly promises: PromiseOracle = new PromiseOracle()
  readonly time: LeaderTimeOracle = new LeaderTimeOracle(WORLD_EPOCH_MICROS)
  /** How often a node was seen to be fenced, and not any more. */
  readonly fences: { up: number; down: number } = { up: 0, down: 0 }
  /** How often a state that had drifted became that of another node. */
  inherited = 0
  /** Frames that a link did not take. */
  fullLinks = 0
  /** Installs of snapshots, those of changes only, those that went on with an interrupted one, and deaths in the midst of one. */
  readonly installs: { begun: number; incremental: number; resumed: number; died: number } = {
    begun: 0,
    incremental: 0,
    resumed: 0,
    died: 0,
  }
  readonly #options: ClusterOptions
  readonly #random: SeededRandom
  readonly #rotting: SeededRandom
  readonly #relapsing: SeededRandom
  readonly #members: readonly ConfiguredMember[]

  constructor(options: ClusterOptions) {
    const { world, profile } = options
    this.#options = options
    this.world = world
    this.trace = options.trace
    this.profile = profile
    this.applyMs = profile.applyMs
    this.foreignFrame = options.foreignFrame
    this.#random = world.random.split('cluster')
    this.#rotting = world.random.split('rot')
    this.#relapsing = world.random.split('relapses')
    this.network = new SimulatedNetwork(world, profile.network)
    const random = world.random.split('frame faults')
    this.frameFaults = { random, chance: profile.frameFaultChance, isTolerant: options.isTolerantFrame }
    const names = Array.from({ length: profile.nodeCount }, (_, index) => `n${index + 1}`)
    this.#members = names.map(name => ({ name, peerAddress: `${name}:${PEER_PORT}`, clientAddress: `${name}:7400` }))
    this.nodes = names.map(name => {
      const machine = new SimulatedMachine(world, {
        name,
        disk: { sectorBytes: profile.sectorBytes, tear: profile.tear },
        diskLatency: { readMs: 0.1, writeMs: 0.05, syncMs: profile.syncMs, nameMs: 0.3 },
        threads: { wakeMeanMs: 0.02, postMeanMs: 0.02, workMeanMs: profile.syncMs },
        jobs: options.jobs,
      })
      return new ClusterNode(this, machine)
    })
    this.lyingLog = new LyingLog(this, this.nodes[0]!, world.random.split('lying log'))
  }

  get keys(): ConfiguredKeys | undefined {
    return this.#options.keys
  }

  start(): void {
    for (const node of this.nodes) node.start()
    this.#look()
  }

  /** Looks at all nodes now and then: what is wrong for a moment only is found by what it leads to. */
  #look(): void {
    this.world.schedule(LOOK_MS, () => {
      for (const node of this.nodes) {
        const seen = node.inspectPaused()
        if (seen !== undefined) {
          this.guard(() => this.promises.onLook(node.name, seen, this.world.nowMs))
          node.noteFence(seen.isFenced)
        }
        if (node.host !== undefined) this.time.onLook(node.name, this.world.nowMs, node.host.clock.wallMicros())
      }
      this.#look()
    })
  }

  /** Runs a check; what it throws ends the run. */
  guard(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.fail(error as Error)
    }
  }

  /** Power losses come right after votes more often than by chance. */
  diesAfterVote(): boolean {
    return !this.isHealing && this.profile.faults.hasPowerLosses && this.#random.chance(VOTE_DEATHS)
  }

  /** While a node recovers, and right after: what its first life left must not come up again in its third. */
  perhapsRelapse({ name, machine }: ClusterNode): void {
    if (this.isHealing || !this.profile.faults.hasPowerLosses || !this.#relapsing.chance(RELAPSES)) return
    const random = this.#relapsing
    const isLogSync = (operation: string, path: string): boolean =>
      operation === 'sync' && path.includes('/log/segment')
    const moment = random.chance(0.5) ? 'before' : 'after'
    if (random.chance(0.5)) machine.disk.crashAt(random.between(1, 3), moment, isLogSync)
    else machine.disk.crashAt(random.between(1, 30), moment)
    this.trace.note(`${name} will die again soon`)
  }

  /** In the middle of an install, too. */
  #deathInInstall(): 'power' | 'process' | undefined {
    const { hasPowerLosses, hasProcessCrashes } = this.profile.faults
    if (this.isHealing || !(hasPowerLosses || hasProcessCrashes) || !this.#random.chance(INSTALL_DEATHS))
      return undefined
    if (hasPowerLosses && hasProcessCrashes) return this.#random.chance(0.5) ? 'power' : 'process'
    return hasPowerLosses ? 'power' : 'process'
  }

  drawClock(): { rate: number; wallOffsetMicros: number } {
    const { clockDrift, wallOffsetMs } = this.profile
    return {
      rate: 1 + this.#random.uniform(-clockDrift, clockDrift),
      wallOffsetMicros: Math.floor(this.#random.uniform(-wallOffsetMs, wallOffsetMs) * 1000),
    }
  }

  open(
    owner: ClusterNode,
    host: SimulatedProcess,
    directory: string,
    onSend: (frame: Uint8Array) => void,
  ): Promise<RunningNode> {
    const { name } = owner
    this.#options.oracle.forget(name)
    owner.drift.restarted()
    return this.#options.openNode({
      platform: host,
      directory,
      name,
      members: this.#members,
      createTransport: (identity, directoryOf) =>
        new SimulatedPeerTransport({
          network: this.network,
          host,
          name,
          members: this.#members,
          identity,
          directoryOf,
          faults: this.frameFaults,
          queueBytes: this.profile.bounds?.queueBytes,
          onFull: () => this.fullLinks++,
          onSend,
        }),
      storage: this.profile.storage,
      requestLimits: this.profile.bounds?.requests,
      keys: this.#options.keys,
      drift: owner.drift,
      // Every record that is written goes through it: only where there are indexes.
      alterValue: hasTables(this.profile.workload.mix) ? owner.drift.alterValue : undefined,
      onFatal: error => {
        if (host.state !== 'dead') this.onStop(owner, error, false)
      },
      onApplied: report => {
        if (host.state !== 'dead') this.#options.oracle.onApplied(name, report)
      },
      applyMs: () => this.applyMs,
      onInstall: (isResumed, sinceSeq) => {
        this.installs.begun++
        if (sinceSeq > 0) this.installs.incremental++
        if (isResumed) this.installs.resumed++
        this.trace.note(`${name} ${isResumed ? 'goes on with' : 'begins'} an install of what changed after ${sinceSeq}`)
      },
      onMisfit: error => {
        const isExcused = this.nodes.some(node => this.#options.oracle.mayBeWrong(node.name) || this.mayBeDamaged(node))
        if (!isExcused)
          this.fail(new Violation(`what ${name} installs does not fit, and nobody has drifted: ${error.message}`))
      },
      onInstallCommit: state => this.#inherit(owner, state),
      onInstallStep: () => {
        const kind = this.#deathInInstall()
        if (kind === undefined) return
        this.installs.died++
        this.world.schedule(0, () => owner.crash(kind), host)
      },
      isSlicing: () => this.profile.sliceChance > 0 && this.#random.chance(this.profile.sliceChance),
    })
  }

  /**
   * A state that has drifted becomes that of its receiver too, while nobody can tell that it is wrong: it may even be what a majority has
   * from now on (docs/operate/digests.md). Once a majority has recorded otherwise, its node must not give it to anyone, and nothing is excused.
   */
  #inherit(owner: ClusterNode, state: StateDigest): void {
    const drifter = this.#options.oracle.drifterWith(state)
    if (drifter === undefined || !this.isUndecided(drifter)) return
    this.inherited++
    this.trace.note(`${owner.name} takes over a state of ${drifter}, which has drifted`)
    owner.drift.inherit()
  }

  /** Whether nobody can tell that the node is wrong, if it is: no majority has recorded something else than it. */
  isUndecided(name: string): boolean {
    return !this.#options.oracle.recorded.isDecidedAgainst(name, this.nodes.length)
  }

  /** A node has stopped by itself: that is right only if its disk was made to fail. */
  onStop(owner: ClusterNode, error: unknown, isOpening: boolean): void {
    if (error instanceof SimulatedCrash) return
    const what = error instanceof Error ? error : new Error(String(error))
    this.trace.note(`${owner.name} stops ${isOpening ? 'while opening' : ''}: ${what.message}`)
    const isDamage = (what instanceof QuorateError && what.code === 'damaged') || what.name === 'PageDamage'
    if (isDamage && this.mayBeDamaged(owner)) {
      owner.refusal = what
      owner.crash('process')
      return
    }
    const isExcused = this.world.nowMs < owner.excusedUntilMs
    if (!isExcused && owner.excuses <= 0) {
      this.fail(new Violation(`${owner.name} stopped without a reason: ${explain(what)}`, { cause: what }))
    }
    if (!isExcused) owner.excuses--
    owner.crash('process')
  }

  /** Whether what is wrong on this node's disk is the disk's doing. */
  mayBeDamaged(owner: ClusterNode): boolean {
    const { hasLyingDisk, hasLyingLog, hasLyingDisks, hasRot } = this.profile.faults
    return hasLyingDisks || (owner === this.nodes[0] && (hasLyingDisk || hasLyingLog || hasRot))
  }

  /** Whether a crash may leave an end of the log that says neither that it was acknowledged nor that it was not. */
  mayBeSuspect(owner: ClusterNode): boolean {
    return this.profile.tear === 'byte' || this.profile.faults.hasFailedSyncs || this.mayBeDamaged(owner)
  }

  /**
   * Whether so many nodes refuse to serve from their disks, or have lost them, that the group rightly waits: no majority is left, or none that may vote, for
   * one whose log may miss something gives no vote until a leader has mended it (W6).
   */
  get isWaiting(): boolean {
    const { length } = this.nodes
    const left = this.nodes.filter(({ refusal, isWiped }) => refusal === undefined && !isWiped)
    if (left.length * 2 <= length) return true
    if (left.length === length) return false
    const seen = left.map(node => node.inspect())
    const isLed = seen.some(one => one === undefined || one.role === 'leader')
    return !isLed && seen.filter(one => one?.isWhole === true).length * 2 <= length
  }

  /** Only who was open for a while has marked the end of its log. */
  #rot(owner: ClusterNode, wasOpen: boolean): void {
    if (!this.profile.faults.hasRot || owner !== this.nodes[0] || this.isHealing || !this.#rotting.chance(0.3)) return
    const isMarked = wasOpen && this.promises.wasIdle(owner.name, this.world.nowMs)
    const what = rot(owner.machine.disk, this.#rotting, isMarked)
    if (what !== undefined) this.trace.note(`${owner.name} rots: ${what}`)
  }

  /** Whatever has died is started again after a while, now and then a long one. */
  onDeath(owner: ClusterNode, kind: 'power' | 'process', wasOpen: boolean): void {
    this.trace.note(`${owner.name} is down (${kind})`)
    this.#rot(owner, wasOpen)
    const downMs = this.#random.chance(0.2) ? this.#random.uniform(1000, 5000) : this.#random.uniform(5, 500)
    this.world.schedule(this.isHealing ? 5 : downMs, () => owner.start())
  }

  fail(error: Error): void {
    if (this.failure !== undefined) return
    this.failure = error
    this.trace.note(`FAILED ${error.message}`)
  }

  /** How long a client waits before it sends a copy. */
  get attemptMs(): readonly [number, number] {
    return this.isHealing ? ATTEMPT_MS : this.profile.workload.attemptMs
  }

  leader(): ClusterNode | undefined {
    return this.nodes.find(node => node.inspect()?.isReady === true)
  }

  /** The term that each node that answers as a member is in. */
  termsOfMembers(): string {
    const seen = this.nodes.map(node => (node.refusal === undefined && !node.isWiped ? node.inspect() : undefined))
    return seen.map(each => each?.term ?? 'none').join()
  }

  /** For traces. */
  describe(): string {
    return this.nodes
      .map(node => {
        const seen = node.inspect()
        if (seen === undefined) return `${node.name} ${node.isUp ? 'up, not open' : 'down'}`
        const { role, term, appliedSeq, commitSeq, digest } = seen
        return `${node.name} ${role} of ${term} applied ${appliedSeq}/${commitSeq} S ${digest.sum.hi.toString(16)}${digest.sum.lo.toString(16)}`
      })
      .join('; ')
  }
}

/** An error with what it says of its causes. */
function explain(error: Error): string {
  const below = error instanceof InvariantError ? error.state : error.cause
  const text = error.stack ?? error.message
  return below instanceof Error ? `${text}\nbecause of ${explain(below)}` : text
}
