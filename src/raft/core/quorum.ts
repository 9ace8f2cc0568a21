import { isMutant } from './mutants.ts'
import type { Configuration, NodeId } from './types.ts'

/** Outcome of an election tally. */
export type VoteResult = 'won' | 'lost' | 'pending'

/** Smallest number of voters that any two majorities share a member of. */
export function majoritySize(voterCount: number): number {
  return Math.floor(voterCount / 2) + 1
}

const scratch: number[] = []

/** The largest value that a majority of `voters` has reached; unknown members count as 0. */
function majorityValue(voters: readonly NodeId[], valueOf: (id: NodeId) => number): number {
  // A length that is set is a call into the engine of the language: what is beyond `count` is of earlier calls.
  let count = 0
  // Insertion sort, descending: at most a handful of voters, and no comparator to allocate (L11: always sorted).
  for (const id of voters) {
    const value = valueOf(id)
    let at = count
    scratch[count++] = value
    if (isMutant('unsorted quorum array')) continue
    while (at > 0 && scratch[at - 1]! < value) {
      scratch[at] = scratch[at - 1]!
      at--
    }
    scratch[at] = value
  }
  return count === 0 ? 0 : scratch[majoritySize(count) - 1]!
}

/**
 * The largest value that a quorum has reached: a majority, or one majority of each half while joint (M5). Used for
 * match seqs (commit), read rounds, send times (lease) and last contact (CheckQuorum).
 * @returns 0 for a configuration without voters: nobody decides there
 */
export function quorumValue(configuration: Configuration, valueOf: (id: NodeId) => number): number {
  const incoming = majorityValue(configuration.voters, valueOf)
  if (configuration.outgoing.length === 0 || isMutant('joint needs one majority')) return incoming
  return Math.min(incoming, majorityValue(configuration.outgoing, valueOf))
}

function tallyHalf(voters: readonly NodeId[], answerOf: (id: NodeId) => boolean | undefined): VoteResult {
  let granted = 0
  let refused = 0
  for (const id of voters) {
    const answer = answerOf(id)
    if (answer === true) granted++
    else if (answer === false) refused++
  }
  const needed = majoritySize(voters.length)
  if (voters.length > 0 && granted >= needed) return 'won'
  return voters.length - refused < needed ? 'lost' : 'pending'
}

/** Tallies an election by voter id (E3); joint configurations must win both halves (M5). */
export function tallyVotes(configuration: Configuration, answerOf: (id: NodeId) => boolean | undefined): VoteResult {
  const incoming = tallyHalf(configuration.voters, answerOf)
  if (configuration.outgoing.length === 0 || isMutant('joint needs one majority')) return incoming
  const outgoing = tallyHalf(configuration.outgoing, answerOf)
  if (incoming === 'lost' || outgoing === 'lost') return 'lost'
  return incoming === 'won' && outgoing === 'won' ? 'won' : 'pending'
}

/** True if `id` votes in either half. */
export function isVoter(configuration: Configuration, id: NodeId): boolean {
  return configuration.voters.includes(id) || configuration.outgoing.includes(id)
}

/** True if every voter, of both halves, satisfies the predicate. */
export function everyVoter(configuration: Configuration, predicate: (id: NodeId) => boolean): boolean {
  return configuration.voters.every(predicate) && configuration.outgoing.every(predicate)
}
