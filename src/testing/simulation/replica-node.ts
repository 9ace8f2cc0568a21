import { findInconsistencies } from '../../engine/index.ts'
import type { EngineStateMachine, KeyspaceMutants } from '../../engine/index.ts'
import { SnapshotMismatch } from '../../model/index.ts'
import type { ApplyResult } from '../../model/index.ts'
import type { EntryBatch } from '../../encoding/index.ts'
import { openReplicaNode } from '../../node/index.ts'
import type { NodeInspection, NodeOpening, RunningNode } from './node.ts'

/** The real node: replica, log, state machine, over the simulated ports. */
export async function openSimulatedReplica(
  opening: NodeOpening,
  keyspaceMutants?: KeyspaceMutants,
): Promise<RunningNode> {
  const { platform, directory, name, members, createTransport, storage, requestLimits, keys, drift, onFatal } = opening
  const { alterValue } = opening
  let observed: EngineStateMachine | undefined
  const { replica } = await openReplicaNode({
    platform,
    directory,
    name,
    members,
    createTransport,
    storage,
    ...(requestLimits !== undefined && { requestLimits }),
    keys,
    tuning: { digestInterval: storage.digestInterval, ...(alterValue !== undefined && { alterValue }) },
    onFatal,
    keyspaceMutants: keyspaceMutants ?? drift,
    onMachine: machine => {
      observed = machine
      observeApply(machine, opening)
      observeInstalls(machine, opening)
    },
  })
  const machine = observed!
  return {
    service: replica,
    findInconsistency: async () => {
      const { found, count } = await findInconsistencies(machine)
      return count === 0 ? undefined : `${count} inconsistencies, first ${JSON.stringify(found[0])}`
    },
    inspect: (): NodeInspection => {
      const { core, appliedSeq, drift: found } = replica.inspect()
      const { role, term, leader, commit, told, vote, storage, log, recovery } = core
      return {
        appliedSeq,
        commitSeq: commit,
        term,
        syncedTerm: storage.termIo <= storage.done ? term : 0,
        vote,
        lastTerm: log.runs.at(-1)?.term ?? log.base.term,
        lastSeq: log.lastSeq,
        syncedSeq: storage.durableSeq,
        isWhole: recovery.kind === 'clean',
        role,
        leaderId: leader,
        isReady: told.isReady,
        unjoinedReason: replica.unjoinedReason,
        isFenced: found !== undefined,
        digest: machine.digest,
      }
    },
  }
}

/** Reports the beginning of each install, each of its steps, and that it did not fit. */
function observeInstalls(
  machine: EngineStateMachine,
  { onInstall, onInstallCommit, onInstallStep, onMisfit }: NodeOpening,
): void {
  const judged = async <T>(step: Promise<T>): Promise<T> => {
    try {
      return await step
    } catch (error) {
      if (error instanceof SnapshotMismatch) onMisfit(error)
      throw error
    }
  }
  const begin = machine.beginInstall.bind(machine)
  machine.beginInstall = async manifest => {
    const sink = await begin(manifest)
    onInstall(sink.resumeAfter !== undefined, manifest.sinceSeq)
    return {
      resumeAfter: sink.resumeAfter,
      write: async chunk => {
        await judged(sink.write(chunk))
        onInstallStep()
      },
      commit: () => {
        onInstallCommit(manifest)
        onInstallStep()
        return judged(sink.commit())
      },
      abort: () => sink.abort(),
    }
  }
}

/** Reports each call of `apply` after it was made. */
function observeApply(machine: EngineStateMachine, { platform, onApplied, isSlicing, applyMs }: NodeOpening): void {
  const apply = machine.apply.bind(machine)
  machine.apply = (batch: EntryBatch, shouldYield: () => boolean): ApplyResult => {
    const firstSeq = machine.appliedSeq + 1
    // Where a batch is cut must not matter.
    const mayYield = isSlicing() ? () => true : shouldYield
    const result = apply(batch, () => {
      const takesMs = applyMs()
      if (takesMs > 0) platform.spend(takesMs)
      return mayYield()
    })
    const { appliedThrough, outcomes } = result
    const { digest, digests: recorded } = machine
    if (appliedThrough >= firstSeq) onApplied({ batch, firstSeq, appliedThrough, outcomes, digest, recorded })
    return result
  }
}
