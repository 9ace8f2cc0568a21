import assert from 'node:assert/strict'
import {
  RaftCore,
  activeConfiguration,
  type ConfigurationAt,
  type Configuration,
  type Effect,
  type EntryBatch,
  type EntryRange,
  type Input,
  type Message,
  type NodeId,
  type OutgoingMessage,
  type Recovery,
  type Seq,
  type Settings,
  type SnapshotMeta,
} from '../../../../src/raft/core/index.ts'
import { metaOf, SimDisk, SimLog, type Frame } from './disk.ts'
import { makeEntry, toBatch, type EntryContent, type SimEntry } from './entries.ts'
import { OracleViolation, type Oracle } from './oracle.ts'
import type { Before, Peer, Promises } from './promises.ts'
import type { EventQueue } from './queue.ts'
import type { Chance } from './random.ts'

/** What a node asks of the world around it. */
export interface Surroundings {
  readonly queue: EventQueue
  readonly oracle: Oracle
  readonly promises: Promises
  readonly settings: Partial<Settings>
  readonly firstEntry: SimEntry | null
  send(message: Message): void
  /** A node has won an election. */
  onLeader(node: SimNode): void
  node(id: NodeId): SimNode | undefined
  /** Whether a synced entry of this node may be missing from its disk without being a bug (the lying disk). */
  isLiar(id: NodeId): boolean
  trace(line: string): void
}

interface SimRead {
  readonly floor: Seq
  /** The turn that it was given in. */
  turn: number
  readonly isLease: boolean
}

/** A driver in miniature around one core: log in memory, disk, state machine, turns. Shape of src/raft/replica.ts. */
export class SimNode {
  readonly id: NodeId
  readonly directoryId: string
  readonly disk = new SimDisk()
  core: RaftCore | null = null
  isPaused = false
  /** Time one sync takes; raised by a disk stall. */
  syncMs = 1
  stallUntilMs = 0
  /** Speed and offset of the own monotonic clock. */
  readonly rate: number
  readonly offsetMs: number
  appliedSeq: Seq = 0
  isLeader = false
  readonly #around: Surroundings
  readonly #chance: Chance
  #log = new SimLog()
  #incarnation = 0
  #inbox: Input[] = []
  #proposals: EntryContent[] = []
  #isTurnScheduled = false
  #wakeAtMs = Number.POSITIVE_INFINITY
  #isSyncing = false
  /** Synced while nothing waited for it, and not told to the core yet; 0 = nothing is. */
  #untold = 0
  /** As the running turn began. */
  turnConfiguration: Configuration | undefined
  /** As the running turn began. */
  #before: Before | undefined
  #sent: Message[] = []
  #turns = 0

  constructor(id: NodeId, around: Surroundings, chance: Chance, drift: number) {
    this.id = id
    this.directoryId = `disk-${id}`
    this.#around = around
    this.#chance = chance
    this.rate = 1 + (chance.between(-1000, 1000) / 1000) * drift
    this.offsetMs = chance.between(0, 1_000_000)
  }

  get isUp(): boolean {
    return this.core !== null
  }

  get log(): SimLog {
    return this.#log
  }

  #localMs(): number {
    return this.offsetMs + this.#around.queue.nowMs * this.rate
  }

  /** Reads the disk and starts; a suspect mark stays until recovery has ended. */
  start(): void {
    const disk = this.disk
    disk.reconcileWithCheckpoint()
    this.#incarnation++
    this.#inbox = []
    this.#proposals = []
    this.#isTurnScheduled = false
    this.#wakeAtMs = Number.POSITIVE_INFINITY
    this.#isSyncing = false
    this.#untold = 0
    this.isPaused = false
    this.isLeader = false
    this.#log = disk.log.copy()
    this.appliedSeq = Math.max(disk.checkpoint?.seq ?? 0, disk.log.base.seq)
    const recovery: Recovery = disk.isSuspect ? { kind: 'suspect' } : { kind: 'clean' }
    const entries = disk.log.entries
    this.core = new RaftCore({
      id: this.id,
      directoryId: this.directoryId,
      settings: this.#around.settings,
      seed: this.#chance.uint32(),
      hardState: disk.hardState,
      base: disk.log.base,
      baseConfiguration: disk.baseConfiguration,
      log: entries.length === 0 ? [] : [toBatch(entries)],
      appliedSeq: this.appliedSeq,
      recovery,
    })
    this.#around.trace(`${this.id} start ${recovery.kind} last=${disk.log.lastSeq} term=${disk.hardState.term}`)
    if (disk.log.lastSeq === 0 && this.#around.firstEntry !== null && isListed(this.#around.firstEntry, this.id)) {
      // The bootstrap handshake: an empty node takes entry 1 from any holder that lists its directory.
      this.#inbox.push({ type: 'bootstrap', batch: toBatch([this.#around.firstEntry]) })
    }
    this.#scheduleTurn()
  }

  /** Stops at once. A random prefix of unfinished frames reaches the disk. */
  crash(options: { canBeSuspect: boolean; lostEntries: number }): void {
    if (this.core === null) return
    const survivors = this.#chance.between(0, this.disk.pending.length)
    for (let i = 0; i < survivors; i++) this.disk.completeOne()
    const isTorn = this.disk.pending.length > 0
    this.disk.pending.length = 0
    if (isTorn && options.canBeSuspect && this.#chance.isTrue(0.5)) this.disk.isSuspect = true
    if (options.lostEntries > 0 && !isTorn) {
      // A lying disk loses synced frames of the last window; the checkpoint and the hard state are safe.
      const log = this.disk.log
      const floor = Math.max(1, this.disk.checkpoint?.seq ?? 0, log.base.seq)
      const kept = Math.max(floor, log.lastSeq - options.lostEntries)
      if (kept < log.lastSeq) log.entries.length = kept - log.base.seq
      // The commit hint sits in the frames that are lost.
      const { term, vote, commit } = this.disk.hardState
      this.disk.hardState = { term, vote, commit: Math.min(commit, log.lastSeq) }
      this.disk.isSuspect = true
    }
    this.#around.trace(`${this.id} crash last=${this.disk.log.lastSeq} suspect=${this.disk.isSuspect}`)
    this.core = null
    this.isLeader = false
    this.#incarnation++
    this.#around.promises.onCrash(this)
  }

  resume(): void {
    this.isPaused = false
    this.#scheduleTurn()
  }

  give(input: Input): void {
    if (this.core === null) return
    this.#inbox.push(input)
    this.#scheduleTurn()
  }

  propose(value: number): void {
    if (this.core === null) return
    this.#proposals.push({ value, configuration: null })
    this.#scheduleTurn()
  }

  read(mode: 'index' | 'lease'): void {
    const ctx: SimRead = { floor: this.#around.oracle.maxCommit, isLease: mode === 'lease', turn: 0 }
    this.give({ type: 'read', ctx, mode })
  }

  #scheduleTurn(): void {
    if (this.#isTurnScheduled) return
    this.#isTurnScheduled = true
    const incarnation = this.#incarnation
    this.#around.queue.schedule(this.#chance.isTrue(0.8) ? 0 : this.#chance.between(0, 2), () => {
      if (this.#incarnation === incarnation) this.#turn()
    })
  }

  #turn(): void {
    this.#isTurnScheduled = false
    const core = this.core
    if (core === null || this.isPaused) return
    const nowMs = this.#localMs()
    this.turnConfiguration = activeConfiguration(core.state)
    core.step({ type: 'clock', nowMs, wallMicros: Math.round(nowMs * 1000) })
    this.#before = lookAt(core)
    this.#sent = []
    const inputs = this.#inbox.splice(0)
    this.#turns++
    this.#tellSynced(core)
    for (const input of inputs) if (input.type === 'read') (input.ctx as SimRead).turn = this.#turns
    const mayBeLeftOut = this.#isOneToCount(core, inputs, nowMs)
    for (const input of inputs) core.step(input)
    const isLeftOut = mayBeLeftOut && !core.isTurnDue
    const oldest = this.disk.pending[0]
    const oldestPendingMs = oldest === undefined ? 0 : nowMs - oldest.writtenAtMs
    core.step({ type: 'diskHealth', oldestPendingMs })
    core.step({ type: 'tick' })
    for (let wanted = core.wantedEntry(); wanted !== undefined; wanted = core.wantedEntry()) {
      const content = { value: 0, configuration: wanted.configuration }
      core.step({
        type: 'append',
        batch: toBatch([makeEntry(wanted.firstSeq, wanted.term, wanted.prevChain, content)]),
      })
    }
    this.#appendProposals(core)
    const effects = core.takeEffects()
    // A leader that finds itself alone, or its disk stalled, does so by time.
    const isStalled = oldestPendingMs > core.state.settings.electionMaxMs
    if (isLeftOut && core.state.role === 'leader' && !isStalled) assert.deepEqual(effects, [])
    this.#execute(effects)
    this.#around.promises.afterTurn(this, this.#before, inputs, this.#sent)
    this.#wakeAt(core.nextDeadlineMs)
  }

  /** Whether a driver would step the only input without a turn, if none is due after it. */
  #isOneToCount(core: RaftCore, inputs: readonly Input[], nowMs: number): boolean {
    if (inputs.length !== 1 || this.#proposals.length > 0 || core.nextDeadlineMs <= nowMs) return false
    return core.isCountedOnly(inputs[0]!)
  }

  #appendProposals(core: RaftCore): void {
    const contents = this.#proposals.splice(0)
    if (contents.length === 0) return
    const admission = core.admit(contents.length * 200)
    if (!admission.isAdmitted) return
    this.#around.promises.onAdmitted(this)
    const entries: SimEntry[] = []
    let chain = admission.slot.prevChain
    for (const content of contents) {
      const entry = makeEntry(admission.slot.firstSeq + entries.length, admission.slot.term, chain, content)
      entries.push(entry)
      chain = entry.chain
    }
    core.step({ type: 'append', batch: toBatch(entries) })
  }

  #wakeAt(deadlineMs: number): void {
    const atMs = (deadlineMs - this.offsetMs) / this.rate
    if (!Number.isFinite(atMs) || atMs >= this.#wakeAtMs) return
    this.#wakeAtMs = atMs
    const incarnation = this.#incarnation
    this.#around.queue.schedule(atMs - this.#around.queue.nowMs + 0.01, () => {
      if (this.#incarnation !== incarnation) return
      this.#wakeAtMs = Number.POSITIVE_INFINITY
      this.#scheduleTurn()
    })
  }

  #execute(effects: readonly Effect[]): void {
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: Effect): void {
    const around = this.#around
    const oracle = around.oracle
    switch (effect.type) {
      case 'persist':
        return this.#persist(effect)
      case 'send':
        return this.#send(this.#withEntries(effect.message))
      case 'commit':
        return this.#apply(effect.seq)
      case 'readReady': {
        const read = effect.ctx as SimRead
        if (read.isLease && read.turn === this.#turns) around.promises.onLeaseRead(this, this.#before!)
        return oracle.onRead(this.id, read.floor, effect.seq, read.isLease)
      }
      case 'roleChanged':
        this.isLeader = effect.role === 'leader'
        around.trace(`${this.id} ${effect.role} term=${effect.term} leader=${effect.leader}`)
        if (this.isLeader) around.promises.onLeader(this, effect.term)
        if (this.isLeader) around.onLeader(this)
        if (this.isLeader) oracle.onLeader(this.id, effect.term, this.#log.lastSeq, seq => this.#log.at(seq)?.chain)
        return
      case 'sendSnapshot':
        return this.#sendSnapshot(effect.to, effect.minSeq, effect.term)
      case 'installSnapshot':
        return this.#install(effect.from, effect.meta)
      case 'recoveryEnded':
        oracle.counts.recoveries++
        around.trace(`${this.id} recovered at ${effect.seq}`)
        this.disk.isSuspect = false
        return
      case 'fatal':
        throw new OracleViolation(`${this.id} stopped: ${effect.code} ${effect.detail}`)
      case 'transferEnded':
        if (effect.refusal === null) oracle.counts.transfers++
        return
      case 'configurationChange':
        if (effect.refusal === null) oracle.counts.changes++
        return
      case 'readFailed':
      case 'peerReport':
        return
      case 'event':
        if (effect.event.name !== 'voteRefused') around.trace(`${this.id} ${JSON.stringify(effect.event)}`)
        return
      default:
        throw new Error(`unknown effect ${JSON.stringify(effect satisfies never)}`)
    }
  }

  #send(message: Message): void {
    this.#sent.push(message)
    this.#around.promises.onSend(this, message)
    this.#around.send(message)
  }

  #persist(effect: Extract<Effect, { type: 'persist' }>): void {
    const entries: SimEntry[] = []
    for (const slice of effect.append) {
      for (const entry of slice.ref as readonly SimEntry[]) {
        if (entry.seq >= slice.firstSeq && entry.seq <= slice.lastSeq) entries.push(entry)
      }
    }
    const { ioSeq, hardState, resetTo, truncateFrom } = effect
    const frame: Frame = { ioSeq, hardState, resetTo, truncateFrom, entries, writtenAtMs: this.#localMs() }
    this.#log.write(frame)
    for (const entry of entries) this.#around.oracle.onAppended(this.id, entry)
    this.disk.pending.push(frame)
    this.#sync()
  }

  /** One serial lane: frames finish in order, each after its own latency. */
  #sync(): void {
    if (this.#isSyncing || this.disk.pending.length === 0) return
    this.#isSyncing = true
    const incarnation = this.#incarnation
    const stallMs = Math.max(0, this.stallUntilMs - this.#around.queue.nowMs)
    this.#around.queue.schedule(stallMs + this.#chance.exponential(this.syncMs), () => {
      if (this.#incarnation !== incarnation) return
      this.#isSyncing = false
      const frame = this.disk.completeOne()
      if (this.core?.isOwnSyncAwaited === false) this.#untold = frame.ioSeq
      else this.give({ type: 'persisted', ioSeq: frame.ioSeq })
      this.#sync()
    })
  }

  /** A sync that nothing waited for is told in the next turn, and must decide nothing. */
  #tellSynced(core: RaftCore): void {
    if (this.#untold === 0) return
    const { commit, storage } = core.state
    const oldest = storage.held[0]?.after
    core.step({ type: 'persisted', ioSeq: this.#untold })
    this.#untold = 0
    if (core.state.commit > commit || (oldest !== undefined && oldest <= storage.done)) {
      throw new OracleViolation(`${this.id} was not told of a sync that it waited for`)
    }
  }

  #withEntries(message: OutgoingMessage): Message {
    if (message.type !== 'appendRequest') return message
    const range: EntryRange | null = message.entries
    const entries: EntryBatch | null = range === null ? null : toBatch(this.#log.slice(range.firstSeq, range.lastSeq))
    return { ...message, entries }
  }

  #apply(seq: Seq): void {
    const { oracle } = this.#around
    const state = this.core!.state
    this.#around.promises.onApply(this)
    for (let next = this.appliedSeq + 1; next <= seq; next++) {
      const entry = this.#log.at(next)
      if (entry === undefined) throw new OracleViolation(`${this.id} has no entry ${next} to apply`)
      oracle.onApplied(this.id, state.term, entry)
      this.#around.promises.onApplied(entry)
      oracle.note(this.id, next, entry.value)
      this.appliedSeq = next
    }
    const configuration = activeConfiguration(state)
    if (this.isLeader && configuration !== undefined && seq > state.log.base.seq) {
      const entry = this.#log.at(seq)!
      // A change may have been appended after the commit index moved, in the same turn.
      const active = this.turnConfiguration === undefined ? [configuration] : [this.turnConfiguration, configuration]
      oracle.onLeaderCommit(seq, active, id => this.#around.isLiar(id) || isDurableOn(this.#around.node(id), entry))
    }
  }

  /** Checkpoint of the applied state; as in DESIGN 5 only once the own log is synced up to it. */
  checkpoint(kept: number): void {
    const entry = this.disk.log.at(this.appliedSeq)
    const configuration = this.configurationAt(this.appliedSeq)
    if (this.core === null || entry === undefined || configuration === undefined) return
    if (this.#log.at(this.appliedSeq)?.chain !== entry.chain) return
    if (this.disk.pending.length > 0 || this.core.state.pendingInstall !== null) return
    this.disk.checkpoint = metaOf(entry, configuration.configuration)
    const seq = this.disk.compact(kept)
    if (seq === undefined) return
    this.#log.compact(seq)
    this.give({ type: 'compacted', seq })
  }

  configurationAt(seq: Seq): ConfigurationAt | undefined {
    let found: ConfigurationAt | undefined = this.disk.baseConfiguration ?? undefined
    for (const entry of this.#log.entries) {
      if (entry.seq > seq) break
      if (entry.configuration !== null) found = { seq: entry.seq, configuration: entry.configuration }
    }
    return found
  }

  #sendSnapshot(to: NodeId, minSeq: Seq, term: number): void {
    const entry = this.#log.at(this.appliedSeq) ?? (this.#log.base.seq === this.appliedSeq ? this.#log.base : undefined)
    const configuration: Configuration | undefined = this.configurationAt(this.appliedSeq)?.configuration
    const report = (isOk: boolean): void => this.give({ type: 'snapshotSent', to, seq: this.appliedSeq, isOk })
    if (entry === undefined || configuration === undefined || entry.seq < minSeq) return report(false)
    const meta = metaOf(entry, configuration)
    this.#around.send({ type: 'snapshotOffer', from: this.id, to, term, meta })
    const incarnation = this.#incarnation
    this.#around.queue.schedule(500 + this.#chance.exponential(500), () => {
      const target = this.#around.node(to)
      const isOk = (target?.disk.checkpoint?.seq ?? 0) >= meta.seq
      if (this.#incarnation === incarnation) this.give({ type: 'snapshotSent', to, seq: meta.seq, isOk })
    })
  }

  #install(_from: NodeId, meta: SnapshotMeta): void {
    const incarnation = this.#incarnation
    const isLong = this.#chance.isTrue(0.3)
    this.#around.queue.schedule(this.#chance.exponential(isLong ? 1_500 : 150), () => {
      if (this.#incarnation !== incarnation || this.core === null) return
      if (this.#chance.isTrue(0.1)) return this.give({ type: 'snapshotFailed' })
      this.#around.oracle.onInstalled(this.id, meta.seq, meta.chain)
      if (meta.seq > this.appliedSeq) {
        this.disk.checkpoint = meta
        this.appliedSeq = meta.seq
      }
      this.give({ type: 'snapshotInstalled', meta })
    })
  }
}

function lookAt({ state }: RaftCore): Before {
  const progress = new Map<NodeId, Peer>()
  for (const { id, match, next, state: mode, streamId } of state.leadership?.progress.values() ?? []) {
    progress.set(id, { match, next, state: mode, streamId })
  }
  const isHandingOver = state.transfer !== null || state.leadership?.isLeaseBarred === true
  const { term, role, commit, vote, log } = state
  const lastTerm = log.runs.at(-1)?.term ?? log.base.term
  const held = new Set<unknown>(state.storage.held.map(({ message }) => message))
  return { term, role, commit, isHandingOver, vote, lastSeq: log.lastSeq, lastTerm, held, progress }
}

function isListed(entry: SimEntry, id: NodeId): boolean {
  return entry.configuration?.members.some(member => member.id === id) ?? false
}

/** Whether a node's disk holds this very entry, or a checkpoint that covers it. */
function isDurableOn(node: SimNode | undefined, entry: SimEntry): boolean {
  if (node === undefined) return false
  if ((node.disk.checkpoint?.seq ?? 0) >= entry.seq || node.disk.log.base.seq >= entry.seq) return true
  return node.disk.log.at(entry.seq)?.chain === entry.chain
}
