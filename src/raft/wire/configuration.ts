import type { Configuration as EncodedConfiguration } from '../../encoding/index.ts'
import type { Configuration, Member } from '../core/index.ts'

/** A member as the core carries it through: what it does not look at is kept beside what it does. */
export interface GroupMember extends Member {
  readonly clientAddress: string
}

/** A configuration entry's content as the core takes it. Its members are `GroupMember`s. */
export function toCoreConfiguration(encoded: EncodedConfiguration): Configuration {
  const { historyId, voters, outgoing, learners, learnersNext } = encoded
  const members = encoded.members.map(({ nodeId, name, peerAddress, clientAddress, directoryId }): GroupMember => ({
    id: nodeId,
    name,
    address: peerAddress,
    directoryId,
    clientAddress,
  }))
  return { historyId, members, voters, outgoing, learners, learnersNext }
}

/** The content of a configuration entry; the client's address is empty for a member that is no `GroupMember`. */
export function fromCoreConfiguration(configuration: Configuration): EncodedConfiguration {
  const { historyId, voters, outgoing, learners, learnersNext } = configuration
  const members = configuration.members.map(member => ({
    nodeId: member.id,
    name: member.name,
    peerAddress: member.address,
    clientAddress: 'clientAddress' in member ? (member as GroupMember).clientAddress : '',
    directoryId: member.directoryId,
  }))
  return { historyId, members, voters, outgoing, learners, learnersNext }
}
