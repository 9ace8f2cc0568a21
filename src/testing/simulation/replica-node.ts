import type { EngineStateMachine } from '../../engine/index.ts'
import type { ApplyResult } from '../../model/index.ts'
import type { EntryBatch } from '../../encoding/index.ts'
import { openReplicaNode } from '../../node/index.ts'
import type { NodeInspection, NodeOpening, RunningNode } from './node.ts'

/** The real node: replica, log, state machine, over the simulated ports. */
export async function openSimulatedReplica(opening: NodeOpening): Promise<RunningNode> {
  const { platform, directory, name, members, createTransport, storage, onFatal } = opening
  let observed: EngineStateMachine | undefined
  const { replica } = await openReplicaNode({
    platform,
    directory,
    name,
    members,
    createTransport,
    storage,
    onFatal,
    onMachine: machine => {
      observed = machine
      observeApply(machine, opening)
    },
  })
  const machine = observed!
  return {
    service: replica,
    inspect: (): NodeInspection => {
      const { core, appliedSeq } = replica.inspect()
      const { role, term, leader, commit, told } = core
      return {
        appliedSeq,
        commitSeq: commit,
        term,
        role,
        leaderId: leader,
        isReady: told.isReady,
        digest: machine.digest,
      }
    },
  }
}

/** Reports each call of `apply` after it was made. */
function observeApply(machine: EngineStateMachine, { onApplied }: NodeOpening): void {
  const apply = machine.apply.bind(machine)
  machine.apply = (batch: EntryBatch, shouldYield: () => boolean): ApplyResult => {
    const firstSeq = machine.appliedSeq + 1
    const result = apply(batch, shouldYield)
    const { appliedThrough, outcomes } = result
    if (appliedThrough >= firstSeq) onApplied({ batch, firstSeq, appliedThrough, outcomes, digest: machine.digest })
    return result
  }
}
