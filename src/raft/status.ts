import type { DatabaseStatus, LeaderHint, Topology } from '../model/index.ts'
import type { Member, RaftCore } from './core/index.ts'
import { activeConfiguration, isVoter, NO_NODE } from './core/index.ts'
import type { MemberAddress, ReplicaOptions } from './options.ts'
import type { GroupMember } from './wire/index.ts'

/** The members as this node knows them: of the active configuration, or as configured while there is none. */
export function membersOf(core: RaftCore, listed: readonly MemberAddress[]): Topology['members'] {
  const configuration = activeConfiguration(core.state)
  if (configuration === undefined) {
    return listed.map(({ name, clientAddress }, i) => ({ nodeId: i + 1, name, clientAddress, role: 'voter' as const }))
  }
  return configuration.members.map(member => ({
    nodeId: member.id,
    name: member.name,
    clientAddress: clientAddressOf(member, listed),
    role: isVoter(configuration, member.id) ? 'voter' : 'learner',
  }))
}

/** An address may have changed since the configuration was written: what is configured now counts. */
function clientAddressOf(member: Member, listed: readonly MemberAddress[]): string {
  const now = listed.find(({ name }) => name === member.name)
  return now?.clientAddress ?? (member as GroupMember).clientAddress
}

export function topologyOf(core: RaftCore, listed: readonly MemberAddress[], version: number): Topology {
  const { id, term, leader } = core.state
  const historyId = activeConfiguration(core.state)?.historyId ?? ''
  return { historyId, term, version, leaderId: leader, nodeId: id, members: membersOf(core, listed) }
}

export function leaderHintOf(core: RaftCore, listed: readonly MemberAddress[]): LeaderHint | undefined {
  const { leader, term } = core.state
  const member = leader === NO_NODE ? undefined : membersOf(core, listed).find(({ nodeId }) => nodeId === leader)
  return member && { nodeId: leader, clientAddress: member.clientAddress, term }
}

export function replicaStatus(
  core: RaftCore,
  { machine, members }: ReplicaOptions,
  topology: Topology,
  isUnjoined: boolean,
): DatabaseStatus {
  const { state } = core
  const leader = topology.members.find(({ nodeId }) => nodeId === state.leader && nodeId !== NO_NODE)
  return {
    deployment: 'replica',
    historyId: topology.historyId,
    appliedSeq: machine.appliedSeq,
    commitSeq: Math.max(state.commit, state.heardCommit),
    term: state.term,
    role: roleOf(core, isUnjoined),
    nodeId: state.id,
    leader: leader && { nodeId: leader.nodeId, name: leader.name, clientAddress: leader.clientAddress },
    members: topology.members.map(member => ({
      ...member,
      peerAddress: members.find(({ name }) => name === member.name)?.peerAddress ?? '',
    })),
  }
}

function roleOf({ state }: RaftCore, isUnjoined: boolean): DatabaseStatus['role'] {
  if (isUnjoined) return 'unjoined'
  if (state.recovery.kind !== 'clean') return 'suspect'
  if (state.role === 'leader' || state.role === 'follower') return state.role
  return 'candidate'
}

/** The lowest seq that a member is known to have matched; infinite on a node that does not lead. */
export function lowestMatch({ state }: RaftCore): number {
  let lowest = Number.POSITIVE_INFINITY
  for (const { match } of state.leadership?.progress.values() ?? []) lowest = Math.min(lowest, match)
  return lowest
}

/** Which of the members that do not lead this one is, from 0, and how many there are; 0 of 1 while that is unknown. */
export function followerPlace(core: RaftCore): { rank: number; count: number } {
  return placeAmong(core, core.state.leader)
}

/** Which of the members this one is, from 0, and how many there are; 0 of 1 while that is unknown. */
export function memberPlace(core: RaftCore): { rank: number; count: number } {
  return placeAmong(core, NO_NODE)
}

function placeAmong(core: RaftCore, leftOut: number): { rank: number; count: number } {
  const { id } = core.state
  let rank = 0
  let count = 0
  for (const member of activeConfiguration(core.state)?.members ?? []) {
    if (member.id === leftOut) continue
    count++
    if (member.id < id) rank++
  }
  return { rank, count: Math.max(1, count) }
}
