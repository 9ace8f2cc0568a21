import { MalformedBytes } from '../encoding/index.ts'
import type { ConfigurationAt, EntryBatch, Recovery } from './core/index.ts'
import { RaftCore } from './core/index.ts'
import { coreSettings } from './core-settings.ts'
import { QuorateError } from '../model/index.ts'
import type { ReplicaOptions } from './options.ts'
import { lastLeaderTime } from './entries.ts'
import { describeEntries, toCoreConfiguration } from './wire/index.ts'

const READ_BYTES = 4 << 20

/** Builds the core from what the directory holds: hard state, log after its base, and what the state machine has durably applied. */
export async function startCore(options: ReplicaOptions): Promise<{ core: RaftCore; lastTimeMicros: number }> {
  const { log, recovered, machine, directoryId, random } = options
  const { batches, lastTimeMicros } = await readLog(options)
  const base = log.base
  const baseConfiguration = base.seq === 0 ? null : configurationAtBase(options)
  const { term, votedFor, commitSeq } = recovered.hardState
  const core = new RaftCore({
    id: ownId(options, baseConfiguration, batches),
    directoryId,
    settings: coreSettings(machine.settings),
    seed: random.u32(),
    hardState: { term, vote: votedFor, commit: commitSeq },
    base,
    baseConfiguration,
    log: batches,
    appliedSeq: machine.appliedSeq,
    recovery: recoveryOf(options),
  })
  return { core, lastTimeMicros }
}

/** The log as the core needs it, and the leader time of its last entry: a leader must not give out an earlier one. */
async function readLog({
  log,
  recovered,
  onLogRead,
}: ReplicaOptions): Promise<{ batches: EntryBatch[]; lastTimeMicros: number }> {
  const batches: EntryBatch[] = []
  let lastTimeMicros = 0
  let previous = { ...log.base }
  while (previous.seq < log.lastSeq) {
    const { bytes, firstSeq, lastSeq } = await log.read(previous.seq + 1, READ_BYTES)
    try {
      const batch = describeEntries(
        bytes,
        lastSeq - firstSeq + 1,
        previous,
        Math.max(recovered.hardState.term, log.lastTerm),
      )
      batches.push({ ...batch, ref: undefined })
      lastTimeMicros = lastLeaderTime(bytes)
      previous = { seq: lastSeq, term: batch.terms.at(-1)!.term, chain: batch.chains.at(-1)! }
      onLogRead?.((lastSeq - log.base.seq) / (log.lastSeq - log.base.seq))
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      throw new QuorateError('damaged', `log entries ${firstSeq} to ${lastSeq}: ${error.message}`, { cause: error })
    }
  }
  return { batches, lastTimeMicros }
}

/** What the log has forgotten, the state machine knows: its newest durable root lies at or after the log's base. */
function configurationAtBase({ machine, log }: ReplicaOptions): ConfigurationAt | null {
  const { configuration } = machine
  return configuration === undefined ? null : { seq: log.base.seq, configuration: toCoreConfiguration(configuration) }
}

/** The id that a configuration gives this directory; before there is one, the place in the configured list (DESIGN 8). */
function ownId(options: ReplicaOptions, base: ConfigurationAt | null, batches: readonly EntryBatch[]): number {
  const { directoryId, members, name } = options
  const configurations = [...(base === null ? [] : [base]), ...batches.flatMap(batch => batch.configurations)]
  for (const { configuration } of configurations.toReversed()) {
    const self = configuration.members.find(member => member.directoryId === directoryId)
    if (self !== undefined) return self.id
  }
  return members.findIndex(member => member.name === name) + 1
}

function recoveryOf({ recovered, log }: ReplicaOptions): Recovery {
  if (recovered.damage.length > 0) return { kind: 'damaged', throughSeq: log.lastSeq }
  return recovered.suspect === undefined ? { kind: 'clean' } : { kind: 'suspect' }
}
