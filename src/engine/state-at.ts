import { formatToken, QuorateError, seqOfToken } from '../model/index.ts'
import type { Consistency } from '../model/index.ts'
import type { EngineView } from './engine-view.ts'
import type { ReadEntries } from './replay.ts'
import type { EngineStateMachine } from './state-machine.ts'

/**
 * The state that a read of the only copy may see: the newest but for `atSeq` and `checkpoint`, which read the log on from an older root.
 * @throws QuorateError `seq_unavailable` with the window; `history_changed`
 */
export function stateAt(
  machine: EngineStateMachine,
  consistency: Consistency | undefined,
  entries: ReadEntries,
): EngineView | Promise<EngineView> {
  const { historyId, appliedSeq } = machine
  if (consistency === 'checkpoint') return machine.viewAt(machine.newestCheckpointSeq, entries)
  if (typeof consistency === 'object' && 'atSeq' in consistency) {
    return machine.viewAt(seqOfToken(consistency.atSeq, historyId), entries)
  }
  if (typeof consistency === 'object' && 'minSeq' in consistency) {
    const seq = seqOfToken(consistency.minSeq, historyId)
    if (seq > appliedSeq) {
      const token = formatToken(historyId, appliedSeq)
      throw new QuorateError('seq_unavailable', `seq ${seq} is not known here yet: newest is ${token}`, {
        detail: { oldestSeq: machine.oldestViewSeq, newestSeq: appliedSeq },
      })
    }
  }
  return machine.view()
}
