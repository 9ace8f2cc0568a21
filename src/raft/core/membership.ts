import type { ConfigurationTarget } from './input.ts'
import { isMutant } from './mutants.ts'
import { isVoter } from './quorum.ts'
import { activeConfiguration, activeConfigurationSeq, type RaftState } from './state.ts'
import type { Configuration, ConfigurationAt, NodeId, Seq } from './types.ts'

/** Names what is wrong with a configuration, or undefined (invariant 11). */
export function findConfigurationError(configuration: Configuration): string | undefined {
  const { members, voters, outgoing, learners, learnersNext } = configuration
  const known = new Set(members.map(member => member.id))
  if (voters.length === 0) return 'no voters'
  if (known.size !== members.length) return 'a member is listed twice'
  for (const list of [voters, outgoing, learners, learnersNext]) {
    if (new Set(list).size !== list.length) return 'an id is listed twice'
    if (!list.every(id => known.has(id))) return 'an id is not a member'
  }
  if (learners.some(id => isVoter(configuration, id))) return 'a learner votes'
  if (!learnersNext.every(id => outgoing.includes(id) && !voters.includes(id))) {
    return 'a staged learner must be a voter of the outgoing half only'
  }
  return undefined
}

function hasSameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every(id => b.includes(id))
}

/**
 * The first configuration on the way to `target`: joint if the voters differ, otherwise the target itself.
 * While joint, members that leave stay listed so that they keep being reached.
 */
export function enterConfiguration(current: Configuration, target: ConfigurationTarget): Configuration {
  const base = { historyId: current.historyId, outgoing: [], learnersNext: [] }
  if (hasSameIds(current.voters, target.voters)) return { ...base, ...target }
  const leaving = current.members.filter(member => !target.members.some(other => other.id === member.id))
  return {
    historyId: current.historyId,
    members: [...target.members, ...leaving],
    voters: target.voters,
    outgoing: current.voters,
    learners: target.learners.filter(id => !current.voters.includes(id)),
    learnersNext: target.learners.filter(id => current.voters.includes(id)),
  }
}

/** The configuration after a joint one: the incoming half alone. */
export function leaveJoint(joint: Configuration): Configuration {
  const learners = [...joint.learners, ...joint.learnersNext]
  return {
    historyId: joint.historyId,
    members: joint.members.filter(member => joint.voters.includes(member.id) || learners.includes(member.id)),
    voters: joint.voters,
    outgoing: [],
    learners,
    learnersNext: [],
  }
}

/** Makes configurations of a batch active, from `fromSeq` on (D-A). */
export function pushConfigurations(state: RaftState, found: readonly ConfigurationAt[], fromSeq: Seq): boolean {
  let changed = false
  for (const entry of found) {
    if (entry.seq < fromSeq) continue
    state.configurations.push(entry)
    changed = true
    state.effects.push({ type: 'event', event: { name: 'configuration', ...entry } })
  }
  return changed
}

/** M4: the log was cut from `fromSeq` on; what was active before is active again. */
export function rollBackConfigurations(state: RaftState, fromSeq: Seq): void {
  if (isMutant('no rollback of configuration')) return
  while (activeConfigurationSeq(state) >= fromSeq) {
    state.configurations.pop()
    const entry = state.configurations[state.configurations.length - 1]
    if (entry !== undefined) state.effects.push({ type: 'event', event: { name: 'configuration', ...entry } })
  }
}

/** Drops fall-backs that can never be needed: below the newest committed configuration. */
export function forgetOldConfigurations(state: RaftState): void {
  const stack = state.configurations
  while (stack.length > 1 && stack[1]!.seq <= state.commit) stack.shift()
}

/** True if this node is a voter of the active configuration. */
export function isOwnVoter(state: RaftState): boolean {
  const configuration = activeConfiguration(state)
  return configuration !== undefined && isVoter(configuration, state.id)
}

/** Everybody that the active configuration reaches, other than this node. */
export function peersOf(state: RaftState): NodeId[] {
  return (activeConfiguration(state)?.members ?? []).map(member => member.id).filter(id => id !== state.id)
}
