import type { EntryWork } from './entry-work.ts'
import { kvExpiryKey, kvPrefix } from './layers.ts'
import { prefixEnd } from './record-store.ts'

/** Does at most `recordsMax` removals of the oldest job. Returns how many. */
export function stepJobs(work: EntryWork, recordsMax: number): number {
  const job = work.state.jobs[0]
  if (job === undefined || recordsMax <= 0) return 0
  const { changes } = work
  let removed = 0
  let isDone = true
  const prefix = kvPrefix(job.scopeId)
  changes.walk(prefix, prefixEnd(prefix), false, (key, { expiresAtMicros }) => {
    if (removed === recordsMax) {
      isDone = false
      return false
    }
    const own = key.slice()
    if (expiresAtMicros !== 0) changes.delete(kvExpiryKey(expiresAtMicros, own))
    changes.delete(own)
    removed++
    return true
  })
  if (isDone) {
    changes.delete(job.key)
    work.state = { ...work.state, jobs: work.state.jobs.slice(1) }
  }
  return removed + 1
}
