import { addDigest, digestBytes, equalDigests, mixInteger, zeroDigest } from '../../encoding/index.ts'
import type { Digest64 } from '../../encoding/index.ts'
import type { ClusterState } from '../cluster-state.ts'
import { spaceLength } from '../layers.ts'
import { openScan } from '../record-scan.ts'
import { ColdPages, prefixEnd } from '../record-store.ts'
import type { RecordInPlace, RecordReader } from '../record-store.ts'
import type { Findings, Place } from './findings.ts'

/** What the rules are checked on. */
export interface Inspected {
  readonly reader: RecordReader
  readonly state: ClusterState
  /** Leader time of the state. */
  readonly timeMicros: number
  readonly findings: Findings
}

/** What a walk has come by. */
export interface Walked {
  records: number
  /** As the usage of a space counts: keys without the prefix of their space, and values. */
  bytes: number
}

/**
 * Visits all records whose keys begin with `prefix`, in order. `key` and `record` are valid during the call only. A visit that meets a cold
 * page is made again once the page is there, so it reads before it changes anything.
 */
export async function walkRecords(
  reader: RecordReader,
  prefix: Uint8Array,
  visit: (key: Uint8Array, record: RecordInPlace) => void,
): Promise<Walked> {
  const scan = openScan(reader, prefix, prefixEnd(prefix), false)
  const walked = { records: 0, bytes: 0 }
  let isVisited = true
  for (;;) {
    try {
      if (isVisited && !scan.next()) return walked
      isVisited = false
      const key = scan.key.slice()
      const bytes = key.length - spaceLength(key) + scan.record().valueBytes
      visit(key, scan.record())
      walked.records++
      walked.bytes += bytes
      isVisited = true
    } catch (error) {
      if (!(error instanceof ColdPages)) throw error
      await error.load()
    }
  }
}

/** A copy of the value of a record in place. */
export function valueOf({ bytes, valueAt, valueBytes }: RecordInPlace): Uint8Array {
  return bytes.slice(valueAt, valueAt + valueBytes)
}

/** What the keyspace counts of a space must be what is there. */
export function compareUsage({ reader, findings }: Inspected, space: Uint8Array, walked: Walked, place: Place): void {
  const usage = reader.usage?.(space)
  if (usage === undefined || (usage.records === walked.records && usage.bytes === walked.bytes)) return
  const counted = `${usage.records} records and ${usage.bytes} bytes are counted`
  const reason = `${counted}, ${walked.records} and ${walked.bytes} are there`
  findings.add('usage', reason, place, space)
}

/**
 * A set of keys with their expiries, as the sum of their digests: two sets that are met in different orders are compared without either
 * being kept.
 */
export class KeySum {
  count = 0
  readonly #sum: Digest64 = zeroDigest()
  readonly #part: Digest64 = zeroDigest()

  add(key: Uint8Array, expiresAtMicros = 0): void {
    digestBytes(this.#part, key, 0, key.length)
    mixInteger(this.#part, expiresAtMicros)
    addDigest(this.#sum, this.#part)
    this.count++
  }

  equals(other: KeySum): boolean {
    return this.count === other.count && equalDigests(this.#sum, other.#sum)
  }
}
