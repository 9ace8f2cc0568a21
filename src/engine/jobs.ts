import { readU32, writeU32 } from '../encoding/index.ts'
import type { Changes } from './changes.ts'
import { jobKey, JOBS_PREFIX } from './layers.ts'
import { prefixEnd } from './record-store.ts'
import type { RecordReader } from './record-store.ts'

/**
 * Work too long for one entry, done in steps by ticks. The only kind removes the keys of a dropped scope; what is left of the
 * scope is its cursor, so that a step may be repeated.
 */
export interface Job {
  readonly key: Uint8Array
  readonly scopeId: number
}

const REMOVE_SCOPE = 1

/** Throws `ColdPages`. */
export function loadJobs(reader: RecordReader): Job[] {
  const jobs: Job[] = []
  reader.walk(JOBS_PREFIX, prefixEnd(JOBS_PREFIX), false, (key, _, value) => {
    jobs.push({ key: key.slice(), scopeId: readU32(value(), 1) })
    return true
  })
  return jobs
}

/** Records that the keys of a scope are to be removed. `index` tells jobs of one entry apart. */
export function addRemovalOfScope(changes: Changes, seq: number, index: number, scopeId: number): Job {
  const key = jobKey(seq, index)
  const value = new Uint8Array(5)
  value[0] = REMOVE_SCOPE
  writeU32(value, 1, scopeId)
  changes.put(key, value)
  return { key, scopeId }
}
