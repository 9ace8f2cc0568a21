import type { Refusal } from './effect.ts'
import type { ConfigurationTarget } from './input.ts'
import { appendEntries } from './durability.ts'
import { bytesThrough, chainAt, termAt } from './log-view.ts'
import {
  enterConfiguration,
  findConfigurationError,
  forgetOldConfigurations,
  leaveJoint,
  peersOf,
  pushConfigurations,
} from './membership.ts'
import { isMutant } from './mutants.ts'
import { createProgress } from './progress.ts'
import { isVoter, quorumValue } from './quorum.ts'
import { finishRound, hasCommittedInTerm } from './read-index.ts'
import { becomeFollower } from './roles.ts'
import { activeConfiguration, activeConfigurationSeq, leadershipOf, type RaftState, type WantedEntry } from './state.ts'
import { endTransfer, leaveOffice, startTransfer, tickTransfer } from './transfer.ts'
import { NO_NODE, type Configuration, type EntryBatch, type NodeId, type Seq } from './types.ts'

/** A leader's own affairs: taking office, appending, committing, changing members, stepping down. */

/** Takes office: everything about peers starts afresh, and the term's no-op is asked of the driver (L9, R1). */
export function becomeLeader(state: RaftState): void {
  if (state.role !== 'candidate') throw new Error(`leader from ${state.role}`)
  const isStaleTransferKept = isMutant('transfer flag survives term')
  if (!isStaleTransferKept) state.transfer = null
  state.role = 'leader'
  state.leader = state.id
  state.ack = { verifiedSeq: 0, ackedSeq: 0, streamId: 0, sentAtMs: 0, isOwed: false }
  state.reads.seq = 0
  state.leadership = {
    termStartSeq: state.log.lastSeq + 1,
    progress: new Map(),
    nextStreamId: 1,
    confirmers: [],
    wanted: [{ kind: 'noop', configuration: null }],
    heartbeatOriginMs: state.nowMs,
    nextHeartbeatMs: state.nowMs,
    isLeaseBarred: false,
    changeTarget: null,
    isStallTransferTried: false,
  }
  followConfiguration(state)
}

/** Gives every member of the active configuration a progress record, and drops the others. */
export function followConfiguration(state: RaftState): void {
  const leadership = state.leadership
  if (leadership === null) return
  const peers = peersOf(state)
  for (const id of leadership.progress.keys()) if (!peers.includes(id)) leadership.progress.delete(id)
  for (const id of peers) {
    if (leadership.progress.has(id)) continue
    const next = Math.max(state.log.base.seq, state.log.lastSeq) + 1
    const window = state.settings.maxInflightMessages
    leadership.progress.set(id, createProgress(id, next, leadership.nextStreamId++, state.nowMs, window))
  }
  if (state.transfer !== null && !canReceiveLeadership(state, state.transfer.to)) {
    endTransfer(state, 'notVoter') // T4
  }
}

function canReceiveLeadership(state: RaftState, id: NodeId): boolean {
  const configuration = activeConfiguration(state)
  return configuration !== undefined && isVoter(configuration, id)
}

/** The entry the driver must encode next, if the core needs one of its own. */
export function nextWanted(state: RaftState): WantedEntry | undefined {
  return state.leadership?.wanted[0]
}

/** Bytes appended after `seq`, which may lie below the log's base. */
function bytesAfter(state: RaftState, seq: Seq): number {
  return bytesThrough(state.log, state.log.lastSeq) - bytesThrough(state.log, Math.max(seq, state.log.base.seq))
}

/** Why a proposal of this size is refused now, or undefined. `appliedSeq`: what apply is behind with counts as what is not committed. */
export function findProposalObstacle(state: RaftState, byteLength: number, appliedSeq: Seq): Refusal | undefined {
  if (state.stopped) return 'stopped'
  if (state.role !== 'leader') return 'notLeader'
  if (state.transfer !== null && !isMutant('proposals accepted during transfer')) return 'transferring' // T1
  const pending = bytesAfter(
    state,
    isMutant('apply backlog unbounded') ? state.commit : Math.min(appliedSeq, state.commit),
  )
  if (pending > 0 && pending + byteLength > state.settings.maxUncommittedBytes) return 'busy'
  return undefined
}

/** Takes entries that the driver encoded for this leader: proposals, or what `wanted` asked for. */
export function onAppend(state: RaftState, batch: EntryBatch): void {
  const leadership = leadershipOf(state)
  const wanted = leadership.wanted[0]
  const isOwnTerm = batch.terms.length === 1 && batch.terms[0]!.term === state.term
  if (batch.firstSeq !== state.log.lastSeq + 1 || !isOwnTerm) throw new Error('append outside the slot that was given')
  if ((wanted?.kind === 'configuration') !== batch.configurations.length > 0) {
    throw new Error('configuration entries are appended only when the core asks for them')
  }
  if (wanted !== undefined) leadership.wanted.shift()
  appendEntries(state, batch, batch.firstSeq)
  if (pushConfigurations(state, batch.configurations, batch.firstSeq)) followConfiguration(state)
}

/** L10: a leader counts itself only as a voter, and only what it has synced. */
function matchOf(state: RaftState, id: NodeId): Seq {
  if (id !== state.id) return state.leadership?.progress.get(id)?.match ?? 0
  return isMutant('leader counts itself unsynced') ? state.log.lastSeq : state.storage.durableSeq
}

/** Raises the commit index to what a quorum has synced, if that entry is of the current term (L9). */
export function advanceCommit(state: RaftState): void {
  const configuration = activeConfiguration(state)
  if (state.leadership === null || configuration === undefined) return
  const seq = quorumValue(configuration, id => matchOf(state, id))
  if (seq <= state.commit) return
  if (termAt(state.log, seq) !== state.term && !isMutant('commit old term by count')) return
  assertQuorumHas(state, configuration, seq)
  state.commit = seq
  forgetOldConfigurations(state)
  onCommittedAsLeader(state)
}

/** Invariant 7: recomputes the quorum naively before the commit index moves. */
function assertQuorumHas(state: RaftState, configuration: Configuration, seq: Seq): void {
  for (const half of [configuration.voters, configuration.outgoing]) {
    const having = half.filter(id => matchOf(state, id) >= seq).length
    if (half.length === 0 || having * 2 > half.length || isMutant('joint needs one majority')) continue
    throw new Error(`commit of ${seq} without a quorum`)
  }
}

/** What waits for commits: leaving a joint configuration (M4: only once it is committed), and leaving at all (M6). */
function onCommittedAsLeader(state: RaftState): void {
  const leadership = leadershipOf(state)
  const configuration = activeConfiguration(state)
  const isOldEnough = activeConfigurationSeq(state) <= state.commit || isMutant('leave joint uncommitted')
  if (configuration === undefined || !isOldEnough || leadership.wanted.length > 0) return
  if (configuration.outgoing.length > 0) {
    // Of an earlier term too: a new leader finishes what the old one began, once it may decide (M2).
    if (hasCommittedInTerm(state)) {
      leadership.wanted.push({ kind: 'configuration', configuration: leaveJoint(configuration) })
    }
    return
  }
  if (leadership.changeTarget !== null) {
    state.effects.push({ type: 'configurationChange', refusal: null, configuration })
    leadership.changeTarget = null
  }
  if (!isVoter(configuration, state.id)) leaveOffice(state)
}

/** Begins a configuration change, or says why not (M1, M2). */
export function onProposeConfiguration(state: RaftState, target: ConfigurationTarget): void {
  const current = activeConfiguration(state)
  const refusal = findChangeObstacle(state) ?? findUnreadyVoter(state, target)
  const asked: Configuration = { ...target, historyId: current?.historyId ?? '', outgoing: [], learnersNext: [] }
  if (refusal !== undefined || current === undefined || findConfigurationError(asked) !== undefined) {
    const reason = refusal ?? 'invalidConfiguration'
    state.effects.push({ type: 'configurationChange', refusal: reason, configuration: asked })
    return
  }
  const leadership = leadershipOf(state)
  leadership.changeTarget = asked
  leadership.wanted.push({ kind: 'configuration', configuration: enterConfiguration(current, target) })
}

/**
 * M8, M9: only a member that has the log through the active configuration may become a voter. An empty one would count
 * in every quorum and, knowing no configuration, vote in none.
 */
function findUnreadyVoter(state: RaftState, target: ConfigurationTarget): Refusal | undefined {
  const known = activeConfigurationSeq(state)
  const isReady = (id: NodeId): boolean => matchOf(state, id) >= known
  return target.voters.every(isReady) ? undefined : 'notCaughtUp'
}

function findChangeObstacle(state: RaftState): Refusal | undefined {
  if (state.role !== 'leader' || state.leadership === null) return 'notLeader'
  if (state.transfer !== null) return 'transferring'
  if (!hasCommittedInTerm(state) && !isMutant('config before own-term commit')) return 'termNotCommitted' // M2
  const current = activeConfiguration(state)
  const isPending =
    activeConfigurationSeq(state) > state.commit ||
    state.leadership.changeTarget !== null ||
    (current !== undefined && current.outgoing.length > 0)
  if (isPending && !isMutant('second change while one is pending')) return 'changePending' // M1
  return undefined
}

/** Runs a leader's timers, after the turn's messages (T9). */
export function tickLeader(state: RaftState): void {
  tickTransfer(state)
  if (state.leadership !== null) checkDisk(state)
  if (state.leadership !== null) checkQuorum(state)
}

/** CheckQuorum: a leader that a quorum has not answered for an election timeout gives up (D-B, E12). */
function checkQuorum(state: RaftState): void {
  const leadership = leadershipOf(state)
  const configuration = activeConfiguration(state)
  if (configuration === undefined) return
  const heardMs = quorumValue(configuration, id => {
    if (id === state.id) return state.nowMs
    return leadership.progress.get(id)?.lastActiveMs ?? Number.NEGATIVE_INFINITY
  })
  if (state.nowMs - heardMs <= state.settings.electionMaxMs || isMutant('quorum-loss leader keeps sending')) return
  state.effects.push({ type: 'event', event: { name: 'quorumLost', term: state.term } })
  becomeFollower(state, state.term, NO_NODE)
}

/** T6: a leader whose disk hangs must not keep the group to itself with heartbeats. */
function checkDisk(state: RaftState): void {
  const leadership = leadershipOf(state)
  const oldestPendingMs = state.diskStallMs
  const limitMs = state.settings.electionMaxMs
  if (oldestPendingMs <= limitMs) {
    leadership.isStallTransferTried = false
    return
  }
  if (isMutant('heartbeats during disk stall')) return
  if (oldestPendingMs > 2 * limitMs) {
    state.effects.push({ type: 'event', event: { name: 'diskStalled', oldestPendingMs, action: 'stepDown' } })
    becomeFollower(state, state.term, NO_NODE)
  } else if (!leadership.isStallTransferTried && state.transfer === null) {
    leadership.isStallTransferTried = true
    state.effects.push({ type: 'event', event: { name: 'diskStalled', oldestPendingMs, action: 'transfer' } })
    startTransfer(state, NO_NODE)
  }
}

/** A sync finished: the own share of commits and rounds may have grown. */
export function onOwnProgress(state: RaftState): void {
  advanceCommit(state)
  finishRound(state)
}

/** Where the slot for the next entry is. */
export function nextSlot(state: RaftState): { firstSeq: Seq; term: number; prevChain: number } {
  const prevChain = chainAt(state.log, state.log.lastSeq)
  if (prevChain === undefined) throw new Error('the log has no end')
  return { firstSeq: state.log.lastSeq + 1, term: state.term, prevChain }
}
