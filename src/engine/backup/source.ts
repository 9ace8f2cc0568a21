import type { EntryBatch } from '../../encoding/index.ts'
import type { Log } from '../../log/index.ts'
import type { ImageSource } from '../snapshots.ts'
import type { EngineStateMachine } from '../state-machine.ts'
import type { BackupSource } from './create.ts'
import type { BackupHead } from './manifest.ts'

/**
 * What a backup is taken of: a state machine and the log that leads to it. Of the log only what is applied is read. `requireTrusted` throws
 * where the state may not be given away.
 */
export function backupSource(machine: EngineStateMachine, log: Log, requireTrusted?: () => void): BackupSource {
  return new MachineSource(machine, log, requireTrusted)
}

class MachineSource implements BackupSource {
  readonly #machine: EngineStateMachine
  readonly #log: Log
  readonly #requireTrusted: (() => void) | undefined

  constructor(machine: EngineStateMachine, log: Log, requireTrusted: (() => void) | undefined) {
    this.#machine = machine
    this.#log = log
    this.#requireTrusted = requireTrusted
  }

  get historyId(): string {
    return this.#machine.historyId
  }

  get firstSeq(): number {
    return this.#log.base.seq + 1
  }

  /** All of one root: while an install is taken over, the state machine is between two. */
  head(): BackupHead {
    const source = this.#machine.sourceSince(this.#machine.appliedSeq)
    const { seq, chain, leaderTimeMicros, effectChain, sum } = source.manifest
    source.close()
    return { seq, chain, leaderTimeMicros, effectChain, sum: [sum.lo, sum.hi] }
  }

  sourceSince(sinceSeq: number): ImageSource {
    return this.#machine.sourceSince(sinceSeq)
  }

  readEntries(fromSeq: number, maxBytes: number): Promise<EntryBatch> {
    return this.#log.read(fromSeq, maxBytes)
  }

  requireTrusted(): void {
    this.#requireTrusted?.()
  }
}
