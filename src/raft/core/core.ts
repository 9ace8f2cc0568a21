import { createState, type CoreOptions } from './create.ts'
import { onPersisted, releaseMessages, sealFrame } from './durability.ts'
import type { Effect, Refusal } from './effect.ts'
import {
  findCampaignObstacle,
  isVoteOutOfOrder,
  onPreVoteRequest,
  onPreVoteResponse,
  onVoteRequest,
  onVoteResponse,
  onVoteSynced,
  startPreVote,
  tickElection,
} from './election.ts'
import { stopWith } from './fatal.ts'
import {
  acknowledgeLeader,
  answerHeartbeat,
  answerStaleLeader,
  endRecovery,
  onAppendRequest,
  onBootstrap,
  onHeartbeatRequest,
} from './follower.ts'
import type { Input } from './input.ts'
import { checkInvariants, InvariantViolation } from './invariants.ts'
import {
  findProposalObstacle,
  nextSlot,
  nextWanted,
  onAppend,
  onOwnProgress,
  onProposeConfiguration,
  tickLeader,
} from './leader.ts'
import { compactLog } from './log-view.ts'
import type { Message } from './message.ts'
import { isMutant } from './mutants.ts'
import {
  askLeader,
  hasCommittedInTerm,
  onRead,
  onReadIndexRequest,
  onReadIndexResponse,
  retryAsks,
  startRound,
  widenAtMs,
  widenRound,
} from './read-index.ts'
import {
  nextCommitDueMs,
  onAppendResponse,
  onCommitAwaited,
  onHeartbeatResponse,
  onSnapshotSent,
  onUnreachable,
  replicate,
  sendHeartbeats,
} from './replication.ts'
import { becomeFollower, resetElectionTimer } from './roles.ts'
import { onSnapshotInstalled, onSnapshotOffer } from './snapshot-flow.ts'
import { findSettingsError, type Settings } from './settings.ts'
import type { RaftState } from './state.ts'
import { onTimeoutNow } from './timeout-now.ts'
import { isCountedOnly, isOwnSyncAwaited, isTurnDue } from './turn-due.ts'
import { leaveOffice, resignForDisk, startTransfer } from './transfer.ts'
import { NO_NODE, type Configuration, type NodeId, type Seq, type Term } from './types.ts'

/** Where the next entry goes: encode it with this seq, term and previous chain, and step `append` in the same turn. */
export interface Slot {
  readonly firstSeq: Seq
  readonly term: Term
  readonly prevChain: number
}

/** An entry the core itself needs; to be encoded like a proposal. */
export interface WantedSlot extends Slot {
  readonly kind: 'noop' | 'configuration'
  readonly configuration: Configuration | null
}

/** Whether proposals may be appended now. */
export type Admission =
  | { readonly isAdmitted: true; readonly slot: Slot }
  | { readonly isAdmitted: false; readonly refusal: Refusal; readonly leader: NodeId }

/**
 * One member of one Raft group, without disk, network, clock or chance. It changes only in `step` and `takeEffects`.
 *
 * A turn of the driver:
 * 1. `step({ type: 'clock', ... })`
 * 2. `step` for every message, completion and request that waits, in order of arrival
 * 3. `step({ type: 'tick' })`
 * 4. while `wantedEntry()` gives one: encode it, `step({ type: 'append', ... })`
 * 5. proposals: `admit(byteLength)`, encode all of the turn from its slot, `step({ type: 'append', ... })`
 * 6. `takeEffects()`, and carry them out in order; nothing of a turn may be carried out before
 *
 * Turns are due when something waits, and at `nextDeadlineMs` at the latest. An input of which `isCountedOnly` says so may be stepped by
 * itself, after the clock, if nothing else waits: a turn is due then only if `isTurnDue` says so. What was synced may be told (`persisted`)
 * as late as with the next other input while `isOwnSyncAwaited` says no.
 */
export class RaftCore {
  readonly #state: RaftState

  /** Starts a member from what its disk holds. Throws RangeError for unusable options. */
  constructor(options: CoreOptions) {
    this.#state = createState(options)
  }

  /** Takes one input. Throws InvariantViolation for a bug, in which case the replica must stop. */
  step(input: Input): void {
    const state = this.#state
    if (state.stopped) return
    try {
      dispatch(state, input)
    } catch (error) {
      throw asViolation(state, error)
    }
  }

  /** The entry that must be appended before this turn's effects are taken, or undefined. */
  wantedEntry(): WantedSlot | undefined {
    const state = this.#state
    const wanted = state.stopped ? undefined : nextWanted(state)
    return wanted === undefined ? undefined : { ...nextSlot(state), ...wanted }
  }

  /**
   * Asks for room for proposals.
   * @param byteLength encoded size of all that will be appended into the slot
   * @param appliedSeq what the state machine has applied
   * @returns the slot, or `notLeader`, `transferring` (T1), `busy` (too much not committed or not applied), `stopped`
   */
  admit(byteLength: number, appliedSeq: number = this.#state.commit): Admission {
    const state = this.#state
    const refusal = nextWanted(state) === undefined ? findProposalObstacle(state, byteLength, appliedSeq) : 'busy'
    if (refusal !== undefined) return { isAdmitted: false, refusal, leader: state.leader }
    return { isAdmitted: true, slot: nextSlot(state) }
  }

  /** Ends the turn: everything that is to be done because of it, in order. */
  takeEffects(): Effect[] {
    const state = this.#state
    try {
      return state.stopped ? state.effects.splice(0) : endTurn(state)
    } catch (error) {
      throw asViolation(state, error)
    }
  }

  /** Whether `input` may be stepped outside a turn. */
  isCountedOnly(input: Input): boolean {
    return isCountedOnly(this.#state, input)
  }

  /** After such an input: whether the end of a turn would do something. */
  get isTurnDue(): boolean {
    return isTurnDue(this.#state)
  }

  /** Whether this member must hear of its own syncs as they happen. To be asked anew after each turn, and each counted input. */
  get isOwnSyncAwaited(): boolean {
    return isOwnSyncAwaited(this.#state)
  }

  /** Monotonic time at which a turn is due even if nothing happens. */
  get nextDeadlineMs(): number {
    const state = this.#state
    const { leadership } = state
    let deadlineMs = state.electionDeadlineMs
    if (leadership !== null) {
      const widenMs = widenAtMs(state.reads.round, state.settings.readWidenMs)
      deadlineMs = Math.min(leadership.nextHeartbeatMs, nextCommitDueMs(leadership), widenMs)
    }
    if (state.transfer !== null) deadlineMs = Math.min(deadlineMs, state.transfer.deadlineMs)
    for (const asked of state.reads.asked.values()) {
      deadlineMs = Math.min(deadlineMs, asked.askedAtMs + state.settings.electionMinMs)
    }
    return deadlineMs
  }

  /** The state, to be read only: status pages, metrics, tests. It changes with the next step. */
  get state(): Readonly<RaftState> {
    return this.#state
  }
}

function asViolation(state: RaftState, error: unknown): InvariantViolation {
  if (error instanceof InvariantViolation) return error
  return new InvariantViolation(error instanceof Error ? error.message : String(error), state, error)
}

function dispatch(state: RaftState, input: Input): void {
  if (!state.isClockSet && input.type !== 'clock') throw new Error('the first input must be the clock')
  switch (input.type) {
    case 'clock':
      return onClock(state, input.nowMs, input.wallMicros)
    case 'tick':
      return onTick(state)
    case 'recv':
      return onMessage(state, input.message)
    case 'append':
      return onAppend(state, input.batch)
    case 'bootstrap':
      return onBootstrap(state, input.batch)
    case 'persisted':
      onPersisted(state, input.ioSeq)
      onVoteSynced(state)
      return onOwnProgress(state)
    case 'ioFailed':
      return onIoFailed(state, input.error)
    case 'read':
      return onRead(state, input.ctx, input.mode)
    case 'commitAwaited':
      return onCommitAwaited(state, input.peer)
    case 'transfer':
      return startTransfer(state, input.to)
    case 'campaign':
      if (state.role !== 'leader' && findCampaignObstacle(state) === undefined) startPreVote(state) // E10
      return
    case 'proposeConfiguration':
      return onProposeConfiguration(state, input.target)
    case 'compacted':
      return compactLog(state.log, Math.min(input.seq, state.commit))
    case 'snapshotInstalled':
      return onSnapshotInstalled(state, input.meta)
    case 'snapshotFailed':
      state.pendingInstall = null
      return
    case 'snapshotSent':
      return onSnapshotSent(state, input.to, input.seq, input.isOk)
    case 'unreachable':
      if (state.role === 'leader') onUnreachable(state, input.peer)
      return
    case 'diskHealth':
      state.diskStallMs = input.oldestPendingMs
      return
    case 'rebuild':
      state.rebuildFrom = input.fromSeq
      return
    case 'fence':
      return onFence(state, input.isFenced)
    case 'settings':
      return onSettings(state, input.settings)
    case 'handicap':
      state.isHandicapped = input.isHandicapped
      return
    case 'digest':
      state.digest = input.digest
      return
    case 'agreedDigest':
      state.agreedDigest = input.digest
      return
    default:
      return assertNever(input)
  }
}

function assertNever(value: never): never {
  throw new Error(`unknown input or message ${JSON.stringify(value)}`)
}

function onClock(state: RaftState, nowMs: number, wallMicros: number): void {
  if (state.isClockSet && nowMs < state.nowMs) throw new Error('the monotonic clock went backwards')
  state.nowMs = nowMs
  state.wallMicros = wallMicros
  if (!state.isClockSet) {
    state.isClockSet = true
    state.voteEmbargoUntilMs = nowMs + state.settings.leaseMs // R8
    resetElectionTimer(state) // E11
  }
  if (isMutant('election check before drained messages')) onTick(state)
}

function onTick(state: RaftState): void {
  if (state.role === 'leader') tickLeader(state)
  else tickElection(state)
  retryAsks(state)
}

function onIoFailed(state: RaftState, error: string): void {
  resignForDisk(state) // T7
  const farewell = state.storage.outbox.filter(entry => entry.gate === 'now')
  for (const { message } of farewell) state.effects.push({ type: 'send', to: message.to, message })
  stopWith(state, 'ioFailed', state.storage.durableSeq, error)
}

function onSettings(state: RaftState, changed: Partial<Settings>): void {
  const settings = { ...state.settings, ...changed }
  const error = findSettingsError(settings)
  if (error !== undefined) throw new RangeError(error)
  state.settings = settings
}

/** A replica whose state differs must not lead: it hands over, and steps down if nobody takes over in time. */
function onFence(state: RaftState, isFenced: boolean): void {
  state.isFenced = isFenced
  if (isFenced && state.role === 'leader') leaveOffice(state)
}

function onMessage(state: RaftState, message: Message): void {
  if (message.to !== state.id || message.from === state.id) return
  if (message.term > state.term && !adoptTerm(state, message)) return
  if (message.term < state.term && !isAnsweredAcrossTerms(state, message)) return
  switch (message.type) {
    case 'preVoteRequest':
      return onPreVoteRequest(state, message)
    case 'preVoteResponse':
      return onPreVoteResponse(state, message)
    case 'voteRequest':
      return onVoteRequest(state, message)
    case 'voteResponse':
      return onVoteResponse(state, message)
    case 'appendRequest':
      followLeader(state, message.from)
      return onAppendRequest(state, message)
    case 'heartbeatRequest':
      followLeader(state, message.from)
      return onHeartbeatRequest(state, message)
    case 'snapshotOffer':
      followLeader(state, message.from)
      return onSnapshotOffer(state, message)
    case 'appendResponse':
      if (state.role === 'leader') onAppendResponse(state, message)
      return
    case 'heartbeatResponse':
      if (state.role === 'leader') onHeartbeatResponse(state, message)
      return
    case 'timeoutNow':
      return onTimeoutNow(state, message)
    case 'readIndexRequest':
      return onReadIndexRequest(state, message)
    case 'readIndexResponse':
      return onReadIndexResponse(state, message)
    default:
      return assertNever(message)
  }
}

/** A higher term: follow it, except where the rules say that it may be somebody's dream. False = done with it. */
function adoptTerm(state: RaftState, message: Message): boolean {
  switch (message.type) {
    case 'preVoteRequest':
      return true // E5: changes nothing at the voter
    case 'preVoteResponse':
      if (isMutant('higher term of a pre-vote refusal ignored')) return false
      break
    case 'voteRequest':
      // The lease: a member that comes back from a partition must not depose a leader that everybody hears.
      if (isVoteOutOfOrder(state, message)) {
        onVoteRequest(state, message)
        return false
      }
      break
    case 'voteResponse':
    case 'appendRequest':
    case 'appendResponse':
    case 'heartbeatRequest':
    case 'heartbeatResponse':
    case 'snapshotOffer':
    case 'timeoutNow':
    case 'readIndexRequest':
    case 'readIndexResponse':
      break
    default:
      return assertNever(message)
  }
  becomeFollower(state, message.term, NO_NODE)
  return true
}

/** A lower term: answered where silence would leave the sender stuck (E7), otherwise dropped. True = go on. */
function isAnsweredAcrossTerms(state: RaftState, message: Message): boolean {
  switch (message.type) {
    case 'preVoteRequest':
    case 'voteRequest':
      return true
    case 'preVoteResponse':
      // A voter with a lower term grants, too: its term is no part of the promise (E5).
      return true
    case 'heartbeatRequest':
      answerHeartbeat(state, message)
      return false
    case 'appendRequest':
    case 'snapshotOffer':
      answerStaleLeader(state, message.from, message.term)
      return false
    case 'readIndexRequest':
      onReadIndexRequest(state, message)
      return false
    case 'voteResponse':
      // A refusal under a lease does not adopt the candidate's term; it names the candidacy it answers (E4).
      return !message.isGranted
    case 'readIndexResponse':
      return message.readSeq === null
    case 'appendResponse':
    case 'heartbeatResponse':
    case 'timeoutNow':
      return false
    default:
      return assertNever(message)
  }
}

function followLeader(state: RaftState, leader: NodeId): void {
  if (state.role === 'leader') throw new Error(`member ${leader} leads the same term`)
  if (state.role !== 'follower' || state.leader !== leader) {
    if (state.leader !== NO_NODE && state.leader !== leader) throw new Error(`two leaders: ${state.leader}, ${leader}`)
    becomeFollower(state, state.term, leader)
  }
}

function endTurn(state: RaftState): Effect[] {
  askLeader(state)
  if (state.role === 'leader') {
    startRound(state)
    widenRound(state)
    sendHeartbeats(state)
    replicate(state)
  }
  endRecovery(state)
  const effects: Effect[] = []
  const frame = sealFrame(state)
  if (frame !== undefined) effects.push(frame)
  acknowledgeLeader(state)
  releaseMessages(state, effects)
  tellRole(state, effects)
  // S3: nothing is applied from the old log while a snapshot is about to replace the state.
  const mayApply = state.pendingInstall === null || isMutant('apply during install')
  if (state.commit > state.emittedCommit && mayApply) {
    state.emittedCommit = state.commit
    effects.push({ type: 'commit', seq: state.commit })
  }
  for (const effect of state.effects) effects.push(effect)
  state.effects = []
  checkInvariants(state)
  return effects
}

function tellRole(state: RaftState, effects: Effect[]): void {
  const { role, term, leader, told } = state
  const isReady = role === 'leader' && hasCommittedInTerm(state)
  if (told.role === role && told.term === term && told.leader === leader && told.isReady === isReady) return
  state.told = { role, term, leader, isReady }
  effects.push({ type: 'roleChanged', role, term, leader, isReady })
}
