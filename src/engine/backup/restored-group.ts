import { createHash } from 'node:crypto'
import { digestToHex } from '../../encoding/index.ts'
import type { Configuration, Member } from '../../encoding/index.ts'
import { QuorateError } from '../../model/index.ts'
import type { EngineStateMachine } from '../state-machine.ts'

/** A member as every node's configuration lists it. */
export interface RestoredMember {
  readonly name: string
  /** host:port */
  readonly peerAddress: string
  /** host:port */
  readonly clientAddress: string
}

const RESTORE_ID_CHARACTERS_MAX = 200

/**
 * Who the members of a restored cluster are, the same wherever it is worked out.
 * @throws QuorateError `invalid_argument` for members that make no group
 */
export function identitiesOf({
  members,
  restoreId,
}: {
  readonly members: readonly RestoredMember[]
  readonly restoreId: string
}): { directoryId(name: string): string; group(machine: EngineStateMachine): Configuration } {
  const names = new Set(members.map(({ name }) => name))
  if (names.size !== members.length || names.size === 0) {
    throw new QuorateError('invalid_argument', 'a cluster is restored for members of different names')
  }
  if (restoreId === '' || restoreId.length > RESTORE_ID_CHARACTERS_MAX) {
    throw new QuorateError('invalid_argument', `a restore id has 1 to ${RESTORE_ID_CHARACTERS_MAX} characters`)
  }
  const places = members.map(({ name, peerAddress, clientAddress }) => [name, peerAddress, clientAddress])
  const directoryId = (name: string): string => idOf('directory', restoreId, places, name)
  return {
    directoryId(name) {
      if (!names.has(name)) throw new QuorateError('invalid_argument', `${name} is no member: ${[...names].join(', ')}`)
      return directoryId(name)
    },
    group(machine) {
      const { appliedSeq, appliedChain, digest } = machine
      // Another state makes another history, so that members restored to different points refuse each other.
      const state = [machine.historyId, appliedSeq, appliedChain, digest.effectChain, digestToHex(digest.sum)]
      const listed = members.map((member, i): Member => ({
        nodeId: i + 1,
        ...member,
        directoryId: directoryId(member.name),
      }))
      return {
        historyId: idOf('history', restoreId, places, state),
        members: listed,
        voters: listed.map(({ nodeId }) => nodeId),
        outgoing: [],
        learners: [],
        learnersNext: [],
      }
    },
  }
}

/** 32 hexadecimal digits. */
function idOf(...parts: readonly unknown[]): string {
  return createHash('sha256')
    .update(JSON.stringify(['quorate restore', ...parts]))
    .digest('hex')
    .slice(0, 32)
}
