import type { Input } from './input.ts'
import type { Progress } from './progress.ts'
import { isMutant } from './mutants.ts'
import { quorumValue } from './quorum.ts'
import { hasCommittedInTerm } from './read-index.ts'
import { activeConfiguration, type Leadership, type RaftState } from './state.ts'

/**
 * Whether an input may be stepped as soon as it comes, and the turn left out if nothing is due after it. Of a write a leader hears three
 * times that somebody has synced it, and one of these decides: the others must be counted, and no more.
 */
export function isCountedOnly(state: RaftState, input: Input): boolean {
  if (state.role !== 'leader' || state.stopped) return false
  if (input.type === 'persisted') return true
  return (
    input.type === 'recv' && (input.message.type === 'appendResponse' || input.message.type === 'heartbeatResponse')
  )
}

/**
 * Whether the end of a turn would do something now, for a leader that has just counted an answer. What falls due by time is left to
 * `nextDeadlineMs`. Yes where there is doubt: a turn too many does no harm.
 */
export function isTurnDue(state: RaftState): boolean {
  const { leadership, storage, told } = state
  if (state.role !== 'leader' || leadership === null || state.stopped) return true
  if (state.effects.length > 0 || state.commit > state.emittedCommit || state.transfer !== null) return true
  const isFrameOpen = storage.append.length > 0 || storage.isHardStateDirty || storage.truncateFrom !== null
  const isHeldFree = storage.held.length > 0 && storage.held[0]!.after <= storage.done
  if (isFrameOpen || isHeldFree || storage.outbox.length > 0 || storage.resetTo !== null) return true
  const { queue, round, isRoundToAnnounce } = state.reads
  if (isRoundToAnnounce || (round === null && queue.length > 0) || state.recovery.kind !== 'clean') return true
  if (told.role !== state.role || told.isReady !== hasCommittedInTerm(state)) return true
  return leadership.wanted.length > 0 || isPeerOwed(state, leadership)
}

function isPeerOwed(state: RaftState, { progress }: Leadership): boolean {
  for (const peer of progress.values()) if (isOwed(state, peer)) return true
  return false
}

function isOwed(state: RaftState, peer: Progress): boolean {
  if (peer.state === 'probe') return !peer.isProbeSent
  if (peer.state === 'snapshot') return false
  if (peer.isNudgeOwed || peer.isAwaiting || peer.next <= state.log.lastSeq) return true
  if (peer.sentCommit >= Math.min(state.commit, peer.next - 1)) return false
  // It has to be told a commit index: now, or no time for it is set, as after a probe.
  return peer.sentCommit < peer.awaitedSeq || peer.commitDueMs === Number.POSITIVE_INFINITY
}

/**
 * Whether something waits for this member's own disk. What a leader lacks for a majority are mostly the answers of others: until one of
 * them has come it need not hear of its own sync, nor later, if they are a majority without it. Yes where there is doubt.
 */
export function isOwnSyncAwaited(state: RaftState): boolean {
  const { storage, leadership } = state
  if (state.role !== 'leader' || leadership === null || state.stopped) return true
  if (storage.held.length > 0 || state.recovery.kind !== 'clean') return true
  const { pending } = storage
  const configuration = activeConfiguration(state)
  // An element before the first is looked for in all prototypes.
  if (pending.length === 0 || configuration === undefined || isMutant('own sync awaited by nobody')) return false
  if (configuration.voters.length > 1 && !isAnyAhead(state, leadership)) return false
  const newest = pending[pending.length - 1]!
  const matchOf = (id: number): number => (id === state.id ? newest.lastSeq : (leadership.progress.get(id)?.match ?? 0))
  return quorumValue(configuration, matchOf) > state.commit
}

/** Whether somebody else has more than what is committed, without which no more than one can be a majority. */
function isAnyAhead({ commit }: RaftState, { progress }: Leadership): boolean {
  for (const peer of progress.values()) if (peer.match > commit) return true
  return false
}
