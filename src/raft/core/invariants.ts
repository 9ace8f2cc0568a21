import { chainAt, lastTerm, termAt } from './log-view.ts'
import { findConfigurationError } from './membership.ts'
import { isMutant } from './mutants.ts'
import { activeConfiguration, type RaftState } from './state.ts'

/**
 * A rule that no input may break is broken: a bug here or in the driver, or memory gone bad. The replica must stop;
 * `dump` is the state as JSON.
 */
export class InvariantViolation extends Error {
  readonly dump: string
  constructor(message: string, state: RaftState, cause?: unknown) {
    super(`member ${state.id}, term ${state.term}: ${message}`, cause === undefined ? undefined : { cause })
    this.name = 'InvariantViolation'
    this.dump = dumpState(state)
  }
}

/** The state as JSON, without the chains of entries and with long lists cut. */
export function dumpState(state: Readonly<RaftState>): string {
  return JSON.stringify(state, (key, value: unknown): unknown => {
    if (key === 'ref' || key === 'markSeqs' || key === 'markBytes' || ArrayBuffer.isView(value)) return undefined
    const isList = Array.isArray(value) || value instanceof Map || value instanceof Set
    return isList ? [...(value as Iterable<unknown>)].slice(-64) : value
  })
}

/**
 * Checks the invariants of raft.md 7.7 that one node can see (the numbers below are theirs), at the end of each turn.
 * Cost is O(members). Throws InvariantViolation.
 */
export function checkInvariants(state: RaftState): void {
  const problem =
    findScalarProblem(state) ?? findLogProblem(state) ?? findLeaderProblem(state) ?? findMemberProblem(state)
  if (problem !== undefined) throw new InvariantViolation(problem, state)
  const checked = state.checked
  checked.term = state.term
  checked.vote = state.vote
  checked.commit = state.commit
  checked.done = state.storage.done
}

function findScalarProblem(state: RaftState): string | undefined {
  const { checked, storage } = state
  if (state.term < checked.term) return '1: the term fell'
  if (state.term === checked.term && checked.vote !== 0 && state.vote !== checked.vote) return '1: the vote changed'
  if (state.commit < checked.commit) return '2: the commit index fell'
  if (storage.done < checked.done || storage.done > storage.issued) return '16: syncs went backwards'
  for (const held of storage.held) if (held.after <= storage.done) return '12: a promise was held back for nothing'
  return undefined
}

function findLogProblem(state: RaftState): string | undefined {
  const { log, storage, commit } = state
  if (commit > log.lastSeq || commit < log.base.seq) return `3: commit ${commit} outside the log`
  if (storage.durableSeq > log.lastSeq) return '3: synced beyond the log'
  if (lastTerm(log) > state.term) return '4: the log is ahead of the term'
  const runs = log.runs
  if (runs.length > 0 && runs[runs.length - 1]!.lastSeq !== log.lastSeq) return '4: term runs do not end at the log end'
  if (runs.length > 1 && runs[runs.length - 2]!.term >= runs[runs.length - 1]!.term) return '4: terms fall'
  if (log.chainsFirst !== log.base.seq + 1 || chainAt(log, log.lastSeq) === undefined) return '4: chains do not fit'
  return undefined
}

function findLeaderProblem(state: RaftState): string | undefined {
  if ((state.role === 'leader') !== (state.leadership !== null)) return '6: role and leadership differ'
  const leadership = state.leadership
  if (leadership === null) return undefined
  const start = leadership.termStartSeq
  if (leadership.wanted.length > 0 || state.log.lastSeq < start) return '6: the own entries were not appended'
  if (termAt(state.log, start) !== state.term && start > state.log.base.seq) return '6: no entry of the own term'
  for (const progress of leadership.progress.values()) {
    if (progress.match >= progress.next) return `8: match of ${progress.id} is not below next`
    if (progress.match > state.log.lastSeq) return `8: match of ${progress.id} beyond the log`
    const window = progress.inflights
    if (progress.state !== 'replicate' && window.length > 0) return '8: a window outside replicate'
    if (window.length === 0 && (window.bytes !== 0 || window.entries !== 0)) return '17: an empty window has bytes'
  }
  if (state.reads.round !== null && state.reads.round.seq > state.reads.seq) return '13: a round from the future'
  return undefined
}

function findMemberProblem(state: RaftState): string | undefined {
  const stack = state.configurations
  const top = stack[stack.length - 1]
  if (top === undefined) return undefined
  if (top.seq > state.log.lastSeq && !isMutant('no rollback of configuration'))
    return '10: a configuration outlived its entry'
  const pending = stack.filter(entry => entry.seq > state.commit).length
  if (state.role === 'leader' && pending > 1) return '10: two configuration changes in flight'
  const configuration = activeConfiguration(state)
  if (configuration !== undefined && configuration === state.checkedConfiguration) return undefined
  state.checkedConfiguration = configuration
  const problem = configuration === undefined ? undefined : findConfigurationError(configuration)
  return problem === undefined ? undefined : `11: ${problem}`
}
