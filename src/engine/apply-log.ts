import type { EntryBatch } from '../encoding/index.ts'
import type { Log } from '../log/index.ts'
import type { EngineStateMachine } from './state-machine.ts'

const READ_BYTES = 4 << 20

/** Applies entries that follow the state, through `throughSeq`, waiting for cold pages: nothing else is to be done meanwhile. */
export async function applyBatch(
  machine: EngineStateMachine,
  batch: EntryBatch,
  throughSeq: number = batch.lastSeq,
): Promise<void> {
  const last = Math.min(throughSeq, batch.lastSeq)
  while (machine.appliedSeq < last) {
    const { cold } = machine.apply(batch, () => machine.appliedSeq >= last)
    if (cold !== undefined) await cold
  }
}

/** Applies what the log has behind the state, through `throughSeq`. @throws LogError where the log does not hold */
export async function applyLog(machine: EngineStateMachine, log: Log, throughSeq: number = log.lastSeq): Promise<void> {
  while (machine.appliedSeq < throughSeq) {
    await applyBatch(machine, await log.read(machine.appliedSeq + 1, READ_BYTES), throughSeq)
  }
}
