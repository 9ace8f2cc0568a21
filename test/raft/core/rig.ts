import assert from 'node:assert/strict'
import {
  RaftCore,
  type Configuration,
  type CoreOptions,
  type Effect,
  type Input,
  type LogEnd,
  type Message,
  type NodeId,
  type OutgoingMessage,
  type Recovery,
  type Seq,
  type Settings,
  type Term,
} from '../../../src/raft/core/index.ts'
import { makeEntry, toBatch, type SimEntry } from './sim/entries.ts'

/** A configuration over members named by number. */
export function configurationOf(
  voters: readonly NodeId[],
  learners: readonly NodeId[] = [],
  outgoing: readonly NodeId[] = [],
): Configuration {
  const ids = [...new Set([...voters, ...outgoing, ...learners])]
  const members = ids.map(id => ({ id, name: `n${id}`, address: `n${id}:1`, directoryId: `disk-${id}` }))
  return { historyId: 'history', members, voters, outgoing, learners, learnersNext: [] }
}

/** Entries 1.. with these terms; equal prefixes of terms give equal entries. Entry 1 carries the configuration. */
export function historyOf(
  terms: readonly Term[],
  first: Configuration = configurationOf([1, 2, 3]),
  others: Readonly<Record<Seq, Configuration>> = {},
): SimEntry[] {
  const entries: SimEntry[] = []
  let chain = 0
  terms.forEach((term, at) => {
    const seq = at + 1
    const configuration = seq === 1 ? first : (others[seq] ?? null)
    const entry = makeEntry(seq, term, chain, { value: term, configuration })
    chain = entry.chain
    entries.push(entry)
  })
  return entries
}

export interface RigOptions {
  readonly id?: NodeId
  readonly entries?: readonly SimEntry[]
  readonly term?: Term
  readonly vote?: NodeId
  readonly commit?: Seq
  readonly appliedSeq?: Seq
  readonly settings?: Partial<Settings>
  readonly recovery?: Recovery
  readonly base?: CoreOptions['base']
  readonly baseConfiguration?: CoreOptions['baseConfiguration']
  readonly seed?: number
  /** Whether the embargo on votes after a start is still to pass (R8); by default it has. */
  readonly hasJustStarted?: boolean
}

export type Sent<T extends OutgoingMessage['type']> = Extract<OutgoingMessage, { type: T }>
export type EffectOf<T extends Effect['type']> = Extract<Effect, { type: T }>

/** One core with hand-made peers: every message, sync and millisecond is the test's own. */
export class Rig {
  readonly core: RaftCore
  readonly id: NodeId
  nowMs = 10_000
  /** Effects since the last `clear`. */
  effects: Effect[] = []
  /** Whether every frame is synced in the turn after it was written. */
  isAutoSync = true
  ioSeq = 0

  constructor(options: RigOptions = {}) {
    this.id = options.id ?? 1
    const entries = options.entries ?? historyOf([1])
    const base = options.base ?? { seq: 0, term: 0, chain: 0 }
    const kept = entries.filter(entry => entry.seq > base.seq)
    this.core = new RaftCore({
      id: this.id,
      directoryId: `disk-${this.id}`,
      settings: options.settings ?? {},
      seed: options.seed ?? 7,
      hardState: {
        term: options.term ?? entries.at(-1)?.term ?? 0,
        vote: options.vote ?? 0,
        commit: options.commit ?? 0,
      },
      base,
      baseConfiguration: options.baseConfiguration ?? null,
      log: kept.length === 0 ? [] : [toBatch(kept)],
      appliedSeq: options.appliedSeq ?? 0,
      recovery: options.recovery ?? { kind: 'clean' },
    })
    this.turn()
    if (options.hasJustStarted !== true) Object.assign(this.core.state, { voteEmbargoUntilMs: 0 })
  }

  get state(): RaftCore['state'] {
    return this.core.state
  }

  /** One turn at the present time; returns its effects (and those of the sync after it). */
  turn(...inputs: readonly Input[]): Effect[] {
    const core = this.core
    core.step({ type: 'clock', nowMs: this.nowMs, wallMicros: this.nowMs * 1000 })
    for (const input of inputs) core.step(input)
    core.step({ type: 'tick' })
    for (let wanted = core.wantedEntry(); wanted !== undefined; wanted = core.wantedEntry()) {
      const content = { value: wanted.term, configuration: wanted.configuration }
      core.step({
        type: 'append',
        batch: toBatch([makeEntry(wanted.firstSeq, wanted.term, wanted.prevChain, content)]),
      })
    }
    const effects = core.takeEffects()
    this.effects.push(...effects)
    const frame = effects.find(effect => effect.type === 'persist')
    if (frame !== undefined) this.ioSeq = frame.ioSeq
    if (frame === undefined || !this.isAutoSync) return effects
    return [...effects, ...this.sync()]
  }

  sync(): Effect[] {
    return this.turn({ type: 'persisted', ioSeq: this.ioSeq })
  }

  receive(...messages: readonly Message[]): Effect[] {
    return this.turn(...messages.map(message => ({ type: 'recv', message }) as const))
  }

  /** Lets time pass and runs a turn at its end. */
  wait(ms: number): Effect[] {
    this.nowMs += ms
    return this.turn()
  }

  /** Waits for the election timer, and no longer. */
  timeOut(): Effect[] {
    return this.wait(Math.ceil(this.core.nextDeadlineMs - this.nowMs))
  }

  clear(): void {
    this.effects = []
  }

  /** Appends proposals of a leader; returns whether they were admitted. */
  propose(count = 1): boolean {
    const core = this.core
    core.step({ type: 'clock', nowMs: this.nowMs, wallMicros: 0 })
    const admission = core.admit(count * 200)
    if (!admission.isAdmitted) {
      this.turn()
      return false
    }
    const entries: SimEntry[] = []
    let chain = admission.slot.prevChain
    for (let i = 0; i < count; i++) {
      const seq = admission.slot.firstSeq + i
      const entry = makeEntry(seq, admission.slot.term, chain, { value: admission.slot.term, configuration: null })
      entries.push(entry)
      chain = entry.chain
    }
    this.turn({ type: 'append', batch: toBatch(entries) })
    return true
  }

  sent<T extends OutgoingMessage['type']>(type: T, to?: NodeId): Sent<T>[] {
    return this.all('send')
      .map(effect => effect.message)
      .filter((message): message is Sent<T> => message.type === type && (to === undefined || message.to === to))
  }

  all<T extends Effect['type']>(type: T): EffectOf<T>[] {
    return this.effects.filter((effect): effect is EffectOf<T> => effect.type === type)
  }

  lastSent<T extends OutgoingMessage['type']>(type: T, to?: NodeId): Sent<T> {
    const found = this.sent(type, to).at(-1)
    assert.ok(found, `no ${type} was sent`)
    return found
  }

  /** Runs the node into office in the next term, with grants of `voters`. */
  elect(...voters: readonly NodeId[]): void {
    this.timeOut()
    const { term } = this.state
    assert.equal(this.state.role, 'preCandidate')
    for (const voter of voters) this.receive(this.preVoteGrant(voter, term))
    for (const voter of voters) this.receive(this.voteGrant(voter))
    assert.equal(this.state.role, 'leader')
  }

  preVoteGrant(from: NodeId, term: Term, over: Partial<Extract<Message, { type: 'preVoteResponse' }>> = {}): Message {
    return {
      type: 'preVoteResponse',
      from,
      to: this.id,
      term,
      campaignTerm: this.state.term + 1,
      campaignId: this.state.candidacy.campaignId,
      isGranted: true,
      reason: 'granted',
      recoveryId: 0,
      intactEnd: { term: 0, seq: 0 },
      ...over,
    }
  }

  voteGrant(from: NodeId, over: Partial<Extract<Message, { type: 'voteResponse' }>> = {}): Message {
    const { term, candidacy } = this.state
    return {
      type: 'voteResponse',
      from,
      to: this.id,
      term,
      campaignTerm: term,
      campaignId: candidacy.campaignId,
      isGranted: true,
      reason: 'granted',
      ...over,
    }
  }

  voteRequest(from: NodeId, term: Term, last: LogEnd, over: Partial<Sent<'voteRequest'>> = {}): Message {
    return {
      type: 'voteRequest',
      from,
      to: this.id,
      term,
      campaignId: 99,
      last,
      isTransfer: false,
      answers: [],
      ...over,
    }
  }

  preVoteRequest(from: NodeId, term: Term, last: LogEnd): Message {
    return { type: 'preVoteRequest', from, to: this.id, term, campaignTerm: term + 1, campaignId: 99, last }
  }

  /** AppendEntries of `from` in `term` out of the entries of a history, after prevSeq through lastSeq. */
  appendRequest(
    from: NodeId,
    term: Term,
    history: readonly SimEntry[],
    range: { prevSeq: Seq; lastSeq?: Seq; commit?: Seq },
    over: Partial<Extract<Message, { type: 'appendRequest' }>> = {},
  ): Message {
    const { prevSeq, lastSeq = prevSeq, commit = 0 } = range
    const prev = history[prevSeq - 1]
    const slice = history.slice(prevSeq, lastSeq)
    return {
      type: 'appendRequest',
      from,
      to: this.id,
      term,
      prevSeq,
      prevTerm: prev?.term ?? 0,
      prevChain: prev?.chain ?? 0,
      entries: slice.length === 0 ? null : toBatch(slice),
      commit,
      streamId: 1,
      sentAtMs: 5,
      recovery: null,
      ...over,
    }
  }

  heartbeat(from: NodeId, term: Term, over: Partial<Sent<'heartbeatRequest'>> = {}): Message {
    const common = { commit: 0, readSeq: 0, sentAtMs: 5, wallMicros: 0, digest: null }
    return { type: 'heartbeatRequest', from, to: this.id, term, ...common, ...over }
  }

  /** A peer's acceptance of the newest append that was sent to it. */
  accept(from: NodeId, matchSeq: Seq, over: Partial<Sent<'appendResponse'>> = {}): Message {
    return {
      type: 'appendResponse',
      from,
      to: this.id,
      term: this.state.term,
      isAccepted: true,
      matchSeq,
      rejectedSeq: 0,
      hint: { term: 0, seq: 0 },
      streamId: this.progress(from).streamId,
      sentAtMs: this.nowMs,
      recoveryId: 0,
      ...over,
    }
  }

  refuse(from: NodeId, rejectedSeq: Seq, hint: LogEnd, over: Partial<Sent<'appendResponse'>> = {}): Message {
    return { ...(this.accept(from, 0) as Sent<'appendResponse'>), isAccepted: false, rejectedSeq, hint, ...over }
  }

  heartbeatAnswer(from: NodeId, over: Partial<Sent<'heartbeatResponse'>> = {}): Message {
    const common = { readSeq: 0, syncedSeq: 0, diskStallMs: 0, wallMicros: 0, digest: null, isUnfitToLead: false }
    return {
      type: 'heartbeatResponse',
      from,
      to: this.id,
      term: this.state.term,
      sentAtMs: this.nowMs,
      ...common,
      ...over,
    }
  }

  progress(id: NodeId): NonNullable<ReturnType<NonNullable<RaftCore['state']['leadership']>['progress']['get']>> {
    const progress = this.state.leadership?.progress.get(id)
    assert.ok(progress, `no progress of ${id}`)
    return progress
  }

  /** Everything a leader has appended is synced at `peers`. */
  acceptAll(...peers: readonly NodeId[]): void {
    for (const peer of peers) this.receive(this.accept(peer, this.state.log.lastSeq))
  }
}

/** A leader of three at term 2 whose no-op (entry 2) is committed. */
export function leaderRig(options: RigOptions = {}): Rig {
  const rig = new Rig(options)
  rig.elect(2)
  rig.acceptAll(2, 3)
  rig.clear()
  return rig
}
