import type { Log } from '../log/index.ts'
import type { BackupSource } from './backup/index.ts'
import type { EngineStateMachine } from './state-machine.ts'

/**
 * What a backup is taken of: a state machine and the log that leads to it. Of the log only what is applied is read. `requireTrusted` throws
 * where the state may not be given away.
 */
export function backupSource(machine: EngineStateMachine, log: Log, requireTrusted?: () => void): BackupSource {
  return {
    ...(requireTrusted !== undefined && { requireTrusted }),
    get historyId() {
      return machine.historyId
    },
    head() {
      // All of one root: while an install is taken over, the state machine is between two.
      const source = machine.sourceSince(machine.appliedSeq)
      const { seq, chain, leaderTimeMicros, effectChain, sum } = source.manifest
      source.close()
      return { seq, chain, leaderTimeMicros, effectChain, sum: [sum.lo, sum.hi] }
    },
    sourceSince: sinceSeq => machine.sourceSince(sinceSeq),
    get firstSeq() {
      return log.base.seq + 1
    },
    readEntries: (fromSeq, maxBytes) => log.read(fromSeq, maxBytes),
  }
}
