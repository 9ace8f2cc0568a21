import { encodeConfiguration, EntryKind } from '../encoding/index.ts'
import type { RaftCore } from './core/index.ts'
import { encodeDrafts } from './entries.ts'
import type { GroupTime } from './group-time.ts'
import { fromCoreConfiguration } from './wire/index.ts'

/** Appends the entries that the core itself asks for; its no-op is stamped with the time of the entry before (DESIGN 7). */
export function appendWanted(core: RaftCore, time: GroupTime): void {
  if ((core.state.leadership?.wanted.length ?? 0) === 0) return
  time.noteLastEntry()
  for (let wanted = core.wantedEntry(); wanted !== undefined; wanted = core.wantedEntry()) {
    const { configuration } = wanted
    const isNoop = configuration === null
    if (isNoop) time.leadershipBegan()
    const payload = isNoop ? new Uint8Array(0) : encodeConfiguration(fromCoreConfiguration(configuration))
    const draft = { kind: isNoop ? EntryKind.noop : EntryKind.configuration, payload }
    const configurations = isNoop ? [] : [{ seq: wanted.firstSeq, configuration }]
    const timeMicros = isNoop || !time.isSet ? time.last : time.next()
    core.step({ type: 'append', batch: encodeDrafts([draft], wanted, timeMicros, configurations) })
  }
}
